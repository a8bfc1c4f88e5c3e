package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/enrich"
	"errata/internal/link"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

// auditCase is a topic and a database that are filled by hand, as an ingester would have.
type auditCase struct {
	*testing.T
	topic     string
	kafka     *Kafka
	client    *kgo.Client
	store     *store.Store
	processor *enrich.Processor
	database  string
	value     func(offset int64) string // of the record at an offset
}

const auditFingerprint = "1"

// newAuditCase returns a case of the first of some topics, by default of one topic. All are read by
// one group.
func newAuditCase(t *testing.T, broker string, topics ...string) *auditCase {
	t.Helper()
	if len(topics) == 0 {
		topics = []string{strings.ReplaceAll(t.Name(), "/", "-")}
	}
	addr, database := stacktest.Database(t)
	c := &auditCase{T: t, topic: topics[0], database: database, value: func(offset int64) string { return auditRecord(time.Now().UTC().Truncate(24*time.Hour), offset) }}
	var err error
	if c.store, err = store.OpenAndMigrate(t.Context(), store.Config{Addr: []string{addr}, Database: database, Username: "default"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.store.Close() })
	stacktest.CreateTopics(t, broker, 2, topics...)
	if c.kafka, err = Connect(t.Context(), Config{Brokers: []string{broker}, Topics: topics, Group: "of-" + c.topic, Start: "earliest"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.kafka.Close)
	if c.client, err = kgo.NewClient(kgo.SeedBrokers(broker), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID(c.topic)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.client.Close)
	loaded, err := catalog.Open(catalog.Default)
	if err != nil {
		t.Fatal(err)
	}
	if c.processor, err = enrich.NewProcessor(enrich.Config{}, loaded); err != nil {
		t.Fatal(err)
	}
	return c
}

// of returns the case of another of its topics.
func (c *auditCase) of(topic string) *auditCase {
	other := *c
	other.topic = topic
	return &other
}

// auditRecord is a record of a day: every tenth holds an error, every hundredth is broken.
func auditRecord(day time.Time, offset int64) string {
	at := day.Add(time.Duration(offset) * 100 * time.Millisecond).Format(time.RFC3339Nano)
	switch {
	case offset%100 == 0:
		return "broken"
	case offset%10 == 0:
		return fmt.Sprintf(`{"time":%q,"tenant":"t%d","service":"osm","status":200,"response_body":"{\"error_code\":\"OSM.01010037\",\"error_msg\":\"m\"}"}`, at, offset%3)
	}
	return fmt.Sprintf(`{"time":%q,"tenant":"t%d","service":"osm","status":200,"response_body":"{\"ok\":true}"}`, at, offset%3)
}

// query runs a statement, in which @ stands for the database and TOPIC for the topic.
func (c *auditCase) query(sql string) string {
	c.Helper()
	return stacktest.Query(c.T, stacktest.SharedClickHouse(c.T), strings.NewReplacer("@", c.database+".", "TOPIC", "'"+c.topic+"'").Replace(sql))
}

// drop deletes rows.
func (c *auditCase) drop(table, where string) {
	c.Helper()
	c.query("ALTER TABLE @" + table + " DELETE WHERE topic = TOPIC AND " + where + " SETTINGS mutations_sync = 2")
}

// produce writes the records of some offsets, in a transaction of their own that has the offset
// behind them for its marker.
func (c *auditCase) produce(partition int32, first, last int64, commit bool) {
	c.Helper()
	var records []*kgo.Record
	for o := first; o <= last; o++ {
		records = append(records, &kgo.Record{Topic: c.topic, Partition: partition, Value: []byte(c.value(o)), Timestamp: kafkaTimeOf(o)})
	}
	err := c.client.BeginTransaction()
	if err == nil {
		err = c.client.ProduceSync(c.Context(), records...).FirstErr()
	}
	if err == nil {
		err = c.client.EndTransaction(c.Context(), kgo.TransactionEndTry(commit))
	}
	if err != nil {
		c.Fatal(err)
	}
}

func kafkaTimeOf(offset int64) time.Time {
	return time.Now().UTC().Truncate(24 * time.Hour).Add(time.Duration(offset) * 100 * time.Millisecond)
}

// insert makes a batch of the records of some offsets, but for those that are markers.
func (c *auditCase) insert(partition int, first, last int64, epoch uint32, markers ...int64) {
	c.Helper()
	b := store.NewBatch(c.topic, partition, first, store.Limits{})
	for o := first; o <= last; o++ {
		if !slices.Contains(markers, o) {
			at := enrich.Position{Topic: c.topic, Partition: partition, Offset: o, Clock: accesslog.KafkaClock(kafkaTimeOf(o))}
			if b.Records == 0 {
				b.FirstRecord = record{offset: o, time: kafkaTimeOf(o), value: []byte(c.value(o))}.hash()
			}
			b.Add(o, kafkaTimeOf(o), c.processor.Record([]byte(c.value(o)), at))
		}
	}
	b.LastOffset, b.Epoch, b.Fingerprint = last, epoch, auditFingerprint
	// As ingesters do, it repeats an insert that fails: now and then clickhouse-go closes a
	// connection that has gone back to the pool (its contextWatchdog).
	err := c.store.Insert(c.Context(), []*store.Batch{b})
	for tries := 1; err != nil && tries < 3; tries++ {
		c.Logf("insert again after: %v", err)
		err = c.store.Insert(c.Context(), []*store.Batch{b})
	}
	if err != nil {
		c.Fatal(err)
	}
}

// commit commits a plan for the group, which has no members.
func (c *auditCase) commit(partition int, offset int64, runs ...run) {
	c.Helper()
	p := plan{Fingerprint: auditFingerprint, Offset: offset, Runs: runs}
	resp, err := c.kafka.client.OffsetCommit(c.Context(), &kafka.OffsetCommitRequest{GroupID: c.kafka.cfg.Group, GenerationID: -1,
		Topics: map[string][]kafka.OffsetCommit{c.topic: {{Partition: partition, Offset: offset, Metadata: p.encode()}}}})
	if err == nil {
		err = resp.Topics[c.topic][0].Error
	}
	if err != nil {
		c.Fatal(err)
	}
}

// fill is where the cases begin: four batches in partition 0, all behind the durable point, of
// which the second and the third have a marker of a transaction in them; and one in partition 1
// that is still in the plan.
func (c *auditCase) fill() {
	c.Helper()
	c.fillKafka()
	c.insert(0, 0, 99, 0)
	c.insert(0, 100, 199, 0, 150)
	c.insert(0, 200, 299, 0, 250)
	c.insert(0, 300, 399, 0)
	c.insert(1, 0, 99, 0, 99)
}

// fillKafka is fill without the rows.
func (c *auditCase) fillKafka() {
	c.Helper()
	c.produce(0, 0, 149, true)    // and the marker 150
	c.produce(0, 151, 249, true)  // 250
	c.produce(0, 251, 399, true)  // 400
	c.produce(0, 401, 420, false) // 421: nothing of it counts
	c.produce(1, 0, 98, true)     // 99
	c.commit(0, 400)
	c.commit(1, 0, run{first: 0, last: 99})
}

// copyRows gives some topics the rows of this one.
func (c *auditCase) copyRows(topics []string) {
	c.Helper()
	for _, table := range ofEachBatch {
		c.query("INSERT INTO @" + table + " SELECT * REPLACE (arrayJoin(['" + strings.Join(topics, "', '") + "']) AS topic) FROM (SELECT * FROM @" + table + " WHERE topic = TOPIC)")
	}
}

// ofEachBatch are the tables that an audit compares.
var ofEachBatch = []string{"batch_rows", "traffic_sums", "error_sums", "error_rows", "dead_letter_rows"}

func (c *auditCase) audit(options AuditOptions) *AuditReport {
	c.Helper()
	options.Pause = time.Millisecond
	r, err := Audit(c.Context(), c.kafka, c.store, c.processor, auditFingerprint, options)
	if err != nil {
		c.Fatal(err)
	}
	return r
}

func everything() AuditOptions { return AuditOptions{Partition: -1} }

// is compares findings with what is wanted: kind, partition, offsets, and a piece of the sentence.
func (c *auditCase) is(r *AuditReport, want ...string) {
	c.Helper()
	for i := range max(len(want), len(r.Findings)) {
		switch {
		case i >= len(want):
			c.Errorf("found without reason: %+v", r.Findings[i])
		case i >= len(r.Findings):
			c.Errorf("not found: %s", want[i])
		default:
			f := r.Findings[i]
			head, piece, _ := strings.Cut(want[i], ": ")
			if got := fmt.Sprintf("%s %d %d-%d", f.Kind, f.Partition, f.FirstOffset, f.LastOffset); got != head || !strings.Contains(f.Sentence, piece) {
				c.Errorf("found %s: %q, want %s", got, f.Sentence, want[i])
			} else {
				c.Log(f.Sentence)
			}
		}
	}
}

func TestAuditNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	const second = "partition = 0 AND first_offset = 100"
	everyTable := func(c *auditCase, where string) {
		for _, table := range ofEachBatch {
			c.drop(table, where)
		}
	}
	tests := []struct {
		name   string
		damage func(c *auditCase)
		want   []string
	}{
		{"nothing", func(c *auditCase) {}, nil},
		{"a batch's row", func(c *auditCase) { c.drop("batch_rows", second) },
			[]string{"hole 0 100-199: Kafka holds records there, the first at 100. Rows of a batch from 100 exist all the same (98 requests in traffic_sums, 8 errors in error_sums, 8 rows in error_rows, 1 rows in dead_letter_rows)"}},
		{"a batch", func(c *auditCase) { everyTable(c, second) },
			[]string{"hole 0 100-199: offsets 100 to 199 are in no batch, and Kafka holds records there, the first at 100. To count it again"}},
		{"the first batch's row", func(c *auditCase) { c.drop("batch_rows", "partition = 0 AND first_offset = 0") },
			[]string{"hole 0 0-99: Kafka holds records there, the first at 0. Rows of a batch from 0 exist all the same (99 requests in traffic_sums, 9 errors in error_sums, 9 rows in error_rows, 1 rows in dead_letter_rows)"}},
		{"the last batch", func(c *auditCase) { everyTable(c, "partition = 0 AND first_offset = 300") },
			[]string{"hole 0 300-399: the first at 300"}},
		{"a batch that is recorded as a gap", func(c *auditCase) {
			everyTable(c, second)
			c.query("INSERT INTO @gap_rows VALUES (TOPIC, 0, 100, 199, 'retention', now())")
		}, nil},
		{"a batch of which a part is recorded as a gap", func(c *auditCase) {
			everyTable(c, second)
			c.query("INSERT INTO @gap_rows VALUES (TOPIC, 0, 120, 159, 'retention', now())")
		}, []string{"hole 0 100-119: the first at 100", "hole 0 160-199: the first at 160"}},
		{"a batch that Kafka no longer has", func(c *auditCase) {
			everyTable(c, second)
			c.deleteBefore(0, 150)
		}, []string{"hole 0 100-199: the first at 151"}},
		{"a batch of which Kafka has nothing any more", func(c *auditCase) {
			everyTable(c, second)
			c.deleteBefore(0, 300)
		}, []string{"hole 0 100-199: Kafka no longer has 100 to 199"}},
		{"a planned run that is not in yet", func(c *auditCase) { everyTable(c, "partition = 1") }, nil},
		{"a planned run whose rows are in", func(c *auditCase) { c.drop("batch_rows", "partition = 1") }, nil},
		{"a planned run of other boundaries", func(c *auditCase) {
			c.commit(1, 50, run{first: 50, last: 98})
			c.query("INSERT INTO @batch_rows (topic, partition, first_offset, last_offset, epoch) VALUES (TOPIC, 1, 60, 69, 0)")
		},
			[]string{"overlap 1 50-98: the batch 0 to 99 is recorded, and the run 50-98 of other boundaries is planned", "overlap 1 60-69: the batch 60 to 69 is recorded, and the run 50-98",
				"overlap 1 60-69: the batches 0 to 99 and 60 to 69 overlap"}},
		{"a batch too many", func(c *auditCase) {
			c.query("INSERT INTO @batch_rows (topic, partition, first_offset, last_offset, epoch) VALUES (TOPIC, 0, 150, 249, 0)")
		}, []string{"overlap 0 150-199: the batches 100 to 199 and 150 to 249 overlap in offsets 150 to 199", "overlap 0 200-249: the batches 150 to 249 and 200 to 299 overlap in offsets 200 to 249"}},
		{"a batch within a batch, with rows", func(c *auditCase) { c.insert(0, 320, 339, 0) },
			// Its events replace those of the batch around it, being the same; sums do not.
			[]string{"counts 0 300-399: 9 errors, and error_rows has 7", "overlap 0 320-339: the batches 300 to 399 and 320 to 339 overlap"}},
		{"sums of requests", func(c *auditCase) { c.drop("traffic_sums", "partition = 0 AND first_offset = 200 AND tenant = 't1'") },
			[]string{"counts 0 200-299: 98 requests, and traffic_sums has 66; traffic_sums has 6 requests with an error, and error_rows 8"}},
		{"sums of errors", func(c *auditCase) { c.drop("error_sums", "partition = 0 AND first_offset = 200 AND tenant = 't1'") },
			[]string{"counts 0 200-299: 8 errors, and error_sums has 6"}},
		{"an event", func(c *auditCase) { c.drop("error_rows", "partition = 0 AND offset = 310") },
			[]string{"counts 0 300-399: 9 errors, and error_rows has 8; traffic_sums has 9 requests with an error, and error_rows 8"}},
		{"a dead letter", func(c *auditCase) { c.drop("dead_letter_rows", "partition = 0 AND offset = 300") },
			[]string{"counts 0 300-399: 1 dead letters, and dead_letter_rows has 0"}},
		{"an event under another key", func(c *auditCase) {
			c.query("INSERT INTO @error_rows SELECT * REPLACE ('someone' AS tenant) FROM @error_rows WHERE topic = TOPIC AND partition = 0 AND offset = 310")
		}, []string{`doubled 0 310-310: the event of offset 310 (index 0, envelope 0) counts more than once in error_rows, under the batch from 300; that of offset 310 as tenant "someone"`}},
		{"events under another key and batch", func(c *auditCase) {
			c.query("INSERT INTO @error_rows SELECT * REPLACE ('someone' AS tenant, 100 AS first_offset) FROM @error_rows WHERE topic = TOPIC AND partition = 0 AND offset IN (310, 320)")
		}, []string{`doubled 0 310-320: 2 events of offsets 310 to 320 count more than once in error_rows, under the batches from 100 and 300`}},
		{"an event under another key, for another that is gone", func(c *auditCase) {
			c.query("INSERT INTO @error_rows SELECT * REPLACE ('someone' AS tenant) FROM @error_rows WHERE topic = TOPIC AND partition = 0 AND offset = 310")
			c.drop("error_rows", "partition = 0 AND offset = 320")
		}, []string{"counts 0 300-399: 9 errors, and error_rows has 8", "doubled 0 310-310: "}},
		{"rows of nothing", func(c *auditCase) {
			c.query("INSERT INTO @traffic_sums SELECT * REPLACE (5000 AS first_offset) FROM @traffic_sums WHERE topic = TOPIC AND partition = 1")
		}, []string{"rows_of_no_batch 1 5000-5000: (98 requests in traffic_sums)"}},
		{"a batch parsed again", func(c *auditCase) { c.insert(0, 100, 199, 7, 150) }, nil},
		{"a batch parsed again of which the rows are gone", func(c *auditCase) {
			c.insert(0, 100, 199, 7, 150)
			c.drop("traffic_sums", second+" AND epoch = 7")
		}, []string{"counts 0 100-199: the batch 100 to 199 of epoch 7 is not in the tables as its row in batch_rows says: 98 requests, and traffic_sums has 0"}},
		{"a batch being parsed again", func(c *auditCase) {
			c.insert(0, 100, 199, 7, 150)
			c.drop("epoch_switches", second)
		}, nil},
		{"a switch to nothing", func(c *auditCase) { c.query("INSERT INTO @epoch_switches VALUES (TOPIC, 0, 100, 9)") },
			[]string{"hole 0 100-199: the first at 100. To count it again"}},
		{"a log that is shorter", func(c *auditCase) { c.commit(0, 900) },
			[]string{"another_log 0 422-899: offsets up to 900 were read, and the log ends at 422"}},
		{"another log", func(c *auditCase) {
			c.query("ALTER TABLE @batch_rows UPDATE first_record = 7 WHERE topic = TOPIC AND partition = 1 SETTINGS mutations_sync = 2")
		}, []string{"another_log 1 0-99: the record at offset 0 is not the one that was counted"}},
		{"a partition that Kafka does not have", func(c *auditCase) {
			c.query("INSERT INTO @batch_rows (topic, partition, first_offset, last_offset, epoch) VALUES (TOPIC, 7, 0, 9, 0)")
		}, []string{"no_partition 7 0-9: Kafka has no such partition"}},
		{"records that nobody has read", func(c *auditCase) {
			c.produce(0, 422, 499, true)
			c.deleteBefore(0, 450)
		}, []string{"lost 0 400-449: Kafka deleted offsets 400 to 449 before they were read"}},
	}
	var topics []string
	for i := range tests {
		topics = append(topics, fmt.Sprintf("case-%02d", i))
	}
	whole := newAuditCase(t, stacktest.Kafka(t).Addr, append([]string{"filled"}, topics...)...)
	whole.fill()
	whole.copyRows(topics)
	for i, test := range tests {
		c := whole.of(topics[i])
		c.fillKafka()
		test.damage(c)
	}
	report := whole.audit(everything())
	a := audit{kafka: whole.kafka, store: whole.store, processor: whole.processor, fingerprint: auditFingerprint, options: everything()}
	a.options.Slice = 2
	var err error
	if a.retention, err = a.store.Retention(t.Context()); err != nil {
		t.Fatal(err)
	}
	inSlices, _, err := a.look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	inOrder(inSlices.Findings)
	if fmt.Sprint(inSlices.Findings) != fmt.Sprint(report.Findings) {
		t.Errorf("in slices of two batches it finds\n%+v, and at once\n%+v", inSlices.Findings, report.Findings)
	}
	found := map[string][]Finding{}
	for _, f := range report.Findings {
		found[f.Topic] = append(found[f.Topic], f)
	}
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := whole.of(topics[i])
			c.T = t
			c.is(&AuditReport{Findings: found[c.topic]}, test.want...)
		})
	}
	whole.is(&AuditReport{Findings: found[whole.topic]})
}

