package report

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/enrich"
	"errata/internal/store"
)

// Reenrichment gives stored errors and their rollups what today's catalogs say, and reports what
// that changes. Counts stay the same. A run may be interrupted and repeated: it goes on with the
// rows that other catalogs have explained.
type Reenrichment struct {
	Scope    store.Scope // only its times; zero: all
	DryRun   bool        // count what would change, and write nothing
	Rate     int         // rows a second at most; 0: no limit
	Progress func(string)

	slice            int // rows that are read, and written, at once; 0: reenrichSlice
	catalogVersion   string
	started, spoke   time.Time
	todo, done, sums uint64
	restamped        uint64 // of the done ones: the catalogs say the same as before
	changes          map[Reexplained]uint64
}

const (
	reenrichSlice    = 20_000
	progressEvery    = 3 * time.Second
	maxReexplained   = 10_000 // changes that are counted apart
	shownReexplained = 50
)

// Reexplained is what became of errors of one code. If family and kind are the same, something else
// that the catalogs say has changed.
type Reexplained struct {
	Code          string
	Before, After catalog.Meaning
}

// Run re-enriches all days of the scope. After an error or when ctx ends, Render and Interrupted
// say how far it came.
func (r *Reenrichment) Run(ctx context.Context, s *store.Store, c *catalog.Set) error {
	r.changes, r.catalogVersion = map[Reexplained]uint64{}, c.Version
	days, err := s.StaleErrors(ctx, r.Scope.From, r.Scope.To, c.Version)
	if err != nil {
		return err
	}
	for _, d := range days {
		r.todo += d.Rows
	}
	r.started, r.spoke = time.Now(), time.Now()
	limit := cmp.Or(r.slice, reenrichSlice)
	if r.Rate > 0 {
		limit = max(1, min(limit, r.Rate))
	}
	for i, d := range days {
		err := s.ReenrichErrors(ctx, c, d.Day, r.Scope.From, r.Scope.To, limit, r.DryRun, func(rewrites []store.Rewrite) error {
			r.count(rewrites)
			r.progress("%d of %d errors; %s, day %d of %d", r.done, r.todo, d.Day.Format(time.DateOnly), i+1, len(days))
			return r.pause(ctx, r.done)
		})
		if err != nil {
			return err
		}
	}
	return r.runSums(ctx, s, c, limit)
}

func (r *Reenrichment) runSums(ctx context.Context, s *store.Store, c *catalog.Set, limit int) error {
	days, err := s.SumDays(ctx, r.Scope.From, r.Scope.To)
	if err != nil {
		return err
	}
	for i, d := range days {
		err := s.ReenrichSums(ctx, c, d, r.Scope.From, r.Scope.To, limit, r.DryRun, func(rewrites []store.SumRewrite) error {
			r.sums += uint64(len(rewrites))
			return r.pause(ctx, r.done+r.sums)
		})
		if err != nil {
			return err
		}
		r.progress("%d errors done; sums: %s, day %d of %d", r.done, d.Format(time.DateOnly), i+1, len(days))
	}
	return nil
}

// Interrupted says how far a run came that did not end.
func (r *Reenrichment) Interrupted() string {
	return fmt.Sprintf("interrupted: %d of %d errors and %d sums are done; run it again to go on", r.done, r.todo, r.sums)
}

// progress says how far the run is, every few seconds.
func (r *Reenrichment) progress(format string, args ...any) {
	if now := time.Now(); r.Progress != nil && now.Sub(r.spoke) >= progressEvery {
		r.spoke = now
		r.Progress(fmt.Sprintf(format, args...))
	}
}

// pause waits until the rate allows more than so many rows.
func (r *Reenrichment) pause(ctx context.Context, rows uint64) error {
	if r.Rate == 0 {
		return ctx.Err()
	}
	due := r.started.Add(time.Duration(float64(rows) / float64(r.Rate) * float64(time.Second)))
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(due)):
		return nil
	}
}

// count notes what became of rows.
func (r *Reenrichment) count(rewrites []store.Rewrite) {
	for _, w := range rewrites {
		r.done++
		if sameButVersion(w.Before, w.After) {
			r.restamped++
			continue
		}
		c := Reexplained{w.After.Code, catalog.Meaning{Family: w.Before.Family, Kind: w.Before.Kind}, catalog.Meaning{Family: w.After.Family, Kind: w.After.Kind}}
		if _, known := r.changes[c]; !known && len(r.changes) >= maxReexplained {
			c = Reexplained{Code: store.Other}
		}
		r.changes[c]++
	}
}

// sameButVersion reports whether the catalogs say the same about an error as they did before.
func sameButVersion(a, b enrich.Event) bool {
	return a.CatalogCode == b.CatalogCode && a.Family == b.Family && a.Kind == b.Kind && a.Known == b.Known && a.Template == b.Template &&
		a.Description == b.Description && a.Remedy == b.Remedy && a.Retry == b.Retry && a.Owner == b.Owner && maps.Equal(a.Args, b.Args)
}

// Render writes what a run changed.
func (r *Reenrichment) Render(w io.Writer) error {
	verb := "explained"
	if r.DryRun {
		verb = "to be explained"
	}
	err := cli.Paragraph(w, "", fmt.Sprintf("%d errors %s by catalogs %s, %d of them differently; %d sums with another family or kind",
		r.done, verb, r.catalogVersion, r.done-r.restamped, r.sums))
	if err != nil || len(r.changes) == 0 {
		return err
	}
	changes := slices.SortedFunc(maps.Keys(r.changes), func(a, b Reexplained) int {
		return cmp.Or(cmp.Compare(r.changes[b], r.changes[a]), cmp.Compare(a.Code, b.Code),
			cmp.Compare(a.Before.Family, b.Before.Family), cmp.Compare(a.Before.Kind, b.Before.Kind),
			cmp.Compare(a.After.Family, b.After.Family), cmp.Compare(a.After.Kind, b.After.Kind))
	})
	table := cli.Table{Columns: []cli.Column{{Name: "code"}, {Name: "family"}, {Name: "kind"}, {Name: "errors", Number: true}}}
	for _, c := range changes[:min(shownReexplained, len(changes))] {
		table.Rows = append(table.Rows, []string{c.Code, turn(c.Before.Family, c.After.Family), turn(c.Before.Kind, c.After.Kind), number(r.changes[c])})
	}
	if err := table.Text(w); err != nil {
		return err
	}
	if more := len(changes) - shownReexplained; more > 0 {
		_, err = fmt.Fprintf(w, "and %d more\n", more)
	}
	return err
}

func turn(before, after string) string {
	if before == after {
		return after
	}
	return cmp.Or(before, "-") + " => " + cmp.Or(after, "-")
}
