package report

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"errata/internal/catalog"
	"errata/internal/link"
	"errata/internal/store"
)

// Scheduler sends reports at the times of a Schedule. It promises each report in ClickHouse before
// it is due. After a time in which it was down it sends what it promised and what it would have
// promised since, and it continues whatever an earlier process began: a report is recorded before
// it is queued, and queued before it is sent. While late data can be expected, it looks for days
// that need another revision. It belongs to one goroutine, apart from Ready.
type Scheduler struct {
	Store    *store.Store
	Catalogs *catalog.Set
	Schedule Schedule
	Query    DailyQuery // the scope, language and limit of the reports
	// Tenants names the tenants that get a report each, of themselves alone; nil: there is one
	// report, of the scope of Query.
	Tenants func(context.Context) ([]string, error)
	// Post queues a recorded report for those of its receivers that were never sent it.
	Post func(context.Context, Daily, DailyQuery) (Posted, error)
	// Fence returns an error if another process sends the reports of this schedule; nil: there is
	// none.
	Fence   func(context.Context) error
	Metrics *ScheduleMetrics // nil: none
	Log     *slog.Logger
	Now     func() time.Time // nil: time.Now

	jobs    map[jobKey]*job
	kept    map[jobKey]bool // promises, in this turn
	checked time.Time       // when late data was looked for
	waiting bool            // for the fence
	trouble atomic.Pointer[error]
}

// Posted is a report on its way.
type Posted interface {
	// Send tries to send what is due. missed are the receivers that have not been sent the report
	// and will not be.
	Send(context.Context) (left bool, missed []string, err error)
}

const (
	// catchUp is for how long after it was due a report is still sent, and for how long after that
	// late data makes a revision.
	catchUp = 7 * 24 * time.Hour
	// lateEvery is the time between looks for late data.
	lateEvery = 10 * time.Minute
	// fencePoll is the time between looks at the fence while another process holds it.
	fencePoll = 2 * time.Second

	schedulePause  = time.Minute // the longest one between looks at what is due
	sendingPause   = time.Second // while something is on its way
	longestTrouble = time.Minute // the longest pause while ClickHouse cannot be asked
	maxSendErrors  = 5           // in a row, after which the other reports wait for the next turn
)

// jobKey names a report within a schedule.
type jobKey struct{ date, scope string }

// job is a report that is being sent.
type job struct {
	query    DailyQuery
	revision uint32
	promise  *store.DueReport // nil: it was kept, and this is a later revision
	posted   Posted
	failed   bool // some receivers will never be sent it
}

