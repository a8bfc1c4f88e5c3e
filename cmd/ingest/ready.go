package main

import (
	"errors"

	"github.com/spf13/cobra"

	"errata/internal/cli"
	"errata/internal/config"
	"errata/internal/link"
	"errata/internal/monitor"
)

// newReady makes the command for health checks of containers whose image has no HTTP client.
func newReady(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "ready",
		Short: "Ask the ingester of this machine whether it reads and stores records",
		Long: "Ask /readyz of the ingester that serves at http.addr on this machine. Exit code 1: it does not read or store records, " +
			"and the reasons are printed. Exit code 3: no ingester answers.",
		Example: "ingest ready",
		Args:    cli.Arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(env.configFile)
			if err != nil {
				return err
			}
			if cfg.HTTP.Addr == "" {
				return errors.New("http.addr is empty, so no ingester can be asked: set it to an address such as 127.0.0.1:9464")
			}
			ready, answer, err := monitor.Probe(cmd.Context(), cfg.HTTP.Addr)
			if err != nil {
				return link.Unreachable("no ingester answers at http.addr %s (%s): is `ingest run` running?", cfg.HTTP.Addr, link.Cause(err))
			}
			if err := cli.Paragraph(cmd.OutOrStdout(), "", answer); err != nil {
				return err
			}
			if !ready {
				return cli.Findings("")
			}
			return nil
		},
	}
}
