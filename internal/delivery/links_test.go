package delivery_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"errata/internal/delivery"
	"errata/internal/link"
	"errata/internal/stack/stacktest"
)

// Each way in which Kafka can refuse us, or be none, on a Kafka that asks who one is: one sentence
// that names the key to set. The secrets are in none of them.
func TestLinks(t *testing.T) {
	t.Parallel()
	k := stacktest.StartSecureKafka(t)
	for _, topic := range []string{"logs", "others", "seen"} {
		stacktest.Must(t, k.CreateTopic(t.Context(), topic, 1))
	}
	client := k.Authority.Issue(t, stacktest.KafkaUser, stacktest.Tomorrow())
	stranger := stacktest.NewAuthority(t, "strangers")
	strange := stranger.Issue(t, stacktest.KafkaUser, stacktest.Tomorrow())
	k.Allow(t, "User:"+stacktest.KafkaUser, "logs", "errata")
	k.Allow(t, "User:CN="+stacktest.KafkaUser, "logs", "errata")
	k.AllowDescribe(t, "User:"+stacktest.KafkaUser, "seen", "")
	passwordFile := filepath.Join(t.TempDir(), "password")
	stacktest.Must(t, os.WriteFile(passwordFile, []byte(stacktest.KafkaPassword+"\n"), 0o600))
	nobody := stacktest.FreeAddr(t)

	trusted := link.TLS{Enabled: true, CAFile: k.Authority.CAFile}
	mutual := link.TLS{Enabled: true, CAFile: k.Authority.CAFile, CertFile: client.CertFile, KeyFile: client.KeyFile}
	const wrong = "wrong-Secret-0815"
	sasl := func(mechanism, user, password string) delivery.SASL {
		return delivery.SASL{Mechanism: mechanism, Username: user, Password: password}
	}

	f := func(name, addr string, tls link.TLS, s delivery.SASL, change func(*delivery.Config), kind error, want ...string) {
		t.Run(name, func(t *testing.T) {
			if errors.Is(kind, link.ErrUnreachable) {
				t.Parallel() // takes as long as we have patience
			}
			cfg := delivery.Config{Brokers: []string{addr}, Topics: []string{"logs"}, Group: "errata", Start: "earliest", TLS: tls, SASL: s}
			if change != nil {
				change(&cfg)
			}
			connected, err := delivery.Connect(t.Context(), cfg)
			if err == nil {
				err = connected.Reconnect(t.Context()) // as the watchdog does
				connected.Close()
			}
			stacktest.Sentence(t, err, kind, append(want, cfg.Brokers[0]), []string{stacktest.KafkaPassword, wrong})
		})
	}

	// What works.
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		f(mechanism, k.SASL, trusted, sasl(mechanism, stacktest.KafkaUser, stacktest.KafkaPassword), nil, nil)
	}
	f("a password in a file", k.SASL, trusted, delivery.SASL{Mechanism: "SCRAM-SHA-512", Username: stacktest.KafkaUser, PasswordFile: passwordFile}, nil, nil)
	f("by name", strings.Replace(k.SASL, "127.0.0.1", "localhost", 1), trusted, sasl("PLAIN", stacktest.KafkaUser, stacktest.KafkaPassword), nil, nil)
	f("mutual TLS", k.Mutual, mutual, delivery.SASL{}, nil, nil)

	// Who we are.
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		f(mechanism+" with a wrong password", k.SASL, trusted, sasl(mechanism, stacktest.KafkaUser, wrong), nil, link.ErrRefused, "kafka.sasl.password", "wrong password", `"errata"`)
		f(mechanism+" with an unknown user", k.SASL, trusted, sasl(mechanism, "who", stacktest.KafkaPassword), nil, link.ErrRefused, "kafka.sasl.username", "unknown user", `"who"`)
	}
	f("a wrong mechanism", k.PlainOnly, trusted, sasl("SCRAM-SHA-256", stacktest.KafkaUser, stacktest.KafkaPassword), nil, link.ErrRefused, "kafka.sasl.mechanism", "SCRAM-SHA-256")
	f("no SASL where it is needed", k.SASL, trusted, delivery.SASL{}, nil, link.ErrRefused, "kafka.sasl.mechanism", "wants SASL")
	f("SASL where there is none", k.Addr, link.TLS{}, sasl("PLAIN", stacktest.KafkaUser, stacktest.KafkaPassword), nil, link.ErrRefused, "kafka.sasl.mechanism", "takes no SASL")
	f("no client certificate", k.Mutual, trusted, delivery.SASL{}, nil, link.ErrRefused, "kafka.tls.cert_file", "wants a certificate")
	f("another authority's client certificate", k.Mutual, link.TLS{Enabled: true, CAFile: k.Authority.CAFile, CertFile: strange.CertFile, KeyFile: strange.KeyFile}, delivery.SASL{}, nil,
		link.ErrRefused, "kafka.tls.cert_file", "does not take our certificate")

	// Who it is.
	f("a wrong authority", k.SASL, link.TLS{Enabled: true, CAFile: stranger.CAFile}, sasl("PLAIN", stacktest.KafkaUser, stacktest.KafkaPassword), nil, link.ErrRefused, "kafka.tls.ca_file", "not trusted")
	f("the system's authorities", k.SASL, link.TLS{Enabled: true}, sasl("PLAIN", stacktest.KafkaUser, stacktest.KafkaPassword), nil, link.ErrRefused, "kafka.tls.ca_file", "not trusted")
	f("a certificate for another host", k.Elsewhere, trusted, delivery.SASL{}, nil, link.ErrRefused, "kafka.brokers", "another name")
	f("an old certificate", k.Expired, trusted, delivery.SASL{}, nil, link.ErrRefused, "expired", "renew it")

	// How we speak.
	f("TLS where there is none", k.Addr, trusted, delivery.SASL{}, nil, link.ErrRefused, "kafka.tls.enabled to false")
	f("no TLS where it is needed", k.Mutual, link.TLS{}, delivery.SASL{}, nil, link.ErrRefused, "kafka.tls.enabled to true")
	f("no TLS where it is needed, with SASL", k.SASL, link.TLS{}, sasl("PLAIN", stacktest.KafkaUser, stacktest.KafkaPassword), nil, link.ErrRefused, "kafka.tls.enabled to true")

	// What we may do.
	topics := func(names ...string) func(*delivery.Config) {
		return func(c *delivery.Config) { c.Topics = names }
	}
	known := sasl("SCRAM-SHA-256", stacktest.KafkaUser, stacktest.KafkaPassword)
	f("a topic that is not there", k.Addr, link.TLS{}, delivery.SASL{}, topics("logs", "nowhere"), link.ErrRefused, `no topic "nowhere"`, "kafka.topics")
	f("a topic that we may not see", k.SASL, trusted, known, topics("logs", "others"), link.ErrRefused, `topic "others"`, "grant READ", "kafka.topics")
	f("a topic that we may see and not read", k.SASL, trusted, known, topics("logs", "seen"), link.ErrRefused, `topic "seen"`, "grant READ", "kafka.topics")
	f("nothing at all", k.SASL, trusted, sasl("PLAIN", stacktest.KafkaStranger, stacktest.KafkaPassword), nil, link.ErrRefused, `topic "logs"`, "grant READ")
	f("a group that we may not use", k.SASL, trusted, known, func(c *delivery.Config) { c.Group = "theirs" }, link.ErrRefused, `group "theirs"`, "grant READ", "kafka.group")
	f("mutual TLS, a group that we may not use", k.Mutual, mutual, delivery.SASL{}, func(c *delivery.Config) { c.Group = "theirs" }, link.ErrRefused, `group "theirs"`)

	// Nobody there, and somebody who says nothing.
	f("nobody", nobody, link.TLS{}, delivery.SASL{}, nil, link.ErrUnreachable, "kafka.brokers", "connection refused")
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	stacktest.Must(t, err)
	t.Cleanup(func() { silent.Close() })
	f("a silent server", silent.Addr().String(), trusted, delivery.SASL{}, nil, link.ErrUnreachable, "kafka.brokers", "timeout")
}

