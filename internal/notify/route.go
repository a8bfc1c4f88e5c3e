package notify

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/alertmanager/timeinterval"
)

// route is a Route whose settings are parsed and complete.
type route struct {
	matchers  labels.Matchers
	receivers []string
	goesOn    bool
	groupBy   []string
	alone     bool // each alert is a group

	groupWait, groupInterval, repeatInterval time.Duration
	foldAbove                                int

	mute, active []timeinterval.TimeInterval
	addressees   map[string][]Addressees // of receivers that address tenants alone
}

func routesOf(cfg Config) (all []*route) {
	intervals := map[string][]timeinterval.TimeInterval{}
	for _, i := range cfg.TimeIntervals {
		intervals[i.Name], _ = i.parse() // Validate has parsed it
	}
	named := func(names []string) (all []timeinterval.TimeInterval) {
		for _, name := range names {
			all = append(all, intervals[name]...)
		}
		return all
	}
	tenantsOnly := map[string][]Addressees{}
	for _, r := range cfg.Receivers {
		if r.Mail != nil && r.Mail.ToTenant && len(r.Mail.To) == 0 {
			tenantsOnly[r.Name] = cfg.Tenants
		}
	}
	for _, r := range cfg.Routes {
		matchers, _ := parseMatchers(r.Matchers)
		all = append(all, &route{
			matchers: matchers, receivers: r.Receivers, goesOn: r.Continue, groupBy: slices.Sorted(slices.Values(r.GroupBy)), alone: slices.Contains(r.GroupBy, "..."),
			groupWait: orDefault(r.GroupWait, defaultGroupWait), groupInterval: orDefault(r.GroupInterval, defaultGroupInterval),
			repeatInterval: orDefault(r.RepeatInterval, defaultRepeatInterval), foldAbove: orDefault(r.FoldAbove, defaultFold),
			mute: named(r.MuteTimeIntervals), active: named(r.ActiveTimeIntervals), addressees: tenantsOnly,
		})
	}
	return all
}

func orDefault[T any](value *T, otherwise T) T {
	if value == nil {
		return otherwise
	}
	return *value
}

// routesOfReceiver returns the routes that name a receiver.
func routesOfReceiver(routes []*route, receiver string) (all []*route) {
	for _, r := range routes {
		if slices.Contains(r.receivers, receiver) {
			all = append(all, r)
		}
	}
	return all
}

// matches reports whether an alert takes the route: its matchers match, and one of its receivers
// can be told.
func (r *route) matches(m Message) bool {
	return m.Alert.matches(r.matchers) && slices.ContainsFunc(r.receivers, func(name string) bool { return r.reaches(name, m) })
}

// reaches reports whether a receiver of the route can be told of an alert. One that addresses
// tenants alone needs an address for the alert's tenant.
func (r *route) reaches(receiver string, m Message) bool {
	table, tenantsOnly := r.addressees[receiver]
	return !tenantsOnly || len(addresses(table, m.Alert.label(tenantLabel))) > 0
}

// addresses returns the addresses of a tenant.
func addresses(table []Addressees, tenant string) (all []string) {
	if tenant == "" {
		return nil
	}
	for _, row := range table {
		if slices.ContainsFunc(row.Tenants, func(glob string) bool { ok, _ := path.Match(glob, tenant); return ok || glob == tenant }) {
			all = append(all, row.To...)
		}
	}
	return all
}

// Addresses returns the mail addresses of a tenant, nil if it has none.
func (c Config) Addresses(tenant string) []string { return addresses(c.Tenants, tenant) }

// receives returns the first route by which a receiver is told of an alert, nil if it is not.
func (n *Notifier) receives(receiver string, m Message) *route {
	for _, r := range n.routes {
		if !r.matches(m) {
			continue
		}
		if slices.Contains(r.receivers, receiver) && r.reaches(receiver, m) {
			return r
		}
		if !r.goesOn {
			return nil
		}
	}
	return nil
}

// group returns the labels that an alert shares with its group.
func (r *route) group(m Message) map[string]string {
	shared := map[string]string{}
	if r.alone {
		for name, value := range m.Alert.Labels {
			shared[name] = value
		}
		return shared
	}
	for _, name := range r.groupBy {
		shared[name] = m.Alert.label(name)
	}
	return shared
}

// inTime reports whether the route's intervals allow to tell at a time.
func (r *route) inTime(now time.Time) bool {
	contains := func(i timeinterval.TimeInterval) bool { return i.ContainsTime(now.UTC()) }
	return !slices.ContainsFunc(r.mute, contains) && (len(r.active) == 0 || slices.ContainsFunc(r.active, contains))
}

// groupKey returns the identity of a group of a receiver.
func groupKey(labels map[string]string) string {
	var parts []string
	for name, value := range labels {
		parts = append(parts, name+"\x00"+value)
	}
	slices.Sort(parts)
	return hash("group", strings.Join(parts, "\x00"))
}
