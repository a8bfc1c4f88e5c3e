package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/segmentio/kafka-go"

	"errata/internal/config"
	"errata/internal/link"
	"errata/internal/stack"
)

// defaultPartitions is the number of partitions of a topic that a command creates.
const defaultPartitions = 4

// maxPartitions keeps a mistyped number from filling the disk with empty partitions.
const maxPartitions = 1000

// topicName matches the names that Kafka accepts.
var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// topics is the value of a flag for topics to create. Each use of the flag adds one.
type topics []topic

type topic struct {
	name       string
	partitions int
}

// defaultTopics returns the topics that the ingester reads by default.
func defaultTopics() (all topics) {
	for _, name := range config.DefaultTopics {
		all = append(all, topic{name, defaultPartitions})
	}
	return all
}

// String implements pflag.Value.
func (t topics) String() string {
	var all []string
	for _, topic := range t {
		all = append(all, fmt.Sprintf("%s:%d", topic.name, topic.partitions))
	}
	return strings.Join(all, ",")
}

// names returns the names as ERRATA_KAFKA_TOPICS takes them.
func (t topics) names() string {
	var all []string
	for _, topic := range t {
		all = append(all, topic.name)
	}
	return strings.Join(all, ",")
}

// Set implements pflag.Value.
func (t *topics) Set(text string) error {
	name, number, given := strings.Cut(text, ":")
	partitions := defaultPartitions
	if given {
		var err error
		if partitions, err = strconv.Atoi(number); err != nil || partitions < 1 || partitions > maxPartitions {
			name = ""
		}
	}
	if !topicName.MatchString(name) {
		return fmt.Errorf("give NAME or NAME:PARTITIONS, with letters, digits, dots, - and _ in the name and 1 to %d partitions", maxPartitions)
	}
	*t = append(*t, topic{name, partitions})
	return nil
}

// Type implements pflag.Value.
func (*topics) Type() string { return "topic" }

// create creates those that do not exist yet.
func (t topics) create(ctx context.Context, brokers []string) error {
	var err error
	for _, topic := range t {
		err = errors.Join(err, stack.CreateTopic(ctx, brokers, topic.name, topic.partitions))
	}
	if errors.Is(err, kafka.BrokerNotAvailable) {
		return link.Unreachable("kafka at %s does not answer: is it running, and is --kafka right?", strings.Join(brokers, ","))
	}
	return err
}
