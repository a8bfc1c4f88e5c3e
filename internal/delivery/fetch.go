package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// Fetching goes below kafka-go's Reader and Conn, straight to Kafka's fetch request: there the checksums
// are verified, an offset out of range is an error instead of a silent jump, and control batches
// and aborted transactions can be seen and left out.

const (
	fetchWait          = 250 * time.Millisecond // how long a broker holds a request that finds nothing new
	fetchBytes         = 16 << 20               // of one answer; brokers exceed it for a single larger record
	partitionBytes     = 4 << 20
	fetchTimeout       = 10 * time.Second
	isolationCommitted = 1
)

// fetched is what one request brought of one partition.
type fetched struct {
	partition *partition
	records   []record
	next      int64 // where to go on
	end       int64 // of what may be read by now: open transactions end it
	err       error // OffsetOutOfRange or what else the broker says of this partition
}

// record is one Kafka record. Its value is nil when Kafka's is.
type record struct {
	offset int64
	time   time.Time
	value  []byte
}

// fetch asks each leader once for all its partitions, at the same time, and gives what came, in the
// order of the partitions. A leader that fails gives an error for its partitions alone.
func (k *Kafka) fetch(ctx context.Context, leaders map[topicPartition]int, partitions []*partition) []fetched {
	byLeader := map[int][]*partition{}
	for _, p := range partitions {
		leader := leaders[p.topicPartition]
		byLeader[leader] = append(byLeader[leader], p)
	}
	answers := make(chan []fetched, len(byLeader))
	var asking sync.WaitGroup // one goroutine a leader, awaited here
	for _, own := range byLeader {
		asking.Go(func() { answers <- k.fetchFrom(ctx, own) })
	}
	asking.Wait()
	close(answers)
	var all []fetched
	for a := range answers {
		all = append(all, a...)
	}
	slices.SortFunc(all, func(a, b fetched) int { return a.partition.compare(b.partition.topicPartition) })
	return all
}

// fetchFrom sends one request for partitions of one leader. A broker fills its answer in the order of the request, so
// the caller changes that from call to call.
func (k *Kafka) fetchFrom(ctx context.Context, partitions []*partition) []fetched {
	req := &fetch.Request{
		ReplicaID: -1, MaxWaitTime: int32(fetchWait.Milliseconds()), MinBytes: 1, MaxBytes: fetchBytes,
		IsolationLevel: isolationCommitted, SessionID: 0, SessionEpoch: -1,
	}
	byName := map[topicPartition]*partition{}
	for _, p := range partitions {
		byName[p.topicPartition] = p
		i := slices.IndexFunc(req.Topics, func(t fetch.RequestTopic) bool { return t.Topic == p.topic })
		if i < 0 {
			i = len(req.Topics)
			req.Topics = append(req.Topics, fetch.RequestTopic{Topic: p.topic})
		}
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, fetch.RequestPartition{
			Partition: int32(p.id), CurrentLeaderEpoch: -1, FetchOffset: p.next, LogStartOffset: -1, PartitionMaxBytes: partitionBytes,
		})
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	answer, err := k.transport.RoundTrip(ctx, k.client.Addr, req)
	if err != nil {
		var failed []fetched
		for _, p := range partitions {
			failed = append(failed, fetched{partition: p, next: p.next, err: err})
		}
		return failed
	}
	var all []fetched
	for _, t := range answer.(*fetch.Response).Topics {
		for i := range t.Partitions {
			if p := byName[topicPartition{t.Topic, int(t.Partitions[i].Partition)}]; p != nil {
				all = append(all, read(p, &t.Partitions[i]))
			}
		}
	}
	return all
}

// read takes the records from an answer.
func read(p *partition, answer *fetch.ResponsePartition) fetched {
	f := fetched{partition: p, next: p.next, end: answer.HighWatermark}
	if answer.LastStableOffset >= 0 {
		f.end = answer.LastStableOffset
	}
	if answer.ErrorCode != 0 {
		f.err = kafka.Error(answer.ErrorCode)
		return f
	}
	batches := []protocol.RecordReader{answer.RecordSet.Records}
	if stream, ok := answer.RecordSet.Records.(*protocol.RecordStream); ok {
		batches = stream.Records
	}
	pending := slices.Clone(answer.AbortedTransactions)
	aborted := map[int64]bool{} // producers whose transaction, begun before where we are, will be aborted
	begin := func(offset int64) {
		pending = slices.DeleteFunc(pending, func(t fetch.ResponseTransaction) bool {
			begun := t.FirstOffset <= offset
			if begun {
				aborted[t.ProducerID] = true
			}
			return begun
		})
	}
	for _, b := range batches {
		switch b := b.(type) {
		case nil:
		case *protocol.ControlBatch:
			// The marker that ends a transaction. It has an offset too, which must be stepped over here:
			// kafka-go's own Client.Fetch would ask for it for ever.
			begin(b.BaseOffset)
			delete(aborted, b.ProducerID)
			f.err = f.each(b.Records, func(record) {})
		case *protocol.RecordBatch:
			begin(b.BaseOffset)
			skip := b.Attributes.Transactional() && aborted[b.ProducerID]
			f.err = f.each(b.Records, func(r record) {
				if !skip {
					f.records = append(f.records, r)
				}
			})
		default: // message sets of before Kafka 0.11
			f.err = f.each(b, func(r record) { f.records = append(f.records, r) })
		}
		if f.err != nil {
			break
		}
	}
	return f
}

// each reads the records of one batch from the wanted offset on: an answer begins with the whole batch
// that the offset lies in.
func (f *fetched) each(from protocol.RecordReader, use func(record)) error {
	for {
		r, err := from.ReadRecord()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read record at offset %d: %w", f.next, err)
		}
		value, err := protocol.ReadAll(r.Value)
		if r.Key != nil {
			r.Key.Close()
		}
		if r.Value != nil {
			r.Value.Close()
		}
		if err != nil {
			return fmt.Errorf("read record at offset %d: %w", r.Offset, err)
		}
		if r.Offset < f.next {
			continue
		}
		use(record{offset: r.Offset, time: r.Time, value: value})
		f.next = r.Offset + 1
	}
}

// leaders asks which broker leads each partition of our topics.
func (k *Kafka) leaders(ctx context.Context) (map[topicPartition]int, error) {
	meta, err := k.client.Metadata(ctx, &kafka.MetadataRequest{Topics: k.cfg.Topics})
	if err != nil {
		return nil, fmt.Errorf("ask for the leaders of the partitions: %w", err)
	}
	leaders := map[topicPartition]int{}
	for _, t := range meta.Topics {
		for _, p := range t.Partitions {
			leaders[topicPartition{t.Name, p.ID}] = p.Leader.ID
		}
	}
	return leaders, nil
}
