package report

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/spike"
)

// Change is a code that a tenant meets more or less often than usual. The test is that of package
// spike, on the day and the same weekday of past weeks, with the tenant's requests as exposure.
type Change struct {
	Change      string        `json:"change"` // one of the constants below
	Tenant      string        `json:"tenant"`
	Code        string        `json:"code"`
	Family      string        `json:"family"`
	Kind        string        `json:"kind"`
	Owner       string        `json:"owner"`
	Errors      uint64        `json:"errors"`
	Usual       float64       `json:"usual"`       // for as many requests
	UsualLow    uint64        `json:"usual_low"`   // nine in ten days lie
	UsualHigh   uint64        `json:"usual_high"`  // between these
	Excess      float64       `json:"excess"`      // Errors - Usual
	P           float64       `json:"p"`           // of so great a difference although nothing has changed
	Q           float64       `json:"q"`           // P adjusted for the number of pairs
	Requests    uint64        `json:"requests"`    // of the tenant
	FirstSeen   cli.Timestamp `json:"first_seen"`  // on the day; null: not at all
	SeenBefore  cli.Timestamp `json:"seen_before"` // the last time in the past weeks; null: not at all
	Said        *Said         `json:"said"`        // about the code of this tenant; null: nothing
	Returned    uint64        `json:"returned"`    // errors after the code was said to be fixed. Then none are usual, and P and Q are 0
	Description string        `json:"description"`
	Remedy      string        `json:"remedy"`
	Link        string        `json:"link"` // to a page about it; "": no page is configured

	dialect, service string
}

// The kinds of changes.
const (
	IsNew       = "new"       // the tenant never met the code before
	IsRegressed = "regressed" // the tenant has not met it for regressedAfter, or it was fixed
	IsWorse     = "worse"
	IsBetter    = "better"
	IsGone      = "gone"
)

// Up reports whether the change is one for the worse.
func (c Change) Up() bool { return c.Excess > 0 }

// Explained is codes that look changed because something else did.
type Explained struct {
	Cause  string        `json:"cause"` // one of the constants below
	Name   string        `json:"name"`  // of the gateway or tenant, where the reader may know it
	Since  cli.Timestamp `json:"since"` // null: not known
	Codes  []string      `json:"codes"` // without repeats
	Errors uint64        `json:"errors"`
	Link   string        `json:"link"` // to a page about the gateway or tenant; "": no page is configured
}

// The causes of what looks like a change.
const (
	NewGateway    = "new_gateway"    // all errors come from a gateway that sent nothing readable before
	SilentGateway = "silent_gateway" // the gateways from which the errors came send nothing readable now
	NewTenant     = "new_tenant"     // the tenant sent no requests before
	SilentTenant  = "silent_tenant"  // the tenant sends no requests now
	NewParser     = "new_parser"     // the codes came with another parser, or other settings of it
	NewCatalogs   = "new_catalogs"   // likewise with other catalogs, which say that these codes are errors
	GapInData     = "gap"            // records were lost
)

// Comparison says what the changes come from.
type Comparison struct {
	Pairs   int     `json:"pairs"`   // of tenant and code that were tested
	Weeks   int     `json:"weeks"`   // of the past spike.Weeks that have requests
	Skipped int     `json:"skipped"` // tenants with requests in too few weeks to be judged
	Q       float64 `json:"q"`       // of the changes, at most this share is expected to be false
}

const (
	dailyQ         = 0.05
	leastWeeks     = 3                   // with requests, for a tenant to be judged
	regressedAfter = 14 * 24 * time.Hour // without the code
	worthSaying    = 1.25                // a change by a smaller factor is none, however sure it is
	soonAfter      = time.Hour           // what begins so soon after a gap may have begun in it
)

// compared is all that is known about a tenant and a code, whatever its family was, at the gateways
// that can be compared.
type compared struct {
	*pair
	counts []uint64
	before time.Time
	topics []string
}

