package stacktest

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// A SecureKafka is an Apache Kafka broker with TLS, authentication and authorization. Its plain
// listener, RealBroker.Addr, is for the test itself and has all rights. Users have only the rights
// that [SecureKafka.Allow] grants.
type SecureKafka struct {
	*RealBroker

	SASL      string // TLS, then PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
	PlainOnly string // TLS, then PLAIN and no other mechanism
	Mutual    string // TLS with a client certificate, whose name is the user: CN=errata
	Both      string // TLS with a client certificate, then SASL as above
	Elsewhere string // TLS with a server certificate for another host
	Expired   string // TLS with an expired server certificate

	Authority *Authority // of the servers and of the clients
}

// The users of a SecureKafka and their password.
const (
	KafkaUser     = "errata"
	KafkaStranger = "stranger" // another user
	KafkaPassword = "kafka-Secret-4711"
)

// StartSecureKafka starts a SecureKafka. That takes about six seconds.
func StartSecureKafka(t testing.TB) *SecureKafka {
	t.Helper()
	Must(t, javaPresent())
	jars, err := kafkaJars(t)
	Must(t, err)
	k := &SecureKafka{RealBroker: &RealBroker{ID: 1, Dir: t.TempDir(), jars: jars}, Authority: NewAuthority(t, "kafka-ca")}
	var controller string
	for _, addr := range []*string{&controller, &k.Addr, &k.SASL, &k.PlainOnly, &k.Mutual, &k.Both, &k.Elsewhere, &k.Expired} {
		*addr = FreeAddr(t)
	}
	const plain = `org.apache.kafka.common.security.plain.PlainLoginModule required user_` + KafkaUser + `="` + KafkaPassword + `" user_` + KafkaStranger + `="` + KafkaPassword + `";`
	const scram = `org.apache.kafka.common.security.scram.ScramLoginModule required;`
	k.Use(t, k.Authority)
	lines := []string{
		"process.roles=broker,controller",
		"node.id=1",
		"controller.quorum.voters=1@" + controller,
		"controller.listener.names=CONTROLLER",
		"inter.broker.listener.name=PLAINTEXT",
		"log.dirs=" + filepath.Join(k.Dir, "data"),
		"auto.create.topics.enable=false",
		"offsets.topic.replication.factor=1",
		"offsets.topic.num.partitions=4",
		"transaction.state.log.replication.factor=1",
		"transaction.state.log.min.isr=1",
		"group.initial.rebalance.delay.ms=0",

		"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"super.users=User:ANONYMOUS", // clients of the plain listeners

		"sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
		"listener.name.sasl.plain.sasl.jaas.config=" + plain,
		"listener.name.sasl.scram-sha-256.sasl.jaas.config=" + scram,
		"listener.name.sasl.scram-sha-512.sasl.jaas.config=" + scram,
		"listener.name.plainonly.sasl.enabled.mechanisms=PLAIN",
		"listener.name.plainonly.plain.sasl.jaas.config=" + plain,

		"ssl.keystore.type=PEM",
		"ssl.keystore.location=" + filepath.Join(k.Dir, "server.pem"),
		"ssl.truststore.type=PEM",
		"ssl.truststore.location=" + filepath.Join(k.Dir, "trusted.pem"),
		"listener.name.mutual.ssl.client.auth=required",
		"listener.name.both.ssl.client.auth=required",
		"listener.name.both.plain.sasl.jaas.config=" + plain,
		"listener.name.both.scram-sha-256.sasl.jaas.config=" + scram,
		"listener.name.both.scram-sha-512.sasl.jaas.config=" + scram,
		"listener.name.elsewhere.ssl.keystore.type=PEM",
		"listener.name.elsewhere.ssl.keystore.location=" + k.keystore(t, "elsewhere", k.Authority.Issue(t, "kafka.example", Tomorrow(), "kafka.example")),
		"listener.name.expired.ssl.keystore.type=PEM",
		"listener.name.expired.ssl.keystore.location=" + k.keystore(t, "expired", k.Authority.Issue(t, "localhost", time.Now().Add(-time.Hour), "localhost", "127.0.0.1")),
	}
	var listeners, protocols []string
	for _, l := range [][3]string{
		{"CONTROLLER", "PLAINTEXT", controller}, {"PLAINTEXT", "PLAINTEXT", k.Addr}, {"SASL", "SASL_SSL", k.SASL},
		{"PLAINONLY", "SASL_SSL", k.PlainOnly}, {"MUTUAL", "SSL", k.Mutual}, {"BOTH", "SASL_SSL", k.Both}, {"ELSEWHERE", "SSL", k.Elsewhere}, {"EXPIRED", "SSL", k.Expired},
	} {
		listeners = append(listeners, l[0]+"://"+l[2])
		protocols = append(protocols, l[0]+":"+l[1])
	}
	lines = append(lines, "listeners="+strings.Join(listeners, ","), "advertised.listeners="+strings.Join(listeners[1:], ","),
		"listener.security.protocol.map="+strings.Join(protocols, ","))
	Must(t, os.WriteFile(k.properties(), []byte(strings.Join(lines, "\n")+"\n"), 0o600))

	var id [16]byte
	rand.Read(id[:])
	id[0] &= 0x7f // an id that begins with '-' would be parsed as a flag
	format := []string{"format", "--cluster-id", base64.RawURLEncoding.EncodeToString(id[:]), "--config", k.properties()}
	for _, user := range []string{KafkaUser, KafkaStranger} {
		for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
			format = append(format, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, user, KafkaPassword))
		}
	}
	if out, err := k.java("kafka.tools.StorageTool", format...).CombinedOutput(); err != nil {
		t.Fatalf("format the data of a Kafka broker: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the broker's log ends with:\n%s", k.LogTail())
		}
		k.Kill()
	})
	Must(t, k.Start(t.Context()))
	return k
}

