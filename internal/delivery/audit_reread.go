package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/segmentio/kafka-go"

	"errata/internal/store"
)

// rereadBatches is how many batches are compared in one pass over the log.
const rereadBatches = 10_000

// reread reads what Kafka still has of a partition, and compares what today's parser makes of it
// with what is recorded.
func (a *audit) reread(ctx context.Context, report *AuditReport, row *AuditedPartition, scope store.AuditScope) error {
	i := slices.IndexFunc(scope.Partitions, func(p store.AuditPartition) bool { return p.Topic == row.Topic && p.Partition == row.Partition })
	if i < 0 || row.LogStart == nil || row.CoveredTo == nil {
		return nil
	}
	p := &rereader{audit: a, topicPartition: topicPartition{row.Topic, row.Partition}, report: report, start: *row.LogStart}
	row.Reread = &p.Reread
	for from := scope.Partitions[i].From; from < *row.CoveredTo; {
		batches, err := a.store.BatchesFrom(ctx, p.topic, p.id, from, *row.CoveredTo, rereadBatches)
		if err != nil {
			return err
		}
		if len(batches) == 0 {
			return nil
		}
		from = batches[len(batches)-1].FirstOffset + 1
		if err := p.read(ctx, batches); err != nil {
			return fmt.Errorf("read %s again: %w", p, err)
		}
	}
	return nil
}

// rereader is a partition that is being read again.
type rereader struct {
	*audit
	topicPartition
	Reread
	report *AuditReport
	start  int64        // of the log
	behind int64        // the offset behind the last batch that was read
	made   *store.Batch // what the records of the current batch make; nil: nothing yet
}

func (p *rereader) String() string { return p.topicPartition.String() }

// read reads the log once for several batches.
func (p *rereader) read(ctx context.Context, batches []store.Counted) error {
	for {
		// A batch that overlaps with one before it is a finding already.
		batches = slices.DeleteFunc(batches, func(b store.Counted) bool {
			overlaps := b.FirstOffset < p.behind || b.LastOffset < b.FirstOffset
			gone := !overlaps && b.FirstOffset < p.start
			if gone {
				p.Gone++
			}
			if !overlaps {
				p.behind = b.LastOffset + 1
			}
			return overlaps || gone
		})
		if len(batches) == 0 {
			return nil
		}
		p.made = nil
		next, err := p.kafka.scan(ctx, p.topicPartition, batches[0].FirstOffset, batches[len(batches)-1].LastOffset, func(r record) bool {
			for len(batches) > 0 && batches[0].LastOffset < r.offset {
				p.compare(batches[0])
				batches = batches[1:]
			}
			if len(batches) > 0 && r.offset >= batches[0].FirstOffset {
				p.add(batches[0], r)
			}
			return len(batches) > 0
		})
		for len(batches) > 0 && batches[0].LastOffset < next {
			p.compare(batches[0])
			batches = batches[1:]
		}
		if err == nil {
			return nil // the rest lies behind the end of the log, which is a finding already
		}
		if !errors.Is(err, kafka.OffsetOutOfRange) || len(batches) == 0 {
			return err
		}
		// Kafka has deleted some of it meanwhile.
		p.behind = batches[0].FirstOffset
		if p.start, err = p.kafka.listOffset(ctx, p.topicPartition, kafka.FirstOffset); err != nil {
			return err
		}
	}
}

func (p *rereader) begin(b store.Counted) {
	if p.made == nil {
		p.made = store.NewBatch(p.topic, p.id, b.FirstOffset, p.kafka.cfg.Limits)
	}
}

func (p *rereader) add(b store.Counted, r record) {
	p.begin(b)
	fill(p.made, p.processor, r)
}

// compare compares a batch with what its records make now.
func (p *rereader) compare(b store.Counted) {
	p.begin(b)
	made := p.made
	made.Seal()
	p.made = nil
	p.Batches++
	p.Records += made.Records
	var wrong []string
	say := func(what string, recorded, now uint64) {
		if recorded != now {
			wrong = append(wrong, fmt.Sprintf("%d %s, and its row in %s says %d", now, what, store.Tables.Batches, recorded))
		}
	}
	say("records", b.Records, made.Records)
	if b.FirstRecord != 0 && b.FirstRecord != made.FirstRecord {
		wrong = append(wrong, "another first record than the one that was counted")
	}
	if b.Fingerprint == p.fingerprint {
		say("requests", b.Requests, made.Requests)
		say("errors", b.Errors, made.Errors)
		say("dead letters", b.DeadLetters, made.DeadLetters)
		say("excluded requests", b.Excluded, made.Excluded)
		say("records joined with another", b.Joined, made.Joined)
	} else {
		p.OtherParser++
	}
	if len(wrong) == 0 {
		return
	}
	p.report.Findings = append(p.report.Findings, Finding{
		Kind: kindReread, Topic: p.topic, Partition: p.id, FirstOffset: b.FirstOffset, LastOffset: b.LastOffset,
		Sentence: fmt.Sprintf("%s: read again, the batch %s of epoch %d has %s. %s",
			p, store.Span{First: b.FirstOffset, Last: b.LastOffset}, b.Epoch, strings.Join(wrong, "; "), replayCommand(p.topicPartition, b.FirstOffset)),
	})
}
