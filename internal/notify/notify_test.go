package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"errata/internal/link"
	"errata/internal/store"
)

var midnight = time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)

// message is the one of a minute.
func message(minute int) Message {
	return Message{Source: "R", Fingerprint: "f", At: midnight.Add(time.Duration(minute) * time.Minute), Event: "firing", JSON: fmt.Sprint("m", minute)}
}

// fixture is a Notifier with one target, whose answers the test gives.
type fixture struct {
	*Notifier
	queue  *memory
	sent   []string // what the target took
	tries  []time.Duration
	began  time.Time
	answer func(body string) error // nil: takes it
	log    strings.Builder
}

func newFixture() *fixture {
	f := &fixture{queue: &memory{}, began: time.Now()}
	f.Notifier = New(Defaults, f.queue, slog.New(slog.NewTextHandler(&f.log, nil)))
	f.targets = []*target{{name: "webhook", retry: newRetry(), send: func(_ context.Context, d store.Delivery) (string, error) {
		f.tries = append(f.tries, time.Since(f.began))
		if f.answer != nil {
			if err := f.answer(d.Body); err != nil {
				return "", err
			}
		}
		f.sent = append(f.sent, d.Body)
		return "", nil
	}}}
	return f
}

func (f *fixture) enqueue(t *testing.T, messages ...Message) {
	t.Helper()
	if err := f.Enqueue(t.Context(), messages...); err != nil {
		t.Fatal(err)
	}
}

var errAway = errors.New("away")

func TestEachMessageIsSentOnceAndInOrder(t *testing.T) {
	f := newFixture()
	f.enqueue(t, message(2), message(1), message(3))
	for range 2 {
		if err := f.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.enqueue(t, message(1), message(2)) // as a process does that starts again
	}
	if got := strings.Join(f.sent, " "); got != "m1 m2 m3" {
		t.Error(got)
	}
	if got := f.queue.outcomes(); got != "m2 sent, m1 sent, m3 sent" {
		t.Error(got)
	}
}

func TestLongQueueTakesSeveralTurns(t *testing.T) {
	f := newFixture()
	for minute := range 250 {
		f.enqueue(t, message(minute))
	}
	for turn, want := range []bool{true, true, false} {
		if left, err := f.Send(t.Context()); left != want || err != nil {
			t.Errorf("turn %d: %v %v", turn, left, err)
		}
	}
	if len(f.sent) != 250 {
		t.Error(len(f.sent))
	}
}

func TestRefusedMessageHoldsUpNoOther(t *testing.T) {
	f := newFixture()
	f.answer = func(body string) error {
		if body == "m1" {
			return refusal{errors.New("400")}
		}
		return nil
	}
	f.enqueue(t, message(1), message(2))
	if err := f.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := f.queue.outcomes(); got != "m1 refused, m2 sent" || !strings.Contains(f.log.String(), "dropped a notification that its target refused") {
		t.Error(got, f.log.String())
	}
}

func TestTargetInTroubleIsRetriedWithGrowingPausesUntilTheMessageExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		f.answer = func(body string) error {
			if body == "m1" {
				return errAway
			}
			return nil
		}
		f.enqueue(t, message(1))
		for time.Since(f.began) < Defaults.ExpireAfter {
			if left, _ := f.Send(t.Context()); !left {
				t.Fatal("dropped too early")
			}
			time.Sleep(time.Second)
		}
		f.enqueue(t, message(2)) // waits behind the first, and is not old
		for range 100 {
			time.Sleep(time.Second)
			f.Send(t.Context())
		}
		if got := fmt.Sprint(f.tries[:10]); got != "[0s 1s 3s 7s 15s 31s 1m3s 2m3s 3m3s 4m3s]" {
			t.Error(got)
		}
		if got := f.queue.outcomes(); got != "m1 expired, m2 sent" || !strings.Contains(f.log.String(), "dropped a notification that could not be sent in time") {
			t.Error(got, f.log.String())
		}
	})
}

func TestPausesBeginAgainAfterASuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		failures := 3
		f.answer = func(string) error {
			if failures--; failures >= 0 {
				return errAway
			}
			return nil
		}
		f.enqueue(t, message(1))
		if err := f.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.began, f.tries, failures = time.Now(), nil, 1
		f.enqueue(t, message(2))
		if err := f.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(f.tries); got != "[0s 1s]" {
			t.Error(got)
		}
	})
}

func TestFlushGivesUpAndKeepsTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		f.answer = func(string) error { return errAway }
		f.enqueue(t, message(1))
		err := f.Flush(t.Context())
		if !errors.Is(err, link.ErrUnreachable) || !strings.Contains(err.Error(), "away") {
			t.Error(err)
		}
		if got := f.queue.outcomes(); got != "m1 queued" {
			t.Error(got)
		}
		if took := time.Since(f.began); took < patience || took > patience+longestPause {
			t.Error(took)
		}
	})
}