// deleteBefore makes Kafka forget the records before an offset.
func (c *auditCase) deleteBefore(partition int32, offset int64) {
	c.Helper()
	req := kmsg.NewPtrDeleteRecordsRequest()
	topic, p := kmsg.NewDeleteRecordsRequestTopic(), kmsg.NewDeleteRecordsRequestTopicPartition()
	p.Partition, p.Offset = partition, offset
	topic.Topic, topic.Partitions = c.topic, append(topic.Partitions, p)
	req.Topics, req.TimeoutMillis = append(req.Topics, topic), 5000
	for _, shard := range c.client.RequestSharded(c.Context(), req) {
		if shard.Err != nil {
			c.Fatal(shard.Err)
		}
		for _, t := range shard.Resp.(*kmsg.DeleteRecordsResponse).Topics {
			if t.Partitions[0].ErrorCode != 0 {
				c.Fatal(kafka.Error(t.Partitions[0].ErrorCode))
			}
		}
	}
}

// What an audit says of a partition, and where Kafka has only markers and aborted records there is
// no hole.
func TestAuditCounts(t *testing.T) {
	t.Parallel()
	t.Run("kfake", func(t *testing.T) { t.Parallel(); auditCounts(t, stacktest.Kafka(t).Addr) })
	t.Run("kafka", func(t *testing.T) { t.Parallel(); auditCounts(t, stacktest.SharedRealKafka(t).Addr) })
}