// merged returns the pairs of tenant and code, without what came from the given gateways. Family
// and kind are those of most errors on the day.
func (a *dailyAsker) merged(without map[gatewayOf]string) (all []compared) {
	for i := range a.pairs {
		p := &a.pairs[i]
		if without[gatewayOf{p.Tenant, p.Topic}] != "" {
			continue
		}
		last := len(all) - 1
		if last < 0 || all[last].Tenant != p.Tenant || all[last].Code != p.Code { // pairs are sorted by both
			all = append(all, compared{p, slices.Clone(p.Counts), p.Before.Time, []string{p.Topic}})
			continue
		}
		c := &all[last]
		if p.Counts[today] > c.Counts[today] {
			c.pair = p
		}
		for w, n := range p.Counts {
			c.counts[w] += n
		}
		if c.topics = append(c.topics, p.Topic); p.Before.After(c.before) {
			c.before = p.Before.Time
		}
	}
	return all
}

// gatewayOf is a gateway from which a tenant's requests come.
type gatewayOf struct{ tenant, topic string }

// gateways returns the gateways that have nothing to be compared with, each with the cause, and
// explains what came from them.
func (a *dailyAsker) gateways(causes *explanations) map[gatewayOf]string {
	found := map[gatewayOf]string{}
	for _, r := range a.traffic {
		key := gatewayOf{r.Tenant, r.Topic}
		switch {
		case a.firstTraffic(r.Tenant):
		case r.Seen == 0 && r.SeenNow > 0:
			found[key] = NewGateway
			causes.add(NewGateway, r.Topic, r.First.Time, "", 0)
		case r.Seen > 0 && r.SeenNow == 0 && a.sends(r.Tenant):
			found[key] = SilentGateway
		}
	}
	for i := range a.pairs {
		p := &a.pairs[i]
		cause := found[gatewayOf{p.Tenant, p.Topic}]
		switch _, fresh := a.fresh[[2]string{p.Tenant, p.Code}]; {
		case cause == NewGateway && fresh:
			causes.add(cause, p.Topic, time.Time{}, p.Code, p.Counts[today])
		case cause == NewGateway:
			causes.add(cause, p.Topic, time.Time{}, "", p.Counts[today])
		case cause == SilentGateway && p.Counts[lastWeek] > 0:
			causes.add(cause, p.Topic, time.Time{}, p.Code, 0)
		}
	}
	return found
}

// sends reports whether a tenant has requests on the day.
func (a *dailyAsker) sends(tenant string) bool {
	return slices.ContainsFunc(a.traffic, func(r dailyTraffic) bool { return r.Tenant == tenant && r.Requests[today] > 0 })
}

