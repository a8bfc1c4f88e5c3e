// Command stack runs a real ClickHouse and a Kafka broker on this machine, without containers.
//
//	stack up        starts both, on fixed ports, until Ctrl-C
//	stack demo      starts both, sends sample traffic, ingests and reports it (`make run`)
//	stack traffic   sends sample traffic to a topic
//	stack clean     removes from external servers the sample that a demo wrote there
//	stack fetch     fetches the ClickHouse library and prints its path
//
// The data are in .errata, and the next `stack up` continues with them.
//
// Sample data must never get among real data, so no command reads config.yaml or the ERRATA_
// variables, which name real servers. A server that is already running is used only if
// --external-kafka or --external-clickhouse names it (external.go).
//
// Package cli says where output goes and which exit code means what. Exit code 1 means that a demo
// counted wrongly.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"errata/internal/cli"
	"errata/internal/stack"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program without the process around it.
func run(args []string, stdout, stderr io.Writer) int {
	// Not a command of the tree: the process that ClickHouse runs in. The stack starts it itself,
	// and it handles signals in its own way.
	if len(args) > 0 && args[0] == stack.HostCommand {
		return stack.Host(args[1:])
	}
	return cli.Run(cli.Interruptible(), newRoot(stdout, stderr), args, os.Stdin, stdout, stderr)
}

// newRoot returns the program's command. The programs that a demo starts write to stdout and stderr
// as they are.
func newRoot(stdout, stderr io.Writer) *cobra.Command {
	root := cli.Root("stack", "Runs a real ClickHouse and a Kafka broker on this machine, without containers")
	root.Long = "Runs a real ClickHouse and a Kafka broker on this machine, without containers. No command reads config.yaml " +
		"or the ERRATA_ variables, which name real servers, so that sample data never get among real data."
	root.AddCommand(newUp(), newDemo(stdout, stderr), newTraffic(), newClean(), newFetch())
	return root
}

// stackFlags registers the flags of every command that starts the stack.
func stackFlags(f *pflag.FlagSet) *stack.Config {
	cfg := &stack.Config{}
	f.StringVar(&cfg.Dir, "dir", ".errata", "`folder` for the data of both servers")
	f.StringVar(&cfg.Kafka, "kafka", "127.0.0.1:9092", "`HOST:PORT` where Kafka listens; port 0 takes a free one")
	f.StringVar(&cfg.ClickHouse, "clickhouse", "127.0.0.1:9000", "`HOST:PORT` where ClickHouse listens for its native protocol")
	f.StringVar(&cfg.HTTP, "http", "127.0.0.1:8123", "`HOST:PORT` where ClickHouse listens for HTTP")
	return cfg
}

// start starts the stack, and says on the command's standard error how far it is.
func start(cmd *cobra.Command, cfg stack.Config) (*stack.Stack, error) {
	cfg.Progress, cfg.Log = cmd.ErrOrStderr(), slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
	return stack.Up(cmd.Context(), cfg)
}

func newUp() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start ClickHouse and Kafka, until Ctrl-C",
		Long: "Start ClickHouse and Kafka, until Ctrl-C. The topics are created, and the settings for the other commands " +
			"are printed to be copied into another terminal.",
		Example: "stack up\n" +
			"stack up --topic gateway-logs:8 --topic edge-logs\n" +
			"stack up --dir /var/tmp/errata --kafka 127.0.0.1:19092",
		Args: cli.Arguments(0, 0),
	}
	cfg := stackFlags(cmd.Flags())
	var create topics
	cmd.Flags().Var(&create, "topic", "create this topic, `NAME[:PARTITIONS]`; may be repeated (default "+defaultTopics().String()+")")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if create == nil {
			create = defaultTopics()
		}
		return up(cmd, *cfg, create)
	}
	return cmd
}

func up(cmd *cobra.Command, cfg stack.Config, create topics) error {
	ctx, stdout, stderr := cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	s, err := start(cmd, cfg)
	if err != nil {
		if ctx.Err() != nil {
			return nil // Ctrl-C while starting: what was up is down again
		}
		return err
	}
	if err := create.create(ctx, s.Brokers); err != nil {
		return errors.Join(err, stop(ctx, s))
	}
	fmt.Fprintf(stderr, "Kafka       %s\n", strings.Join(s.Brokers, ","))
	fmt.Fprintf(stderr, "ClickHouse  %s", s.ClickHouseAddr)
	if s.ClickHouseHTTP != "" {
		fmt.Fprintf(stderr, " (HTTP %s)", s.ClickHouseHTTP)
	}
	fmt.Fprintf(stderr, "\nTopics      %s\n", create.String())
	fmt.Fprintln(stderr, "Settings for the other commands, for another terminal:")
	fmt.Fprintln(stdout, cli.Printable(fmt.Sprintf("export ERRATA_KAFKA_BROKERS=%s ERRATA_KAFKA_TOPICS=%s ERRATA_CLICKHOUSE_ADDR=%s",
		strings.Join(s.Brokers, ","), create.names(), s.ClickHouseAddr)))
	fmt.Fprintf(stderr, "up, with the data in %s; Ctrl-C stops\n", cfg.Dir)

	<-ctx.Done()
	fmt.Fprintln(stderr, "stopping")
	return stop(ctx, s)
}

// stop stops the stack, even when ctx has ended.
func stop(ctx context.Context, s *stack.Stack) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	return s.Stop(ctx)
}

func newFetch() *cobra.Command {
	return &cobra.Command{
		Use:     "fetch",
		Short:   "Fetch the ClickHouse library and print its path",
		Example: "stack fetch",
		Args:    cli.Arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := stack.Library(cmd.Context(), cmd.ErrOrStderr())
			if err == nil {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), cli.Printable(path))
			}
			return err
		},
	}
}
