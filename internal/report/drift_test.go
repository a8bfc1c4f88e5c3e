package report

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"errata/internal/catalog"
	"errata/internal/cli"
)

func load(t *testing.T, files map[string]string) *catalog.Set {
	t.Helper()
	dir := fstest.MapFS{}
	for name, text := range files {
		dir[name] = &fstest.MapFile{Data: []byte(text)}
	}
	c, err := catalog.Load(dir)
	if err != nil {
		t.Fatalf("%v\n%v", err, files)
	}
	return c
}

const osm = `
family: OSM
language: en
match: {prefixes: [OSM]}
codes:
  - {code: OSM.1, status: 400, message: "Case {0} is closed.", kind: conflict, retry: no, owner: caller}
  - {code: OSM.1, status: 409, message: "Case {0} is being closed.", kind: conflict, retry: later, owner: caller}
  - {code: OSM.2, message: "No status.", kind: auth, retry: no, owner: caller}
  - {code: OSM.3, status: 200, description: "No message.", kind: auth, retry: no, owner: caller}
`

// live is errors of one code.
func live(code, dialect string, status int, messages ...string) liveCode {
	at := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	l := liveCode{Code: code, Dialect: dialect, Service: "s", Status: uint16(status), Errors: 2, Tenants: 1, FirstSeen: cli.Timestamp{Time: at}, LastSeen: cli.Timestamp{Time: at}}
	for _, m := range messages {
		if l.Message = m; m != "" {
			l.Whole = append(l.Whole, m)
		}
	}
	return l
}

func TestWhatCountsAsDrift(t *testing.T) {
	c := load(t, map[string]string{"osm.yaml": osm})
	f := func(l liveCode, want ...string) {
		t.Helper()
		d := Drift{}
		d.compare(c, []liveCode{l})
		got := []string{}
		for _, u := range d.Unknown {
			got = append(got, "unknown "+u.Family)
		}
		for _, x := range d.Changed {
			got = append(got, fmt.Sprint(x.What, " ", x.Live, " not ", strings.Join(x.Published, "/")))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || (len(d.Unknown)+len(d.Changed) > 0) != (len(want) > 0) {
			t.Errorf("%s %d %q: %q, want %q", l.Code, l.Status, l.Whole, got, want)
		}
	}
	f(live("OSM.1", "huawei", 400, "Case 7 is closed."))
	f(live("osm_1", "huawei", 400, "Case 7 is closed"))
	f(live("OSM.1", "huawei", 200, "Case 7 is closed.")) // hidden, as usual
	f(live("OSM.1", "huawei", 0, "Case 7 is closed."))
	f(live("OSM.1", "huawei", 409, "Case 7 is being closed."))
	f(live("OSM.1", "huawei", 409, "Case 7 is closed."), "status 409 not 400") // of the entry with that message
	f(live("OSM.1", "huawei", 500, ""), "status 500 not 400/409")
	f(live("OSM.1", "huawei", 400, "Closed."), "message Closed. not Case {0} is closed./Case {0} is being closed.")
	f(live("OSM.1", "huawei", 400, "")) // no message is no other message
	f(live("OSM.2", "huawei", 500, "No status."))
	f(live("OSM.3", "huawei", 200, "whatever"))
	f(live("OSM.3", "huawei", 400, "whatever"), "status 400 not 200")
	f(live("OSM.4", "huawei", 400, "x"), "unknown OSM")
	f(live("BILLING-7", "huawei", 400, "x"), "unknown BILLING")
	f(live("4000", "tencent-v2", 400, "x"), "unknown tencent-v2")
	f(live("", "huawei", 200, "x")) // no catalog can list it
}

// Whatever codes and messages look like, their stubs load as they are, know the codes, and leave no
// drift.
func TestStubsLoad(t *testing.T) {
	f := func(ls ...liveCode) []catalog.Stub {
		t.Helper()
		c := load(t, map[string]string{"osm.yaml": osm})
		d := Drift{}
		d.compare(c, ls)
		stubs := catalog.Stubs(d.Unlisted(), c)
		files := map[string]string{}
		for _, s := range stubs {
			if _, twice := files[s.File]; twice {
				t.Errorf("two stubs are called %s", s.File)
			}
			files[s.File] = s.Text
		}
		after := Drift{}
		after.compare(load(t, files), ls)
		if len(after.Unknown)+len(after.Changed) > 0 {
			t.Errorf("%v\nunknown %v\nchanged %v", files, after.Unknown, after.Changed)
		}
		return stubs
	}
	stubs := f(live("BILLING-7", "huawei", 402, "Account a has no funds.", "Account b has no funds."), live("billing.8", "huawei", 200, "x"))
	if len(stubs) != 1 || stubs[0].File != "billing.yaml" || !strings.Contains(stubs[0].Text, `message: "Account {0} has no funds." # guess`) || !strings.Contains(stubs[0].Text, "kind: billing # guess") {
		t.Errorf("%+v", stubs)
	}
	f(live("OSM.99", "huawei", 400, "x"))
	f(live("X.1", "huawei", 404, "not here"), live("X.1", "code-message", 500, ""), live("X.1", "huawei", 200, ""))
	f(live("X/1", "huawei", 404, `quotes " and ' and \ and {braces} and %s`+"\nlines\t# : - and 资金不足 \u2028 <&> \x00"))
	f(live("yes", "code-message", 200, ""), live("0x1F", "code-message", 200, "a"), live("1e3", "code-message", 200, "b"), live("*&!%@`", "code-message", 500, "[c"))
	f(live("code-message.7", "huawei", 200, "a"), live("90017", "code-message", 200, "b")) // the dialect's name is a prefix too
	f(live("A B.1", "huawei", 200, "a"), live("A-B.1", "huawei", 200, "b"), live("资金.1", "huawei", 200, "c"), live("../x.1", "huawei", 200, "d"))
	odd := live("E_X", "x", 200, "a")
	odd.Service = ""
	star := live("90018", "x", 200, "a")
	star.Service = `s*[`
	f(odd, star)
}

func TestDriftFitsTheTerminal(t *testing.T) {
	d := Drift{Unknown: []UnknownCode{{Code: "BILLING-7731", Dialect: "huawei", Family: "BILLING", Message: strings.Repeat("资金不足 ", 40)}}, Totals: DriftTotals{Unknown: 1}}
	var b strings.Builder
	if err := d.text(cli.Screen{Writer: &b, Columns: 160}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if n := len([]rune(line)); n > 160 {
			t.Errorf("a line of %d: %s", n, line)
		}
	}
	if _, err := DriftOutputs.Named("csv"); err == nil || !strings.Contains(err.Error(), "markdown") {
		t.Error(err)
	}
}
