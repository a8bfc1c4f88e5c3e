package store

import (
	"context"
	"time"

	"errata/internal/accesslog"
	"errata/internal/parse"
)

// Insert writes batches: all their rows first, then their rows in batches, then the switches to a
// later epoch, and last their rows in accepted. After any error the same batches are inserted
// again. A batch of a later epoch stays as it is if its day is sealed (seal.go).
func (s *Store) Insert(ctx context.Context, batches []*Batch) error {
	batches, err := s.unsealed(ctx, batches)
	if err != nil {
		return err
	}
	return firstError(
		func() error { return s.insert(ctx, batches) },
		func() error { return s.Switch(ctx, batches) },
		func() error { return acceptedTable.insert(ctx, s, gather(batches, once)) },
	)
}

func (s *Store) insert(ctx context.Context, batches []*Batch) error {
	return firstError(
		func() error {
			return errorTable.insert(ctx, s, gatherPages(batches, func(b *Batch) pages[errorRow] { return b.errors }))
		},
		func() error { return s.insertSums(ctx, batches) },
		func() error { return sightingTable.insert(ctx, s, gather(batches, (*Batch).codeRows)) },
		func() error {
			return deadLetterTable.insert(ctx, s, gather(batches, func(b *Batch) []deadLetterRow { return b.deadLetters }))
		},
		func() error {
			return auditTable.insert(ctx, s, gather(batches, func(b *Batch) []auditRow { return b.audits }))
		},
		func() error { return batchTable.insert(ctx, s, gather(batches, once)) },
	)
}

