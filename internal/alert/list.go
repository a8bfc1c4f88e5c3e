package alert

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"errata/internal/cli"
	"errata/internal/store"
)

// Listed is an alert that is not inactive, a rule that cannot be evaluated (error), or the data
// that is late.
type Listed struct {
	Alert  string            `json:"alert"`
	Labels map[string]string `json:"labels"`
	State  string            `json:"state"`
	Level  string            `json:"level,omitempty"`
	Since  cli.Timestamp     `json:"since"`
	Value  float64           `json:"value"` // at the latest transition
	Reason string            `json:"reason"`
	Held   bool              `json:"held,omitempty"` // no one has been told yet
}

// ListOutputs are the ways to write what List returns.
var ListOutputs = cli.Outputs[[]Listed]{{Name: "table", Write: listTable}, {Name: "json", Write: cli.JSON[[]Listed]}}

// List returns what is not inactive: what fires first, then by rule.
func List(ctx context.Context, s *store.Store) ([]Listed, error) {
	rows, err := states(ctx, s)
	if err != nil {
		return nil, err
	}
	all := []Listed{}
	for _, row := range rows {
		switch {
		case row.Fingerprint == "" && row.State == Error:
			var memory ruleMemory
			if err := json.Unmarshal([]byte(row.Memory), &memory); err != nil {
				return nil, fmt.Errorf("read the state of rule %s: %w", row.Rule, err)
			}
			all = append(all, Listed{Alert: row.Rule, Labels: map[string]string{}, State: Error, Since: cli.Timestamp{Time: row.Evaluated}, Reason: memory.Error})
		case row.Fingerprint != "":
			a, err := alertOf(nil, row)
			if err != nil {
				return nil, err
			}
			since := row.Since
			if a.State.Phase == Recovering || a.State.Phase == NoData {
				since = row.LowSince
			}
			labels := maps.Clone(row.Labels)
			delete(labels, alertname)
			all = append(all, Listed{
				Alert: row.Rule, Labels: labels, State: a.State.Phase, Level: memoryOf(row).LevelName, Since: cli.Timestamp{Time: since},
				Value: a.Value, Reason: a.Says, Held: !a.Held.IsZero(),
			})
		}
	}
	order := []string{Error, Late, Firing, NoData, Recovering, Pending}
	slices.SortStableFunc(all, func(a, b Listed) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.State), slices.Index(order, b.State)), cmp.Compare(a.Alert, b.Alert))
	})
	return all, nil
}

func listTable(all []Listed, w io.Writer) error {
	if len(all) == 0 {
		return cli.Paragraph(w, "", "Nothing is pending or firing.")
	}
	t := cli.Table{Columns: []cli.Column{{Name: "state"}, {Name: "alert", Prose: true}, {Name: "labels", Prose: true}, {Name: "since", Spare: 1}, {Name: "reason", Prose: true}}}
	for _, l := range all {
		var labels []string
		for _, name := range slices.Sorted(maps.Keys(l.Labels)) {
			labels = append(labels, name+"="+l.Labels[name])
		}
		state := l.State
		if l.Held {
			state += " (waits to be told)"
		}
		t.Rows = append(t.Rows, []string{state, l.Alert, strings.Join(labels, " "), l.Since.String(), l.Reason})
	}
	return t.Text(w)
}

// memoryOf returns what a row remembers, nothing if it is of an earlier version.
func memoryOf(row store.AlertState) (memory alertMemory) {
	_ = json.Unmarshal([]byte(row.Memory), &memory) // alertOf has read it without an error
	return memory
}
