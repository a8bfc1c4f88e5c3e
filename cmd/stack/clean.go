package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/spf13/cobra"

	"errata/internal/cli"
	"errata/internal/link"
	"errata/internal/store"
)

func newClean() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "clean",
		Short: "Remove the sample that a demo wrote to servers that it did not start",
		Long: "Remove what demos wrote to servers that they did not start: the sample's topics and group, and its database. " +
			"It touches nothing else.",
		Example: "stack clean --external-kafka k1:9092 --external-clickhouse ch:9000",
		Args:    cli.Arguments(0, 0),
	}
	var x external
	x.flags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := x.validate(); err != nil {
			return err
		}
		if !x.any() {
			return errors.New("name the servers: --external-kafka HOST:PORT,… or --external-clickhouse HOST:PORT; the stack's own data are its data folder, which you can remove")
		}
		if len(x.kafka) > 0 {
			if err := cleanKafka(cmd.Context(), cmd.ErrOrStderr(), x.kafka); err != nil {
				return err
			}
		}
		if x.clickhouse != "" {
			return cleanClickHouse(cmd.Context(), cmd.ErrOrStderr(), x.store(x.clickhouse))
		}
		return nil
	}
	return cmd
}

func cleanKafka(ctx context.Context, stderr io.Writer, brokers []string) error {
	where := strings.Join(brokers, ",")
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := kafka.Client{Addr: kafka.TCP(brokers...), Timeout: 10 * time.Second, Transport: transport}
	metadata, err := client.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return link.Unreachable("list the topics of Kafka at %s: %s", where, link.Cause(err))
	}
	var topics []string
	for _, t := range metadata.Topics {
		if sampleTopic.MatchString(t.Name) {
			topics = append(topics, t.Name)
		}
	}
	if len(topics) > 0 {
		deleted, err := client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: topics})
		if err != nil {
			return fmt.Errorf("delete the sample topics on Kafka at %s: %w", where, err)
		}
		for topic, err := range deleted.Errors {
			if err != nil {
				return fmt.Errorf("delete topic %s on Kafka at %s: %w", topic, where, err)
			}
		}
	}
	groups, err := client.DeleteGroups(ctx, &kafka.DeleteGroupsRequest{GroupIDs: []string{sampleGroup}})
	if err == nil {
		err = groups.Errors[sampleGroup]
	}
	if err != nil && !errors.Is(err, kafka.GroupIdNotFound) {
		return fmt.Errorf("delete group %s on Kafka at %s: %w", sampleGroup, where, err)
	}
	fmt.Fprintf(stderr, "removed %d sample topics and group %s from Kafka at %s\n", len(topics), sampleGroup, where)
	return nil
}

// cleanClickHouse removes the sample's database, unless it holds anything but samples.
func cleanClickHouse(ctx context.Context, stderr io.Writer, cfg store.Config) error {
	removed, err := store.Remove(ctx, cfg, sampleTopic.MatchString)
	if err != nil {
		return asFlags(err)
	}
	said := "removed database %s from ClickHouse at %s\n"
	if !removed {
		said = "there is no database %s on ClickHouse at %s\n"
	}
	fmt.Fprintf(stderr, said, cfg.Database, cfg.Addr[0])
	return nil
}

// flagsOf names the flags of a running ClickHouse by the settings that errors name.
var flagsOf = strings.NewReplacer("clickhouse.username", "--external-clickhouse-user", "clickhouse.password_file", "--external-clickhouse-password-file",
	"clickhouse.password", "--external-clickhouse-password-file", "clickhouse.addr", "--external-clickhouse")

// asFlags returns an error of the same kind whose text names flags, since no setting counts here.
func asFlags(err error) error {
	text := flagsOf.Replace(err.Error())
	switch {
	case errors.Is(err, link.ErrUnreachable):
		return link.Unreachable("%s", text)
	case errors.Is(err, link.ErrRefused):
		return link.Refused("%s", text)
	}
	return err
}
