package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"errata/internal/cli"
	"errata/internal/config"
	"errata/internal/link"
	"errata/internal/notify"
	"errata/internal/report"
	"errata/internal/store"
)

// reportQueue is before the name of a receiver in the queue. The process that evaluates alert rules
// does not know these names, so that it does not send reports too.
const reportQueue = "report/"

// chooseReceivers returns the receivers that --to names. forTenants says that each report is of one
// tenant.
func chooseReceivers(cfg notify.Config, names []string, forTenants bool) (chosen []notify.Receiver, err error) {
	var known []string
	for _, r := range cfg.Receivers {
		known = append(known, r.Name)
	}
	for _, name := range names {
		i := slices.Index(known, name)
		switch {
		case len(known) == 0:
			return nil, fmt.Errorf("--to %q: notify.receivers has no receivers", name)
		case i < 0:
			return nil, fmt.Errorf("--to %q: notify.receivers has %s", name, strings.Join(known, ", "))
		case cfg.Receivers[i].Alertmanager != nil:
			return nil, fmt.Errorf("--to %q: an Alertmanager takes no reports", name)
		case cfg.Receivers[i].Mail != nil && cfg.Receivers[i].Mail.ToTenant && !forTenants:
			return nil, fmt.Errorf("--to %q sends to the tenant's addresses: give the report of one --tenant, or --each-tenant", name)
		}
		chosen = append(chosen, cfg.Receivers[i])
	}
	return chosen, nil
}

// postOffice sends reports to receivers.
type postOffice struct {
	cfg       config.Config
	receivers []notify.Receiver
	queue     notify.Queue
	notifier  func(notify.Config) *notify.Notifier
	fence     func(context.Context) error // nil: there is no other process
}

// newPostOffice makes a postOffice that sends to the receivers of --to.
func newPostOffice(cmd *cobra.Command, env *environment, cfg config.Config, receivers []notify.Receiver, s *store.Store) *postOffice {
	queue, log := notify.Stored(s), env.log(cmd, cfg)
	return &postOffice{cfg: cfg, receivers: receivers, queue: queue, notifier: func(settings notify.Config) *notify.Notifier {
		n := notify.New(settings, queue, log)
		n.AtMostOnce = cfg.Reports.Delivery == config.AtMostOnce
		return n
	}}
}

// reportMessage returns the message of a recorded report, without its contents. It identifies the
// report, so that it makes the Message-ID together with the address.
func reportMessage(q report.DailyQuery, from time.Time, revision uint32) notify.Message {
	m := notify.Message{Source: "report", Fingerprint: report.Identity(q), At: from, Event: fmt.Sprintf("revision %d", revision)}
	if len(q.Tenants) == 1 {
		m.Tenant = q.Tenants[0]
	}
	return m
}

// posted is a report that is in the queue of its receivers.
type posted struct {
	*notify.Notifier
	office  *postOffice
	message notify.Message
}

// post queues a recorded report for those of its receivers that were never sent it. A later
// revision is a reply where the first one was sent.
func (o *postOffice) post(ctx context.Context, d report.Daily, q report.DailyQuery) (*posted, error) {
	settings := o.cfg.Notify
	settings.Receivers, settings.Routes, settings.Webhook, settings.Alertmanager = nil, nil, notify.Endpoint{}, notify.Endpoint{}
	m := reportMessage(q, d.From.Time, d.Revision.Number)
	for _, r := range o.receivers {
		for _, one := range r.OneEach(settings.Tenants, m.Tenant) {
			if one.Name = reportQueue + one.Name; !slices.ContainsFunc(settings.Receivers, func(r notify.Receiver) bool { return r.Name == one.Name }) {
				settings.Receivers = append(settings.Receivers, one)
				m.Receivers = append(m.Receivers, one.Name)
			}
		}
	}
	if len(m.Receivers) == 0 {
		return nil, link.Refused("notify.tenants has no address for tenant %q", m.Tenant)
	}
	p := &posted{o.notifier(settings), o, m}
	p.Fence = o.fence
	var err error
	if m.Title, m.Text, m.HTML, err = d.Mail(); err != nil {
		return nil, err
	}
	body, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	m.JSON = string(body)
	first := reportMessage(q, d.From.Time, 1)
	for _, name := range p.message.Receivers {
		outcome, err := o.outcome(ctx, name, m)
		if err != nil {
			return nil, err
		}
		if outcome != "" {
			continue
		}
		m.Receivers, m.Follows = []string{name}, nil
		if before, err := o.outcome(ctx, name, first); err != nil {
			return nil, err
		} else if before != "" && d.Revision.Number > 1 {
			m.Follows = &first
		}
		if err := p.Enqueue(ctx, m); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// outcome returns what became of a message to a receiver, "" if it was never queued.
func (o *postOffice) outcome(ctx context.Context, target string, m notify.Message) (string, error) {
	return o.queue.Outcome(ctx, store.Delivery{Target: target, Source: m.Source, Fingerprint: m.Fingerprint, At: m.At, Event: m.Event})
}

// Send implements report.Posted.
func (p *posted) Send(ctx context.Context) (left bool, missed []string, err error) {
	_, err = p.Notifier.Send(ctx)
	for _, name := range p.message.Receivers {
		outcome, problem := p.office.outcome(ctx, name, p.message)
		switch {
		case problem != nil:
			return true, nil, errors.Join(err, problem)
		case outcome == store.Queued || outcome == store.Sending:
			left = true
		case outcome != store.Sent:
			missed = append(missed, fmt.Sprintf("%s (%s)", strings.TrimPrefix(name, reportQueue), cmp.Or(outcome, "not queued")))
		}
	}
	return left, missed, err
}

// sendReport sends a recorded report to receivers, with some patience.
func sendReport(ctx context.Context, o *postOffice, s *store.Store, d report.Daily, q report.DailyQuery) error {
	p, err := o.post(ctx, d, q)
	if err != nil {
		return err
	}
	flushed := p.Flush(ctx)
	left, missed, err := p.Send(ctx)
	switch {
	case flushed != nil:
		return flushed
	case err != nil:
		return err
	case left:
		return link.Unreachable("the report is queued, and not yet sent")
	case len(missed) > 0:
		return cli.Findings("the report was not sent to " + strings.Join(missed, ", "))
	}
	return report.MarkSent(ctx, s, q, d.Revision.Number, time.Now())
}
