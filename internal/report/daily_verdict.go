package report

import (
	"slices"

	"errata/internal/store"
)

// Verdict says whether to read on.
type Verdict struct {
	Level    string   `json:"level"`    // one of the constants below
	Sentence string   `json:"sentence"` // the first of the reasons and how many more there are
	Reasons  []string `json:"reasons"`  // each a clause, the most important first
}

// The levels of a verdict.
const (
	Quiet = "quiet" // nothing to do
	Watch = "watch" // something changed or could not be seen
	Act   = "act"   // something got much worse
)

const (
	actFrom     = 10    // errors, as for the least page of an alert
	actFactor   = 2     // times what is usual, likewise
	actShare    = 0.001 // of the tenant's requests that the excess is
	deadShare   = 0.001 // dead letters for each request that are worth a word
	hiddenShare = 0.05  // of the bodies that are worth a word if they could not be read
	hiddenFrom  = 10    // so many of them: one body of a small tenant is no reason to read on
)

// urgent reports whether someone has to do something about a change.
func (c Change) urgent() bool {
	errors := c.Errors
	if c.Returned > 0 {
		errors = c.Returned
	}
	return c.Up() && errors >= actFrom && float64(errors) >= actFactor*c.Usual && c.Excess >= actShare*float64(c.Requests)
}

// level returns the level of a change. What was said about the code softens it, unless the code was
// fixed and is back.
func (d Daily) level(c Change) string {
	level := Watch
	switch {
	case !c.Up():
		return Quiet
	case c.urgent():
		level = Act
	}
	if c.Returned > 0 {
		return level
	}
	return c.Said.soften(level, c.Errors, d.To.Time)
}

// alertLevel returns the level of an alert, softened likewise.
func (d Daily) alertLevel(a DailyAlert) string {
	level := Watch
	if a.Firing {
		level = Act
	}
	if a.Said != nil && a.Said.State == store.Fixed && !a.At.Before(store.FixedFrom(a.Said.At.Time)) {
		return level
	}
	return a.Said.soften(level, a.Errors, d.To.Time)
}

// judge returns the verdict on what the report holds.
func (d Daily) judge() Verdict {
	p := d.printer()
	v := Verdict{Level: Quiet, Reasons: []string{}}
	say := func(level, reason string) {
		if v.Reasons = append(v.Reasons, reason); level == Act || v.Level == Quiet {
			v.Level = level
		}
	}
	changes := slices.Clone(d.Changes)
	slices.SortStableFunc(changes, func(a, b Change) int { // the urgent ones first
		urgent := func(c Change) bool { return d.level(c) == Act }
		switch {
		case urgent(a) == urgent(b):
			return 0
		case urgent(a):
			return -1
		}
		return 1
	})
	about := func(reason string, s *Said) string {
		if s == nil {
			return reason
		}
		return reason + " (" + p.said(s) + ")"
	}
	for _, c := range changes {
		if level := d.level(c); level != Quiet {
			say(level, about(p.change(c), c.Said))
		}
	}
	for _, a := range d.Alerts {
		text := p.Sprintf("alert %s fired", a.Rule)
		if a.Firing {
			text = p.Sprintf("alert %s is firing", a.Rule)
		}
		if level := d.alertLevel(a); level != Quiet {
			say(level, about(text, a.Said))
		}
	}
	for _, e := range d.Explained {
		if e.Cause == SilentTenant || e.Cause == SilentGateway {
			say(Watch, p.cause(e))
		}
	}
	if d.Totals.Requests == 0 && len(d.Tenants) == 0 { // of all tenants that is no quiet day
		say(Watch, p.word("no requests at all: is the date right, and did the ingester run?"))
	}
	if len(d.Unseen.Gaps) > 0 {
		say(Watch, p.Sprintf("records were lost before they were read"))
	}
	dead := uint64(0)
	for _, l := range d.Unseen.DeadLetters {
		dead += l.Records
	}
	if float64(dead) > deadShare*float64(d.Totals.Requests) {
		say(Watch, p.Sprintf("%d records could not be used", dead))
	}
	if d.Unseen.Hidden >= hiddenFrom && share(d.Unseen.Hidden, d.Totals.Requests) > hiddenShare && d.hiddenIsNew() {
		say(Watch, p.Sprintf("%s of the bodies could not be read", p.percent(share(d.Unseen.Hidden, d.Totals.Requests))))
	}
	switch {
	case !d.Complete && d.Watermark.IsZero():
		say(Watch, p.Sprintf("it is not known whether the data is complete"))
	case !d.Complete:
		say(Watch, p.Sprintf("the data is complete only up to %s", p.time(d.Watermark.Time)))
	}
	v.Sentence = p.verdict(d, v)
	return v
}

// hiddenIsNew reports whether bodies could not be read although their gateways log bodies. A
// gateway that logs none is a fact of every day.
func (d Daily) hiddenIsNew() bool {
	for _, b := range d.Unseen.Bodies {
		hidden := b.States["absent"] + b.States["undecodable"]
		if hidden < b.Requests && share(hidden, b.Requests) > hiddenShare {
			return true
		}
	}
	return false
}

// verdict returns the sentence of a verdict.
func (p dailyPrinter) verdict(d Daily, v Verdict) string {
	better := 0
	for _, c := range d.Changes {
		if !c.Up() {
			better++
		}
	}
	switch {
	case len(v.Reasons) > 1:
		return v.Reasons[0] + p.more(len(v.Reasons)-1)
	case len(v.Reasons) == 1:
		return v.Reasons[0]
	case d.Totals.Requests == 0:
		return p.Sprintf("no requests")
	case d.Comparison.Weeks < leastWeeks:
		return p.Sprintf("too little history to say what has changed")
	case better > 0:
		return p.Sprintf("nothing got worse, %s", p.Sprintf("%d codes got better", better))
	}
	return p.Sprintf("nothing changed")
}
