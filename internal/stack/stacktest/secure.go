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

	"errata/internal/stack"
)

// SecureKafka is a broker of a real Apache Kafka that asks who one is. Its plain listener, RealBroker.Addr, is for the
// test itself: who comes there may do everything. Users have no rights but those that [SecureKafka.Allow] gives.
type SecureKafka struct {
	*RealBroker

	SASL      string // TLS, then PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512
	PlainOnly string // TLS, then PLAIN and no other mechanism
	Mutual    string // TLS with a certificate of the client's, whose name is the user: CN=errata
	Both      string // TLS with a certificate of the client's, then SASL as above
	Elsewhere string // TLS, with a server's certificate for another host
	Expired   string // TLS, with a server's certificate that has expired

	Authority *Authority // of the servers and of the clients
}

// The users of a SecureKafka, and their password.
const (
	KafkaUser     = "errata"
	KafkaStranger = "stranger" // somebody else
	KafkaPassword = "kafka-Secret-4711"
)

// StartSecureKafka starts such a broker. It takes about six seconds.
func StartSecureKafka(t testing.TB) *SecureKafka {
	t.Helper()
	Must(t, javaPresent())
	jars, err := kafkaJars(t)
	Must(t, err)
	k := &SecureKafka{RealBroker: &RealBroker{ID: 1, Dir: t.TempDir(), jars: jars}, Authority: NewAuthority(t, "kafka-ca")}
	var controller string
	for _, addr := range []*string{&controller, &k.Addr, &k.SASL, &k.PlainOnly, &k.Mutual, &k.Both, &k.Elsewhere, &k.Expired} {
		*addr, err = stack.FreeAddr()
		Must(t, err)
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
		"super.users=User:ANONYMOUS", // whoever comes over the plain listeners

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
	id[0] &= 0x7f // an id that begins with '-' would be taken for a flag
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
			t.Logf("the broker said at its end:\n%s", k.LogTail())
		}
		k.Kill()
	})
	Must(t, k.Start(t.Context()))
	return k
}

// Use makes the broker, when it starts the next time, show a certificate of this authority and take its clients alone.
func (k *SecureKafka) Use(t testing.TB, a *Authority) {
	t.Helper()
	k.Authority = a
	k.keystore(t, "server", a.Issue(t, "localhost", Tomorrow(), "localhost", "127.0.0.1"))
	CopyFile(t, a.CAFile, filepath.Join(k.Dir, "trusted.pem"))
}

// keystore writes a file of the form that Kafka wants.
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

// SetPassword gives the user another password for SCRAM-SHA-512.
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

// admin is a client that may do everything.
func (k *SecureKafka) admin() (client *kafka.Client, done func()) {
	transport := &kafka.Transport{}
	return &kafka.Client{Addr: kafka.TCP(k.Addr), Timeout: 10 * time.Second, Transport: transport}, transport.CloseIdleConnections
}

// Allow gives a user (as "User:errata") the right to read a topic and to use a group; "" for none.
func (k *SecureKafka) Allow(t testing.TB, principal, topic, group string) {
	t.Helper()
	k.grant(t, principal, kafka.ACLOperationTypeRead, topic, group)
}

// AllowDescribe gives a user the right to see a topic and a group, and to do nothing with them.
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

// TLSFront is TLS before a server that has none.
type TLSFront struct {
	Addr string

	target   string
	listener net.Listener
	running  sync.WaitGroup // all goroutines of it

	mu      sync.Mutex
	config  *tls.Config
	clients []string // names in the certificates of those who came, "" for none, in order
	open    map[net.Conn]bool
}

// StartTLSFront starts one before a server's address, with the server's certificate; with clients, only those come
// through who have a certificate of that authority. It ends with the test.
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

// Use exchanges the server's certificate and its clients' authority, for those who come from now on.
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

// Clients are the names in the certificates of those who came, in order; "" is one without.
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

// serve passes one connection through. The server behind sees no connection of which the handshake failed.
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

// keep notes a connection for Cut until the function that it returns is called.
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

// Sentence holds what came of a connection against what was to come: no error where kind is nil; else one of that kind that says all the
// words in one line, and none of the secrets.
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
