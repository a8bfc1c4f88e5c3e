// Command ingest reads access logs of API gateways from Kafka, finds the error envelopes in the
// response bodies, joins them with the catalogs, and writes the result to ClickHouse.
//
//	ingest run                 consumes until SIGINT or SIGTERM
//	ingest check               checks configuration, catalogs and both servers
//	ingest audit               proves that every committed offset is counted exactly once
//	ingest replay              re-parses records that Kafka still has
//	ingest deadletters list    lists the records that could not be used
//	ingest deadletters replay  re-parses their batches
//	ingest detect              shows formats and fields of log records, and what is missing
//	ingest parse               shows what Errata finds in log records
//	ingest ready               asks the running ingester whether it reads and stores records
//
// Each command has a file of its own. Package cli says where output goes and which exit code means
// what.
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
	root.AddCommand(newRun(env), newCheck(env), newAudit(env), newReplay(env), newDeadLetters(env), newDetect(env), newParse(env), newReady(env))
	return root
}

// environment is what the commands have in common.
type environment struct{ configFile string }

// open opens the file that the command was given, or standard input if there is none.
func open(cmd *cobra.Command, args []string) (io.ReadCloser, error) {
	if len(args) == 0 {
		return io.NopCloser(cmd.InOrStdin()), nil
	}
	if info, err := os.Stat(args[0]); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder: give a file", args[0])
	}
	return os.Open(args[0])
}

// parts is what the commands build, in the order in which data flows.
type parts struct {
	cfg       config.Config
	catalogs  *catalog.Set
	processor *enrich.Processor
	kafka     *delivery.Kafka
	store     *store.Store
	log       *slog.Logger
}

// load builds the parts that need no server.
func (env *environment) load(stderr io.Writer) (parts, error) {
	cfg, err := config.Load(env.configFile)
	if err != nil {
		return parts{}, err
	}
	return assemble(cfg, stderr)
}

// assemble builds the parts that need no server from the given settings.
func assemble(cfg config.Config, stderr io.Writer) (p parts, err error) {
	p.cfg = cfg
	p.log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: cfg.Log.Level}))
	p.cfg.Kafka.TLS.Log, p.cfg.ClickHouse.TLS.Log = p.log, p.log
	if p.catalogs, err = catalog.Open(cfg.Catalogs); err != nil {
		return p, cfg.Located(err)
	}
	p.processor, err = enrich.NewProcessor(cfg.Ingest.Config, p.catalogs)
	return p, err
}

// build builds all parts and so checks everything except the consuming itself. It creates the
// database and its schema if they are missing.
func (env *environment) build(ctx context.Context, stderr io.Writer) (p parts, err error) {
	if p, err = env.load(stderr); err != nil {
		return p, err
	}
	return p, p.connect(ctx, store.OpenAndMigrate)
}

// connect connects to Kafka and opens the store, both at the same time, so that one run reports
// what is wrong with either server.
func (p *parts) connect(ctx context.Context, openStore func(context.Context, store.Config) (*store.Store, error)) error {
	var opening sync.WaitGroup
	var storeErr, kafkaErr error
	opening.Go(func() { p.store, storeErr = openStore(ctx, p.cfg.ClickHouse) })
	p.kafka, kafkaErr = delivery.Connect(ctx, p.cfg.Kafka)
	opening.Wait()
	return p.cfg.Located(errors.Join(kafkaErr, storeErr))
}

// fingerprint identifies everything that decides which rows a record becomes, except the catalogs.
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
