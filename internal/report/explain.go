package report

import (
	"cmp"
	"slices"
	"strings"

	"errata/internal/catalog"
	"errata/internal/cli"
)

// Explanation is what is known about a code.
type Explanation struct {
	Code        string     `json:"code"` // as asked for
	CatalogCode string     `json:"catalog_code"`
	Family      string     `json:"family"`
	Title       string     `json:"title"`
	Source      string     `json:"source"`
	Known       bool       `json:"known"`
	Status      int        `json:"status"`
	Message     string     `json:"message"`
	Description string     `json:"description"`
	Remedy      string     `json:"remedy"`
	Kind        string     `json:"kind"`
	Retry       string     `json:"retry"`
	Owner       string     `json:"owner"`
	Language    string     `json:"language"`    // of the texts
	Translated  bool       `json:"translated"`  // the texts, or some of them, are our translation
	Meanings    []Meaning  `json:"meanings"`    // all that the code means, the one above first; one of them alone if the dialect was given
	Elsewhere   []string   `json:"elsewhere"`   // dialects in which the code is known, if it is not known without one
	Near        []string   `json:"near"`        // published codes that differ little from one that is not published
	Says        []Saying   `json:"says"`        // the entries that have the text that was asked for, if it is no code
	Rules       []Watcher  `json:"rules"`       // the alert rules that count its errors; null: no rules were read
	Since       string     `json:"since"`       // of Tenants, Routes, Arguments and History, as AddLive was given it
	Tenants     []Hit      `json:"tenants"`     // null without live counts, as all that follows
	History     []uint64   `json:"history"`     // errors in each of the equal parts of the time since
	Live        string     `json:"live"`        // the most frequent message of a code that no catalog lists
	RequestIDs  []string   `json:"request_ids"` // of the first and the last such error, [] without live counts
	Freshness   *Freshness `json:"freshness"`   // of the live counts

	Sightings *Sightings `json:"sightings"` // ever, in any dialect; null if no tenant ever met it
	Trend     []DayCount `json:"trend"`     // errors of each of the last TrendDays days, the last one up to now
	Zone      string     `json:"zone"`      // of the days of Trend
	Routes    []RouteHit `json:"routes"`    // those with most errors
	Arguments []Argument `json:"arguments"` // the values that messages have most often
	States    []Said     `json:"states"`    // what people have said about the code

	dialect, lang string // as asked for
}

// Meaning is what a code means in one family.
type Meaning struct {
	Family      string   `json:"family"`
	Code        string   `json:"code"` // as published; "" if the family does not list it
	Message     string   `json:"message"`
	Description string   `json:"description"`
	Remedy      string   `json:"remedy"`
	Dialects    []string `json:"dialects"` // the code means this in these dialects, and
	Services    []string `json:"services"` // in services that match these globs; both empty: everywhere
	Errors      uint64   `json:"errors"`   // live ones

	known catalog.Known
}

