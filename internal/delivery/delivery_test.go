package delivery_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"errata/internal/catalog"
	"errata/internal/delivery"
	"errata/internal/enrich"
	"errata/internal/stack"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

// Each test runs on the broker in this process and on Apache Kafka: each has hidden faults that the
// other showed.
func onBothBrokers(t *testing.T, test func(t *testing.T, broker string)) {
	t.Parallel()
	t.Run("kfake", func(t *testing.T) { t.Parallel(); test(t, stacktest.Kafka(t).Addr) })
	t.Run("kafka", func(t *testing.T) { t.Parallel(); test(t, stacktest.SharedRealKafka(t).Addr) })
}

// pipeline is a topic and a database of its own.
type pipeline struct {
	t        *testing.T
	broker   string
	topic    string
	group    string
	database store.Config
	query    func(sql string) string
	memory   int64  // ingest.memory; 0: the default
	start    string // kafka.start; "": earliest
}

const partitions = 4

func newPipeline(t *testing.T, broker string) *pipeline {
	_, database := stacktest.Schema(t, func(addr, database string) error {
		s, err := store.OpenAndMigrate(context.Background(), store.Config{Addr: []string{addr}, Database: database, Username: "default"})
		if err != nil {
			return err
		}
		return s.Close()
	})
	return pipelineOn(t, broker, stacktest.SharedClickHouse(t), database)
}

func pipelineOn(t *testing.T, broker string, server *stack.ClickHouse, database string) *pipeline {
	name := strings.ReplaceAll(t.Name(), "/", "-") // tests share a broker
	stacktest.CreateTopics(t, broker, partitions, name)
	return &pipeline{t: t, broker: broker, topic: name, group: "of-" + name,
		database: store.Config{Addr: []string{server.Addr}, Database: database, Username: "default"},
		query: func(sql string) string {
			t.Helper()
			return stacktest.Query(t, server, strings.ReplaceAll(sql, "@", database+"."))
		},
	}
}

var start = time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)

// produce writes records numbered from to to; every tenth holds an error, every hundredth is
// broken.
func (p *pipeline) produce(from, to int) {
	p.t.Helper()
	w := &kafka.Writer{Addr: kafka.TCP(p.broker), Topic: p.topic, RequiredAcks: kafka.RequireAll, BatchSize: 1000, BatchTimeout: 10 * time.Millisecond, Compression: kafka.Lz4, Balancer: &kafka.RoundRobin{}}
	defer w.Close()
	var messages []kafka.Message
	for i := from; i < to; i++ {
		at := start.Add(time.Duration(i) * 100 * time.Millisecond)
		value := fmt.Sprintf(`{"time":%q,"tenant":"t%d","service":"osm","status":200,"response_body":"{\"ok\":true}"}`, at.Format(time.RFC3339Nano), i%3)
		switch {
		case i%100 == 0:
			value = "broken"
		case i%10 == 0:
			value = fmt.Sprintf(`{"time":%q,"tenant":"t%d","service":"osm","status":200,"response_body":"{\"error_code\":\"OSM.01010037\",\"error_msg\":\"m\"}"}`, at.Format(time.RFC3339Nano), i%3)
		}
		messages = append(messages, kafka.Message{Value: []byte(value), Time: at})
	}
	if err := w.WriteMessages(p.t.Context(), messages...); err != nil {
		p.t.Fatal(err)
	}
}

// builtIn are the catalogs of the program, loaded once.
var builtIn = sync.OnceValues(func() (*catalog.Set, error) { return catalog.Open(catalog.Default) })

// ingester runs one until stop is called.
func (p *pipeline) ingester(fingerprint string) (stop func(), s *store.Store) {
	p.t.Helper()
	c, err := builtIn()
	if err != nil {
		p.t.Fatal(err)
	}
	processor, err := enrich.NewProcessor(enrich.Config{}, c)
	if err != nil {
		p.t.Fatal(err)
	}
	k, err := delivery.Connect(p.t.Context(), delivery.Config{
		Brokers: []string{p.broker}, Topics: []string{p.topic}, Group: p.group, Start: cmp.Or(p.start, "earliest"), Memory: p.memory,
		Batch: delivery.Batch{Rows: 2000, Bytes: 1 << 20, Age: 100 * time.Millisecond},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	if s, err = store.OpenAndMigrate(p.t.Context(), p.database); err != nil {
		p.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- delivery.New(k, s, processor, fingerprint, stacktest.Log(p.t)).Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			p.t.Error(err)
		}
		k.Close()
		s.Close()
	})
	p.t.Cleanup(stop)
	return stop, s
}

