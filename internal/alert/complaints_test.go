package alert

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// complaints are what people have asked of systems like this one, or complained about, and the test
// that shows our answer.
var complaints = []struct{ of, asks, test string }{
	{"getsentry/sentry #54486, #45489", "count and percent together: percent alone is noise at low traffic", "TestSentry54486CountAndShareTogether"},
	{"getsentry/sentry #114120, #51435", "with a zero baseline a rule never fires or always fires", "TestSentry114120ZeroBaseline"},
	{"getsentry/sentry #114120", "the same, to the last error", "TestZeroBaselineHasADefinedAnswer"},
	{"getsentry/sentry #21436", "false spikes because the window before was cut off", "TestGapsAndHolidaysAreNotCompared"},
	{"getsentry/sentry #78846, SigNoz/signoz #295", "the week after a sale looks odd", "TestWeeklySeasonIsUsual"},
	{"YelpArchive/elastalert #455", "0 greater than 0", "TestElastalert455ZeroIsNotAboveZero"},
	{"YelpArchive/elastalert #2867", "alerts because the index lags", "TestElastalert2867LagRaisesAndResolvesNothing"},
	{"YelpArchive/elastalert #2784", "alerts on the single hit of a new key", "TestElastalert2784SingleHitOfANewKey"},
	{"YelpArchive/elastalert #1208", "silent once the reference window absorbs the spike", "TestBaselineIsFrozenWhileFiring"},
	{"jertel/elastalert2 #667", "wrong after a restart", "TestRestartNeitherLosesNorRepeats"},
	{"YelpArchive/elastalert #1591, jertel/elastalert2 #1770", "a flood of new terms after a restart or once data has expired", "TestNewCodeOnStoredData"},
	{"YelpArchive/elastalert #1591", "and at the very start", "TestNewCodeAtTheVeryStart"},
	{"prometheus/prometheus #10536, #6504, #6816, alertmanager #204, #952, #1546", "flapping", "TestPrometheus10536Flapping"},
	{"prometheus/prometheus #14085", "missing data is not resolved", "TestPrometheus14085MissingDataIsNotResolved"},
	{"prometheus/prometheus #4836", "a value inside labels keeps an alert pending forever", "TestPrometheus4836ValueInsideALabel"},
	{"grafana/loki #4909, #8765, #11719, SigNoz/signoz #9279", "rules are evaluated before late logs arrive", "TestNothingIsEvaluatedBeyondTheWatermark"},
	{"grafana/grafana #53443, #16616, prometheus #15545", "show when this rule would have fired", "TestBacktest"},
	{"hyperdxio/hyperdx #2670, #426, YelpArchive/elastalert #2061", "the message does not say which group fired, nor the value", "TestBurstFiresAndResolves"},
	{"hyperdxio/hyperdx #2670", "errors of alert queries are invisible", "TestFailedQueryStopsNoOtherRule"},
}

func TestEveryComplaintHasATest(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	for _, c := range complaints {
		if !strings.Contains(all.String(), "\nfunc "+c.test) {
			t.Errorf("%s (%s): there is no %s", c.of, c.asks, c.test)
		}
	}
}

func TestSentry54486CountAndShareTogether(t *testing.T) {
	passes(t, `{alert: A, by: [tenant], rate: {over: 5m, above: 0.2, min_errors: 20, min_requests: 50}}`, `    input:
      - {tenant: few, code: X, errors: '1x20', requests: '2x20'}          # half of them, of ten
      - {tenant: small-share, code: X, errors: '50x20', requests: '1000x20'}
      - {tenant: few-errors, code: X, errors: '3x20', requests: '10x20'}  # 30 %, but 15 errors
      - {tenant: both, code: X, errors: '30x20', requests: '100x20'}
    expect:
      - {at: 10m, alert: A, states: [{labels: {tenant: both}, state: firing}]}
      - {from: 0m, to: 20m, sends: [{status: firing, labels: {tenant: both}}]}
`)
}

func TestSentry114120ZeroBaseline(t *testing.T) {
	passes(t, `{alert: A, by: [tenant], spike: {}}`, `    input:
      - {tenant: one, code: X, errors: '0x10 1x1 0x60', requests: '1000x71', usual: {requests: 1000}}
      - {tenant: burst, code: X, errors: '0x10 12x1 0x60', requests: '1000x71', usual: {requests: 1000}}
    expect:
      - {at: 11m, alert: A, states: [{labels: {tenant: burst}, state: firing}]}
      - {from: 0m, to: 11m, sends: [{status: firing, labels: {tenant: burst}}]}
`)
}

