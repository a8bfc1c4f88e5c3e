package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"errata/internal/cli"
	"errata/internal/delivery"
	"errata/internal/store"
)

func newAudit(env *environment) *cobra.Command {
	var f auditFlags
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Prove for each partition that every offset up to the committed one is counted exactly once",
		Example: "ingest audit\n" +
			"ingest audit --deep --since 24h\n" +
			"ingest audit --topic gateway-logs --partition 3 --output json",
		Args: cli.Arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return env.audit(cmd, f) },
	}
	f.output = auditOutputs.Flag(cmd.Flags())
	cmd.Flags().StringVar(&f.topic, "topic", "", "only this `topic` of kafka.topics")
	cmd.Flags().IntVar(&f.partition, "partition", -1, "only the partition with this `number` (-1: all)")
	f.since.Flag(cmd.Flags(), "since", "", "start with the first batch that has requests since this time")
	cmd.Flags().BoolVar(&f.deep, "deep", false, "also read the records that Kafka still has, and compare what they become with what is stored")
	return cmd
}

// audited is what the command writes: the report and its verdict.
type audited struct {
	*delivery.AuditReport
	Verdict string `json:"verdict"`
}

var auditOutputs = cli.Outputs[audited]{{Name: "table", Write: audited.table}, {Name: "json", Write: cli.JSON[audited]}}

