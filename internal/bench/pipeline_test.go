package bench

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"errata/internal/stack"
	"errata/internal/stack/stacktest"
)

// result is what one system took for a workload.
type result struct {
	System     string  `json:"system"`
	Seconds    float64 `json:"seconds"` // until the last record could be queried
	Client     float64 `json:"client_cpu_s_per_million"`
	ClickHouse float64 `json:"clickhouse_cpu_s_per_million"` // with merges
	Broker     float64 `json:"broker_cpu_s_per_million"`
	ClientPeak int     `json:"client_peak_bytes"`
	ServerPeak int     `json:"clickhouse_peak_bytes"`
	written
}

func (r *result) total() float64 { return r.Client + r.ClickHouse }

// report is the outcome of a run, as REPORT keeps it.
type report struct {
	Workload    workload `json:"workload"`
	RecordBytes int      `json:"record_bytes"`
	Results     []result `json:"results"`
	Ratio       float64  `json:"ratio,omitempty"` // CPU of the Kafka engine for each CPU second of ours
}

const (
	topic    = "gateway-logs"
	database = "errata"
	patience = 20 * time.Minute // for a system to read everything

	namedTenants = 5000 // ingest.limits.tenants by default
)

// TestPipeline is `make bench`.
func TestPipeline(t *testing.T) {
	if os.Getenv("ERRATA_BENCH") != "1" || os.Getenv("ERRATA_BENCH_RATES") != "" {
		t.Skip("make bench without RATES runs it")
	}
	w := workloadOf(t)
	binary := build(t)
	broker := stacktest.RealKafka(t)
	if err := broker.CreateTopic(t.Context(), topic, w.Partitions); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	sent := w.send(t.Context(), t, []string{broker.Addr}, topic)
	run := report{Workload: w, RecordBytes: sent.Bytes / max(1, w.Count)}
	fmt.Printf("%d records of %d bytes in %s, %d in a Kafka value, %s, %d partitions, %.3g %% with an error, %d tenants, %d routes, %d codes, written in %.0f s\n\n",
		w.Count, run.RecordBytes, w.Format, w.Array, w.Codec, w.Partitions, w.Errors, w.Tenants, w.Routes, w.Codes, time.Since(began).Seconds())

	ours, oursCounts := runErrata(t, &w, broker, binary, sent)
	run.Results = append(run.Results, ours)
	if w.Format != textLine && os.Getenv("ERRATA_BENCH_ENGINE") != "0" { // JSONExtract reads no lines
		engine, engineCounts := runEngine(t, &w, broker)
		run.Results = append(run.Results, engine)
		if w.Tenants > namedTenants {
			fmt.Printf("The counts are not compared: errata names at most %d tenants of a batch and counts the others together.\n", namedTenants)
		} else if oursCounts != engineCounts {
			ours, engines := strings.Split(oursCounts, "\n"), strings.Split(engineCounts, "\n")
			i := 0
			for i < len(ours) && i < len(engines) && ours[i] == engines[i] {
				i++
			}
			t.Errorf("of %d lines of counts of errata and %d of the Kafka engine, these differ first:\n%q\n%q", len(ours), len(engines), ours[i:min(i+1, len(ours))], engines[i:min(i+1, len(engines))])
		}
		run.Ratio = engine.total() / ours.total()
	}
	run.print(os.Stdout)
	run.save(t)
}

