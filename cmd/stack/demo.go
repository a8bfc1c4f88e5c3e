package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/config"
	"errata/internal/loadgen"
	"errata/internal/report"
	"errata/internal/stack"
	"errata/internal/store"
)

const demoTimeout = 5 * time.Minute

func newDemo(stdout, stderr io.Writer) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Start both, send sample traffic, ingest and report it",
		Long: "Start both servers, send sample traffic, ingest it, and print the table of its top errors, whose counts are compared " +
			"with what was sent. Then stay up until Ctrl-C.",
		Example: "stack demo\n" +
			"stack demo --once --requests 5000\n" +
			"stack demo --external-kafka k1:9092 --external-clickhouse ch:9000",
		Args: cli.Arguments(0, 0),
	}
	cfg := stackFlags(cmd.Flags())
	var x external
	x.flags(cmd.Flags())
	var s sample
	s.flags(cmd.Flags())
	once := cmd.Flags().Bool("once", false, "stop after the report")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := errors.Join(s.validate(), x.validate()); err != nil {
			return err
		}
		cfg.ExternalKafka, cfg.ExternalClickHouse = x.kafka, x.clickhouse
		return demo(cmd, env{stdout, stderr}, *cfg, x, s, *once)
	}
	return cmd
}

// env is where a demo and the programs that it starts write.
type env struct{ stdout, stderr io.Writer }

// demo runs the main job on sample traffic:
//
//	stack.Up ─ sends traffic ─▶ Kafka ─▶ bin/ingest run ─▶ ClickHouse ─▶ bin/report top
//
// Each run has a topic of its own, so that its report covers only its own traffic, whatever the
// data folder contained before. The ingester and the report get a configuration file of the
// demo's own and none of the ERRATA_ variables: those and config.yaml are for real data.
func demo(cmd *cobra.Command, env env, cfg stack.Config, x external, s sample, once bool) error {
	ctx := cmd.Context()
	bin, err := siblings("ingest", "report")
	if err != nil {
		return err
	}
	servers, err := start(cmd, cfg)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := servers.Stop(ctx); err != nil {
			fmt.Fprintln(env.stderr, "stack:", err)
		}
	}()
	fmt.Fprintf(env.stderr, "Kafka at %s, ClickHouse at %s\n", strings.Join(servers.Brokers, ","), servers.ClickHouseAddr)

	d := &demonstration{env: env, bin: bin, servers: servers, topic: topicPrefix + time.Now().UTC().Format(topicTime), store: x.store(servers.ClickHouseAddr)}
	if err := stack.CreateTopic(ctx, servers.Brokers, d.topic, defaultPartitions); err != nil {
		return err
	}
	if err := d.configure(cfg.Dir, x.group()); err != nil {
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
	if err != nil || once || ctx.Err() != nil {
		if ctx.Err() != nil {
			return nil // Ctrl-C
		}
		return err
	}
	fmt.Fprint(env.stderr, d.nextCommands())
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
	store   store.Config // where the ingester writes
	config  string       // path of the configuration file of ingest and report
}

// configFile is the name of the demo's configuration file in the data folder.
const configFile = "demo.yaml"

// configure writes the configuration file.
func (d *demonstration) configure(dir, group string) (err error) {
	if d.config, err = filepath.Abs(filepath.Join(dir, configFile)); err != nil {
		return err
	}
	type values = map[string]any
	var text bytes.Buffer
	err = cli.YAML(values{
		"kafka": values{"brokers": d.servers.Brokers, "topics": []string{d.topic}, "group": group},
		"clickhouse": values{"addr": d.store.Addr, "database": d.store.Database,
			"username": d.store.Username, "password_file": d.store.PasswordFile},
		"http": values{"addr": "127.0.0.1:0"}, // a real ingester may have the usual port
	}, &text)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	if err := os.WriteFile(d.config, text.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the demo's configuration: %w", err)
	}
	return nil
}

// cleanEnvironment returns the environment without settings of ours, and the names of those that
// it left out.
func cleanEnvironment() (rest, settings []string) {
	for _, pair := range os.Environ() {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, config.EnvironmentPrefix) {
			settings = append(settings, name)
		} else {
			rest = append(rest, pair)
		}
	}
	slices.Sort(settings)
	return rest, settings
}

// nextCommands returns what a user can try next, to be copied into a terminal in the working
// directory.
func (d *demonstration) nextCommands() string {
	short := func(path string) string {
		if wd, err := os.Getwd(); err == nil {
			if relative, err := filepath.Rel(wd, path); err == nil && filepath.IsLocal(relative) {
				path = relative
			}
		}
		if strings.ContainsAny(path, " \t\"'$\\`&;|<>()*?[]#~!") {
			return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
		}
		return path
	}
	var b strings.Builder
	fmt.Fprintln(&b, "\nThe stack and the ingester stay up until Ctrl-C. In another terminal:")
	if _, settings := cleanEnvironment(); len(settings) > 0 {
		// They would override the file.
		fmt.Fprintln(&b, "  unset", strings.Join(settings, " "))
	}
	for _, c := range []struct{ program, args string }{
		{"report", "top --since 24h --by code"},
		{"report", "explain OSM.01010037"},
		{"report", "alert run --since 24h"},
		{"ingest", "audit"},
	} {
		fmt.Fprintf(&b, "  %s --config %s %s\n", short(d.bin[c.program]), short(d.config), c.args)
	}
	return b.String()
}

// command returns a command of one of our programs, configured by the demo's file alone.
func (d *demonstration) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(d.bin[name], append([]string{"--config", d.config}, args...)...)
	cmd.Env, _ = cleanEnvironment()
	cmd.Stdout, cmd.Stderr = d.env.stdout, d.env.stderr
	return cmd
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
	if err := d.awaitFresh(ctx, s); err != nil {
		return err
	}

	window := []string{"--topic", d.topic, "--from", cfg.From.Format(time.RFC3339), "--to", cfg.To.Format(time.RFC3339)}
	report := d.command("report", append([]string{"top", "--limit", "10"}, window...)...)
	if err := report.Run(); err != nil {
		return fmt.Errorf("report top: %w", err)
	}
	return d.compare(ctx, s, cfg, sent)
}

// awaitStore opens the database as soon as the ingester has created it.
func (d *demonstration) awaitStore(ctx context.Context) (*store.Store, error) {
	for {
		s, err := store.Open(ctx, d.store)
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

func (d *demonstration) await(ctx context.Context, s *store.Store, records uint64) error {
	for {
		n, err := s.Records(ctx, d.topic)
		if err == nil && n >= records {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("timed out when %d of %d records were in ClickHouse: %w", n, records, errors.Join(err, ctx.Err()))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// awaitFresh waits until the ingester has reported that it has read everything, which it does every
// few seconds. Otherwise the report would warn of a lag.
func (d *demonstration) awaitFresh(ctx context.Context, s *store.Store) error {
	for {
		fresh, err := report.NewFreshness(ctx, s, store.Scope{Topics: []string{d.topic}}, time.Now())
		if err == nil && fresh.Ingesters == report.Current {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the watermarks: %w", errors.Join(err, ctx.Err()))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// compare checks every count against the load generator's.
func (d *demonstration) compare(ctx context.Context, s *store.Store, cfg loadgen.Config, sent loadgen.Sent) error {
	catalogs, err := catalog.Open(catalog.Default)
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