// Settings that are wrong by themselves name their key, and are neither refused nor unreachable.
func TestLinkSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "empty")
	stacktest.Must(t, os.WriteFile(file, nil, 0o600))
	f := func(change func(*delivery.Config), want string) {
		t.Helper()
		cfg := delivery.Config{Brokers: []string{"127.0.0.1:1"}, Topics: []string{"logs"}, Group: "errata", Start: "earliest"}
		change(&cfg)
		_, err := delivery.Connect(t.Context(), cfg)
		if err == nil || errors.Is(err, link.ErrRefused) || errors.Is(err, link.ErrUnreachable) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	f(func(c *delivery.Config) { c.TLS = link.TLS{Enabled: true, CAFile: "/nowhere"} }, "kafka.tls.ca_file")
	f(func(c *delivery.Config) { c.TLS = link.TLS{Enabled: true, CertFile: "/nowhere"} }, "kafka.tls.cert_file and key_file")
	f(func(c *delivery.Config) {
		c.SASL = delivery.SASL{Mechanism: "PLAIN", Username: "u", PasswordFile: "/nowhere"}
	}, "kafka.sasl.password_file")
	f(func(c *delivery.Config) {
		c.SASL = delivery.SASL{Mechanism: "PLAIN", Username: "u", PasswordFile: file}
	}, "first line is empty")
	f(func(c *delivery.Config) {
		c.SASL = delivery.SASL{Mechanism: "PLAIN", Username: "u", Password: "p", PasswordFile: file}
	}, "give one of them")
	f(func(c *delivery.Config) { c.SASL = delivery.SASL{Mechanism: "PLAIN"} }, "kafka.sasl.username")
	f(func(c *delivery.Config) { c.SASL = delivery.SASL{Mechanism: "OAUTHBEARER", Username: "u"} }, "kafka.sasl.mechanism")
	const bad = "secret\u0000\u200f\u0627a"
	_, err := delivery.Connect(t.Context(), delivery.Config{Brokers: []string{"127.0.0.1:1"}, Topics: []string{"logs"}, Group: "errata", Start: "earliest",
		SASL: delivery.SASL{Mechanism: "SCRAM-SHA-256", Username: "u", Password: bad}})
	if err == nil || !strings.Contains(err.Error(), "kafka.sasl") || strings.Contains(fmt.Sprintf("%v %q", err, err), "secret") {
		t.Errorf("a password that SCRAM does not allow: %v", err)
	}
}
