package chaos

import (
	"bytes"
	"context"
	"errors"
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

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"errata/internal/stack"
	"errata/internal/stack/stacktest"
)

// rig is all that runs. Each ingester has proxies of its own before every broker and before
// ClickHouse.
type rig struct {
	t          testing.TB
	logs       string // folder, kept when the test fails
	binary     string
	brokers    []*stacktest.RealBroker
	clickhouse *stack.ClickHouse
	memory     int // what ingest.memory is set to, in bytes
	ingesters  []*ingester
	kafka      *kgo.Client // for questions, past the proxies
	began      time.Time
}

const (
	group    = "chaos"
	database = "chaos"
)

// newRig starts the servers and prepares the ingesters without starting them.
func newRig(t testing.TB, brokers, ingesters, memory int) *rig {
	t.Helper()
	r := &rig{t: t, binary: build(t), memory: memory, began: time.Now()}
	var err error
	if r.logs, err = os.MkdirTemp("", "errata-chaos-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() || os.Getenv("ERRATA_CHAOS_KEEP") != "" {
			t.Logf("what the ingesters said is kept in %s", r.logs)
			return
		}
		os.RemoveAll(r.logs)
	})
	var fronts []string
	for i := range ingesters {
		fronts = append(fronts, fmt.Sprintf("INGESTER%d", i))
	}
	r.brokers = stacktest.RealCluster(t, brokers, fronts...)
	r.clickhouse = stacktest.ClickHouse(t)
	r.kafka = newClient(t, r.direct())
	for i := range ingesters {
		in := &ingester{rig: r, slot: i, log: filepath.Join(r.logs, fmt.Sprintf("ingester%d.log", i)), http: stacktest.FreeAddr(t)}
		for _, b := range r.brokers {
			in.toKafka = append(in.toKafka, b.Fronts[fronts[i]])
		}
		in.toClickHouse = stacktest.StartProxy(t, r.clickhouse.Addr, stacktest.FrontHost(i))
		in.inserts = newInserts()
		in.toClickHouse.Tap(in.inserts.tap)
		in.env = append(in.env, "PATH="+os.Getenv("PATH"),
			"ERRATA_KAFKA_BROKERS="+strings.Join(addresses(in.toKafka), ","), "ERRATA_KAFKA_GROUP="+group, "ERRATA_KAFKA_START=earliest",
			"ERRATA_CLICKHOUSE_ADDR="+in.toClickHouse.Addr, "ERRATA_CLICKHOUSE_DATABASE="+database,
			"ERRATA_HTTP_ADDR="+in.http, "ERRATA_HTTP_PPROF=true", "ERRATA_INGEST_MEMORY="+strconv.Itoa(memory))
		r.ingesters = append(r.ingesters, in)
		t.Cleanup(in.kill)
	}
	return r
}

