package stacktest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"errata/internal/stack"
)

// A RealBroker is one broker of an Apache Kafka, a Java process: broker and controller in one
// (KRaft), plain text, on 127.0.0.1. Clients are tested on it and on the in-process broker, because
// that one may accept what Kafka does not.
//
// It ends with the test, and with the test's process, however that ends.
type RealBroker struct {
	ID   int
	Addr string // HOST:PORT, kept over restarts
	Dir  string // server.properties, data and broker.log

	// Fronts are further listeners of the broker, by name. Each advertises the address of a proxy,
	// so that a client that starts at Fronts[name].Addr reaches every broker through proxies.
	Fronts map[string]*Proxy

	jars   string
	shared bool     // Dir is removed when the test's process ends
	proc   *Process // nil before the first start
}

// RealKafka starts a cluster of one broker. That takes about four seconds, and so does Start after
// a Kill.
func RealKafka(t testing.TB) *RealBroker {
	t.Helper()
	return RealCluster(t, 1)[0]
}

// SharedRealKafka returns the one broker of all tests of a test binary, which the first call
// starts. It ends with the binary and removes its data. Tests are isolated by topics and groups of
// their own. Tests that kill the broker need one of their own from [RealKafka].
func SharedRealKafka(t testing.TB) *RealBroker {
	t.Helper()
	sharedKafka.Do(func() {
		var dir string
		if dir, sharedKafka.err = os.MkdirTemp(inMemory(), "errata-kafka-"); sharedKafka.err != nil {
			return
		}
		var brokers []*RealBroker
		if brokers, sharedKafka.err = startCluster(context.Background(), t, dir, true, 1); sharedKafka.err != nil {
			os.RemoveAll(dir)
			return
		}
		sharedKafka.broker = brokers[0]
	})
	Must(t, sharedKafka.err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the broker's log ends with:\n%s", sharedKafka.broker.LogTail())
		}
	})
	return sharedKafka.broker
}

var sharedKafka struct {
	sync.Once
	broker *RealBroker
	err    error
}

// RealCluster starts a cluster of n brokers. Each is also a controller, so that any one of three
// may be killed. Topics are not created automatically. By default they have three replicas (or n,
// if n is less), and a write needs two of three.
//
// For each name in fronts, which must be upper case, every broker has another listener behind a
// proxy. Connections through the i-th front come from [FrontHost](i). By that address the brokers'
// own reports, such as a group's members, tell the clients apart.
func RealCluster(t testing.TB, n int, fronts ...string) []*RealBroker {
	t.Helper()
	brokers, err := startCluster(t.Context(), t, t.TempDir(), false, n, fronts...)
	t.Cleanup(func() {
		for _, b := range brokers {
			if t.Failed() {
				t.Logf("the log of broker %d ends with:\n%s", b.ID, b.LogTail())
			}
			b.Kill() // its data are removed with the test's folder
		}
	})
	Must(t, err)
	return brokers
}

// startCluster starts brokers with their data in a folder. It returns them even if not all could be
// started.
func startCluster(ctx context.Context, t testing.TB, dir string, shared bool, n int, fronts ...string) ([]*RealBroker, error) {
	if err := javaPresent(); err != nil {
		return nil, err
	}
	jars, err := kafkaJars(t)
	if err != nil {
		return nil, err
	}
	var id [16]byte
	rand.Read(id[:])
	clusterID := base64.RawURLEncoding.EncodeToString(id[:])
	brokers := make([]*RealBroker, n)
	controllers := make([]string, n)
	var voters []string
	for i := range brokers {
		controllers[i] = FreeAddr(t)
		voters = append(voters, fmt.Sprintf("%d@%s", i+1, controllers[i]))
		brokers[i] = &RealBroker{ID: i + 1, Addr: FreeAddr(t), Dir: filepath.Join(dir, strconv.Itoa(i+1)), Fronts: map[string]*Proxy{}, jars: jars, shared: shared}
		for f, name := range fronts {
			brokers[i].Fronts[name] = StartProxy(t, FreeAddr(t), FrontHost(f))
		}
	}
	var started sync.WaitGroup
	errs := make([]error, n)
	for i, b := range brokers {
		// Each goroutine ends when its broker answers or fails to start.
		started.Go(func() {
			if errs[i] = b.format(clusterID, controllers[i], strings.Join(voters, ","), n); errs[i] == nil {
				errs[i] = b.Start(ctx)
			}
		})
	}
	started.Wait()
	if err := errors.Join(errs...); err != nil {
		return brokers, err
	}
	return brokers, brokers[0].await(ctx, n)
}

