package cli

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"
	_ "time/tzdata" // for systems without time zones

	"github.com/spf13/pflag"
)

// Time is the value of a flag for a point in time. It has the same forms in every command: a span
// before now (90m, 24h, 7d, 1d12h), a date (2026-11-02), or a time (2026-11-02T15:04 or RFC 3339).
// The zero value is a flag that was not given.
type Time struct {
	text   string
	span   time.Duration // before now
	layout string        // of text, unless it is a span

	isDefault bool // not given by the user
}

// timeLayouts are the forms of a date or time.
var timeLayouts = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly}

// TimeForms lists the forms of a time flag, for its help text.
const TimeForms = "90m, 24h, 7d, 2026-11-02 or 2026-11-02T15:04:05Z"

// Ago returns a span before now, for a default such as 24h. It panics if the text is not one.
func Ago(span string) (t Time) {
	if err := t.Set(span); err != nil {
		panic(err)
	}
	return t
}

// Flag registers the flag. Its help text is the usage followed by the forms of a time. The default
// otherwise has one of these forms, or is "" for none.
func (t *Time) Flag(flags *pflag.FlagSet, name, otherwise, usage string) {
	if otherwise != "" {
		*t = Ago(otherwise)
		t.isDefault = true
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
	return errors.New("give a time span such as 90m, 24h or 7d, a date such as 2026-11-02, or a time such as 2026-11-02T15:04 or 2026-11-02T15:04:05Z")
}

// String returns the text of the flag as it was given.
func (t Time) String() string { return t.text }

// Type implements pflag.Value.
func (Time) Type() string { return "time" }

// Given reports whether the flag was given or has a default.
func (t Time) Given() bool { return t.text != "" }

// At returns the point in time. A span counts back from now. A date, or a time without a zone, is
// in the given zone. If the flag was not given, At returns the zero time.
func (t Time) At(now time.Time, zone *time.Location) time.Time {
	switch {
	case !t.Given():
		return time.Time{}
	case t.layout == "":
		return now.Add(-t.span)
	}
	at, err := time.ParseInLocation(t.layout, t.text, zone)
	if err != nil {
		panic(err) // Set parsed the same text
	}
	return at
}

// days matches the part of a time span that time.ParseDuration does not know.
var days = regexp.MustCompile(`^(\d+(?:\.\d+)?)d`)

// maxDays is the greatest span: a time.Duration overflows at 106751 days.
const maxDays = 100 * 365

// ParseSpan parses a time span: a duration as time.ParseDuration reads it, with optional days in
// front. A negative span is an error.
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

// Zone is the value of --zone: the name of a time zone, such as Europe/Berlin. The zero value is
// UTC.
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

// Window is the flags --since, --from, --to and --zone: the time window of a command.
type Window struct {
	Since, From, To Time
	Zone            Zone
}

// Flags registers the flags. The default of --since is since, "" for none.
func (w *Window) Flags(flags *pflag.FlagSet, since string) {
	w.Since.Flag(flags, "since", since, "start of the window; a span counts back from its end")
	w.From.Flag(flags, "from", "", "start of the window, in place of --since")
	w.To.Flag(flags, "to", "", "end of the window, exclusive (default: now)")
	w.Zone.Flag(flags, "time `zone` of times without one, such as Europe/Berlin")
}

// Given reports whether the window has a start or an end.
func (w Window) Given() bool { return w.Since.Given() || w.From.Given() || w.To.Given() }

// Resolve returns the window [from, to). An end that was not given is the zero time.
func (w Window) Resolve(now time.Time) (from, to time.Time, err error) {
	return w.resolve(now, w.To.At(now, w.Zone.Location()))
}

// Minutes returns the window for data that is counted by the minute: a window that ends now
// includes all of the current minute, and --since is cut to whole minutes. A window within one
// minute is widened to that minute.
func (w Window) Minutes(now time.Time) (from, to time.Time, err error) {
	to = now.Truncate(time.Minute).Add(time.Minute)
	if w.To.Given() {
		to = w.To.At(now, w.Zone.Location())
	}
	from, to, err = w.resolve(now, to)
	if !w.From.Given() {
		from = from.Truncate(time.Minute)
	}
	if minute := from.Truncate(time.Minute); err == nil && minute.Equal(to.Truncate(time.Minute)) {
		return minute, minute.Add(time.Minute), nil
	}
	return from, to, err
}

func (w Window) resolve(now, to time.Time) (time.Time, time.Time, error) {
	if w.From.Given() && w.Since.Given() && !w.Since.isDefault {
		return time.Time{}, to, errors.New("--since and --from both give the start of the window: give one of them")
	}
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

// Timestamp is a time in output: RFC 3339 in UTC with milliseconds, both in JSON and as text. The
// zero time is an unknown time: null in JSON, "" as text.
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
