package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"errata/internal/cli"
	"errata/internal/stack/stacktest"
)

// output is what a command prints while it runs.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// settings writes a config.yaml with these keys and returns the flag that names it.
func settings(t *testing.T, values map[string]string) string {
	t.Helper()
	tree := map[string]any{}
	for key, text := range values {
		at, path := tree, strings.Split(key, ".")
		for _, name := range path[:len(path)-1] {
			if at[name] == nil {
				at[name] = map[string]any{}
			}
			at = at[name].(map[string]any)
		}
		var value any = text
		if text == "true" {
			value = true
		}
		at[path[len(path)-1]] = value
	}
	text, err := json.Marshal(tree) // which is YAML too
	stacktest.Must(t, err)
	file := filepath.Join(t.TempDir(), "config.yaml")
	stacktest.Must(t, os.WriteFile(file, text, 0o600))
	return "--config=" + file
}

// Exit codes and sentences of a link that does not come about, as a user sees them. What may be
// wrong with each is in the tests of the packages delivery and store.
func TestLinksExit(t *testing.T) {
	t.Parallel()
	broker, server := stacktest.Kafka(t), stacktest.ClickHouse(t)
	stacktest.Must(t, broker.CreateTopic(t.Context(), "gateway-logs", 1))
	nobody := stacktest.FreeAddr(t)
	// Something that wants TLS and is not known to us.
	strangers := stacktest.NewAuthority(t, "strangers")
	front := stacktest.StartTLSFront(t, server.Addr, strangers.Issue(t, "x", stacktest.Tomorrow(), "127.0.0.1"), nil)
	const secret = "Secret-0815"
	passwordFile := filepath.Join(t.TempDir(), "password")
	stacktest.Must(t, os.WriteFile(passwordFile, []byte(secret+"\n"), 0o600))

	f := func(name string, change map[string]string, want int, sentences ...string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values := map[string]string{"kafka.brokers": broker.Addr, "clickhouse.addr": server.Addr, "log.level": "debug", "http.addr": ""}
			maps.Copy(values, change)
			config := settings(t, values)
			for _, command := range []string{"check", "run"} {
				// What is well would run on; what does not answer takes as long as there is
				// patience, and run asks as check does.
				if command == "run" && want == cli.Fine || command == "run" && want == cli.Unreachable || command == "check" && strings.HasPrefix(name, "neither") {
					continue
				}
				once := func() (int, string) {
					var stderr output
					code := run(t.Context(), []string{command, config}, strings.NewReader(""), &stderr, &stderr)
					return code, stderr.String()
				}
				code, text := once()
				if code == cli.Unreachable && want != cli.Unreachable {
					// The embedded ClickHouse dies of a connection that another case reset in the
					// handshake, and is started again.
					code, text = once()
				}
				if code != want {
					t.Errorf("%s: exit %d, want %d", command, code, want)
				}
				for _, s := range sentences {
					if strings.Count(text, s) != 1 {
						t.Errorf("%s does not say %q once:\n%s", command, s, text)
					}
				}
				if strings.Contains(text, secret) {
					t.Errorf("%s tells a secret:\n%s", command, text)
				}
				if want != cli.Fine {
					t.Log(text)
				}
			}
		})
	}
	f("well", nil, cli.Fine, "kafka       cluster")
	f("a topic that is not there", map[string]string{"kafka.topics": "nowhere"}, cli.WrongUse, `has no topic "nowhere"`)
	f("no kafka", map[string]string{"kafka.brokers": nobody}, cli.Unreachable, "ingest: kafka at "+nobody+" does not answer")
	f("no clickhouse", map[string]string{"clickhouse.addr": nobody}, cli.Unreachable, "ingest: clickhouse at "+nobody+" does not answer")
	f("a wrong password", map[string]string{"clickhouse.password": secret}, cli.WrongUse, "set clickhouse.username and clickhouse.password")
	f("a wrong password in a file", map[string]string{"clickhouse.password_file": passwordFile}, cli.WrongUse, "set clickhouse.username and clickhouse.password")
	f("not trusted", map[string]string{"clickhouse.addr": front.Addr, "clickhouse.tls.enabled": "true"}, cli.WrongUse, "set clickhouse.tls.ca_file")
	f("neither, and one of them can be fixed", map[string]string{"kafka.brokers": nobody, "clickhouse.addr": front.Addr, "clickhouse.tls.enabled": "true"},
		cli.WrongUse, "ingest: kafka at "+nobody, "set clickhouse.tls.ca_file")
	f("no file", map[string]string{"kafka.tls.enabled": "true", "kafka.tls.ca_file": "/nowhere/ca.crt"}, cli.WrongUse, "kafka.tls.ca_file")
	f("a password of a user without a name", map[string]string{"kafka.sasl.mechanism": "PLAIN", "kafka.sasl.password": secret}, cli.WrongUse, "kafka.sasl.username")
}

