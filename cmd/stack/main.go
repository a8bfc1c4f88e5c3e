// Command stack runs a real ClickHouse and a Kafka broker on this machine, without containers.
//
//	stack up        starts both, on fixed ports, until Ctrl-C
//	stack demo      starts both, sends sample traffic, ingests and reports it (`make run`)
//	stack traffic   sends sample traffic to a topic
//	stack clean     removes the sample that a demo wrote to servers that it did not start
//	stack fetch     fetches the ClickHouse library and prints its path
//
// The data are in .errata, and the next `stack up` continues with them.
//
// Sample data must never get among real data, so no command reads config.yaml or the ERRATA_
// variables, which name real servers. A server that is already running is used only if
// --external-kafka or --external-clickhouse names it (external.go).
//
// Results go to standard output, everything else to standard error. Exit codes: 0 fine, 1 the
// demo's counts are wrong, 2 wrong use, a missing part, a port or folder in use, 3 a server cannot
// be reached or its connection breaks.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"errata/internal/cli"
	"errata/internal/stack"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// An env is what a command gets from its process.
type env struct {
	stdout, stderr io.Writer
	log            *slog.Logger // to stderr
}

// A command returns nil, or an error that [cli.Exit] prints.
type command struct {
	name    string
	summary string // one line for the list
	run     func(ctx context.Context, env env, args []string) error
}

var commands = []command{
	{"up", "start ClickHouse and Kafka, until Ctrl-C", up},
	{"demo", "start both, send sample traffic, ingest and report it", demo},
	{"traffic", "send sample traffic to a topic and print its counts", sendTraffic},
	{"clean", "remove the sample that a demo wrote to servers that it did not start", clean},
	{"fetch", "fetch the ClickHouse library and print its path", fetch},
}

func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		usage(stderr)
		return cli.WrongUse
	}
	if args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		usage(stdout)
		return cli.Fine
	}
	// Not in the list: the process that ClickHouse runs in. The stack starts it itself, and it
	// handles signals in its own way.
	if args[0] == stack.HostCommand {
		return stack.Host(args[1:])
	}
	for _, c := range commands {
		if c.name != args[0] {
			continue
		}
		err := c.run(cli.Interruptible(), env{stdout, stderr, slog.New(slog.NewTextHandler(stderr, nil))}, args[1:])
		return cli.Exit("stack "+c.name, err, stderr)
	}
	fmt.Fprintf(stderr, "stack: there is no command %q\n", args[0])
	usage(stderr)
	return cli.WrongUse
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "usage: stack COMMAND [FLAGS]; stack COMMAND -h lists the flags")
	for _, c := range commands {
		fmt.Fprintf(w, "  %-8s %s\n", c.name, c.summary)
	}
}

// wrongUse is an error that the flag package has printed already.
type wrongUse struct{}

func (wrongUse) Error() string { return "" }

// parse parses the flags of a command that takes no other arguments.
func parse(f *flag.FlagSet, env env, args []string) error {
	f.SetOutput(env.stderr)
	err := f.Parse(args)
	if err == nil && f.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", f.Arg(0))
		fmt.Fprintf(env.stderr, "stack %s: %v\n", f.Name(), err)
	}
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return err
	}
	return wrongUse{}
}

// stackFlags are the flags of every command that starts the stack.
func stackFlags(f *flag.FlagSet, env env) *stack.Config {
	cfg := &stack.Config{Progress: env.stderr, Log: env.log}
	f.StringVar(&cfg.Dir, "dir", ".errata", "folder for the data of both servers")
	f.StringVar(&cfg.Kafka, "kafka", "127.0.0.1:9092", "where Kafka listens; port 0 takes a free one")
	f.StringVar(&cfg.ClickHouse, "clickhouse", "127.0.0.1:9000", "where ClickHouse listens for its native protocol")
	f.StringVar(&cfg.HTTP, "http", "127.0.0.1:8123", "where ClickHouse listens for HTTP")
	return cfg
}

func up(ctx context.Context, env env, args []string) error {
	f := flag.NewFlagSet("up", flag.ContinueOnError)
	cfg := stackFlags(f, env)
	var create topics
	f.Var(&create, "topic", "create this topic, `NAME[:PARTITIONS]`; may be repeated (default "+defaultTopics().String()+")")
	if err := parse(f, env, args); err != nil {
		return err
	}
	if create == nil {
		create = defaultTopics()
	}
	s, err := stack.Up(ctx, *cfg)
	if err != nil {
		if ctx.Err() != nil {
			return nil // Ctrl-C while starting: what was up is down again
		}
		return err
	}
	if err := create.create(ctx, s.Brokers); err != nil {
		return errors.Join(err, stop(ctx, s))
	}
	fmt.Fprintf(env.stderr, "Kafka       %s\n", strings.Join(s.Brokers, ","))
	fmt.Fprintf(env.stderr, "ClickHouse  %s", s.ClickHouseAddr)
	if s.ClickHouseHTTP != "" {
		fmt.Fprintf(env.stderr, " (HTTP %s)", s.ClickHouseHTTP)
	}
	fmt.Fprintf(env.stderr, "\nTopics      %s\n", create.String())
	fmt.Fprintln(env.stderr, "Settings for the other commands, for another terminal:")
	fmt.Fprintf(env.stdout, "export ERRATA_KAFKA_BROKERS=%s ERRATA_KAFKA_TOPICS=%s ERRATA_CLICKHOUSE_ADDR=%s\n",
		strings.Join(s.Brokers, ","), create.names(), s.ClickHouseAddr)
	fmt.Fprintf(env.stderr, "up, with the data in %s; Ctrl-C stops\n", cfg.Dir)

	<-ctx.Done()
	fmt.Fprintln(env.stderr, "stopping")
	return stop(ctx, s)
}

// stop stops the stack, even when ctx has ended.
func stop(ctx context.Context, s *stack.Stack) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	return s.Stop(ctx)
}

func fetch(ctx context.Context, env env, args []string) error {
	if err := parse(flag.NewFlagSet("fetch", flag.ContinueOnError), env, args); err != nil {
		return err
	}
	path, err := stack.Library(ctx, env.stderr)
	if err == nil {
		fmt.Fprintln(env.stdout, path)
	}
	return err
}