// await waits until a query gives the wanted answer.
func (p *pipeline) await(sql, want string) {
	p.t.Helper()
	var got string
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if got = p.query(sql); got == want {
			return
		}
	}
	p.t.Fatalf("%s: got %q, want %q", sql, got, want)
}

// counted checks that n records were counted once, in every table.
func (p *pipeline) counted(n int) {
	p.t.Helper()
	broken, failed := n/100, n/10-n/100
	p.await("SELECT sum(records) FROM @batches", fmt.Sprint(n))
	f := func(sql string, want ...int) {
		p.t.Helper()
		if got := p.query(sql); got != strings.ReplaceAll(strings.Trim(fmt.Sprint(want), "[]"), " ", "\t") {
			p.t.Errorf("%s: got %q, want %v", sql, got, want)
		}
	}
	f("SELECT count(), uniqExact(partition, offset) FROM @errors", failed, failed)
	f("SELECT sum(requests), sum(errors) FROM @traffic_minute", n-broken, failed)
	f("SELECT sum(errors) FROM @error_minute", failed)
	f("SELECT count(), uniqExact(partition, offset) FROM @dead_letters", broken, broken)
	f("SELECT sum(requests), sum(errors), sum(dead_letters), sum(last_offset - first_offset + 1) FROM @batches", n-broken, failed, broken, n)
	// No hole and no overlap between the batches of a partition.
	if got := p.query(`SELECT count() FROM (SELECT partition, first_offset, lagInFrame(last_offset, 1, -1) OVER (PARTITION BY partition ORDER BY first_offset ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS before
		FROM @batches) WHERE first_offset != before + 1`); got != "0" {
		p.t.Errorf("%s batches do not follow the one before", got)
	}
}

func TestEachRecordIsCountedOnceThroughRebalances(t *testing.T) {
	onBothBrokers(t, func(t *testing.T, broker string) {
		p := newPipeline(t, broker)
		flow := func(from, to int) { // a little at a time, so that members come and go in between
			for ; from < to; from += 200 {
				p.produce(from, from+200)
				time.Sleep(20 * time.Millisecond)
			}
		}
		p.produce(0, 4000)
		stopA, _ := p.ingester("1")
		p.await("SELECT count() > 3 FROM @batches", "1")
		stopB, _ := p.ingester("1")
		flow(4000, 8000)
		p.await("SELECT sum(records) > 5000 FROM @batches", "1")
		left := make(chan struct{})
		go func() { stopA(); close(left) }()
		flow(8000, 10_000)
		<-left
		p.counted(10_000)
		p.await("SELECT count() FROM @watermarks WHERE watermark > now64(3) - INTERVAL 30 SECOND", fmt.Sprint(partitions))
		stopB()
		p.ingester("1") // repeats what is still in the plan
		p.produce(10_000, 10_100)
		p.counted(10_100)
	})
}

func TestPlannedAndNeverInsertedIsRepeatedByTheNextOwner(t *testing.T) {
	onBothBrokers(t, func(t *testing.T, broker string) {
		p := newPipeline(t, broker)
		stop, s := p.ingester("1")
		p.produce(0, 1000)
		p.counted(1000)
		s.Close() // from here on it plans, and cannot insert
		p.produce(1000, 3000)
		time.Sleep(time.Second)
		stop()
		p.counted(1000)
		p.ingester("1")
		p.counted(3000)
	})
}

func TestAnotherParserReplacesWhatIsPlanned(t *testing.T) {
	onBothBrokers(t, func(t *testing.T, broker string) {
		p := newPipeline(t, broker)
		p.produce(0, 5000)
		stop, _ := p.ingester("1")
		p.counted(5000)
		stop()
		p.ingester("2")
		p.await("SELECT min(epoch), sum(records) FROM @batches", "1\t5000")
		p.produce(5000, 6000)
		p.counted(6000)
		p.query("OPTIMIZE TABLE @error_rows FINAL")
		if got := p.query("SELECT count() FROM @error_rows WHERE epoch = 0 AND first_offset = 0"); got == "0" {
			t.Error("the old rows are gone: they were to stand beside the new ones")
		}
	})
}

