package dashboards_test

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"errata/dashboards"
	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/enrich"
	"errata/internal/stack"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

// A dashboard is what of Grafana's JSON the tests look at.
type dashboard struct {
	UID           string `json:"uid"`
	Title         string `json:"title"`
	Description   string `json:"description"`
	SchemaVersion int    `json:"schemaVersion"`
	Templating    struct {
		List []struct {
			Name       string     `json:"name"`
			Type       string     `json:"type"`
			Datasource datasource `json:"datasource"`
			Multi      bool       `json:"multi"`
			IncludeAll bool       `json:"includeAll"`
			Definition string     `json:"definition"`
			Query      any        `json:"query"` // a target, but for the data source variable
		} `json:"list"`
	} `json:"templating"`
	Annotations struct {
		List []struct {
			Name       string     `json:"name"`
			Datasource datasource `json:"datasource"`
			Target     target     `json:"target"`
		} `json:"list"`
	} `json:"annotations"`
	Panels []panel `json:"panels"`
}

type panel struct {
	ID          int        `json:"id"`
	Type        string     `json:"type"`
	Title       string     `json:"title"`
	Description string     `json:"description"`
	Datasource  datasource `json:"datasource"`
	GridPos     gridPos
	Targets     []target `json:"targets"`
	FieldConfig struct {
		Defaults struct {
			DisplayName string `json:"displayName"`
		} `json:"defaults"`
		Overrides []struct {
			Matcher struct{ ID, Options string }
		} `json:"overrides"`
	} `json:"fieldConfig"`
}

type target struct {
	Datasource datasource `json:"datasource"`
	Format     int        `json:"format"` // of the plugin: 0 time series, 1 table
	RawSQL     string     `json:"rawSql"`
}

type datasource struct{ Type, UID string }

// byVariable is the only data source that a dashboard may name.
var byVariable = datasource{"grafana-clickhouse-datasource", "${datasource}"}

