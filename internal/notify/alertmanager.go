package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"errata/internal/store"
)

// alertmanager is told again and again what is firing. When it is not told of an alert any more, it
// resolves it at the endsAt that it was told last.
type alertmanager struct {
	name     string
	send     func(context.Context, []postable) error
	firing   map[string]Message // by fingerprint
	resolved map[string]ended   // repeated for a while, in case Alertmanager was away
	told     time.Time          // last
	dirty    bool               // something has changed since
	retry    *retry
}

// ended is an alert that is resolved, and until when that is repeated.
type ended struct {
	Message
	until time.Time
}

const (
	resend    = time.Minute
	endsAhead = 4 * time.Minute // as in Prometheus: so many tellings in a row may fail
)

// RepeatResolved is how long an Alertmanager is told again and again that an alert is resolved, as
// Prometheus does.
const RepeatResolved = 15 * time.Minute

func newAlertmanager(name string, root func() string, c client) *alertmanager {
	am := &alertmanager{name: name, retry: newRetry(), send: func(ctx context.Context, told []postable) error {
		body, err := json.Marshal(told)
		if err != nil {
			return err
		}
		_, err = c.post(ctx, request{url: alertsURL(root()), body: string(body)})
		return err
	}}
	am.reset()
	return am
}

func (am *alertmanager) reset() {
	am.firing, am.resolved, am.dirty = map[string]Message{}, map[string]ended{}, true
}

// alertsURL returns where an Alertmanager of a root takes alerts.
func alertsURL(root string) string {
	const path = "/api/v2/alerts"
	if u, err := url.Parse(root); err == nil && !strings.HasSuffix(u.Path, path) {
		return u.JoinPath(path).String()
	}
	return root
}

// update takes up an alert that Alertmanager has to hear of soon.
func (am *alertmanager) update(m Message, now time.Time) {
	am.dirty = true
	if before, ok := am.firing[m.Fingerprint]; ok && !maps.Equal(before.Alert.Labels, m.Alert.Labels) {
		// To Alertmanager, an alert at another level is another alert: the one before ends.
		ends := *before.Alert
		ends.EndsAt = m.At
		before.Alert = &ends
		am.resolved[before.event()] = ended{before, now.Add(RepeatResolved)}
	}
	delete(am.firing, m.Fingerprint)
	delete(am.resolved, m.Fingerprint)
	maps.DeleteFunc(am.resolved, func(_ string, e ended) bool { return maps.Equal(e.Alert.Labels, m.Alert.Labels) })
	if m.Alert.resolved() {
		am.resolved[m.Fingerprint] = ended{m, now.Add(RepeatResolved)}
	} else {
		am.firing[m.Fingerprint] = m
	}
}

// tell sends all that is firing or was resolved lately, when that is due. An alert that is muted is
// left out, so Alertmanager resolves it. If the silences cannot be read, those that were read last
// count: Alertmanager would resolve every alert otherwise. The result reports whether Alertmanager
// has yet to hear of something.
func (n *Notifier) tell(ctx context.Context, am *alertmanager) (left bool, err error) {
	now := n.Now()
	if now.Before(am.retry.next) || !am.dirty && now.Sub(am.told) < resend {
		return am.dirty, nil
	}
	if err := n.MaySend(ctx); err != nil {
		return true, err
	}
	muted := func(Message) bool { return false }
	var unread error
	if am.name != legacyAlertmanager {
		unread = n.mutes.load(ctx, now)
		muted = func(m Message) bool { return n.mutes.reason(m, now) != "" }
	}
	maps.DeleteFunc(am.resolved, func(_ string, e ended) bool { return now.After(e.until) })
	if all := am.postable(now, muted); len(all) > 0 {
		if err := am.send(ctx, all); err != nil {
			n.metrics.attempted(am.name, "")
			return true, errors.Join(unread, fmt.Errorf("%s did not take alerts, next try in %s: %w", am.name, am.retry.failed(now, err), err))
		}
		n.metrics.attempted(am.name, store.Sent)
	}
	am.retry.succeeded()
	am.told, am.dirty = now, false
	return unread != nil, unread
}

// postable is an alert in Alertmanager's API, version 2.
type postable struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

func (am *alertmanager) postable(now time.Time, muted func(Message) bool) (all []postable) {
	add := func(m Message, ends time.Time) {
		if !muted(m) {
			all = append(all, postable{m.Alert.Labels, m.Alert.Annotations, m.Alert.StartsAt, ends, m.Link})
		}
	}
	for _, fingerprint := range slices.Sorted(maps.Keys(am.resolved)) {
		add(am.resolved[fingerprint].Message, am.resolved[fingerprint].Alert.EndsAt)
	}
	for _, fingerprint := range slices.Sorted(maps.Keys(am.firing)) {
		add(am.firing[fingerprint], now.Add(endsAhead))
	}
	return all
}
