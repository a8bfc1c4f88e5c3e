package delivery

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/listoffsets"

	"errata/internal/link"
)

// committed reads the group's plans, see broker. It refuses metadata that is not ours.
func (k *Kafka) committed(ctx context.Context) (map[topicPartition]plan, error) {
	leaders, err := k.leadersOf(ctx)
	if err != nil {
		return nil, err
	}
	req := &kafka.OffsetFetchRequest{GroupID: k.cfg.Group, Topics: map[string][]int{}}
	for tp := range leaders {
		req.Topics[tp.topic] = append(req.Topics[tp.topic], tp.id)
	}
	answer, err := k.client.OffsetFetch(ctx, req)
	if err == nil {
		err = answer.Error
	}
	if err != nil {
		return nil, fmt.Errorf("fetch the committed offsets of group %q: %w", k.cfg.Group, err)
	}
	plans := map[topicPartition]plan{}
	for topic, partitions := range answer.Topics {
		for _, o := range partitions {
			tp := topicPartition{topic, o.Partition}
			switch {
			case o.Error != nil:
				return nil, fmt.Errorf("fetch the committed offset of %s: %w", tp, o.Error)
			case o.CommittedOffset < 0:
				continue
			}
			p, err := decodePlan(o.CommittedOffset, o.Metadata)
			if err != nil {
				return nil, link.Refused("%s: offset %d was not committed by this version of errata: %v; run the version that did, or a newer one, or use a group of its own", tp, o.CommittedOffset, err)
			}
			plans[tp] = p
		}
	}
	return plans, nil
}

// commit writes plans under a generation and member. Kafka refuses it when these have ended.
func (k *Kafka) commit(ctx context.Context, generation int, member string, plans map[topicPartition]plan) error {
	req := &kafka.OffsetCommitRequest{GroupID: k.cfg.Group, GenerationID: generation, MemberID: member, Topics: map[string][]kafka.OffsetCommit{}}
	for tp, p := range plans {
		req.Topics[tp.topic] = append(req.Topics[tp.topic], kafka.OffsetCommit{Partition: tp.id, Offset: p.Offset, Metadata: p.encode()})
	}
	answer, err := k.client.OffsetCommit(ctx, req)
	if err != nil {
		return fmt.Errorf("commit the plan: %w", err)
	}
	for topic, partitions := range answer.Topics {
		for _, o := range partitions {
			if o.Error != nil {
				return fmt.Errorf("commit the plan of %s: %w", topicPartition{topic, o.Partition}, o.Error)
			}
		}
	}
	return nil
}

// start returns where a partition without a commit begins, by kafka.start. A partition that did not
// exist when its topic was first read begins at its start whatever the setting: there was nothing
// in it to skip.
func (k *Kafka) start(ctx context.Context, tp topicPartition) (int64, error) {
	if k.cfg.Start == startEarliest || tp.id >= k.original[tp.topic] {
		return k.listOffset(ctx, tp, kafka.FirstOffset)
	}
	if k.cfg.Start != startLatest {
		at, err := time.Parse(time.RFC3339, k.cfg.Start)
		if err != nil {
			return 0, err
		}
		if offset, err := k.listOffset(ctx, tp, at.UnixMilli()); err != nil || offset >= 0 {
			return offset, err
		}
	}
	return k.listOffset(ctx, tp, kafka.LastOffset)
}

// bounds returns the first offset that the log holds, and the one behind the last that may be read.
func (k *Kafka) bounds(ctx context.Context, tp topicPartition) (first, end int64, err error) {
	if first, err = k.listOffset(ctx, tp, kafka.FirstOffset); err != nil {
		return 0, 0, err
	}
	end, err = k.listOffset(ctx, tp, kafka.LastOffset)
	return first, end, err
}

// listOffset returns the offset for kafka.FirstOffset, kafka.LastOffset, or a time in milliseconds:
// the first offset not before it, -1 when there is none. kafka-go's own call mixes up the first
// two.
func (k *Kafka) listOffset(ctx context.Context, tp topicPartition, timestamp int64) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	answer, err := k.transport.RoundTrip(ctx, k.client.Addr, &listoffsets.Request{
		ReplicaID: -1, IsolationLevel: isolationCommitted,
		Topics: []listoffsets.RequestTopic{{Topic: tp.topic, Partitions: []listoffsets.RequestPartition{
			{Partition: int32(tp.id), CurrentLeaderEpoch: -1, Timestamp: timestamp},
		}}},
	})
	if err != nil {
		return 0, fmt.Errorf("ask for the offsets of %s: %w", tp, err)
	}
	topics := answer.(*listoffsets.Response).Topics
	if len(topics) == 0 || len(topics[0].Partitions) == 0 {
		return 0, fmt.Errorf("ask for the offsets of %s: the broker left it out of its answer", tp)
	}
	o := topics[0].Partitions[0]
	if o.ErrorCode != 0 {
		return 0, fmt.Errorf("ask for the offsets of %s: %w", tp, kafka.Error(o.ErrorCode))
	}
	return o.Offset, nil
}