// An ingester whose links are secured runs on while every secret is replaced: password, authority,
// certificate and key.
func TestSecretsReplaced(t *testing.T) {
	t.Parallel()
	broker := stacktest.StartSecureKafka(t)
	server := stacktest.SharedClickHouse(t)
	_, database := stacktest.Database(t)
	stacktest.Must(t, broker.CreateTopic(t.Context(), "gateway-logs", 1))
	broker.Allow(t, "User:"+stacktest.KafkaUser, "gateway-logs", "")
	one, two := broker.Authority, stacktest.NewAuthority(t, "two")
	front := stacktest.StartTLSFront(t, server.Addr, one.Issue(t, "clickhouse", stacktest.Tomorrow(), "127.0.0.1"), one)

	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	const second = "second-Secret-4712"
	put := func(a *stacktest.Authority, name, password string) {
		c := a.Issue(t, name, stacktest.Tomorrow())
		stacktest.CopyFile(t, a.CAFile, file("ca.crt"))
		stacktest.CopyFile(t, c.CertFile, file("tls.crt"))
		stacktest.CopyFile(t, c.KeyFile, file("tls.key"))
		stacktest.Must(t, os.WriteFile(file("password"), []byte(password+"\n"), 0o600))
	}
	put(one, "first", stacktest.KafkaPassword)
	config := settings(t, map[string]string{
		"kafka.brokers": broker.Both, "kafka.tls.enabled": "true", "kafka.tls.ca_file": file("ca.crt"), "kafka.tls.cert_file": file("tls.crt"), "kafka.tls.key_file": file("tls.key"),
		"kafka.sasl.mechanism": "SCRAM-SHA-512", "kafka.sasl.username": stacktest.KafkaUser, "kafka.sasl.password_file": file("password"),
		"clickhouse.addr": front.Addr, "clickhouse.database": database, "clickhouse.tls.enabled": "true", "clickhouse.tls.ca_file": file("ca.crt"),
		"clickhouse.tls.cert_file": file("tls.crt"), "clickhouse.tls.key_file": file("tls.key"), "http.addr": "", "log.level": "debug",
	})

	// A group that may be seen and not joined: that shows only now.
	broker.AllowDescribe(t, "User:"+stacktest.KafkaUser, "", "errata")
	var refused output
	if code := run(t.Context(), []string{"run", config}, strings.NewReader(""), &refused, &refused); code != cli.WrongUse || !strings.Contains(refused.String(), `does not let us use group "errata": grant READ on it, or set kafka.group`) {
		t.Errorf("exit %d: %s", code, refused.String())
	}
	broker.Allow(t, "User:"+stacktest.KafkaUser, "", "errata")

	ctx, cancel := context.WithCancel(t.Context())
	var stderr output
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"run", config}, strings.NewReader(""), &stderr, &stderr) }() // awaited below
	t.Cleanup(func() {
		cancel()
		if t.Failed() {
			t.Logf("ingest run said:\n%s", stderr.String())
		}
	})
	total := 0
	produce := func(n int) {
		w := &kafka.Writer{Addr: kafka.TCP(broker.Addr), Topic: "gateway-logs", RequiredAcks: kafka.RequireAll, BatchTimeout: 10 * time.Millisecond}
		defer w.Close()
		for range n {
			message := kafka.Message{Value: fmt.Appendf(nil,
				`{"time":%q,"tenant":"t","service":"osm","status":200,"response_body":"{\"error_code\":\"OSM.01010037\",\"error_msg\":\"m\"}"}`, time.Now().Format(time.RFC3339Nano))}
			err := w.WriteMessages(t.Context(), message)
			for tries := 0; err != nil && strings.Contains(err.Error(), "no leader") && tries < 100; tries++ { // just started, and nothing was sent
				time.Sleep(100 * time.Millisecond)
				err = w.WriteMessages(t.Context(), message)
			}
			stacktest.Must(t, err)
		}
		total += n
	}
	await := func(what string) {
		t.Helper()
		for deadline := time.Now().Add(40 * time.Second); ; time.Sleep(200 * time.Millisecond) {
			select {
			case code := <-ended:
				t.Fatalf("%s: it ended with %d", what, code)
			default:
			}
			// Without the schema there is no view yet.
			if strings.Contains(stacktest.Query(t, server, "SELECT groupArray(name) FROM system.tables WHERE database = '"+database+"'"), "'errors'") {
				if stacktest.Query(t, server, "SELECT count() FROM "+database+".errors") == fmt.Sprint(total) {
					return
				}
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d records are not in", what, total)
			}
		}
	}
	produce(3)
	await("with the first secrets")

	// The secrets are replaced first at one end, and what is connected stays so.
	put(two, "second", second)
	produce(2)
	await("connected")
	broker.SetPassword(t, stacktest.KafkaUser, second)
	broker.Stop()
	broker.Use(t, two)
	front.Use(t, two.Issue(t, "clickhouse", stacktest.Tomorrow(), "127.0.0.1"), two)
	front.Cut()
	stacktest.Must(t, broker.Start(t.Context()))
	began := time.Now()
	produce(4)
	await("with the second secrets")
	t.Logf("it took %s from the start of the broker", time.Since(began))
	if clients := front.Clients(); clients[len(clients)-1] != "second" {
		t.Errorf("clickhouse was asked by %q", clients)
	}

	cancel()
	if code := <-ended; code != cli.Fine {
		t.Errorf("exit %d", code)
	}
	text := stderr.String()
	if !strings.Contains(text, "loaded changed certificates") {
		t.Error("nobody was told of the other certificates")
	}
	for _, secret := range []string{stacktest.KafkaPassword, second, "PRIVATE KEY"} {
		if strings.Contains(text, secret) {
			t.Errorf("the log tells %q", secret)
		}
	}
}

// A port that somebody has is an error at start.
func TestMetricsAddressInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	stacktest.Must(t, err)
	defer taken.Close()
	broker := stacktest.Kafka(t)
	stacktest.Must(t, broker.CreateTopic(t.Context(), "gateway-logs", 1))
	addr, database := stacktest.Database(t)
	config := settings(t, map[string]string{"kafka.brokers": broker.Addr, "clickhouse.addr": addr, "clickhouse.database": database, "http.addr": taken.Addr().String()})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var stderr output
	if code := run(ctx, []string{"run", config}, strings.NewReader(""), &stderr, &stderr); code != cli.WrongUse || !strings.Contains(stderr.String(), "http.addr "+taken.Addr().String()+" is in use") {
		t.Errorf("exit %d: %s", code, stderr.String())
	}
}
