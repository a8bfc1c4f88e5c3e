package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"errata/internal/cli"
	"errata/internal/notify"
	"errata/internal/report"
	"errata/internal/store"
)

// reportQueue is before the name of a receiver in the queue. The process that evaluates alert rules
// does not know these names, so that it does not send reports too.
const reportQueue = "report/"

// reportReceivers returns the settings for some of the receivers alone.
func reportReceivers(cfg notify.Config, names []string, tenants []string) (notify.Config, error) {
	var known []string
	for _, r := range cfg.Receivers {
		known = append(known, r.Name)
	}
	var chosen []notify.Receiver
	for _, name := range names {
		i := slices.Index(known, name)
		switch {
		case len(known) == 0:
			return cfg, fmt.Errorf("--to %q: notify.receivers has no receivers", name)
		case i < 0:
			return cfg, fmt.Errorf("--to %q: notify.receivers has %s", name, strings.Join(known, ", "))
		case cfg.Receivers[i].Alertmanager != nil:
			return cfg, fmt.Errorf("--to %q: an Alertmanager takes no reports", name)
		case cfg.Receivers[i].Mail != nil && cfg.Receivers[i].Mail.ToTenant && len(tenants) != 1:
			return cfg, fmt.Errorf("--to %q sends to the tenant's addresses: give the report of one --tenant", name)
		}
		r := cfg.Receivers[i]
		r.Name = reportQueue + r.Name
		chosen = append(chosen, r)
	}
	cfg.Receivers, cfg.Routes, cfg.Webhook, cfg.Alertmanager = chosen, nil, notify.Endpoint{}, notify.Endpoint{}
	return cfg, nil
}

// reportMessage returns the message of a recorded report. Its identity is the report's.
func reportMessage(d report.Daily, q report.DailyQuery) (m notify.Message, err error) {
	id := func(revision uint32) notify.Message {
		return notify.Message{Source: "report", Fingerprint: report.Identity(q), At: d.From.Time, Event: fmt.Sprintf("revision %d", revision)}
	}
	m = id(d.Revision.Number)
	if d.Revision.Number > 1 {
		first := id(1)
		m.Follows = &first
	}
	if m.Title, m.Text, m.HTML, err = d.Mail(); err != nil {
		return m, err
	}
	if len(q.Tenants) == 1 {
		m.Tenant = q.Tenants[0]
	}
	body, err := json.Marshal(d)
	m.JSON = string(body)
	return m, err
}

// sendReport sends a recorded report to receivers. A report that a receiver has been sent is not
// sent to it again.
func sendReport(cmd *cobra.Command, env *environment, s *store.Store, d report.Daily, q report.DailyQuery, names []string) error {
	cfg, err := env.config()
	if err != nil {
		return err
	}
	settings, err := reportReceivers(cfg.Notify, names, q.Tenants)
	if err != nil {
		return cfg.Located(err)
	}
	message, err := reportMessage(d, q)
	if err != nil {
		return err
	}
	for _, r := range settings.Receivers {
		message.Receivers = append(message.Receivers, r.Name)
	}
	ctx, queue := cmd.Context(), notify.Stored(s)
	n := notify.New(settings, queue, env.log(cmd, cfg))
	if err := n.Enqueue(ctx, message); err != nil {
		return err
	}
	flushed := n.Flush(ctx)
	var missed []string
	for i, name := range message.Receivers {
		outcome, err := queue.Outcome(ctx, store.Delivery{Target: name, Source: message.Source, Fingerprint: message.Fingerprint, At: message.At, Event: message.Event})
		if err != nil {
			return errors.Join(flushed, err)
		}
		if outcome != store.Sent {
			missed = append(missed, names[i]+" ("+outcome+")")
		}
	}
	if len(missed) > 0 {
		if flushed != nil {
			return flushed
		}
		return cli.Findings("the report was not sent to " + strings.Join(missed, ", "))
	}
	if err := report.MarkSent(ctx, s, q, d.Revision.Number, time.Now()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "revision %d is with %s\n", d.Revision.Number, strings.Join(names, ", "))
	return err
}
