package report

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/store"
)

// Drift is where live traffic and the catalogs disagree. It leaves out codes that are HTTP
// statuses, which no vendor has published.
type Drift struct {
	From       cli.Timestamp `json:"from"` // [From, To)
	To         cli.Timestamp `json:"to"`
	Tenants    []string      `json:"tenants"` // empty: all
	Version    string        `json:"catalog_version"`
	Codes      int           `json:"codes"`      // how many different codes came
	Errors     uint64        `json:"errors"`     // with these codes
	Codeless   uint64        `json:"codeless"`   // further errors whose envelope has only a message, which no catalog can list
	Incomplete bool          `json:"incomplete"` // there were so many codes that the rarest were not compared
	Totals     DriftTotals   `json:"totals"`

	// The most frequent, the latest, or the first of the catalogs come first.
	Unknown   []UnknownCode `json:"unknown"`
	Changed   []ChangedCode `json:"changed"`
	Stopped   []StoppedCode `json:"stopped"`
	NeverSeen []UnseenCode  `json:"never_seen"`
}

// DriftTotals are the lengths of a Drift's lists before Limited shortened them.
type DriftTotals struct {
	Unknown   int `json:"unknown"`
	Changed   int `json:"changed"`
	Stopped   int `json:"stopped"`
	NeverSeen int `json:"never_seen"`
}

// Finding reports whether a person has something to do: there is an unknown or a changed code.
func (d Drift) Finding() bool { return d.Totals.Unknown+d.Totals.Changed > 0 }

// Limited returns the drift with at most n entries in each list.
func (d Drift) Limited(n int) Drift {
	d.Unknown = d.Unknown[:min(n, len(d.Unknown))]
	d.Changed = d.Changed[:min(n, len(d.Changed))]
	d.Stopped = d.Stopped[:min(n, len(d.Stopped))]
	d.NeverSeen = d.NeverSeen[:min(n, len(d.NeverSeen))]
	return d
}

// UnknownCode is a live code that no catalog lists.
type UnknownCode struct {
	Code      string                `json:"code"`
	Dialect   string                `json:"dialect"`
	Family    string                `json:"family_guess"` // the family that claims the code's prefix, else the prefix, else the dialect
	Claimed   bool                  `json:"claimed"`      // by a family that does not list the code
	Errors    uint64                `json:"errors"`
	Tenants   uint64                `json:"tenants"`
	Statuses  []catalog.StatusCount `json:"statuses"` // the most frequent first
	Services  []string              `json:"services"` // in which it was seen
	FirstSeen cli.Timestamp         `json:"first_seen"`
	LastSeen  cli.Timestamp         `json:"last_seen"`
	Message   string                `json:"message"` // the latest

	prefix string   // "": none could be guessed
	whole  []string // some different messages
}

// Unlisted returns the unknown codes as catalog.Stubs takes them.
func (d Drift) Unlisted() []catalog.Unlisted {
	codes := make([]catalog.Unlisted, len(d.Unknown))
	for i, u := range d.Unknown {
		codes[i] = catalog.Unlisted{Code: u.Code, Dialect: u.Dialect, Family: u.Family, Prefix: u.prefix, Errors: u.Errors,
			Statuses: u.Statuses, Services: u.Services, LastSeen: u.LastSeen.Time, Message: u.Message, Whole: u.whole}
	}
	return codes
}

// ChangedCode is a published code whose live status or message is not the published one.
type ChangedCode struct {
	Code        string        `json:"code"`
	CatalogCode string        `json:"catalog_code"`
	Family      string        `json:"family"`
	Dialect     string        `json:"dialect"`
	What        string        `json:"what"` // "status" or "message"
	Published   []string      `json:"published"`
	Live        string        `json:"live"`    // of messages the most frequent sample
	Errors      uint64        `json:"errors"`  // of a message an upper bound: the errors stored without a template
	Tenants     uint64        `json:"tenants"` // that met the code
	LastSeen    cli.Timestamp `json:"last_seen"`
}

// StoppedCode is a code that came in the 90 days before the window, and not in it.
type StoppedCode struct {
	Code      string        `json:"code"`
	Family    string        `json:"family"`
	Known     bool          `json:"known"` // a catalog lists it
	Tenants   uint64        `json:"tenants"`
	FirstSeen cli.Timestamp `json:"first_seen"`
	LastSeen  cli.Timestamp `json:"last_seen"`
}

