package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"

	"errata/internal/delivery"
	"errata/internal/store"
)

// audited is the output of `ingest audit --output json`.
type audited struct {
	*delivery.AuditReport
	Verdict string `json:"verdict"`
}

// runAudit proves per partition that every offset is counted, and changes nothing.
func runAudit(ctx context.Context, inv *invocation) error {
	if inv.output != "table" && inv.output != "json" {
		return fmt.Errorf("--output is %q: give table or json", inv.output)
	}
	p, err := inv.load()
	if err != nil {
		return err
	}
	options, err := inv.audit.options(p.cfg.Kafka.Topics, time.Now())
	if err != nil {
		return err
	}
	// As build does, but the database must be there, and stays as it is.
	var asking sync.WaitGroup
	var storeErr error
	asking.Go(func() { p.store, storeErr = store.Open(ctx, p.cfg.ClickHouse) })
	p.kafka, err = delivery.Connect(ctx, p.cfg.Kafka)
	asking.Wait()
	defer p.close()
	if err := errors.Join(err, storeErr); err != nil {
		return err
	}
	report, err := delivery.Audit(ctx, p.kafka, p.store, p.processor, p.fingerprint(), options)
	if err != nil {
		return err
	}
	if options.Partition >= 0 && len(report.Partitions) == 0 {
		return fmt.Errorf("--partition is %d, and there is no such partition", options.Partition)
	}
	out := bufio.NewWriter(inv.stdout)
	if inv.output == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(audited{report, verdict(report, options.Since)})
	} else {
		printAudit(out, report, options.Since)
	}
	if err := errors.Join(err, out.Flush()); err != nil {
		return err
	}
	if n := len(report.Findings); n > 0 {
		return findings("audit: " + count(n, "finding"))
	}
	return nil
}

// auditFlags are the flags of the command as they were given.
type auditFlags struct {
	topic     string
	partition int
	since     string
	deep      bool
}

func (f *auditFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.topic, "topic", "", "only this `topic` of kafka.topics")
	flags.IntVar(&f.partition, "partition", -1, "only this partition, by its `number` (-1: all)")
	flags.StringVar(&f.since, "since", "", "only batches from the first one on that has requests since a `time`: 24h, or 2026-11-02T15:04:05Z")
	flags.BoolVar(&f.deep, "deep", false, "read again from Kafka what it still has, and compare what it makes")
}

func (f auditFlags) options(topics []string, now time.Time) (delivery.AuditOptions, error) {
	o := delivery.AuditOptions{Topic: f.topic, Partition: f.partition, Deep: f.deep}
	if f.topic != "" && !slices.Contains(topics, f.topic) {
		return o, fmt.Errorf("--topic is %q, which is none of kafka.topics (%s)", f.topic, strings.Join(topics, ", "))
	}
	if f.partition < -1 {
		return o, fmt.Errorf("--partition is %d: give a number from 0", f.partition)
	}
	var err error
	o.Since, err = moment("--since", f.since, now)
	return o, err
}

func printAudit(out io.Writer, r *delivery.AuditReport, since time.Time) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "topic\tpartition\tlog start\tstarts at\tcovered to\tcommitted\tin flight\tlog end\tlag\tbatches\trecords\trequests\terrors\tdead letters\tgaps\tfindings")
	for _, p := range r.Partitions {
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\t%s\t%s\t%d\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", p.Topic, p.Partition,
			known(p.LogStart), known(p.StartsAt), known(p.CoveredTo), known(p.Committed), p.InFlight, known(p.LogEnd), known(p.Lag),
			p.Batches, p.Records, p.Requests, p.Errors, p.DeadLetters, len(p.Gaps), p.Findings)
	}
	table.Flush()
	for _, p := range r.Partitions {
		for _, g := range p.Gaps {
			fmt.Fprintf(out, "gap: %s/%d: offsets %d to %d, recorded at %s: %s\n", g.Topic, g.Partition, g.FirstOffset, g.LastOffset, g.At.UTC().Format(timeLayout), g.Reason)
		}
	}
	for _, p := range r.Partitions {
		if d := p.Reread; d != nil {
			fmt.Fprintf(out, "read again: %s/%d: %s in %s%s%s\n", p.Topic, p.Partition, count(d.Records, "record"), count(d.Batches, "batch"),
				some(d.Gone, "Kafka no longer has all of %s"), some(d.OtherParser, "of %s only the records could be compared, since another version or mapping made them"))
		}
	}
	for _, f := range r.Findings {
		fmt.Fprintf(out, "finding: %s\n", f.Sentence)
	}
	fmt.Fprintln(out, verdict(r, since))
}

// known is a number, or a dash for one that is unknown.
func known(n *int64) string {
	if n == nil {
		return "-"
	}
	return fmt.Sprint(*n)
}

// some is a clause about a number of batches, and nothing when there are none.
func some(n uint64, clause string) string {
	if n == 0 {
		return ""
	}
	return "; " + fmt.Sprintf(clause, count(n, "batch"))
}

// verdict is the whole in one sentence.
func verdict(r *delivery.AuditReport, since time.Time) string {
	var sum delivery.AuditedPartition
	var gaps, missing int64
	covered := 0 // partitions with batches
	for _, p := range r.Partitions {
		if p.Batches > 0 {
			covered++
		}
		sum.Batches += p.Batches
		sum.Records += p.Records
		sum.Requests += p.Requests
		sum.Errors += p.Errors
		sum.DeadLetters += p.DeadLetters
		sum.Expired += p.Expired
		sum.InFlight += p.InFlight
		sum.InFlightOffsets += p.InFlightOffsets
		for _, g := range p.Gaps {
			gaps++
			missing += g.LastOffset - g.FirstOffset + 1
		}
	}
	var notes string
	if sum.InFlight > 0 {
		notes += fmt.Sprintf("; %s planned and not in yet (%s)", count(sum.InFlight, "batch"), count(sum.InFlightOffsets, "offset"))
	}
	if gaps > 0 {
		notes += fmt.Sprintf("; %s recorded (%s)", count(gaps, "gap"), count(missing, "offset"))
	}
	notes += some(sum.Expired, "%s older than a table keeps its rows, and compared without it")
	if n := len(r.Findings); n > 0 {
		return count(n, "finding") + notes
	}
	if sum.Batches == 0 {
		if !since.IsZero() {
			return "there is nothing to prove: no batch has a request since " + since.UTC().Format(timeLayout) + notes
		}
		return "there is nothing to prove: no batch is recorded" + notes
	}
	of := count(covered, "partition")
	if covered < len(r.Partitions) {
		of = fmt.Sprintf("%d of %d partitions; the others have no batch", covered, len(r.Partitions))
		if !since.IsZero() {
			of += " with a request since " + since.UTC().Format(timeLayout)
		}
	}
	except := ""
	if gaps > 0 {
		except = ", but for the recorded gaps"
	}
	return fmt.Sprintf("every offset up to the committed tail is counted%s: %s, %s, %s, %s in %s of %s%s", except,
		count(sum.Records, "record"), count(sum.Requests, "request"), count(sum.Errors, "error"), count(sum.DeadLetters, "dead letter"),
		count(sum.Batches, "batch"), of, notes)
}
