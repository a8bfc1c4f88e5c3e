package notify

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"net"
	netmail "net/mail"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/wneessen/go-mail"

	"errata/internal/link"
)

//go:embed templates
var templates embed.FS

var (
	mailText = template.Must(template.ParseFS(templates, "templates/mail.txt"))
	mailHTML = htmltemplate.Must(htmltemplate.ParseFS(templates, "templates/mail.html"))
)

// newMail sends mail with a text and an HTML part. The Message-ID is made of the key, so that a
// mailbox can tell a repeat, and later mails of a group are replies to the first.
func (nt *Notifier) newMail(name string, r MailReceiver, cfg Config) sender {
	password := secret(r.Password, r.PasswordFile)
	return func(ctx context.Context, n Notice) (string, error) {
		to := slices.Clone(r.To)
		if r.ToTenant {
			to = append(to, addresses(cfg.Tenants, n.tenant())...)
		}
		slices.Sort(to)
		to = slices.Compact(to)
		if len(to) == 0 {
			return "", refusal{fmt.Errorf("notify.tenants has no address for tenant %q", n.tenant())}
		}
		post := func(to ...string) (id string, err error) {
			m, id, err := n.mail(r, name, to)
			if err != nil {
				return "", refusal{err}
			}
			c, err := r.client(password(), cfg)
			if err != nil {
				return "", err
			}
			if err := c.DialAndSendWithContext(ctx, m); !m.IsDelivered() { // a QUIT that fails does not matter
				return id, mailError(r, err)
			}
			return id, nil
		}
		id, err := post(to...)
		var refused refusal
		if errors.As(err, &refused) && len(to) > 1 {
			// One bad address must not keep the mail from the others.
			id, err = nt.each(name, to, post)
		}
		if n.Thread != "" {
			id = n.Thread
		}
		return id, err
	}
}

// each sends to one address after the other. It fails if all are refused, or if one has to be tried
// again.
func (nt *Notifier) each(name string, to []string, post func(...string) (string, error)) (id string, err error) {
	for _, address := range to {
		sent, problem := post(address)
		var refused refusal
		switch {
		case problem == nil:
			id = sent
		case errors.As(problem, &refused):
			nt.log.Error("the mail server refused an address", "target", name, "address", address, "error", problem)
			err = problem
		default:
			return "", problem
		}
	}
	if id != "" {
		return id, nil
	}
	return "", err
}

// tenant returns the tenant that a notice is about: that of its first message, since a receiver
// with to_tenant gets no notice of several tenants.
func (n Notice) tenant() string {
	first := n.Messages[0]
	if first.Alert == nil {
		return cmp.Or(first.Tenant, n.Labels[tenantLabel])
	}
	return first.Alert.label(tenantLabel)
}

