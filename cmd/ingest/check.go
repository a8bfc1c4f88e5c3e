package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"errata/internal/cli"
	"errata/internal/store"
)

func newCheck(env *environment) *cobra.Command {
	var sample string
	var create bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration, the catalogs and both servers",
		Long: "Check the configuration, the catalogs and both servers, and say what is missing in ClickHouse. It only looks: " +
			"`ingest run` creates what is missing, and so does --create.",
		Example: "ingest check\n" +
			"ingest check --sample access.log\n" +
			"ingest check --create",
		Args: cli.Arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if sample != "" {
				if err := env.checkSample(cmd, sample); err != nil {
					return fmt.Errorf("--sample: %w", err)
				}
			}
			return env.check(cmd, create)
		},
	}
	cmd.Flags().StringVar(&sample, "sample", "", "first show, as detect does, how the log records in this `file` are mapped")
	cmd.Flags().BoolVar(&create, "create", false, "create the database and its schema, or update the schema")
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

// check builds everything that run does, and prints what it found. Without create it changes
// nothing.
func (env *environment) check(cmd *cobra.Command, create bool) error {
	p, err := env.load(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer p.close()
	var pending store.Pending
	err = p.connect(cmd.Context(), func(ctx context.Context, cfg store.Config) (_ *store.Store, err error) {
		if pending, err = store.Look(ctx, cfg); err != nil || !create {
			return nil, err
		}
		return store.OpenAndMigrate(ctx, cfg)
	})
	if err != nil {
		return err
	}
	codes := 0
	for _, f := range p.catalogs.Families {
		codes += len(f.Codes)
	}
	found := cli.Table{Columns: []cli.Column{{}, {Prose: true}}, Rows: [][]string{
		{"catalogs", fmt.Sprintf("%d families, %d codes, version %s", len(p.catalogs.Families), codes, p.catalogs.Version)},
		{"kafka", fmt.Sprintf("cluster %s at %s, topics %s, group %s", p.kafka.ClusterID, strings.Join(p.cfg.Kafka.Brokers, ","), strings.Join(p.cfg.Kafka.Topics, ","), p.cfg.Kafka.Group)},
		{"clickhouse", fmt.Sprintf("%s, database %s", strings.Join(p.cfg.ClickHouse.Addr, ","), p.cfg.ClickHouse.Database)},
		{"schema", schemaState(pending, create)},
	}}
	for _, missing := range []struct {
		what  string
		names []string
	}{{"migrations", pending.Migrations}, {"tables", pending.Tables}, {"views", pending.Views}} {
		if len(missing.names) > 0 {
			found.Rows = append(found.Rows, []string{missing.what, strings.Join(missing.names, ", ")})
		}
	}
	return found.Text(cmd.OutOrStdout())
}

// schemaState says what is missing, or was until now.
func schemaState(p store.Pending, create bool) string {
	switch {
	case p.UpToDate():
		return "up to date"
	case create && p.Database:
		return "created, with the database:"
	case create:
		return "created:"
	case p.Database:
		return "the database does not exist; `ingest run` or `ingest check --create` creates it and:"
	}
	if p.Empty() {
		return "the database is empty; `ingest run` or `ingest check --create` creates:"
	}
	return "not up to date; `ingest run` or `ingest check --create` creates:"
}