func TestGroupOffsetsLostAreNoHarm(t *testing.T) {
	onBothBrokers(t, func(t *testing.T, broker string) {
		p := newPipeline(t, broker)
		p.produce(0, 5000)
		stop, _ := p.ingester("1")
		p.counted(5000)
		stop()
		client := &kafka.Client{Addr: kafka.TCP(broker)}
		p.eventually(func() error {
			resp, err := client.DeleteGroups(t.Context(), &kafka.DeleteGroupsRequest{GroupIDs: []string{p.group}})
			if err == nil {
				err = resp.Errors[p.group]
			}
			return err
		})
		p.produce(5000, 6000)
		p.ingester("1")
		p.counted(6000)
	})
}

// commit sets the group's offset to the first one of each partition, while it has no members.
func (p *pipeline) commit(metadata string, ids ...int) {
	p.t.Helper()
	client := &kafka.Client{Addr: kafka.TCP(p.broker)}
	req := &kafka.OffsetCommitRequest{GroupID: p.group, GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{}}
	for _, id := range ids {
		req.Topics[p.topic] = append(req.Topics[p.topic], kafka.OffsetCommit{Partition: id, Offset: 0, Metadata: metadata})
	}
	p.eventually(func() error {
		resp, err := client.OffsetCommit(p.t.Context(), req)
		if err != nil {
			return err
		}
		for _, o := range resp.Topics[p.topic] {
			err = errors.Join(err, o.Error)
		}
		return err
	})
}

// planOf is the metadata of a plan of so many runs of parser 1, each of so many records, at most
// 127.
func planOf(runs int, length byte) string {
	return "1;1;0*0;" + base64.RawStdEncoding.EncodeToString(bytes.Repeat([]byte{length}, runs))
}

// A plan that has no room for another run is read again all the same.
func TestAFullPlanIsTakenOver(t *testing.T) {
	onBothBrokers(t, func(t *testing.T, broker string) {
		const runs = 3010 // as many as fit into 4,096 bytes, less what a successor may need
		p := newPipeline(t, broker)
		p.produce(0, partitions*(runs+100))
		p.commit(planOf(runs, 1), 0, 1, 2, 3)
		p.ingester("1")
		p.await("SELECT count(), sum(records) FROM @batches WHERE first_offset = last_offset", fmt.Sprintf("%d\t%d", partitions*runs, partitions*runs))
	})
}

// Planned runs that memory cannot hold, all at once or even one alone, are read to their ends.
func TestPlannedRunsLargerThanTheMemory(t *testing.T) {
	onBothBrokers(t, func(t *testing.T, broker string) {
		p := newPipeline(t, broker)
		p.memory = 2 << 10
		p.produce(0, partitions*120*5)
		p.commit(planOf(5, 120), 0, 1, 2, 3)
		p.ingester("1")
		p.counted(partitions * 120 * 5)
		if got := p.query("SELECT count() FROM @batches WHERE records != 120"); got != "0" {
			t.Errorf("%s batches were cut otherwise than planned", got)
		}
	})
}

// With kafka.start at latest, a partition without a commit begins at its end when it was there when
// the topic was first read, whatever the generation; one that came later begins at its start.
func TestLatestIsForPartitionsThatWereThere(t *testing.T) {
	onBothBrokers(t, func(t *testing.T, broker string) {
		p := newPipeline(t, broker)
		p.start = "latest"
		p.produce(0, 1000)
		stop, _ := p.ingester("1")
		client := &kafka.Client{Addr: kafka.TCP(broker)}
		committed := func(ids ...int) error {
			answer, err := client.OffsetFetch(t.Context(), &kafka.OffsetFetchRequest{GroupID: p.group, Topics: map[string][]int{p.topic: ids}})
			if err != nil || len(answer.Topics[p.topic]) < len(ids) {
				return errors.Join(err, errors.New("no commits yet"))
			}
			for _, o := range answer.Topics[p.topic] {
				if o.CommittedOffset < 0 {
					err = fmt.Errorf("partition %d has no commit", o.Partition)
				}
			}
			return err
		}
		p.eventually(func() error { return committed(0, 1, 2, 3) })
		stop()
		// As when the group was given other members before two of its partitions were committed.
		p.eventually(func() error {
			answer, err := client.OffsetDelete(t.Context(), &kafka.OffsetDeleteRequest{GroupID: p.group, Topics: map[string][]int{p.topic: {2, 3}}})
			if err != nil {
				return err
			}
			for _, o := range answer.Topics[p.topic] {
				err = errors.Join(err, o.Error)
			}
			return errors.Join(err, answer.Error)
		})
		stop, _ = p.ingester("1")
		p.eventually(func() error { return committed(0, 1, 2, 3) })
		stop()
		answer, err := client.CreatePartitions(t.Context(), &kafka.CreatePartitionsRequest{Topics: []kafka.TopicPartitionsConfig{{Name: p.topic, Count: partitions + 1}}})
		if err != nil || answer.Errors[p.topic] != nil {
			t.Fatal(err, answer)
		}
		p.produceTo(partitions, 100)
		p.ingester("1")
		p.await("SELECT sum(records) FROM @batches", "100")
		p.produceTo(2, 10)
		p.await("SELECT sum(records), min(partition), max(partition) FROM @batches", fmt.Sprintf("110\t2\t%d", partitions))
	})
}