// Use makes the broker, from its next start, present a certificate of this authority and accept
// only the clients of this authority.
func (k *SecureKafka) Use(t testing.TB, a *Authority) {
	t.Helper()
	k.Authority = a
	k.keystore(t, "server", a.Issue(t, "localhost", Tomorrow(), "localhost", "127.0.0.1"))
	CopyFile(t, a.CAFile, filepath.Join(k.Dir, "trusted.pem"))
}

// keystore writes a certificate as a PEM keystore of Kafka's form.
func (k *SecureKafka) keystore(t testing.TB, name string, c Certificate) string {
	var all []byte
	for _, f := range []string{c.KeyFile, c.CertFile, k.Authority.CAFile} {
		text, err := os.ReadFile(f)
		Must(t, err)
		all = append(all, text...)
	}
	path := filepath.Join(k.Dir, name+".pem")
	Must(t, os.WriteFile(path, all, 0o600))
	return path
}

// SetPassword changes a user's password for SCRAM-SHA-512.
func (k *SecureKafka) SetPassword(t testing.TB, user, password string) {
	t.Helper()
	const iterations = 4096
	salt := []byte("salt of the tests")
	salted, err := pbkdf2.Key(sha512.New, password, salt, iterations, sha512.Size)
	Must(t, err)
	client, done := k.admin()
	defer done()
	resp, err := client.AlterUserScramCredentials(t.Context(), &kafka.AlterUserScramCredentialsRequest{Upsertions: []kafka.UserScramCredentialsUpsertion{
		{Name: user, Mechanism: kafka.ScramMechanismSha512, Iterations: iterations, Salt: salt, SaltedPassword: salted}}})
	Must(t, err)
	for _, r := range resp.Results {
		Must(t, r.Error)
	}
}

// admin returns a client that has all rights.
func (k *SecureKafka) admin() (client *kafka.Client, done func()) {
	transport := &kafka.Transport{}
	return &kafka.Client{Addr: kafka.TCP(k.Addr), Timeout: 10 * time.Second, Transport: transport}, transport.CloseIdleConnections
}

// Allow grants a user (such as "User:errata") the right to read a topic and to use a group; ""
// means none.
func (k *SecureKafka) Allow(t testing.TB, principal, topic, group string) {
	t.Helper()
	k.grant(t, principal, kafka.ACLOperationTypeRead, topic, group)
}

// AllowDescribe grants a user the right to see a topic and a group, but not to use them.
func (k *SecureKafka) AllowDescribe(t testing.TB, principal, topic, group string) {
	t.Helper()
	k.grant(t, principal, kafka.ACLOperationTypeDescribe, topic, group)
}

