package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestShippedFileIsTheDefaults(t *testing.T) {
	text, err := os.ReadFile("../../config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	shipped, err := Load("../../config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	none, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(none, shipped, cmpopts.IgnoreUnexported(Config{})); diff != "" {
		t.Errorf("config.yaml differs from the defaults (-defaults +file):\n%s", diff)
	}
	for _, d := range defaults {
		last := d.key[strings.LastIndexByte(d.key, '.')+1:]
		if !strings.Contains(string(text), last+":") {
			t.Errorf("config.yaml does not show %s", d.key)
		}
	}
}

func TestFileAndEnvironment(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "my.yaml")
	write(t, file, "kafka:\n  topics: [a, b]\n  tls:\n    ca_file: ca.pem\ningest: {batch: {age: 500ms}}\n")
	t.Setenv("ERRATA_KAFKA_BROKERS", "k1:9092, k2:9092")
	t.Setenv("ERRATA_CLICKHOUSE_PASSWORD", "s,e")
	t.Setenv("ERRATA_LOG_LEVEL", "debug")
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"k1:9092", "k2:9092"}, c.Kafka.Brokers); diff != "" {
		t.Error(diff)
	}
	if c.ClickHouse.Password != "s,e" || c.Kafka.TLS.CAFile != filepath.Join(dir, "ca.pem") || c.Kafka.Batch.Age != 500*time.Millisecond || c.Log.Level.String() != "DEBUG" {
		t.Errorf("%+v", c)
	}
	if diff := cmp.Diff([]string{"a", "b"}, c.Kafka.Topics); diff != "" {
		t.Error(diff)
	}

	// A path in the environment is relative to the working directory.
	t.Setenv("ERRATA_KAFKA_TLS_CA_FILE", "other.pem")
	if c, err = Load(file); err != nil || c.Kafka.TLS.CAFile != "other.pem" {
		t.Errorf("%q %v", c.Kafka.TLS.CAFile, err)
	}
}

// Values are what was written, whatever YAML takes them for.
func TestValuesAsWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "my.yaml")
	write(t, file, "kafka: {group: 0123, topics: 7, sasl: {mechanism: PLAIN, username: 1e3, password: true}}\n"+
		"clickhouse: {password: 007}\nhttp: {pprof: yes}\ningest: {batch: {rows: '1000'}, audit_share: 1}\n")
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	got := []any{c.Kafka.Group, c.Kafka.Topics[0], c.Kafka.SASL.Username, c.Kafka.SASL.Password, c.ClickHouse.Password, c.HTTP.Pprof, c.Ingest.Batch.Rows, c.Ingest.AuditShare}
	if diff := cmp.Diff([]any{"0123", "7", "1e3", "true", "007", true, 1000, 1.0}, got); diff != "" {
		t.Error(diff)
	}
}

// What is found out about a setting after Load gets its place too.
func TestLocated(t *testing.T) {
	file := filepath.Join(t.TempDir(), "my.yaml")
	write(t, file, "log: {level: debug}\ncatalogs: {dir: nowhere}\n")
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	cause := errors.New("catalogs.dir nowhere: there is no such folder")
	other := errors.New("kafka at k:1 does not answer")
	if err := c.Located(errors.Join(other, cause)); !errors.Is(err, cause) || err.Error() != other.Error()+"\n"+file+":2:17: "+cause.Error() {
		t.Error(err)
	}
	t.Setenv("ERRATA_CATALOGS_DIR", "nowhere")
	if err := c.Located(cause); err.Error() != "ERRATA_CATALOGS_DIR: "+cause.Error() {
		t.Error(err)
	}
	if c.Located(nil) != nil {
		t.Error("an error without a cause")
	}
}