// compare tests all pairs of tenant and code.
func (a *dailyAsker) compare() (changes []Change, explained []Explained, about Comparison) {
	about.Q = dailyQ
	causes := explanations{}
	without := a.gateways(&causes)
	exposure := a.exposure(without)
	for _, tenant := range slices.Sorted(maps.Keys(exposure)) {
		weeks := usable(exposure[tenant])
		about.Weeks = max(about.Weeks, weeks)
		if weeks < leastWeeks && exposure[tenant][today] > 0 && !a.firstTraffic(tenant) {
			about.Skipped++
		}
		if weeks >= leastWeeks && !a.sends(tenant) {
			causes.add(SilentTenant, tenant, time.Time{}, "", 0)
		}
	}
	var tested []compared
	var dispersions []float64
	for _, c := range a.merged(without) {
		of := exposure[c.Tenant]
		switch {
		case of == nil || of[today] == 0:
		case a.firstTraffic(c.Tenant):
			causes.add(NewTenant, c.Tenant, a.trafficFrom(func(r dailyTraffic) bool { return r.Tenant == c.Tenant }), c.Code, c.counts[today])
		case usable(of) >= leastWeeks && slices.Max(c.counts) > 0:
			tested = append(tested, c)
			if phi, ok := spike.Dispersion(reference(c.counts, of), 1); ok {
				dispersions = append(dispersions, phi)
			}
		}
	}
	about.Pairs = len(tested)
	phi := spike.Shared(dispersions)
	all, ps := make([]Change, len(tested)), make([]float64, len(tested))
	for i, c := range tested {
		all[i] = test(c, exposure[c.Tenant], phi)
		ps[i] = all[i].P
	}
	changes = []Change{}
	for i, q := range spike.BenjaminiHochberg(ps) {
		c := &all[i]
		if c.Q = q; q > dailyQ || !worthy(*c) || a.returned[[2]string{c.Tenant, c.Code}] > 0 {
			continue
		}
		a.name(c, tested[i])
		if cause, name, since := a.cause(*c, tested[i]); cause != "" {
			causes.add(cause, name, since, c.Code, c.Errors)
			continue
		}
		changes = append(changes, *c)
	}
	for _, of := range a.merged(without) {
		if c, ok := a.back(of, exposure[of.Tenant]); ok {
			changes = append(changes, c)
		}
	}
	for i := range changes {
		changes[i].Said = a.saidOf(changes[i].Tenant, changes[i].Code)
	}
	slices.SortStableFunc(changes, func(x, y Change) int {
		switch {
		case x.Up() != y.Up() && x.Up():
			return -1
		case x.Up() != y.Up():
			return 1
		}
		return cmp.Compare(math.Abs(y.Excess), math.Abs(x.Excess))
	})
	return changes, causes.list(len(a.query.Tenants) > 0), about
}

// exposure returns the requests of each tenant in each window, without those of some gateways.
func (a *dailyAsker) exposure(without map[gatewayOf]string) map[string][]uint64 {
	all := map[string][]uint64{}
	for _, r := range a.traffic {
		if without[gatewayOf{r.Tenant, r.Topic}] != "" {
			continue
		}
		if all[r.Tenant] == nil {
			all[r.Tenant] = make([]uint64, len(a.windows))
		}
		for w, n := range r.Requests {
			all[r.Tenant][w] += n
		}
	}
	return all
}

// usable returns the number of past weeks that have requests.
func usable(exposure []uint64) (n int) {
	for _, requests := range exposure[lastWeek:] {
		if requests > 0 {
			n++
		}
	}
	return n
}

// reference returns the past weeks, the latest first.
func reference(counts, exposure []uint64) []spike.Week {
	weeks := make([]spike.Week, spike.Weeks)
	for i := range weeks {
		weeks[i].Add(float64(counts[lastWeek+i]), float64(exposure[lastWeek+i]))
	}
	return weeks
}

// test compares the day with what is usual. P is two-sided.
func test(c compared, exposure []uint64, phi float64) Change {
	usual := spike.Usual(reference(c.counts, exposure), 1, phi)
	errors, requests := float64(c.counts[today]), float64(exposure[today])
	low, high := usual.Range(requests)
	mean := usual.Mean(requests)
	more, fewer := usual.P(errors, requests), 1-usual.P(errors+1, requests)
	return Change{
		Tenant: c.Tenant, Code: c.Code, Family: c.Family, Kind: c.Kind, Owner: c.owner,
		Errors: c.counts[today], Usual: mean, UsualLow: low, UsualHigh: high, Excess: errors - mean,
		P: max(0, min(1, 2*min(more, fewer))), Requests: exposure[today], dialect: c.Dialect, service: c.Service,
	}
}

// worthy reports whether a change is great enough to be called one.
func worthy(c Change) bool {
	errors := float64(c.Errors)
	return errors >= worthSaying*c.Usual || errors*worthSaying <= c.Usual
}

