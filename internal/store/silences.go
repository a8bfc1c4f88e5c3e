package store

import (
	"context"
	"time"
)

// Silence is a row of the view silences: alerts that match are told to nobody from Starts to Ends.
type Silence struct {
	ID       string
	Matchers string // in Alertmanager's syntax: {tenant="acme", code=~"OSM.*"}
	Starts   time.Time
	Ends     time.Time
	Author   string
	Comment  string
	Written  time.Time
}

// CodeState is a row of the view code_states: what a person has said about a code of a tenant.
type CodeState struct {
	Tenant  string // AnyTenant: all of them
	Code    string
	State   string    // Acknowledged, Ignored, Fixed, Reopened
	Until   time.Time // when Ignored ends; zero: never
	Above   uint64    // Ignored ends for an alert of more errors; 0: for none
	Author  string
	Comment string
	Written time.Time
}

// FixedFrom returns from when on errors count against a code that was said to be Fixed: the first
// whole minute after that.
func FixedFrom(written time.Time) time.Time { return written.Add(time.Minute).Truncate(time.Minute) }

// AnyTenant stands for all tenants in a CodeState.
const AnyTenant = "*"

// The states of a code. Reopened takes another one back, and is not in the view.
const (
	Acknowledged = "acknowledged"
	Ignored      = "ignored"
	Fixed        = "fixed"
	Reopened     = "open"
)

// RecordSilence stores a silence, or replaces the one of the same ID.
func (s *Store) RecordSilence(ctx context.Context, silence Silence) error {
	return silenceTable.insert(ctx, s, alone([]Silence{silence}))
}

// RecordCodeState stores the state of a code, in place of an earlier one.
func (s *Store) RecordCodeState(ctx context.Context, state CodeState) error {
	return codeStateTable.insert(ctx, s, alone([]CodeState{state}))
}

var silenceTable = table[Silence]{
	name: "silence_rows",
	columns: []column[Silence]{
		col("id", func(_ *Batch, r *Silence) *string { return &r.ID }),
		col("matchers", func(_ *Batch, r *Silence) *string { return &r.Matchers }),
		col("starts", func(_ *Batch, r *Silence) *time.Time { return &r.Starts }),
		col("ends", func(_ *Batch, r *Silence) *time.Time { return &r.Ends }),
		col("author", func(_ *Batch, r *Silence) *string { return &r.Author }),
		col("comment", func(_ *Batch, r *Silence) *string { return &r.Comment }),
		col("at", func(_ *Batch, r *Silence) *time.Time { return &r.Written }),
	},
}

var codeStateTable = table[CodeState]{
	name: "code_state_rows",
	columns: []column[CodeState]{
		col("tenant", func(_ *Batch, r *CodeState) *string { return &r.Tenant }),
		col("code", func(_ *Batch, r *CodeState) *string { return &r.Code }),
		col("state", func(_ *Batch, r *CodeState) *string { return &r.State }),
		optionalTime("until", func(_ *Batch, r *CodeState) *time.Time { return &r.Until }),
		col("above", func(_ *Batch, r *CodeState) *uint64 { return &r.Above }),
		col("author", func(_ *Batch, r *CodeState) *string { return &r.Author }),
		col("comment", func(_ *Batch, r *CodeState) *string { return &r.Comment }),
		col("at", func(_ *Batch, r *CodeState) *time.Time { return &r.Written }),
	},
}
