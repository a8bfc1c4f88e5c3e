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
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

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

// command is a word, or two, after the program's name.
type command struct {
	name, args, about string
	run               func(context.Context, *invocation) error
	flags             func(*invocation, *flag.FlagSet) // those beside --config; nil: none
}

var commands = []command{
	{"run", "", "consume until SIGINT or SIGTERM", runConsumer, nil},
	{"check", "", "look at the configuration, the catalogs and both servers, then exit", runCheck, func(inv *invocation, f *flag.FlagSet) {
		f.StringVar(&inv.sample, "sample", "", "`file` of log records, one a line, to show the mapping of first, as detect does")
	}},
	{"audit", "", "prove per partition that every offset up to the committed one is counted, once", runAudit, func(inv *invocation, f *flag.FlagSet) {
		inv.outputFlag(f)
		inv.audit.register(f)
	}},
	{"replay", "", "parse what Kafka has of a time anew, with today's parser and mapping", runReplay, func(inv *invocation, f *flag.FlagSet) {
		f.TextVar(&inv.from, "from", time.Time{}, "only records that Kafka stamped at or after this `time`, RFC 3339")
		f.TextVar(&inv.to, "to", time.Time{}, "only records that Kafka stamped before this `time`")
		f.StringVar(&inv.selection.at, "at", "", "only the batch, or the hole, at `topic/partition/offset`")
		f.BoolVar(&inv.force, "force", false, "also what this parser and mapping have made: repairs tables that audit found damaged")
	}},
	{"deadletters list", "", "show the records that could not be used", runListDeadLetters, func(inv *invocation, f *flag.FlagSet) {
		inv.selectionFlags(f)
		inv.outputFlag(f)
		f.IntVar(&inv.limit, "limit", 20, "show `n` at most, the newest first")
	}},
	{"deadletters replay", "", "parse them anew, with today's parser and mapping", runReplayDeadLetters, (*invocation).selectionFlags},
	{"detect", "[FILE]", "show which formats log records, one a line, of FILE or standard input are in, which fields they have, and what is missing", runDetect, (*invocation).outputFlag},
	{"parse", "[FILE]", "show what would be found in log records, one a line, of FILE or standard input", runParse, func(inv *invocation, f *flag.FlagSet) {
		f.StringVar(&inv.format, "format", "", "log `format` of the records: auto or a name (default: ingest.format)")
	}},
}

func (inv *invocation) outputFlag(f *flag.FlagSet) {
	f.StringVar(&inv.output, "output", "table", "table or json")
}

// invocation is one call of a command.
type invocation struct {
	configFile string
	format     string
	output     string
	sample     string
	audit      auditFlags
	selection  selectionFlags
	from, to   time.Time
	limit      int
	force      bool
	args       []string
	stdin      io.Reader
	stdout     io.Writer
	stderr     io.Writer
}

// run is the program without the process around it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 0 || slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]) {
		usage(stderr)
		if len(args) == 0 {
			return exitUsage
		}
		return exitFine
	}
	i := slices.IndexFunc(commands, func(c command) bool {
		words := strings.Fields(c.name)
		return len(args) >= len(words) && slices.Equal(words, args[:len(words)])
	})
	if i < 0 {
		fmt.Fprintf(stderr, "ingest: there is no command %q\n", strings.Join(args[:min(len(args), 2)], " "))
		usage(stderr)
		return exitUsage
	}
	c := commands[i]
	inv := &invocation{stdin: stdin, stdout: stdout, stderr: stderr}
	flags := flag.NewFlagSet("ingest "+c.name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&inv.configFile, "config", "", "configuration `file` (default: config.yaml in the working directory, if it is there)")
	if c.flags != nil {
		c.flags(inv, flags)
	}
	if err := flags.Parse(args[len(strings.Fields(c.name)):]); errors.Is(err, flag.ErrHelp) {
		return exitFine
	} else if err != nil {
		return exitUsage
	}
	if inv.args = flags.Args(); len(inv.args) > 0 && c.args == "" {
		fmt.Fprintf(stderr, "ingest %s: takes no arguments, and got %q\n", c.name, inv.args)
		return exitUsage
	}
	err := c.run(ctx, inv)
	switch {
	case err == nil:
		return exitFine
	}
	sentence := "ingest: " + strings.ReplaceAll(err.Error(), "\n", "\ningest: ")
	if errors.Is(err, link.ErrUnreachable) && !errors.Is(err, link.ErrRefused) {
		fmt.Fprintln(stderr, sentence)
		return exitUnreachable
	}
	fmt.Fprintln(stderr, sentence)
	if errors.Is(err, errFindings) {
		return exitFindings
	}
	return exitUsage
}

// errFindings is the error of a command that worked, and found that something is wrong.
var errFindings = errors.New("nothing found")

// open opens the one file that a command may be given, else standard input.
func (inv *invocation) open(command string) (io.ReadCloser, error) {
	switch len(inv.args) {
	case 0:
		return io.NopCloser(inv.stdin), nil
	case 1:
		return os.Open(inv.args[0])
	}
	return nil, fmt.Errorf("%s takes one file, and got %q", command, inv.args)
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "usage:")
	for _, c := range commands {
		fmt.Fprintf(w, "  %-40s %s\n", strings.TrimSpace("ingest "+c.name+" [--config FILE] "+c.args), c.about)
	}
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
