package dashboards_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v3"

	"errata/dashboards"
	"errata/internal/alert"
	"errata/internal/delivery"
	"errata/internal/notify"
	"errata/internal/report"
	"errata/internal/stack/stacktest"
)

// pipelineFile is the one dashboard over Prometheus. Its metrics, those of the alert rules and
// those that the ingester has are held against each other by way of the table in
// docs/monitoring.md: here, and in the tests of package delivery and cmd/ingest.
const pipelineFile = "pipeline.json"

type pipelineDashboard struct {
	UID, Title, Description string
	Templating              struct {
		List []struct {
			Name, Type, Definition string
			Query                  any
			Datasource             datasource
		}
	}
	Annotations struct {
		List []struct {
			Datasource datasource
			Expr       string
		}
	}
	Panels []struct {
		ID                       int
		Type, Title, Description string
		Datasource               datasource
		GridPos                  gridPos
		Targets                  []struct {
			Datasource datasource
			RefID      string
			Expr       string
		}
	}
}

// documented are the metrics of the table in docs/monitoring.md, each with its labels, in order.
func documented(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	row := regexp.MustCompile("(?m)^\\| `(errata_\\w+)` \\| (counter|gauge|histogram) \\| ([^|]*)\\|")
	for _, m := range row.FindAllStringSubmatch(read(t, "../docs/monitoring.md"), -1) {
		all[m[1]] = strings.NewReplacer("`", "", " ", "").Replace(m[3])
		if m[2] == "histogram" {
			for _, part := range []string{"_bucket", "_sum", "_count"} {
				all[m[1]+part] = all[m[1]]
			}
		}
	}
	if len(all) < 30 {
		t.Fatalf("%d metrics in the table", len(all))
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var metric = regexp.MustCompile(`errata_\w+`)

func TestPipelineDashboard(t *testing.T) {
	text, err := fs.ReadFile(dashboards.FS, pipelineFile)
	if err != nil {
		t.Fatal(err)
	}
	var d pipelineDashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	known := documented(t)
	source := datasource{"prometheus", "${datasource}"}
	shown := map[string]bool{}
	var expressions []string
	note := func(where, expr string) {
		t.Helper()
		if expr == "" {
			t.Errorf("%s: no expression", where)
		}
		for _, name := range metric.FindAllString(expr, -1) {
			if _, ok := known[name]; !ok {
				t.Errorf("%s: there is no metric %s", where, name)
			}
			shown[histogram(name)] = true
		}
		expressions = append(expressions, expr)
	}
	if d.UID != "errata-pipeline" || d.Title == "" || d.Description == "" {
		t.Errorf("uid %q, title %q, description %q", d.UID, d.Title, d.Description)
	}
	for _, v := range d.Templating.List {
		switch {
		case v.Type == "datasource":
			if v.Name != "datasource" || v.Query != source.Type {
				t.Errorf("data source variable %q of type %v", v.Name, v.Query)
			}
		case v.Datasource != source || !strings.HasPrefix(v.Definition, "label_values("):
			t.Errorf("variable %s: data source %v, %s", v.Name, v.Datasource, v.Definition)
		default:
			selector, label, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(v.Definition, "label_values("), ")"), ", ")
			note("variable "+v.Name, selector)
			if name := metric.FindString(selector); label != "job" && label != "instance" && !slices.Contains(strings.Split(known[name], ","), label) {
				t.Errorf("variable %s: %s has no label %q", v.Name, name, label)
			}
		}
	}
	for _, a := range d.Annotations.List {
		if a.Datasource != source {
			t.Errorf("annotation: data source %v", a.Datasource)
		}
		note("annotation", a.Expr)
	}
	checkPanels(t, d, source, note)
	for name := range known {
		base := histogram(name)
		if !shown[base] && base != "errata_catalog_reloads_total" { // an event: for an alert
			t.Errorf("%s is in no panel", base)
		}
	}
	checkExpressions(t, expressions)
}