// workloadOf reads the workload from the environment, which the Makefile fills.
func workloadOf(t testing.TB) workload {
	w := standard
	number := func(name string, least int, n *int) {
		if text := os.Getenv("ERRATA_BENCH_" + name); text != "" {
			var err error
			if *n, err = strconv.Atoi(text); err != nil || *n < least {
				t.Fatalf("%s=%s: give a number from %d up", name, text, least)
			}
		}
	}
	number("COUNT", 0, &w.Count)
	number("BODY", 0, &w.Body)
	number("PARTITIONS", 1, &w.Partitions)
	number("ARRAY", 1, &w.Array)
	number("TENANTS", 1, &w.Tenants)
	number("ROUTES", 1, &w.Routes)
	number("CODES", 1, &w.Codes)
	number("INGESTERS", 1, &w.Ingesters)
	number("SHARE", 0, &w.Share)
	if text := os.Getenv("ERRATA_BENCH_ERRORS"); text != "" {
		var err error
		if w.Errors, err = strconv.ParseFloat(text, 64); err != nil || w.Errors < 0 || w.Errors > 100 {
			t.Fatalf("ERRORS=%s: give a percentage from 0 to 100", text)
		}
	}
	w.Codec = cmp.Or(os.Getenv("ERRATA_BENCH_CODEC"), w.Codec)
	w.Format = cmp.Or(os.Getenv("ERRATA_BENCH_FORMAT"), w.Format)
	if writers[w.Format] == nil {
		t.Fatalf("FORMAT=%s: give apisix, kong, nginx or %s", w.Format, textLine)
	}
	w.from = time.Now().UTC().Truncate(time.Minute).Add(-2 * time.Hour)
	return w
}

// build makes the ingester from this tree.
func build(t testing.TB) string {
	t.Helper()
	if binary := os.Getenv("ERRATA_BENCH_INGEST"); binary != "" {
		return binary
	}
	binary := filepath.Join(t.TempDir(), "ingest")
	command := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "errata/cmd/ingest")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build the ingester: %v\n%s", err, out)
	}
	return binary
}

// meter measures what a system takes from its start on.
type meter struct {
	result
	millions           float64
	server, broker     int
	serverAt, brokerAt float64
	began              time.Time
}

func startMeter(t testing.TB, system string, w *workload, c *stack.ClickHouse, b *stacktest.RealBroker) *meter {
	m := &meter{result: result{System: system}, millions: float64(max(1, w.Count)) / 1e6, server: c.Pid(), broker: b.Pid(), began: time.Now()}
	m.serverAt, m.brokerAt = cpuSeconds(t, m.server), cpuSeconds(t, m.broker)
	return m
}

// readAll returns when a query counts all that was sent.
func (m *meter) readAll(t testing.TB, want int, c *stack.ClickHouse, sql string, alive func() error) {
	t.Helper()
	for ; ; time.Sleep(500 * time.Millisecond) {
		n := count(t, c, sql)
		if n == want {
			break
		}
		if err := alive(); err != nil || n > want || time.Since(m.began) > patience {
			t.Fatalf("%s has %d of %d after %.0f s: %v", m.System, n, want, time.Since(m.began).Seconds(), err)
		}
	}
	m.Seconds, m.Broker = time.Since(m.began).Seconds(), (cpuSeconds(t, m.broker)-m.brokerAt)/m.millions
}

// stop returns the measurements once ClickHouse has nothing left to merge.
func (m *meter) stop(t testing.TB, c *stack.ClickHouse, database string) result {
	t.Helper()
	settle(t, c)
	m.ClickHouse = (cpuSeconds(t, m.server) - m.serverAt) / m.millions
	m.ServerPeak, m.written = peakMemory(t, m.server), writtenBy(t, c, database)
	return m.result
}

// countsOf returns the counts by which systems are compared, from tables of the same names and
// columns in each.
func countsOf(t testing.TB, c *stack.ClickHouse, database string) string {
	t.Helper()
	return stacktest.Query(t, c, "SELECT toUnixTimestamp(minute) AS m, status, sum(requests), sum(errors), sum(cityHash64(toString(tenant), toString(service), toString(route)) * requests) FROM "+
		database+".traffic_minute GROUP BY m, status ORDER BY m, status") + "\n" +
		stacktest.Query(t, c, "SELECT code, family, kind, sum(errors), sum(cityHash64(toString(tenant), toString(service), toString(route)) * errors) FROM "+
			database+".error_minute GROUP BY code, family, kind ORDER BY code, family, kind") + "\n" +
		stacktest.Query(t, c, "SELECT count(), sum(cityHash64(toString(tenant), toString(path), toString(code), toString(description), toString(remedy), toString(request_id), toString(message))) FROM "+database+".errors")
}

// ingester is `ingest run` with settings of its own.
type ingester struct {
	*stacktest.Process                                // once it is started
	command            func(args ...string) *exec.Cmd // another command with the same settings
	address            string                         // of its metrics
	log                string
	unlimit            func() // ends its limit
}