// format writes the configuration and formats the data folder as Kafka's storage tool does. The
// tool itself costs a second of CPU; see kafkaJars.
func (b *RealBroker) format(clusterID, controller, voters string, n int) error {
	if err := os.MkdirAll(b.Dir, 0o755); err != nil {
		return err
	}
	listeners, advertised, protocols := "PLAINTEXT://"+b.Addr, "PLAINTEXT://"+b.Addr, "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
	for name, proxy := range b.Fronts {
		listeners += "," + name + "://" + proxy.target
		advertised += "," + name + "://" + proxy.Addr
		protocols += "," + name + ":PLAINTEXT"
	}
	properties := map[string]any{
		"process.roles":                            "broker,controller",
		"node.id":                                  b.ID,
		"controller.quorum.voters":                 voters,
		"listeners":                                listeners + ",CONTROLLER://" + controller,
		"advertised.listeners":                     advertised,
		"inter.broker.listener.name":               "PLAINTEXT",
		"controller.listener.names":                "CONTROLLER",
		"listener.security.protocol.map":           protocols,
		"log.dirs":                                 filepath.Join(b.Dir, "data"),
		"auto.create.topics.enable":                false,
		"default.replication.factor":               min(n, 3),
		"min.insync.replicas":                      min(n, 2),
		"offsets.topic.replication.factor":         min(n, 3),
		"offsets.topic.num.partitions":             4,
		"transaction.state.log.replication.factor": min(n, 3),
		"transaction.state.log.min.isr":            min(n, 2),
		"transaction.state.log.num.partitions":     4,
		// Tests write records with fixed dates, which are older than a week by now.
		"log.retention.ms": -1,
		// The default of three seconds only delays tests.
		"group.initial.rebalance.delay.ms": 0,
		// A killed broker cannot register again before its former session has expired: nine seconds
		// by default.
		"broker.session.timeout.ms":    3000,
		"broker.heartbeat.interval.ms": 500,
	}
	var text bytes.Buffer
	for key, value := range properties {
		fmt.Fprintf(&text, "%s=%v\n", key, value)
	}
	if err := os.WriteFile(b.properties(), text.Bytes(), 0o644); err != nil {
		return err
	}
	features, err := os.ReadFile(filepath.Join(b.jars, checkpoint))
	if err != nil {
		return err
	}
	data := filepath.Join(b.Dir, "data")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return err
	}
	// The broker adds an id of the folder.
	meta := fmt.Appendf(nil, "version=1\ncluster.id=%s\nnode.id=%d\n", clusterID, b.ID)
	return errors.Join(os.WriteFile(filepath.Join(data, "meta.properties"), meta, 0o644), os.WriteFile(filepath.Join(data, checkpoint), features, 0o644))
}

// checkpoint is the file with the features of a new cluster. It is the same for every broker.
const checkpoint = "bootstrap.checkpoint"

// formatOnce has Kafka's storage tool format a folder and keeps its checkpoint beside the jars.
func formatOnce(jars, work string) error {
	config, data := filepath.Join(work, "server.properties"), filepath.Join(work, "data")
	text := "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:9093\nlisteners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093\n" +
		"controller.listener.names=CONTROLLER\nlog.dirs=" + data + "\n"
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return err
	}
	tool := RealBroker{jars: jars}
	out, err := tool.java("kafka.tools.StorageTool", "format", "--cluster-id", "AAAAAAAAAAAAAAAAAAAAAQ", "--config", config).CombinedOutput()
	if err != nil {
		return fmt.Errorf("format a folder for Kafka: %w: %s", err, out)
	}
	features, err := os.ReadFile(filepath.Join(data, checkpoint))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(jars, checkpoint), features, 0o644)
}