// produceTo writes n records to one partition.
func (p *pipeline) produceTo(partition, n int) {
	p.t.Helper()
	p.eventually(func() error {
		answer, err := (&kafka.Client{Addr: kafka.TCP(p.broker)}).Produce(p.t.Context(), &kafka.ProduceRequest{
			Topic: p.topic, Partition: partition, RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(slices.Repeat([]kafka.Record{{Value: kafka.NewBytes([]byte("broken"))}}, n)...),
		})
		if err == nil {
			err = answer.Error
		}
		return err
	})
}

func TestClickHouseAwayIsWaitedFor(t *testing.T) {
	t.Parallel()
	server := stacktest.ClickHouse(t)
	p := pipelineOn(t, stacktest.Kafka(t).Addr, server, "errata")
	p.ingester("1")
	p.produce(0, 1000)
	p.counted(1000)
	server.Kill()
	p.produce(1000, 5000)
	time.Sleep(2 * time.Second)
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.counted(5000)
}

func TestResetIntoABatchAndATopicMadeAnew(t *testing.T) {
	onBothBrokers(t, func(t *testing.T, broker string) {
		p := newPipeline(t, broker)
		p.produce(0, 4000)
		stop, _ := p.ingester("1")
		p.counted(4000)
		stop()
		client := &kafka.Client{Addr: kafka.TCP(broker)}
		reset := &kafka.OffsetCommitRequest{GroupID: p.group, GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{}}
		for i := range partitions {
			reset.Topics[p.topic] = append(reset.Topics[p.topic], kafka.OffsetCommit{Partition: i, Offset: 137})
		}
		p.eventually(func() error {
			resp, err := client.OffsetCommit(t.Context(), reset)
			if err == nil {
				err = resp.Topics[p.topic][0].Error
			}
			return err
		})
		stop, _ = p.ingester("1")
		p.produce(4000, 5000)
		p.counted(5000)
		stop()

		p.makeTopicAnew()
		p.produce(0, 1000)
		p.ingester("1")
		time.Sleep(3 * time.Second)
		p.counted(5000) // nothing of the old topic is overwritten, and nothing of the new one mixed in
	})
}

// makeTopicAnew deletes the topic and makes another of the same name.
func (p *pipeline) makeTopicAnew() {
	p.t.Helper()
	client := &kafka.Client{Addr: kafka.TCP(p.broker)}
	p.eventually(func() error {
		resp, err := client.DeleteTopics(p.t.Context(), &kafka.DeleteTopicsRequest{Topics: []string{p.topic}})
		if err == nil && !errors.Is(resp.Errors[p.topic], kafka.UnknownTopicOrPartition) {
			err = resp.Errors[p.topic]
		}
		return err
	})
	p.eventually(func() error {
		resp, err := client.CreateTopics(p.t.Context(), &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: p.topic, NumPartitions: partitions, ReplicationFactor: 1}}})
		if err == nil {
			err = resp.Errors[p.topic]
		}
		return err
	})
}

// eventually tries until there is no error.
func (p *pipeline) eventually(try func() error) {
	p.t.Helper()
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if err = try(); err == nil {
			return
		}
	}
	p.t.Fatal(err)
}

// A topic that was created again and is already longer than the old one was: its length does not
// show that, its records do.
func TestATopicMadeAnewThatIsLonger(t *testing.T) {
	onBothBrokers(t, func(t *testing.T, broker string) {
		p := newPipeline(t, broker)
		p.produce(0, 2000)
		stop, _ := p.ingester("1")
		p.counted(2000)
		stop()
		p.makeTopicAnew()
		p.produce(50_000, 56_000)
		p.ingester("1")
		time.Sleep(3 * time.Second)
		p.counted(2000)
	})
}
