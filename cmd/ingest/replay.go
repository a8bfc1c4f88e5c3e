package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"errata/internal/accesslog"
	"errata/internal/delivery"
	"errata/internal/store"
)

func runReplay(ctx context.Context, inv *invocation) error {
	now := time.Now()
	from, err := moment("--from", inv.from, now) // zero: no bound
	if err != nil {
		return err
	}
	to, err := moment("--to", inv.to, now)
	if err != nil {
		return err
	}
	if !to.IsZero() && !from.Before(to) {
		return fmt.Errorf("--from %s is not before --to %s", inv.from, inv.to)
	}
	at, err := place(inv.selection.at)
	switch {
	case err != nil:
		return err
	case at == nil && inv.from+inv.to == "" && !inv.all:
		return errors.New("say what: --from and --to, --at, or --all")
	case inv.all && (at != nil || inv.from+inv.to != ""):
		return errors.New("--all leaves no room for --from, --to and --at")
	case at != nil && inv.from+inv.to != "":
		return errors.New("--at names one place: leave --from and --to out")
	}
	return inv.replay(ctx, func(r *delivery.Replay) (*delivery.Replayed, error) {
		if at != nil {
			return r.At(ctx, *at)
		}
		return r.Between(ctx, from, to)
	})
}

func runReplayDeadLetters(ctx context.Context, inv *invocation) error {
	sel, err := inv.selection.selection()
	if err != nil {
		return err
	}
	return inv.replay(ctx, func(r *delivery.Replay) (*delivery.Replayed, error) {
		sel.Topics = r.Kafka.Topics()
		return r.DeadLetters(ctx, sel)
	})
}

// replay does one, and says what became of it. Batches that had to be left are findings.
func (inv *invocation) replay(ctx context.Context, do func(*delivery.Replay) (*delivery.Replayed, error)) error {
	p, err := build(ctx, inv)
	defer p.close()
	if err != nil {
		return err
	}
	if err := p.kafka.Claim(ctx, p.store); err != nil {
		return err
	}
	done, err := do(&delivery.Replay{Kafka: p.kafka, Store: p.store, Processor: p.processor, Fingerprint: p.fingerprint(), Force: inv.force, Log: p.log})
	if err != nil {
		return err
	}
	fmt.Fprintf(inv.stdout, "parsed anew: %s, %s (parser %s, epoch %d)\n", count(done.Batches, "batch"), count(done.Records, "record"), p.fingerprint(), done.Epoch)
	if done.Batches > 0 {
		fmt.Fprintf(inv.stdout, "  before: %d requests, %d errors, %d dead letters\n", done.Before.Requests, done.Before.Errors, done.Before.DeadLetters)
		fmt.Fprintf(inv.stdout, "  now:    %d requests, %d errors, %d dead letters\n", done.After.Requests, done.After.Errors, done.After.DeadLetters)
	}
	if done.Same > 0 {
		fmt.Fprintf(inv.stdout, "left alone: %s that this parser and mapping made already, and would make the same again\n", count(done.Same, "batch"))
	}
	for _, left := range done.Left {
		fmt.Fprintln(inv.stdout, "left as it is:", left)
	}
	if len(done.Left) > 0 {
		return findings(count(len(done.Left), "batch") + " could not be parsed anew")
	}
	return nil
}

// selectionFlags say which dead letters are meant.
type selectionFlags struct {
	reasons string
	since   string
	at      string
}

func (inv *invocation) selectionFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&inv.selection.reasons, "reason", "", "only dead letters of these `reasons`, with commas between them")
	f.StringVar(&inv.selection.since, "since", "", "only those from a `time` on, by Kafka's time: 24h, or 2026-11-02T15:04:05Z")
	f.StringVar(&inv.selection.at, "at", "", "only the record at `topic/partition/offset`")
}

// selection is what the flags say, of no topics yet.
func (f selectionFlags) selection() (sel store.Selection, err error) {
	for reason := range strings.SplitSeq(f.reasons, ",") {
		if reason = strings.TrimSpace(reason); reason == "" {
			continue
		}
		if !slices.Contains(accesslog.Reasons, accesslog.Reason(reason)) {
			return sel, fmt.Errorf("--reason %q is none of %v", reason, accesslog.Reasons)
		}
		sel.Reasons = append(sel.Reasons, reason)
	}
	if sel.Since, err = moment("--since", f.since, time.Now()); err != nil {
		return sel, err
	}
	sel.At, err = place(f.at)
	return sel, err
}

// place reads topic/partition/offset; nil for "".
func place(text string) (*store.Place, error) {
	if text == "" {
		return nil, nil
	}
	fields := strings.Split(text, "/")
	at := &store.Place{Topic: fields[0]}
	var err1, err2 error
	if len(fields) == 3 {
		at.Partition, err1 = strconv.Atoi(fields[1])
		at.Offset, err2 = strconv.ParseInt(fields[2], 10, 64)
	}
	if len(fields) != 3 || err1 != nil || err2 != nil {
		return nil, fmt.Errorf("--at %q: give topic/partition/offset, as `deadletters list` and `audit` show it", text)
	}
	return at, nil
}

func runListDeadLetters(ctx context.Context, inv *invocation) error {
	sel, err := inv.selection.selection()
	if err != nil {
		return err
	}
	if inv.limit < 1 {
		return fmt.Errorf("--limit is %d: give 1 at least", inv.limit)
	}
	p, err := inv.load()
	if err != nil {
		return err
	}
	defer func() { p.close() }()
	sel.Topics = p.cfg.Kafka.Topics
	if inv.output != "table" && inv.output != "json" {
		return fmt.Errorf("--output %q: give table or json", inv.output)
	}
	if p.store, err = store.Open(ctx, p.cfg.ClickHouse); err != nil {
		return err
	}
	list, total, err := p.store.DeadLetterList(ctx, sel, inv.limit)
	if err != nil {
		return err
	}
	if inv.output == "json" {
		lines := json.NewEncoder(inv.stdout)
		for _, d := range list {
			if err := lines.Encode(map[string]any{"time": when(d.Time), "reason": d.Reason, "topic": d.Topic, "partition": d.Partition, "offset": d.Offset, "index": d.Index, "sample": d.Sample}); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(inv.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TIME\tREASON\tAT\tINDEX\tSAMPLE")
	for _, d := range list {
		sample := []rune(strconv.Quote(d.Sample)) // quoted: it may hold anything
		if sample = sample[1 : len(sample)-1]; len(sample) > 80 {
			sample = append(sample[:79], '…')
		}
		fmt.Fprintf(w, "%s\t%s\t%s/%d/%d\t%d\t%s\n", when(d.Time), d.Reason, d.Topic, d.Partition, d.Offset, d.Index, string(sample))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(inv.stderr, "%d of %d dead letters\n", len(list), total)
	return nil
}

// when is a time in RFC 3339, "" for the one that stands for none.
func when(t time.Time) string {
	if t.Unix() == 0 {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
