package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"errata/internal/cli"
	"errata/internal/cli/clitest"
	"errata/internal/stack/stacktest"
)

// In each command the environment beats the file, a flag beats both, and the file that --config
// names is read in place of the one in the working directory.
func TestFlagsBeatEnvironmentBeatsFile(t *testing.T) {
	broker := stacktest.Kafka(t)
	stacktest.Must(t, broker.CreateTopic(t.Context(), "gateway-logs", 1))
	clickhouse := clitest.StartServer(t)                                           // of the environment
	elsewhere := []*clitest.Server{clitest.StartServer(t), clitest.StartServer(t)} // of the file
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		stacktest.Must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		stacktest.Must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	for _, family := range []string{"FromFile", "FromEnvironment"} {
		write(family+"/own.yaml", "{family: "+family+", language: en, match: {prefixes: [OWN]}, codes: [{code: OWN.1, message: m, description: d, kind: quota, retry: later, owner: caller}]}")
	}
	file := write("settings.yaml", "kafka: {brokers: ['"+elsewhere[0].Addr+"'], topics: [from-file]}\nclickhouse: {addr: ['"+elsewhere[1].Addr+"']}\n"+
		"catalogs: {dir: FromFile}\ningest: {format: kong}\nhttp: {addr: '127.0.0.1:1'}\n")
	t.Chdir(filepath.Dir(write("work/config.yaml", "kafka: {brokers: [this-file-is-not-read]}\n")))
	environment := map[string]string{"KAFKA_BROKERS": broker.Addr, "KAFKA_TOPICS": "gateway-logs", "CLICKHOUSE_ADDR": clickhouse.Addr,
		"CATALOGS_DIR": "../FromEnvironment", "INGEST_FORMAT": "generic", "HTTP_ADDR": ""}
	for name, value := range environment {
		t.Setenv("ERRATA_"+name, value)
	}
	record := write("record.log", `{"time":"2026-11-02T10:00:00Z","status":200,"response_body":"{\"error_code\":\"OWN.1\",\"error_msg\":\"m\"}"}`)

	left := maps.Clone(clitest.Leaves(newRoot()))
	f := func(command string, wantCode int, want string, args ...string) {
		t.Helper()
		delete(left, command)
		var out bytes.Buffer
		code := run(t.Context(), append(append(strings.Fields(command), "--config", file), args...), strings.NewReader(""), &out, &out)
		if code != wantCode || !strings.Contains(out.String(), want) {
			t.Errorf("%s %q: exit code %d, want %d and %q:\n%s", command, args, code, wantCode, want, out.String())
		}
		for _, s := range elsewhere {
			if s.Met() > 0 {
				t.Errorf("%s %q connects to a server of the file", command, args)
			}
		}
		if clickhouse.Met() == 0 && wantCode == cli.WrongUse {
			t.Errorf("%s %q does not connect to the server of the environment", command, args)
		}
	}
	speaksHTTP := "clickhouse at " + clickhouse.Addr + " speaks HTTP on that port"
	f("run", cli.WrongUse, speaksHTTP)
	f("check", cli.WrongUse, speaksHTTP)
	f("check", cli.WrongUse, speaksHTTP, "--create")
	f("audit", cli.WrongUse, speaksHTTP)
	f("replay", cli.WrongUse, speaksHTTP, "--all")
	f("deadletters list", cli.WrongUse, speaksHTTP)
	f("deadletters replay", cli.WrongUse, speaksHTTP)
	f("detect", cli.Fine, "generic: 1 record in 1 line, 1 error", record)
	f("parse", cli.Fine, `"family":"FromEnvironment","kind":"quota"`, record)
	f("parse", cli.Fine, `"format":"apisix"`, "--format", "apisix", record)
	t.Setenv("ERRATA_HTTP_ADDR", "127.0.0.1:2")
	f("ready", cli.Unreachable, "no ingester answers at http.addr 127.0.0.1:2")
	t.Setenv("ERRATA_HTTP_ADDR", "")
	for command := range left {
		t.Errorf("what beats what in the command %q is not tested: add it here", command)
	}

	// Without the environment it is the file's turn.
	for name := range environment {
		os.Unsetenv("ERRATA_" + name)
	}
	f("parse", cli.Fine, `"format":"kong"`, record)
	f("parse", cli.Fine, `"family":"FromFile","kind":"quota"`, "--format", "generic", record)
}