func load(t *testing.T) map[string]dashboard {
	t.Helper()
	names, err := fs.Glob(dashboards.FS, "*.json")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	all := map[string]dashboard{}
	for _, name := range names {
		if name == pipelineFile {
			continue // over Prometheus, with tests of its own
		}
		text, err := fs.ReadFile(dashboards.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = d
	}
	return all
}

// A query is one piece of SQL in a dashboard, and where it stands.
type query struct {
	where  string
	sql    string
	series bool
	panel  *panel // nil for a variable or an annotation
}

func (d dashboard) queries(t *testing.T) (all []query) {
	t.Helper()
	for _, v := range d.Templating.List {
		if v.Type != "query" {
			continue
		}
		q, _ := v.Query.(map[string]any)
		sql, _ := q["rawSql"].(string)
		if sql == "" || sql != v.Definition {
			t.Errorf("variable %s: no rawSql, or another one than in its definition", v.Name)
		}
		all = append(all, query{where: "variable " + v.Name, sql: sql})
	}
	for _, a := range d.Annotations.List {
		all = append(all, query{where: "annotation " + a.Name, sql: a.Target.RawSQL})
	}
	for i, p := range d.Panels {
		for _, target := range p.Targets {
			all = append(all, query{where: "panel " + p.Title, sql: target.RawSQL, series: target.Format == 0, panel: &d.Panels[i]})
		}
	}
	return all
}

// A view is what the user has chosen in Grafana.
type view struct {
	from, to  time.Time
	interval  time.Duration
	variables map[string][]string // a variable that is missing here stands on All
}

// expand does to a query what Grafana and its ClickHouse plugin do before it is sent, in their
// order:
//
//	$__conditionalAll(condition, $name)  1=1 when the variable stands on All, else the condition
//	${name:sqlstring}                    the chosen values, quoted, with quotes doubled: 'a','b'
//	$__timeFilter(column)                column >= toDateTime(FROM) AND column <= toDateTime(TO)
//	$__timeInterval(column)              toStartOfInterval(toDateTime(column), INTERVAL N second)
//	$__interval_s                        N
//	$__fromTime, $__toTime               toDateTime(FROM), toDateTime(TO)
//
// FROM and TO are in seconds since 1970. Nothing else with a dollar sign is understood, here or in
// dashboards.
func (v view) expand(sql string) (string, error) {
	for {
		i := strings.LastIndex(sql, "$__conditionalAll(")
		if i < 0 {
			break
		}
		args, end := arguments(sql[i:])
		if len(args) != 2 {
			return "", fmt.Errorf("$__conditionalAll with %d arguments", len(args))
		}
		condition := args[0]
		if _, chosen := v.variables[strings.TrimPrefix(args[1], "$")]; !chosen {
			condition = "1=1"
		}
		sql = sql[:i] + condition + sql[i+end:]
	}
	for name, values := range v.variables {
		quoted := make([]string, len(values))
		for i, value := range values {
			quoted[i] = "'" + strings.ReplaceAll(value, "'", "''") + "'"
		}
		sql = strings.ReplaceAll(sql, "${"+name+":sqlstring}", strings.Join(quoted, ","))
	}
	from, to := fmt.Sprintf("toDateTime(%d)", v.from.Unix()), fmt.Sprintf("toDateTime(%d)", v.to.Unix())
	seconds := fmt.Sprint(int(v.interval.Seconds()))
	sql = regexp.MustCompile(`\$__timeFilter\(([\w.]+)\)`).ReplaceAllString(sql, "${1} >= "+from+" AND ${1} <= "+to)
	sql = regexp.MustCompile(`\$__timeInterval\(([\w.]+)\)`).ReplaceAllString(sql, "toStartOfInterval(toDateTime(${1}), INTERVAL "+seconds+" second)")
	sql = strings.NewReplacer("$__interval_s", seconds, "$__fromTime", from, "$__toTime", to).Replace(sql)
	if strings.Contains(sql, "$") {
		return "", fmt.Errorf("a macro or variable that the test does not know is left in\n%s", sql)
	}
	return sql, nil
}

// arguments splits the arguments of the call at the start of a text, and says where the call ends.
func arguments(call string) (args []string, end int) {
	depth, start := 0, 0
	for i, c := range call {
		switch {
		case c == '(':
			if depth++; depth == 1 {
				start = i + 1
			}
		case c == ',' && depth == 1, c == ')' && depth == 1:
			args = append(args, strings.TrimSpace(call[start:i]))
			start = i + 1
		}
		if c == ')' {
			if depth--; depth == 0 {
				return args, i + 1
			}
		}
	}
	return nil, 0
}

// A result is what ClickHouse answers, as text.
type result struct {
	names, types []string
	rows         [][]string
}

// A user asks one database of a server.
type user struct {
	server             *stack.ClickHouse
	database           string
	username, password string
}

// ask runs a query as Grafana would: in the default database, and unable to write (readonly=2 lets
// the plugin set its time limits, and no more).
func (u user) ask(sql string) (result, error) {
	body, err := u.run(sql, url.Values{"readonly": {"2"}, "default_format": {"TabSeparatedRawWithNamesAndTypes"}})
	if err != nil {
		return result{}, err
	}
	var lines [][]string
	for line := range strings.Lines(body) {
		lines = append(lines, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	if len(lines) < 2 {
		return result{}, fmt.Errorf("no names and types: %q", body)
	}
	return result{lines[0], lines[1], lines[2:]}, nil
}

// run runs a statement over HTTP and returns what it prints.
func (u user) run(sql string, settings url.Values) (string, error) {
	query := url.Values{"database": {u.database}}
	maps.Copy(query, settings)
	request, err := http.NewRequest(http.MethodPost, "http://"+u.server.HTTPAddr+"/?"+query.Encode(), strings.NewReader(sql))
	if err != nil {
		return "", err
	}
	request.SetBasicAuth(u.username, u.password)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // as in stacktest.Query
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return string(body), err
}

func (r result) String() string {
	var lines []string
	for _, row := range r.rows {
		lines = append(lines, strings.Join(row, "\t"))
	}
	return strings.Join(lines, "\n")
}

// empty makes a database with the schema and no rows.
func empty(t *testing.T) (*store.Store, user) {
	t.Helper()
	addr, database := stacktest.Database(t)
	s, err := store.OpenAndMigrate(t.Context(), store.Config{Addr: []string{addr}, Database: database, Username: "default"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, user{stacktest.SharedClickHouse(t), database, "default", ""}
}

// hour is what the tests look at.
var hour = view{
	from: time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC), to: time.Date(2026, 11, 2, 1, 0, 0, 0, time.UTC), interval: time.Minute,
}

// fill puts one hour of traffic in: fourteen requests, nine of them with an error and one of those
// with two, and three dead letters.
func fill(t *testing.T, s *store.Store) {
	t.Helper()
	at := func(minute, second int) time.Time {
		return hour.from.Add(time.Duration(minute)*time.Minute + time.Duration(second)*time.Second)
	}
	line := func(minute, second int, tenant, service string, status int, body string) string {
		b, err := json.Marshal(map[string]any{
			"time": at(minute, second), "tenant": tenant, "service": service, "route": "r", "method": "POST", "path": "/v2/x",
			"status": status, "latency_ms": 12.5, "request_id": fmt.Sprintf("r-%d-%d", minute, second), "response_body": body,
		})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	const quota = `{"error_code":"OSM.01010037","error_msg":"Exceeded the number of times the case limit was created."}`
	values := []string{
		line(5, 1, "acme", "osm", 200, quota),
		line(5, 2, "acme", "osm", 200, quota),
		line(5, 3, "acme", "osm", 200, `{"case_id":"c-1"}`),
		line(6, 0, "acme", "osm", 200, `{"case_id":"c-2"}`),
		line(7, 0, "acme", "osm", 200, quota),
		line(8, 0, "acme", "osm", 200, `{"errors":[`+quota+`,{"error_code":"OSM.99999999","error_msg":"new"}]}`),
		line(5, 4, "", "", 200, quota),
		line(9, 0, "globex", "optverse", 400, `{"error_code":"OptVerse_10000004","error_msg":"The tenant t-1 is not allowed to access the service."}`),
		line(9, 1, "globex", "optverse", 404, "no such page"),
		line(9, 2, "o'brien", "billing", 200, `{"error_code":"Strange.1","error_msg":"?"}`),
		line(9, 3, "o'brien", "billing", 500, `{"error_code":"Strange.2","error_msg":"cut o`),
		line(10, 0, "o'brien", "billing", 200, ""),
		`{"time":"2026-11-02T00:11:00Z","tenant":"acme","service":"osm","route":"r","method":"GET","path":"/","status":200}`,
		`{"time":"2026-11-02T00:12:00Z","tenant":"acme","service":"osm","route":"r","method":"GET","path":"/","status":200}`,
		"not a record", "not one either", "[7]",
	}
	c, err := catalog.Open(catalog.Default)
	if err != nil {
		t.Fatal(err)
	}
	p, err := enrich.NewProcessor(enrich.Config{}, c)
	if err != nil {
		t.Fatal(err)
	}
	b := store.NewBatch("gateway-logs", 0, 0, store.Limits{})
	for i, value := range values {
		b.Add(int64(i), at(30, 0), p.Record([]byte(value), enrich.Position{Clock: accesslog.KafkaClock(at(30, 0))}))
	}
	if err := s.Insert(t.Context(), []*store.Batch{b}); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	err = s.InsertWatermarks(t.Context(), []store.Watermark{
		{Topic: "gateway-logs", Partition: 0, Watermark: now.Add(-time.Hour), At: now},
		{Topic: "gateway-logs", Partition: 1, Watermark: now, At: now},
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.RecordAlerts(t.Context(), []store.AlertTransition{{
		At: at(8, 30), Rule: "quota", Fingerprint: "f", Labels: map[string]string{"severity": "page", "tenant": "acme"},
		From: "pending", To: "firing", Reason: "4 errors in 5m, more than 3", Value: 4, Threshold: 3,
	}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
}

// TestEveryQueryFindsRows runs every query as the dashboard shows it at first and after choices
// were made, and wants rows in every panel.
func TestEveryQueryFindsRows(t *testing.T) {
	s, grafana := empty(t)
	fill(t, s)
	chosen := hour
	chosen.variables = map[string][]string{
		"tenant": {"acme", "(none)", "o'brien"}, "service": {"osm", "(none)", "billing"}, "family": {"OSM", "unknown"},
	}
	day := hour
	day.from, day.to, day.interval = hour.from.AddDate(0, 0, -30), hour.from.AddDate(0, 0, 1), time.Hour
	for name, d := range load(t) {
		for _, q := range d.queries(t) {
			for which, v := range map[string]view{"all": hour, "chosen": chosen, "month": day} {
				t.Run(name+"/"+q.where+"/"+which, func(t *testing.T) {
					sql, err := v.expand(q.sql)
					if err != nil {
						t.Fatal(err)
					}
					r, err := grafana.ask(sql)
					if err != nil {
						t.Fatalf("%v\n%s", err, sql)
					}
					if len(r.rows) == 0 {
						t.Fatalf("no rows\n%s", sql)
					}
					check(t, q, r)
				})
			}
		}
	}
}

// plain are the types with an argument that are still one value; all versions of the plugin know
// them.
var plain = regexp.MustCompile(`^(LowCardinality\(String\)|Nullable\(\w+\)|DateTime\('UTC'\)|DateTime64\(3, 'UTC'\))$`)

// check holds a result against what Grafana can draw.
func check(t *testing.T, q query, r result) {
	t.Helper()
	for i, typ := range r.types {
		if strings.Contains(typ, "(") && !plain.MatchString(typ) {
			t.Errorf("column %s has type %s, which Grafana does not show as one value", r.names[i], typ)
		}
	}
	for _, row := range r.rows {
		for i, value := range row {
			if strings.TrimPrefix(value, "-") == "inf" || value == "nan" || strings.HasPrefix(value, "1970-") {
				t.Errorf("column %s is %s", r.names[i], value)
			}
		}
	}
	if q.panel == nil {
		return
	}
	for _, o := range q.panel.FieldConfig.Overrides {
		if !q.series && !slices.Contains(r.names, o.Matcher.Options) {
			t.Errorf("an override names the column %q, which the query does not have", o.Matcher.Options)
		}
	}
	if !q.series {
		return
	}
	// The plugin makes one line of each label out of rows in the order of time.
	if len(r.names) != 3 || r.names[0] != "time" || !strings.HasPrefix(r.types[0], "DateTime") || !strings.Contains(r.types[1], "String") || !regexp.MustCompile("Int|Float").MatchString(r.types[2]) {
		t.Errorf("a time series has the columns time, label, number, and not %v %v", r.names, r.types)
	}
	if want := "${__field.labels." + r.names[1] + "}"; q.panel.FieldConfig.Defaults.DisplayName != want {
		t.Errorf("displayName %q, want %q", q.panel.FieldConfig.Defaults.DisplayName, want)
	}
	if !slices.IsSortedFunc(r.rows, func(a, b []string) int { return strings.Compare(a[0], b[0]) }) {
		t.Errorf("rows are not in the order of time")
	}
}

// TestNothingStored runs every query before the first record came: shares of nothing are no
// numbers, and a pipeline that never ran is not fifty years behind.
func TestNothingStored(t *testing.T) {
	_, grafana := empty(t)
	for name, d := range load(t) {
		for _, q := range d.queries(t) {
			t.Run(name+"/"+q.where, func(t *testing.T) {
				sql, err := hour.expand(q.sql)
				if err != nil {
					t.Fatal(err)
				}
				r, err := grafana.ask(sql)
				if err != nil {
					t.Fatalf("%v\n%s", err, sql)
				}
				check(t, q, r)
				if len(r.rows) > 1 || len(r.rows) == 1 && r.String() != "0" && r.String() != `\N` {
					t.Errorf("got %v", r)
				}
			})
		}
	}
}

// TestNumbers compares what the overview shows with what fill put in.
func TestNumbers(t *testing.T) {
	s, grafana := empty(t)
	fill(t, s)
	queries := load(t)["overview.json"].queries(t)
	f := func(where string, variables map[string][]string, want ...string) {
		t.Helper()
		i := slices.IndexFunc(queries, func(q query) bool { return q.where == where })
		if i < 0 {
			t.Errorf("there is no %s", where)
			return
		}
		v := hour
		v.variables = variables
		sql, err := v.expand(queries[i].sql)
		if err != nil {
			t.Fatal(err)
		}
		r, err := grafana.ask(sql)
		if err != nil {
			t.Fatalf("%v\n%s", err, sql)
		}
		if got := strings.ReplaceAll(r.String(), "\t", " | "); got != strings.Join(want, "\n") {
			t.Errorf("%s\ngot\n%s\nwant\n%s", where, got, strings.Join(want, "\n"))
		}
	}
	acme := map[string][]string{"tenant": {"acme"}}
	none := map[string][]string{"tenant": {"(none)"}}
	obrien := map[string][]string{"tenant": {"o'brien"}}

	f("variable tenant", nil, "(none)", "acme", "globex", "o'brien")
	f("variable service", nil, "(none)", "billing", "optverse", "osm")
	f("variable service", acme, "osm")
	f("variable family", nil, "HTTP", "OSM", "OptVerse", "unknown")
	f("variable family", obrien, "unknown")

	f("panel Requests", nil, "14")
	f("panel Requests", none, "1")
	f("panel Requests", map[string][]string{"tenant": {"acme", "o'brien"}}, "11")
	f("panel Errors", nil, "10")
	f("panel Errors", map[string][]string{"tenant": {"acme", "(none)"}, "family": {"OSM"}}, "6")
	f("panel Requests with an error", acme, "0.5")
	f("panel Hidden under HTTP 200", nil, "0.6666666666666666")
	f("panel Bodies not seen", nil, "0.21428571428571427")
	f("panel Bodies not seen", none, "0")
	f("panel Unknown codes", nil, "3")
	f("panel Unknown codes", none, "0")
	f("panel Dead letters", nil, "3")

	f("panel Errors per minute by family", acme,
		"2026-11-02 00:05:00 | OSM | 2", "2026-11-02 00:07:00 | OSM | 1", "2026-11-02 00:08:00 | OSM | 2")
	f("panel Top codes per tenant", nil,
		"acme | OSM.01010037 | OSM | quota | 4 | 0.5 | 2026-11-02 00:05:01.000 | 2026-11-02 00:08:00.000",
		"(none) | OSM.01010037 | OSM | quota | 1 | 1 | 2026-11-02 00:05:04.000 | 2026-11-02 00:05:04.000",
		"acme | OSM.99999999 | OSM |  | 1 | 0.125 | 2026-11-02 00:08:00.000 | 2026-11-02 00:08:00.000",
		"globex | HTTP.404 | HTTP | not_found | 1 | 0.5 | 2026-11-02 00:09:01.000 | 2026-11-02 00:09:01.000",
		"globex | OptVerse_10000004 | OptVerse | permission | 1 | 0.5 | 2026-11-02 00:09:00.000 | 2026-11-02 00:09:00.000",
		"o'brien | Strange.1 | unknown |  | 1 | 0.3333333333333333 | 2026-11-02 00:09:02.000 | 2026-11-02 00:09:02.000",
		"o'brien | Strange.2 | unknown |  | 1 | 0.3333333333333333 | 2026-11-02 00:09:03.000 | 2026-11-02 00:09:03.000")
	f("variable code", acme, "OSM.01010037", "OSM.99999999")
	f("panel Errors of the chosen codes by tenant, per minute", map[string][]string{"code": {"OSM.01010037"}},
		"2026-11-02 00:05:00 | (none) | 1", "2026-11-02 00:05:00 | acme | 2", "2026-11-02 00:06:00 | acme | 0", "2026-11-02 00:07:00 | acme | 1",
		"2026-11-02 00:08:00 | acme | 1", "2026-11-02 00:11:00 | acme | 0", "2026-11-02 00:12:00 | acme | 0")
	f("panel Errors of the chosen codes by tenant, per minute", map[string][]string{"code": {"HTTP.404", "Strange.1"}, "tenant": {"o'brien", "globex"}},
		"2026-11-02 00:09:00 | globex | 1", "2026-11-02 00:09:00 | o'brien | 1", "2026-11-02 00:10:00 | o'brien | 0")
	f("panel Errors of the chosen codes by tenant, per minute", acme,
		"2026-11-02 00:05:00 | acme | 2", "2026-11-02 00:06:00 | acme | 0", "2026-11-02 00:07:00 | acme | 1",
		"2026-11-02 00:08:00 | acme | 2", "2026-11-02 00:11:00 | acme | 0", "2026-11-02 00:12:00 | acme | 0")
	f("panel Requests with an error, by tenant", obrien,
		"2026-11-02 00:09:00 | o'brien | 1", "2026-11-02 00:10:00 | o'brien | 0")
	f("panel What we could see", obrien,
		"2026-11-02 00:09:00 | json | 1", "2026-11-02 00:09:00 | truncated | 1", "2026-11-02 00:10:00 | empty | 1")
	f("panel Codes by kind", nil,
		"quota | 5 | 1 | OSM.01010037", "unknown | 3 | 3 | Strange.2", "not_found | 1 | 1 | HTTP.404", "permission | 1 | 1 | OptVerse_10000004")
	f("panel Newest codes", acme,
		"2026-11-02 00:08:00.000 | 2026-11-02 00:08:00.000 | acme | OSM.99999999 | OSM |  | 1",
		"2026-11-02 00:05:01.000 | 2026-11-02 00:08:00.000 | acme | OSM.01010037 | OSM | quota | 4")
	f("panel Recent errors", none,
		"2026-11-02 00:05:04.000 | (none) |  | r | 200 | OSM.01010037 | quota | Exceeded the number of times the case limit was created. | Refer to the error message, or contact technical support engineers. | caller | r-5-4")
	f("panel Dead letters by reason", nil,
		"2026-11-02 00:30:00 | malformed | 2", "2026-11-02 00:30:00 | not_an_object | 1")
	f("panel Alert transitions", nil,
		"2026-11-02 00:08:30.000 | quota | severity=page, tenant=acme | pending | firing | 4 errors in 5m, more than 3 | 4 | 3")

	i := slices.IndexFunc(queries, func(q query) bool { return q.where == "panel Behind" })
	r, err := grafana.ask(queries[i].sql)
	if err != nil {
		t.Fatal(err)
	}
	if behind, err := strconv.Atoi(r.String()); err != nil || behind < 3600 || behind > 3600+60 {
		t.Errorf("behind by %v s, want the hour of the partition that is last", r)
	}
}

// TestNames holds queries to the views that package store promises to readers, without a database.
func TestNames(t *testing.T) {
	views := []string{"errors", "traffic_minute", "error_minute", "codes_seen", "dead_letters", "batches", "watermarks", "alerts"}
	source := regexp.MustCompile(`\b(?:FROM|JOIN)\s+([\w.` + "`" + `"]+)`)
	named := regexp.MustCompile(`(\w+) AS \(`)
	for name, d := range load(t) {
		for _, q := range d.queries(t) {
			known := slices.Clone(views)
			for _, m := range named.FindAllStringSubmatch(q.sql, -1) {
				known = append(known, m[1])
			}
			for _, m := range source.FindAllStringSubmatch(q.sql, -1) {
				if !slices.Contains(known, m[1]) {
					t.Errorf("%s, %s: reads %s", name, q.where, m[1])
				}
			}
		}
	}
}

// gridPos is the place of a panel, in cells.
type gridPos struct{ X, Y, W, H int }

// grid maps the cells of a dashboard to the titles of their panels.
type grid map[[2]int]string

// take puts a panel on the grid and fails the test if the panel lies outside of it or on another
// panel.
func (g grid) take(t *testing.T, title string, at gridPos) {
	t.Helper()
	if at.X < 0 || at.Y < 0 || at.W < 1 || at.H < 1 || at.X+at.W > 24 {
		t.Errorf("panel %q lies outside the grid: %+v", title, at)
	}
	for x := at.X; x < at.X+at.W; x++ {
		for y := at.Y; y < at.Y+at.H; y++ {
			if other := g[[2]int{x, y}]; other != "" {
				t.Fatalf("panels %q and %q overlap", other, title)
			}
			g[[2]int{x, y}] = title
		}
	}
}

func TestLayout(t *testing.T) {
	for name, d := range load(t) {
		t.Run(name, func(t *testing.T) {
			if d.UID == "" || d.Title == "" || d.Description == "" || d.SchemaVersion < 39 {
				t.Errorf("uid %q, title %q, description %q, schemaVersion %d", d.UID, d.Title, d.Description, d.SchemaVersion)
			}
			var multi []string
			for _, v := range d.Templating.List {
				switch {
				case v.Type == "datasource":
					if v.Name != "datasource" || v.Query != byVariable.Type {
						t.Errorf("data source variable %q of type %v", v.Name, v.Query)
					}
				case v.Datasource != byVariable:
					t.Errorf("variable %s: data source %v", v.Name, v.Datasource)
				case v.Multi && v.IncludeAll:
					multi = append(multi, v.Name)
				}
			}
			if want := []string{"tenant", "service", "family", "code"}; !slices.Equal(multi, want) {
				t.Errorf("variables %v, want %v", multi, want)
			}
			for _, a := range d.Annotations.List {
				if a.Datasource != byVariable || a.Target.Datasource != byVariable {
					t.Errorf("annotation %s: data source %v, %v", a.Name, a.Datasource, a.Target.Datasource)
				}
			}
			ids := map[int]string{}
			cells := grid{}
			for _, p := range d.Panels {
				if p.Title == "" || p.Description == "" || len(p.Targets) == 0 {
					t.Errorf("panel %d: title %q, description %q, %d targets", p.ID, p.Title, p.Description, len(p.Targets))
				}
				if other, there := ids[p.ID]; there || p.ID <= 0 {
					t.Errorf("panel %q has the id %d, as has %q", p.Title, p.ID, other)
				}
				ids[p.ID] = p.Title
				if p.Datasource != byVariable {
					t.Errorf("panel %q: data source %v", p.Title, p.Datasource)
				}
				for _, target := range p.Targets {
					if target.Datasource != byVariable || target.RawSQL == "" {
						t.Errorf("panel %q: a target with data source %v and SQL %q", p.Title, target.Datasource, target.RawSQL)
					}
				}
				cells.take(t, p.Title, p.GridPos)
			}
		})
	}
}

// TestExpand holds the test's own copy of the plugin to the plugin's README.
func TestExpand(t *testing.T) {
	v := view{from: time.Unix(1415792726, 0), to: time.Unix(1447328726, 0), interval: 20 * time.Second, variables: map[string][]string{"tenant": {"a", "o'b"}}}
	f := func(sql, want string) {
		t.Helper()
		if got, err := v.expand(sql); got != want {
			t.Errorf("%s\ngot  %s %v\nwant %s", sql, got, err, want)
		}
	}
	f("$__timeFilter(time)", "time >= toDateTime(1415792726) AND time <= toDateTime(1447328726)")
	f("$__timeInterval(column)", "toStartOfInterval(toDateTime(column), INTERVAL 20 second)")
	f("$__fromTime $__toTime $__interval_s", "toDateTime(1415792726) toDateTime(1447328726) 20")
	f("$__conditionalAll(x IN (f(${tenant:sqlstring}, 1)), $tenant) AND $__conditionalAll(y IN (${family:sqlstring}), $family)", "x IN (f('a','o''b', 1)) AND 1=1")
	f("$__unheardOf", "")
	f("${family:sqlstring}", "")
}

// TestDeployment runs what docker-compose.yml sets up around the dashboards and what works without
// containers: the users that deploy/clickhouse/users.sh creates, on a server of their own, and
// Grafana's provisioning.
func TestDeployment(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for range 2 { // a second start changes nothing
		if out, err := exec.Command("sh", "../deploy/clickhouse/users.sh", folder).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	first := read(filepath.Join(folder, "errata", "password"))
	if len(first) != 33 || first == read(filepath.Join(folder, "grafana", "password")) {
		t.Fatalf("a password of %d characters, or the same one twice", len(first)-1)
	}
	// The library needs the user default, and what the image's own users.xml has.
	users := strings.NewReplacer(
		`<default remove="remove"/>`, `<default><password></password><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default>`,
		`<profiles>`, `<quotas><default/></quotas><profiles><default/>`,
	).Replace(read(filepath.Join(folder, "clickhouse", "errata.xml")))
	file := filepath.Join(folder, "users.xml")
	if err := os.WriteFile(file, []byte(users), 0o600); err != nil {
		t.Fatal(err)
	}
	server := stacktest.ClickHouse(t, func(c *stack.ClickHouseConfig) { c.Users = file })

	// The ingester makes the database itself, but the library dies of a client that asks for one
	// that is not there.
	writer := user{server, "default", "errata", strings.TrimSpace(first)}
	if _, err := writer.run("CREATE DATABASE errata", nil); err != nil {
		t.Fatal(err)
	}
	s, err := store.OpenAndMigrate(t.Context(), store.Config{
		Addr: []string{server.Addr}, Database: "errata", Username: "errata", PasswordFile: filepath.Join(folder, "errata", "password"),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	fill(t, s)

	var provisioned struct {
		Datasources []struct {
			Type     string
			UID      string
			JSONData struct {
				Username        string
				DefaultDatabase string `yaml:"defaultDatabase"`
			} `yaml:"jsonData"`
			SecureJSONData struct{ Password string } `yaml:"secureJsonData"`
		}
	}
	if err := yaml.Unmarshal([]byte(read("../deploy/grafana/datasources.yaml")), &provisioned); err != nil || len(provisioned.Datasources) == 0 {
		t.Fatal(provisioned, err)
	}
	source := provisioned.Datasources[0]
	if source.Type != byVariable.Type || source.UID == "" || source.SecureJSONData.Password != "$__file{/run/secrets/grafana/password}" {
		t.Errorf("data source %+v", source)
	}
	password := strings.TrimSpace(read(filepath.Join(folder, "grafana", "password")))
	grafana := user{server, source.JSONData.DefaultDatabase, source.JSONData.Username, password}
	for name, d := range load(t) {
		for _, q := range d.queries(t) {
			sql, err := hour.expand(q.sql)
			if err != nil {
				t.Fatal(err)
			}
			if r, err := grafana.ask(sql); err != nil || len(r.rows) == 0 {
				t.Errorf("%s, %s: %d rows, %v", name, q.where, len(r.rows), err)
			}
		}
	}
	for _, sql := range []string{"DROP TABLE error_rows", "INSERT INTO epoch_switches VALUES ('t', 0, 0, 1)", "SELECT * FROM system.users", "CREATE TABLE t (x Int8) ENGINE = Memory"} {
		if _, err := grafana.run(sql, nil); err == nil || !strings.Contains(err.Error(), "ACCESS_DENIED") && !strings.Contains(err.Error(), "READONLY") {
			t.Errorf("grafana: %s: %v", sql, err)
		}
	}
	grafana.password = "wrong"
	if _, err := grafana.run("SELECT 1", nil); err == nil || !strings.Contains(err.Error(), "AUTHENTICATION_FAILED") {
		t.Errorf("grafana with a wrong password: %v", err)
	}
}
