package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"errata/internal/accesslog"
	"errata/internal/cli"
	"errata/internal/delivery"
	"errata/internal/store"
)

func newDeadLetters(env *environment) *cobra.Command {
	return cli.Group("deadletters", "The records that could not be used", newListDeadLetters(env), newReplayDeadLetters(env))
}

func newReplayDeadLetters(env *environment) *cobra.Command {
	var f selectionFlags
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Re-parse their batches with today's parser and settings",
		Example: "ingest deadletters replay --since 24h --reason unknown_format\n" +
			"ingest deadletters replay --at gateway-logs/3/1550",
		Args: cli.Arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			sel, err := f.selection()
			if err != nil {
				return err
			}
			return env.replay(cmd, false, func(ctx context.Context, r *delivery.Replay) (*delivery.Replayed, error) {
				sel.Topics = r.Kafka.Topics()
				return r.DeadLetters(ctx, sel)
			})
		},
	}
	f.register(cmd)
	return cmd
}

// mostDeadLetters is how many are listed at most: all are held in memory, with up to 1 KiB each.
const mostDeadLetters = 100_000

func newListDeadLetters(env *environment) *cobra.Command {
	var (
		f      selectionFlags
		limit  int
		output *cli.Chosen[[]deadLetterRow]
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List them",
		Long:  "List the records that could not be used, the newest first, and say why each reason happens and what to do.",
		Example: "ingest deadletters list --since 24h --reason malformed,truncated\n" +
			"ingest deadletters list --at gateway-logs/3/1550 --output json",
		Args: cli.Arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			sel, err := f.selection()
			if err != nil {
				return err
			}
			if limit < 1 || limit > mostDeadLetters {
				return fmt.Errorf("--limit %d: give 1 to %d", limit, mostDeadLetters)
			}
			rows, total, err := env.deadLetters(cmd, sel, limit)
			if err != nil {
				return err
			}
			if err := output.Write(rows, cmd.OutOrStdout()); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%d of %d dead letters\n", len(rows), total)
			return nil
		},
	}
	f.register(cmd)
	cmd.Flags().IntVar(&limit, "limit", 20, "list at most `n`, the newest first")
	output = deadLetterOutputs.Flag(cmd.Flags())
	return cmd
}

func (env *environment) deadLetters(cmd *cobra.Command, sel store.Selection, limit int) (rows []deadLetterRow, total uint64, err error) {
	p, err := env.load(cmd.ErrOrStderr())
	if err != nil {
		return nil, 0, err
	}
	defer p.close()
	sel.Topics = p.cfg.Kafka.Topics
	if p.store, err = store.Open(cmd.Context(), p.cfg.ClickHouse); err != nil {
		return nil, 0, p.cfg.Located(err)
	}
	list, total, err := p.store.DeadLetterList(cmd.Context(), sel, limit)
	for _, d := range list {
		at := cli.Timestamp{Time: d.Time}
		if at.Unix() == 0 { // unknown
			at = cli.Timestamp{}
		}
		rows = append(rows, deadLetterRow{at, d.Reason, d.Topic, d.Partition, d.Offset, d.Index, d.Sample})
	}
	return rows, total, err
}

// selectionFlags are the flags that select dead letters.
type selectionFlags struct {
	reasons string
	since   cli.Time
	at      placeFlag
}

func (f *selectionFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.reasons, "reason", "", "only dead letters of these `reasons`, separated by commas")
	f.since.Flag(cmd.Flags(), "since", "", "only those since this time, by Kafka's time")
	cmd.Flags().Var(&f.at, "at", "only the record at this `topic/partition/offset`")
}

// selection returns what the flags select, of no topics yet.
func (f selectionFlags) selection() (store.Selection, error) {
	sel := store.Selection{Since: f.since.At(time.Now(), time.UTC), At: f.at.place}
	for reason := range strings.SplitSeq(f.reasons, ",") {
		if reason = strings.TrimSpace(reason); reason == "" {
			continue
		}
		if !slices.Contains(accesslog.Reasons, accesslog.Reason(reason)) {
			return sel, fmt.Errorf("--reason %q: give some of %s", reason, reasonList())
		}
		sel.Reasons = append(sel.Reasons, reason)
	}
	return sel, nil
}

func reasonList() string {
	var names []string
	for _, r := range accesslog.Reasons {
		names = append(names, string(r))
	}
	return strings.Join(names, ", ")
}

// deadLetterRow is a dead letter in the output.
type deadLetterRow struct {
	Time      cli.Timestamp `json:"time"`
	Reason    string        `json:"reason"`
	Topic     string        `json:"topic"`
	Partition int           `json:"partition"`
	Offset    int64         `json:"offset"`
	Index     int           `json:"index"`
	Sample    string        `json:"sample"`
}

var deadLetterOutputs = cli.Outputs[[]deadLetterRow]{{Name: "table", Write: deadLetterTable}, {Name: "json", Write: deadLetterLines}}

// deadLetterTable writes the dead letters, and below them why each reason happens and what to do.
func deadLetterTable(rows []deadLetterRow, w io.Writer) error {
	table := cli.Table{Columns: []cli.Column{{Name: "time", Spare: 2}, {Name: "reason"}, {Name: "at"}, {Name: "index", Number: true, Spare: 1}, {Name: "sample", Prose: true}}}
	found := map[accesslog.Reason]bool{}
	for _, d := range rows {
		sample := []rune(cli.OneLine(d.Sample))
		if len(sample) > 80 {
			sample = append(sample[:79], '…')
		}
		table.Rows = append(table.Rows, []string{d.Time.String(), d.Reason, fmt.Sprintf("%s/%d/%d", d.Topic, d.Partition, d.Offset), strconv.Itoa(d.Index), string(sample)})
		found[accesslog.Reason(d.Reason)] = true
	}
	if err := table.Text(w); err != nil {
		return err
	}
	lead := "\n"
	for _, reason := range accesslog.Reasons {
		if !found[reason] {
			continue
		}
		fmt.Fprint(w, lead)
		if err := cli.Paragraph(w, string(reason)+": ", reasons[reason]); err != nil {
			return err
		}
		lead = ""
	}
	return nil
}

// deadLetterLines writes one JSON object per line.
func deadLetterLines(rows []deadLetterRow, w io.Writer) error {
	for _, d := range rows {
		if err := cli.JSONLine(d, w); err != nil {
			return err
		}
	}
	return nil
}
