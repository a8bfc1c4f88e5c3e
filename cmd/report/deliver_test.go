package main

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"errata/internal/notify"
	"errata/internal/stack/stacktest"
)

// mailbox is a mail server that keeps what it gets.
type mailbox struct {
	mu    sync.Mutex
	mails []delivered
	bad   string        // an address that is refused for good; "": none
	hang  chan struct{} // a mail is kept, and its sender gets no answer, until it is closed; nil: all are answered
}

type delivered struct {
	to         []string
	header     mail.Header
	raw        string
	text, html string
}

type mailSession struct {
	box *mailbox
	to  []string
}

func (s *mailSession) Mail(string, *smtp.MailOptions) error { return nil }
func (s *mailSession) Reset()                               { s.to = nil }
func (s *mailSession) Logout() error                        { return nil }

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if to == s.box.bad {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
	}
	s.to = append(s.to, to)
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	d := delivered{to: s.to, header: m.Header, raw: string(raw)}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return err
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
		body := io.Reader(part)
		if part.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
			body = quotedprintable.NewReader(part)
		}
		text, err := io.ReadAll(body)
		if err != nil {
			return err
		}
		if strings.HasPrefix(part.Header.Get("Content-Type"), "text/html") {
			d.html = string(text)
		} else {
			d.text = string(text)
		}
	}
	s.box.mu.Lock()
	s.box.mails = append(s.box.mails, d)
	hang := s.box.hang
	s.box.mu.Unlock()
	if hang != nil {
		<-hang
	}
	return nil
}

func startMailbox(t *testing.T) (*mailbox, string) {
	t.Helper()
	box := &mailbox{}
	return box, box.listen(t, "127.0.0.1:0")
}

// listen begins to take mails.
func (b *mailbox) listen(t *testing.T, addr string) string {
	t.Helper()
	listener, err := net.Listen("tcp", addr)
	stacktest.Must(t, err)
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &mailSession{box: b}, nil }))
	server.Domain, server.ErrorLog = "mx.test", log.New(io.Discard, "", 0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() { server.Close(); <-done })
	return listener.Addr().String()
}

func (b *mailbox) got() []delivered {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.mails)
}

// lacks reports an error for each name of another tenant that the mail holds.
func (m delivered) lacks(t *testing.T, secrets ...string) {
	t.Helper()
	for _, secret := range append(secrets, "gateway-logs") {
		if strings.Contains(m.raw+m.text+m.html, secret) {
			t.Errorf("the mail to %v names %s", m.to, secret)
		}
	}
}

// Each revision is mailed once, whenever the command died before. Late data makes a reply to the
// first mail. A tenant's mail goes to its addresses and holds nothing of others.
func TestReportsAreMailed(t *testing.T) {
	addr, database := stacktest.Database(t)
	box, server := startMailbox(t)
	config := filepath.Join(t.TempDir(), "config.yaml")
	stacktest.Must(t, os.WriteFile(config, fmt.Appendf(nil, `
notify:
  receivers:
    - name: sre
      mail: {server: %[1]q, from: errata@example.org, to: [sre@example.org], tls: none}
    - name: tenants
      mail: {server: %[1]q, from: errata@example.org, to_tenant: true, tls: none}
  tenants:
    - {tenants: [acme], to: [ops@acme.example]}
    - {tenants: [globex], to: [ops@globex.example]}
    - {tenants: [initech-1], to: [ops@initech.example]}
    - {tenants: ["wayne-*"], to: [ops@wayne.example]}
`, server), 0o600))
	t.Setenv("ERRATA_CLICKHOUSE_ADDR", addr)
	t.Setenv("ERRATA_CLICKHOUSE_DATABASE", database)
	record := func(tenant, code string) string {
		return fmt.Sprintf(`{"time":"2026-11-02T10:00:00Z","tenant":%q,"service":"osm","status":200,"response_body":"{\"error_code\":\"%s\",\"error_msg\":\"m\"}"}`+"\n", tenant, code)
	}
	stacktest.Must(t, insert(t.Context(), addr, database, record("acme", "OSM.01010037")+record("globex", "HOOLI-1")))
	daily := func(args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if code := run(t.Context(), append([]string{"daily", "--config", config, "--date", "2026-11-02"}, args...), strings.NewReader(""), &out, &errs); code != 0 {
			t.Fatalf("%v: %d %s", args, code, errs.String())
		}
		return out.String()
	}
	daily("--record") // as if it had died before it queued the mail
	for range 2 {
		if got := daily("--to", "sre"); got != "revision 1 is with sre\n" {
			t.Error(got)
		}
	}
	mails := box.got()
	if len(mails) != 1 {
		t.Fatalf("%d mails", len(mails))
	}
	m := mails[0]
	subject, err := new(mime.WordDecoder).DecodeHeader(m.header.Get("Subject"))
	if err != nil || !strings.HasPrefix(subject, "[WATCH] Daily error report, Monday 2026-11-02, all tenants: ") || m.header.Get("Auto-Submitted") != "auto-generated" {
		t.Errorf("%q %v", subject, m.header)
	}
	for _, part := range []string{m.text, m.html} {
		if !strings.Contains(part, "OSM.01010037") || !strings.Contains(part, "HOOLI-1") || !strings.Contains(part, "revision 1") {
			t.Error(part)
		}
	}
	if len(m.raw) > 100_000 || regexp.MustCompile(`<svg|<script|src=|var\(`).MatchString(m.html) {
		t.Errorf("%d bytes of HTML that mail clients do not show", len(m.raw))
	}

	stacktest.Must(t, insertFrom(t.Context(), addr, database, 100, record("acme", "OSM.01010037")))
	if got := daily("--to", "sre"); got != "revision 2 is with sre\n" {
		t.Error(got)
	}
	if mails = box.got(); len(mails) != 2 || mails[1].header.Get("In-Reply-To") != m.header.Get("Message-Id") || mails[1].header.Get("Message-Id") == m.header.Get("Message-Id") {
		t.Fatalf("%d mails, %v", len(mails), mails[len(mails)-1].header)
	}
	for _, part := range []string{mails[1].text, html.UnescapeString(mails[1].html)} {
		if !strings.Contains(part, "revision 2, with +1 requests and +1 errors") {
			t.Errorf("revision 2 does not say what is new: %s", part)
		}
	}
	if got := daily("--revisions"); strings.Count(got, "2026-") != 4 { // made at, and sent
		t.Error(got)
	}

	if got := daily("--tenant", "acme", "--to", "tenants"); got != "revision 1 is with tenants\n" {
		t.Error(got)
	}
	mails = box.got()
	if m = mails[len(mails)-1]; len(mails) != 3 || !slices.Equal(m.to, []string{"ops@acme.example"}) {
		t.Fatalf("%d mails, to %v", len(mails), m.to)
	}
	m.lacks(t, "globex", "HOOLI")

	eachTenantIsMailed(t, box, daily, func() error {
		now := time.Now().UTC()
		recent := strings.ReplaceAll(record("wayne-eu", "OSM.01010037"), "2026-11-02T10:00:00Z", now.Add(-time.Hour).Format(time.RFC3339))
		return insertAt(t.Context(), addr, database, 200, now, recent)
	})
}