// What was sent and could not be recorded is recorded later, and not sent again.
func TestOutcomeIsRecordedLater(t *testing.T) {
	f := newFixture()
	f.enqueue(t, message(1), message(2))
	f.queue.fail = errAway
	for range 3 {
		if left, err := f.Send(t.Context()); !left || !errors.Is(err, errAway) {
			t.Error(left, err)
		}
	}
	f.queue.fail = nil
	if err := f.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(f.sent, " "); got != "m1 m2" {
		t.Error(got)
	}
}

// server answers with a status and keeps the bodies that it took.
type server struct {
	*httptest.Server
	status  int
	answer  string
	bodies  []string
	headers []http.Header
	urls    []string
	path    string
}

func newServer(t *testing.T) *server {
	s := &server{status: http.StatusOK}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.path = r.URL.Path
		w.WriteHeader(s.status)
		io.WriteString(w, s.answer)
		if s.status == http.StatusOK {
			s.bodies, s.headers, s.urls = append(s.bodies, string(body)), append(s.headers, r.Header), append(s.urls, r.URL.String())
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func TestErrorsLeaveTheSecretOfTheURLOut(t *testing.T) {
	s := newServer(t)
	c := client{timeout: time.Second}
	for status, refused := range map[int]bool{400: true, 413: true, 422: true, 403: false, 404: false, 429: false, 500: false, 503: false} {
		s.status = status
		_, err := c.post(t.Context(), request{url: s.URL + "/secret", body: "{}"})
		var refusal refusal
		if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), fmt.Sprint(status)) || errors.As(err, &refusal) != refused {
			t.Errorf("%d: %v", status, err)
		}
	}
	s.Close()
	if _, err := c.post(t.Context(), request{url: s.URL + "/secret", body: "{}"}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

func TestAlertmanagerIsToldAgainAndAgain(t *testing.T) {
	s := newServer(t)
	cfg := Defaults
	cfg.Alertmanager.URL = s.URL + "/prefix/"
	n := New(cfg, &memory{}, slog.New(slog.DiscardHandler))
	now := midnight
	n.Now = func() time.Time { return now }
	send := func(wantLeft bool) {
		t.Helper()
		if left, err := n.Send(t.Context()); left != wantLeft || (err != nil) != wantLeft {
			t.Errorf("%v %v", left, err)
		}
	}
	// told is "a +4m, b -5m": the labels of the last telling, with when each ends from now on.
	told := func(tellings int, want string) {
		t.Helper()
		var all []postable
		if len(s.bodies) != tellings {
			t.Fatalf("%d tellings, want %d", len(s.bodies), tellings)
		}
		if err := json.Unmarshal([]byte(s.bodies[tellings-1]), &all); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range all {
			got = append(got, fmt.Sprintf("%s %+.0fm", a.Labels["alertname"], a.EndsAt.Sub(now).Minutes()))
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	update := func(name string, ends time.Time) {
		n.Update(Message{Fingerprint: name, Alert: &Alert{Labels: map[string]string{"alertname": name}, StartsAt: midnight, EndsAt: ends}})
	}
	send(false)
	if len(s.bodies) != 0 {
		t.Error("told of nothing")
	}
	update("a", time.Time{})
	update("b", time.Time{})
	send(false)
	told(1, "a +4m, b +4m")
	if s.path != "/prefix/api/v2/alerts" {
		t.Error(s.path)
	}
	now = now.Add(59 * time.Second)
	send(false)
	told(1, "a +3m, b +3m") // it is not due
	now = now.Add(time.Second)
	update("b", now)
	s.status = http.StatusServiceUnavailable
	send(true)
	s.status = http.StatusOK
	if left, err := n.Send(t.Context()); !left || err != nil { // it waits
		t.Error(left, err)
	}
	now = now.Add(time.Second)
	send(false)
	told(2, "b -0m, a +4m")
	for range 15 {
		now = now.Add(time.Minute)
		send(false)
	}
	told(17, "a +4m")
}

// Go follows most redirects with a GET that lacks the body, so that a 200 behind one does not say
// that a message was taken.
func TestRedirectThatLosesTheMessageIsAFailure(t *testing.T) {
	t.Parallel()
	var taken []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if code, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/moved/")); err == nil {
			http.Redirect(w, r, "/secret", code)
			return
		}
		body, _ := io.ReadAll(r.Body)
		taken = append(taken, r.Method+" "+string(body))
	}))
	defer s.Close()
	c := client{timeout: 5 * time.Second}
	for code, follows := range map[int]bool{301: false, 302: false, 303: false, 307: true, 308: true} {
		taken = nil
		_, err := c.post(t.Context(), request{url: fmt.Sprintf("%s/moved/%d", s.URL, code), body: "{}"})
		if follows {
			if err != nil || !slices.Equal(taken, []string{"POST {}"}) {
				t.Errorf("%d: %v, and the target took %q", code, err, taken)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), fmt.Sprint(code)) || strings.Contains(err.Error(), "secret") || taken != nil {
			t.Errorf("%d: %v, and the target took %q", code, err, taken)
		}
	}
}