// audit proves per partition that every offset is counted. It changes nothing.
func (env *environment) audit(cmd *cobra.Command, f auditFlags) error {
	p, err := env.load(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	options, err := f.options(p.cfg.Kafka.Topics, time.Now())
	if err != nil {
		return err
	}
	defer p.close()
	if err := p.connect(cmd.Context(), store.Open); err != nil { // which does not change the database
		return err
	}
	report, err := delivery.Audit(cmd.Context(), p.kafka, p.store, p.processor, p.fingerprint(), options)
	if err != nil {
		return err
	}
	if options.Partition >= 0 && len(report.Partitions) == 0 {
		return fmt.Errorf("--partition is %d: there is no such partition", options.Partition)
	}
	if err := f.output.Write(audited{report, verdict(report, options.Since)}, cmd.OutOrStdout()); err != nil {
		return err
	}
	if n := len(report.Findings); n > 0 {
		return cli.Findings("audit: " + cli.Count(n, "finding"))
	}
	return nil
}

// auditFlags are the flags of the command.
type auditFlags struct {
	output    *cli.Chosen[audited]
	topic     string
	partition int
	since     cli.Time
	deep      bool
}

func (f auditFlags) options(topics []string, now time.Time) (delivery.AuditOptions, error) {
	o := delivery.AuditOptions{Topic: f.topic, Partition: f.partition, Deep: f.deep, Since: f.since.At(now, time.UTC)}
	if f.topic != "" && !slices.Contains(topics, f.topic) {
		return o, fmt.Errorf("--topic is %q, which is none of kafka.topics (%s)", f.topic, strings.Join(topics, ", "))
	}
	if f.partition < -1 {
		return o, fmt.Errorf("--partition is %d: give a number from 0", f.partition)
	}
	return o, nil
}

// auditColumns are the columns of the table. On a narrow terminal the first to give way are those
// that matter least.
var auditColumns = []cli.Column{
	{Name: "topic"}, {Name: "partition", Number: true},
	{Name: "log start", Number: true, Spare: 1}, {Name: "starts at", Number: true, Spare: 2}, {Name: "covered to", Number: true}, {Name: "committed", Number: true},
	{Name: "in flight", Number: true, Spare: 3}, {Name: "log end", Number: true, Spare: 4}, {Name: "lag", Number: true},
	{Name: "batches", Number: true, Spare: 5}, {Name: "records", Number: true, Spare: 8}, {Name: "requests", Number: true, Spare: 7}, {Name: "errors", Number: true, Spare: 9},
	{Name: "dead letters", Number: true, Spare: 6}, {Name: "gaps", Number: true, Spare: 10}, {Name: "findings", Number: true},
}

func (r audited) table(out io.Writer) error {
	partitions := cli.Table{Columns: auditColumns}
	for _, p := range r.Partitions {
		partitions.Rows = append(partitions.Rows, []string{p.Topic, fmt.Sprint(p.Partition),
			known(p.LogStart), known(p.StartsAt), known(p.CoveredTo), known(p.Committed), fmt.Sprint(p.InFlight), known(p.LogEnd), known(p.Lag),
			fmt.Sprint(p.Batches), fmt.Sprint(p.Records), fmt.Sprint(p.Requests), fmt.Sprint(p.Errors), fmt.Sprint(p.DeadLetters), fmt.Sprint(len(p.Gaps)), fmt.Sprint(p.Findings)})
	}
	err := partitions.Text(out)
	for _, p := range r.Partitions {
		for _, g := range p.Gaps {
			err = errors.Join(err, cli.Paragraph(out, "gap: ", fmt.Sprintf("%s/%d: offsets %d to %d, recorded at %s: %s", g.Topic, g.Partition, g.FirstOffset, g.LastOffset, cli.Timestamp{Time: g.At}, g.Reason)))
		}
	}
	for _, p := range r.Partitions {
		if d := p.Reread; d != nil {
			err = errors.Join(err, cli.Paragraph(out, "read again: ", fmt.Sprintf("%s/%d: %s in %s%s%s", p.Topic, p.Partition, cli.Count(d.Records, "record"), cli.Count(d.Batches, "batch"),
				some(d.Gone, "Kafka no longer has all records of %s"), some(d.OtherParser, "of %s only the number of records could be compared, because another version or other settings wrote them"))))
		}
	}
	for _, f := range r.Findings {
		err = errors.Join(err, cli.Paragraph(out, "finding: ", f.Sentence))
	}
	return errors.Join(err, cli.Paragraph(out, "", r.Verdict))
}

// known returns a number, or a dash if it is unknown.
func known(n *int64) string {
	if n == nil {
		return "-"
	}
	return fmt.Sprint(*n)
}

// some returns a clause about a number of batches, "" if there are none.
func some(n uint64, clause string) string {
	if n == 0 {
		return ""
	}
	return "; " + fmt.Sprintf(clause, cli.Count(n, "batch"))
}

// verdict sums the report up in one sentence.
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
		notes += fmt.Sprintf("; %s planned but not stored yet (%s)", cli.Count(sum.InFlight, "batch"), cli.Count(sum.InFlightOffsets, "offset"))
	}
	if gaps > 0 {
		notes += fmt.Sprintf("; %s recorded (%s)", cli.Count(gaps, "gap"), cli.Count(missing, "offset"))
	}
	notes += some(sum.Expired, "%s past the retention of a table, and compared without it")
	if n := len(r.Findings); n > 0 {
		return cli.Count(n, "finding") + notes
	}
	if sum.Batches == 0 {
		if !since.IsZero() {
			return "there is nothing to prove: no batch has a request since " + cli.Timestamp{Time: since}.String() + notes
		}
		return "there is nothing to prove: no batch is recorded" + notes
	}
	of := cli.Count(covered, "partition")
	if covered < len(r.Partitions) {
		of = fmt.Sprintf("%d of %d partitions; the others have no batch", covered, len(r.Partitions))
		if !since.IsZero() {
			of += " with a request since " + cli.Timestamp{Time: since}.String()
		}
	}
	except := ""
	if gaps > 0 {
		except = ", except for the recorded gaps"
	}
	return fmt.Sprintf("every offset up to the committed tail is counted%s: %s, %s, %s, %s in %s of %s%s", except,
		cli.Count(sum.Records, "record"), cli.Count(sum.Requests, "request"), cli.Count(sum.Errors, "error"), cli.Count(sum.DeadLetters, "dead letter"),
		cli.Count(sum.Batches, "batch"), of, notes)
}
