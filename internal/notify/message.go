package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/prometheus/alertmanager/pkg/labels"
)

// Message is something that has happened, in the formats of all targets. Source, Fingerprint, At
// and Event are its identity.
//
// A message with an Alert goes to the receivers of the routes that match it, grouped with others.
// Any other goes to Receivers, at once and by itself.
type Message struct {
	Source      string    `json:"source"`         // what it is about, such as the rule of an alert
	Fingerprint string    `json:"fingerprint"`    // which alert or report of the source
	At          time.Time `json:"at"`             // when it happened
	Event       string    `json:"event"`          // what happened, such as "firing" or "resolved"
	JSON        string    `json:"json,omitempty"` // the body that notify.webhook gets, for programs

	Title   string   `json:"title"` // one line
	Details []Detail `json:"details,omitempty"`
	Link    string   `json:"link,omitempty"` // to more about it; "": the template of the settings decides

	Text    string   `json:"text,omitempty"`    // a document of its own, in place of Details
	HTML    string   `json:"html,omitempty"`    // the same for mail
	Follows *Message `json:"follows,omitempty"` // the message that this one replies to; its identity is enough
	Tenant  string   `json:"tenant,omitempty"`  // whose it is, if it is no alert; mail to_tenant goes to its addresses

	Receivers []string `json:"-"` // who gets it; nil: those of the routes
	Alert     *Alert   `json:"alert,omitempty"`
}

// Detail is a named fact.
type Detail struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Alert is an alert in the words of Alertmanager.
type Alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations,omitempty"`
	StartsAt    time.Time         `json:"starts_at"`
	EndsAt      time.Time         `json:"ends_at,omitzero"` // zero: it is firing

	// Attributes are matched and grouped by like labels, such as the owner and family of its code,
	// and are no part of its identity. A label of the same name wins.
	Attributes map[string]string `json:"attributes,omitempty"`
	Codes      []string          `json:"codes,omitempty"`  // all codes that it is about; nil: unknown
	Errors     uint64            `json:"errors,omitempty"` // how many errors it is about
}

// The events of alerts.
const (
	firing   = "firing"
	resolved = "resolved"
)

// The attributes that this package looks at.
const (
	tenantLabel = "tenant"
	familyLabel = "family"
)

func (a *Alert) resolved() bool { return !a.EndsAt.IsZero() }

func (a *Alert) status() string {
	if a.resolved() {
		return resolved
	}
	return firing
}

// label returns a label or attribute, "" if the alert has none of the name.
func (a *Alert) label(name string) string {
	if value, ok := a.Labels[name]; ok {
		return value
	}
	return a.Attributes[name]
}

// matches reports whether all matchers match the alert's labels and attributes.
func (a *Alert) matches(matchers labels.Matchers) bool {
	return !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(a.label(m.Name)) })
}

// key returns what identifies the message to a target: the same whenever it is sent.
func (m Message) key(target string) string {
	return hash("message", target, m.Source, m.Fingerprint, m.At.UTC().Format(time.RFC3339Nano), m.Event)
}

// event is the identity of the message within a target.
func (m Message) event() string {
	return fmt.Sprintf("%s %s %d %s", m.Source, m.Fingerprint, m.At.UnixMilli(), m.Event)
}

func (m Message) text() string {
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings, numbers and times alone
	}
	return string(text)
}

func hash(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// linker makes the link of a message from the template of the settings.
type linker struct{ template *template.Template }

func newLinker(text string) linker {
	t, _ := parseTemplate("link", text) // Validate has parsed it
	return linker{t}
}

func (n *Notifier) linked(m Message) Message {
	if m.Link != "" || m.Alert == nil || n.link.template == nil {
		return m
	}
	all := maps.Clone(m.Alert.Attributes)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, m.Alert.Labels)
	var text strings.Builder
	data := struct {
		Labels           map[string]string
		StartsAt, EndsAt time.Time
	}{all, m.Alert.StartsAt, m.Alert.EndsAt}
	if err := n.link.template.Execute(&text, data); err != nil {
		n.log.Warn("failed to make the link of a notification", "source", m.Source, "error", err)
		return m
	}
	m.Link = strings.TrimSpace(text.String())
	return m
}
