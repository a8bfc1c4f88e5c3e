package report

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"errata/internal/store"
)

// readSaid returns the rows of the view code_states that meet a condition.
func readSaid(ctx context.Context, s *store.Store, where store.Condition) ([]Said, error) {
	all := []Said{}
	err := s.Query(ctx, "SELECT code, tenant, state, until, above, author, comment, at FROM code_states WHERE "+where.SQL+" ORDER BY tenant, code", where.Args, func(scan func(...any) error) error {
		var said Said
		var until time.Time
		err := scan(&said.Code, &said.Tenant, &said.State, &until, &said.Above, &said.Author, &said.Comment, &said.At.Time)
		said.Until.Time = store.OrZero(until)
		all = append(all, said)
		return err
	})
	return all, err
}

// askSaid asks what people have said about codes. Who said it and why is not for chosen tenants.
func (a *dailyAsker) askSaid(ctx context.Context) error {
	where := store.Scope{}.Where("")
	if len(a.query.Tenants) > 0 {
		where = where.And("tenant IN (?)", append([]string{store.AnyTenant}, a.query.Tenants...))
	}
	all, err := readSaid(ctx, a.s, where)
	if err != nil {
		return err
	}
	a.said = map[[2]string]Said{}
	for _, said := range all {
		if len(a.query.Tenants) > 0 {
			said.Author, said.Comment = "", ""
		}
		a.said[[2]string{said.Tenant, said.Code}] = said
	}
	return a.askReturned(ctx)
}

// saidOf returns what was said about a code of a tenant, nil for nothing. What was said of the
// tenant goes before what was said of all.
func (a *dailyAsker) saidOf(tenant, code string) *Said {
	for _, whose := range []string{tenant, store.AnyTenant} {
		if said, ok := a.said[[2]string{whose, code}]; ok {
			return &said
		}
	}
	return nil
}

// askReturned counts the errors of the day that came after their code was said to be fixed.
func (a *dailyAsker) askReturned(ctx context.Context) error {
	a.returned = map[[2]string]uint64{}
	day, within := a.windows[today], map[string]bool{} // codes that were fixed on the day
	for i := range a.pairs {
		p := &a.pairs[i]
		said := a.saidOf(p.Tenant, p.Code)
		if said == nil || said.State != store.Fixed || p.Counts[today] == 0 {
			continue
		}
		if from := store.FixedFrom(said.At.Time); !from.After(day.From) {
			a.returned[[2]string{p.Tenant, p.Code}] += p.Counts[today]
		} else if !from.After(p.Last.Time) {
			within[p.Code] = true
		}
	}
	if len(within) == 0 {
		return nil
	}
	where := a.scope(day).Where("minute").And("code IN (?)", slices.Sorted(maps.Keys(within)))
	return a.s.Query(ctx, "SELECT tenant, code, minute, sum(errors) FROM error_minute WHERE "+where.SQL+" GROUP BY tenant, code, minute", where.Args, func(scan func(...any) error) error {
		var key [2]string
		var minute time.Time
		var errors uint64
		err := scan(&key[0], &key[1], &minute, &errors)
		said := a.saidOf(key[0], key[1])
		if said == nil || said.State != store.Fixed {
			return err
		}
		if from := store.FixedFrom(said.At.Time); from.After(day.From) && !minute.Before(from) {
			a.returned[key] += errors
		}
		return err
	})
}

// back returns the change of a code that was said to be fixed and has errors since. After a fix,
// none are usual.
func (a *dailyAsker) back(of compared, exposure []uint64) (Change, bool) {
	n := a.returned[[2]string{of.Tenant, of.Code}]
	c := Change{Tenant: of.Tenant, Code: of.Code, Family: of.Family, Kind: of.Kind, Owner: of.owner, Errors: of.counts[today], Returned: n, Excess: float64(n),
		dialect: of.Dialect, service: of.Service}
	if exposure != nil {
		c.Requests = exposure[today]
	}
	a.name(&c, of)
	c.Change = IsRegressed
	return c, n > 0
}

// soften returns the level of a finding about a code after what was said of it: Quiet if the code
// is ignored to the end of the window, at most Watch if somebody is at it or has fixed it since.
func (s *Said) soften(level string, errors uint64, to time.Time) string {
	switch {
	case s == nil:
	case s.State == store.Ignored && (s.Until.IsZero() || !s.Until.Before(to)) && (s.Above == 0 || errors <= s.Above):
		return Quiet
	case level == Act && (s.State == store.Acknowledged || s.State == store.Fixed):
		return Watch
	}
	return level
}

// said is a state with its end.
func (p dailyPrinter) said(s *Said) string {
	if s == nil {
		return ""
	}
	text := p.word(s.State)
	if !s.Until.IsZero() {
		text = p.Sprintf("%s until %s", text, p.time(s.Until.Time))
	}
	if s.Above > 0 {
		text = p.Sprintf("%s up to %s", text, p.errors(s.Above))
	}
	return text
}

// saidBy is a state with who said it and why, if the reader may know.
func (p dailyPrinter) saidBy(s *Said) string {
	text := p.said(s)
	if s != nil && s.Author != "" {
		text = p.Sprintf("%s (%s: %s)", text, s.Author, s.Comment)
	}
	return text
}

// saidAll is the states of a code, each with its tenant unless it is of all.
func (p dailyPrinter) saidAll(all []Said) string {
	texts := make([]string, len(all))
	for i, s := range all {
		if texts[i] = p.said(&s); s.Tenant != store.AnyTenant {
			texts[i] = fmt.Sprintf("%s: %s", p.tenant(s.Tenant), texts[i])
		}
	}
	return p.some(texts)
}

// said returns what was said about the code.
func (c Change) said() []Said {
	if c.Said == nil {
		return nil
	}
	return []Said{*c.Said}
}

// states names the states of a code, for programs.
func states(all ...Said) string {
	var names []string
	for _, s := range all {
		if !slices.Contains(names, s.State) {
			names = append(names, s.State)
		}
	}
	return strings.Join(names, " ")
}

// saidOfAll returns what was said about a code of any of some tenants.
func (a *dailyAsker) saidOfAll(code string, tenants map[string]bool) []Said {
	all := []Said{}
	for _, tenant := range slices.Sorted(maps.Keys(tenants)) {
		if s := a.saidOf(tenant, code); s != nil && !slices.Contains(all, *s) {
			all = append(all, *s)
		}
	}
	return all
}
