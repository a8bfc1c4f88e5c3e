package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"

	"errata/internal/cli"
	"errata/internal/loadgen"
)

// sample describes the sample traffic that a command sends.
type sample struct {
	seed     uint64
	requests int
	since    cli.Time
}

func (s *sample) flags(f *flag.FlagSet) {
	f.Uint64Var(&s.seed, "seed", 1, "seed of the random numbers: the same seed and times produce the same bytes")
	f.IntVar(&s.requests, "requests", 120_000, "approximate number of requests")
	s.since = cli.Ago("24h")
	f.Var(&s.since, "since", "when they begin: "+cli.TimeForms)
}

func (s *sample) validate() error {
	if cfg := s.config(time.Now()); s.requests < 1 || cfg.To.Sub(cfg.From) < time.Minute {
		return fmt.Errorf("--requests %d, --since %s: give at least one request and 1m", s.requests, s.since)
	}
	return nil
}

// config returns the traffic up to the last whole minute, so that a report can cover exactly its
// range.
func (s *sample) config(now time.Time) loadgen.Config {
	to := now.UTC().Truncate(time.Minute)
	return loadgen.Config{Seed: s.seed, From: s.since.At(to, time.UTC), To: to, Requests: s.requests}
}

// sendTraffic is `stack traffic`.
func sendTraffic(ctx context.Context, env env, args []string) error {
	f := flag.NewFlagSet("traffic", flag.ContinueOnError)
	var s sample
	s.flags(f)
	brokers := hostPorts{"127.0.0.1:9092"}
	f.Var(&brokers, "kafka", "the brokers, `HOST:PORT,…`")
	var to topics
	f.Var(&to, "topic", "the topic, `NAME[:PARTITIONS]`, which is created if it does not exist (default "+defaultTopics().String()+")")
	if err := parse(f, env, args); err != nil {
		return err
	}
	if err := s.validate(); err != nil {
		return err
	}
	if to == nil {
		to = defaultTopics()
	}
	if len(to) != 1 {
		return fmt.Errorf("--topic %s: give one topic", to)
	}
	if err := to.create(ctx, brokers); err != nil {
		return err
	}
	cfg := s.config(time.Now())
	sent, err := send(ctx, brokers, to[0].name, cfg)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stderr, "sent %s\n", describe(sent))
	codes := []map[string]any{}
	for c, n := range sent.Codes {
		codes = append(codes, map[string]any{"tenant": c.Tenant, "code": c.Code, "errors": n})
	}
	return cli.JSON(map[string]any{
		"topic": to[0].name, "from": cli.Timestamp{Time: cfg.From}, "to": cli.Timestamp{Time: cfg.To}, "messages": sent.Messages, "requests": sent.Requests, "errors": sent.Errors,
		"error_requests": sent.ErrorRequests, "dead_letters": sent.Reasons, "tenants": sent.Tenants, "codes": codes,
	}, env.stdout)
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
