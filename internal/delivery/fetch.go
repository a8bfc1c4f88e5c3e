package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// Fetching goes below kafka-go's Reader and Conn, straight to Kafka's fetch request. There the
// checksums are verified, an offset out of range is an error instead of a silent jump, and control
// batches and aborted transactions can be seen and left out.

const (
	fetchWait          = 250 * time.Millisecond // how long a broker holds a request that finds nothing new
	leastFetch         = 256 << 10              // bytes requested at once, of all leaders together; brokers exceed it for a single larger record
	mostFetch          = 16 << 20
	fetchTimeout       = 10 * time.Second
	isolationCommitted = 1
)

// position is where to read a partition.
type position struct {
	topicPartition
	offset int64
}

// fetched is what one request brought of one partition.
type fetched struct {
	topicPartition
	end int64 // of what may be read by now: open transactions end it
	err error // OffsetOutOfRange or another error of this partition; nothing else is valid then

	// read passes the records on one by one until use returns false, and returns where to continue.
	// It may be called once.
	read func(use func(record) (more bool)) (next int64, err error)
}

// record is one Kafka record. Its value is nil when Kafka's is.
type record struct {
	offset int64
	time   time.Time
	value  []byte
}

// fetch asks each leader once for all its partitions, at the same time, and returns what came in
// the order of the request. A leader that fails makes an error for its partitions alone.
func (k *Kafka) fetch(ctx context.Context, from []position) []fetched {
	if time.Since(k.asked) > partitionWatch {
		leaders, err := k.leadersOf(ctx)
		if err != nil {
			return failed(from, err)
		}
		k.leaders, k.asked = leaders, time.Now()
	}
	k.adjust()
	byLeader := map[int][]position{}
	for _, p := range from {
		leader := k.leaders[p.topicPartition]
		byLeader[leader] = append(byLeader[leader], p)
	}
	answers := make(chan []fetched, len(byLeader))
	var asking sync.WaitGroup // one goroutine per leader, awaited here
	for _, own := range byLeader {
		asking.Go(func() { answers <- k.fetchFrom(ctx, own, k.limit/len(byLeader)) })
	}
	asking.Wait()
	close(answers)
	var all []fetched
	for a := range answers {
		for _, f := range a {
			if f.err != nil {
				k.asked = time.Time{} // perhaps the leader has changed
			}
			all = append(all, f)
		}
	}
	// In the order of the request: where memory ends, the last ones have to wait, and these change
	// from call to call.
	rank := map[topicPartition]int{}
	for i, p := range from {
		rank[p.topicPartition] = i
	}
	slices.SortFunc(all, func(a, b fetched) int { return cmp.Compare(rank[a.topicPartition], rank[b.topicPartition]) })
	return all
}

// errNothingSaid is the error of a partition that an answer left out in favour of another one.
var errNothingSaid = errors.New("the broker says nothing of it")

// failed returns the same error for all positions.
func failed(from []position, err error) (all []fetched) {
	for _, p := range from {
		all = append(all, fetched{topicPartition: p.topicPartition, err: err})
	}
	return all
}

// pageSize is the least memory that kafka-go takes for each batch of records that it unpacks (its
// protocol/buffer.go).
const pageSize = 64 << 10

// adjust sets how much to request from how large the last answers became. An answer is unpacked as
// a whole, to ten times its size and more, and should take no more than a quarter of the memory.
func (k *Kafka) adjust() {
	switch {
	case k.limit == 0:
		k.limit = 1 << 20
	case k.unpacked > k.cfg.memory()/4:
		k.limit = max(k.limit/2, leastFetch)
	case k.unpacked < k.cfg.memory()/16 && k.unpacked >= int64(k.limit): // and it was not too little because there was no more
		k.limit = min(k.limit*2, mostFetch)
	}
	k.unpacked = 0
}

// fetchFrom sends one request for partitions of one leader. A broker fills its answer in the order
// of the request, so the caller changes that order from call to call.
func (k *Kafka) fetchFrom(ctx context.Context, from []position, limit int) []fetched {
	req := &fetch.Request{
		ReplicaID: -1, MaxWaitTime: int32(fetchWait.Milliseconds()), MinBytes: 1, MaxBytes: int32(limit),
		IsolationLevel: isolationCommitted, SessionID: 0, SessionEpoch: -1,
	}
	missing := map[topicPartition]position{}
	for _, p := range from {
		missing[p.topicPartition] = p
		i := slices.IndexFunc(req.Topics, func(t fetch.RequestTopic) bool { return t.Topic == p.topic })
		if i < 0 {
			i = len(req.Topics)
			req.Topics = append(req.Topics, fetch.RequestTopic{Topic: p.topic})
		}
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, fetch.RequestPartition{
			Partition: int32(p.id), CurrentLeaderEpoch: -1, FetchOffset: p.offset, LogStartOffset: -1, PartitionMaxBytes: int32(limit),
		})
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	answer, err := k.transport.RoundTrip(ctx, k.client.Addr, req)
	if err != nil {
		return failed(from, err)
	}
	var all []fetched
	for _, t := range answer.(*fetch.Response).Topics {
		for i := range t.Partitions {
			tp := topicPartition{t.Topic, int(t.Partitions[i].Partition)}
			if p, asked := missing[tp]; asked {
				all = append(all, k.read(p, &t.Partitions[i]))
				delete(missing, tp)
			}
		}
	}
	return append(all, failed(slices.Collect(maps.Values(missing)), errNothingSaid)...)
}

