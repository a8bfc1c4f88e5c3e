package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/segmentio/kafka-go"

	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/loadgen"
	"errata/internal/report"
	"errata/internal/stack"
	"errata/internal/store"
)

const (
	demoPartitions = 4
	demoTimeout    = 5 * time.Minute
)

// demo is `stack demo`, which runs the main job on sample traffic:
//
//	stack.Up ─ sends traffic ─▶ Kafka ─▶ bin/ingest run ─▶ ClickHouse ─▶ bin/report top
//
// Each run has a topic of its own, so that its report covers only its own traffic, whatever the
// data folder contained before.
func demo(ctx context.Context, env env, args []string) error {
	f := flag.NewFlagSet("demo", flag.ContinueOnError)
	cfg := stackFlags(f, env)
	var s sample
	s.flags(f)
	once := f.Bool("once", false, "stop after the report")
	if err := parse(f, env, args); err != nil {
		return err
	}
	if err := s.validate(); err != nil {
		return err
	}
	bin, err := siblings("ingest", "report")
	if err != nil {
		return err
	}
	servers, err := stack.Up(ctx, *cfg)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := servers.Stop(ctx); err != nil {
			fmt.Fprintln(env.stderr, "stack demo:", err)
		}
	}()
	fmt.Fprintf(env.stderr, "Kafka at %s, ClickHouse at %s\n", strings.Join(servers.Brokers, ","), servers.ClickHouseAddr)

	d := &demonstration{env: env, bin: bin, servers: servers, topic: "sample-" + time.Now().UTC().Format("20060102T150405")}
	if err := d.createTopic(ctx); err != nil {
		return err
	}
	ingest := d.command("ingest", "run")
	ingest.SysProcAttr = childProcess()
	runtime.LockOSThread() // the kernel kills the child when the thread that started it ends
	defer runtime.UnlockOSThread()
	if err := ingest.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- ingest.Wait() }() // ends with ingest, which the deferred call stops
	defer func() {
		_ = ingest.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(15 * time.Second):
			_ = ingest.Process.Kill()
		}
	}()
	working, cancel := context.WithTimeout(ctx, demoTimeout)
	defer cancel()
	job := make(chan error, 1)
	go func() { job <- d.run(working, s.config(time.Now())) }() // awaited below
	select {
	case err = <-job:
	case err = <-ended:
		cancel()
		<-job
		ended <- nil
		return fmt.Errorf("ingest run ended: %w", err)
	}
	if err != nil || *once || ctx.Err() != nil {
		if ctx.Err() != nil {
			return nil // Ctrl-C
		}
		return err
	}
	fmt.Fprintf(env.stderr, "\nThe stack and the ingester stay up until Ctrl-C. In another terminal:\n"+
		"  bin/report top --since 24h --by code\n  bin/report explain OSM.01010037\n  bin/report alert run --since 24h\n  bin/ingest parse FILE\n")
	select {
	case <-ctx.Done():
		fmt.Fprintln(env.stderr, "stopping")
		return nil
	case err := <-ended:
		ended <- nil
		return fmt.Errorf("ingest run ended: %w", err)
	}
}

// siblings returns the paths of programs in the folder of this one.
func siblings(names ...string) (map[string]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	paths := map[string]string{}
	for _, name := range names {
		paths[name] = filepath.Join(filepath.Dir(self), name)
		if _, err := os.Stat(paths[name]); err != nil {
			return nil, &stack.Missing{Part: name + " (looked for at " + paths[name] + ")", Remedy: "`make build` puts it there, beside bin/stack"}
		}
	}
	return paths, nil
}

// demonstration is one run of the main job.
type demonstration struct {
	env     env
	bin     map[string]string
	servers *stack.Stack
	topic   string
}

// command returns a command of one of our programs, configured for the servers and the topic.
func (d *demonstration) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(d.bin[name], args...)
	cmd.Env = append(os.Environ(), "ERRATA_KAFKA_BROKERS="+strings.Join(d.servers.Brokers, ","), "ERRATA_KAFKA_TOPICS="+d.topic, "ERRATA_CLICKHOUSE_ADDR="+d.servers.ClickHouseAddr)
	cmd.Stdout, cmd.Stderr = d.env.stdout, d.env.stderr
	return cmd
}

func (d *demonstration) createTopic(ctx context.Context) error {
	client := kafka.Client{Addr: kafka.TCP(d.servers.Brokers...), Timeout: 10 * time.Second, Transport: &kafka.Transport{}}
	resp, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{{Topic: d.topic, NumPartitions: demoPartitions, ReplicationFactor: 1}}})
	if err == nil {
		err = resp.Errors[d.topic]
	}
	if err != nil {
		return fmt.Errorf("create topic %s: %w", d.topic, err)
	}
	return nil
}

