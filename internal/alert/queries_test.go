package alert

import (
	"fmt"
	"path"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"errata/internal/store"
)

func TestGlobsAreThoseOfPathMatch(t *testing.T) {
	w := newWorld(t)
	tenants := []string{"acme", "acme-2", "ac/me", "a.me", "axme", "ACME", "", "资金", "a*b", "a[b", "a-b", "a]b", `a\b`, "a\nb"}
	var requests []request
	for _, tenant := range tenants {
		requests = append(requests, request{0, 1, tenant, quota})
	}
	w.insert(requests...)
	for _, glob := range []string{"acme", "*", "a*", "*me", "a?me", "a.me", "?????", "[a-b]*", "[^a]*", `a\*b`, `a[*]b`, "a[[]b", `a[\]]b`, `a\\b`, "资*", "??", "a/*", "*/*", "", "(acme)", "acme|a.me", "a[\\-]b", "a[b&&c]b", "a?b"} {
		if _, err := path.Match(glob, ""); err != nil {
			t.Fatalf("%q: %v", glob, err)
		}
		// The second glob makes a list of it, and matches nothing.
		counted, err := countErrors(t, w.store, Select{Tenants: []string{glob, "no[b]ody"}}, midnight, 1, "tenant")
		if err != nil {
			t.Fatalf("%q: %v", glob, err)
		}
		got := map[string]bool{}
		for _, m := range counted {
			got[m.keys[0]] = true
		}
		for _, tenant := range tenants {
			want, _ := path.Match(glob, tenant)
			if (Select{Tenants: []string{glob}}).picks(map[string]string{"tenant": tenant}) != want {
				t.Errorf("%q matches %q in memory: want %v", glob, tenant, want)
			}
			if got[tenant] != want {
				t.Errorf("%q matches %q: %v, want %v", glob, tenant, got[tenant], want)
			}
		}
	}
}

// everyMinute returns edges at which each minute is counted by itself.
func everyMinute(from time.Time, minutes int) (all edges) {
	for i := range minutes + 1 {
		all = append(all, from.Add(time.Duration(i)*time.Minute).Unix())
	}
	return all
}

func groupOf(t tally) *tallyGroup { return grouped([]*tally{&t})[0] }

// countErrors counts errors by the minute.
func countErrors(t *testing.T, s *store.Store, sel Select, from time.Time, minutes int, by ...string) (all []counted, err error) {
	t.Helper()
	err = newStored(s).count(t.Context(), groupOf(tally{errorsView(sel), sel, by, "", nil, everyMinute(from, minutes), func(c counted) { all = append(all, c) }}))
	return all, err
}