// read makes a fetched from an answer.
func (k *Kafka) read(p position, answer *fetch.ResponsePartition) fetched {
	f := fetched{topicPartition: p.topicPartition, end: answer.HighWatermark}
	if answer.LastStableOffset >= 0 {
		f.end = answer.LastStableOffset
	}
	if answer.ErrorCode != 0 {
		f.err = kafka.Error(answer.ErrorCode)
		return f
	}
	f.read = func(use func(record) bool) (int64, error) {
		if stream, ok := answer.RecordSet.Records.(*protocol.RecordStream); ok {
			k.unpacked += int64(len(stream.Records)) * pageSize
		}
		r := reader{next: p.offset, more: true, use: func(r record) bool {
			k.unpacked += int64(len(r.value))
			return use(r)
		}}
		err := r.batches(answer)
		return r.next, err
	}
	return f
}

// reader goes through the record batches of an answer.
type reader struct {
	next int64 // where to continue
	more bool  // more is wanted
	use  func(record) bool
}

func (r *reader) batches(answer *fetch.ResponsePartition) error {
	batches := []protocol.RecordReader{answer.RecordSet.Records}
	if stream, ok := answer.RecordSet.Records.(*protocol.RecordStream); ok {
		batches = stream.Records
	}
	pending := slices.Clone(answer.AbortedTransactions)
	aborted := map[int64]bool{} // producers with an open transaction that will be aborted
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
		var err error
		switch b := b.(type) {
		case nil:
		case *protocol.ControlBatch:
			// The marker that ends a transaction. It has an offset too, which must be stepped over
			// here: kafka-go's own Client.Fetch would request it without end.
			begin(b.BaseOffset)
			delete(aborted, b.ProducerID)
			err = r.each(b.Records, true)
		case *protocol.RecordBatch:
			begin(b.BaseOffset)
			err = r.each(b.Records, b.Attributes.Transactional() && aborted[b.ProducerID])
		default: // message sets of before Kafka 0.11
			err = r.each(b, false)
		}
		if err != nil || !r.more {
			return err
		}
	}
	return nil
}

// each reads the records of one batch from the wanted offset on: an answer begins with the whole
// batch that holds the offset. With skip it steps over them.
func (r *reader) each(from protocol.RecordReader, skip bool) error {
	for r.more {
		in, err := from.ReadRecord()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read record at offset %d: %w", r.next, err)
		}
		value, err := protocol.ReadAll(in.Value)
		if in.Key != nil {
			in.Key.Close()
		}
		if in.Value != nil {
			in.Value.Close()
		}
		if err != nil {
			return fmt.Errorf("read record at offset %d: %w", in.Offset, err)
		}
		if in.Offset < r.next {
			continue
		}
		r.next = in.Offset + 1
		if !skip {
			r.more = r.use(record{offset: in.Offset, time: in.Time, value: value})
		}
	}
	return nil
}

// scanTries is how often a fetch may fail in a row, a second apart.
const scanTries = 10

// scan reads the committed records of the offsets from to to, both included, until each returns
// false or the readable log ends. It returns the offset behind what was read, and
// kafka.OffsetOutOfRange for offsets that Kafka has deleted.
func (k *Kafka) scan(ctx context.Context, tp topicPartition, from, to int64, each func(record) (more bool)) (next int64, err error) {
	next = from
	for failed := 0; next <= to; {
		f := k.fetch(ctx, []position{{tp, next}})[0]
		before, more := next, true
		if f.err == nil {
			next, f.err = f.read(func(r record) bool {
				more = r.offset <= to && each(r)
				return more
			})
		}
		switch {
		case ctx.Err() != nil:
			return next, ctx.Err()
		case errors.Is(f.err, kafka.OffsetOutOfRange), !more, f.err == nil && f.end <= before:
			return next, f.err
		case f.err == nil && next > before:
			failed = 0
			continue
		case f.err == nil:
			f.err = errors.New("the broker sends nothing")
		}
		if failed++; failed >= scanTries {
			return next, fmt.Errorf("fetch %s from offset %d: %w", tp, next, f.err)
		}
		sleep(ctx, time.Second)
	}
	return next, nil
}

// leadersOf returns which broker leads each partition of our topics.
func (k *Kafka) leadersOf(ctx context.Context) (map[topicPartition]int, error) {
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