func (b *RealBroker) properties() string { return filepath.Join(b.Dir, "server.properties") }

// java returns a command that runs a class of Kafka. The flags suit short runs on small machines.
func (b *RealBroker) java(class string, args ...string) *exec.Cmd {
	return exec.Command("java", append([]string{"-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dorg.apache.logging.log4j.level=INFO", "-cp", filepath.Join(b.jars, "*"), class}, args...)...)
}

// Start starts the broker, for the first time or after Stop or Kill, and returns when it answers.
func (b *RealBroker) Start(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(b.Dir, "broker.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	java := b.java("kafka.Kafka", b.properties())
	java.Stdout, java.Stderr = log, log
	folder := ""
	if b.shared {
		folder = filepath.Dir(b.Dir)
	}
	if b.proc, err = startProcess(java, folder); err != nil {
		return err
	}
	if err := b.await(ctx, 1); err != nil {
		return err
	}
	return b.away(false)
}

// away tells the proxies whether the broker is down.
func (b *RealBroker) away(away bool) (err error) {
	for _, p := range b.Fronts {
		err = errors.Join(err, p.ServerAway(away))
	}
	return err
}

// await returns when the broker answers and knows n brokers.
func (b *RealBroker) await(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	transport := &kafka.Transport{DialTimeout: time.Second}
	defer transport.CloseIdleConnections()
	client := kafka.Client{Addr: kafka.TCP(b.Addr), Timeout: 2 * time.Second, Transport: transport}
	for {
		var seen int
		resp, err := client.Metadata(ctx, &kafka.MetadataRequest{})
		if err == nil {
			if seen = len(resp.Brokers); seen >= n {
				return nil
			}
		}
		select {
		case <-b.proc.Done():
			return fmt.Errorf("Kafka broker %d ended while starting: %v\n%s", b.ID, b.proc.State(), b.LogTail())
		case <-ctx.Done():
			return fmt.Errorf("Kafka broker %d: %w (%v; %d of %d brokers seen)\n%s", b.ID, ctx.Err(), err, seen, n, b.LogTail())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Stop shuts the broker down, as an operator would, and returns when its process is gone.
func (b *RealBroker) Stop() {
	b.end(syscall.SIGTERM)
}

// Kill kills the broker, as kill -9 does, and returns when its process is gone.
func (b *RealBroker) Kill() {
	b.end(syscall.SIGKILL)
}

func (b *RealBroker) end(how syscall.Signal) {
	if b.proc == nil {
		return
	}
	b.proc.Signal(how)
	select {
	case <-b.proc.Done():
	case <-time.After(30 * time.Second):
		b.proc.Kill()
	}
	b.away(true) // cannot fail: it only closes
}

// Pid returns the process id of the broker, which must have been started.
func (b *RealBroker) Pid() int { return b.proc.Pid() }

// LogTail returns the end of the broker's log.
func (b *RealBroker) LogTail() string {
	log, err := os.ReadFile(filepath.Join(b.Dir, "broker.log"))
	if err != nil {
		return err.Error()
	}
	lines := slices.DeleteFunc(strings.SplitAfter(string(log), "\n"), func(line string) bool {
		return strings.HasPrefix(line, "\t") && strings.Contains(line, " = ") // pages of settings
	})
	return strings.Join(lines[max(0, len(lines)-30):], "")
}

// CreateTopic creates a topic with the cluster's default number of replicas. It succeeds if the
// topic already exists.
func (b *RealBroker) CreateTopic(ctx context.Context, name string, partitions int) error {
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := kafka.Client{Addr: kafka.TCP(b.Addr), Timeout: 10 * time.Second, Transport: transport}
	resp, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{
		{Topic: name, NumPartitions: partitions, ReplicationFactor: -1}}})
	if err == nil {
		err = resp.Errors[name]
	}
	if err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
		return fmt.Errorf("create topic %q: %w", name, err)
	}
	return nil
}

// CreateTopics creates topics of one replica on any broker and returns when each partition has a
// leader. A broker that has just started or is busy is asked again. It uses the connections and the
// cached metadata of kafka-go's default transport, as clients and writers without a transport of
// their own do.
func CreateTopics(t testing.TB, broker string, partitions int, names ...string) {
	t.Helper()
	client := &kafka.Client{Addr: kafka.TCP(broker), Timeout: 20 * time.Second}
	err := errors.New("not created")
	for deadline := time.Now().Add(time.Minute); err != nil && time.Now().Before(deadline); {
		if err = createTopics(t.Context(), client, partitions, names); err != nil {
			time.Sleep(200 * time.Millisecond)
		}
	}
	Must(t, err)
}

func createTopics(ctx context.Context, client *kafka.Client, partitions int, names []string) error {
	request := &kafka.CreateTopicsRequest{}
	for _, name := range names {
		request.Topics = append(request.Topics, kafka.TopicConfig{Topic: name, NumPartitions: partitions, ReplicationFactor: 1})
	}
	created, err := client.CreateTopics(ctx, request)
	if err != nil {
		return err
	}
	for name, err := range created.Errors {
		if err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
			return fmt.Errorf("create topic %q: %w", name, err)
		}
	}
	known, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: names})
	if err != nil {
		return err
	}
	for _, topic := range known.Topics {
		if topic.Error != nil || len(topic.Partitions) != partitions {
			return fmt.Errorf("topic %q has %d partitions, want %d: %w", topic.Name, len(topic.Partitions), partitions, topic.Error)
		}
		for _, p := range topic.Partitions {
			if p.Leader.Host == "" {
				return fmt.Errorf("partition %d of topic %q has no leader: %w", p.ID, topic.Name, p.Error)
			}
		}
	}
	return nil
}