// build makes the ingester from this tree. ERRATA_CHAOS_INGEST names one that is built already.
func build(t testing.TB) string {
	t.Helper()
	if binary := os.Getenv("ERRATA_CHAOS_INGEST"); binary != "" {
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

func addresses(proxies []*stacktest.Proxy) (all []string) {
	for _, p := range proxies {
		all = append(all, p.Addr)
	}
	return all
}

// direct are the brokers' addresses past the proxies.
func (r *rig) direct() (all []string) {
	for _, b := range r.brokers {
		all = append(all, b.Addr)
	}
	return all
}

// newClient makes a client of Kafka that is closed at the test's end.
func newClient(t testing.TB, brokers []string, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(brokers...), kgo.MetadataMaxAge(5 * time.Second), kgo.MetadataMinAge(250 * time.Millisecond)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// logf prints a line with the seconds since the rig stood.
func (r *rig) logf(format string, args ...any) {
	r.t.Helper()
	r.t.Logf("%6.1f s  %s", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
}

// set gives all ingesters a setting, from their next start on.
func (r *rig) set(key, value string) {
	for _, in := range r.ingesters {
		in.env = append(in.env, variable(key)+"="+value)
	}
}

func variable(key string) string {
	return "ERRATA_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// killClickHouse is kill -9 of the server.
func (r *rig) killClickHouse() error {
	r.clickhouse.Kill()
	return r.clickHouseAway(true)
}

func (r *rig) restartClickHouse(ctx context.Context) error {
	return errors.Join(r.clickhouse.Restart(ctx), r.clickHouseAway(false))
}

func (r *rig) clickHouseAway(away bool) (err error) {
	for _, in := range r.ingesters {
		err = errors.Join(err, in.toClickHouse.ServerAway(away))
	}
	return err
}

// query asks ClickHouse past the proxies.
func (r *rig) query(ctx context.Context, sql string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+r.clickhouse.HTTPAddr+"/?database="+database, strings.NewReader(sql))
	if err != nil {
		return "", err
	}
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, body)
	}
	return strings.TrimSuffix(string(body), "\n"), err
}

// partition names one.
type partition struct {
	topic string
	id    int
}

// owners asks the group which ingester, by slot, has which partitions. It fails while the group is
// not at rest.
func (r *rig) owners(ctx context.Context) (map[int][]partition, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request := kmsg.NewPtrDescribeGroupsRequest()
	request.Groups = []string{group}
	answer, err := request.RequestWith(ctx, r.kafka)
	if err != nil {
		return nil, err
	}
	if len(answer.Groups) == 0 || answer.Groups[0].State != "Stable" {
		return nil, errors.New("the group is not at rest")
	}
	owners := map[int][]partition{}
	for _, member := range answer.Groups[0].Members {
		slot := slices.IndexFunc(r.ingesters, func(in *ingester) bool { return member.ClientHost == "/"+stacktest.FrontHost(in.slot) })
		if slot < 0 {
			return nil, fmt.Errorf("a stranger from %s is in the group", member.ClientHost)
		}
		if _, twice := owners[slot]; twice {
			return nil, fmt.Errorf("ingester %d is in the group twice", slot)
		}
		var assigned kmsg.ConsumerMemberAssignment
		if err := assigned.ReadFrom(member.MemberAssignment); err != nil {
			return nil, err
		}
		owners[slot] = nil
		for _, topic := range assigned.Topics {
			for _, id := range topic.Partitions {
				owners[slot] = append(owners[slot], partition{topic.Topic, int(id)})
			}
		}
	}
	return owners, nil
}

// ledBy asks which partitions of a topic a broker leads.
func (r *rig) ledBy(ctx context.Context, broker int, topic string) (all []partition) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request := kmsg.NewPtrMetadataRequest()
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = &topic
	request.Topics = append(request.Topics, asked)
	answer, err := request.RequestWith(ctx, r.kafka)
	if err != nil || len(answer.Topics) == 0 {
		return nil
	}
	for _, p := range answer.Topics[0].Partitions {
		if int(p.Leader) == broker {
			all = append(all, partition{topic, int(p.Partition)})
		}
	}
	return all
}

// ingester is one `ingest run`, kept up like a service is: when it ends unasked, it is started
// again.
type ingester struct {
	rig          *rig
	slot         int
	log          string
	http         string
	env          []string
	toKafka      []*stacktest.Proxy // by broker
	toClickHouse *stacktest.Proxy
	inserts      *inserts

	mu     sync.Mutex // guards
	proc   *stacktest.Process
	wanted bool
	starts int
	peak   int      // resident memory in KiB, the most of all its processes
	ends   []string // that nobody asked for
}

// start starts the process, with settings that only this one gets.
func (in *ingester) start(settings ...string) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.wanted = true
	return in.launch(settings)
}