// name says which kind of change it is.
func (a *dailyAsker) name(c *Change, of compared) {
	if of.counts[today] > 0 {
		c.FirstSeen = of.First
	}
	if of.before.Unix() > 0 {
		c.SeenBefore.Time = of.before
	}
	_, fresh := a.fresh[[2]string{c.Tenant, c.Code}]
	switch from := a.windows[today].From; {
	case c.Up() && fresh:
		c.Change = IsNew
	case c.Up() && from.Sub(of.before) > regressedAfter:
		c.Change = IsRegressed
	case c.Up():
		c.Change = IsWorse
	case c.Errors == 0:
		c.Change = IsGone
	default:
		c.Change = IsBetter
	}
}

// cause returns what a change comes from other than the errors themselves, "" for nothing.
func (a *dailyAsker) cause(c Change, of compared) (cause, name string, since time.Time) {
	if c.Change == IsGone {
		for _, g := range a.gaps {
			if (g.Topic == "" || slices.Contains(of.topics, g.Topic)) && g.To.After(a.windows[today].From) {
				return GapInData, g.Topic, g.From.Time
			}
		}
	}
	if c.Change != IsNew {
		return "", "", time.Time{}
	}
	key := [2]string{c.Tenant, c.Code}
	first := a.fresh[key]
	for _, g := range a.gaps {
		if !first.Before(g.From.Time) && first.Before(g.To.Add(soonAfter)) && (g.Topic == "" || slices.Contains(of.topics, g.Topic)) {
			return GapInData, g.Topic, g.From.Time
		}
	}
	switch {
	case !a.parser.IsZero() && !first.Before(a.parser):
		return NewParser, "", a.parser
	case !a.catalogs.at.IsZero() && !first.Before(a.catalogs.at) && of.known && a.catalogs.below[key]:
		return NewCatalogs, "", a.catalogs.at
	}
	return "", "", time.Time{}
}

// firstTraffic reports whether a tenant sent no requests before the day.
func (a *dailyAsker) firstTraffic(tenant string) bool {
	return !slices.ContainsFunc(a.traffic, func(r dailyTraffic) bool { return r.Tenant == tenant && r.Before > 0 })
}

// trafficFrom returns when the first of some requests of the day came.
func (a *dailyAsker) trafficFrom(of func(dailyTraffic) bool) (first time.Time) {
	for _, r := range a.traffic {
		if of(r) && r.Requests[today] > 0 && (first.IsZero() || r.First.Before(first)) {
			first = r.First.Time
		}
	}
	return first
}

// explanations collects what has a cause.
type explanations []Explained

func (x *explanations) add(cause, name string, since time.Time, code string, errors uint64) {
	i := slices.IndexFunc(*x, func(e Explained) bool { return e.Cause == cause && e.Name == name })
	if i < 0 {
		i = len(*x)
		*x = append(*x, Explained{Cause: cause, Name: name, Since: cli.Timestamp{Time: since}, Codes: []string{}})
	}
	e := &(*x)[i]
	if e.Since.IsZero() || !since.IsZero() && since.Before(e.Since.Time) {
		e.Since.Time = since
	}
	if e.Errors += errors; code != "" && !slices.Contains(e.Codes, code) {
		e.Codes = append(e.Codes, code)
	}
}

// list returns the explanations, most errors first. Names of gateways are not for chosen tenants.
func (x explanations) list(chosen bool) []Explained {
	for i, e := range x {
		if chosen && e.Cause != NewTenant && e.Cause != SilentTenant {
			x[i].Name = ""
		}
	}
	slices.SortStableFunc(x, func(a, b Explained) int { return cmp.Compare(b.Errors, a.Errors) })
	return append([]Explained{}, x...)
}

// describe adds the texts of a change.
func (a *dailyAsker) describe(c *catalog.Set, x *Change) {
	texts, _ := meaningOf(c, x.Family, x.Code, x.dialect, x.service, "").TextsIn(a.query.Lang)
	x.Description, x.Remedy = texts.Description, texts.Remedy
}
