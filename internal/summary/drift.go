package summary

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"errata/internal/catalog"
	"errata/internal/store"
)

// Drift is where live traffic and the catalogs disagree. Codes that are HTTP statuses are left out: they are nobody's publication.
type Drift struct {
	From     time.Time // [From, To)
	To       time.Time
	Tenants  []string // the chosen ones; empty: all
	Version  string   // of the catalogs
	Codes    int      // how many different codes came
	Errors   uint64   // with these codes
	Codeless uint64   // further errors whose envelope has a message alone, which no catalog can list
	More     bool     // there were so many codes that the rarest were not looked at

	// Each with the most frequent, the latest or the first of the catalogs in front.
	Unknown   []UnknownCode
	Changed   []ChangedCode
	Stopped   []StoppedCode
	NeverSeen []UnseenCode
}

// Finding tells whether there is something for a person to do: an unknown or a changed code.
func (d Drift) Finding() bool { return len(d.Unknown)+len(d.Changed) > 0 }

// Unlisted returns the unknown codes as catalog.Stubs takes them.
func (d Drift) Unlisted() []catalog.Unlisted {
	codes := make([]catalog.Unlisted, len(d.Unknown))
	for i, u := range d.Unknown {
		codes[i] = u.Unlisted
	}
	return codes
}

// UnknownCode is a live code that no catalog lists.
type UnknownCode struct {
	catalog.Unlisted

	Claimed   bool // a family claims the code, but does not list it
	Tenants   uint64
	FirstSeen time.Time
}

// ChangedCode is a published code whose live status or message is not the published one.
type ChangedCode struct {
	Code, CatalogCode, Family, Dialect string

	What      string // "status" or "message"
	Published []string
	Live      string // of messages the most frequent, as far as can be told
	Errors    uint64 // of a message at most so many: those that are stored without a template
	Tenants   uint64 // that met the code
	LastSeen  time.Time
}

// StoppedCode is a code that came in the 90 days before the window, and not in it.
type StoppedCode struct {
	Code, Family string

	Known     bool // a catalog lists it
	Tenants   uint64
	FirstSeen time.Time
	LastSeen  time.Time
}

// UnseenCode is a published code that never came.
type UnseenCode struct {
	Code, Family, Message string

	Status int // 0 where the page gives none
}

// stoppedWithin is how long before the window a code that stopped may have come last.
const stoppedWithin = 90 * 24 * time.Hour

// maxWhole is how many different messages of an unknown code are kept.
const maxWhole = 5

// NewDrift holds what came in a window against the catalogs.
func NewDrift(ctx context.Context, s *store.Store, c *catalog.Set, q store.LiveQuery) (Drift, error) {
	d := Drift{From: q.From, To: q.To, Tenants: q.Tenants, Version: c.Version}
	live, more, err := s.LiveCodes(ctx, q)
	if err != nil {
		return d, err
	}
	d.More = more
	d.compare(c, live)

	seen := map[*catalog.Entry]bool{}
	err = s.SeenCodes(ctx, q.Tenants, func(code store.SeenCode) {
		stopped := StoppedCode{Code: code.Code, Tenants: code.Tenants, FirstSeen: code.FirstSeen.UTC(), LastSeen: code.LastSeen.UTC()}
		for i := range c.Families {
			for _, e := range c.Entries(c.Families[i].Name, code.Code) {
				seen[e], stopped.Known = true, true
				stopped.Family = cmp.Or(stopped.Family, c.Families[i].Name)
			}
		}
		if code.LastSeen.Before(q.From) && !code.LastSeen.Before(q.From.Add(-stoppedWithin)) {
			if stopped.Family == "" {
				stopped.Family, _, _ = guessFamily(c.Lookup(code.Code, "", "", 0, ""), code.Code, catalog.Unknown)
			}
			d.Stopped = append(d.Stopped, stopped)
		}
	})
	if err != nil {
		return d, err
	}
	slices.SortFunc(d.Stopped, func(a, b StoppedCode) int {
		return cmp.Or(b.LastSeen.Compare(a.LastSeen), strings.Compare(a.Code, b.Code))
	})
	for i := range c.Families {
		f := &c.Families[i]
		if f.Name == catalog.HTTP {
			continue
		}
		for j := range f.Codes {
			if e := &f.Codes[j]; !seen[e] {
				d.NeverSeen = append(d.NeverSeen, UnseenCode{Code: e.Code, Family: f.Name, Message: e.Message, Status: e.Status})
			}
		}
	}
	return d, nil
}

// compare finds the unknown and the changed ones among the live codes.
func (d *Drift) compare(c *catalog.Set, live []store.LiveCode) {
	type id struct{ code, dialect, what, live string }
	unknown, changed, codes := map[id]*UnknownCode{}, map[id]*ChangedCode{}, map[string]bool{}
	for _, l := range live {
		if l.Code == "" {
			d.Codeless += l.Errors
			continue
		}
		codes[l.Code] = true
		d.Errors += l.Errors
		k := c.Lookup(l.Code, l.Dialect, l.Service, l.Status, l.Message)
		if k.Entry == nil {
			at := id{code: l.Code, dialect: l.Dialect}
			u := unknown[at]
			if u == nil {
				u = &UnknownCode{Unlisted: catalog.Unlisted{Code: l.Code, Dialect: l.Dialect}, Tenants: l.Tenants, FirstSeen: l.FirstSeen.UTC()}
				u.Family, u.Prefix, u.Claimed = guessFamily(k, l.Code, l.Dialect)
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
			if last := l.LastSeen.UTC(); last.After(x.LastSeen) {
				x.LastSeen = last
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

func (u *UnknownCode) add(l store.LiveCode) {
	u.Errors += l.Errors
	if i := slices.IndexFunc(u.Statuses, func(s catalog.StatusCount) bool { return s.Status == l.Status }); i >= 0 {
		u.Statuses[i].Errors += l.Errors
	} else {
		u.Statuses = append(u.Statuses, catalog.StatusCount{Status: l.Status, Errors: l.Errors})
	}
	if !slices.Contains(u.Services, l.Service) {
		u.Services = append(u.Services, l.Service)
	}
	if first := l.FirstSeen.UTC(); first.Before(u.FirstSeen) {
		u.FirstSeen = first
	}
	if last := l.LastSeen.UTC(); !last.Before(u.LastSeen) {
		u.LastSeen, u.Message = last, l.Message
	}
	for _, m := range l.Whole {
		if len(u.Whole) < maxWhole && !slices.Contains(u.Whole, m) {
			u.Whole = append(u.Whole, m)
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

// differences holds what came against the published entries of its code: which of its status and its message is none of theirs.
func differences(entries []*catalog.Entry, l store.LiveCode) map[string]ChangedCode {
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
	same := l.Status == 0 || l.Status == 200 // 200 hides many an error
	for _, e := range entries {
		if len(fitting) > 0 && !fitting[e] {
			continue
		}
		same = same || e.Status == 0 || e.Status == l.Status
		if s := strconv.Itoa(e.Status); !slices.Contains(statuses, s) {
			statuses = append(statuses, s)
		}
	}
	if !same {
		found["status"] = ChangedCode{Published: statuses, Live: strconv.Itoa(l.Status)}
	}
	return found
}
