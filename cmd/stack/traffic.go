package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"errata/internal/cli"
	"errata/internal/loadgen"
)

// sample describes the sample traffic that a command sends.
type sample struct {
	seed     uint64
	requests int
	since    cli.Time
}

func (s *sample) flags(f *pflag.FlagSet) {
	f.Uint64Var(&s.seed, "seed", 1, "`number` to start the random numbers with: the same seed and times produce the same bytes")
	f.IntVar(&s.requests, "requests", 120_000, "approximate `number` of requests")
	s.since.Flag(f, "since", "24h", "when the requests begin")
}

func (s *sample) validate() error {
	if s.requests < 1 {
		return fmt.Errorf("--requests %d: give at least 1", s.requests)
	}
	if cfg := s.config(time.Now()); cfg.To.Sub(cfg.From) < time.Minute {
		return fmt.Errorf("--since %s: give at least 1m", s.since)
	}
	return nil
}

// config returns the traffic up to the last whole minute, so that a report can cover exactly its
// range.
func (s *sample) config(now time.Time) loadgen.Config {
	to := now.UTC().Truncate(time.Minute)
	return loadgen.Config{Seed: s.seed, From: s.since.At(to, time.UTC), To: to, Requests: s.requests}
}

func newTraffic() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "traffic",
		Short: "Send sample traffic to a topic and print its counts",
		Long:  "Send sample traffic to a topic, which is created if it does not exist, and print its counts as JSON.",
		Example: "stack traffic --requests 1000\n" +
			"stack traffic --kafka 127.0.0.1:19092 --topic edge-logs:8 --since 2h",
		Args: cli.Arguments(0, 0),
	}
	var s sample
	s.flags(cmd.Flags())
	brokers := hostPorts{"127.0.0.1:9092"}
	cmd.Flags().Var(&brokers, "kafka", "the brokers, `HOST:PORT,…`")
	var to topics
	cmd.Flags().Var(&to, "topic", "the topic, `NAME[:PARTITIONS]` (default "+defaultTopics().String()+")")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := s.validate(); err != nil {
			return err
		}
		if to == nil {
			to = defaultTopics()
		}
		if len(to) != 1 {
			return fmt.Errorf("--topic %s: give one topic", to)
		}
		return sendTraffic(cmd, s.config(time.Now()), brokers, to)
	}
	return cmd
}

// sendTraffic sends the traffic to the one topic and prints its counts.
func sendTraffic(cmd *cobra.Command, cfg loadgen.Config, brokers []string, to topics) error {
	if err := to.create(cmd.Context(), brokers); err != nil {
		return err
	}
	sent, err := send(cmd.Context(), brokers, to[0].name, cfg)
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "sent %s\n", describe(sent))
	codes := []map[string]any{}
	for c, n := range sent.Codes {
		codes = append(codes, map[string]any{"tenant": c.Tenant, "code": c.Code, "errors": n})
	}
	return cli.JSON(map[string]any{
		"topic": to[0].name, "from": cli.Timestamp{Time: cfg.From}, "to": cli.Timestamp{Time: cfg.To}, "messages": sent.Messages, "requests": sent.Requests, "errors": sent.Errors,
		"error_requests": sent.ErrorRequests, "dead_letters": sent.Reasons, "tenants": sent.Tenants, "codes": codes,
	}, cmd.OutOrStdout())
}

func describe(s loadgen.Sent) string {
	return fmt.Sprintf("%d messages: %d requests, %d of them with errors; %d errors; %d dead letters", s.Messages, s.Requests, s.ErrorRequests, s.Errors, s.DeadLetters)
}

// send writes the traffic to a topic and returns the load generator's counts of it. A tenant's
// messages keep their order in one partition.
func send(ctx context.Context, brokers []string, topic string, cfg loadgen.Config) (loadgen.Sent, error) {
	// A transport of its own: the shared one may have cached that the topic does not exist.
	transport := &kafka.Transport{MetadataTTL: time.Second}
	defer transport.CloseIdleConnections()
	w := &kafka.Writer{
		Addr: kafka.TCP(brokers...), Topic: topic, Transport: transport, Balancer: &kafka.Hash{},
		RequiredAcks: kafka.RequireAll, Compression: kafka.Lz4, BatchSize: 1000, BatchBytes: 1 << 20, BatchTimeout: 5 * time.Millisecond,
		MaxAttempts: 5, // of each of the four batches that are pending: some 10 s in all
	}
	defer w.Close()
	var pending []kafka.Message
	flush := func() error {
		err := w.WriteMessages(ctx, pending...)
		pending = pending[:0]
		var each kafka.WriteErrors // does not unwrap
		if errors.As(err, &each) {
			err = cmp.Or(each...)
		}
		if err != nil {
			return fmt.Errorf("send sample traffic to topic %s at %s: %w", topic, strings.Join(brokers, ","), err)
		}
		return nil
	}
	sent, err := loadgen.Generate(cfg, func(m loadgen.Message) error {
		if pending = append(pending, kafka.Message{Key: m.Key, Value: m.Value, Time: m.Time}); len(pending) < 4000 {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	return sent, err
}
