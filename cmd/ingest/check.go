package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func newCheck(env *environment) *cobra.Command {
	var sample string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration, the catalogs and both servers",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if sample != "" {
				if err := env.checkSample(cmd, sample); err != nil {
					return fmt.Errorf("--sample: %w", err)
				}
			}
			return env.check(cmd)
		},
	}
	cmd.Flags().StringVar(&sample, "sample", "", "first show, as detect does, how the log records in this `file` are mapped")
	return cmd
}

func (env *environment) checkSample(cmd *cobra.Command, file string) error {
	d, err := env.detect(cmd, []string{file})
	if err != nil {
		return err
	}
	if err := d.table(cmd.OutOrStdout()); err != nil {
		return err
	}
	if err := d.finding(); err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout())
	return err
}

func (env *environment) check(cmd *cobra.Command) error {
	p, err := env.build(cmd.Context(), cmd.ErrOrStderr())
	defer p.close()
	if err != nil {
		return err
	}
	codes := 0
	for _, f := range p.catalogs.Families {
		codes += len(f.Codes)
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "catalogs    %d families, %d codes, version %s\n", len(p.catalogs.Families), codes, p.catalogs.Version)
	fmt.Fprintf(out, "kafka       cluster %s at %s, topics %s, group %s\n", p.kafka.ClusterID, strings.Join(p.cfg.Kafka.Brokers, ","), strings.Join(p.cfg.Kafka.Topics, ","), p.cfg.Kafka.Group)
	_, err = fmt.Fprintf(out, "clickhouse  %s, database %s\n", strings.Join(p.cfg.ClickHouse.Addr, ","), p.cfg.ClickHouse.Database)
	return err
}
