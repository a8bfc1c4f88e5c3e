package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"log/slog"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

// mailbox is a mail server that keeps what it gets.
type mailbox struct {
	addr string
	stop func()

	mu       sync.Mutex
	mails    []received
	refuse   string // the address that is refused
	greylist bool   // everything is refused for a while
}

// received is a mail, taken apart.
type received struct {
	from       string
	to         []string
	header     mail.Header
	text, html string
}

// startMailbox starts a mail server. With a certificate it demands STARTTLS and a login.
func startMailbox(t *testing.T, config *tls.Config, implicit bool) *mailbox {
	t.Helper()
	b := &mailbox{}
	b.start(t, "127.0.0.1:0", config, implicit)
	return b
}

func (b *mailbox) start(t *testing.T, addr string, config *tls.Config, implicit bool) {
	t.Helper()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	b.addr = listener.Addr().String()
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &mailSession{box: b, login: config != nil}, nil
	}))
	server.Domain = "mx.test"
	server.TLSConfig = config
	server.ErrorLog = log.New(io.Discard, "", 0)
	if implicit {
		listener = tls.NewListener(listener, config)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(listener)
	}()
	b.stop = sync.OnceFunc(func() {
		server.Close()
		listener.Close() // the server does not know it before it serves
		<-done
	})
	t.Cleanup(b.stop)
}

// mailSession is a connection to the mailbox.
type mailSession struct {
	box           *mailbox
	login, logged bool
	mail          received
}

func (s *mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "errata" || password != "s3cret" {
			return errors.New("invalid credentials")
		}
		s.logged = true
		return nil
	}), nil
}

func (s *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	if s.login && !s.logged {
		return smtp.ErrAuthRequired
	}
	s.mail = received{from: from}
	return nil
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	switch {
	case to == s.box.refuse:
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
	case s.box.greylist:
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "greylisted, try again later"}
	}
	s.mail.to = append(s.mail.to, to)
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	s.mail.header = m.Header
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	if kind != "multipart/alternative" {
		return errors.New("not multipart/alternative: " + kind)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		text, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			return err
		}
		body := strings.ReplaceAll(string(text), "\r\n", "\n")
		switch kind, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type")); kind {
		case "text/plain":
			s.mail.text = body
		case "text/html":
			s.mail.html = body
		}
	}
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	s.box.mails = append(s.box.mails, s.mail)
	return nil
}

func (s *mailSession) Reset()        {}
func (s *mailSession) Logout() error { return nil }

// take returns the mails since the last call.
func (b *mailbox) take() []received {
	b.mu.Lock()
	defer b.mu.Unlock()
	mails := b.mails
	b.mails = nil
	return mails
}