var javaVersion = regexp.MustCompile(`version "(\d+)`)

func javaPresent() error {
	out, err := exec.Command("java", "-version").CombinedOutput()
	if err != nil {
		return &stack.Missing{Part: "Apache Kafka needs Java 17", Remedy: "apt-get install openjdk-17-jre-headless", Err: err}
	}
	if m := javaVersion.FindSubmatch(out); m != nil {
		if major, _ := strconv.Atoi(string(m[1])); major < 17 {
			return &stack.Missing{Part: "Apache Kafka needs Java 17", Remedy: "apt-get install openjdk-17-jre-headless",
				Err: fmt.Errorf("this is Java %d", major)}
		}
	}
	return nil
}

//go:embed kafka/pom.xml
var pom []byte

// kafkaJars returns the folder with Kafka's jars, and the checkpoint of a new cluster, in the
// user's cache. If it does not exist, Maven fetches the jars (45 MB). Of several test binaries, one
// fetches and the others wait.
func kafkaJars(t testing.TB) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(pom)
	dir := filepath.Join(cache, "errata", fmt.Sprintf("kafka-formatted-%x", sum[:6]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	lock, err := os.Create(dir + ".lock")
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}

	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return "", &stack.Missing{Part: "Apache Kafka has not been fetched yet, and Maven, which fetches it, is missing", Remedy: "apt-get install maven"}
	}
	t.Log("fetching Kafka's jars with Maven (45 MB)")
	work := t.TempDir() // Maven needs the pom in a folder of its own
	if err := os.WriteFile(filepath.Join(work, "pom.xml"), pom, 0o644); err != nil {
		return "", err
	}
	partial := dir + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(t.Context(), mvn, "--batch-mode", "--quiet", "dependency:copy-dependencies",
		"-DincludeScope=runtime", "-DoutputDirectory="+partial)
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		os.RemoveAll(partial)
		return "", &stack.Missing{Part: "Apache Kafka could not be fetched", Remedy: "try again with a connection to a Maven repository",
			Err: fmt.Errorf("mvn: %w: %s", err, out[max(0, len(out)-1500):])}
	}
	if err := formatOnce(partial, work); err != nil {
		return "", err
	}
	return dir, os.Rename(partial, dir)
}
