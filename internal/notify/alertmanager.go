package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Alert is an alert in the words of Alertmanager.
type Alert struct {
	Labels      map[string]string
	Annotations map[string]string
	StartsAt    time.Time
	EndsAt      time.Time // zero: it is firing
}

// alertmanager is told again and again what is firing. When it is not told of an alert any more, it
// resolves it at the endsAt that it was told last.
type alertmanager struct {
	url      string
	client   client
	firing   map[string]Alert // by fingerprint
	resolved map[string]ended // repeated for a while, in case Alertmanager was away
	told     time.Time        // last
	dirty    bool             // something has changed since
	retry    *retry
}

// ended is an alert that is resolved, and until when that is repeated.
type ended struct {
	Alert
	until time.Time
}

const (
	resend         = time.Minute
	endsAhead      = 4 * time.Minute  // as in Prometheus: so many tellings in a row may fail
	repeatResolved = 15 * time.Minute // as in Prometheus
)

func newAlertmanager(root string, c client) *alertmanager {
	const path = "/api/v2/alerts"
	if u, err := url.Parse(root); err == nil && !strings.HasSuffix(u.Path, path) {
		root = u.JoinPath(path).String()
	}
	return &alertmanager{url: root, client: c, firing: map[string]Alert{}, resolved: map[string]ended{}, dirty: true, retry: newRetry()}
}

// update takes up an alert that Alertmanager has to hear of soon.
func (am *alertmanager) update(fingerprint string, a Alert, now time.Time) {
	am.dirty = true
	delete(am.firing, fingerprint)
	delete(am.resolved, fingerprint)
	if a.EndsAt.IsZero() {
		am.firing[fingerprint] = a
	} else {
		am.resolved[fingerprint] = ended{a, now.Add(repeatResolved)}
	}
}

// tell sends all that is firing or was resolved lately, when that is due. The result reports
// whether Alertmanager has yet to hear of something.
func (am *alertmanager) tell(ctx context.Context, now time.Time) (left bool, err error) {
	if now.Before(am.retry.next) || !am.dirty && now.Sub(am.told) < resend {
		return am.dirty, nil
	}
	maps.DeleteFunc(am.resolved, func(_ string, e ended) bool { return now.After(e.until) })
	if all := am.postable(now); len(all) > 0 {
		body, err := json.Marshal(all)
		if err != nil {
			return true, err
		}
		if err := am.client.post(ctx, am.url, string(body)); err != nil {
			return true, fmt.Errorf("alertmanager did not take alerts, next try in %s: %w", am.retry.failed(now), err)
		}
	}
	am.retry.succeeded()
	am.told, am.dirty = now, false
	return false, nil
}

// postable is an alert in Alertmanager's API, version 2.
type postable struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
}

func (am *alertmanager) postable(now time.Time) (all []postable) {
	for _, fingerprint := range slices.Sorted(maps.Keys(am.resolved)) {
		a := am.resolved[fingerprint]
		all = append(all, postable{a.Labels, a.Annotations, a.StartsAt, a.EndsAt})
	}
	for _, fingerprint := range slices.Sorted(maps.Keys(am.firing)) {
		a := am.firing[fingerprint]
		all = append(all, postable{a.Labels, a.Annotations, a.StartsAt, now.Add(endsAhead)})
	}
	return all
}