func (k *SecureKafka) grant(t testing.TB, principal string, right kafka.ACLOperationType, topic, group string) {
	t.Helper()
	var entries []kafka.ACLEntry
	for of, name := range map[kafka.ResourceType]string{kafka.ResourceTypeTopic: topic, kafka.ResourceTypeGroup: group} {
		if name != "" {
			entries = append(entries, kafka.ACLEntry{ResourceType: of, ResourceName: name, ResourcePatternType: kafka.PatternTypeLiteral,
				Principal: principal, Host: "*", Operation: right, PermissionType: kafka.ACLPermissionTypeAllow})
		}
	}
	client, done := k.admin()
	defer done()
	resp, err := client.CreateACLs(t.Context(), &kafka.CreateACLsRequest{ACLs: entries})
	Must(t, err)
	for _, err := range resp.Errors {
		Must(t, err)
	}
}

// A TLSFront puts TLS before a server that has none.
type TLSFront struct {
	Addr string

	target   string
	listener net.Listener
	running  sync.WaitGroup // of all its goroutines

	mu      sync.Mutex
	config  *tls.Config
	clients []string // the names in the clients' certificates, in order; "" without one
	open    map[net.Conn]bool
}

// StartTLSFront starts a TLSFront before a server's address, with the server's certificate. If
// clients is not nil, it admits only clients with a certificate of that authority. It ends with the
// test.
func StartTLSFront(t testing.TB, target string, c Certificate, clients *Authority) *TLSFront {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	Must(t, err)
	f := &TLSFront{Addr: listener.Addr().String(), target: target, listener: listener, open: map[net.Conn]bool{}}
	f.Use(t, c, clients)
	f.running.Go(f.accept)
	t.Cleanup(func() {
		listener.Close()
		f.Cut()
		f.running.Wait()
	})
	return f
}

// Use replaces the server's certificate and the clients' authority for new connections.
func (f *TLSFront) Use(t testing.TB, c Certificate, clients *Authority) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	Must(t, err)
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	if clients != nil {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		config.ClientCAs.AddCert(clients.cert)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.config = config
}

// Cut ends all connections.
func (f *TLSFront) Cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for conn := range f.open {
		conn.Close()
	}
}

// Clients returns the names in the certificates of the clients so far, in order; "" is one without
// a certificate.
func (f *TLSFront) Clients() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.clients)
}

func (f *TLSFront) accept() {
	for {
		conn, err := f.listener.Accept()
		if err != nil {
			return // at the end
		}
		f.running.Go(func() { f.serve(conn) })
	}
}

// serve passes one connection through. The server behind sees no connection whose handshake failed.
func (f *TLSFront) serve(conn net.Conn) {
	f.mu.Lock()
	secured := tls.Server(conn, f.config)
	f.mu.Unlock()
	defer f.keep(conn)()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	if secured.Handshake() != nil {
		conn.Close()
		return
	}
	conn.SetDeadline(time.Time{})
	name := ""
	if certs := secured.ConnectionState().PeerCertificates; len(certs) > 0 {
		name = certs[0].Subject.CommonName
	}
	f.mu.Lock()
	f.clients = append(f.clients, name)
	f.mu.Unlock()

	behind, err := net.Dial("tcp", f.target)
	if err != nil {
		conn.Close()
		return
	}
	defer f.keep(behind)()
	var back sync.WaitGroup
	back.Go(func() { // ends with either connection
		io.Copy(secured, behind)
		conn.Close()
	})
	io.Copy(behind, secured)
	behind.Close()
	back.Wait()
}

// keep registers a connection for Cut until the returned function is called.
func (f *TLSFront) keep(conn net.Conn) (forget func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open[conn] = true
	return func() {
		conn.Close()
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.open, conn)
	}
}

// Sentence checks the error of a connection. If kind is nil, there must be no error. Otherwise the
// error must be of that kind and a single line that contains all the words and none of the secrets.
func Sentence(t testing.TB, err, kind error, words, secrets []string) {
	t.Helper()
	if kind == nil {
		if err != nil {
			t.Error(err)
		}
		return
	}
	if !errors.Is(err, kind) {
		t.Errorf("%v is not %v", err, kind)
		return
	}
	t.Log(err)
	text := err.Error()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%v does not say %q", err, w)
		}
	}
	if strings.Contains(text, "\n") || slices.ContainsFunc(secrets, func(secret string) bool { return strings.Contains(text, secret) }) {
		t.Errorf("not one sentence without secrets: %q", text)
	}
}