// mail returns the mail and its Message-ID.
func (n Notice) mail(r MailReceiver, receiver string, to []string) (*mail.Msg, string, error) {
	m := mail.NewMsg()
	if err := errors.Join(m.From(r.From), m.To(to...)); err != nil {
		return nil, "", err
	}
	m.Subject(shortened(n.Title(), 200))
	m.SetDate()
	id := messageID(n.Key, r.From)
	m.SetMessageIDWithValue(id)
	parent := n.Thread
	if follows := n.Messages[0].Follows; follows != nil {
		parent = messageID(follows.key(receiver), r.From)
	}
	if parent != "" {
		m.SetGenHeader(mail.HeaderInReplyTo, "<"+parent+">")
		m.SetGenHeader(mail.HeaderReferences, "<"+parent+">")
	}
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	if r.Unsubscribe != "" && n.Messages[0].Alert == nil && len(to) == 1 {
		// RFC 8058. A program posts to the URL, so that nobody has to open a page.
		address, err := unsubscribeURL(r.Unsubscribe, to[0])
		if err != nil {
			return nil, "", err
		}
		m.SetGenHeader("List-Unsubscribe", "<"+address+">")
		m.SetGenHeader("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
	}
	text, html := n.Messages[0].Text, n.Messages[0].HTML
	if text == "" {
		var b bytes.Buffer
		if err := mailText.Execute(&b, n); err != nil {
			return nil, "", err
		}
		text = b.String()
		b.Reset()
		if err := mailHTML.Execute(&b, n); err != nil {
			return nil, "", err
		}
		html = b.String()
	}
	m.SetBodyString(mail.TypeTextPlain, text)
	if html != "" {
		m.AddAlternativeString(mail.TypeTextHTML, html)
	}
	return m, id, nil
}

// unsubscribeURL makes the URL at which an address is taken off a list of reports.
func unsubscribeURL(text, address string) (string, error) {
	t, err := parseTemplate("unsubscribe", text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if err := t.Execute(&b, struct{ Address string }{bareAddress(address)}); err != nil {
		return "", err
	}
	u, err := url.Parse(b.String())
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.ContainsAny(b.String(), "<> \r\n") {
		return "", errors.New(`is not a URL that begins with https://: write it like "https://lists.example.org/off?address={{.Address | urlquery}}"`)
	}
	return b.String(), nil
}

// bareAddress returns the address without a name, in lower case.
func bareAddress(text string) string {
	if parsed, err := netmail.ParseAddress(text); err == nil {
		text = parsed.Address
	}
	return strings.ToLower(text)
}

// OneEach returns receivers that are sent a mail each, one for every address of a mail receiver, so
// that one bad address holds up no other. Their names are the addresses, "mailto:" before them: it
// does not matter by which receiver an address is reached. tenant is whose addresses a receiver
// with to_tenant gets.
func (r Receiver) OneEach(table []Addressees, tenant string) (each []Receiver) {
	if r.Mail == nil {
		return []Receiver{r}
	}
	to := slices.Clone(r.Mail.To)
	if r.Mail.ToTenant {
		to = append(to, addresses(table, tenant)...)
	}
	for _, address := range to {
		one, m := r, *r.Mail
		m.To, m.ToTenant = []string{address}, false
		one.Name, one.Mail = "mailto:"+bareAddress(address), &m
		if !slices.ContainsFunc(each, func(e Receiver) bool { return e.Name == one.Name }) {
			each = append(each, one)
		}
	}
	return each
}

// messageID returns the Message-ID of a key, at the domain of the sender.
func messageID(key, from string) string {
	_, domain, _ := strings.Cut(strings.TrimSuffix(from, ">"), "@")
	return key + "@" + domain
}

// Heading is the first line of a message in a mail of several.
func (n Notice) Heading(m Message) string { return n.heading(m) }

// Single reports whether the notice has one message.
func (n Notice) Single() bool { return len(n.Messages) == 1 && n.More == 0 }

func (r MailReceiver) client(password string, cfg Config) (*mail.Client, error) {
	host, port, _ := net.SplitHostPort(r.Server)
	number, _ := strconv.Atoi(port)
	roots, err := authorities(r.CAFile)
	if err != nil {
		return nil, err
	}
	options := []mail.Option{
		mail.WithPort(number), mail.WithTimeout(cfg.Timeout), mail.WithTLSPolicy(mail.TLSMandatory),
		mail.WithTLSConfig(&tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS12}),
	}
	switch r.TLS {
	case "tls":
		options = append(options, mail.WithSSL())
	case "none":
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	}
	if r.Username != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(r.Username), mail.WithPassword(password))
	}
	return mail.NewClient(host, options...)
}

// authorities returns the certificates of a file, nil for the system's.
func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", file)
	}
	return pool, nil
}

// mailError names the server. An answer of 5xx to an address or to the mail is a refusal; one to
// the login or to the sender is not, because a person can fix it.
func mailError(r MailReceiver, err error) error {
	if err == nil {
		return nil
	}
	var failed *mail.SendError
	if errors.As(err, &failed) && failed.ErrorCode()/100 == 5 {
		switch failed.Reason {
		case mail.ErrSMTPRcptTo, mail.ErrSMTPData, mail.ErrSMTPDataClose:
			return refusal{fmt.Errorf("mail server %s: %w", r.Server, err)}
		}
	}
	sentence := fmt.Errorf("mail server %s: %s", r.Server, link.Cause(err))
	if failed != nil && failed.Reason == mail.ErrSMTPDataClose && failed.ErrorCode() == 0 {
		return unsure{sentence} // the whole mail was sent, and the answer did not come
	}
	return sentence
}
