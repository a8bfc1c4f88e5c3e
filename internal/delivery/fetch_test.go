package delivery

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/segmentio/kafka-go"

	"errata/internal/stack/stacktest"
)

// What is asked for ahead is used only where reading goes on from there. Here it often does not,
// because only some of what comes is read, and not all partitions are wanted.
func TestFetchAhead(t *testing.T) {
	t.Parallel()
	broker := stacktest.Kafka(t)
	const partitions, records = 3, 400
	stacktest.Must(t, broker.CreateTopic(t.Context(), "logs", partitions))
	writer := &kafka.Writer{Addr: kafka.TCP(broker.Addr), Topic: "logs", RequiredAcks: kafka.RequireAll, BatchSize: 20,
		Balancer: kafka.BalancerFunc(func(m kafka.Message, _ ...int) int { return int(m.Key[0]) })}
	defer writer.Close()
	padding := bytes.Repeat([]byte("x"), 4<<10) // so that one answer does not hold all
	var messages []kafka.Message
	for i := range records {
		for p := range partitions {
			messages = append(messages, kafka.Message{Key: []byte{byte(p)}, Value: fmt.Appendf(nil, "%d/%d %s", p, i, padding)})
		}
	}
	stacktest.Must(t, writer.WriteMessages(t.Context(), messages...))

	cfg := Config{Brokers: []string{broker.Addr}, Topics: []string{"logs"}, Group: "errata", Start: startEarliest, Memory: 1}
	k, err := Connect(t.Context(), cfg)
	stacktest.Must(t, err)
	defer k.Close()
	const seed = 1
	random := rand.New(rand.NewPCG(seed, 0))
	var next [partitions]int64
	ahead, left := 0, partitions*records
	for left > 0 {
		var from []position
		for p := range partitions {
			if next[p] < records && random.IntN(4) > 0 {
				from = append(from, position{topicPartition{"logs", p}, next[p]})
			}
		}
		if len(from) == 0 {
			continue
		}
		answers := k.fetch(t.Context(), from)
		if len(answers) != len(from) {
			t.Fatalf("%d answers for %d positions", len(answers), len(from))
		}
		for i, f := range answers {
			if errors.Is(f.err, errNothingSaid) { // the answer was full
				continue
			}
			stacktest.Must(t, f.err)
			if f.position != from[i] {
				t.Fatalf("answer %d is for %v, want %v", i, f.position, from[i])
			}
			most := records
			if random.IntN(2) > 0 {
				most = 1 + random.IntN(30)
			}
			_, err := f.read(func(r record) bool {
				if want := fmt.Sprintf("%d/%d ", f.id, next[f.id]); r.offset != next[f.id] || !bytes.HasPrefix(r.value, []byte(want)) {
					t.Fatalf("offset %d of partition %d begins with %.10q, want offset %d with %q", r.offset, f.id, r.value, next[f.id], want)
				}
				next[f.id]++
				left--
				most--
				return most > 0
			})
			stacktest.Must(t, err)
		}
		if k.ahead != nil {
			ahead++
		}
	}
	if ahead == 0 {
		t.Error("nothing was asked for ahead")
	}
}
