package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"errata/internal/cli"
	"errata/internal/cli/clitest"
	"errata/internal/config"
	"errata/internal/stack/stacktest"
)

// In each command the environment beats the file, a flag beats both, and the file that --config
// names is read in place of the one in the working directory.
func TestFlagsBeatEnvironmentBeatsFile(t *testing.T) {
	clickhouse, elsewhere := clitest.StartServer(t), clitest.StartServer(t) // of the environment, of the file
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		stacktest.Must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		stacktest.Must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	for family, owner := range map[string]string{"FromFile": "caller", "FromEnvironment": "caller", "FromArgument": "nobody"} {
		write(family+"/"+family+".yaml", "family: "+family+"\nlanguage: en\nmatch: {prefixes: [OWN]}\ncodes:\n"+
			"  - code: OWN.0001\n    message: m\n    kind: quota\n    retry: later\n    owner: "+owner+"\n")
	}
	file := write("settings.yaml", "clickhouse: {addr: ['"+elsewhere.Addr+"']}\ncatalogs: {dir: FromFile}\nnotify: {webhook: {url: 'http://file.test'}, alertmanager: {url: 'http://file.test'}}\n")
	work := filepath.Dir(write("work/config.yaml", "kafka: {brokers: [this-file-is-not-read]}\n"))
	write("work/alerts.yaml", "groups: [{name: g, rules: [{alert: Default, count: {over: 5m, above: 0}}]}]\n")
	rules := write("rules.yaml", "groups: [{name: g, rules: [{alert: Flag, count: {over: 5m, above: 0}}, {alert: Two, count: {over: 5m, above: 0}}]}]\n")
	page := write("page.csv", "Error Code,Error Message,Description\nOWN.0001,one,d\nOWN.0002,two,d\nOWN.0003,three,d\n")
	t.Chdir(work)
	t.Setenv("ERRATA_CLICKHOUSE_ADDR", clickhouse.Addr)
	t.Setenv("ERRATA_CATALOGS_DIR", "../FromEnvironment")
	t.Setenv("ERRATA_NOTIFY_WEBHOOK_URL", "http://environment.test")

	left := maps.Clone(clitest.Leaves(newRoot()))
	f := func(command string, wantCode int, want string, args ...string) {
		t.Helper()
		delete(left, command)
		var out bytes.Buffer
		code := run(t.Context(), append(append(strings.Fields(command), "--config", file), args...), strings.NewReader(""), &out, &out)
		if code != wantCode || !strings.Contains(out.String(), want) {
			t.Errorf("%s %q: exit code %d, want %d and %q:\n%s", command, args, code, wantCode, want, out.String())
		}
		if elsewhere.Met() > 0 {
			t.Errorf("%s %q connects to the server of the file", command, args)
		}
	}
	speaksHTTP := "clickhouse at " + clickhouse.Addr + " speaks HTTP on that port"
	f("top", cli.WrongUse, speaksHTTP)
	f("daily", cli.WrongUse, speaksHTTP)
	f("explain", cli.Fine, speaksHTTP, "OWN.0001")
	f("explain", cli.Fine, "FromEnvironment", "OWN.0001")
	f("catalog drift", cli.WrongUse, speaksHTTP)
	f("catalog re-enrich", cli.WrongUse, speaksHTTP, "--dry-run")
	f("alert run", cli.WrongUse, speaksHTTP, "--once")
	unitTest := write("rules_test.yaml", "rules: rules.yaml\ntests: [{name: t, input: [{code: OWN.0001, errors: '1'}], expect: [{at: 1m, alert: Flag, states: [{state: firing}]}]}]\n")
	f("alert test", cli.Fine, "rules_test.yaml: tests passed 1, failed 0", unitTest)
	f("alert list", cli.WrongUse, speaksHTTP)
	f("daily", cli.WrongUse, speaksHTTP)
	f("alert backtest", cli.WrongUse, speaksHTTP, "--rules", rules)
	f("alert silence add", cli.WrongUse, speaksHTTP, `tenant="a"`, "--until", "1h", "--comment", "c")
	f("alert silence list", cli.WrongUse, speaksHTTP)
	f("alert silence expire", cli.WrongUse, speaksHTTP, "1c9f03a7")
	f("alert state ack", cli.WrongUse, speaksHTTP, "A.1", "--comment", "c")
	f("alert state ignore", cli.WrongUse, speaksHTTP, "A.1", "--comment", "c")
	f("alert state fixed", cli.WrongUse, speaksHTTP, "A.1", "--comment", "c")
	f("alert state reopen", cli.WrongUse, speaksHTTP, "A.1", "--comment", "c")
	f("alert state list", cli.WrongUse, speaksHTTP)
	f("catalog list", cli.Fine, "FromEnvironment")
	f("catalog import", cli.Fine, "family: FromEnvironment", page)
	f("catalog lint", cli.Fine, "0 errors")
	f("catalog lint", cli.Found, `owner "nobody" is not one of`, "../FromArgument")
	f("catalog schema", cli.Fine, "A catalog of error codes")
	f("alert check", cli.Fine, "alerts.yaml is fine: rules 1")
	f("alert check", cli.Fine, "rules.yaml is fine: rules 2", "--rules", rules)
	for command := range left {
		t.Errorf("what beats what in the command %q is not tested: add it here", command)
	}

	targets := func(args ...string) string {
		t.Helper()
		cfg, err := config.Load(file)
		stacktest.Must(t, err)
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		targetFlags(flags)
		stacktest.Must(t, flags.Parse(args))
		stacktest.Must(t, overrideURLs(flags, &cfg.Notify))
		return cfg.Notify.Webhook.URL + " " + cfg.Notify.Alertmanager.URL
	}
	if got := targets(); got != "http://environment.test http://file.test" {
		t.Errorf("without flags: %s", got)
	}
	if got := targets("--webhook", "http://flag.test", "--alertmanager", ""); got != "http://flag.test " {
		t.Errorf("with flags: %s", got)
	}
}
