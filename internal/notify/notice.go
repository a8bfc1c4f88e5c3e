package notify

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"errata/internal/cli"
)

// Notice is what a receiver is told at once: the alerts of a group, or one message that is no
// alert. All formats are rendered from it.
type Notice struct {
	Key      string            `json:"-"`
	Status   string            `json:"status"`           // firing if any alert is; otherwise resolved, or the message's event
	Labels   map[string]string `json:"labels,omitempty"` // that its groups share
	Firing   int               `json:"firing"`           // alerts, with those that are not listed
	Resolved int               `json:"resolved"`
	Family   string            `json:"family,omitempty"` // of codes, if many groups were folded
	Note     string            `json:"note,omitempty"`
	Messages []Message         `json:"messages"`         // the firing ones first, the latest first
	More     int               `json:"more,omitempty"`   // alerts that are counted and not listed
	Counts   []Tally           `json:"counts,omitempty"` // alerts by label, if there are many
	Thread   string            `json:"thread,omitempty"` // the receipt of the notice that this one follows
}

// Tally counts the alerts of each value of a label, the most frequent first.
type Tally struct {
	Label  string  `json:"label"`
	Values []Count `json:"values"`
	More   int     `json:"more,omitempty"` // values that are not listed
}

// Count is a value with its number of alerts.
type Count struct {
	Value  string `json:"value"`
	Alerts int    `json:"alerts"`
}

const (
	maxListed   = 100 // messages in a notice
	maxTallied  = 10  // values in a Tally
	talliedFrom = 4   // alerts
	maxChatted  = 5   // messages that a chat shows
)

// noticeOf returns the notice of one message that belongs to no group.
func noticeOf(m Message) Notice {
	return Notice{Status: m.Event, Messages: []Message{m}}
}

// notice renders a draft. The order of its messages depends on them alone, so that two processes
// write the same.
func (d *draft) notice() Notice {
	status := firing
	if len(d.firing) == 0 {
		status = resolved
	}
	n := Notice{Status: status, Labels: d.labels, Firing: len(d.firing), Resolved: len(d.resolved), Family: d.family, Thread: d.thread()}
	latest := func(a, b Message) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.alert(), b.alert())) }
	all := slices.Concat(slices.SortedFunc(slices.Values(d.firing), latest), slices.SortedFunc(slices.Values(d.resolved), latest))
	n.Counts = tallies(all)
	n.Messages = all[:min(len(all), maxListed)]
	n.More = len(all) - len(n.Messages)
	if d.limited > 0 {
		n.Note = fmt.Sprintf("The receiver's limit of messages an hour is reached. This message holds all that was due: %s.", cli.Count(d.limited, "group"))
	}
	return n
}

// tallies counts many alerts by the labels that tell where they are.
func tallies(all []Message) (tallies []Tally) {
	if len(all) < talliedFrom {
		return nil
	}
	for _, label := range []string{familyLabel, tenantLabel, "code"} {
		counts := map[string]int{}
		for _, m := range all {
			if value := m.Alert.label(label); value != "" {
				counts[value]++
			}
		}
		if len(counts) < 2 {
			continue
		}
		t := Tally{Label: label}
		values := slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
		for _, value := range values[:min(len(values), maxTallied)] {
			t.Values = append(t.Values, Count{value, counts[value]})
		}
		t.More = len(values) - len(t.Values)
		tallies = append(tallies, t)
	}
	return tallies
}

// String is "tenants: acme 3, globex 2 and 7 more".
func (t Tally) String() string {
	var parts []string
	for _, c := range t.Values {
		parts = append(parts, fmt.Sprintf("%s %d", c.Value, c.Alerts))
	}
	text := t.Label + ": " + strings.Join(parts, ", ")
	if t.More > 0 {
		text += fmt.Sprintf(" and %d more", t.More)
	}
	return text
}

func (n Notice) text() string {
	text, err := json.Marshal(n)
	if err != nil {
		panic(err) // strings, numbers and times alone
	}
	return string(text)
}

// Title is one line: [FIRING] acme has used up its quota.
func (n Notice) Title() string {
	first := n.Messages[0]
	total := n.Firing + n.Resolved
	switch {
	case first.Alert == nil:
		return oneLine(first.Title)
	case total == 1:
		return oneLine(fmt.Sprintf("[%s] %s", strings.ToUpper(n.Status), first.Title))
	}
	var counts []string
	if n.Firing > 0 {
		counts = append(counts, fmt.Sprintf("FIRING:%d", n.Firing))
	}
	if n.Resolved > 0 {
		counts = append(counts, fmt.Sprintf("RESOLVED:%d", n.Resolved))
	}
	what := fmt.Sprintf("%s and %d more", first.Title, total-1)
	if n.Family != "" {
		what = fmt.Sprintf("%s of family %s: %s", cli.Count(total, "alert"), n.Family, what)
	}
	return oneLine(fmt.Sprintf("[%s] %s", strings.Join(counts, ", "), what))
}

// Summary lists what the alerts have in common, one fact a line.
func (n Notice) Summary() (lines []string) {
	if n.Note != "" {
		lines = append(lines, n.Note)
	}
	for _, t := range n.Counts {
		lines = append(lines, oneLine(t.String()))
	}
	return lines
}