// newIngester makes the schema for an ingester that begins at the earliest offset.
func newIngester(t testing.TB, w *workload, binary string, broker *stacktest.RealBroker, c *stack.ClickHouse) *ingester {
	t.Helper()
	dir := t.TempDir()
	in := &ingester{address: stacktest.FreeAddr(t), log: filepath.Join(dir, "ingest.log")}
	env := append(os.Environ(), "ERRATA_KAFKA_BROKERS="+broker.Addr, "ERRATA_KAFKA_TOPICS="+topic, "ERRATA_KAFKA_START=earliest", "ERRATA_CLICKHOUSE_ADDR="+c.Addr,
		"ERRATA_CLICKHOUSE_DATABASE="+database, "ERRATA_CATALOGS_DIR="+w.catalogFolder(t), "ERRATA_HTTP_ADDR="+in.address, "ERRATA_HTTP_PPROF=true")
	in.command = func(args ...string) *exec.Cmd {
		command := exec.Command(binary, args...)
		command.Dir = dir // where no config.yaml is
		command.Env = slices.DeleteFunc(slices.Clone(env), func(v string) bool { return strings.HasPrefix(v, "ERRATA_BENCH") })
		return command
	}
	if out, err := in.command("check", "--create").CombinedOutput(); err != nil { // so that reading begins at once
		t.Fatalf("ingest check --create: %v\n%s", err, out)
	}
	return in
}

func (in *ingester) start(t testing.TB) {
	t.Helper()
	log, err := os.Create(in.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	run := in.command("run")
	run.Stdout, run.Stderr = log, log
	if in.Process, err = stacktest.StartProcess(run); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Kill)
}

// ended returns an error with the log if the ingester is not running.
func (in *ingester) ended() error {
	if in.State() == nil {
		return nil
	}
	said, _ := os.ReadFile(in.log)
	return fmt.Errorf("the ingester ended: %v\n%s", in.State(), said)
}

// limit keeps an ingester to a share of one core, in percent, until it is told to end: while it has
// taken more, it is suspended.
func (in *ingester) limit(t testing.TB, share int) {
	if in.unlimit = func() {}; share == 0 {
		return
	}
	stopped := make(chan struct{})
	var running sync.WaitGroup
	in.unlimit = sync.OnceFunc(func() { close(stopped); running.Wait() })
	t.Cleanup(in.unlimit)
	running.Go(func() {
		defer in.Signal(syscall.SIGCONT)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for began := time.Now(); ; {
			select {
			case <-stopped:
				return
			case <-tick.C:
			}
			if cpuSeconds(t, in.Pid())*100 > time.Since(began).Seconds()*float64(share) {
				in.Signal(syscall.SIGSTOP)
			} else {
				in.Signal(syscall.SIGCONT)
			}
		}
	})
}

// runErrata lets the ingesters read the topic, audits what it stored, and compares its counts with
// what was sent.
func runErrata(t *testing.T, w *workload, broker *stacktest.RealBroker, binary string, sent tally) (result, string) {
	c := stacktest.ClickHouse(t)
	all := make([]*ingester, w.Ingesters)
	for i := range all {
		all[i] = newIngester(t, w, binary, broker, c)
	}
	m := startMeter(t, "errata", w, c, broker)
	for _, in := range all {
		in.start(t)
		in.limit(t, w.Share)
	}
	profiled := profile(t, all[0].address)
	m.readAll(t, sent.Values, c, "SELECT sum(records) FROM "+database+".batch_rows", all[0].ended) // the table, as of the engine: the view takes longer to answer
	for _, in := range all {
		m.Client, m.ClientPeak = m.Client+cpuSeconds(t, in.Pid())/m.millions, max(m.ClientPeak, peakMemory(t, in.Pid()))
	}
	<-profiled
	for _, in := range all {
		in.unlimit()
		in.Signal(syscall.SIGTERM)
		<-in.Done()
	}
	r := m.stop(t, c, database)

	if out, err := all[0].command("audit").CombinedOutput(); err != nil {
		t.Errorf("ingest audit: %v\n%s", err, out)
	} else {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		fmt.Printf("ingest audit: %s\n", lines[len(lines)-1])
	}
	want := fmt.Sprintf("%d\t%d", sent.Requests, sent.Errors)
	if got := stacktest.Query(t, c, "SELECT sum(requests), sum(errors) FROM "+database+".traffic_minute"); got != want {
		t.Errorf("errata counts %s requests and errors, want %s", got, want)
	}
	var byCode []string
	for code, n := range sent.ByCode {
		byCode = append(byCode, fmt.Sprintf("%s\t%d", code, n))
	}
	slices.Sort(byCode)
	if got := stacktest.Query(t, c, "SELECT code, count() FROM "+database+".errors GROUP BY code ORDER BY code"); got != strings.Join(byCode, "\n") {
		t.Errorf("errata counts by code\n%s\nwant\n%s", got, strings.Join(byCode, "\n"))
	}
	counts := countsOf(t, c, database)
	stop(t, c)
	return r, counts
}