// Run sends reports until the context ends. Once it has started, no failure of ClickHouse or of a
// receiver ends it.
func (s *Scheduler) Run(ctx context.Context) error {
	if s.Now == nil {
		s.Now = time.Now
	}
	s.Log.Info("reporting on a schedule", "reports", s.Schedule.String(), "on", s.name(), "next", s.Schedule.Next(s.Now()).Format(time.RFC3339))
	retry := backoff.ExponentialBackOff{InitialInterval: time.Second, Multiplier: 2, MaxInterval: longestTrouble}
	for ctx.Err() == nil {
		pause, err := s.Turn(ctx)
		switch {
		case err == nil:
			retry.Reset()
		case ctx.Err() == nil:
			s.Metrics.failed()
			pause = max(pause, retry.NextBackOff())
			s.Log.Warn("failed to report; the reports stay due", "retry_in", pause.Round(time.Millisecond), "error", err)
		}
		s.trouble.Store(&err)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return nil
}

// Ready returns why the latest turn failed, nil if it did not.
func (s *Scheduler) Ready() error {
	if err := s.trouble.Load(); err != nil {
		return *err
	}
	return errors.New("starting")
}

// FenceGroup returns the group of Kafka whose members are the processes of this schedule. Schedules
// share the topic.
func (s *Scheduler) FenceGroup(topic string) string {
	return topic + ": " + s.String()
}

// standBy reports whether another process may send the reports. What this one knew of reports that
// were on their way is forgotten then, since the other goes on with them. An error means that none
// can send.
func (s *Scheduler) standBy(ctx context.Context) (waiting bool, err error) {
	if s.Fence == nil {
		return false, nil
	}
	if err = s.Fence(ctx); err == nil {
		if s.waiting {
			s.Log.Info("sending the reports from now on")
		}
		s.waiting = false
		return false, nil
	}
	if ctx.Err() != nil {
		return true, nil
	}
	if !s.waiting {
		s.Log.Info("waiting for the fence", "reason", err)
		s.jobs, s.checked = nil, time.Time{}
	}
	s.waiting = true
	if !errors.Is(err, link.ErrUnreachable) {
		s.Metrics.stand(0, time.Time{})
		return true, nil
	}
	due, problem := s.open(ctx, "due <= now64(3)")
	s.Metrics.stand(len(due), time.Time{})
	return true, errors.Join(err, problem)
}

// Turn does what is to be done now, and returns after which pause there may be more.
func (s *Scheduler) Turn(ctx context.Context) (pause time.Duration, err error) {
	if waiting, err := s.standBy(ctx); waiting {
		return fencePoll, err
	}
	if s.jobs == nil {
		s.jobs = map[jobKey]*job{}
	}
	s.kept = map[jobKey]bool{}
	now := s.Now()
	queries, err := s.queries(ctx)
	if err != nil {
		return schedulePause, err
	}
	promises, err := s.promised(ctx, queries, now)
	if err != nil {
		return schedulePause, err
	}
	var problems []error
	for i := range promises {
		p := &promises[i]
		if p.Outcome == store.ReportMissed { // somebody may have given it up
			delete(s.jobs, keyOf(*p))
		}
		if p.Outcome != store.ReportDue || p.Due.After(now) || s.jobs[keyOf(*p)] != nil {
			continue
		}
		q := queries[p.Scope]
		q.Date = p.Date
		problems = append(problems, s.begin(ctx, q, p))
	}
	if now.Sub(s.checked) >= lateEvery {
		err := s.revise(ctx, queries, promises, now)
		if problems = append(problems, err); err == nil {
			s.checked = now
		}
	}
	problems = append(problems, s.send(ctx))
	pause = s.show(promises, now)
	return pause, errors.Join(problems...)
}

// String is "daily in Europe/Berlin, scope all".
func (s *Scheduler) String() string { return fmt.Sprintf("%s, scope %s", s.Schedule, s.name()) }

// name is what the schedule reports on.
func (s *Scheduler) name() string {
	if s.Tenants == nil {
		_, _, scope := s.Query.identity()
		return scope
	}
	if s.Query.Owner != "" {
		return "each tenant, owner " + s.Query.Owner
	}
	return "each tenant"
}

// queries returns what is reported on, by scope.
func (s *Scheduler) queries(ctx context.Context) (map[string]DailyQuery, error) {
	base := s.Query
	base.Week, base.Zone = s.Schedule.Week, s.Schedule.zone
	all := []DailyQuery{base}
	if s.Tenants != nil {
		tenants, err := s.Tenants(ctx)
		if err != nil {
			return nil, err
		}
		all = nil
		for _, tenant := range tenants {
			q := base
			q.Tenants = []string{tenant}
			all = append(all, q)
		}
	}
	queries := map[string]DailyQuery{}
	for _, q := range all {
		_, _, scope := q.identity()
		queries[scope] = q
	}
	return queries, nil
}

func keyOf(p store.DueReport) jobKey { return jobKey{p.Date.Format(time.DateOnly), p.Scope} }

// promised returns the promises of the schedule that count now, after it has recorded those that
// are new or changed.
func (s *Scheduler) promised(ctx context.Context, queries map[string]DailyQuery, now time.Time) ([]store.DueReport, error) {
	_, period, _ := DailyQuery{Week: s.Schedule.Week}.identity()
	rows, err := store.Select[store.DueReport](ctx, s.Store, `SELECT date, period, zone, scope, schedule, due, outcome, at FROM reports_due
		WHERE schedule = ? AND period = ? AND zone = ? AND due >= fromUnixTimestamp64Milli(?) ORDER BY due, scope`,
		[]any{s.name(), period, s.Schedule.zone.String(), now.Add(-5 * catchUp).UnixMilli()})
	if err != nil {
		return nil, fmt.Errorf("ask which reports are due: %w", err)
	}
	all, changed := s.Schedule.plan(rows, slices.Sorted(maps.Keys(queries)), now)
	for i := range changed {
		changed[i].Schedule, changed[i].Period, changed[i].Zone, changed[i].Written = s.name(), period, s.Schedule.zone.String(), now.UTC()
		if changed[i].Outcome == store.ReportMissed {
			s.Log.Error("gave up a report that could not be sent in time", "date", changed[i].Date.Format(time.DateOnly), "scope", changed[i].Scope, "due", changed[i].Due.Format(time.RFC3339))
			delete(s.jobs, keyOf(changed[i]))
		}
	}
	if len(changed) > 0 {
		if err := s.Store.RecordDueReports(ctx, changed); err != nil {
			return nil, err
		}
	}
	for i := range all {
		all[i].Schedule, all[i].Period, all[i].Zone = s.name(), period, s.Schedule.zone.String()
	}
	return all, nil
}

// plan returns the promises as they are from now on, and those of them that changed. A scope is
// caught up with from its latest promise on; one without promises begins now.
func (s Schedule) plan(rows []store.DueReport, scopes []string, now time.Time) (all, changed []store.DueReport) {
	of := map[jobKey]int{}
	last := map[string]store.DueReport{} // the latest promise of a scope that is due
	for i, r := range rows {
		of[keyOf(r)] = i
		if !r.Due.After(now) && !r.Due.Before(last[r.Scope].Due) {
			last[r.Scope] = r
		}
	}
	all = slices.Clone(rows)
	alter := func(i int, outcome string, due time.Time) {
		if all[i].Outcome != outcome || !all[i].Due.Equal(due) {
			all[i].Outcome, all[i].Due = outcome, due
			changed = append(changed, all[i])
		}
	}
	kept := map[jobKey]bool{}
	promise := func(scope string, at time.Time) {
		p := store.DueReport{Date: s.Date(at), Scope: scope, Due: at.UTC(), Outcome: store.ReportDue}
		i, there := of[keyOf(p)]
		switch {
		case !there:
			of[keyOf(p)] = len(all)
			all, changed = append(all, p), append(changed, p)
		case all[i].Outcome == store.ReportWithdrawn || all[i].Outcome == store.ReportDue && all[i].Due.After(now) && !kept[keyOf(p)]:
			alter(i, store.ReportDue, p.Due)
		}
		kept[keyOf(p)] = true
	}
	for _, scope := range scopes {
		from := now
		if l, ok := last[scope]; ok && l.Outcome != store.ReportWithdrawn {
			from = l.Due
		}
		if oldest := now.Add(-catchUp); from.Before(oldest) {
			from = oldest
		}
		at := s.Next(from)
		for ; !at.IsZero() && !at.After(now); at = s.Next(at) {
			promise(scope, at)
		}
		if !at.IsZero() {
			promise(scope, at)
		}
	}
	for i, p := range all {
		switch {
		case p.Outcome != store.ReportDue:
		case !slices.Contains(scopes, p.Scope), p.Due.After(now) && !kept[keyOf(p)]: // no longer on the schedule
			alter(i, store.ReportWithdrawn, p.Due)
		case p.Due.Before(now.Add(-catchUp)):
			alter(i, store.ReportMissed, p.Due)
		}
	}
	return all, changed
}

// begin makes, records and queues a report.
func (s *Scheduler) begin(ctx context.Context, q DailyQuery, p *store.DueReport) error {
	date, _, scope := q.identity()
	about := fmt.Sprintf("report of %s on %s", date.Format(time.DateOnly), scope)
	d, err := NewDaily(ctx, s.Store, s.Catalogs, q)
	if err != nil {
		return fmt.Errorf("make the %s: %w", about, err)
	}
	if _, err := d.Record(ctx, s.Store, q, s.Now()); err != nil {
		return fmt.Errorf("%s: %w", about, err)
	}
	j := &job{query: q, revision: d.Revision.Number}
	if p != nil {
		promise := *p
		j.promise = &promise
	}
	if j.posted, err = s.Post(ctx, d, q); err != nil {
		return fmt.Errorf("queue the %s: %w", about, err)
	}
	s.jobs[jobKey{date.Format(time.DateOnly), scope}] = j
	return nil
}

// send gives every report that is on its way its turn. If several in a row fail, the others wait.
func (s *Scheduler) send(ctx context.Context) error {
	var problems []error
	inARow := 0
	for key, j := range s.jobs { // in any order, so that no report holds up the others
		if j.failed {
			continue
		}
		left, missed, err := j.posted.Send(ctx)
		if err != nil {
			problems = append(problems, fmt.Errorf("report of %s on %s: %w", key.date, key.scope, err))
			if inARow++; inARow == maxSendErrors {
				break
			}
			continue
		}
		inARow = 0
		switch {
		case left:
		case len(missed) > 0:
			j.failed = true
			s.Metrics.failed()
			s.Log.Error("a report did not reach all of its receivers", "date", key.date, "scope", key.scope, "revision", j.revision, "missed", strings.Join(missed, ", "),
				"help", "correct notify and start again, or give the report up with --give-up")
		default:
			if err := s.settle(ctx, j); err != nil {
				problems = append(problems, err)
				continue
			}
			delete(s.jobs, key)
			s.Log.Info("sent a report", "date", key.date, "scope", key.scope, "revision", j.revision)
		}
	}
	return errors.Join(problems...)
}

// settle records that a report was sent.
func (s *Scheduler) settle(ctx context.Context, j *job) error {
	now := s.Now()
	if err := MarkSent(ctx, s.Store, j.query, j.revision, now); err != nil {
		return err
	}
	if j.promise != nil {
		kept := *j.promise
		kept.Outcome, kept.Written = store.ReportSent, now.UTC()
		if err := s.Store.RecordDueReports(ctx, []store.DueReport{kept}); err != nil {
			return err
		}
		s.kept[keyOf(kept)] = true
		j.promise = nil
	}
	s.Metrics.sent(now)
	return nil
}

// counted is what a tenant, or the latest revision of a report, counts of a day.
type counted struct {
	Date          time.Time `ch:"date_"`
	Name          string    `ch:"name_"` // the tenant, or the scope
	Requests      uint64    `ch:"requests_"`
	ErrorRequests uint64    `ch:"error_requests_"`
	Sent          time.Time `ch:"sent_"`
}

// revise begins a revision of each report whose day has got late data, and continues one that was
// recorded and not sent.
func (s *Scheduler) revise(ctx context.Context, queries map[string]DailyQuery, promises []store.DueReport, now time.Time) error {
	dates := map[string][]store.DueReport{}
	for _, p := range promises {
		if p.Outcome == store.ReportSent && now.Sub(p.Due) <= catchUp && s.jobs[keyOf(p)] == nil && queries[p.Scope].Zone != nil {
			dates[p.Date.Format(time.DateOnly)] = append(dates[p.Date.Format(time.DateOnly)], p)
		}
	}
	var problems []error
	for _, date := range slices.Sorted(maps.Keys(dates)) {
		sent := dates[date]
		was, err := s.recorded(ctx, sent[0])
		if err != nil {
			return err
		}
		is, err := s.counts(ctx, sent[0].Date)
		if err != nil {
			return err
		}
		for _, p := range sent {
			q := queries[p.Scope]
			q.Date = p.Date
			r, ok := was[p.Scope]
			if n := is.of(q.Tenants); ok && (r.Sent.Unix() <= 0 || late(r.Requests, n.Requests) || q.Owner == "" && late(r.ErrorRequests, n.ErrorRequests)) {
				problems = append(problems, s.begin(ctx, q, nil))
			}
		}
	}
	return errors.Join(problems...)
}

// recorded returns the latest revision of each scope, for the day and zone of a promise.
func (s *Scheduler) recorded(ctx context.Context, of store.DueReport) (map[string]counted, error) {
	rows, err := store.Select[counted](ctx, s.Store, `SELECT max(date) AS date_, scope AS name_, argMax(requests, revision) AS requests_,
			argMax(error_requests, revision) AS error_requests_, argMax(sent, revision) AS sent_
		FROM reports WHERE date = toDate(?) AND period = ? AND zone = ? GROUP BY scope`, []any{of.Date.Format(time.DateOnly), of.Period, of.Zone})
	if err != nil {
		return nil, fmt.Errorf("ask for the recorded reports: %w", err)
	}
	latest := map[string]counted{}
	for _, r := range rows {
		latest[r.Name] = r
	}
	return latest, nil
}

// tenantCounts are the counts of a day, by tenant.
type tenantCounts map[string]counted

// of adds up the counts of some tenants, all if none is named.
func (t tenantCounts) of(tenants []string) (sum counted) {
	for name, n := range t {
		if len(tenants) == 0 || slices.Contains(tenants, name) {
			sum.Requests += n.Requests
			sum.ErrorRequests += n.ErrorRequests
		}
	}
	return sum
}

// counts counts a day or week as a report would.
func (s *Scheduler) counts(ctx context.Context, date time.Time) (tenantCounts, error) {
	windows, _ := DailyQuery{Date: date, Zone: s.Schedule.zone, Week: s.Schedule.Week}.windows()
	scope := store.Scope{From: windows[today].From, To: windows[today].To}
	rows, err := store.Select[counted](ctx, s.Store, `SELECT toDateTime64(0, 3) AS date_, tenant AS name_, sum(requests) AS requests_, sum(errors) AS error_requests_, toDateTime64(0, 3) AS sent_
		FROM `+scope.Rollup("traffic", split(windows[:1]))+` GROUP BY tenant`, nil)
	if err != nil {
		return nil, fmt.Errorf("ask for late data: %w", err)
	}
	of := tenantCounts{}
	for _, r := range rows {
		of[r.Name] = r
	}
	return of, nil
}

// show sets the metrics, and returns the pause until something may be due.
func (s *Scheduler) show(promises []store.DueReport, now time.Time) time.Duration {
	pause, unsent := schedulePause, 0
	var next time.Time
	for _, p := range promises {
		switch {
		case p.Outcome != store.ReportDue:
		case p.Due.After(now):
			pause = min(pause, p.Due.Sub(now))
			if next.IsZero() || p.Due.Before(next) {
				next = p.Due
			}
		case !s.kept[keyOf(p)]:
			unsent++
		}
	}
	for _, j := range s.jobs {
		if !j.failed {
			pause = min(pause, sendingPause)
		}
	}
	s.Metrics.stand(unsent, next)
	return pause
}

// Withdraw takes back all promises of the schedule, so that none of its reports is missed. It
// returns how many there were.
func (s *Scheduler) Withdraw(ctx context.Context) (int, error) {
	return s.end(ctx, store.ReportWithdrawn, "1")
}

// GiveUp ends the reports of a day that should have been sent, so that none is waited for any
// longer. It returns how many there were. What is in the queue may still be sent.
func (s *Scheduler) GiveUp(ctx context.Context, date time.Time) (int, error) {
	if s.Schedule.Week {
		date = monday(date)
	}
	return s.end(ctx, store.ReportMissed, "date = toDate(?) AND due <= now64(3)", date.Format(time.DateOnly))
}

// end records an outcome of the promises of the schedule that are open, and of which a condition is
// true.
func (s *Scheduler) end(ctx context.Context, outcome, condition string, args ...any) (int, error) {
	rows, err := s.open(ctx, condition, args...)
	if err != nil {
		return 0, err
	}
	for i := range rows {
		rows[i].Outcome, rows[i].Written = outcome, time.Now().UTC()
	}
	return len(rows), s.Store.RecordDueReports(ctx, rows)
}

// open returns the promises of the schedule that are open, and of which a condition is true.
func (s *Scheduler) open(ctx context.Context, condition string, args ...any) ([]store.DueReport, error) {
	_, period, _ := DailyQuery{Week: s.Schedule.Week}.identity()
	args = append([]any{s.name(), period, s.Schedule.zone.String(), store.ReportDue}, args...)
	rows, err := store.Select[store.DueReport](ctx, s.Store, `SELECT date, period, zone, scope, schedule, due, outcome, at FROM reports_due
		WHERE schedule = ? AND period = ? AND zone = ? AND outcome = ? AND `+condition, args)
	if err != nil {
		return nil, fmt.Errorf("ask which reports are due: %w", err)
	}
	return rows, nil
}

// SeenTenants returns the tenants that sent requests since a time, in order, without those that
// have no name.
func SeenTenants(ctx context.Context, s *store.Store, since time.Time) ([]string, error) {
	tenants, err := names(ctx, s, "SELECT DISTINCT tenant FROM traffic_hour WHERE hour >= fromUnixTimestamp64Milli(?)", since.UnixMilli())
	if err != nil {
		return nil, err
	}
	slices.SortFunc(tenants, cmp.Compare)
	return slices.DeleteFunc(tenants, func(name string) bool { return name == "" }), nil
}
