package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"errata/internal/cli"
	"errata/internal/delivery"
	"errata/internal/store"
)

func newReplay(env *environment) *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Re-parse records that Kafka still has, with today's parser and settings",
		Long: "Re-parse records that Kafka still has, with today's parser and settings: those of a window of Kafka's time " +
			"(--since, --from, --to), those of one batch or hole (--at), or all (--all). All results take effect in one step.",
		Example: "ingest replay --from 2026-11-02 --to 2026-11-03\n" +
			"ingest replay --at gateway-logs/3/1550\n" +
			"ingest replay --all",
		Args: cli.Arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.validate(); err != nil {
				return err
			}
			from, to, err := f.window.Resolve(time.Now())
			if err != nil {
				return err
			}
			return env.replay(cmd, f.force, func(ctx context.Context, r *delivery.Replay) (*delivery.Replayed, error) {
				if f.at.place != nil {
					return r.At(ctx, *f.at.place)
				}
				return r.Between(ctx, from, to)
			})
		},
	}
	f.window.Flags(cmd.Flags(), "")
	cmd.Flags().Var(&f.at, "at", "only the batch or hole at this `topic/partition/offset`")
	cmd.Flags().BoolVar(&f.all, "all", false, "all records that Kafka still has")
	cmd.Flags().BoolVar(&f.force, "force", false, "also records that this parser with these settings has parsed already, to repair tables that audit found damaged")
	return cmd
}

type replayFlags struct {
	window     cli.Window
	at         placeFlag
	all, force bool
}

func (f replayFlags) validate() error {
	switch at := f.at.place != nil; {
	case !at && !f.window.Given() && !f.all:
		return errors.New("nothing to replay is named: give --since, --from and --to, --at, or --all")
	case f.all && (at || f.window.Given()):
		return errors.New("--all cannot be combined with --since, --from, --to or --at")
	case at && f.window.Given():
		return errors.New("--at cannot be combined with --since, --from or --to")
	}
	return nil
}

// replay runs a replay and prints its result. Batches that could not be replayed are findings.
func (env *environment) replay(cmd *cobra.Command, force bool, do func(context.Context, *delivery.Replay) (*delivery.Replayed, error)) error {
	p, err := env.build(cmd.Context(), cmd.ErrOrStderr())
	defer p.close()
	if err != nil {
		return err
	}
	if err := p.kafka.Claim(cmd.Context(), p.store); err != nil {
		return err
	}
	done, err := do(cmd.Context(), &delivery.Replay{Kafka: p.kafka, Store: p.store, Processor: p.processor, Fingerprint: p.fingerprint(), Force: force, Log: p.log})
	if err != nil {
		return err
	}
	if err := writeReplayed(cmd.OutOrStdout(), done, p.fingerprint()); err != nil {
		return err
	}
	if len(done.Left) > 0 {
		return cli.Findings(cli.Count(len(done.Left), "batch") + " could not be replayed")
	}
	return nil
}

func writeReplayed(out io.Writer, done *delivery.Replayed, parser string) error {
	err := cli.Paragraph(out, "re-parsed: ", fmt.Sprintf("%s, %s (parser %s, epoch %d)", cli.Count(done.Batches, "batch"), cli.Count(done.Records, "record"), parser, done.Epoch))
	if done.Batches > 0 {
		counts := func(c delivery.Counts) string {
			return fmt.Sprintf("%d requests, %d errors, %d dead letters", c.Requests, c.Errors, c.DeadLetters)
		}
		err = errors.Join(err, cli.Paragraph(out, "  before: ", counts(done.Before)), cli.Paragraph(out, "  now:    ", counts(done.After)))
	}
	if done.Same > 0 {
		err = errors.Join(err, cli.Paragraph(out, "skipped: ", cli.Count(done.Same, "batch")+" that this parser with these settings has parsed already"))
	}
	for _, left := range done.Left {
		err = errors.Join(err, cli.Paragraph(out, "not replayed: ", left))
	}
	return err
}

// placeFlag is the value of a flag that names a record as topic/partition/offset.
type placeFlag struct{ place *store.Place }

// Set implements pflag.Value.
func (f *placeFlag) Set(text string) error {
	fields := strings.Split(text, "/")
	at := &store.Place{Topic: fields[0]}
	var err1, err2 error
	if len(fields) == 3 {
		at.Partition, err1 = strconv.Atoi(fields[1])
		at.Offset, err2 = strconv.ParseInt(fields[2], 10, 64)
	}
	if len(fields) != 3 || err1 != nil || err2 != nil {
		return errors.New("give topic/partition/offset, as `deadletters list` and `audit` print it")
	}
	f.place = at
	return nil
}

// String implements pflag.Value.
func (f *placeFlag) String() string {
	if f.place == nil {
		return ""
	}
	return fmt.Sprintf("%s/%d/%d", f.place.Topic, f.place.Partition, f.place.Offset)
}

// Type implements pflag.Value.
func (*placeFlag) Type() string { return "place" }
