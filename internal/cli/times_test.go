package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// now is when the tests' flags are read.
var now = time.Date(2026, 11, 2, 15, 4, 30, 0, time.UTC)

func TestTime(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		zone, err := time.LoadLocation("Asia/Shanghai")
		if err != nil {
			t.Fatal(err)
		}
		var flag Time
		if err := flag.Set(text); err != nil {
			t.Errorf("%q: %v", text, err)
			return
		}
		if got := flag.At(now, zone).UTC().Format(time.RFC3339); got != want || flag.String() != text {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
	f("90m", "2026-11-02T13:34:30Z")
	f("24h", "2026-11-01T15:04:30Z")
	f("7d", "2026-10-26T15:04:30Z")
	f("1d12h", "2026-11-01T03:04:30Z")
	f("1.5d", "2026-11-01T03:04:30Z")
	f("1.5h", "2026-11-02T13:34:30Z")
	f("10000d", "1999-06-17T15:04:30Z")
	f("2026-11-02", "2026-11-01T16:00:00Z")
	f("2026-11-02T08:00", "2026-11-02T00:00:00Z")
	f("2026-11-02 08:00", "2026-11-02T00:00:00Z")
	f("2026-11-02T08:00:01", "2026-11-02T00:00:01Z")
	f("2026-11-02T08:00:01.5Z", "2026-11-02T08:00:01Z")
	f("2026-11-02T08:00:00+01:00", "2026-11-02T07:00:00Z")

	for _, text := range []string{"", "0", "0s", "0d", "-1h", "-1d", "1d-2h", "d", "xd", "soon", "7", "yesterday", "2026-13-01", "1e9d", "999999999d", "infd", "9999999h"} {
		var flag Time
		if err := flag.Set(text); err == nil || !strings.Contains(err.Error(), "90m, 24h or 7d") || !strings.Contains(err.Error(), "2026-11-02T15:04:05Z") {
			t.Errorf("%q: %v", text, err)
		}
		if flag.Given() || !flag.At(now, time.UTC).IsZero() {
			t.Errorf("%q is taken", text)
		}
	}
}

// window reads the flags as a command does.
func window(t *testing.T, since string, args ...string) Window {
	t.Helper()
	var w Window
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	w.Flags(flags, since)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestWindowInMinutes(t *testing.T) {
	f := func(from, to string, args ...string) {
		t.Helper()
		a, b, err := window(t, "24h", args...).Minutes(now)
		if err != nil {
			t.Error(err)
			return
		}
		if a.UTC().Format(time.RFC3339) != from || b.UTC().Format(time.RFC3339) != to {
			t.Errorf("%q: %s to %s, want %s to %s", args, a.UTC(), b.UTC(), from, to)
		}
	}
	f("2026-11-01T15:05:00Z", "2026-11-02T15:05:00Z")
	f("2026-11-02T13:35:00Z", "2026-11-02T15:05:00Z", "--since", "90m")
	f("2026-10-26T15:05:00Z", "2026-11-02T15:05:00Z", "--since", "7d")
	f("2026-11-02T08:00:00Z", "2026-11-02T15:05:00Z", "--since", "2026-11-02T08:00")
	f("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "--from", "2026-10-25", "--to", "2026-10-26", "--zone", "Europe/Berlin") // 25 hours
	f("2026-11-02T00:00:00Z", "2026-11-02T15:05:00Z", "--zone", "Asia/Shanghai", "--from", "2026-11-02T08:00")
	f("2026-11-02T06:00:00Z", "2026-11-02T07:00:00Z", "--since", "1h", "--to", "2026-11-02T08:00:00+01:00")
	f("2026-10-26T15:04:30Z", "2026-11-01T15:04:30Z", "--from", "7d", "--to", "24h")
	f("2026-11-02T12:00:00Z", "2026-11-02T12:01:00Z", "--from", "2026-11-02T12:00:10", "--to", "2026-11-02T12:00:50") // within one minute
	f("2026-11-02T12:00:00Z", "2026-11-02T12:01:00Z", "--from", "2026-11-02T12:00:00", "--to", "2026-11-02T12:00:01")
	f("2026-11-02T12:00:00Z", "2026-11-02T12:01:00Z", "--since", "1s", "--to", "2026-11-02T12:00:50")
	f("2026-11-02T12:00:50Z", "2026-11-02T12:01:10Z", "--from", "2026-11-02T12:00:50", "--to", "2026-11-02T12:01:10")
	for _, since := range []string{"24h", "2h"} { // also if it is the default
		const want = "--since and --from both give the start of the window: give one of them"
		w := window(t, "24h", "--since", since, "--from", "2026-11-01")
		if _, _, err := w.Minutes(now); err == nil || err.Error() != want {
			t.Error(err)
		}
		if _, _, err := w.Resolve(now); err == nil || err.Error() != want {
			t.Error(err)
		}
	}
	for _, args := range [][]string{{"--from", "2026-11-03"}, {"--from", "2026-11-02", "--to", "2026-11-02"}, {"--since", "2026-11-02", "--to", "2026-11-01"}} {
		if _, _, err := window(t, "24h", args...).Minutes(now); err == nil || !strings.Contains(err.Error(), "the time window is empty: it begins at 2026-11-0") {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// Without a default the bounds that were not given are open.
func TestOpenWindow(t *testing.T) {
	f := func(given bool, from, to string, args ...string) {
		t.Helper()
		w := window(t, "", args...)
		a, b, err := w.Resolve(now)
		if err != nil || w.Given() != given || (Timestamp{a}).String() != from || (Timestamp{b}).String() != to {
			t.Errorf("%q: %s to %s, given %v, %v; want %s to %s", args, a, b, w.Given(), err, from, to)
		}
	}
	f(false, "", "")
	f(false, "", "", "--zone", "Europe/Berlin")
	f(true, "2026-11-01T15:04:30.000Z", "", "--since", "24h")
	f(true, "2026-11-01T15:04:30.000Z", "", "--from", "1d")
	f(true, "", "2026-11-01T23:00:00.000Z", "--to", "2026-11-02", "--zone", "Europe/Berlin")
	f(true, "2026-10-31T00:00:00.000Z", "2026-11-01T00:00:00.000Z", "--since", "1d", "--to", "2026-11-01")
}

func TestZone(t *testing.T) {
	var z Zone
	if z.String() != "UTC" {
		t.Error(z)
	}
	for _, name := range []string{"Mars/Olympus", "", "../etc"} {
		if err := z.Set(name); err == nil || !strings.Contains(err.Error(), "Europe/Berlin") || z.Location() != time.UTC {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestTimestamp(t *testing.T) {
	f := func(at time.Time, text, wantJSON string) {
		t.Helper()
		got, err := json.Marshal(struct{ At Timestamp }{Timestamp{at}})
		if err != nil || string(got) != `{"At":`+wantJSON+`}` || (Timestamp{at}).String() != text {
			t.Errorf("%s: %s %v", Timestamp{at}, got, err)
		}
	}
	f(time.Time{}, "", "null")
	f(now, "2026-11-02T15:04:30.000Z", `"2026-11-02T15:04:30.000Z"`)
	f(time.Date(2026, 11, 2, 1, 0, 0, 999_999_999, time.FixedZone("", 3600)), "2026-11-02T00:00:00.999Z", `"2026-11-02T00:00:00.999Z"`)
	if got, err := json.Marshal(map[Timestamp]int{{now}: 1}); err != nil || string(got) != `{"2026-11-02T15:04:30.000Z":1}` {
		t.Errorf("%s %v", got, err)
	}
}