// checkPanels checks the panels and passes their expressions to note.
func checkPanels(t *testing.T, d pipelineDashboard, source datasource, note func(where, expr string)) {
	t.Helper()
	ids := map[int]bool{}
	cells := grid{}
	for _, p := range d.Panels {
		if p.Title == "" || p.Description == "" || len(p.Targets) == 0 || p.ID <= 0 || ids[p.ID] || p.Datasource != source {
			t.Errorf("panel %d: title %q, description %q, %d targets, data source %v, or an id that another has", p.ID, p.Title, p.Description, len(p.Targets), p.Datasource)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			if target.Datasource != source {
				t.Errorf("panel %q: data source %v", p.Title, target.Datasource)
			}
			note("panel "+p.Title, target.Expr)
		}
		cells.take(t, p.Title, p.GridPos)
	}
}

// histogram returns the name of the histogram that a series belongs to. Other names stay as they
// are.
func histogram(series string) string {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		series = strings.TrimSuffix(series, suffix)
	}
	return series
}

// checkExpressions checks the expressions of panels with promtool, which reads them only as parts
// of rules.
func checkExpressions(t *testing.T, expressions []string) {
	t.Helper()
	variables := strings.NewReplacer("$job", "x", "$instance", "x", "$topic", "x", "$__rate_interval", "5m", "$__range", "1h")
	var rules []map[string]string
	for i, e := range expressions {
		rules = append(rules, map[string]string{"alert": fmt.Sprint("Panel", i), "expr": variables.Replace(e)})
	}
	out, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, out, 0o600); err != nil {
		t.Fatal(err)
	}
	stacktest.Promtool(t, "", "check", "rules", file)
}

// The alert rules fire when they should, know the metrics that there are, and are all told of in
// the docs.
func TestAlertRules(t *testing.T) {
	t.Parallel()
	const folder = "../deploy/prometheus/"
	docs := read(t, "../docs/monitoring.md")
	known := documented(t)
	maps.Copy(known, watched(t))
	alerts := map[string]bool{}
	for _, name := range []string{"errata.rules", "errata-report.rules"} {
		checkRules(t, folder+name, docs, known, alerts)
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `(Errata\\w+)` \\|").FindAllStringSubmatch(docs, -1) {
		if !alerts[m[1]] {
			t.Errorf("docs/monitoring.md tells of %s, and there is none", m[1])
		}
	}
	checkNames(t, docs, known)
	stacktest.Promtool(t, "", "check", "config", folder+"prometheus.yml")
}

// checkRules checks a file of alert rules, and its tests, and adds its alerts to those given.
func checkRules(t *testing.T, file, docs string, known map[string]string, alerts map[string]bool) {
	t.Helper()
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr         string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, file+".yml")), &rules); err != nil {
		t.Fatal(err)
	}
	tests := read(t, file+".test.yml")
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			alerts[r.Alert] = true
			for _, name := range metric.FindAllString(r.Expr, -1) {
				if _, ok := known[name]; !ok {
					t.Errorf("%s: there is no metric %s", r.Alert, name)
				}
			}
			if severity := r.Labels["severity"]; severity != "page" && severity != "ticket" || !strings.Contains(docs, "| `"+r.Alert+"` | "+severity+" |") {
				t.Errorf("%s: severity %q, or the docs do not say so", r.Alert, severity)
			}
			if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s: no summary, or no description", r.Alert)
			}
			if strings.Count(tests, "alertname: "+r.Alert+"\n        exp_alerts:") == 0 || strings.Count(tests, "alertname: "+r.Alert+"}") == 0 {
				t.Errorf("%s: no test in which it fires, or none in which it does not", r.Alert)
			}
		}
	}
	checkNames(t, read(t, file+".yml"), known) // what an alert says to look at is there too
	stacktest.Promtool(t, "", "check", "rules", file+".yml")
	stacktest.Promtool(t, "", "test", "rules", file+".test.yml")
}