// eachTenantIsMailed goes on after acme was mailed its report.
func eachTenantIsMailed(t *testing.T, box *mailbox, daily func(...string) string, insertWayne func() error) {
	t.Helper()
	// Each tenant that is named gets a report, even one without requests. What was sent is not sent
	// again.
	want := "revision 1 of tenant \"acme\" is with tenants\nrevision 1 of tenant \"globex\" is with tenants\nrevision 1 of tenant \"initech-1\" is with tenants\n"
	if got := daily("--each-tenant", "--to", "tenants"); got != want {
		t.Error(got)
	}
	mails := box.got()
	if len(mails) != 5 || !slices.Equal(mails[3].to, []string{"ops@globex.example"}) || !slices.Equal(mails[4].to, []string{"ops@initech.example"}) {
		t.Fatalf("%d mails", len(mails))
	}
	if !strings.Contains(mails[3].text, "HOOLI-1") || !strings.Contains(mails[4].text, "initech-1") {
		t.Error(mails[3].text, mails[4].text)
	}
	mails[3].lacks(t, "acme", "initech", "OSM.")
	mails[4].lacks(t, "acme", "globex", "HOOLI")

	// A glob stands for the tenants that have sent requests lately.
	stacktest.Must(t, insertWayne())
	if got := daily("--each-tenant", "--to", "tenants"); got != want+"revision 1 of tenant \"wayne-eu\" is with tenants\n" {
		t.Error(got)
	}
	if mails = box.got(); len(mails) != 6 || !slices.Equal(mails[5].to, []string{"ops@wayne.example"}) || !strings.Contains(mails[5].text, "wayne-eu") {
		t.Fatalf("%d mails", len(mails))
	}
	mails[5].lacks(t, "acme", "globex", "initech", "HOOLI")
}

// Tenants that are named get reports whether they were seen or not, those of a glob if they were
// seen, and those without addresses never.
func TestAddressedTenants(t *testing.T) {
	cfg := notify.Config{Tenants: []notify.Addressees{
		{Tenants: []string{"acme", "hooli-?", "hooli-1"}, To: []string{"a@b.example"}},
		{Tenants: []string{"wayne-*"}, To: []string{"c@b.example"}},
		{Tenants: []string{"initech", "globex-[ab]"}, To: nil},
	}}
	f := func(want string, seen ...string) {
		t.Helper()
		if got := strings.Join(addressedOf(seen, cfg), " "); got != want {
			t.Errorf("of %q: %q, want %q", seen, got, want)
		}
	}
	f("acme hooli-1")
	f("acme hooli-1 hooli-2 wayne-eu wayne-us", "wayne-us", "hooli-2", "hooli-22", "umbrella", "wayne-eu", "acme", "wayne", "globex-a", "initech")
}
