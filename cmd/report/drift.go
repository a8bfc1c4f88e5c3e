package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/report"
	"errata/internal/store"
)

// toStdout is the value of --emit without one.
const toStdout = "-"

func newDrift(env *environment) *cobra.Command {
	var (
		window cli.Window
		scope  store.Scope
		limit  int
		emit   string
	)
	cmd := &cobra.Command{
		Use:   "drift",
		Short: "Show where live traffic and the catalogs disagree",
		Long: "Show where live traffic and the catalogs disagree: codes that no catalog lists, statuses and messages that differ from the " +
			"published ones, codes that stopped, and published codes that were never seen. Exit code 1: there are unknown or changed codes.\n" +
			"--emit drafts catalogs for the unknown codes, one document for each family; --emit=DIR writes a file for each.",
		Example: "report catalog drift --since 7d\n" +
			"report catalog drift --tenant acme --emit=drafts",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && emit == toStdout { // --emit DIR
				emit = args[0]
				return nil
			}
			return cli.Arguments(0, 0)(cmd, args)
		},
	}
	window.Flags(cmd.Flags(), "7d")
	tenantFlag(cmd.Flags(), &scope.Tenants)
	limitFlag(cmd.Flags(), &limit, "the greatest number of rows in each section and, if given, of codes in drafts")
	output := report.DriftOutputs.Flag(cmd.Flags())
	cmd.Flags().StringVar(&emit, "emit", "", "write catalog drafts for the unknown codes to standard output instead, or to files of this folder")
	cmd.Flags().Lookup("emit").NoOptDefVal = toStdout
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if scope.From, scope.To, err = window.Minutes(time.Now()); err != nil {
			return err
		}
		if err := checkLimit(limit); err != nil {
			return err
		}
		s, catalogs, err := env.open(cmd.Context())
		if err != nil {
			return err
		}
		defer s.Close()
		d, err := report.NewDrift(cmd.Context(), s, catalogs, scope)
		if err != nil {
			return err
		}
		if emit != "" {
			unknown := d.Unlisted()
			if cmd.Flags().Changed("limit") {
				unknown = unknown[:min(limit, len(unknown))]
			}
			if err := emitStubs(cmd.OutOrStdout(), cmd.ErrOrStderr(), emit, catalog.Stubs(unknown, catalogs)); err != nil {
				return err
			}
		}
		if emit != toStdout {
			if err := output.Write(d.Limited(limit), cmd.OutOrStdout()); err != nil {
				return err
			}
		}
		if err := missing(cmd.Context(), s, scope, report.Filter{}); err != nil {
			return err
		}
		if d.Finding() {
			return cli.Findings("")
		}
		return nil
	}
	return cmd
}

// emitStubs writes stubs to standard output, each as a YAML document, or each into a new file of a
// folder.
func emitStubs(stdout, stderr io.Writer, to string, stubs []catalog.Stub) error {
	if len(stubs) == 0 {
		fmt.Fprintln(stderr, "no unknown codes: no stubs")
	}
	if to == toStdout {
		for i, s := range stubs {
			if i > 0 {
				fmt.Fprintln(stdout, "---")
			}
			if _, err := io.WriteString(stdout, s.Text); err != nil {
				return err
			}
		}
		if len(stubs) > 1 {
			fmt.Fprintf(stderr, "%d families: each document is a file of its own; --emit=DIR writes these files\n", len(stubs))
		}
		return nil
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return fmt.Errorf("--emit: %w", err)
	}
	for _, s := range stubs {
		path, err := s.Create(to)
		switch {
		case errors.Is(err, fs.ErrExist):
			return fmt.Errorf("--emit: %w: name a folder without it", err)
		case err != nil:
			return fmt.Errorf("--emit: %w", err)
		}
		fmt.Fprintln(stderr, "wrote", path)
	}
	return nil
}