func (in *ingester) launch(settings []string) error {
	log, err := os.OpenFile(in.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	in.starts++
	fmt.Fprintf(log, "---- start %d at %s %v\n", in.starts, time.Now().UTC().Format("15:04:05.000"), settings)
	command := exec.Command(in.rig.binary, "run")
	command.Dir = in.rig.logs // where no config.yaml is
	command.Env = append(slices.Clone(in.env), settings...)
	command.Stdout, command.Stderr = log, log
	proc, err := stacktest.StartProcess(command)
	if err != nil {
		return err
	}
	in.proc = proc
	go in.watch(proc, settings) // ends with the process
	return nil
}

// restartPause is how long a service manager waits.
const restartPause = time.Second

// watch notes how much memory a process takes, and starts another if it ends unasked.
func (in *ingester) watch(proc *stacktest.Process, settings []string) {
	profiled := false
	for ended := false; !ended; {
		select {
		case <-proc.Done():
			ended = true
		case <-time.After(200 * time.Millisecond):
			peak := memory(proc.Pid(), "VmHWM")
			in.mu.Lock()
			in.peak = max(in.peak, peak)
			in.mu.Unlock()
			if peak<<10 > in.rig.memory+memoryBeside && !profiled {
				profiled = true
				in.profile()
			}
		}
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.wanted || in.proc != proc {
		return
	}
	in.ends = append(in.ends, fmt.Sprintf("%v: %s", proc.State(), in.lastLine()))
	in.mu.Unlock()
	time.Sleep(restartPause)
	in.mu.Lock()
	if in.wanted && in.proc == proc {
		if err := in.launch(settings); err != nil {
			in.rig.t.Error(err)
		}
	}
}

// profile keeps what takes the memory, for whoever looks into it.
func (in *ingester) profile() {
	answer, err := http.Get("http://" + in.http + "/debug/pprof/heap")
	if err != nil {
		return
	}
	defer answer.Body.Close()
	file, err := os.Create(filepath.Join(in.rig.logs, fmt.Sprintf("ingester%d.heap", in.slot)))
	if err != nil {
		return
	}
	defer file.Close()
	io.Copy(file, answer.Body)
}

// lastLine is the last that it said.
func (in *ingester) lastLine() string {
	text, _ := os.ReadFile(in.log)
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return string(lines[len(lines)-1])
}

// memory reads one number of KiB from a process's status; 0 when it is gone.
func memory(pid int, name string) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
			return n
		}
	}
	return 0
}

// up reports whether it is meant to run.
func (in *ingester) up() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.wanted
}

// process is the one that runs, or ran last.
func (in *ingester) process() *stacktest.Process {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.proc
}

// unwanted says that the next end is asked for, and returns the process that is to end; nil when
// none is meant to run.
func (in *ingester) unwanted() *stacktest.Process {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !in.wanted {
		return nil
	}
	in.wanted = false
	return in.proc
}

// kill ends it as kill -9 does.
func (in *ingester) kill() {
	if proc := in.unwanted(); proc != nil {
		proc.Kill()
	}
}

// stopTimeout is how long a clean stop may take: leaveTimeout of package delivery twice, and a
// little.
const stopTimeout = 15 * time.Second

// stop ends it as an operator does, which must be in order.
func (in *ingester) stop() error {
	proc := in.unwanted()
	if proc == nil {
		return nil
	}
	proc.Signal(syscall.SIGTERM)
	select {
	case <-proc.Done():
	case <-time.After(stopTimeout):
		proc.Kill()
		return fmt.Errorf("ingester %d did not stop within %v of SIGTERM", in.slot, stopTimeout)
	}
	if code := proc.State().ExitCode(); code != 0 {
		return fmt.Errorf("ingester %d: %v on SIGTERM: %s", in.slot, proc.State(), in.lastLine())
	}
	return nil
}

// unasked are the ends that nobody asked for.
func (in *ingester) unasked() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.ends)
}

// peakMemory is the most resident memory that any of its processes had, in KiB.
func (in *ingester) peakMemory() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.peak
}

// peaks are the most resident memory of each ingester until now, in MiB.
func (r *rig) peaks() (all []int) {
	for _, in := range r.ingesters {
		all = append(all, in.peakMemory()>>10)
	}
	return all
}
