package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/fetch"
)

// Fetching goes below kafka-go's Reader and Conn, straight to Kafka's fetch request. There an
// offset out of range is an error instead of a silent jump, and the batches of records come as
// Kafka stores them (records.go): checksums are verified, and control batches and aborted
// transactions left out.

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
	position
	next int64 // behind what came
	end  int64 // of what may be read by now: open transactions end it
	err  error // OffsetOutOfRange or another error of this partition; nothing else is valid then

	// read passes the records on one by one until use returns false, and returns where to continue.
	// It may be called once.
	read func(use func(record) (more bool)) (next int64, err error)
}

// record is one Kafka record. Its value is nil when Kafka's is, and valid until the use of the
// record returns.
type record struct {
	offset int64
	time   time.Time
	value  []byte
}

// fetch asks each leader once for all its partitions, at the same time, and returns what came in
// the order of the request. A leader that fails makes an error for its partitions alone.
//
// If more is there than came, it asks at once for what follows, so that this is on its way while
// the caller processes what came. The next call with the same context takes the answers to this
// request that are for its positions.
func (k *Kafka) fetch(ctx context.Context, from []position) []fetched {
	if time.Since(k.asked) > partitionWatch {
		leaders, err := k.leadersOf(ctx)
		if err != nil {
			return failed(from, err)
		}
		k.leaders, k.asked = leaders, time.Now()
	}
	rank := map[position]int{}
	for i, p := range from {
		rank[p] = i
	}
	all := k.takeAhead(ctx, rank)
	var rest []position
	for _, p := range from {
		if !slices.ContainsFunc(all, func(f fetched) bool { return f.position == p }) {
			rest = append(rest, p)
		}
	}
	wait := fetchWait
	if len(all) > 0 {
		wait = 0
	}
	if len(rest) > 0 {
		all = append(all, k.ask(ctx, rest, wait).answers()...)
	}
	for _, f := range all {
		if f.err != nil {
			k.asked = time.Time{} // perhaps the leader has changed
		}
	}
	// In the order of the request: where memory ends, the last ones have to wait, and these change
	// from call to call.
	slices.SortFunc(all, func(a, b fetched) int { return cmp.Compare(rank[a.position], rank[b.position]) })
	k.askAhead(ctx, all)
	return all
}

// asking is one request to each leader of some partitions, on its way.
type asking struct {
	ctx     context.Context
	leaders int
	came    chan []fetched // one of each leader
}

// ask sends requests for positions, one to each leader. A leader that has nothing new may wait.
func (k *Kafka) ask(ctx context.Context, from []position, wait time.Duration) *asking {
	byLeader := map[int][]position{}
	for _, p := range from {
		leader := k.leaders[p.topicPartition]
		byLeader[leader] = append(byLeader[leader], p)
	}
	a := &asking{ctx, len(byLeader), make(chan []fetched, len(byLeader))}
	transport, limit := k.transport, k.mostFetched()/len(byLeader)
	for _, own := range byLeader { // a goroutine for each, which ends with its answer or ctx
		go func() { a.came <- k.fetchFrom(ctx, transport, own, limit, wait) }()
	}
	return a
}

// answers waits for what comes.
func (a *asking) answers() (all []fetched) {
	for range a.leaders {
		all = append(all, <-a.came...)
	}
	return all
}

// askAhead asks for what follows the answers if more of it is there.
func (k *Kafka) askAhead(ctx context.Context, answers []fetched) {
	var from []position
	behind := false
	for _, f := range answers {
		if f.err == nil {
			from = append(from, position{f.topicPartition, f.next})
			behind = behind || f.offset < f.next && f.next < f.end
		}
	}
	if behind {
		k.ahead = k.ask(ctx, append(from[1:], from[0]), fetchWait)
	}
}

// takeAhead returns what was asked for ahead, if it was with the same context: what came for
// positions that are wanted now.
func (k *Kafka) takeAhead(ctx context.Context, wanted map[position]int) (all []fetched) {
	ahead := k.ahead
	if k.ahead = nil; ahead == nil || ahead.ctx != ctx {
		return nil
	}
	for _, f := range ahead.answers() {
		if _, is := wanted[f.position]; is {
			all = append(all, f)
		}
	}
	return all
}

// errNothingSaid is the error of a partition that an answer left out in favour of another one.
var errNothingSaid = errors.New("the broker says nothing of it")

// failed returns the same error for all positions.
func failed(from []position, err error) (all []fetched) {
	for _, p := range from {
		all = append(all, fetched{position: p, err: err})
	}
	return all
}

// mostFetched returns how many bytes to request at once, of all leaders together: of what takes the
// pipeline's memory, a small part. There may be two answers, one of them asked for ahead.
func (k *Kafka) mostFetched() int {
	return int(min(max(k.cfg.memory()/64, leastFetch), mostFetch))
}

// fetchFrom sends one request for partitions of one leader, which may wait for something new. A
// broker fills its answer in the order of the request, so the caller changes that order from call
// to call.
func (k *Kafka) fetchFrom(ctx context.Context, transport *kafka.Transport, from []position, limit int, wait time.Duration) []fetched {
	req := &fetch.Request{
		ReplicaID: -1, MaxWaitTime: int32(wait.Milliseconds()), MinBytes: 1, MaxBytes: int32(limit),
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
	answer, err := transport.RoundTrip(ctx, k.client.Addr, req)
	if err != nil {
		return failed(from, err)
	}
	var all []fetched
	for _, t := range answer.(*fetchResponse).Topics {
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
func (k *Kafka) read(p position, answer *fetchPartition) fetched {
	f := fetched{position: p, next: max(p.offset, answer.Records.end()), end: answer.HighWatermark}
	if answer.LastStableOffset >= 0 {
		f.end = answer.LastStableOffset
	}
	if answer.ErrorCode != 0 {
		f.err = kafka.Error(answer.ErrorCode)
		return f
	}
	f.read = func(use func(record) bool) (int64, error) {
		defer answer.Records.free()
		next, err := readBatches(&k.unpacker, p.offset, answer, use)
		if err != nil {
			err = fmt.Errorf("read record at offset %d: %w", next, err)
		}
		return next, err
	}
	return f
}

// readBatches passes on the records of an answer from the offset next on, until use returns false,
// and returns where to continue. An answer begins with the whole batch that holds the offset.
func readBatches(u *unpacker, next int64, answer *fetchPartition, use func(record) bool) (int64, error) {
	pending := slices.Clone(answer.AbortedTransactions)
	aborted := map[int64]bool{} // producers with an open transaction that will be aborted
	more := true
	for set := answer.Records; more; {
		batch, ok, err := set.next()
		if err != nil || !ok {
			return next, err
		}
		pending = slices.DeleteFunc(pending, func(t fetch.ResponseTransaction) bool {
			begun := t.FirstOffset <= batch.base
			if begun {
				aborted[t.ProducerID] = true
			}
			return begun
		})
		skip := batch.attributes.Transactional() && aborted[batch.producer]
		if batch.attributes.Control() {
			// The marker that ends a transaction. It has an offset too, which must be stepped over.
			skip = true
			delete(aborted, batch.producer)
		}
		if skip {
			next = max(next, batch.last+1)
			continue
		}
		if err := batch.each(u, func(r record) bool {
			if r.offset >= next {
				next, more = r.offset+1, use(r)
			}
			return more
		}); err != nil {
			return next, err
		}
		if more && !batch.old { // its last offsets may have no record
			next = max(next, batch.last+1)
		}
	}
	return next, nil
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