// checkNames checks that all metrics that a text names exist.
func checkNames(t *testing.T, text string, known map[string]string) {
	t.Helper()
	for _, name := range metric.FindAllString(text, -1) {
		if _, ok := known[name]; !ok {
			t.Errorf("there is no metric %s", name)
		}
	}
}

// watched are the metrics of the alert evaluator and of the schedule of reports. It checks that
// docs/alerts.md and docs/reports.md list them.
func watched(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for file, register := range map[string]func(prometheus.Registerer){
		"alerts.md":  func(r prometheus.Registerer) { alert.NewMetrics(r); notify.NewMetrics(r) },
		"reports.md": func(r prometheus.Registerer) { report.NewScheduleMetrics(r) },
	} {
		has := registered{}
		register(has)
		for _, m := range regexp.MustCompile("(?m)^\\| `(errata_\\w+)` \\|").FindAllStringSubmatch(read(t, "../docs/"+file), -1) {
			if labels, ok := has[m[1]]; !ok {
				t.Errorf("docs/%s tells of %s, and there is none", file, m[1])
			} else {
				all[m[1]] = labels
			}
			delete(has, m[1])
		}
		for name := range has {
			t.Errorf("docs/%s does not tell of %s", file, name)
		}
	}
	return all
}

// registered is a registry that only notes names and labels, also of metrics that have no value
// yet.
type registered map[string]string

var description = regexp.MustCompile(`fqName: "(\w+)", help: "([^"]*)".*variableLabels: {([^}]*)}`)

func (r registered) Register(c prometheus.Collector) error {
	descriptions := make(chan *prometheus.Desc)
	go func() { defer close(descriptions); c.Describe(descriptions) }() // ends when all are taken
	for d := range descriptions {
		m := description.FindStringSubmatch(d.String())
		if m == nil || m[2] == "" {
			return fmt.Errorf("%s: no name, or no help", d)
		}
		r[m[1]] = m[3]
	}
	return nil
}

func (r registered) MustRegister(all ...prometheus.Collector) {
	for _, c := range all {
		if err := r.Register(c); err != nil {
			panic(err)
		}
	}
}

func (r registered) Unregister(prometheus.Collector) bool { panic("not used") }

// The table in docs/monitoring.md has each metric of the delivery, with its labels, and no other
// but the four of the program.
func TestMetricsTable(t *testing.T) {
	t.Parallel()
	broker := stacktest.Kafka(t)
	stacktest.Must(t, broker.CreateTopic(t.Context(), "logs", 1))
	k, err := delivery.Connect(t.Context(), delivery.Config{Brokers: []string{broker.Addr}, Topics: []string{"logs"}, Group: "g", Start: "earliest"})
	stacktest.Must(t, err)
	defer k.Close()
	has := registered{}
	stacktest.Must(t, delivery.New(k, nil, nil, "", stacktest.Log(t)).Register(has))
	known := documented(t)
	for name, labels := range has {
		if told, ok := known[name]; !ok || told != labels {
			t.Errorf("%s has the labels %q; docs/monitoring.md: %q (%v)", name, labels, told, ok)
		}
	}
	of := []string{"errata_build_info", "errata_catalog_info", "errata_catalog_reloads_total", "errata_ready"}
	for name := range known {
		_, there := has[name]
		if part := regexp.MustCompile(`_(bucket|sum|count)$`).FindString(name); !there && !slices.Contains(of, name) && part == "" {
			t.Errorf("docs/monitoring.md tells of %s, and there is none", name)
		}
	}
}