// UnseenCode is a published code that never came.
type UnseenCode struct {
	Code    string `json:"code"`
	Family  string `json:"family"`
	Status  *int   `json:"status"` // nil where the page gives none
	Message string `json:"message"`
}

// stoppedWithin is how long before the window a code that stopped may have come last.
const stoppedWithin = 90 * 24 * time.Hour

// maxWhole is how many different messages of an unknown code are kept.
const maxWhole = 5

// NewDrift compares what came in a scope with the catalogs.
func NewDrift(ctx context.Context, s *store.Store, c *catalog.Set, scope store.Scope) (Drift, error) {
	d := Drift{From: cli.Timestamp{Time: scope.From}, To: cli.Timestamp{Time: scope.To}, Tenants: append([]string{}, scope.Tenants...), Version: c.Version,
		Unknown: []UnknownCode{}, Changed: []ChangedCode{}, Stopped: []StoppedCode{}, NeverSeen: []UnseenCode{}}
	live, more, err := liveCodes(ctx, s, scope)
	if err != nil {
		return d, fmt.Errorf("ask for the codes of the window: %w", err)
	}
	d.Incomplete = more
	d.compare(c, live)
	seen, err := seenCodes(ctx, s, scope.Tenants)
	if err != nil {
		return d, fmt.Errorf("ask for the codes that were ever seen: %w", err)
	}
	d.absent(c, seen)
	d.Totals = DriftTotals{len(d.Unknown), len(d.Changed), len(d.Stopped), len(d.NeverSeen)}
	return d, nil
}

// absent finds the codes that stopped, and the published ones that never came.
func (d *Drift) absent(c *catalog.Set, codes []seenCode) {
	seen := map[*catalog.Entry]bool{}
	for _, code := range codes {
		stopped := StoppedCode{Code: code.Code, Tenants: code.Tenants, FirstSeen: code.FirstSeen, LastSeen: code.LastSeen}
		for i := range c.Families {
			for _, e := range c.Entries(c.Families[i].Name, code.Code) {
				seen[e], stopped.Known = true, true
				stopped.Family = cmp.Or(stopped.Family, c.Families[i].Name)
			}
		}
		if code.LastSeen.Before(d.From.Time) && !code.LastSeen.Before(d.From.Add(-stoppedWithin)) {
			if stopped.Family == "" {
				stopped.Family, _, _ = guessFamily(c.Lookup(code.Code, "", "", 0, ""), code.Code, catalog.Unknown)
			}
			d.Stopped = append(d.Stopped, stopped)
		}
	}
	slices.SortFunc(d.Stopped, func(a, b StoppedCode) int {
		return cmp.Or(b.LastSeen.Compare(a.LastSeen.Time), strings.Compare(a.Code, b.Code))
	})
	for i := range c.Families {
		f := &c.Families[i]
		if f.Name == catalog.HTTP {
			continue
		}
		for j := range f.Codes {
			e := &f.Codes[j]
			if seen[e] {
				continue
			}
			unseen := UnseenCode{Code: e.Code, Family: f.Name, Message: e.Message}
			if e.Status != 0 {
				unseen.Status = &e.Status
			}
			d.NeverSeen = append(d.NeverSeen, unseen)
		}
	}
}

