package report

import (
	"cmp"
	"context"
	"slices"
	"time"

	"errata/internal/cli"
	"errata/internal/store"
)

// Unseen is what the report could not see. "No errors" and "nothing to see" are not the same.
type Unseen struct {
	Bodies      []Bodies      `json:"bodies"`       // by gateway; one for all gateways in a report of chosen tenants
	Hidden      uint64        `json:"hidden"`       // requests whose bodies could not be read
	Gaps        []DailyGap    `json:"gaps"`         // records that were lost before they were read
	DeadLetters []DeadLetters `json:"dead_letters"` // null for chosen tenants: a dead letter has none
	Other       uint64        `json:"other"`        // requests whose tenant or route is counted as (other)
}

// Bodies counts the requests of a gateway by the state of their bodies.
type Bodies struct {
	Gateway  string            `json:"gateway"` // its topic
	Requests uint64            `json:"requests"`
	States   map[string]uint64 `json:"states"`
	Link     string            `json:"link"` // to a page about the gateway; "": no page is configured
}

// DailyGap is a run of offsets that were never read. The topic and the offsets are empty in a
// report of chosen tenants.
type DailyGap struct {
	Topic       string        `json:"topic" ch:"topic_"`
	Partition   int64         `json:"partition" ch:"partition_"`
	FirstOffset int64         `json:"first_offset" ch:"first_offset_"`
	LastOffset  int64         `json:"last_offset" ch:"last_offset_"`
	Offsets     int64         `json:"offsets" ch:"-"`
	Reason      string        `json:"reason" ch:"reason_"`
	From        cli.Timestamp `json:"from" ch:"from_"` // the last request before it; 1970: there is none
	To          cli.Timestamp `json:"to" ch:"to_"`     // the first request after it
	Link        string        `json:"link" ch:"-"`     // as above
}

// DeadLetters counts the records of the day that could not be used.
type DeadLetters struct {
	Reason  string `json:"reason" ch:"reason_"`
	Records uint64 `json:"records" ch:"records_"`
}

// DailyAlert is an alert that fired on the day, or was still firing at its end.
type DailyAlert struct {
	Rule   string            `json:"rule" ch:"rule_"`
	Labels map[string]string `json:"labels" ch:"labels_"`
	Fired  uint64            `json:"fired" ch:"fired_"` // times on the day
	At     cli.Timestamp     `json:"at" ch:"at_"`       // when it fired last
	Firing bool              `json:"firing" ch:"firing_"`
	Reason string            `json:"reason" ch:"reason_"`
	Said   *Said             `json:"said" ch:"-"`   // about its code, if it is of one code of one tenant; null: nothing
	Errors uint64            `json:"errors" ch:"-"` // of this code on the day
	Link   string            `json:"link" ch:"-"`   // to a page about it; "": no page is configured
}

// unseen asks for what could not be seen.
func (a *dailyAsker) unseen(ctx context.Context, d *Daily) error {
	u := &d.Unseen
	u.Bodies, u.Gaps = []Bodies{}, []DailyGap{}
	day := a.windows[today]
	scope := a.scope(day)
	where := scope.Where("")
	gateway := "topic"
	if len(a.query.Tenants) > 0 {
		gateway = "''"
	}
	err := a.s.Query(ctx, "SELECT "+gateway+" AS gateway, toString(body_state), sum(requests), sumIf(requests, body_state IN ("+hiddenStates+")), sumIf(requests, tenant = '"+
		store.Other+"' OR route = '"+store.Other+"') FROM "+scope.Rollup("traffic", nil)+" WHERE "+where.SQL+" GROUP BY gateway, body_state ORDER BY gateway, body_state", where.Args,
		func(scan func(...any) error) error {
			var gateway, state string
			var requests, hidden, other uint64
			err := scan(&gateway, &state, &requests, &hidden, &other)
			if last := len(u.Bodies) - 1; last < 0 || u.Bodies[last].Gateway != gateway {
				u.Bodies = append(u.Bodies, Bodies{Gateway: gateway, States: map[string]uint64{}})
			}
			of := &u.Bodies[len(u.Bodies)-1]
			of.Requests += requests
			of.States[state] = requests
			u.Hidden += hidden
			u.Other += other
			return err
		})
	if err != nil {
		return err
	}
	for _, g := range a.gaps {
		if g.From.Before(day.To) && g.To.After(day.From) {
			u.Gaps = append(u.Gaps, g)
		}
	}
	if len(a.query.Tenants) > 0 {
		return nil
	}
	dead := scope.Where("ts")
	letters, err := store.Select[DeadLetters](ctx, a.s, "SELECT reason AS reason_, count() AS records_ FROM dead_letters WHERE "+dead.SQL+
		" GROUP BY reason ORDER BY records_ DESC, reason", dead.Args)
	u.DeadLetters = append([]DeadLetters{}, letters...)
	return err
}

// alerts asks for the alerts of the day. For chosen tenants, these are the alerts with a tenant of
// theirs among the labels.
func (a *dailyAsker) alerts(ctx context.Context, d *Daily) error {
	const month = 30 * 24 * time.Hour // an alert that fires for longer is not listed
	day := a.windows[today]
	where := a.scope(window{day.From.Add(-month), day.To}).Where("ts")
	alerts, err := store.Select[DailyAlert](ctx, a.s, `
		SELECT rule AS rule_, any(labels) AS labels_, countIf(to = 'firing' AND ts >= `+literal(day.From)+`) AS fired_,
			maxIf(ts, to = 'firing') AS at_, argMax(to, ts) = 'firing' AS firing_, argMaxIf(reason, ts, to = 'firing') AS reason_
		FROM (SELECT *, labels['tenant'] AS tenant FROM alerts) WHERE `+where.SQL+`
		GROUP BY rule, fingerprint HAVING fired_ > 0 OR firing_`, where.Args)
	slices.SortStableFunc(alerts, func(a, b DailyAlert) int {
		return cmp.Or(b.At.Compare(a.At.Time), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Labels["tenant"], b.Labels["tenant"]))
	})
	for i := range alerts {
		x := &alerts[i]
		tenant, code := x.Labels["tenant"], x.Labels["code"]
		x.Said = a.saidOf(tenant, code)
		for j := range a.pairs {
			if p := &a.pairs[j]; p.Tenant == tenant && p.Code == code {
				x.Errors += p.Counts[today]
			}
		}
	}
	d.Alerts = append([]DailyAlert{}, alerts...)
	return err
}