func decodedSubject(t *testing.T, m received) string {
	t.Helper()
	subject, err := new(mime.WordDecoder).DecodeHeader(m.header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	return subject
}

func TestMailHasTextAndHTML(t *testing.T) {
	t.Parallel()
	box := startMailbox(t, nil, false)
	to := sending(t, Receiver{Mail: &MailReceiver{Server: box.addr, From: "Errata <errata@ops.test>", To: []string{"b@ops.test"}, ToTenant: true, TLS: "none"}},
		Addressees{Tenants: []string{"ac*"}, To: []string{"it@acme.test", "b@ops.test"}}, Addressees{Tenants: []string{"globex"}, To: []string{"x@globex.test"}})
	n := quotaNotice(firing)
	n.Messages[0].Title = "acme 的额度用完了 <b>"
	receipt := send(t, to, n)
	mails := box.take()
	if len(mails) != 1 {
		t.Fatalf("%d mails", len(mails))
	}
	m := mails[0]
	if m.from != "errata@ops.test" || strings.Join(m.to, " ") != "b@ops.test it@acme.test" || decodedSubject(t, m) != "[FIRING] acme 的额度用完了 <b>" ||
		m.header.Get("Message-Id") != "<k1@ops.test>" || receipt != "k1@ops.test" || m.header.Get("Auto-Submitted") != "auto-generated" || m.header.Get("In-Reply-To") != "" {
		t.Errorf("%+v", m)
	}
	const text = `[FIRING] acme 的额度用完了 <b>

since 2026-11-02 00:00 UTC
Why: 21 errors in 5m, above 20
Remedy: Ask @here for_more
quota <!channel>
https://errata.test/codes/OSM.01010037?tenant=acme&x=(1)
`
	if strings.TrimSpace(m.text) != strings.TrimSpace(text) {
		t.Errorf("%s", m.text)
	}
	for _, want := range []string{"acme 的额度用完了 &lt;b&gt;</h2>", "&lt;!channel&gt;", `<a href="https://errata.test/codes/OSM.01010037?tenant=acme&amp;x=%281%29">details</a>`, ">Why</th>"} {
		if !strings.Contains(m.html, want) {
			t.Errorf("no %q in %s", want, m.html)
		}
	}
	// A later mail of the group is a reply to the first.
	n = quotaNotice(resolved)
	n.Key, n.Thread = "k2", receipt
	if again := send(t, to, n); again != receipt {
		t.Error(again)
	}
	m = box.take()[0]
	if m.header.Get("Message-Id") != "<k2@ops.test>" || m.header.Get("In-Reply-To") != "<k1@ops.test>" || m.header.Get("References") != "<k1@ops.test>" ||
		!strings.Contains(m.text, "from 2026-11-02 00:00 UTC to 2026-11-02 01:00 UTC") {
		t.Errorf("%+v", m)
	}
}

// A document of its own, such as a report, goes to the receivers that it names. Its Message-ID
// depends on its identity alone, and a revision is a reply to it.
func TestReportByMail(t *testing.T) {
	t.Parallel()
	box := startMailbox(t, nil, false)
	cfg := Defaults
	cfg.Receivers = []Receiver{{Name: "daily", Mail: &MailReceiver{Server: box.addr, From: "errata@ops.test", To: []string{"b@ops.test"}, TLS: "none"}}}
	day := Message{Source: "daily", Fingerprint: "acme", At: midnight, Event: "report", Title: "Errors of acme on 2026-11-02", Text: "12 errors", HTML: "<p>12 errors</p>", Receivers: []string{"daily"}}
	var ids []string
	for range 2 { // another process sends the same
		n := New(cfg, &memory{}, slog.New(slog.DiscardHandler))
		if err := n.Enqueue(t.Context(), day); err != nil {
			t.Fatal(err)
		}
		if err := n.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		m := box.take()[0]
		if m.text != "12 errors" || m.html != "<p>12 errors</p>" || decodedSubject(t, m) != day.Title {
			t.Errorf("%+v", m)
		}
		ids = append(ids, m.header.Get("Message-Id"))
	}
	if ids[0] != ids[1] || ids[0] == "" {
		t.Error(ids)
	}
	revision := day
	revision.Event, revision.Follows, revision.Text = "revision 2", &day, "13 errors"
	n := New(cfg, &memory{}, slog.New(slog.DiscardHandler))
	if err := n.Enqueue(t.Context(), revision); err != nil {
		t.Fatal(err)
	}
	if err := n.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m := box.take()[0]; m.header.Get("In-Reply-To") != ids[0] || m.header.Get("Message-Id") == ids[0] || m.text != "13 errors" {
		t.Errorf("%+v", m)
	}
}

func TestMailOverTLSWithALogin(t *testing.T) {
	t.Parallel()
	authority := stacktest.NewAuthority(t, "errata test")
	certificate := authority.Issue(t, "mx.test", stacktest.Tomorrow(), "127.0.0.1")
	pair, err := tls.LoadX509KeyPair(certificate.CertFile, certificate.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"starttls", "tls"} {
		box := startMailbox(t, &tls.Config{Certificates: []tls.Certificate{pair}}, how == "tls")
		r := MailReceiver{Server: box.addr, From: "errata@ops.test", To: []string{"b@ops.test"}, TLS: how, CAFile: authority.CAFile, Username: "errata", PasswordFile: file(t, "s3cret")}
		send(t, sending(t, Receiver{Mail: &r}), quotaNotice(firing))
		if got := len(box.take()); got != 1 {
			t.Errorf("%s: %d mails", how, got)
		}
		f := func(want string, change func(*MailReceiver)) {
			t.Helper()
			changed := r
			change(&changed)
			_, err := sending(t, Receiver{Mail: &changed})(t.Context(), quotaNotice(firing))
			var refused refusal
			if err == nil || errors.As(err, &refused) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "wr0ng") || !strings.Contains(err.Error(), box.addr) {
				t.Errorf("%s: %v", how, err)
			}
		}
		f("credentials", func(m *MailReceiver) { m.PasswordFile = file(t, "wr0ng") })
		f("certificate", func(m *MailReceiver) { m.CAFile = "" })
		if got := len(box.take()); got != 0 {
			t.Errorf("%s: %d mails", how, got)
		}
	}
	// Without a certificate the server offers no STARTTLS, and the mail is not sent in clear.
	box := startMailbox(t, nil, false)
	if _, err := sending(t, Receiver{Mail: &MailReceiver{Server: box.addr, From: "errata@ops.test", To: []string{"b@ops.test"}}})(t.Context(), quotaNotice(firing)); err == nil || !strings.Contains(err.Error(), "STARTTLS") {
		t.Error(err)
	}
}

