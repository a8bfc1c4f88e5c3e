// Command report makes summaries and alerts of what the ingester has written to ClickHouse.
//
//	report top            the most frequent error codes, with what they mean and what to do
//	report explain CODE   one code: its catalog entry, and who meets it now
//	report catalog list   the published codes; drift and re-enrich hold live data against them
//	report alert run      evaluate alert rules as the data comes in
//
// Results go to standard output, everything else to standard error. It exits with 0 when all is
// well, 1 on findings, 2 on wrong use or settings, 3 when a server cannot be reached.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // so that zones work where the system has none

	"github.com/spf13/cobra"

	"errata/internal/catalog"
	"errata/internal/config"
	"errata/internal/link"
	"errata/internal/store"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	root := newRoot()
	root.SetArgs(os.Args[1:])
	os.Exit(exitCode(root.ExecuteContext(ctx), root))
}

// errFindings says that a command did its work and found something that is not as it should be.
var errFindings = errors.New("findings")

func exitCode(err error, root *cobra.Command) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errFindings):
		return 1
	}
	fmt.Fprintln(root.ErrOrStderr(), "report:", err)
	if errors.Is(err, link.ErrUnreachable) {
		return 3
	}
	return 2
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "report",
		Short:         "Summaries and alerts of the errors that the ingester found",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	env := &environment{}
	root.PersistentFlags().StringVar(&env.file, "config", "", "configuration file (default: config.yaml in the working directory, if it is there)")
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(newTop(env), newExplain(env), newCatalog(env), newAlert(env))
	return root
}

// environment is what commands have in common: the settings, and what is opened from them when it is asked for.
type environment struct{ file string }

func (e *environment) config() (config.Config, error) { return config.Load(e.file) }

// log writes to a command's standard error.
func (e *environment) log(cmd *cobra.Command, cfg config.Config) *slog.Logger {
	return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: cfg.Log.Level}))
}

// open gives the store and the catalogs.
func (e *environment) open(ctx context.Context) (*store.Store, *catalog.Set, error) {
	cfg, err := e.config()
	if err != nil {
		return nil, nil, err
	}
	c, err := catalog.Open(cfg.Catalogs.Dir)
	if err != nil {
		return nil, nil, err
	}
	s, err := store.Open(ctx, cfg.ClickHouse)
	return s, c, err
}
