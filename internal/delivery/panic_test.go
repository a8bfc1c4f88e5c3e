package delivery

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"errata/internal/accesslog"
	"errata/internal/enrich"
)

// A record on which the parser panics ends nothing: it is a dead letter, the log names its offset,
// and the records around it count. Without catalogs, the processor panics on every error.
func TestARecordOnWhichTheParserPanicsEndsNothing(t *testing.T) {
	processor, err := enrich.NewProcessor(enrich.Config{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	at := time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC)
	g := &generation{
		worker:     &worker{processor: processor, log: slog.New(slog.NewTextHandler(&log, nil)), now: func() time.Time { return at }},
		complained: map[string]time.Time{},
	}
	p := newPartition(topicPartition{"logs", 3}, plan{Offset: 10}, nil, "f")
	const (
		fine    = `{"time":"2026-11-02T10:00:00Z","tenant":"acme","status":200,"response_body":"{}"}`
		hostile = `{"time":"2026-11-02T10:00:00Z","tenant":"acme","status":400,"response_body":"{\"error_code\":\"OSM.01010037\",\"error_msg\":\"m\"}"}`
	)
	for i, value := range []string{fine, hostile, "[" + fine + "," + hostile + "," + fine + "]", hostile, fine} {
		g.add(p, record{offset: 10 + int64(i), time: at, value: []byte(value)})
	}
	p.seal()
	b := p.sealed[0].batch
	type counts struct {
		records, requests, errors, deadLetters uint64
		parsed                                 uint64
		rows                                   int
	}
	got := counts{b.Records, b.Requests, b.Errors, b.DeadLetters, b.BodyStates()[accesslog.JSON], b.TableRows()["dead_letter_rows"]}
	if want := (counts{5, 4, 0, 3, 4, 3}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if b.FirstOffset != 10 || b.LastOffset != 14 || p.next != 15 {
		t.Errorf("the batch has the offsets %d to %d, the next is %d", b.FirstOffset, b.LastOffset, p.next)
	}
	if !strings.Contains(log.String(), "topic=logs partition=3 offset=11 panic=") || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("the log does not name the first offset, once:\n%s", log.String())
	}
}