func auditCounts(t *testing.T, broker string) {
	c := newAuditCase(t, broker)
	c.fill()
	c.produce(0, 422, 499, true)  // and the marker 500
	c.insert(0, 422, 500, 0, 500) // so that 400 to 421 are in no batch
	c.produce(0, 501, 520, true)  // nobody has read these
	c.query("INSERT INTO @gap_rows VALUES (TOPIC, 1, 10, 19, 'retention', '2026-11-02 08:00:00')")
	c.commit(0, 501)
	r := c.audit(AuditOptions{Partition: -1, Deep: true})
	c.is(r)
	for i, want := range []string{
		"log 0-522 covered 0-501 committed 501 flight 0 lag 21 batches 5 records 476 requests 472 errors 41 letters 4 gaps 0 reread {5 476 0 0}",
		"log 0-100 covered 0-100 committed 0 flight 0 lag 0 batches 1 records 99 requests 98 errors 9 letters 1 gaps 1 reread {1 99 0 0}",
	} {
		p := r.Partitions[i]
		got := fmt.Sprintf("log %d-%d covered %d-%d committed %d flight %d lag %d batches %d records %d requests %d errors %d letters %d gaps %d reread %v", *p.LogStart, *p.LogEnd, *p.StartsAt, *p.CoveredTo, *p.Committed,
			p.InFlight, *p.Lag, p.Batches, p.Records, p.Requests, p.Errors, p.DeadLetters, len(p.Gaps), *p.Reread)
		if got != want {
			t.Errorf("partition %d: %s, want %s", i, got, want)
		}
	}
	if r = c.audit(AuditOptions{Partition: 1}); len(r.Partitions) != 1 || r.Partitions[0].Partition != 1 {
		t.Errorf("asked for partition 1: %+v", r.Partitions)
	}
}