func TestMinutesAndWhatIsBehindThem(t *testing.T) {
	w := newWorld(t)
	w.insertLines(logged{midnight.Add(time.Second), "r-0-0", "acme", quota, ""}, logged{midnight.Add(time.Minute - time.Millisecond), "r-0-1", "acme", quota, ""})
	w.insert(request{1, 1, "acme", quota}, request{1, 1, "acme", fine}, request{1, 1, "globex", denied}, request{2, 1, "acme", quota})
	s, from := newStored(w.store), midnight
	f := func(what string, minutes []counted, err error, want string) {
		t.Helper()
		got := ""
		for _, m := range minutes {
			got += fmt.Sprintf("%s %v %d/%d; ", m.at.Format("15:04"), m.keys, m.errors, m.requests)
		}
		if err != nil || got != want {
			t.Errorf("%s: got %q %v, want %q", what, got, err, want)
		}
	}
	to := from.Add(2 * time.Minute)
	minutes, err := countErrors(t, w.store, Select{}, from, 2, "tenant", "code")
	f("all", minutes, err, "00:00 [acme OSM.01010037] 2/0; 00:01 [acme OSM.01010037] 1/0; 00:01 [globex OptVerse_10000004] 1/0; ")
	minutes, err = countErrors(t, w.store, Select{Families: []string{"OSM"}, Kinds: []string{"quota"}, Codes: []string{"OSM.01010037"}, Services: []string{"o*"}, Equal: map[string]string{"tenant": "acme", "kind": "quota"}}, from, 2)
	f("everything picked", minutes, err, "00:00 [] 2/0; 00:01 [] 1/0; ")
	minutes = nil
	err = s.count(t.Context(), groupOf(tally{viewRequests, Select{Codes: []string{"X"}}, []string{"tenant"}, "", nil, everyMinute(from, 2), func(c counted) { minutes = append(minutes, c) }}))
	f("requests", minutes, err, "00:00 [acme] 2/2; 00:01 [acme] 1/2; 00:01 [globex] 1/1; ")

	codes, err := topCodes(t.Context(), s.Store, Select{}, from, to, 5)
	if err != nil || len(codes) != 2 || codes[0].Code != "OSM.01010037" || codes[0].Errors != 3 || codes[0].Dialect != "huawei" || codes[0].Status != 200 || codes[0].Service != "osm" {
		t.Errorf("%+v %v", codes, err)
	}
	known := false
	if codes, err = topCodes(t.Context(), s.Store, Select{Known: &known}, from, to, 5); err != nil || len(codes) != 0 {
		t.Errorf("%+v %v", codes, err)
	}
	ids, err := latestRequests(t.Context(), s.Store, Select{Equal: map[string]string{"tenant": "acme"}}, from, to, 5)
	if err != nil || fmt.Sprint(ids) != "[r-1-0 r-0-1 r-0-0]" {
		t.Errorf("%v %v", ids, err)
	}
}

func TestAlertStatesOfTheLatestEvaluation(t *testing.T) {
	s := newWorld(t).store
	at := func(minute int, state string) []store.AlertState {
		evaluated := midnight.Add(time.Duration(minute) * time.Minute)
		return []store.AlertState{
			{Rule: "R", Evaluated: evaluated},
			{Rule: "R", Fingerprint: "f", Labels: map[string]string{"tenant": "acme"}, State: state, Since: midnight, Memory: "{}", Notice: "{}", Evaluated: evaluated},
		}
	}
	transition := store.AlertTransition{At: midnight, Rule: "R", Fingerprint: "f", Labels: map[string]string{"tenant": "acme"}, From: "pending", To: "firing", Reason: "41 errors", Value: 41, Threshold: 20}
	record := func(states []store.AlertState) {
		t.Helper()
		if err := s.RecordAlerts(t.Context(), []store.AlertTransition{transition}, nil, states); err != nil {
			t.Fatal(err)
		}
	}
	record(at(1, "firing"))
	record(at(0, "pending")) // a late repeat
	got, err := states(t.Context(), s)
	if err != nil || len(got) != 2 || got[0].Fingerprint != "" || !got[0].Evaluated.Equal(midnight.Add(time.Minute)) || got[1].State != "firing" ||
		!got[1].Since.Equal(midnight) || !got[1].LowSince.IsZero() || got[1].Labels["tenant"] != "acme" || got[1].Notice != "{}" || got[1].Memory != "{}" {
		t.Errorf("%+v %v", got, err)
	}
	record(at(2, "inactive"))
	if got, err = states(t.Context(), s); err != nil || len(got) != 1 {
		t.Errorf("%+v %v", got, err)
	}
	type row struct {
		At        time.Time         `ch:"ts"`
		Rule      string            `ch:"rule"`
		Labels    map[string]string `ch:"labels"`
		From      string            `ch:"from"`
		To        string            `ch:"to"`
		Reason    string            `ch:"reason"`
		Value     float64           `ch:"value"`
		Threshold float64           `ch:"threshold"`
	}
	transitions, err := store.Select[row](t.Context(), s, "SELECT ts, rule, labels, `from`, `to`, reason, value, threshold FROM alerts", nil)
	want := []row{{midnight, "R", map[string]string{"tenant": "acme"}, "pending", "firing", "41 errors", 41, 20}}
	if diff := cmp.Diff(want, transitions); err != nil || diff != "" {
		t.Error(err, diff)
	}
}