func firstError(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func gather[R any](batches []*Batch, rows func(*Batch) []R) []of[R] {
	return gatherPages(batches, func(b *Batch) pages[R] {
		all := rows(b)
		return pages[R]{[][]R{all}, len(all)}
	})
}

func gatherPages[R any](batches []*Batch, rows func(*Batch) pages[R]) []of[R] {
	own, n := make([]pages[R], len(batches)), 0
	for i, b := range batches {
		own[i] = rows(b)
		n += own[i].n
	}
	all := make([]of[R], 0, n)
	for i, b := range batches {
		for _, page := range own[i].all {
			for j := range page {
				all = append(all, of[R]{b, &page[j]})
			}
		}
	}
	return all
}

// once is the rows of a batch in a table with one row for each batch.
func once(*Batch) []struct{} { return []struct{}{{}} }

// errorTable is behind the view errors. To add a column to the view, add a row here, a migration
// that adds the column to error_rows and replaces the view, and a row in docs/views.md.
var errorTable = table[errorRow]{
	name: "error_rows",
	time: func(r *errorRow) time.Time { return r.at },
	columns: append(place[errorRow](),
		col("ts", func(_ *Batch, r *errorRow) *time.Time { return &r.at }),
		col("tenant", func(_ *Batch, r *errorRow) *string { return &r.tenant }),
		col("service", func(_ *Batch, r *errorRow) *string { return &r.service }),
		col("route", func(_ *Batch, r *errorRow) *string { return &r.route }),
		col("method", func(_ *Batch, r *errorRow) *string { return &r.method }),
		col("path", func(_ *Batch, r *errorRow) *string { return &r.path }),
		number[errorRow, uint16]("status", func(_ *Batch, r *errorRow) *int { return &r.status }),
		col("latency_ms", func(_ *Batch, r *errorRow) **float64 { return &r.latencyMS }),
		word("body_state", func(_ *Batch, r *errorRow) *accesslog.BodyState { return &r.bodyState }),
		col("code", func(_ *Batch, r *errorRow) *string { return &r.event.Code }),
		col("catalog_code", func(_ *Batch, r *errorRow) *string { return &r.event.CatalogCode }),
		col("family", func(_ *Batch, r *errorRow) *string { return &r.event.Family }),
		col("kind", func(_ *Batch, r *errorRow) *string { return &r.event.Kind }),
		col("known", func(_ *Batch, r *errorRow) *bool { return &r.event.Known }),
		col("message", func(_ *Batch, r *errorRow) *string { return &r.event.Message }),
		col("template", func(_ *Batch, r *errorRow) *string { return &r.event.Template }),
		col("args", func(_ *Batch, r *errorRow) *map[string]string { return &r.event.Args }),
		col("module_code", func(_ *Batch, r *errorRow) *string { return &r.event.ModuleCode }),
		col("description", func(_ *Batch, r *errorRow) *string { return &r.event.Description }),
		col("remedy", func(_ *Batch, r *errorRow) *string { return &r.event.Remedy }),
		col("retry", func(_ *Batch, r *errorRow) *string { return &r.event.Retry }),
		col("owner", func(_ *Batch, r *errorRow) *string { return &r.event.Owner }),
		col("request_id", func(_ *Batch, r *errorRow) *string { return &r.event.RequestID }),
		col("dialect", func(_ *Batch, r *errorRow) *string { return &r.event.Dialect }),
		word("confidence", func(_ *Batch, r *errorRow) *parse.Confidence { return &r.event.Confidence }),
		col("catalog_version", func(_ *Batch, r *errorRow) *string { return &r.event.CatalogVersion }),
		col("offset", func(_ *Batch, r *errorRow) *int64 { return &r.offset }),
		col("index", func(_ *Batch, r *errorRow) *uint32 { return &r.index }),
		col("envelope", func(_ *Batch, r *errorRow) *uint32 { return &r.envelope }),
	),
}

var trafficTable = table[trafficRow]{
	name: "traffic_sums",
	time: func(r *trafficRow) time.Time { return r.key.time() },
	columns: append(place[trafficRow](),
		computed("minute", func(_ *Batch, r *trafficRow) time.Time { return r.key.time() }),
		computed("tenant", func(b *Batch, r *trafficRow) string { return b.counts.tenants.texts[r.key.tenant] }),
		computed("service", func(b *Batch, r *trafficRow) string { return b.counts.services.texts[r.key.service] }),
		computed("route", func(b *Batch, r *trafficRow) string { return b.counts.routes.texts[r.key.route] }),
		computed("status", func(_ *Batch, r *trafficRow) uint16 { return r.key.status }),
		computed("body_state", func(b *Batch, r *trafficRow) string { return b.counts.states.texts[r.key.state] }),
		computed("requests", func(_ *Batch, r *trafficRow) uint64 { return r.sum.requests }),
		computed("errors", func(_ *Batch, r *trafficRow) uint64 { return r.sum.errors }),
		col("late", func(_ *Batch, r *trafficRow) *bool { return &r.late }),
	),
}

var codeTable = table[codeRow]{
	name: "error_sums",
	time: func(r *codeRow) time.Time { return r.minute },
	columns: append(place[codeRow](),
		col("minute", func(_ *Batch, r *codeRow) *time.Time { return &r.minute }),
		col("tenant", func(_ *Batch, r *codeRow) *string { return &r.tenant }),
		col("service", func(_ *Batch, r *codeRow) *string { return &r.service }),
		col("route", func(_ *Batch, r *codeRow) *string { return &r.route }),
		col("code", func(_ *Batch, r *codeRow) *string { return &r.code }),
		col("dialect", func(_ *Batch, r *codeRow) *string { return &r.dialect }),
		col("family", func(_ *Batch, r *codeRow) *string { return &r.family }),
		col("kind", func(_ *Batch, r *codeRow) *string { return &r.kind }),
		col("errors", func(_ *Batch, r *codeRow) *uint64 { return &r.errors }),
		col("first_seen", func(_ *Batch, r *codeRow) *time.Time { return &r.first }),
		col("last_seen", func(_ *Batch, r *codeRow) *time.Time { return &r.last }),
		col("late", func(_ *Batch, r *codeRow) *bool { return &r.late }),
	),
}

var sightingTable = table[codeRow]{
	name: "code_sightings",
	columns: []column[codeRow]{
		col("tenant", func(_ *Batch, r *codeRow) *string { return &r.tenant }),
		col("code", func(_ *Batch, r *codeRow) *string { return &r.code }),
		col("first_seen", func(_ *Batch, r *codeRow) *time.Time { return &r.first }),
		col("last_seen", func(_ *Batch, r *codeRow) *time.Time { return &r.last }),
	},
}

var deadLetterTable = table[deadLetterRow]{
	name: "dead_letter_rows",
	time: func(r *deadLetterRow) time.Time { return r.at },
	columns: append(place[deadLetterRow](),
		col("ts", func(_ *Batch, r *deadLetterRow) *time.Time { return &r.at }),
		col("reason", func(_ *Batch, r *deadLetterRow) *string { return &r.reason }),
		col("offset", func(_ *Batch, r *deadLetterRow) *int64 { return &r.offset }),
		col("index", func(_ *Batch, r *deadLetterRow) *uint32 { return &r.index }),
		col("sample", func(_ *Batch, r *deadLetterRow) *string { return &r.sample }),
	),
}

var auditTable = table[auditRow]{
	name: "audit_rows",
	time: func(r *auditRow) time.Time { return r.at },
	columns: append(place[auditRow](),
		col("ts", func(_ *Batch, r *auditRow) *time.Time { return &r.at }),
		col("tenant", func(_ *Batch, r *auditRow) *string { return &r.tenant }),
		col("service", func(_ *Batch, r *auditRow) *string { return &r.service }),
		col("route", func(_ *Batch, r *auditRow) *string { return &r.route }),
		col("path", func(_ *Batch, r *auditRow) *string { return &r.path }),
		number[auditRow, uint16]("status", func(_ *Batch, r *auditRow) *int { return &r.status }),
		word("body_state", func(_ *Batch, r *auditRow) *accesslog.BodyState { return &r.bodyState }),
		col("sample", func(_ *Batch, r *auditRow) *string { return &r.sample }),
		col("offset", func(_ *Batch, r *auditRow) *int64 { return &r.offset }),
		col("index", func(_ *Batch, r *auditRow) *uint32 { return &r.index }),
	),
}

var batchTable = table[struct{}]{
	name: "batch_rows",
	columns: append(place[struct{}](),
		col("last_offset", func(b *Batch, _ *struct{}) *int64 { return &b.LastOffset }),
		col("fingerprint", func(b *Batch, _ *struct{}) *string { return &b.Fingerprint }),
		col("records", func(b *Batch, _ *struct{}) *uint64 { return &b.Records }),
		col("requests", func(b *Batch, _ *struct{}) *uint64 { return &b.Requests }),
		col("errors", func(b *Batch, _ *struct{}) *uint64 { return &b.Errors }),
		col("dead_letters", func(b *Batch, _ *struct{}) *uint64 { return &b.DeadLetters }),
		col("excluded", func(b *Batch, _ *struct{}) *uint64 { return &b.Excluded }),
		col("limited", func(b *Batch, _ *struct{}) *uint64 { return &b.Limited }),
		col("joined", func(b *Batch, _ *struct{}) *uint64 { return &b.Joined }),
		col("first_record", func(b *Batch, _ *struct{}) *uint64 { return &b.FirstRecord }),
		optionalTime("min_ts", func(b *Batch, _ *struct{}) *time.Time { return &b.MinTime }),
		optionalTime("max_ts", func(b *Batch, _ *struct{}) *time.Time { return &b.MaxTime }),
	),
}

var acceptedTable = table[struct{}]{
	name: "accepted",
	columns: append(place[struct{}](),
		col("last_offset", func(b *Batch, _ *struct{}) *int64 { return &b.LastOffset }),
		col("fingerprint", func(b *Batch, _ *struct{}) *string { return &b.Fingerprint }),
	),
}

var switchTable = table[struct{}]{name: "epoch_switches", columns: place[struct{}]()}