func TestAuditReadsAgain(t *testing.T) {
	t.Parallel()
	c := newAuditCase(t, stacktest.Kafka(t).Addr)
	c.fill()
	deep := AuditOptions{Partition: -1, Deep: true}
	// A record that was left out, with all that it made, is in no table: only Kafka knows.
	c.drop("batch_rows", "partition = 0 AND first_offset = 200")
	for _, table := range []string{"traffic_sums", "error_sums", "error_rows", "dead_letter_rows"} {
		c.drop(table, "partition = 0 AND first_offset = 200")
	}
	c.insert(0, 200, 299, 0, 250, 230)
	c.query("ALTER TABLE @batch_rows UPDATE first_record = 7 WHERE partition = 0 AND first_offset = 0 SETTINGS mutations_sync = 2")
	c.is(c.audit(everything()))
	c.is(c.audit(deep), "reread 0 0-99: read again, the batch 0 to 99 of epoch 0 has another first record than the one that was counted. To count", "reread 0 200-299: read again, the batch 200 to 299 of epoch 0 has 99 records, and its row in batch_rows says 98; 98 requests, and its row in batch_rows says 97; 8 errors, and its row in batch_rows says 7. To count")

	c.deleteBefore(0, 250)
	r := c.audit(deep)
	c.is(r)
	if got := *r.Partitions[0].Reread; got != (Reread{Batches: 1, Records: 100, Gone: 3}) {
		t.Errorf("read again: %+v", got)
	}
	c.query("ALTER TABLE @batch_rows UPDATE fingerprint = 'other', errors = 8 WHERE partition = 1 SETTINGS mutations_sync = 2")
	c.is(c.audit(deep), "counts 1 0-99: 8 errors, and error_sums has 9; 8 errors, and error_rows has 9") // another parser may well have found 8
}

