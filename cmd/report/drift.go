package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"errata/internal/catalog"
	"errata/internal/store"
	"errata/internal/summary"
)

// toStdout is the value of --emit without one.
const toStdout = "-"

func newDrift(env *environment) *cobra.Command {
	var (
		window       window
		tenants      []string
		limit        int
		output, emit string
	)
	cmd := &cobra.Command{
		Use:   "drift",
		Short: "Where live traffic and the catalogs disagree",
		Long: "Where live traffic and the catalogs disagree: codes that no catalog lists, statuses and messages that are not the published\n" +
			"ones, codes that stopped, published codes never seen. Exits with 1 when there are unknown or changed codes.\n" +
			"--emit writes the beginnings of catalogs for the unknown ones, one document a family; --emit=DIR writes a file for each.",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && emit == toStdout { // --emit DIR
				emit = args[0]
				return nil
			}
			return cobra.NoArgs(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, to, err := window.resolve(time.Now())
			if err != nil {
				return err
			}
			if limit < 1 || limit > 100_000 {
				return fmt.Errorf("--limit %d: give 1 to 100000", limit)
			}
			if !slices.Contains(summary.DriftOutputs, output) {
				return fmt.Errorf("--output %q: give one of %s", output, strings.Join(summary.DriftOutputs, ", "))
			}
			s, catalogs, err := env.open(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			d, err := summary.NewDrift(cmd.Context(), s, catalogs, store.LiveQuery{From: from, To: to, Tenants: tenants})
			if err != nil {
				return err
			}
			if emit != "" {
				unknown := d.Unlisted()
				if cmd.Flags().Changed("limit") {
					unknown = unknown[:min(limit, len(unknown))]
				}
				err = emitStubs(cmd.OutOrStdout(), cmd.ErrOrStderr(), emit, catalog.Stubs(unknown, catalogs))
			}
			if emit != toStdout && err == nil {
				err = d.Render(cmd.OutOrStdout(), output, terminalWidth(cmd), limit)
			}
			if err == nil && d.Finding() {
				return errFindings
			}
			return err
		},
	}
	window.flags(cmd)
	since := cmd.Flags().Lookup("since")
	window.since, since.DefValue = "7d", "7d"
	cmd.Flags().StringSliceVar(&tenants, "tenant", nil, "only these tenants")
	cmd.Flags().IntVar(&limit, "limit", 20, "how many rows of each section at most, and of stubs where it is given")
	cmd.Flags().StringVar(&output, "output", "table", strings.Join(summary.DriftOutputs, ", "))
	cmd.Flags().StringVar(&emit, "emit", "", "write YAML stubs for the unknown codes to standard output instead, or to files of this folder")
	cmd.Flags().Lookup("emit").NoOptDefVal = toStdout
	return cmd
}

// emitStubs writes stubs to standard output as documents, or each into a file of a folder. A file that is there stays.
func emitStubs(out, told io.Writer, to string, stubs []catalog.Stub) error {
	if len(stubs) == 0 {
		fmt.Fprintln(told, "no unknown codes: no stubs")
	}
	if to == toStdout {
		for i, s := range stubs {
			if i > 0 {
				fmt.Fprintln(out, "---")
			}
			if _, err := io.WriteString(out, s.Text); err != nil {
				return err
			}
		}
		if len(stubs) > 1 {
			fmt.Fprintf(told, "%d families: each document is a file of its own; --emit=DIR writes them so\n", len(stubs))
		}
		return nil
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, s := range stubs {
		name := filepath.Join(to, s.File)
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return fmt.Errorf("--emit: %w: name a folder without it", err)
		}
		_, err = io.WriteString(f, s.Text)
		if closed := f.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return err
		}
		fmt.Fprintln(told, "wrote", name)
	}
	return nil
}
