package chaos

import (
	"fmt"
	"strings"
	"testing"
)

// count compares what ClickHouse counts with what the loads' logs hold, to the last record.
func (r *rig) count(t *testing.T, loads ...*load) (records int) {
	t.Helper()
	var (
		errors, dead  = lines{}, lines{}                           // by their places
		traffic, sums = map[string][2]int{}, map[string]int{}      // by their keys
		batches       = map[partition][]held{}                     // all records, by partition
		total         struct{ requests, failed, errors, dead int } // of all
	)
	for _, l := range loads {
		for p, log := range l.readLog(t, r.direct()) {
			records += len(log)
			batches[partition{l.topic, p}] = log
			for _, h := range log {
				for _, d := range h.deadLetters {
					total.dead++
					dead.add(l.topic, p, h.offset, d.index, d.reason)
				}
				for _, q := range h.requests {
					total.requests++
					key := fmt.Sprint(q.tenant, "\t", q.minute.Unix(), "\t", q.status)
					sum := traffic[key]
					sum[0]++
					if len(q.codes) > 0 {
						total.failed++
						sum[1]++
					}
					traffic[key] = sum
					for envelope, code := range q.codes {
						total.errors++
						errors.add(l.topic, p, h.offset, q.index, envelope, q.tenant, q.minute.Unix(), code)
						sums[fmt.Sprint(q.tenant, "\t", q.minute.Unix(), "\t", code)]++
					}
				}
			}
		}
	}
	r.logf("Kafka holds %d records: %d requests, %d of them with errors, %d errors, %d dead letters", records, total.requests, total.failed, total.errors, total.dead)

	r.compare(t, "errors", errors, "SELECT topic, partition, offset, `index`, envelope, tenant, toUnixTimestamp(toStartOfMinute(ts)), code FROM errors")
	r.compare(t, "dead_letters", dead, "SELECT topic, partition, offset, `index`, reason FROM dead_letters")
	wantTraffic, wantSums := lines{}, lines{}
	for key, sum := range traffic {
		wantTraffic.add(key, sum[0], sum[1])
	}
	for key, n := range sums {
		wantSums.add(key, n)
	}
	r.compare(t, "traffic_minute", wantTraffic, "SELECT tenant, toUnixTimestamp(minute), status, sum(requests), sum(errors) FROM traffic_minute GROUP BY ALL")
	r.compare(t, "error_minute", wantSums, "SELECT tenant, toUnixTimestamp(minute), code, sum(errors) FROM error_minute GROUP BY ALL")
	r.compareTotals(t, fmt.Sprint(total.errors, "\t", total.errors), "SELECT count(), uniqExact(topic, partition, offset, `index`, envelope) FROM errors")
	r.compareTotals(t, fmt.Sprint(total.dead, "\t", total.dead), "SELECT count(), uniqExact(topic, partition, offset, `index`) FROM dead_letters")
	r.compareTotals(t, fmt.Sprint(total.requests, "\t", total.failed), "SELECT sum(requests), sum(errors) FROM traffic_minute")
	r.compareTotals(t, fmt.Sprint(total.errors), "SELECT sum(errors) FROM error_minute")
	r.compareTotals(t, fmt.Sprint(records, "\t", total.requests, "\t", total.errors, "\t", total.dead), "SELECT sum(records), sum(requests), sum(errors), sum(dead_letters) FROM batches")
	r.coverage(t, batches)
	return records
}

// lines are lines of a table and how often each comes.
type lines map[string]int

// add adds a line of columns, of which the first may be several already.
func (l lines) add(columns ...any) {
	var text []string
	for _, c := range columns {
		text = append(text, fmt.Sprint(c))
	}
	l[strings.Join(text, "\t")]++
}

// shown is how many differences are named.
const shown = 10

func (r *rig) compare(t *testing.T, name string, want lines, sql string) {
	t.Helper()
	answer, err := r.query(t.Context(), sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	got := lines{}
	for line := range strings.Lines(answer) {
		got[strings.TrimSuffix(line, "\n")]++
	}
	var missing, more int
	for line, n := range want {
		if n > got[line] {
			if missing++; missing <= shown {
				t.Errorf("%s: %d times instead of %d: %s", name, got[line], n, line)
			}
		}
	}
	for line, n := range got {
		if n > want[line] {
			if more++; more <= shown {
				t.Errorf("%s: %d times instead of %d: %s", name, n, want[line], line)
			}
		}
	}
	if missing+more > 0 {
		t.Errorf("%s: %d lines of %d are missing or too few, %d are too many", name, missing, len(want), more)
	}
}

func (r *rig) compareTotals(t *testing.T, want, sql string) {
	t.Helper()
	if got, err := r.query(t.Context(), sql); err != nil || got != want {
		t.Errorf("%s: got %q, want %q (%v)", sql, got, want, err)
	}
}

// coverage checks that the batches of each partition follow one another without hole or overlap,
// from the log's first record to its last, and that each counts the records it says it covers.
func (r *rig) coverage(t *testing.T, logs map[partition][]held) {
	t.Helper()
	answer, err := r.query(t.Context(), "SELECT topic, partition, first_offset, last_offset, epoch, records, requests, errors, dead_letters FROM batches ORDER BY topic, partition, first_offset")
	if err != nil {
		t.Fatal(err)
	}
	next, rest, wrong := map[partition]int64{}, map[partition][]held{}, 0
	for p, log := range logs {
		rest[p] = log
	}
	for line := range strings.Lines(answer) {
		var p partition
		var first, last, epoch int64
		var got, want [4]int
		if _, err := fmt.Sscan(line, &p.topic, &p.id, &first, &last, &epoch, &got[0], &got[1], &got[2], &got[3]); err != nil {
			t.Fatalf("batch %q: %v", line, err)
		}
		for len(rest[p]) > 0 && rest[p][0].offset <= last {
			h := rest[p][0]
			rest[p] = rest[p][1:]
			want[0]++
			want[1] += len(h.requests)
			for _, q := range h.requests {
				want[2] += len(q.codes)
			}
			want[3] += len(h.deadLetters)
		}
		if first != next[p] || got != want {
			if wrong++; wrong <= shown {
				t.Errorf("batch %v %d-%d of epoch %d: the one before ends at %d; records, requests, errors and dead letters are %v, and should be %v", p, first, last, epoch, next[p]-1, got, want)
			}
		}
		next[p] = last + 1
	}
	for p, log := range rest {
		if len(log) > 0 {
			t.Errorf("%v: %d records from offset %d on are in no batch", p, len(log), log[0].offset)
		}
	}
}