// Saying is an entry that has a text.
type Saying struct {
	Family  string `json:"family"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Hit is a tenant that met the code.
type Hit struct {
	Tenant    string        `json:"tenant" ch:"tenant"`
	Errors    uint64        `json:"errors" ch:"errors"`
	FirstSeen cli.Timestamp `json:"first_seen" ch:"first_seen"` // ever
	LastSeen  cli.Timestamp `json:"last_seen" ch:"last_seen"`
}

// Watcher is an alert rule that counts errors of a code.
type Watcher struct {
	Rule      string   `json:"rule"`
	Group     string   `json:"group"`
	Condition string   `json:"condition"` // its key in the file of rules, such as count
	By        []string `json:"by"`
	Narrowed  []string `json:"narrowed"` // what else the rule picks errors by, such as tenants
}

// Sightings is when tenants met a code.
type Sightings struct {
	First   cli.Timestamp `json:"first" ch:"first_"`
	By      string        `json:"by" ch:"by_"` // the tenant that was the first
	Last    cli.Timestamp `json:"last" ch:"last_"`
	Tenants uint64        `json:"tenants" ch:"tenants_"`
}

// DayCount is the errors of a calendar day.
type DayCount struct {
	Day    string `json:"day"` // 2006-01-02
	Errors uint64 `json:"errors"`
}

// RouteHit is the errors of a route.
type RouteHit struct {
	Service string `json:"service" ch:"service"`
	Route   string `json:"route" ch:"route"`
	Errors  uint64 `json:"errors" ch:"errors"`
	Tenants uint64 `json:"tenants" ch:"tenants"`
}

// Said is what a person has said about a code. docs/views.md has the meaning of the fields under
// code_states.
type Said struct {
	Code    string        `json:"code"`
	Tenant  string        `json:"tenant"` // store.AnyTenant: all
	State   string        `json:"state"`
	Until   cli.Timestamp `json:"until"`
	Above   uint64        `json:"above"`
	Author  string        `json:"author"`
	Comment string        `json:"comment"`
	At      cli.Timestamp `json:"at"`
}

// TrendDays is the number of days of a trend.
const TrendDays = 30

const (
	maxHits      = 20
	maxRoutes    = 10
	maxArguments = 10
	maxOrigins   = 1000
)

// Explain looks a code up, or a piece of text that the catalogs' texts may have. The dialect may be
// "". The texts are in the language lang, "" for that of the page. A code that one family alone
// lists means what that family says, even if it has this meaning only in some dialects or services.
func Explain(c *catalog.Set, code, dialect, lang string) Explanation {
	x := Explanation{Code: code, Family: catalog.Unknown, Elsewhere: []string{}, Near: []string{}, Says: []Saying{}, RequestIDs: []string{}, dialect: dialect, lang: lang}
	if dialect == "" && strings.HasPrefix(strings.ToUpper(code), "HTTP.") {
		dialect = "http"
	}
	k := c.Lookup(code, dialect, "", 0, "")
	publishers := c.Publishers(code)
	if k.Family == nil && len(publishers) == 0 {
		found := c.Search(code)
		for _, l := range found {
			x.Says = append(x.Says, Saying{l.Family.Name, l.Entry.Code, cmp.Or(l.Entry.Message, l.Entry.Description)})
		}
		if len(found) == 1 {
			k = catalog.Known{Family: found[0].Family, Entry: found[0].Entry}
		}
	}
	if k.Family == nil {
		for _, f := range publishers {
			x.Elsewhere = append(x.Elsewhere, f.Match.Dialects...)
		}
	}
	if k.Family != nil {
		x.mean(k)
	}
	if x.dialect == "" {
		for _, f := range publishers {
			x.mean(c.InFamily(f.Name, code, 0, ""))
		}
	}
	if k.Entry == nil && len(x.Says) == 0 && len(publishers) == 0 {
		x.Near = append(x.Near, c.Near(code, 5)...)
	}
	if k.Family == nil && len(x.Meanings) == 1 {
		k = x.Meanings[0].known
	}
	x.fill(k)
	return x
}

// mean returns the meaning for what a family knows. It adds one that is not there yet.
func (x *Explanation) mean(k catalog.Known) *Meaning {
	name := catalog.Unknown
	if k.Family != nil {
		name = k.Family.Name
	}
	if i := slices.IndexFunc(x.Meanings, func(m Meaning) bool { return m.Family == name }); i >= 0 {
		return &x.Meanings[i]
	}
	m := Meaning{Family: name, Dialects: []string{}, Services: []string{}, known: k}
	t, _ := k.TextsIn(x.lang)
	m.Message, m.Description, m.Remedy = t.Message, t.Description, t.Remedy
	if k.Entry != nil {
		m.Code = k.Entry.Code
	}
	if k.Family != nil && len(k.Family.Match.Prefixes) == 0 {
		m.Dialects, m.Services = append(m.Dialects, k.Family.Match.Dialects...), append(m.Services, k.Family.Match.Services...)
	}
	x.Meanings = append(x.Meanings, m)
	return &x.Meanings[len(x.Meanings)-1]
}

// fill takes over what the catalogs know.
func (x *Explanation) fill(k catalog.Known) {
	if f := k.Family; f != nil {
		x.Family, x.Title, x.Language, x.Source = f.Name, f.Title, f.Language, f.Source.Title
		if f.Source.Date != "" {
			x.Source += ", " + f.Source.Date
		}
	}
	if e := k.Entry; e != nil {
		x.Known, x.CatalogCode, x.Status, x.Kind, x.Retry, x.Owner = true, e.Code, e.Status, e.Kind, e.Retry, e.Owner
	}
	var t catalog.Texts
	t, x.Translated = k.TextsIn(x.lang)
	if x.Message, x.Description, x.Remedy = t.Message, t.Description, t.Remedy; x.Translated {
		x.Language = x.lang
	}
}

// Found reports whether the catalogs know the code, its family, or a text.
func (x Explanation) Found() bool {
	return x.Family != catalog.Unknown || len(x.Says) > 0 || slices.ContainsFunc(x.Meanings, func(m Meaning) bool { return m.Code != "" })
}