func TestWrongSettingsAreNamed(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "config.yaml")
		write(t, file, text)
		_, err := Load(file)
		if err == nil {
			t.Errorf("accepted:\n%s", text)
			return
		}
		for _, w := range append(want, "config.yaml") {
			if !strings.Contains(err.Error(), w) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q does not say %q in one line", err, w)
			}
		}
	}
	f("kafka:\n  brokres: [a:1]\n", ":2:", "kafka.brokres", "kafka.brokers")
	f("clickhose:\n  addr: [a:1]\n", ":1:", "clickhose", "clickhouse")
	f("kafka: 7\n", ":1:", "kafka")
	f("kafka: [\n", ":1:", "did not find")
	f("kafka: {brokers: []}\n", ":1:18: ", "kafka.brokers")
	f("kafka: {brokers: [nohost]}\n", "nohost", "host:port")
	f("kafka: {start: yesterday}\n", "kafka.start", "yesterday")
	f("kafka: {sasl: {mechanism: GSSAPI}}\n", "kafka.sasl.mechanism", "GSSAPI")
	f("ingest: {batch: {age: soon}}\n", ":1:23: ", "ingest.batch.age")
	f("ingest: {batch: {rows: 0}}\n", ":1:24: ingest.batch.rows")
	f("metrics: {top_codes: 1001}\n", ":1:22: metrics.top_codes is 1001: give 1 to 1000, or 0 for none")
	f("log: {level: verbose}\n", `:1:14: log.level is one of debug, info, warn and error, and "verbose" is not`)
	f("ingest: {batch: {rows: many}}\n", `:1:24: ingest.batch.rows is a whole number, and "many" is not`)
	f("ingest: {batch: {age: 5 seconds}}\n", `:1:23: ingest.batch.age is a time span such as 2s, and "5 seconds" is not`)
	f("ingest: {memory: 256MB}\n", `:1:18: ingest.memory is a whole number, and "256MB" is not`)
	f("ingest: {audit_share: lots}\n", `:1:23: ingest.audit_share is a number, and "lots" is not`)
	f("kafka: {tls: {enabled: maybe}}\n", `:1:24: kafka.tls.enabled is true or false, and "maybe" is not`)
	f("http: {addr: nonsense}\n", `:1:14: http.addr is "nonsense": give host:port to listen on, such as 127.0.0.1:9464`)
	f("http: {addr: 9464}\n", `:1:14: http.addr is "9464": give host:port`)
	f("http: {addr: ':99999'}\n", `:1:14: http.addr is ":99999": give host:port`)
	f("web: {addr: nonsense}\n", `:1:13: web.addr is "nonsense": give host:port`)
	f("ingest: {batch: {rows: 1.5}}\n", `:1:24: ingest.batch.rows is a whole number, and "1.5" is not`)
	f("ingest: {batch: {age: 5}}\n", `:1:23: ingest.batch.age is a time span such as 2s, and "5" is not`)
	f("ingest: {audit_share: 0.1%}\n", `:1:23: ingest.audit_share is a number, and "0.1%" is not: write 0.1% as 0.001`)
	f("http: {pprof: 7}\n", `:1:15: http.pprof is true or false, and "7" is not`)
	f("http: {addr: [a]}\n", `:1:14: http.addr is a text: write it behind the colon`)
	f("log: {level: 4}\n", `:1:14: log.level is one of debug, info, warn and error, and "4" is not`)
	f("kafka: {topics: {a: b}}\n", `:1:17: kafka.topics is a list: write its items with a dash before each`)
	f("ingest: {dialects: [7]}\n", `:1:21: ingest.dialects[0] holds keys of its own`)
	f("ingest: {dialects: [{name: a, status: {min: low}}]}\n", ":1:", "ingest.dialects[0]")
	f("kafak: {group: x}\n", `:1:1: unknown key "kafak": did you mean "kafka"?`)
	f("ingest:\n  formats:\n    - name: edge\n      fields:\n        time: {paths: [ts], unt: ms}\n", ":5:", "ingest.formats[0].fields.time.unt", "ingest.formats[0].fields.time.unit")
	f("ingest: {dialects: [{name: a, coed: [x]}]}\n", ":1:", "ingest.dialects[0].coed", "ingest.dialects[0].code")
	f("ingest: {dialects: [{name: huawei, code: [x]}]}\n", ":1:22: ingest.dialects[0]", "huawei", "built-in")
	f("ingest: {formats: [{name: edge, match: [a], fields: {status: st, latency: {paths: [l], unit: mins}}}]}\n", "ingest.formats[0].fields.latency", "mins", "ms")
	f("ingest: {redact: [{name: a, pattern: '('}]}\n", "ingest.redact[0]")
	f("ingest: {audit_share: 2}\n", "ingest.audit_share")
	f("ingest: {limits: {tenants: -1}}\n", "ingest.limits")
	f("ingest: {format: cobol}\n", "ingest.format", "cobol", "apisix")
	f("kafka: {brokers: ['h:99999']}\n", "h:99999", "host:port")
	f("kafka: {sasl: {mechanism: PLAIN}}\n", "kafka.sasl.username")
	f("clickhouse: {database: a-b}\n", "clickhouse.database", "a-b")
	f("notify: {webhook: {url: 'localhost:8080'}}\n", "notify.webhook.url is not a URL")
	f("notify: {alertmanager: {url: 'ftp://am/'}}\n", "notify.alertmanager.url is not a URL")
	f("notify: {alertmanger: {url: 'http://am/'}}\n", ":1:", "notify.alertmanger", "notify.alertmanager")
	f("notify: {timeout: 0s}\n", "notify.timeout is 0s: give 1s to 1m")
	f("notify: {expire_after: 1s}\n", "notify.expire_after is 1s: give 1m to 720h")
	f("clickhouse: {addr: [nowhere]}\n", "clickhouse.addr", "nowhere")
}

