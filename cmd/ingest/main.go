// Command ingest reads gateway access logs from Kafka, finds the error envelopes in
// their response bodies, joins them with the catalogs and writes them to ClickHouse.
//
//	ingest run                 consume until SIGINT or SIGTERM
//	ingest check               look at the configuration, the catalogs and both servers, then exit
//	ingest audit               prove per partition that every offset up to the committed one is counted, once
//	ingest replay              parse what Kafka has of a time anew, with today's parser and mapping
//	ingest deadletters list    show the records that could not be used
//	ingest deadletters replay  parse them anew, with today's parser and mapping
//	ingest detect              show which formats a sample of log records is in, which fields it has, and what is missing
//	ingest parse               show what would be found in log records of a file or of standard input
//
// Results go to standard output, everything else to standard error. It exits with 0 when all is
// well, 1 on findings, 2 on wrong use or settings, 3 when a server cannot be reached at start.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"errata/internal/config"
	"errata/internal/delivery"
	"errata/internal/enrich"
	"errata/internal/link"
	"errata/internal/store"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// Exit codes.
const (
	exitFine        = 0
	exitFindings    = 1
	exitUsage       = 2
	exitUnreachable = 3
)

// newRoot makes the commands. What they say goes to the writers of the invocation.
func newRoot(inv *invocation) *cobra.Command {
	root := &cobra.Command{
		Use:           "ingest",
		Short:         "Reads gateway access logs from Kafka, finds the errors in their response bodies, and writes them to ClickHouse",
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          needsCommand,
	}
	root.SetIn(inv.stdin)
	root.SetOut(inv.stdout)
	root.SetErr(inv.stderr)
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentFlags().StringVar(&inv.configFile, "config", "", "configuration `file` (default: config.yaml in the working directory, if it is there)")

	run := inv.command("run", "consume until SIGINT or SIGTERM", runConsumer)
	check := inv.command("check", "look at the configuration, the catalogs and both servers, then exit", runCheck)
	check.Flags().StringVar(&inv.sample, "sample", "", "`file` of log records, one a line, to show the mapping of first, as detect does")
	audit := inv.command("audit", "prove per partition that every offset up to the committed one is counted, once", runAudit)
	inv.outputFlag(audit)
	inv.audit.register(audit.Flags())
	replay := inv.command("replay", "parse what Kafka has of a time anew, with today's parser and mapping", runReplay)
	replay.Flags().StringVar(&inv.from, "from", "", "only records that Kafka stamped at or after this `time`: 24h ago, given as 24h, or 2026-11-02T15:04:05Z")
	replay.Flags().StringVar(&inv.to, "to", "", "only records that Kafka stamped before this `time`")
	replay.Flags().StringVar(&inv.selection.at, "at", "", "only the batch, or the hole, at `topic/partition/offset`")
	replay.Flags().BoolVar(&inv.all, "all", false, "all that Kafka has")
	replay.Flags().BoolVar(&inv.force, "force", false, "also what this parser and mapping have made: repairs tables that audit found damaged")

	deadLetters := &cobra.Command{Use: "deadletters", Short: "the records that could not be used", RunE: needsCommand}
	list := inv.command("list", "show them", runListDeadLetters)
	inv.selectionFlags(list)
	inv.outputFlag(list)
	list.Flags().IntVar(&inv.limit, "limit", 20, "show `n` at most, the newest first")
	replayDeadLetters := inv.command("replay", "parse them anew, with today's parser and mapping", runReplayDeadLetters)
	inv.selectionFlags(replayDeadLetters)
	deadLetters.AddCommand(list, replayDeadLetters)

	detect := inv.command("detect [FILE]", "show which formats log records, one a line, of FILE or standard input are in, which fields they have, and what is missing", runDetect)
	inv.outputFlag(detect)
	parse := inv.command("parse [FILE]", "show what would be found in log records, one a line, of FILE or standard input", runParse)
	parse.Flags().StringVar(&inv.format, "format", "", "log `format` of the records: auto or a name (default: ingest.format)")
	root.AddCommand(run, check, audit, replay, deadLetters, detect, parse)
	return root
}

// command makes one that takes a FILE if its use says so, and no other arguments.
func (inv *invocation) command(use, short string, run func(context.Context, *invocation) error) *cobra.Command {
	args := cobra.NoArgs
	if strings.HasSuffix(use, "[FILE]") {
		args = cobra.MaximumNArgs(1)
	}
	return &cobra.Command{Use: use, Short: short, Args: args, RunE: func(cmd *cobra.Command, args []string) error {
		inv.args = args
		return run(cmd.Context(), inv)
	}}
}

// needsCommand is what a command does that only has others under it.
func needsCommand(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
	}
	cmd.SetOut(cmd.ErrOrStderr())
	return errors.Join(cmd.Usage(), fmt.Errorf("%s needs a command", cmd.CommandPath()))
}

func (inv *invocation) outputFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&inv.output, "output", "table", "table or json")
}