// compare finds the unknown and the changed ones among the live codes.
func (d *Drift) compare(c *catalog.Set, live []liveCode) {
	type id struct{ code, dialect, what, live string }
	unknown, changed, codes := map[id]*UnknownCode{}, map[id]*ChangedCode{}, map[string]bool{}
	for _, l := range live {
		if l.Code == "" {
			d.Codeless += l.Errors
			continue
		}
		codes[l.Code] = true
		d.Errors += l.Errors
		k := c.Lookup(l.Code, l.Dialect, l.Service, l.status(), l.Message)
		if k.Entry == nil {
			at := id{code: l.Code, dialect: l.Dialect}
			u := unknown[at]
			if u == nil {
				u = &UnknownCode{Code: l.Code, Dialect: l.Dialect, Tenants: l.Tenants, FirstSeen: l.FirstSeen}
				u.Family, u.prefix, u.Claimed = guessFamily(k, l.Code, l.Dialect)
				unknown[at] = u
			}
			u.add(l)
			continue
		}
		if k.Family.Name == catalog.HTTP {
			continue
		}
		for what, difference := range differences(c.Entries(k.Family.Name, l.Code), l) {
			at := id{l.Code, l.Dialect, what, difference.Live}
			if what == "message" {
				at.live = ""
			}
			x := changed[at]
			if x == nil { // the most frequent come first
				x = &difference
				x.Code, x.Dialect, x.CatalogCode, x.Family, x.What, x.Tenants = l.Code, l.Dialect, k.Entry.Code, k.Family.Name, what, l.Tenants
				changed[at] = x
			}
			x.Errors += l.Errors
			if l.LastSeen.After(x.LastSeen.Time) {
				x.LastSeen = l.LastSeen
			}
		}
	}
	d.Codes = len(codes)
	for _, u := range unknown {
		slices.SortFunc(u.Statuses, func(a, b catalog.StatusCount) int {
			return cmp.Or(cmp.Compare(b.Errors, a.Errors), cmp.Compare(a.Status, b.Status))
		})
		slices.Sort(u.Services)
		d.Unknown = append(d.Unknown, *u)
	}
	for _, x := range changed {
		d.Changed = append(d.Changed, *x)
	}
	slices.SortFunc(d.Unknown, func(a, b UnknownCode) int {
		return cmp.Or(cmp.Compare(b.Errors, a.Errors), strings.Compare(a.Code, b.Code), strings.Compare(a.Dialect, b.Dialect))
	})
	slices.SortFunc(d.Changed, func(a, b ChangedCode) int {
		return cmp.Or(cmp.Compare(b.Errors, a.Errors), strings.Compare(a.Code, b.Code), strings.Compare(a.Dialect, b.Dialect), strings.Compare(a.What, b.What), strings.Compare(a.Live, b.Live))
	})
}

func (u *UnknownCode) add(l liveCode) {
	u.Errors += l.Errors
	if i := slices.IndexFunc(u.Statuses, func(s catalog.StatusCount) bool { return s.Status == l.status() }); i >= 0 {
		u.Statuses[i].Errors += l.Errors
	} else {
		u.Statuses = append(u.Statuses, catalog.StatusCount{Status: l.status(), Errors: l.Errors})
	}
	if !slices.Contains(u.Services, l.Service) {
		u.Services = append(u.Services, l.Service)
	}
	if l.FirstSeen.Before(u.FirstSeen.Time) {
		u.FirstSeen = l.FirstSeen
	}
	if !l.LastSeen.Before(u.LastSeen.Time) {
		u.LastSeen, u.Message = l.LastSeen, l.Message
	}
	for _, m := range l.Whole {
		if len(u.whole) < maxWhole && !slices.Contains(u.whole, m) {
			u.whole = append(u.whole, m)
		}
	}
}

// guessFamily guesses whose an unlisted code is.
func guessFamily(k catalog.Known, code, dialect string) (family, prefix string, claimed bool) {
	if k.Family != nil {
		return k.Family.Name, "", true
	}
	if prefix = catalog.GuessPrefix(code); prefix != "" {
		return prefix, prefix, false
	}
	return dialect, "", false
}

// differences holds what came against the published entries of its code: which of its status and
// its message is none of theirs.
func differences(entries []*catalog.Entry, l liveCode) map[string]ChangedCode {
	found := map[string]ChangedCode{}
	var messages []string // published
	var strange string    // a live one that is none of them
	fitting := map[*catalog.Entry]bool{}
	for _, e := range entries {
		if e.Message != "" {
			messages = append(messages, e.Message)
		}
	}
	for _, m := range l.Whole {
		fits := false
		for _, e := range entries {
			if e.Matches(m) {
				fits, fitting[e] = true, true
			}
		}
		if !fits && strange == "" {
			strange = m
		}
	}
	if len(messages) > 0 && strange != "" {
		found["message"] = ChangedCode{Published: messages, Live: strange}
	}
	var statuses []string
	same := l.status() == 0 || l.status() == 200 // an error is often hidden under 200
	for _, e := range entries {
		if len(fitting) > 0 && !fitting[e] {
			continue
		}
		same = same || e.Status == 0 || e.Status == l.status()
		if s := strconv.Itoa(e.Status); !slices.Contains(statuses, s) {
			statuses = append(statuses, s)
		}
	}
	if !same {
		found["status"] = ChangedCode{Published: statuses, Live: strconv.Itoa(l.status())}
	}
	return found
}
