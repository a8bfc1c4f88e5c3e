package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// quota is a notice of one alert, with what people write into texts.
func quotaNotice(status string) Notice {
	m := alertMessage(midnight, "alertname=CaseQuotaExhausted", "tenant=acme", "severity=page")
	m.Title = "acme has used up its quota of <cases> & *more*"
	m.Details = []Detail{{"Why", "21 errors in 5m, above 20"}, {"Remedy", "Ask @here for_more\nquota <!channel>"}}
	m.Link = "https://errata.test/codes/OSM.01010037?tenant=acme&x=(1)"
	m.JSON = `{"id":"1","status":"firing"}`
	m.Alert.Annotations = map[string]string{"summary": m.Title}
	n := Notice{Key: "k1", Status: status, Labels: map[string]string{"tenant": "acme"}, Firing: 1, Messages: []Message{m}}
	if status == resolved {
		n.Messages[0].Alert.EndsAt, n.Firing, n.Resolved = midnight.Add(time.Hour), 0, 1
	}
	return n
}

// file writes a file with a secret in its first line.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// sending makes a Notifier with one receiver, and returns how it is sent to.
func sending(t *testing.T, r Receiver, tenants ...Addressees) sender {
	t.Helper()
	cfg := Defaults
	r.Name = "ops"
	cfg.Receivers, cfg.Tenants = []Receiver{r}, tenants
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	n := New(cfg, &memory{}, slog.New(slog.DiscardHandler))
	n.Now = func() time.Time { return midnight }
	return n.sender(making{r, client{timeout: 5 * time.Second}, cfg})
}

func send(t *testing.T, s sender, n Notice) string {
	t.Helper()
	receipt, err := s(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

func decode(t *testing.T, body string) (m map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return m
}

// The example of https://www.standardwebhooks.com and of its libraries.
func TestSignatureIsThatOfTheStandard(t *testing.T) {
	t.Parallel()
	header := http.Header{}
	if err := sign(header, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", `{"test": 2432232314}`, time.Unix(1614265330, 0)); err != nil {
		t.Fatal(err)
	}
	if got := header.Get("webhook-signature"); got != "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Error(got)
	}
}

func TestWebhookIsSignedAndKeyed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	key := []byte("0123456789abcdef0123456789abcdef")
	to := sending(t, Receiver{Webhook: &WebhookReceiver{
		HTTPReceiver: HTTPReceiver{URLFile: file(t, s.URL+"/hook?token=secret")}, SecretFile: file(t, "whsec_"+base64.StdEncoding.EncodeToString(key)),
		TokenFile: file(t, "bearer-token"), Headers: map[string]string{"x-team": "ops"},
	}})
	send(t, to, quotaNotice(firing))
	header := s.headers[0]
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "k1.%d.%s", midnight.Unix(), s.bodies[0])
	for name, want := range map[string]string{
		"webhook-id": "k1", "webhook-timestamp": strconv.FormatInt(midnight.Unix(), 10), "webhook-signature": "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)),
		"Idempotency-Key": "k1", "Authorization": "Bearer bearer-token", "X-Team": "ops", "Content-Type": "application/json",
	} {
		if got := header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	body := decode(t, s.bodies[0])
	alert := body["alerts"].([]any)[0].(map[string]any)
	if body["version"] != "4" || body["status"] != "firing" || body["receiver"] != "ops" || body["id"] != "k1" || body["groupLabels"].(map[string]any)["tenant"] != "acme" ||
		alert["labels"].(map[string]any)["severity"] != "page" || alert["startsAt"] != "2026-11-02T00:00:00Z" || alert["endsAt"] != "0001-01-01T00:00:00Z" ||
		!strings.HasPrefix(alert["generatorURL"].(string), "https://errata.test/") || alert["details"].(map[string]any)["id"] != "1" {
		t.Error(s.bodies[0])
	}

	template := sending(t, Receiver{Webhook: &WebhookReceiver{HTTPReceiver: HTTPReceiver{URL: s.URL}, Body: `{"text": {{.Title | json}}, "n": {{.Firing}}, "sev": "{{(index .Messages 0).Alert.Labels.severity}}"}`}})
	send(t, template, quotaNotice(firing))
	if got := s.bodies[1]; got != `{"text": "[FIRING] acme has used up its quota of \u003ccases\u003e \u0026 *more*", "n": 1, "sev": "page"}` {
		t.Error(got)
	}
}

