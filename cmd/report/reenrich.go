package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"errata/internal/catalog"
	"errata/internal/enrich"
	"errata/internal/store"
	"errata/internal/summary"
)

const (
	reenrichSlice    = 20_000 // rows that are read, and written, at once
	reenrichProgress = 3 * time.Second
	maxReenrichKinds = 10_000 // of changes that are told apart
)

func newReenrich(env *environment) *cobra.Command {
	var window window
	r := &reenrichment{slice: reenrichSlice, changes: map[change]uint64{}}
	cmd := &cobra.Command{
		Use:   "re-enrich",
		Short: "Give stored errors what today's catalogs say of them",
		Long: "Give stored errors the family, kind, texts and so on that today's catalogs say, and the sums of errors their family and kind.\n" +
			"Counts do not change. It may be interrupted and run again: it goes on with the rows that have not had it, and a run that\n" +
			"finds none changes nothing. Ingesters may go on; let them take the new catalogs first.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if window.since != "" || window.from != "" || window.to != "" {
				since := window
				if since.from == "" && since.since == "" {
					since.from = "2000-01-01"
				}
				if r.from, r.to, err = since.resolve(time.Now()); err != nil {
					return err
				}
			}
			if r.rate < 0 {
				return fmt.Errorf("--rate %d: give how many rows a second at most", r.rate)
			}
			if r.store, r.catalogs, err = env.open(cmd.Context()); err != nil {
				return err
			}
			defer r.store.Close()
			r.told = cmd.ErrOrStderr()
			err = r.run(cmd.Context())
			if cmd.Context().Err() != nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "interrupted: %d of %d errors and %d sums are done; run it again to go on\n", r.done, r.todo, r.sums)
				return errFindings
			}
			if err != nil {
				return err
			}
			return r.render(cmd.OutOrStdout())
		},
	}
	window.flags(cmd)
	since := cmd.Flags().Lookup("since")
	window.since, since.DefValue = "", ""
	since.Usage = "how far back to go, such as 24h or 30d (default: all there is)"
	cmd.Flags().BoolVar(&r.dry, "dry-run", false, "count what would change, and write nothing")
	cmd.Flags().IntVar(&r.rate, "rate", 0, "how many rows a second at most (default: as fast as it goes)")
	return cmd
}

// reenrichment is one run.
type reenrichment struct {
	store    *store.Store
	catalogs *catalog.Set
	from, to time.Time // zero: all
	dry      bool
	rate     int
	slice    int
	told     io.Writer // of progress

	todo, done, sums uint64
	restamped        uint64 // of the done ones, those of which the catalogs say the same as before
	changes          map[change]uint64
	started, spoke   time.Time
}

// change is what became of errors of one code. Where family and kind stayed, it is a text, or what else the catalogs say.
type change struct {
	code          string
	before, after catalog.Meaning
}

func (r *reenrichment) run(ctx context.Context) error {
	days, err := r.store.StaleErrors(ctx, r.from, r.to, r.catalogs.Version)
	if err != nil {
		return err
	}
	for _, d := range days {
		r.todo += d.Rows
	}
	r.started, r.spoke = time.Now(), time.Now()
	limit := r.slice
	if r.rate > 0 {
		limit = max(1, min(limit, r.rate))
	}
	for i, d := range days {
		err := r.store.ReenrichErrors(ctx, r.catalogs, d.Day, r.from, r.to, limit, r.dry, func(rewrites []store.Rewrite) error {
			r.count(rewrites)
			r.progress("%d of %d errors; %s, day %d of %d", r.done, r.todo, d.Day.Format(time.DateOnly), i+1, len(days))
			return r.pause(ctx, r.done)
		})
		if err != nil {
			return err
		}
	}
	sumDays, err := r.store.SumDays(ctx, r.from, r.to)
	if err != nil {
		return err
	}
	for i, d := range sumDays {
		err := r.store.ReenrichSums(ctx, r.catalogs, d, r.from, r.to, limit, r.dry, func(rewrites []store.SumRewrite) error {
			r.sums += uint64(len(rewrites))
			return r.pause(ctx, r.done+r.sums)
		})
		if err != nil {
			return err
		}
		r.progress("%d errors done; sums: %s, day %d of %d", r.done, d.Format(time.DateOnly), i+1, len(sumDays))
	}
	return nil
}

