package notify

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/alertmanager/pkg/labels"

	"errata/internal/store"
)

// mutes are the silences and the states of codes, as they were read last.
type mutes struct {
	queue    Queue
	log      *slog.Logger
	stale    bool            // read again before they are used
	broken   map[string]bool // IDs of silences that the log has mentioned
	loaded   bool
	silences []silence
	codes    map[codeOf]store.CodeState
}

type silence struct {
	store.Silence
	matchers labels.Matchers
}

type codeOf struct{ tenant, code string }

func (m *mutes) load(ctx context.Context, now time.Time) error {
	if m.loaded && !m.stale {
		return nil
	}
	silences, err := m.queue.Silences(ctx, now)
	if err != nil {
		return err
	}
	states, err := m.queue.CodeStates(ctx)
	if err != nil {
		return err
	}
	m.silences, m.codes = nil, map[codeOf]store.CodeState{}
	for _, s := range silences {
		matchers, err := ParseMatchers(s.Matchers)
		if err != nil || len(matchers) == 0 { // not by our command: it must not hold up every alert, and not mute all
			if !m.broken[s.ID] {
				m.broken[s.ID] = true
				m.log.Warn("left out a silence whose matchers cannot be read", "silence", s.ID, "matchers", s.Matchers, "error", err)
			}
			continue
		}
		m.silences = append(m.silences, silence{s, matchers})
	}
	for _, s := range states {
		m.codes[codeOf{s.Tenant, s.Code}] = s
	}
	m.loaded, m.stale = true, false
	return nil
}

// reason returns why an alert is told to no receiver now, "" if it is told.
func (m *mutes) reason(a Message, now time.Time) string {
	return cmp.Or(m.silenced(a, now), m.ignored(a, now))
}

// silenced returns which silence mutes an alert, "" for none.
func (m *mutes) silenced(a Message, now time.Time) string {
	for _, s := range m.silences {
		if !now.Before(s.Starts) && now.Before(s.Ends) && a.Alert.matches(s.matchers) {
			return fmt.Sprintf("silence %s of %s until %s: %s", s.ID, s.Author, s.Ends.UTC().Format(time.RFC3339), s.Comment)
		}
	}
	return ""
}

// ignored returns who has ignored all codes of an alert, "" for nobody.
func (m *mutes) ignored(a Message, now time.Time) string {
	if s := m.state(a, func(s store.CodeState) bool { return ignores(s, now) && (s.Above == 0 || a.Alert.Errors <= s.Above) }); s != nil {
		return fmt.Sprintf("%s has ignored %s: %s", s.Author, s.Code, s.Comment)
	}
	return ""
}

// ignores reports whether a code is ignored at a time, if only up to a number of errors.
func ignores(s store.CodeState, now time.Time) bool {
	return s.State == store.Ignored && (s.Until.IsZero() || now.Before(s.Until))
}

// escalated says that an alert is told although all its codes are ignored, because it has too many
// errors. It is "" for an alert of which that is not so.
func (m *mutes) escalated(a Message, now time.Time) string {
	s := m.state(a, func(s store.CodeState) bool { return ignores(s, now) && s.Above > 0 })
	if s == nil || a.Alert.Errors <= s.Above {
		return ""
	}
	return fmt.Sprintf("%d errors in its window, more than the %d up to which %s has ignored %s: %s", a.Alert.Errors, s.Above, s.Author, s.Code, s.Comment)
}

// acknowledged reports whether an alert is not repeated, because its codes were acknowledged or
// marked as fixed after it fired.
func (m *mutes) acknowledged(a Message) bool {
	return m.state(a, func(s store.CodeState) bool {
		return (s.State == store.Acknowledged || s.State == store.Fixed) && !a.Alert.StartsAt.After(s.Written)
	}) != nil
}

// state returns the state of the alert's codes if it has some and all of them are in a state that
// the function accepts.
func (m *mutes) state(a Message, accepts func(store.CodeState) bool) *store.CodeState {
	var found *store.CodeState
	for _, code := range a.Alert.Codes {
		s, ok := m.codes[codeOf{a.Alert.label(tenantLabel), code}]
		if !ok {
			s, ok = m.codes[codeOf{store.AnyTenant, code}]
		}
		if !ok || !accepts(s) {
			return nil
		}
		found = &s
	}
	return found
}