// A secret is read again for each message, and stands in no error.
func TestSecretsAreReplacedAndNeverShown(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	path := file(t, s.URL+"/old-secret")
	to := sending(t, Receiver{Slack: &SlackReceiver{HTTPReceiver: HTTPReceiver{URLFile: path}}})
	send(t, to, quotaNotice(firing))
	if err := os.WriteFile(path, []byte(s.URL+"/new-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	send(t, to, quotaNotice(firing))
	if got := strings.Join(s.urls, " "); got != "/old-secret /new-secret" {
		t.Error(got)
	}
	s.status = http.StatusForbidden
	if _, err := to(t.Context(), quotaNotice(firing)); err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
	s.Close()
	if _, err := to(t.Context(), quotaNotice(firing)); err == nil || strings.Contains(err.Error(), "secret") {
		t.Error(err)
	}
}

func TestSlackWebhook(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	send(t, sending(t, Receiver{Slack: &SlackReceiver{HTTPReceiver: HTTPReceiver{URL: s.URL}}}), quotaNotice(firing))
	text := decode(t, s.bodies[0])["text"].(string)
	for _, want := range []string{"*[FIRING] acme has used up its quota of &lt;cases&gt; &amp; *more**", "&lt;!channel&gt;", "*Why*: 21 errors in 5m, above 20",
		"<https://errata.test/codes/OSM.01010037?tenant=acme&amp;x=(1)|details>", "since 2026-11-02 00:00 UTC"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// With a bot, the first message is replied to while its group fires, and edited at the end.
func TestSlackBotEditsTheFirstMessageOnRecovery(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.answer = `{"ok":true,"channel":"C024BE91L","ts":"1401383885.000061"}`
	to := sending(t, Receiver{Slack: &SlackReceiver{TokenFile: file(t, "xoxb-1"), Channel: "#ops", API: s.URL + "/api"}})
	n := quotaNotice(firing)
	receipt := send(t, to, n)
	n.Thread = receipt
	if again := send(t, to, n); again != receipt {
		t.Errorf("%q, want %q", again, receipt)
	}
	n = quotaNotice(resolved)
	n.Thread = receipt
	if again := send(t, to, n); again != receipt {
		t.Errorf("%q, want %q", again, receipt)
	}
	if got := strings.Join(s.urls, " "); got != "/api/chat.postMessage /api/chat.postMessage /api/chat.update" {
		t.Error(got)
	}
	first, reply, edit := decode(t, s.bodies[0]), decode(t, s.bodies[1]), decode(t, s.bodies[2])
	if first["channel"] != "#ops" || first["thread_ts"] != nil || s.headers[0].Get("Authorization") != "Bearer xoxb-1" {
		t.Error(first)
	}
	if reply["channel"] != "C024BE91L" || reply["thread_ts"] != "1401383885.000061" || reply["reply_broadcast"] != true {
		t.Error(reply)
	}
	if edit["channel"] != "C024BE91L" || edit["ts"] != "1401383885.000061" || !strings.Contains(edit["text"].(string), "[RESOLVED]") {
		t.Error(edit)
	}
	s.answer = `{"ok":false,"error":"message_not_found"}` // somebody has deleted it: a new message tells
	if _, err := to(t.Context(), n); err == nil || !strings.Contains(err.Error(), "chat.postMessage") && !strings.Contains(err.Error(), "edit") {
		t.Error(err)
	}
	if got := s.urls[4]; got != "/api/chat.postMessage" {
		t.Error(got)
	}
	s.answer = `{"ok":false,"error":"invalid_auth"}`
	if _, err := to(t.Context(), quotaNotice(firing)); err == nil || !strings.Contains(err.Error(), "invalid_auth") || strings.Contains(err.Error(), "xoxb") {
		t.Error(err)
	}
}

func TestDingTalk(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.answer = `{"errcode":0,"errmsg":"ok"}`
	to := sending(t, Receiver{DingTalk: &RobotReceiver{HTTPReceiver: HTTPReceiver{URL: s.URL + "/robot/send?access_token=x"}, Secret: "SECabc"}})
	n := quotaNotice(firing)
	n.Messages[0].Details[1].Text += " OptVerse_1 [here](http://evil.test)"
	send(t, to, n)
	query, err := url.ParseQuery(strings.SplitN(s.urls[0], "?", 2)[1])
	if err != nil {
		t.Fatal(err)
	}
	stamp := strconv.FormatInt(midnight.UnixMilli(), 10)
	mac := hmac.New(sha256.New, []byte("SECabc"))
	mac.Write([]byte(stamp + "\nSECabc"))
	if query.Get("access_token") != "x" || query.Get("timestamp") != stamp || query.Get("sign") != base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
		t.Error(query)
	}
	md := decode(t, s.bodies[0])["markdown"].(map[string]any)
	if decode(t, s.bodies[0])["msgtype"] != "markdown" || !strings.HasPrefix(md["title"].(string), "[FIRING] acme") || !strings.Contains(md["text"].(string), "＜!channel＞") ||
		!strings.Contains(md["text"].(string), "OptVerse_1 [here] (http://evil.test)") ||
		!strings.Contains(md["text"].(string), "[details](https://errata.test/codes/OSM.01010037?tenant=acme&x=(1%29)") {
		t.Error(s.bodies[0])
	}
	robotRefuses(t, s, to, `{"errcode":310000,"errmsg":"sign not match"}`, "310000 sign not match", false)
	robotRefuses(t, s, to, `{"errcode":660026,"errmsg":"send too fast"}`, "send too fast", true)
	robotRefuses(t, s, to, `<html>`, "no code", false)
}

// robotRefuses checks an answer of 200 that is no success.
func robotRefuses(t *testing.T, s *server, to sender, answer, want string, isBusy bool) {
	t.Helper()
	s.answer = answer
	_, err := to(t.Context(), quotaNotice(firing))
	var b busy
	var refused refusal
	if err == nil || !strings.Contains(err.Error(), want) || errors.As(err, &b) != isBusy || errors.As(err, &refused) {
		t.Errorf("%s: %v", answer, err)
	}
}

func TestFeishu(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.answer = `{"code":0,"msg":"success","data":{}}`
	to := sending(t, Receiver{Feishu: &RobotReceiver{HTTPReceiver: HTTPReceiver{URL: s.URL}, SecretFile: file(t, "abc")}})
	send(t, to, quotaNotice(firing))
	body := decode(t, s.bodies[0])
	stamp := strconv.FormatInt(midnight.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(stamp+"\nabc")) // of nothing
	if body["msg_type"] != "post" || body["timestamp"] != stamp || body["sign"] != base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
		t.Error(s.bodies[0])
	}
	post := body["content"].(map[string]any)["post"].(map[string]any)["zh_cn"].(map[string]any)
	link := false
	for _, line := range post["content"].([]any) {
		element := line.([]any)[0].(map[string]any)
		link = link || element["tag"] == "a" && strings.HasPrefix(element["href"].(string), "https://errata.test/")
	}
	if !strings.HasPrefix(post["title"].(string), "[FIRING] acme has used up") || !link {
		t.Error(s.bodies[0])
	}
	robotRefuses(t, s, to, `{"code":19021,"msg":"sign match fail or timestamp is not within one hour from current time"}`, "19021", false)
}

func TestWeCom(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.answer = `{"errcode":0,"errmsg":"ok"}`
	to := sending(t, Receiver{WeCom: &HTTPReceiver{URL: s.URL}})
	n := quotaNotice(firing)
	n.Messages[0].Details = append(n.Messages[0].Details, Detail{"Long", strings.Repeat("额度", 2000)})
	send(t, to, n)
	body := decode(t, s.bodies[0])
	content := body["markdown"].(map[string]any)["content"].(string)
	if body["msgtype"] != "markdown" || !strings.HasPrefix(content, "**[FIRING] acme") || len(content) > 4096 || !strings.HasSuffix(content, "…") {
		t.Error(len(content), content)
	}
	robotRefuses(t, s, to, `{"errcode":45009,"errmsg":"api freq out of limit"}`, "45009", true)
}

// A server may say how long to wait.
func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	p := newPost(t, Route{GroupWait: ptr(time.Duration(0))})
	p.tell = func(Notice) error { return busy{errAway, 3 * time.Minute} }
	p.fires("alertname=A")
	p.wait(0)
	p.tell = nil
	p.wait(2*time.Minute + 55*time.Second)
	p.want()
	p.wait(5 * time.Second)
	p.want("firing A")
}

func TestAlertmanagerReceiverHearsItsRoute(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	cfg := Defaults
	cfg.Link = `https://errata.test/{{.Labels.tenant | urlquery}}/{{.Labels.owner}}`
	cfg.Receivers = []Receiver{{Name: "am", Alertmanager: &HTTPReceiver{URL: s.URL}}}
	cfg.Routes = []Route{{Matchers: []string{"owner=vendor"}, Receivers: []string{"am"}}}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	n := New(cfg, &memory{}, slog.New(slog.DiscardHandler))
	for _, owner := range []string{"vendor", "caller"} {
		m := alertMessage(midnight, "alertname=A", "tenant=a b", "for="+owner)
		m.Alert.Attributes["owner"] = owner
		n.Update(m)
	}
	if left, err := n.Send(t.Context()); left || err != nil {
		t.Fatal(left, err)
	}
	var told []postable
	if err := json.Unmarshal([]byte(s.bodies[0]), &told); err != nil || len(told) != 1 || told[0].Labels["for"] != "vendor" || told[0].GeneratorURL != "https://errata.test/a+b/vendor" {
		t.Errorf("%v %s", err, s.bodies[0])
	}
}

// Each wrong setting is a sentence that begins with its key and holds no secret.
func TestWrongSettings(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing")
	empty := file(t, "")
	hook := func(change func(*WebhookReceiver)) func(*Config) {
		return func(c *Config) {
			w := &WebhookReceiver{HTTPReceiver: HTTPReceiver{URL: "http://x.test"}}
			change(w)
			c.Receivers = []Receiver{{Name: "a", Webhook: w}}
		}
	}
	mailTo := func(change func(*MailReceiver)) func(*Config) {
		return func(c *Config) {
			m := &MailReceiver{Server: "mx.test:25", From: "a@b.test", To: []string{"c@d.test"}}
			change(m)
			c.Receivers = []Receiver{{Name: "a", Mail: m}}
		}
	}
	route := func(change func(*Route)) func(*Config) {
		return func(c *Config) {
			hook(func(*WebhookReceiver) {})(c)
			r := Route{Receivers: []string{"a"}}
			change(&r)
			c.Routes = []Route{r}
		}
	}
	for _, test := range []struct {
		want   string
		change func(*Config)
	}{
		{`notify.receivers[0].name is empty: routes name it`, func(c *Config) { c.Receivers = []Receiver{{}} }},
		{`notify.receivers[0].name is "webhook", which means notify.webhook.url: give another`, func(c *Config) { c.Receivers = []Receiver{{Name: "webhook"}} }},
		{`notify.receivers[0]: receiver "a" has 0 kinds: give one of webhook, alertmanager,`, func(c *Config) { c.Receivers = []Receiver{{Name: "a"}} }},
		{`notify.receivers[0].webhook.url is empty: give it, or better url_file`, hook(func(w *WebhookReceiver) { w.URL = "" })},
		{`notify.receivers[0].webhook.url is not a URL: give one like http://host:port/path`, hook(func(w *WebhookReceiver) { w.URL = "secret" })},
		{`notify.receivers[0].webhook.url and url_file are both set: give one of them`, hook(func(w *WebhookReceiver) { w.URLFile = missing })},
		{`notify.receivers[0].webhook.token_file: open ` + missing, hook(func(w *WebhookReceiver) { w.TokenFile = missing })},
		{`notify.receivers[0].webhook.url_file: ` + empty + `: its first line is empty: write`, hook(func(w *WebhookReceiver) { w.URL, w.URLFile = "", empty })},
		{`notify.receivers[0].webhook.secret begins with whsec_, so base64 has to follow`, hook(func(w *WebhookReceiver) { w.Secret = "whsec_!!" })},
		{`notify.receivers[0].webhook.body: template: body:1: unclosed action`, hook(func(w *WebhookReceiver) { w.Body = "{{" })},
		{`notify.receivers[0].slack.channel is empty: a bot needs one`, func(c *Config) { c.Receivers = []Receiver{{Name: "a", Slack: &SlackReceiver{Token: "x"}}} }},
		{`notify.receivers[0].mail.server "mx.test": give host:port, such as smtp.example.com:587`, mailTo(func(m *MailReceiver) { m.Server = "mx.test" })},
		{`notify.receivers[0].mail.from "errata" is not a mail address`, mailTo(func(m *MailReceiver) { m.From = "errata" })},
		{`notify.receivers[0].mail.to is empty: give addresses, or to_tenant: true`, mailTo(func(m *MailReceiver) { m.To = nil })},
		{`notify.receivers[0].mail.to_tenant is true, and notify.tenants has no addresses`, mailTo(func(m *MailReceiver) { m.ToTenant = true })},
		{`notify.receivers[0].mail.tls "ssl": give starttls, tls or none`, mailTo(func(m *MailReceiver) { m.TLS = "ssl" })},
		{`notify.receivers[0].mail.tls is none, which would send the password in clear`, mailTo(func(m *MailReceiver) { m.TLS, m.Username, m.Password = "none", "u", "p" })},
		{`notify.receivers[0].mail.password is empty: give it, or better password_file`, mailTo(func(m *MailReceiver) { m.Username = "u" })},
		{`notify.routes[0].receivers is empty: name at least one`, route(func(r *Route) { r.Receivers = nil })},
		{`notify.routes[0].receivers: there is no receiver "b" in notify.receivers`, route(func(r *Route) { r.Receivers = []string{"b"} })},
		{`notify.routes[0].matchers: "tenant" is not a matcher, such as tenant="acme"`, route(func(r *Route) { r.Matchers = []string{"tenant"} })},
		{`notify.routes[0]: there is no interval "night" in notify.time_intervals`, route(func(r *Route) { r.MuteTimeIntervals = []string{"night"} })},
		{`notify.routes[0].repeat_interval is 1s: give at least 1m0s`, route(func(r *Route) { r.RepeatInterval = ptr(time.Second) })},
		{`notify.tenants[0] has to have both tenants and to`, func(c *Config) { c.Tenants = []Addressees{{Tenants: []string{"a"}}} }},
		{`notify.tenants[0].to: "x" is not a mail address`, func(c *Config) { c.Tenants = []Addressees{{Tenants: []string{"a"}, To: []string{"x"}}} }},
		{`notify.time_intervals[0].time_intervals: json: unknown field "weekday"`, func(c *Config) {
			c.TimeIntervals = []Interval{{Name: "n", Times: []any{map[string]any{"weekday": "monday"}}}}
		}},
		{`notify.time_intervals[0].time_intervals: moonday is not a valid weekday`, func(c *Config) {
			c.TimeIntervals = []Interval{{Name: "n", Times: []any{map[string]any{"weekdays": []any{"moonday"}}}}}
		}},
		{`notify.link: template: link:1: `, func(c *Config) { c.Link = "{{.Labels" }},
	} {
		cfg := Defaults
		test.change(&cfg)
		if err := cfg.Validate(); err == nil || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("got  %v\nwant %s", err, test.want)
		}
	}
}
