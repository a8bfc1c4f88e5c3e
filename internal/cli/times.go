package cli

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"
	_ "time/tzdata" // so that zones are known where the system has none

	"github.com/spf13/pflag"
)

// Time is the value of a flag that names a point in time. It takes the same forms in every command:
// a span before now (90m, 24h, 7d, 1d12h), a date (2026-11-02), or a time (2026-11-02T15:04, or
// RFC 3339). The zero Time was not given.
type Time struct {
	text   string
	span   time.Duration // before now
	layout string        // of text, where it is no span
}

// timeLayouts are the forms of a time that is no span.
var timeLayouts = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly}

// TimeForms is what the help of a time flag says of its forms.
const TimeForms = "90m, 24h, 7d, 2026-11-02 or 2026-11-02T15:04:05Z"

// Ago is a span before now, a constant of the program's such as 24h.
func Ago(span string) (t Time) {
	if err := t.Set(span); err != nil {
		panic(err)
	}
	return t
}

// Flag registers the flag. Its help is the usage and the forms of a time. The default is one of these
// forms, or "" for none.
func (t *Time) Flag(flags *pflag.FlagSet, name, otherwise, usage string) {
	if otherwise != "" {
		*t = Ago(otherwise)
	}
	flags.Var(t, name, usage+": "+TimeForms)
}

// Set implements pflag.Value.
func (t *Time) Set(text string) error {
	if span, err := ParseSpan(text); err == nil && span > 0 {
		*t = Time{text: text, span: span}
		return nil
	}
	for _, layout := range timeLayouts {
		if _, err := time.Parse(layout, text); err == nil {
			*t = Time{text: text, layout: layout}
			return nil
		}
	}
	return errors.New("give a span of time such as 90m, 24h or 7d, a date such as 2026-11-02, or a time such as 2026-11-02T15:04 or 2026-11-02T15:04:05Z")
}

// String returns the flag as it was given.
func (t Time) String() string { return t.text }

// Type implements pflag.Value.
func (Time) Type() string { return "time" }

// Given reports whether the flag was given or has a default.
func (t Time) Given() bool { return t.text != "" }

// At returns the point in time. A span is counted back from now; a time that names no zone is read in
// the given one. A Time that was not given is the zero time.
func (t Time) At(now time.Time, zone *time.Location) time.Time {
	switch {
	case !t.Given():
		return time.Time{}
	case t.layout == "":
		return now.Add(-t.span)
	}
	at, err := time.ParseInLocation(t.layout, t.text, zone)
	if err != nil {
		panic(err) // Set has parsed it
	}
	return at
}

// days are in front of what time.ParseDuration knows.
var days = regexp.MustCompile(`^(\d+(?:\.\d+)?)d`)

// maxDays keeps a span far from where a time.Duration ends.
const maxDays = 100 * 365

// ParseSpan reads a span of time: what time.ParseDuration reads, with days in front. It is not
// negative.
func ParseSpan(text string) (span time.Duration, err error) {
	rest := text
	if m := days.FindStringSubmatch(text); m != nil {
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil || n > maxDays {
			return 0, strconv.ErrRange
		}
		span, rest = time.Duration(n*float64(24*time.Hour)), text[len(m[0]):]
	}
	if rest != "" || text == "" {
		clock, err := time.ParseDuration(rest)
		if err != nil {
			return 0, err
		}
		if clock < 0 || clock > maxDays*24*time.Hour {
			return 0, strconv.ErrRange
		}
		span += clock
	}
	return span, nil
}

// Zone is the value of --zone: a time zone by its name, such as Europe/Berlin. The zero Zone is UTC.
type Zone struct{ location *time.Location }

// Flag registers --zone, with UTC as its default.
func (z *Zone) Flag(flags *pflag.FlagSet, usage string) { flags.Var(z, "zone", usage) }

// Set implements pflag.Value.
func (z *Zone) Set(name string) error {
	location, err := time.LoadLocation(name)
	if err != nil || name == "" {
		return errors.New("not a time zone: give one such as Europe/Berlin")
	}
	z.location = location
	return nil
}

// String returns the zone's name.
func (z Zone) String() string { return z.Location().String() }

// Type implements pflag.Value.
func (Zone) Type() string { return "zone" }

// Location returns the zone.
func (z Zone) Location() *time.Location { return cmp.Or(z.location, time.UTC) }

// Window is the flags --since, --from, --to and --zone, which say what time a command is about.
type Window struct {
	Since, From, To Time
	Zone            Zone
}

// Flags registers the flags. Since has the given default, "" for none.
func (w *Window) Flags(flags *pflag.FlagSet, since string) {
	w.Since.Flag(flags, "since", since, "begin so long before the end, or at this time")
	w.From.Flag(flags, "from", "", "begin at this time, whatever --since says")
	w.To.Flag(flags, "to", "", "end before this time (default: now)")
	w.Zone.Flag(flags, "the zone of times that name none, such as Europe/Berlin")
}

// Given reports whether the window has a bound.
func (w Window) Given() bool { return w.Since.Given() || w.From.Given() || w.To.Given() }

// Resolve returns the window [from, to). A bound that was not given is the zero time.
func (w Window) Resolve(now time.Time) (from, to time.Time, err error) {
	return w.resolve(now, w.To.At(now, w.Zone.Location()))
}

// Minutes returns the window for data that is counted by the minute: a window that ends now includes
// the whole running minute, and --since counts whole minutes.
func (w Window) Minutes(now time.Time) (from, to time.Time, err error) {
	to = now.Truncate(time.Minute).Add(time.Minute)
	if w.To.Given() {
		to = w.To.At(now, w.Zone.Location())
	}
	from, to, err = w.resolve(now, to)
	if !w.From.Given() {
		from = from.Truncate(time.Minute)
	}
	return from, to, err
}

func (w Window) resolve(now, to time.Time) (time.Time, time.Time, error) {
	from := w.From.At(now, w.Zone.Location())
	if !w.From.Given() {
		end := to
		if end.IsZero() {
			end = now
		}
		from = w.Since.At(end, w.Zone.Location())
	}
	if !to.IsZero() && !from.Before(to) {
		return from, to, fmt.Errorf("the time window is empty: it begins at %s and ends at %s", Timestamp{from}, Timestamp{to})
	}
	return from, to, nil
}

// Timestamp is a time in output: RFC 3339 in UTC with milliseconds, in JSON and as text alike. The
// zero time stands for an unknown one: null in JSON, "" as text.
type Timestamp struct{ time.Time }

// String returns the time as text.
func (t Timestamp) String() string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// Scan implements sql.Scanner, so that a column of ClickHouse goes into a Timestamp.
func (t *Timestamp) Scan(value any) error {
	at, ok := value.(time.Time)
	if !ok {
		return fmt.Errorf("%T is not a time", value)
	}
	t.Time = at.UTC()
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (t Timestamp) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// MarshalJSON implements json.Marshaler.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return []byte(`"` + t.String() + `"`), nil
}
