package store

import (
	"context"
	"time"
)

// AlertTransition is a row of the view alerts. It may be written any number of times.
type AlertTransition struct {
	At          time.Time
	Rule        string
	Fingerprint string // of the rule and the group's keys
	Labels      map[string]string
	From, To    string // states of package alert, and resolved
	Reason      string
	Value       float64
	Threshold   float64
	Why         []string // what makes the errors of the window different from those before, in words
	RequestIDs  []string // some of the requests that met them
}

// AlertState is a row of the view alert_states: where a group of a rule stands or, without a
// fingerprint, up to when the rule has been evaluated.
type AlertState struct {
	Rule        string
	Fingerprint string
	Labels      map[string]string
	State       string    // of package alert
	Since       time.Time // of pending or firing
	LowSince    time.Time // since when a firing alert is recovering or has no data; zero: it is firing
	Frozen      string    // what a firing alert is compared with, for its condition to read
	Memory      string    // what the evaluator remembers beyond that, JSON
	Notice      string    // the notification that was made when it fired, JSON
	Evaluated   time.Time
}

// Delivery is a row of the view alert_deliveries: a message on its way to a target, or an event
// that waits for the message which carries it. Target, Source, Fingerprint, At and Event are its
// identity.
type Delivery struct {
	Target      string
	Source      string // what the message is about, such as the rule of an alert
	Fingerprint string // which alert of the source
	At          time.Time
	Event       string // what happened at that time, such as "firing"
	Body        string
	Outcome     string    // Queued, Sending or Waiting, or what became of it
	Written     time.Time // by the wall clock
	Key         string    // the same whenever it is sent; of a grouped event: that of its message
	Groups      []string  // the groups of alerts that a message covers
	Receipt     string    // the target's name for the first message of the thread
}

// The outcomes of a delivery.
const (
	Queued  = "queued"
	Sent    = "sent"
	Refused = "refused" // by the target, which will never take this body
	Expired = "expired" // not taken in time
	Sending = "sending" // queued, and a process is just sending it, or died while it did
	Unsure  = "unsure"  // it may have been sent, and is not sent again

	Waiting = "waiting" // an event that no message carries yet
	Grouped = "grouped" // an event that a message carries
	Muted   = "muted"   // an event that was over before its silence
	Skipped = "skipped" // a recovery, for a receiver that is not told of them
)

// RecordAlerts stores the outcome of an evaluation: the transitions, the messages that are queued
// for them and, last, the states, which complete it. After an error the caller evaluates again from
// the states as they were.
func (s *Store) RecordAlerts(ctx context.Context, transitions []AlertTransition, deliveries []Delivery, states []AlertState) error {
	return firstError(
		func() error { return transitionTable.insert(ctx, s, alone(transitions)) },
		func() error { return s.RecordDeliveries(ctx, deliveries) },
		func() error { return stateTable.insert(ctx, s, alone(states)) },
	)
}

// RecordDeliveries queues messages, or records their final outcome. That stays, whatever is
// recorded of the message later. All rows are stored, or none.
func (s *Store) RecordDeliveries(ctx context.Context, deliveries []Delivery) error {
	return deliveryTable.insert(ctx, s, alone(deliveries))
}

var transitionTable = table[AlertTransition]{
	name: "alert_rows",
	columns: []column[AlertTransition]{
		col("ts", func(_ *Batch, r *AlertTransition) *time.Time { return &r.At }),
		col("rule", func(_ *Batch, r *AlertTransition) *string { return &r.Rule }),
		col("fingerprint", func(_ *Batch, r *AlertTransition) *string { return &r.Fingerprint }),
		col("labels", func(_ *Batch, r *AlertTransition) *map[string]string { return &r.Labels }),
		col("from", func(_ *Batch, r *AlertTransition) *string { return &r.From }),
		col("to", func(_ *Batch, r *AlertTransition) *string { return &r.To }),
		col("reason", func(_ *Batch, r *AlertTransition) *string { return &r.Reason }),
		col("value", func(_ *Batch, r *AlertTransition) *float64 { return &r.Value }),
		col("threshold", func(_ *Batch, r *AlertTransition) *float64 { return &r.Threshold }),
		col("why", func(_ *Batch, r *AlertTransition) *[]string { return &r.Why }),
		col("request_ids", func(_ *Batch, r *AlertTransition) *[]string { return &r.RequestIDs }),
	},
}

var stateTable = table[AlertState]{
	name: "alert_state_rows",
	columns: []column[AlertState]{
		col("rule", func(_ *Batch, r *AlertState) *string { return &r.Rule }),
		col("fingerprint", func(_ *Batch, r *AlertState) *string { return &r.Fingerprint }),
		col("labels", func(_ *Batch, r *AlertState) *map[string]string { return &r.Labels }),
		col("state", func(_ *Batch, r *AlertState) *string { return &r.State }),
		optionalTime("since", func(_ *Batch, r *AlertState) *time.Time { return &r.Since }),
		optionalTime("low_since", func(_ *Batch, r *AlertState) *time.Time { return &r.LowSince }),
		col("frozen", func(_ *Batch, r *AlertState) *string { return &r.Frozen }),
		col("memory", func(_ *Batch, r *AlertState) *string { return &r.Memory }),
		col("notice", func(_ *Batch, r *AlertState) *string { return &r.Notice }),
		col("evaluated", func(_ *Batch, r *AlertState) *time.Time { return &r.Evaluated }),
	},
}

var deliveryTable = table[Delivery]{
	name: "alert_delivery_rows",
	columns: []column[Delivery]{
		col("target", func(_ *Batch, r *Delivery) *string { return &r.Target }),
		col("rule", func(_ *Batch, r *Delivery) *string { return &r.Source }),
		col("fingerprint", func(_ *Batch, r *Delivery) *string { return &r.Fingerprint }),
		col("ts", func(_ *Batch, r *Delivery) *time.Time { return &r.At }),
		col("to", func(_ *Batch, r *Delivery) *string { return &r.Event }),
		col("body", func(_ *Batch, r *Delivery) *string { return &r.Body }),
		col("outcome", func(_ *Batch, r *Delivery) *string { return &r.Outcome }),
		computed("settled", func(_ *Batch, r *Delivery) uint8 {
			if r.Outcome == Queued || r.Outcome == Waiting || r.Outcome == Sending {
				return 0
			}
			return 1
		}),
		col("at", func(_ *Batch, r *Delivery) *time.Time { return &r.Written }),
		col("key", func(_ *Batch, r *Delivery) *string { return &r.Key }),
		computed("groups", func(_ *Batch, r *Delivery) []string {
			if r.Groups == nil {
				return []string{}
			}
			return r.Groups
		}),
		col("receipt", func(_ *Batch, r *Delivery) *string { return &r.Receipt }),
	},
}