// One bad address keeps the mail from nobody else. If all are bad, it is dropped.
func TestRefusedAddress(t *testing.T) {
	t.Parallel()
	box := startMailbox(t, nil, false)
	box.refuse = "gone@ops.test"
	to := func(addresses ...string) sender {
		return sending(t, Receiver{Mail: &MailReceiver{Server: box.addr, From: "errata@ops.test", To: addresses, TLS: "none"}})
	}
	send(t, to("a@ops.test", "gone@ops.test", "b@ops.test"), quotaNotice(firing))
	var got []string
	for _, m := range box.take() {
		got = append(got, m.to...)
	}
	slices.Sort(got)
	if strings.Join(got, " ") != "a@ops.test b@ops.test" {
		t.Error(got)
	}
	var refused refusal
	if _, err := to("gone@ops.test")(t.Context(), quotaNotice(firing)); !errors.As(err, &refused) {
		t.Error(err)
	}
	box.greylist = true
	if _, err := to("a@ops.test")(t.Context(), quotaNotice(firing)); err == nil || errors.As(err, &refused) {
		t.Error(err)
	}
}

// A mail server that is away for a while: the log says so, and the mail is sent once it is back.
func TestMailServerAwayForAWhile(t *testing.T) {
	t.Parallel()
	box := startMailbox(t, nil, false)
	addr := box.addr
	box.stop()
	p := newPost(t, Route{})
	p.cfg.Receivers[0] = Receiver{Name: "ops", Mail: &MailReceiver{Server: addr, From: "errata@ops.test", To: []string{"b@ops.test"}, TLS: "none"}}
	p.start()
	for _, in := range p.inboxes { // the real one
		in.target.send = noticeSender(p.sender(making{p.cfg.Receivers[0], client{timeout: time.Second}, p.cfg}))
	}
	p.fires("alertname=A")
	p.now = p.now.Add(time.Minute)
	var problem error
	for range 10 {
		_, err := p.Send(context.Background())
		problem = errors.Join(problem, err)
		p.now = p.now.Add(10 * time.Second)
	}
	if problem == nil || !strings.Contains(problem.Error(), "ops did not take a notification, next try in 1s: mail server "+addr+": ") {
		t.Error(problem)
	}
	if rows := p.queue.rows; rows[len(rows)-1].Outcome != store.Queued {
		t.Errorf("%+v", rows)
	}
	box.start(t, addr, nil, false)
	p.now = p.now.Add(time.Minute)
	if _, err := p.Send(t.Context()); err != nil {
		t.Fatal(err)
	}
	if mails := box.take(); len(mails) != 1 || decodedSubject(t, mails[0]) != "[FIRING] alertname=A" {
		t.Errorf("%+v", mails)
	}
}