// runEngine lets ClickHouse read the topic itself.
func runEngine(t *testing.T, w *workload, broker *stacktest.RealBroker) (result, string) {
	c := stacktest.ClickHouse(t)
	m := startMeter(t, "ClickHouse's Kafka engine", w, c, broker)
	createEngine(t, c, w, broker.Addr, topic)
	m.readAll(t, w.Count, c, "SELECT sum(requests) FROM engine.traffic_minute", func() error { return nil })
	r := m.stop(t, c, "engine")
	counts := countsOf(t, c, "engine")
	stacktest.Query(t, c, "DROP TABLE engine.queue SYNC")
	stop(t, c)
	return r, counts
}

// stop ends a server, so that it takes nothing from the next one.
func stop(t testing.TB, c *stack.ClickHouse) {
	t.Helper()
	if err := c.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

// profile fetches a CPU profile of the ingester if PROFILE names a file. The channel is closed when
// that is done.
func profile(t testing.TB, address string) (done chan struct{}) {
	done = make(chan struct{})
	file := os.Getenv("ERRATA_BENCH_PROFILE")
	if file == "" {
		close(done)
		return done
	}
	go func() { // ends with the profile
		defer close(done)
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			answer, err := http.Get("http://" + address + "/debug/pprof/profile?seconds=10")
			if err != nil {
				continue
			}
			text, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			if err == nil {
				err = os.WriteFile(file, text, 0o644)
			}
			if err != nil {
				t.Error(err)
			}
			return
		}
		t.Error("the ingester serves no profile")
	}()
	return done
}

// print writes the table and the ratio.
func (r *report) print(out io.Writer) {
	million := float64(max(1, r.Workload.Count)) / 1e6
	fmt.Fprintf(out, "\n%-28s %9s %28s %9s %16s %24s %18s\n", "", "records/s", "CPU s per million", "", "peak memory, MB", "per million", "stored per million")
	fmt.Fprintf(out, "%-28s %9s %8s %10s %8s %9s %7s %8s %14s %9s %9s %8s\n", "system", "", "client", "ClickHouse", "total", "broker", "client", "server", "rows inserted", "MB written", "rows", "MB")
	for _, s := range r.Results {
		fmt.Fprintf(out, "%-28s %9.0f %8.2f %10.2f %8.2f %9.2f %7d %8d %14.0f %9.0f %9.0f %8.1f\n", s.System, float64(r.Workload.Count)/s.Seconds,
			s.Client, s.ClickHouse, s.total(), s.Broker, s.ClientPeak>>20, s.ServerPeak>>20,
			float64(s.Rows)/million, float64(s.Written)/million/1e6, float64(s.StoredRow)/million, float64(s.Stored)/million/1e6)
	}
	if r.Ratio > 0 {
		fmt.Fprintf(out, "\nThe Kafka engine takes %.2f times the CPU of errata, for the same counts.\n", r.Ratio)
	}
}

// save keeps the report as JSON if REPORT names a file.
func (r *report) save(t testing.TB) {
	file := os.Getenv("ERRATA_BENCH_REPORT")
	if file == "" {
		return
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = os.WriteFile(file, append(bytes.TrimSpace(text), '\n'), 0o644)
	}
	if err != nil {
		t.Error(err)
	}
}