func TestListsWithKeys(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "my.yaml")
	write(t, file, "ingest:\n  formats: [{name: edge, match: [Edge_TS], fields: {time: {paths: [Edge_TS], unit: ms}, status: St}}]\n  exclude: [{path: /healthz}]\n  routes: ['/v1/{id}']\n")
	t.Setenv("ERRATA_INGEST_REDACT", "")
	t.Setenv("ERRATA_INGEST_DIALECTS", "[{name: acme, code: [head.ret], success: ['0000']}]")
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	in := c.Ingest
	if in.Formats[0].Match[0] != "Edge_TS" || in.Formats[0].Fields.Status.Paths[0] != "St" || in.Formats[0].Fields.Time.Unit != "ms" || in.Exclude[0].Path != "/healthz" || in.Routes[0] != "/v1/{id}" {
		t.Errorf("%+v", in)
	}
	if in.Dialects[0].Code[0] != "head.ret" || in.Dialects[0].Success[0] != "0000" || in.AuditShare != 0.001 || c.Kafka.Limits != DefaultLimits {
		t.Errorf("%+v", in)
	}
}

func TestWrongVariableIsNamed(t *testing.T) {
	t.Chdir(t.TempDir())
	f := func(name, value string, want ...string) {
		t.Helper()
		t.Setenv(name, value)
		if _, err := Load(""); err == nil || !strings.HasPrefix(err.Error(), name+": "+strings.Join(want, "")) {
			t.Errorf("%s=%s: %v", name, value, err)
		}
		os.Unsetenv(name)
	}
	f("ERRATA_LOG_LEVEL", "loud")
	f("ERRATA_INGEST_BATCH_ROWS", "x")
	f("ERRATA_INGEST_BATCH_ROWS", "1.5")
	f("ERRATA_INGEST_BATCH_AGE", "5")
	f("ERRATA_INGEST_AUDIT_SHARE", "1%")
	f("ERRATA_HTTP_PPROF", "7")
	f("ERRATA_KAFKA_TOPICS", "")
	f("ERRATA_INGEST_EXCLUDE", "[path", `ingest.exclude is a YAML list, such as [{…}, {…}]: line 1: did not find expected ',' or ']'`)
	f("ERRATA_INGEST_EXCLUDE", "/healthz", `line 1: ingest.exclude is a list: write its items with a dash before each, or in [brackets]`)
	f("ERRATA_INGEST_EXCLUDE", "[{pth: /healthz}]", `line 1: unknown key "ingest.exclude[0].pth": did you mean "ingest.exclude[0].path"?`)
	f("ERRATA_INGEST_EXCLUDE", "- path: [a]", `line 1: ingest.exclude[0].path is a text: write it behind the colon`)
}