// Since says when an alert fired and, if it has, when it ended.
func (m Message) Since() string {
	if m.Alert == nil {
		return ""
	}
	const layout = "2006-01-02 15:04 UTC"
	if m.Alert.resolved() {
		return fmt.Sprintf("from %s to %s", m.Alert.StartsAt.UTC().Format(layout), m.Alert.EndsAt.UTC().Format(layout))
	}
	return "since " + m.Alert.StartsAt.UTC().Format(layout)
}

// Status is firing or resolved, "" for a message that is no alert.
func (m Message) Status() string {
	if m.Alert == nil {
		return ""
	}
	return m.Alert.status()
}

// heading is the first line of a message within a notice.
func (n Notice) heading(m Message) string {
	if m.Alert == nil {
		return oneLine(m.Title)
	}
	return oneLine(fmt.Sprintf("%s (%s, %s)", m.Title, m.Status(), m.Since()))
}

// left returns how many alerts a rendering leaves out that shows some messages.
func (n Notice) left(shown int) int { return len(n.Messages) - shown + n.More }

// oneLine replaces what would break a line or drive a terminal.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' || r < ' ' || r == 0x7f }), " ")
}

// shortened cuts a text to a number of bytes, at the end of a character.
func shortened(text string, most int) string {
	const mark = "…"
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-len(mark)], "") + mark
}

// markup is how a chat writes a notice.
type markup struct {
	bold    func(text string) string
	link    func(url string) string
	escape  func(text string) string
	newline string
	most    int // bytes
}

// chat renders a notice for a chat, with the most important first.
func (n Notice) chat(m markup) string {
	var lines []string
	lines = append(lines, m.bold(m.escape(n.Title())))
	for _, line := range n.Summary() {
		lines = append(lines, m.escape(line))
	}
	shown := n.Messages[:min(len(n.Messages), maxChatted)]
	for _, msg := range shown {
		if len(n.Messages) > 1 {
			lines = append(lines, "", m.bold(m.escape(n.heading(msg))))
		} else if since := msg.Since(); since != "" {
			lines = append(lines, m.escape(since))
		}
		for _, d := range msg.Details {
			lines = append(lines, m.bold(m.escape(d.Name))+": "+m.escape(oneLine(d.Text)))
		}
		if msg.Text != "" {
			lines = append(lines, strings.Split(m.escape(msg.Text), "\n")...)
		}
		if msg.Link != "" {
			lines = append(lines, m.link(msg.Link))
		}
	}
	if left := n.left(len(shown)); left > 0 {
		lines = append(lines, "", m.escape(fmt.Sprintf("and %d more", left)))
	}
	return shortened(strings.Join(lines, m.newline), m.most)
}

// webhookNotice is the body that a webhook gets: that of Alertmanager's webhook, version 4, with
// more in it.
type webhookNotice struct {
	Version           string            `json:"version"`
	ID                string            `json:"id"`
	GroupKey          string            `json:"groupKey"`
	TruncatedAlerts   int               `json:"truncatedAlerts"`
	Status            string            `json:"status"`
	Receiver          string            `json:"receiver"`
	GroupLabels       map[string]string `json:"groupLabels"`
	CommonLabels      map[string]string `json:"commonLabels"`
	CommonAnnotations map[string]string `json:"commonAnnotations"`
	ExternalURL       string            `json:"externalURL"`
	Title             string            `json:"title"`
	Summary           []string          `json:"summary"`
	Firing            int               `json:"firing"`
	Resolved          int               `json:"resolved"`
	Alerts            []webhookAlert    `json:"alerts"`
}

type webhookAlert struct {
	Status       string            `json:"status"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL"`
	Fingerprint  string            `json:"fingerprint"`
	Details      json.RawMessage   `json:"details,omitempty"` // what notify.webhook would get
}

// webhook renders the notice as JSON. A message that is no alert has JSON of its own.
func (n Notice) webhook(receiver string) string {
	if first := n.Messages[0]; first.Alert == nil {
		if first.JSON != "" {
			return first.JSON
		}
		return n.text()
	}
	w := webhookNotice{
		Version: "4", ID: n.Key, GroupKey: groupKey(n.Labels), TruncatedAlerts: n.More, Status: n.Status, Receiver: receiver,
		GroupLabels: n.Labels, Title: n.Title(), Summary: n.Summary(), Firing: n.Firing, Resolved: n.Resolved,
	}
	for i, m := range n.Messages {
		if i == 0 {
			w.CommonLabels, w.CommonAnnotations = maps.Clone(m.Alert.Labels), maps.Clone(m.Alert.Annotations)
		}
		maps.DeleteFunc(w.CommonLabels, func(name, value string) bool { return m.Alert.Labels[name] != value })
		maps.DeleteFunc(w.CommonAnnotations, func(name, value string) bool { return m.Alert.Annotations[name] != value })
		w.Alerts = append(w.Alerts, webhookAlert{
			Status: m.Status(), Labels: m.Alert.Labels, Annotations: m.Alert.Annotations, StartsAt: m.Alert.StartsAt, EndsAt: m.Alert.EndsAt,
			GeneratorURL: m.Link, Fingerprint: m.Fingerprint, Details: json.RawMessage(m.JSON),
		})
	}
	text, err := json.Marshal(w)
	if err != nil {
		return n.text() // a message's JSON is none
	}
	return string(text)
}