// run sends the traffic, waits until ClickHouse has it, prints the report, and compares the counts
// with what was sent.
func (d *demonstration) run(ctx context.Context, cfg loadgen.Config) error {
	began := time.Now()
	sent, err := send(ctx, d.servers.Brokers, d.topic, cfg)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.env.stderr, "sent %s\n", describe(sent))
	s, err := d.awaitStore(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := d.await(ctx, s, uint64(sent.Messages)); err != nil {
		return err
	}
	fmt.Fprintf(d.env.stderr, "all in ClickHouse %.1f s after the first was sent\n\n", time.Since(began).Seconds())

	window := []string{"--topic", d.topic, "--from", cfg.From.Format(time.RFC3339), "--to", cfg.To.Format(time.RFC3339)}
	report := d.command("report", append([]string{"top", "--limit", "30"}, window...)...)
	if err := report.Run(); err != nil {
		return fmt.Errorf("report top: %w", err)
	}
	return d.compare(ctx, s, cfg, sent)
}

// awaitStore opens the database as soon as the ingester has created it.
func (d *demonstration) awaitStore(ctx context.Context) (*store.Store, error) {
	cfg := store.Config{
		Addr: strings.Split(d.servers.ClickHouseAddr, ","), Database: setting(d.env, "ERRATA_CLICKHOUSE_DATABASE", "errata"),
		Username: setting(d.env, "ERRATA_CLICKHOUSE_USERNAME", "default"), Password: d.env.getenv("ERRATA_CLICKHOUSE_PASSWORD"), PasswordFile: d.env.getenv("ERRATA_CLICKHOUSE_PASSWORD_FILE"),
	}
	for {
		s, err := store.Open(ctx, cfg)
		if err == nil {
			if _, err = s.Records(ctx, d.topic); err == nil {
				return s, nil
			}
			s.Close()
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func setting(env env, name, otherwise string) string {
	if value := env.getenv(name); value != "" {
		return value
	}
	return otherwise
}

func (d *demonstration) await(ctx context.Context, s *store.Store, records uint64) error {
	for {
		n, err := s.Records(ctx, d.topic)
		if err == nil && n >= records {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d records are in ClickHouse, and time is over: %w", n, records, errors.Join(err, ctx.Err()))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// compare checks every count against the load generator's.
func (d *demonstration) compare(ctx context.Context, s *store.Store, cfg loadgen.Config, sent loadgen.Sent) error {
	catalogs, err := catalog.Open("")
	if err != nil {
		return err
	}
	top, err := report.NewTop(ctx, s, catalogs, report.TopQuery{
		Scope: store.Scope{From: cfg.From, To: cfg.To, Topics: []string{d.topic}}, By: []string{"tenant", "code"}, Limit: 1_000_000})
	if err != nil {
		return err
	}
	reasons, err := s.DeadLetters(ctx, d.topic)
	if err != nil {
		return err
	}
	tenants, err := s.Requests(ctx, d.topic)
	if err != nil {
		return err
	}
	codes := map[string]int{}
	for _, r := range top.Rows {
		codes[r.Tenant+" "+r.Code] = int(r.Errors)
	}
	wanted := map[string]int{}
	for c, n := range sent.Codes {
		wanted[c.Tenant+" "+c.Code] = n
	}
	differs := false
	check := func(what string, want, got map[string]int) {
		differs = diff(d.env.stderr, what, want, got) || differs
	}
	check("requests and errors", map[string]int{"requests": sent.Requests, "requests with errors": sent.ErrorRequests, "errors": sent.Errors},
		map[string]int{"requests": int(top.Requests), "requests with errors": int(top.ErrorRequests), "errors": int(top.Errors)})
	check("requests by tenant", sent.Tenants, tenants)
	check("errors by tenant and code", wanted, codes)
	check("dead letters by reason", sent.Reasons, reasons)
	if differs {
		return cli.Findings("what was counted differs from what was sent")
	}
	fmt.Fprintf(d.env.stdout, "\ncounted = sent: %s; the same for each of %d tenants, %d pairs of tenant and code, %d reasons of dead letters\n",
		describe(sent), len(sent.Tenants), len(sent.Codes), len(sent.Reasons))
	return nil
}

// diff prints the differences and reports whether there are any.
func diff(w io.Writer, what string, want, got map[string]int) bool {
	all := maps.Clone(want)
	maps.Copy(all, got)
	differs := false
	for key := range all {
		if want[key] != got[key] {
			fmt.Fprintf(w, "%s: %s: sent %d, counted %d\n", what, key, want[key], got[key])
			differs = true
		}
	}
	return differs
}