// Prometheus in docker-compose.yml scrapes the address that the ingester is given there, and
// Grafana knows it.
func TestPipelineDeployment(t *testing.T) {
	var compose struct {
		Services map[string]struct {
			Command     any // a list, or one text
			Environment map[string]string
			Networks    []string
			Volumes     []string
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "../docker-compose.yml")), &compose); err != nil {
		t.Fatal(err)
	}
	var scraped struct {
		Scrape []struct {
			Job string `yaml:"job_name"`
			DNS []struct {
				Names []string
				Port  int
			} `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "../deploy/prometheus/prometheus.yml")), &scraped); err != nil {
		t.Fatal(err)
	}
	ingest, watcher, grafana := compose.Services["ingest"], compose.Services["prometheus"], compose.Services["grafana"]
	var jobs []string
	for _, s := range scraped.Scrape {
		for _, d := range s.DNS {
			jobs = append(jobs, fmt.Sprintf("%s %s:%d", s.Job, strings.Join(d.Names, ","), d.Port))
		}
	}
	if got := strings.Join(jobs, ", "); got != "errata ingest:9464, errata-alerts report:9465" {
		t.Errorf("scraped is %s", got)
	}
	if s := compose.Services["report"]; !strings.HasSuffix(fmt.Sprint(s.Command), "--http :9465]") || !slices.Contains(s.Networks, "metrics") {
		t.Errorf("report %+v", s)
	}
	if ingest.Environment["ERRATA_HTTP_ADDR"] != ":9464" || !slices.Contains(ingest.Networks, "metrics") || !slices.Contains(watcher.Networks, "metrics") {
		t.Errorf("ingest %+v, prometheus %+v", ingest, watcher)
	}
	if !slices.ContainsFunc(grafana.Networks, func(n string) bool { return slices.Contains(watcher.Networks, n) }) || !slices.Contains(watcher.Networks, "alerts") {
		t.Errorf("prometheus reaches neither grafana nor alertmanager: %v", watcher.Networks)
	}
	if !slices.Contains(watcher.Volumes, "./deploy/prometheus:/etc/prometheus:ro") {
		t.Errorf("prometheus has no configuration: %v", watcher.Volumes)
	}
	if !strings.Contains(read(t, "../deploy/grafana/datasources.yaml"), "type: prometheus") {
		t.Error("grafana has no data source for the dashboard of the pipeline")
	}
}

// What docker-compose.yml runs: full versions, a limit of memory for each container, the Kafka that
// the tests run, and the same catalogs for both programs.
func TestComposeIsPinned(t *testing.T) {
	var compose struct {
		Services map[string]struct {
			Image       string
			MemLimit    string `yaml:"mem_limit"`
			Environment map[string]string
			Volumes     []string
			Healthcheck struct{ Test []string }
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "../docker-compose.yml")), &compose); err != nil {
		t.Fatal(err)
	}
	full := regexp.MustCompile(`:v?\d+\.\d+\.\d+(\.\d+)?$|@sha256:[0-9a-f]{64}$`)
	for name, s := range compose.Services {
		if s.Image != "errata" && !full.MatchString(s.Image) {
			t.Errorf("%s runs %s, which is no full version", name, s.Image)
		}
		if s.MemLimit == "" {
			t.Errorf("%s has no mem_limit", name)
		}
	}
	version := regexp.MustCompile(`<version>([\d.]+)</version>`).FindStringSubmatch(read(t, "../internal/stack/stacktest/kafka/pom.xml"))
	if version == nil || compose.Services["kafka"].Image != "apache/kafka:"+version[1] {
		t.Errorf("%s, and the tests run %v", compose.Services["kafka"].Image, version)
	}
	for name, health := range map[string]string{"ingest": "CMD ingest ready", "report": "CMD report alert list --max-delay 10m"} {
		s := compose.Services[name]
		if s.Environment["ERRATA_CATALOGS_DIR"] != "/etc/errata/catalogs" || !slices.Contains(s.Volumes, "./deploy/catalogs:/etc/errata/catalogs:ro") {
			t.Errorf("%s has other catalogs: %+v", name, s)
		}
		if got := strings.Join(s.Healthcheck.Test, " "); got != health {
			t.Errorf("%s is healthy if %q", name, got)
		}
	}
}