func TestElastalert455ZeroIsNotAboveZero(t *testing.T) {
	passes(t, `{alert: A, count: {over: 5m, above: 0}}`, `    input: [{code: X, errors: '0x10 1x1 0x10'}]
    expect:
      - {from: 0m, to: 10m, sends_nothing: true}
      - {at: 11m, sends: [{status: firing}]}
`)
}

func TestElastalert2867LagRaisesAndResolvesNothing(t *testing.T) {
	passes(t, `{alert: A, by: [tenant], flatline: {of: requests, over: 5m, before: 1h}}`, `    input: [{tenant: acme, requests: '10x60', usual: {for: 1d, requests: 10}}]
    data: [{from: 5m, to: 40m, is: late 35m}]
    expect:
      - {from: 0m, to: 59m, alert: A, sends_nothing: true}
`)
	passes(t, `{alert: A, by: [tenant], count: {over: 5m, above: 20}}`, `    input: [{tenant: acme, code: X, errors: '10x5 0x60'}]
    data: [{from: 5m, to: 40m, is: late 35m}]
    expect:
      - {at: 39m, alert: A, states: [{labels: {tenant: acme}, state: firing}]}
      - {at: 40m, alert: A, states: [], sends: [{status: resolved}]}
`)
}

func TestElastalert2784SingleHitOfANewKey(t *testing.T) {
	passes(t, `{alert: A, new_code: {over: 1h, min_errors: 3}}`, `    input:
      - {tenant: acme, code: ONCE, errors: '0x10 1x1 0x60', requests: '10x71', usual: {for: 3d, requests: 10}}
      - {tenant: acme, code: OFTEN, errors: '0x10 3x1 0x60'}
    expect:
      - {from: 0m, to: 60m, sends: [{status: firing, labels: {code: OFTEN}}]}
`)
}

func TestPrometheus10536Flapping(t *testing.T) {
	// A value that goes up and down over the threshold is one alert, from its first time to the
	// last, with a threshold of recovery of its own.
	passes(t, `{alert: A, count: {over: 1m, above: 20}, for: 2m, keep_firing_for: 5m, resolve_below: 10}`, `    input: [{code: X, errors: '30x3 15x1 30x1 5x1 30x2 5x1 30x1 0x20'}]
    expect:
      - {from: 0m, to: 2m, sends_nothing: true}
      - {from: 3m, to: 30m, sends: [{status: firing}, {status: resolved}]}
      - {at: 15m, alert: A, states: [{state: recovering}]}
      - {at: 16m, alert: A, states: []}
`)
}

func TestPrometheus14085MissingDataIsNotResolved(t *testing.T) {
	passes(t, `{alert: A, by: [tenant], rate: {over: 5m, above: 0.2, min_requests: 10}}`, `    input: [{tenant: acme, code: X, errors: '5x10 0x60', requests: '10x10 0x30 10x30'}]
    expect:
      - {at: 15m, alert: A, states: [{labels: {tenant: acme}, state: no_data}]}
      - {from: 0m, to: 40m, sends: [{status: firing}]}
      - {at: 41m, alert: A, states: [], sends: [{status: resolved}]}
`)
}

func TestPrometheus4836ValueInsideALabel(t *testing.T) {
	_, err := read("alerts.yaml", []byte("groups: [{name: g, rules: [{alert: A, count: {over: 5m, above: 1}, labels: {seen: '{{.Value}}'}}]}]"))
	if err == nil || !strings.Contains(err.Error(), "the labels are part of the alert's identity") {
		t.Error(err)
	}
	// A template of the keys is as stable as they are.
	passes(t, `{alert: A, by: [tenant], count: {over: 5m, above: 1}, for: 3m, labels: {customer: 'c-{{$labels.tenant | toUpper}}'}}`, `    input: [{tenant: acme, code: X, errors: '2+1x20'}]
    expect:
      - {from: 0m, to: 10m, sends: [{status: firing, labels: {customer: c-ACME}}]}
`)
}
