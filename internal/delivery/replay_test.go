package delivery_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/delivery"
	"errata/internal/enrich"
	"errata/internal/parse"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

// replay is one with a mapping of its own beside what runs.
func (p *pipeline) replay(fingerprint string, cfg enrich.Config) *delivery.Replay {
	p.t.Helper()
	c, err := catalog.Open(catalog.Default)
	if err != nil {
		p.t.Fatal(err)
	}
	processor, err := enrich.NewProcessor(cfg, c)
	if err != nil {
		p.t.Fatal(err)
	}
	k, err := delivery.Connect(p.t.Context(), delivery.Config{
		Brokers: []string{p.broker}, Topics: []string{p.topic}, Group: p.group, Start: "earliest",
		Batch: delivery.Batch{Rows: 2000, Bytes: 1 << 20, Age: 100 * time.Millisecond},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(k.Close)
	s, err := store.OpenAndMigrate(p.t.Context(), p.database)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { s.Close() })
	return &delivery.Replay{Kafka: k, Store: s, Processor: processor, Fingerprint: fingerprint, Log: stacktest.Log(p.t)}
}

// emptyPlan makes all batches leave the plan at once: it commits the offset behind them for the
// group, which is empty now.
func (p *pipeline) emptyPlan() {
	p.t.Helper()
	client := &kafka.Client{Addr: kafka.TCP(p.broker)}
	ends := map[int]int64{}
	for i := range partitions {
		var end int64
		if _, err := fmt.Sscan(p.query(fmt.Sprintf("SELECT max(last_offset) + 1 FROM @batches WHERE partition = %d", i)), &end); err != nil {
			p.t.Fatal(err)
		}
		ends[i] = end
	}
	req := &kafka.OffsetCommitRequest{GroupID: p.group, GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{}}
	for i, end := range ends {
		req.Topics[p.topic] = append(req.Topics[p.topic], kafka.OffsetCommit{Partition: i, Offset: end, Metadata: "1;1;0*0;"})
	}
	p.eventually(func() error {
		resp, err := client.OffsetCommit(p.t.Context(), req)
		if err == nil {
			for _, o := range resp.Topics[p.topic] {
				err = errors.Join(err, o.Error)
			}
		}
		return err
	})
}

// With the mapping of the test, code 4711 under "head" is an error, which no built-in dialect
// knows.
func TestHistoryIsParsedAnewInOneStep(t *testing.T) {
	onBothBrokers(t, func(t *testing.T, broker string) {
		p := newPipeline(t, broker)
		stop, _ := p.ingester("1")
		p.produceHeads(0, 4000)
		p.await("SELECT sum(records), sum(errors) FROM @batches", "4000\t0")
		stop()
		p.emptyPlan()
		p.ingester("1") // and goes on while history is parsed again
		p.produceHeads(4000, 5000)
		p.await("SELECT sum(records) FROM @batches", "5000")

		// A reader looks all the time: it sees the sums of before or those of after.
		seen, looking, looked := map[string]int{}, make(chan bool), make(chan bool)
		go func() {
			defer close(looked)
			for {
				select {
				case <-looking:
					return
				default:
					seen[p.query(`SELECT (SELECT count() FROM @errors WHERE ts < '2026-11-02 08:06:40'), (SELECT sum(requests) FROM @traffic_minute WHERE minute < '2026-11-02 08:06:00'),
						(SELECT sum(errors) FROM @error_minute WHERE minute < '2026-11-02 08:06:00')`)]++
				}
			}
		}()
		done, err := p.replay("2", enrich.Config{Config: accesslog.Config{}, Dialects: []parse.Custom{{Name: "acme", Code: []string{"head.ret"}, Message: []string{"head.text"}}}}).
			Between(t.Context(), start, start.Add(400*time.Second))
		close(looking)
		<-looked
		if err != nil {
			t.Fatal(err)
		}
		if done.Records < 4000 || done.After.Errors < 400 || done.Before.Errors != 0 || len(done.Left) > 0 {
			t.Errorf("%+v", done)
		}
		// The first 400 seconds hold records 0 to 3999, of which every tenth is an error.
		if got := p.query("SELECT count(), uniqExact(partition, offset) FROM @errors WHERE ts < '2026-11-02 08:06:40'"); got != "400\t400" {
			t.Errorf("errors: %s", got)
		}
		if got := p.query("SELECT sum(records), sum(requests) FROM @batches"); got != "5000\t5000" {
			t.Errorf("batches: %s", got)
		}
		for state := range seen {
			if state != "0\t3600\t0" && state != "400\t3600\t360" {
				t.Errorf("a reader saw errors, requests, sums %q", state)
			}
		}
		if len(seen) == 0 || seen["0\t3600\t0"] == 0 {
			t.Errorf("the reader was asleep: %v", seen)
		}
		// Once more is nothing new.
		again, err := p.replay("2", enrich.Config{Dialects: []parse.Custom{{Name: "acme", Code: []string{"head.ret"}, Message: []string{"head.text"}}}}).
			Between(t.Context(), start, start.Add(400*time.Second))
		if err != nil || again.Batches != 0 || again.Same != done.Batches {
			t.Errorf("%+v %v", again, err)
		}
	})
}

// produceHeads writes one record every 100 ms of the test's time; every tenth has an error that
// only a mapping of one's own finds.
func (p *pipeline) produceHeads(from, to int) {
	p.t.Helper()
	w := &kafka.Writer{Addr: kafka.TCP(p.broker), Topic: p.topic, RequiredAcks: kafka.RequireAll, BatchSize: 500, BatchTimeout: 10 * time.Millisecond, Balancer: &kafka.RoundRobin{}}
	defer w.Close()
	var messages []kafka.Message
	for i := from; i < to; i++ {
		at := start.Add(time.Duration(i) * 100 * time.Millisecond)
		body := `{\"ok\":true}`
		if i%10 == 0 {
			body = `{\"head\":{\"ret\":4711,\"text\":\"m\"}}`
		}
		messages = append(messages, kafka.Message{Time: at, Value: fmt.Appendf(nil, `{"time":%q,"tenant":"t","status":200,"response_body":"%s"}`, at.Format(time.RFC3339Nano), body)})
	}
	if err := w.WriteMessages(p.t.Context(), messages...); err != nil {
		p.t.Fatal(err)
	}
}

func TestReplayReadsWhatWasNeverRead(t *testing.T) {
	t.Parallel()
	p := newPipeline(t, stacktest.Kafka(t).Addr)
	p.produce(0, 2000)
	// A group that began in the middle.
	client := &kafka.Client{Addr: kafka.TCP(p.broker)}
	req := &kafka.OffsetCommitRequest{GroupID: p.group, GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{}}
	for i := range partitions {
		req.Topics[p.topic] = append(req.Topics[p.topic], kafka.OffsetCommit{Partition: i, Offset: 300})
	}
	p.eventually(func() error { _, err := client.OffsetCommit(t.Context(), req); return err })
	stop, _ := p.ingester("1")
	p.await("SELECT sum(records) FROM @batches", "800")
	stop()
	p.emptyPlan()
	done, err := p.replay("1", enrich.Config{}).Between(t.Context(), time.Time{}, time.Time{})
	if err != nil || done.Records != 1200 || len(done.Left) > 0 {
		t.Fatalf("%+v %v", done, err)
	}
	p.counted(2000)
	if done, err = p.replay("1", enrich.Config{}).Between(t.Context(), time.Time{}, time.Time{}); err != nil || done.Records != 0 {
		t.Errorf("%+v %v", done, err)
	}
	p.counted(2000)
}

func TestSealedBatchesAreNotReplayed(t *testing.T) {
	t.Parallel()
	p := newPipeline(t, stacktest.Kafka(t).Addr)
	p.produce(0, 400)
	stop, _ := p.ingester("1")
	p.await("SELECT sum(records), (SELECT count() FROM @watermarks) FROM @batches", fmt.Sprintf("400\t%d", partitions))
	stop()
	p.emptyPlan()
	r := p.replay("2", enrich.Config{})
	if days, err := r.Store.RollUpClosedDays(t.Context(), time.Now()); err != nil || len(days) != 1 {
		t.Fatal(days, err)
	}
	if days, err := r.Store.SealDays(t.Context(), time.Now(), 24*time.Hour); err != nil || len(days) != 1 {
		t.Fatal(days, err)
	}
	done, err := r.Between(t.Context(), time.Time{}, time.Time{})
	if err != nil || done.Records != 0 || len(done.Left) == 0 || !strings.HasSuffix(done.Left[0], ": the sums of 2026-11-02 are sealed (ingest.seal_after)") {
		t.Fatalf("%+v %v", done, err)
	}
	p.counted(400)

	// An ingester of another version whose offset was set back leaves them too, and goes on.
	client := &kafka.Client{Addr: kafka.TCP(p.broker)}
	req := &kafka.OffsetCommitRequest{GroupID: p.group, GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{}}
	for i := range partitions {
		req.Topics[p.topic] = append(req.Topics[p.topic], kafka.OffsetCommit{Partition: i, Offset: 0})
	}
	p.eventually(func() error { _, err := client.OffsetCommit(t.Context(), req); return err })
	p.ingester("3")
	p.produce(400, 600)
	p.await("SELECT sum(records) FROM @batches", "600")
	p.counted(600)
	if got := p.query("SELECT sumIf(records, epoch > 0), sumIf(records, fingerprint = '3') FROM @batches"); got != "0\t200" {
		t.Errorf("records of later epochs, and those that the new version read: %s", got)
	}
}

func TestDeadLettersAreParsedAnew(t *testing.T) {
	t.Parallel()
	p := newPipeline(t, stacktest.Kafka(t).Addr)
	p.produce(0, 1000)
	w := &kafka.Writer{Addr: kafka.TCP(p.broker), Topic: p.topic, RequiredAcks: kafka.RequireAll, BatchTimeout: 10 * time.Millisecond}
	defer w.Close()
	if err := w.WriteMessages(t.Context(), kafka.Message{Time: start, Value: []byte(`{"when":"2026-11-02T08:00:00Z","who":"t9","result":200,"answer":"{\"error_code\":\"OSM.01010037\",\"error_msg\":\"m\"}"}`)}); err != nil {
		t.Fatal(err)
	}
	stop, s := p.ingester("1")
	p.await("SELECT sum(records), sum(dead_letters) FROM @batches", "1001\t11")
	list, total, err := s.DeadLetterList(t.Context(), store.Selection{Topics: []string{p.topic}, Reasons: []string{"unknown_format"}}, 5)
	if err != nil || total != 1 || len(list) != 1 {
		t.Fatalf("%v %d %v", list, total, err)
	}
	stop()
	p.emptyPlan()
	mapping := enrich.Config{Config: accesslog.Config{Formats: []accesslog.FormatConfig{{
		Name: "mine", Match: []string{"when", "result"},
		Fields: accesslog.FieldsConfig{Time: accesslog.FieldConfig{Paths: []string{"when"}}, Tenant: accesslog.FieldConfig{Paths: []string{"who"}}, Status: accesslog.FieldConfig{Paths: []string{"result"}}, Body: accesslog.FieldConfig{Paths: []string{"answer"}}},
	}}}}
	done, err := p.replay("2", mapping).DeadLetters(t.Context(), store.Selection{Topics: []string{p.topic}, Reasons: []string{"unknown_format"}})
	if err != nil || done.Batches != 1 || done.Before.DeadLetters != done.After.DeadLetters+1 || done.After.Errors != done.Before.Errors+1 {
		t.Fatalf("%+v %v", done, err)
	}
	if got := p.query("SELECT tenant, code FROM @errors WHERE tenant = 't9'"); got != "t9\tOSM.01010037" {
		t.Error(got)
	}
	if got := p.query("SELECT count() FROM @dead_letters"); got != "10" {
		t.Errorf("%s dead letters", got)
	}
	if got := p.query("SELECT sum(records), sum(requests) FROM @batches"); got != "1001\t991" {
		t.Error(got)
	}
}
