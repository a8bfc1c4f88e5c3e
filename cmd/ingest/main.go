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
// well, 1 on findings, 2 on wrong use or settings, 3 when a server cannot be reached.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/spf13/cobra"

	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/config"
	"errata/internal/delivery"
	"errata/internal/enrich"
	"errata/internal/store"
)

func main() {
	os.Exit(run(cli.Interruptible(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the program without the process around it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return cli.Run(ctx, newRoot(), args, stdin, stdout, stderr)
}

func newRoot() *cobra.Command {
	root := cli.Root("ingest", "Reads gateway access logs from Kafka, finds the errors in their response bodies, and writes them to ClickHouse")
	env := &environment{}
	root.PersistentFlags().StringVar(&env.configFile, "config", "", "configuration `file` (default: config.yaml in the working directory, if it exists)")
	root.AddCommand(newRun(env), newCheck(env), newAudit(env), newReplay(env), newDeadLetters(env), newDetect(env), newParse(env))
	return root
}

// environment is what all commands have in common.
type environment struct{ configFile string }

// open opens the one file that a command may be given, else standard input.
func open(cmd *cobra.Command, args []string) (io.ReadCloser, error) {
	if len(args) == 0 {
		return io.NopCloser(cmd.InOrStdin()), nil
	}
	return os.Open(args[0])
}

// parts are what the commands build, in the order in which data flows.
type parts struct {
	cfg       config.Config
	catalogs  *catalog.Set
	processor *enrich.Processor
	kafka     *delivery.Kafka
	store     *store.Store
	log       *slog.Logger
}

// load makes the parts that need no server.
func (env *environment) load(stderr io.Writer) (parts, error) {
	cfg, err := config.Load(env.configFile)
	if err != nil {
		return parts{}, err
	}
	return assemble(cfg, stderr)
}

// assemble makes the parts that need no server from settings.
func assemble(cfg config.Config, stderr io.Writer) (p parts, err error) {
	p.cfg = cfg
	p.log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: cfg.Log.Level}))
	p.cfg.Kafka.TLS.Log, p.cfg.ClickHouse.TLS.Log = p.log, p.log
	if p.catalogs, err = catalog.Open(cfg.Catalogs.Dir); err != nil {
		return p, err
	}
	p.processor, err = enrich.NewProcessor(cfg.Ingest.Config, p.catalogs)
	return p, err
}

// build makes all parts, and so checks everything but the consuming itself. It creates the database and
// its schema where they are missing.
func (env *environment) build(ctx context.Context, stderr io.Writer) (p parts, err error) {
	if p, err = env.load(stderr); err != nil {
		return p, err
	}
	return p, p.connect(ctx, store.OpenAndMigrate)
}

// connect connects to Kafka and opens the store. It asks both servers at once, so that one answer tells
// of both.
func (p *parts) connect(ctx context.Context, openStore func(context.Context, store.Config) (*store.Store, error)) error {
	var asking sync.WaitGroup // awaited here
	var storeErr, kafkaErr error
	asking.Go(func() { p.store, storeErr = openStore(ctx, p.cfg.ClickHouse) })
	p.kafka, kafkaErr = delivery.Connect(ctx, p.cfg.Kafka)
	asking.Wait()
	return errors.Join(kafkaErr, storeErr)
}

// fingerprint names all that decides what rows a record makes, but for the catalogs.
func (p *parts) fingerprint() string {
	f := p.processor.Fingerprint()
	if l := p.cfg.Ingest.Limits; l != config.DefaultLimits {
		f += fmt.Sprintf("-%d-%d", l.Tenants, l.Routes)
	}
	return f
}

func (p *parts) close() {
	if p.store != nil {
		p.store.Close()
	}
	if p.kafka != nil {
		p.kafka.Close()
	}
}
