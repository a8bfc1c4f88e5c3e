package loadgen

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/enrich"
	"errata/internal/parse"
)

// day is a day of n requests.
func day(seed uint64, n int) Config {
	from := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	return Config{Seed: seed, From: from, To: from.Add(24 * time.Hour), Requests: n}
}

func generate(t testing.TB, cfg Config) ([]Message, Sent) {
	t.Helper()
	var all []Message
	sent, err := Generate(cfg, func(m Message) error { all = append(all, m); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return all, sent
}

// The pipeline finds in the traffic what the generator says is in it, to the last one.
func TestPipelineCountsWhatWasSent(t *testing.T) {
	t.Parallel()
	cfg := day(1, 30_000)
	messages, sent := generate(t, cfg)
	got, seen := count(t, cfg, messages)
	got.Burst = sent.Burst // the pipeline knows of no bursts
	if diff := cmp.Diff(sent, got); diff != "" {
		t.Errorf("the pipeline counts otherwise (-sent +counted):\n%s", diff)
	}

	// There is some of everything in it.
	for _, what := range []string{
		"generic", "apisix", "kong", "nginx", "unknown",
		"OSM", "OptVerse", "TencentCloud", "iMetal", "AIS", "APIGW", "HTTP", "family unknown",
		"json", "xml", "text", "truncated", "undecodable", "empty", "absent",
		"exact", "salvaged",
	} {
		if seen[what] == 0 {
			t.Errorf("nothing is %s", what)
		}
	}
	for _, m := range mishaps {
		if sent.Reasons[m.reason] == 0 {
			t.Errorf("no dead letter is %s", m.reason)
		}
	}
	t.Log(seen)
}

// count puts messages through the pipeline and counts as Sent does, and how often each
// format, family, body state and confidence was seen.
func count(t *testing.T, cfg Config, messages []Message) (got Sent, seen map[string]int) {
	shipped, err := catalog.Open(catalog.Default)
	if err != nil {
		t.Fatal(err)
	}
	processor, err := enrich.NewProcessor(enrich.Config{}, shipped)
	if err != nil {
		t.Fatal(err)
	}
	got = Sent{Messages: len(messages), Codes: map[TenantCode]int{}, Tenants: map[string]int{}, Reasons: map[string]int{}}
	seen = map[string]int{}
	dead := func(reason accesslog.Reason) {
		if reason != "" {
			got.DeadLetters++
			got.Reasons[string(reason)]++
		}
	}
	for _, m := range messages {
		record := processor.Record(m.Value, enrich.Position{Clock: accesslog.KafkaClock(m.Time)})
		seen[record.Format]++
		dead(record.DeadLetter)
		var newest time.Time
		for _, e := range record.Elements {
			if dead(e.DeadLetter); e.DeadLetter != "" {
				continue
			}
			checkAccess(t, cfg, m, e)
			newest = later(newest, e.Access.Time)
			seen[string(e.Access.BodyState)]++
			got.Requests++
			got.Tenants[e.Access.Tenant]++
			got.Errors += len(e.Events)
			if len(e.Events) > 0 {
				got.ErrorRequests++
			}
			for _, event := range e.Events {
				got.Codes[TenantCode{e.Access.Tenant, event.Code}]++
				seen[string(event.Confidence)]++
				if event.Family == catalog.Unknown {
					event.Family = "family unknown"
				}
				seen[event.Family]++
				checkMessage(t, event)
			}
		}
		if !newest.IsZero() && !newest.Equal(m.Time) {
			t.Errorf("message at %s, its newest event at %s", m.Time, newest)
		}
	}
	return got, seen
}

func checkAccess(t *testing.T, cfg Config, m Message, e enrich.Element) {
	t.Helper()
	a := e.Access
	if a.Time.Before(cfg.From) || !a.Time.Before(cfg.To) {
		t.Errorf("a request at %s", a.Time)
	}
	if a.Tenant != string(m.Key) || a.Service == "" || a.Route == "" || a.Method == "" || !strings.HasPrefix(a.Path.String(), "/") || a.Status == 0 || !a.HasLatency || len(a.RequestID) == 0 {
		t.Errorf("a field is missing: %+v\n%s", a, e.Raw)
	}
	if !json.Valid(e.Raw) {
		t.Errorf("not JSON: %s", e.Raw)
	}
}

// checkMessage holds the messages of problems.go against the published ones.
func checkMessage(t *testing.T, e enrich.Event) {
	t.Helper()
	whole := e.Known && e.Confidence == parse.Exact && e.Family != catalog.HTTP
	if whole && e.Family != "TencentCloud" && e.Code != "APIG.0301" && e.Template == "" { // the page gives these only by example
		t.Errorf("%s: not the published message: %s", e.Code, e.Message)
	}
}

func TestSameSeedSameBytes(t *testing.T) {
	t.Parallel()
	same := func(a, b Message) bool {
		return bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value) && a.Time.Equal(b.Time)
	}
	a, sentA := generate(t, day(7, 5000))
	b, sentB := generate(t, day(7, 5000))
	if !slices.EqualFunc(a, b, same) || !cmp.Equal(sentA, sentB) {
		t.Error("the same seed gave other traffic")
	}
	c, _ := generate(t, day(8, 5000))
	if slices.EqualFunc(a, c, same) {
		t.Error("another seed gave the same traffic")
	}
}

func TestTotals(t *testing.T) {
	t.Parallel()
	f := func(cfg Config) {
		t.Helper()
		messages, sent := generate(t, cfg)
		sum := func(counts map[string]int) (n int) {
			for _, c := range counts {
				n += c
			}
			return n
		}
		codes := 0
		for _, n := range sent.Codes {
			codes += n
		}
		if len(messages) != sent.Messages || sum(sent.Tenants) != sent.Requests || sum(sent.Reasons) != sent.DeadLetters || codes != sent.Errors || sent.ErrorRequests > sent.Errors {
			t.Errorf("%d messages; %+v", len(messages), sent)
		}
		if off := sent.Requests - cfg.Requests; max(off, -off) > 50+cfg.Requests/20 {
			t.Errorf("%d requests, want about %d", sent.Requests, cfg.Requests)
		}
		for i, m := range messages {
			if m.Time.Before(cfg.From) || !m.Time.Before(cfg.To) || i > 0 && m.Time.Before(messages[i-1].Time) {
				t.Errorf("message %d is at %s", i, m.Time)
			}
		}
	}
	f(day(1, 0))
	f(day(1, 1))
	f(day(1, 200))
	f(day(1, 30_000))
	odd := time.Date(2026, 3, 1, 23, 59, 30, 123456789, time.FixedZone("", 3600))
	f(Config{Seed: 3, From: odd, To: odd.Add(30 * time.Second), Requests: 500})
	f(Config{Seed: 3, From: odd, To: odd.Add(37 * time.Minute), Requests: 5000})
	f(Config{Seed: 3, From: odd, To: odd.Add(10 * 24 * time.Hour), Requests: 5000})

	if _, err := Generate(Config{From: odd, To: odd}, nil); err == nil {
		t.Error("an empty range gave no error")
	}
	stop := errors.New("stop")
	if _, err := Generate(day(1, 200), func(Message) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("an error of emit became %v", err)
	}
}

// The day is as the package comment says.
func TestTheDay(t *testing.T) {
	t.Parallel()
	messages, sent := generate(t, day(1, 120_000))
	burst, largest, size, hours := 0, 0, 0, [24]int{}
	for _, m := range messages {
		size += len(m.Value)
		hours[m.Time.Hour()]++
		largest = max(largest, bytes.Count(m.Value, []byte(`"start_time"`)))
		if b := sent.Burst; string(m.Key) == b.Tenant && !m.Time.Before(b.From) && m.Time.Before(b.To) {
			burst += bytes.Count(m.Value, []byte(`\"OSM.01010037\"`))
		}
	}
	f := func(what string, got, least, most float64) {
		t.Helper()
		if got < least || got > most {
			t.Errorf("%s: %g, want %g to %g", what, got, least, most)
		}
	}
	all := float64(sent.Requests)
	f("share of the largest tenant", float64(sent.Tenants["atlas-retail"])/all, 0.35, 0.45)
	f("requests of the smallest", float64(sent.Tenants["lumen-foods"]), 200, 800)
	f("share of requests that fail, without the burst", float64(sent.ErrorRequests-burst)/all, 0.025, 0.035)
	f("errors of the burst", float64(burst), 850, 950)
	f("its code at other times", float64(quotaHits(sent)-burst), 3, 40)
	f("dead letters", float64(sent.DeadLetters), 30, 60)
	f("largest array", float64(largest), 20, 50)
	f("night against day", float64(hours[21])/float64(hours[9]), 0, 0.5)
	f("bytes a request", float64(size)/all, 800, 1600)
}

func quotaHits(s Sent) (n int) {
	for k, count := range s.Codes {
		if k.Code == burstProblem.code {
			n += count
		}
	}
	return n
}

// All words that the tables' texts use are there.
func TestTables(t *testing.T) {
	g := generator{Rand: rand.New(rand.NewPCG(1, 0))}
	shares := 0.0
	for i := range tenants {
		shares += tenants[i].share
		for _, u := range tenants[i].uses {
			for j := range u.service.routes {
				r := g.call(&tenants[i], u.service, &u.service.routes[j], time.Now())
				texts := []string{r.target}
				for _, a := range r.route.answers {
					texts = append(texts, a.head, a.item, a.tail)
				}
				for _, p := range u.service.problems {
					texts = append(texts, p.message)
				}
				for _, text := range texts {
					os.Expand(text, func(name string) string {
						if lists[name] == nil && words[name] == nil {
							t.Errorf("%s, %s: no word $%s", u.service.name, r.route.name, name)
						}
						return ""
					})
				}
			}
		}
	}
	if shares != 1000 {
		t.Errorf("the shares of all tenants are %g", shares)
	}
}

func BenchmarkGenerate(b *testing.B) {
	for b.Loop() {
		if _, err := Generate(day(1, 120_000), func(Message) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