// progress says how far it is, every few seconds.
func (r *reenrichment) progress(format string, args ...any) {
	if now := time.Now(); now.Sub(r.spoke) >= reenrichProgress {
		r.spoke = now
		fmt.Fprintf(r.told, format+"\n", args...)
	}
}

// pause waits as long as the rate asks for after so many rows.
func (r *reenrichment) pause(ctx context.Context, rows uint64) error {
	if r.rate == 0 {
		return ctx.Err()
	}
	due := r.started.Add(time.Duration(float64(rows) / float64(r.rate) * float64(time.Second)))
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(due)):
		return nil
	}
}

// count takes note of what became of rows.
func (r *reenrichment) count(rewrites []store.Rewrite) {
	for _, w := range rewrites {
		r.done++
		if sameButVersion(w.Before, w.After) {
			r.restamped++
			continue
		}
		c := change{w.After.Code, catalog.Meaning{Family: w.Before.Family, Kind: w.Before.Kind}, catalog.Meaning{Family: w.After.Family, Kind: w.After.Kind}}
		if _, known := r.changes[c]; !known && len(r.changes) >= maxReenrichKinds {
			c = change{code: store.Other}
		}
		r.changes[c]++
	}
}

// sameButVersion tells whether all that the catalogs say of an error is what they said before.
func sameButVersion(a, b enrich.Event) bool {
	return a.CatalogCode == b.CatalogCode && a.Family == b.Family && a.Kind == b.Kind && a.Known == b.Known && a.Template == b.Template &&
		a.Description == b.Description && a.Remedy == b.Remedy && a.Retry == b.Retry && a.Owner == b.Owner && maps.Equal(a.Args, b.Args)
}

// render writes the summary.
func (r *reenrichment) render(w io.Writer) error {
	verb := map[bool]string{false: "explained", true: "to be explained"}[r.dry]
	_, err := fmt.Fprintf(w, "%d errors %s by catalogs %s, %d of them differently; %d sums with another family or kind\n", r.done, verb, r.catalogs.Version, r.done-r.restamped, r.sums)
	if err != nil || len(r.changes) == 0 {
		return err
	}
	changes := slices.SortedFunc(maps.Keys(r.changes), func(a, b change) int {
		return cmp.Or(cmp.Compare(r.changes[b], r.changes[a]), cmp.Compare(a.code, b.code), cmp.Compare(a.before.Family, b.before.Family), cmp.Compare(a.before.Kind, b.before.Kind),
			cmp.Compare(a.after.Family, b.after.Family), cmp.Compare(a.after.Kind, b.after.Kind))
	})
	turn := func(before, after string) string {
		if before == after {
			return after
		}
		return cmp.Or(before, "-") + " => " + cmp.Or(after, "-")
	}
	out := table.NewWriter()
	out.SetStyle(summary.Style)
	out.SuppressTrailingSpaces()
	out.SetColumnConfigs([]table.ColumnConfig{{Number: 4, Align: text.AlignRight, AlignHeader: text.AlignRight}})
	out.AppendHeader(table.Row{"code", "family", "kind", "errors"})
	const shown = 50
	for _, c := range changes[:min(shown, len(changes))] {
		out.AppendRow(table.Row{c.code, turn(c.before.Family, c.after.Family), turn(c.before.Kind, c.after.Kind), r.changes[c]})
	}
	_, err = fmt.Fprintln(w, out.Render())
	if more := len(changes) - shown; more > 0 {
		_, err = fmt.Fprintf(w, "and %d more\n", more)
	}
	return err
}