// invocation is one call of a command.
type invocation struct {
	configFile string
	format     string
	output     string
	sample     string
	audit      auditFlags
	selection  selectionFlags
	from, to   string
	limit      int
	all, force bool
	args       []string
	stdin      io.Reader
	stdout     io.Writer
	stderr     io.Writer
}

// run is the program without the process around it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot(&invocation{stdin: stdin, stdout: stdout, stderr: stderr})
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitFine
	}
	fmt.Fprintln(stderr, "ingest: "+strings.ReplaceAll(err.Error(), "\n", "\ningest: "))
	switch {
	case errors.As(err, new(findings)):
		return exitFindings
	case errors.Is(err, link.ErrRefused):
		return exitUsage
	case errors.Is(err, link.ErrUnreachable), errors.Is(err, io.EOF):
		return exitUnreachable
	}
	if broken := (*net.OpError)(nil); errors.As(err, &broken) && broken.Op != "listen" { // in the middle of it
		return exitUnreachable
	}
	return exitUsage
}

// findings is the error of a command that worked, and says what it found to be wrong.
type findings string

func (f findings) Error() string { return string(f) }

// open opens the one file that a command may be given, else standard input.
func (inv *invocation) open() (io.ReadCloser, error) {
	if len(inv.args) == 0 {
		return io.NopCloser(inv.stdin), nil
	}
	return os.Open(inv.args[0])
}

// moment reads a flag that names a time: a duration before now, or the time itself. It is zero for "".
func moment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		return now.Add(-ago), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, fmt.Errorf("%s is %q: give a duration such as 24h, or a time such as 2026-11-02T15:04:05Z", flag, text)
	}
	return at, nil
}

// parts are what run and check build, in the order in which data flows.
type parts struct {
	cfg       config.Config
	catalogs  *enrich.Catalogs
	processor *enrich.Processor
	kafka     *delivery.Kafka
	store     *store.Store
	log       *slog.Logger
}

// load makes the parts that need no server.
func (inv *invocation) load() (p parts, err error) {
	if p.cfg, err = config.Load(inv.configFile); err != nil {
		return p, err
	}
	p.log = slog.New(slog.NewTextHandler(inv.stderr, &slog.HandlerOptions{Level: p.cfg.Log.Level}))
	p.cfg.Kafka.TLS.Log, p.cfg.ClickHouse.TLS.Log = p.log, p.log
	if p.catalogs, err = enrich.Open(p.cfg.Catalogs.Dir); err != nil {
		return p, err
	}
	p.cfg.Ingest.Format = cmp.Or(inv.format, p.cfg.Ingest.Format)
	p.processor, err = enrich.NewProcessor(p.cfg.Ingest.Config, p.catalogs)
	return p, err
}

// build makes all parts from the configuration, and so checks everything but the consuming itself. It
// makes the database and its schema where they are missing.
func build(ctx context.Context, inv *invocation) (p parts, err error) {
	if p, err = inv.load(); err != nil {
		return p, err
	}
	// Both servers are asked at once, so that one answer tells of both. Awaited here.
	var asking sync.WaitGroup
	var storeErr error
	asking.Go(func() { p.store, storeErr = store.OpenAndMigrate(ctx, p.cfg.ClickHouse) })
	p.kafka, err = delivery.Connect(ctx, p.cfg.Kafka)
	asking.Wait()
	return p, errors.Join(err, storeErr)
}

// fingerprint names all that decides what rows a record makes, but for the catalogs.
func (p parts) fingerprint() string {
	f := p.processor.Fingerprint()
	if l := p.cfg.Ingest.Limits; l != config.DefaultLimits {
		f += fmt.Sprintf("-%d-%d", l.Tenants, l.Routes)
	}
	return f
}

func (p parts) close() {
	if p.store != nil {
		p.store.Close()
	}
	if p.kafka != nil {
		p.kafka.Close()
	}
}

func runCheck(ctx context.Context, inv *invocation) error {
	if inv.sample != "" {
		shown := *inv
		shown.args, shown.output = []string{inv.sample}, "table"
		if err := runDetect(ctx, &shown); err != nil {
			return fmt.Errorf("--sample: %w", err)
		}
		fmt.Fprintln(inv.stdout)
	}
	p, err := build(ctx, inv)
	defer p.close()
	if err != nil {
		return err
	}
	codes := 0
	for _, f := range p.catalogs.Families {
		codes += len(f.Codes)
	}
	fmt.Fprintf(inv.stdout, "catalogs    %d families, %d codes, version %s\n", len(p.catalogs.Families), codes, p.catalogs.Version)
	fmt.Fprintf(inv.stdout, "kafka       cluster %s at %s, topics %s, group %s\n", p.kafka.ClusterID, strings.Join(p.cfg.Kafka.Brokers, ","), strings.Join(p.cfg.Kafka.Topics, ","), p.cfg.Kafka.Group)
	fmt.Fprintf(inv.stdout, "clickhouse  %s, database %s\n", strings.Join(p.cfg.ClickHouse.Addr, ","), p.cfg.ClickHouse.Database)
	return nil
}