func TestUnknownVariableIsNamed(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("ERRATA_KAFKA_BROKER", "a:1")
	if _, err := Load(""); err == nil || !strings.Contains(err.Error(), "ERRATA_KAFKA_BROKER:") || !strings.Contains(err.Error(), "ERRATA_KAFKA_BROKERS") {
		t.Error(err)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Every key of receivers and routes, as docs/alerts.md has them.
func TestReceiversAndRoutes(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "secret"), "http://hooks.test/x\n")
	file := filepath.Join(dir, "my.yaml")
	text := `
notify:
  link: "https://errata.test/{{.Labels.tenant}}"
  fence: {topic: errata-alerts}
  receivers:
    - {name: hook, max_per_hour: 5, webhook: {url_file: secret, secret: s, token_file: secret, headers: {X-Team: ops}, body: '{"text": {{.Title | json}}}'}}
    - {name: am, alertmanager: {url: "http://am.test"}}
    - {name: slack, send_resolved: false, slack: {url_file: secret}}
    - {name: bot, slack: {token_file: secret, channel: "#ops"}}
    - {name: ding, dingtalk: {url_file: secret, secret_file: secret}}
    - {name: lark, feishu: {url_file: secret}}
    - {name: wecom, wecom: {url_file: secret}}
    - name: mail
      mail: {server: "mx.test:587", from: Errata <errata@ops.test>, to: [a@ops.test], to_tenant: true, tls: tls, username: u, password_file: secret}
  routes:
    - {matchers: ['severity="page"', owner=vendor], receivers: [mail, bot], continue: true, group_by: [tenant], group_wait: 0s, group_interval: 1m, repeat_interval: 2h, fold_above: 0}
    - {receivers: [hook, am, slack, ding, lark, wecom], mute_time_intervals: [night], active_time_intervals: [weekdays]}
  tenants:
    - {tenants: [acme, "acme-*"], to: [it@acme.test]}
  time_intervals:
    - {name: night, time_intervals: [{times: [{start_time: "22:00", end_time: "24:00"}, {start_time: 00:00, end_time: 06:00}], location: Europe/Berlin}]}
    - {name: weekdays, time_intervals: [{weekdays: ["monday:friday"], days_of_month: ["1:-1"], months: ["january:december"], years: ["2026:2030"]}]}
`
	write(t, file, text)
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	n := c.Notify
	if hook := n.Receivers[0].Webhook; hook.URLFile != filepath.Join(dir, "secret") || hook.Secret != "s" || len(hook.Headers) != 1 || *n.Receivers[0].MaxPerHour != 5 || *n.Receivers[2].SendResolved {
		t.Errorf("%+v", n.Receivers[0])
	}
	if r := n.Routes[0]; *r.GroupWait != 0 || *r.GroupInterval != time.Minute || *r.FoldAbove != 0 || !r.Continue || n.Routes[1].GroupWait != nil || n.Fence.Topic != "errata-alerts" {
		t.Errorf("%+v", r)
	}
	for _, wrong := range []struct{ from, to, want string }{
		{"slack: {url_file: secret}", "slak: {url_file: secret}", "slack"},
		{"group_by: [tenant]", "group_bye: [tenant]", "group_by"},
		{"receivers: [mail, bot]", "receivers: [nobody]", `notify.routes[0].receivers: there is no receiver "nobody" in notify.receivers`},
		{"start_time: 00:00", "start_time: 06:00", "start time cannot be equal or greater than end time"},
		{`url: "http://am.test"`, "url: am.test", "notify.receivers[1].alertmanager.url is not a URL"},
		{"password_file: secret", "password_file: none", "notify.receivers[7].mail.password_file: open "},
		{"group_interval: 1m", "group_interval: 1ms", "notify.routes[0].group_interval is 1ms: give at least 1s"},
		{`matchers: ['severity="page"'`, "matchers: ['severity'", "is not a matcher"},
		{"tenants: [acme,", "tenant: [acme,", "tenants"},
	} {
		write(t, file, strings.Replace(text, wrong.from, wrong.to, 1))
		if _, err := Load(file); err == nil || !strings.Contains(err.Error(), wrong.want) || !strings.Contains(err.Error(), "my.yaml:") {
			t.Errorf("%s: %v", wrong.to, err)
		}
	}
}