// A batch that is older than a table keeps its rows is compared without that table.
func TestAuditKnowsRetention(t *testing.T) {
	t.Parallel()
	c := newAuditCase(t, stacktest.Kafka(t).Addr)
	c.value = func(offset int64) string {
		ago := []int{700, 500, 399, 1}[min(offset/100, 3)]
		if offset >= 200 && offset < 300 {
			return "broken" // of no time of their own: as old as what came before
		}
		return auditRecord(time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -ago), offset)
	}
	for _, table := range []string{"traffic_sums", "error_sums"} {
		c.query("ALTER TABLE @" + table + " MODIFY TTL toDateTime(minute) + INTERVAL 600 DAY")
	}
	c.fill()
	for _, table := range []string{"error_rows", "dead_letter_rows"} {
		c.drop(table, "first_offset < 300 AND partition = 0")
	}
	for _, table := range []string{"traffic_sums", "error_sums"} {
		c.drop(table, "first_offset < 100 AND partition = 0")
	}
	r := c.audit(AuditOptions{Partition: 0})
	c.is(r)
	if got := r.Partitions[0].Expired; got != 3 {
		t.Errorf("%d expired batches, want 3", got)
	}
	c.drop("error_sums", "first_offset = 100 AND partition = 0")
	c.is(c.audit(AuditOptions{Partition: 0}), "counts 0 100-199: 8 errors, and error_sums has 0")
	r = c.audit(AuditOptions{Partition: 0, Since: time.Now().AddDate(0, 0, -2)})
	c.is(r)
	if p := r.Partitions[0]; *p.StartsAt != 300 || p.Batches != 1 {
		t.Errorf("since two days ago: %+v", p)
	}
	c.drop("error_sums", "first_offset = 300 AND partition = 0")
	c.is(c.audit(AuditOptions{Partition: 0, Since: time.Now().AddDate(0, 0, -2)}), "counts 0 300-399: 9 errors, and error_sums has 0")
	c.query("ALTER TABLE @error_sums MODIFY TTL toDateTime(minute) + INTERVAL 14 MONTH")
	if _, err := Audit(t.Context(), c.kafka, c.store, c.processor, auditFingerprint, everything()); !errors.Is(err, link.ErrRefused) {
		t.Errorf("a retention in months: %v", err)
	}
	c.query("ALTER TABLE @error_sums REMOVE TTL")
	if r := c.audit(AuditOptions{Partition: 0}); len(r.Findings) != 3 {
		t.Errorf("without retention: %+v", r.Findings)
	}
}

// What one look finds and the next does not was on its way.
func TestAuditLooksTwice(t *testing.T) {
	f := func(kind string, partition int, first, last int64) Finding {
		return Finding{Kind: kind, Topic: "t", Partition: partition, FirstOffset: first, LastOffset: last}
	}
	got := confirmed([]Finding{f(kindHole, 0, 100, 199), f(kindCounts, 0, 300, 399), f(kindHole, 1, 0, 9)},
		[]Finding{f(kindHole, 0, 150, 199), f(kindHole, 0, 300, 399), f(kindCounts, 1, 0, 9)})
	if len(got) != 1 || got[0] != f(kindHole, 0, 150, 199) {
		t.Errorf("confirmed %+v", got)
	}
}

func TestAuditRefusesTheDataOfOthers(t *testing.T) {
	t.Parallel()
	c := newAuditCase(t, stacktest.Kafka(t).Addr)
	if err := c.store.Claim(context.Background(), "elsewhere", "errata"); err != nil {
		t.Fatal(err)
	}
	if _, err := Audit(t.Context(), c.kafka, c.store, c.processor, auditFingerprint, everything()); !errors.Is(err, link.ErrRefused) {
		t.Errorf("an audit of another cluster's database: %v", err)
	}
}
