package enrich

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/parse"
)

func processor(t testing.TB, c *catalog.Set) *Processor {
	t.Helper()
	p, err := NewProcessor(Config{}, c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEveryShippedCodeIsFoundAndHasARemedy(t *testing.T) {
	c := shipped(t)
	for i := range c.Families {
		f := &c.Families[i]
		dialect := "huawei"
		if len(f.Match.Dialects) > 0 {
			dialect = f.Match.Dialects[0]
		}
		for _, e := range f.Codes {
			event := processor(t, c).enrich(c, parse.Envelope{Code: e.Code, Message: e.Message, Dialect: dialect}, &accesslog.Access{Status: e.Status})
			if event.Family != f.Name || event.CatalogCode != e.Code || !event.Known || event.Remedy == "" || event.Kind != e.Kind {
				t.Errorf("%s: %+v", e.Code, event)
			}
		}
	}
}

func TestRedact(t *testing.T) {
	r, err := NewRedactor([]RedactRule{{Name: "badge", Pattern: `badge no\. (\w+)`}})
	if err != nil {
		t.Fatal(err)
	}
	f := func(in, want string) {
		t.Helper()
		if got := r.Redact(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
		if again := r.Redact(want); again != want {
			t.Errorf("%q is redacted again to %q", want, again)
		}
	}
	same := func(in string) { t.Helper(); f(in, in) }
	f("Authorization: Bearer eyJhbGciOi.abc-DEF_1", "Authorization: Bearer [redacted:token]")
	same("Basic authentication failed")
	same("Bearer authorization is required")
	f("login with password=hunter22&user=x", "login with password=[redacted:secret]&user=x")
	f(`{"sk": "wJalrXUtnFEMI", "n":1}`, `{"sk": "[redacted:secret]", "n":1}`)
	f("url?Signature=Ab%2Bcd&Expires=1", "url?Signature=[redacted:secret]&Expires=1")
	f("access_key_id: AKIA123456", "access_key_id: [redacted:secret]")
	f(`{\\"password\\":\\"hunter2x\\",\\"sk\\":\\"abcdef\\"}`, `{\\"password\\":\\"[redacted:secret]\\",\\"sk\\":\\"[redacted:secret]\\"}`)
	f("AK = AKIA123456, SecretId=abcdef", "AK = [redacted:secret], SecretId=[redacted:secret]")
	f(`clientSecret=abc123&userPassword=abc123`, `clientSecret=[redacted:secret]&userPassword=[redacted:secret]`)
	f(`"newPassword": "a b c d", "n": 1`, `"newPassword": "[redacted:secret]", "n": 1`)
	f("mail to jane.doe@example.org failed", "mail to [redacted:email] failed")
	f("call 13812345678 now", "call [redacted:phone] now")
	f("call +49 170 1234567.", "call [redacted:phone].")
	f("card 4111 1111 1111 1111 refused", "card [redacted:card] refused")
	f("call 138 1234 5678 now", "call [redacted:phone] now")
	f("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc expired", "token [redacted:token] expired")
	f("key AKIAIOSFODNN7EXAMPLE is inactive", "key [redacted:secret] is inactive")
	f("SDK-HMAC-SHA256 Access=QTWAOYTTINDUT2QVKYUC, SignedHeaders=host", "SDK-HMAC-SHA256 Access=[redacted:secret], SignedHeaders=host")
	f("密码：hunter22，请重试", "密码：[redacted:secret]，请重试")
	f("https://a.blob.example/x?sv=2020&sig=Z%2FRHIX5Xcg0Dtkk%3D", "https://a.blob.example/x?sv=2020&sig=[redacted:secret]")
	f("https://user:pa55word@10.0.0.1/x and redis://:s3cr3t@cache:6379/0 failed", "https://user:[redacted:secret]@10.0.0.1/x and redis://:[redacted:secret]@cache:6379/0 failed")
	f("amqp://svc:S3cretPw@mq.test:5672/v", "amqp://svc:[redacted:secret]@mq.test:5672/v")
	f("pwd: Tr0ub4dor&3 rejected", "pwd: [redacted:secret] rejected")
	f("passphrase=hello123", "passphrase=[redacted:secret]")
	same("Invalid password: password must be at least 8 characters")
	same("Invalid password: must be at least 8 characters")
	same("token: expired at 2026")
	same("Signature: invalid format")
	same("password: is required")
	f("seen badge no. X77 at the door", "seen badge no. [redacted:badge] at the door")
	same("Exceeded the number of times the case limit was created.")
	same("Decrypt token fail: token expires")
	same("code OSM.01010037 at 1767225600123 of project 0123456789abcdef")
	same("order 4111111111111112 is no card")
	same("Account and password not matched.")
	same("decrypt token fail: The token expires. task: 17, ask: no")
	same("Error validating access token: Session has expired on Monday.")
}

func TestEventKeepsModuleCodeAndArgs(t *testing.T) {
	c := shipped(t)
	e := processor(t, c).enrich(c, parse.Envelope{Code: "4000", ModuleCode: "100004", Message: "(100004) incorrect projectId", Dialect: "tencent-v2"}, &accesslog.Access{RequestID: accesslog.RawText("log-1")})
	if e.ModuleCode != "100004" || e.Family != "TencentCloud" || e.Message != "(100004) incorrect projectId" || e.RequestID != "log-1" {
		t.Errorf("%+v", e)
	}
	e = processor(t, c).enrich(c, parse.Envelope{Code: "OptVerse_10000004", Message: "The tenant a@b.example is not allowed to access the service.", Dialect: "huawei"}, &accesslog.Access{})
	if e.Args["0"] != "[redacted:email]" || !strings.Contains(e.Message, "[redacted:email]") || e.Template != "The tenant {0} is not allowed to access the service." {
		t.Errorf("%+v", e)
	}
}

func TestNothingIsRedactedInHalf(t *testing.T) {
	c := shipped(t)
	e := processor(t, c).enrich(c, parse.Envelope{Code: "HTTP.502", Message: strings.Repeat("x", 186) + " 4111111111111111 refused", Dialect: "http"}, &accesslog.Access{Status: 502})
	if strings.Contains(e.Message, "4111") || len(e.Message) > parse.HTTPMessageLength {
		t.Error(e.Message)
	}
	token := "eyJ" + strings.Repeat("a", 400) + "." + strings.Repeat("b", 400) // the point tells that it is one
	r := processor(t, c).Record([]byte(`{"status":502,"response_body":"refused `+token+`"}`), Position{Clock: accesslog.Clock{Optional: true, Latest: time.Now()}})
	if found := r.Elements[0].Events; len(found) != 1 || found[0].Message != "refused [redacted:token]" {
		t.Errorf("%+v", found)
	}
	e = processor(t, c).enrich(c, parse.Envelope{Code: "iMetal.0001", Message: "A request parameter contains invalid or unsupported value: password=hunter22", Dialect: "huawei"}, &accesslog.Access{})
	if e.Args["0"] != "password=[redacted:secret]" {
		t.Errorf("%+v", e)
	}
}

// A token whose header is longer than a part that is redacted at once is no token in that part.
func TestSampleHoldsNoHalfOfASecret(t *testing.T) {
	p := processor(t, shipped(t))
	token := func(header string) string {
		return "eyJ" + header + "." + strings.Repeat("p", 40) + "." + strings.Repeat("s", 40)
	}
	raw := "first " + token(strings.Repeat("a", 1400)) + " then " + token(strings.Repeat("b", 900)) + strings.Repeat(" and so on", 400)
	sample := p.sample([]byte(raw))
	if strings.Contains(sample, "eyJ") || strings.Contains(sample, "bbbb") || !strings.HasPrefix(sample, "first [redacted:") {
		t.Errorf("%.200s", sample)
	}
	if len(sample) != maxSample {
		t.Errorf("%d bytes are kept, want %d", len(sample), maxSample)
	}
}

// A secret that is recognized only by its end is not kept because its end is far away.
func TestSampleHoldsNoBeginningOfALongSecret(t *testing.T) {
	p, err := NewProcessor(Config{Redact: []RedactRule{{Name: "key", Pattern: `-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END`}}}, shipped(t))
	if err != nil {
		t.Fatal(err)
	}
	after := strings.Repeat(" and so on", 4000)
	for _, secret := range []string{
		"-----BEGIN RSA PRIVATE KEY-----\n" + strings.Repeat("MIIJKQIBAAKCAgEA\n", 190) + "-----END RSA PRIVATE KEY-----",
		"redis://user:" + strings.Repeat("MIIJKQIB", 1500) + "@host",
	} {
		for _, raw := range []string{"first " + secret, "first " + secret + after, after + secret} {
			if sample := p.sample([]byte(raw)); strings.Contains(sample, "MIIJ") || len(raw) > len(secret)+10 && len(sample) != maxSample {
				t.Errorf("%d bytes: %.200s", len(sample), sample)
			}
		}
	}
}

func shipped(t testing.TB) *catalog.Set {
	t.Helper()
	c, err := catalog.Open(catalog.Default)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What a sum may mean is what an event of it may mean.
func TestExplainAgreesWithMeanings(t *testing.T) {
	c := shipped(t)
	f := func(code, dialect, service string) {
		t.Helper()
		e := Explain(c, parse.Envelope{Code: code, Dialect: dialect}, service, 0)
		if first := c.Meanings(code, dialect, service)[0]; first != (catalog.Meaning{Family: e.Family, Kind: e.Kind}) {
			t.Errorf("%s: %v first, but explained as %s %s", code, first, e.Family, e.Kind)
		}
	}
	for i := range c.Families {
		family := &c.Families[i]
		for _, dialect := range append([]string{"huawei", "code-message"}, family.Match.Dialects...) {
			for _, e := range family.Codes {
				f(e.Code, dialect, "")
				f(e.Code+"9", dialect, "tencent-cvm")
			}
		}
	}
}

func TestUseTakesOtherCatalogsFromTheNextRecordOn(t *testing.T) {
	p := processor(t, shipped(t))
	version := func() string {
		r := p.Record([]byte(`{"status":200,"response_body":"{\"error_code\":\"OSM.01010037\",\"error_msg\":\"m\"}"}`), Position{Clock: accesslog.Clock{Optional: true, Latest: time.Now()}})
		return r.Elements[0].Events[0].CatalogVersion
	}
	before := version()
	other := *shipped(t)
	other.Version = "another"
	p.Use(&other)
	if got := version(); got != "another" || before == "another" {
		t.Errorf("stamped %q, then %q", before, got)
	}
}

// TestCatalogsDecideWhatIsAnError holds that a code that a catalog marks as success makes no error
// below status 400, that a listed code counts below a success envelope, and that a message does not
// talk a listed code out of being an error.
func TestCatalogsDecideWhatIsAnError(t *testing.T) {
	set, err := catalog.Load(fstest.MapFS{"acme.yaml": {Data: []byte(`family: ACME
language: en
source: {title: t}
match: {prefixes: [ACME]}
codes:
- {code: ACME.1, message: Bad thing, kind: internal, retry: "no", owner: vendor}
- {code: ACME.7, message: Accepted, success: true, kind: internal, retry: "no", owner: vendor}
`)}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewProcessor(Config{}, set)
	if err != nil {
		t.Fatal(err)
	}
	f := func(status int, body string, want ...string) {
		t.Helper()
		r := p.Record(fmt.Appendf(nil, `{"time":"2026-11-02T10:00:00Z","status":%d,"response_body":%q}`, status, body), Position{Clock: accesslog.Clock{Latest: time.Now(), Optional: true}})
		var got []string
		for _, e := range r.Elements[0].Events {
			got = append(got, e.Code)
		}
		if !cmp.Equal(got, want) {
			t.Errorf("%d %s: %q, want %q", status, body, got, want)
		}
	}
	f(200, `{"error_code":"ACME.7","error_msg":"Taken over for later"}`)
	f(200, `{"error_code":"ACME.8","error_msg":"Taken over for later"}`, "ACME.8")
	f(409, `{"error_code":"ACME.7","error_msg":"Taken over for later"}`, "ACME.7")
	f(200, `{"error_code":"ACME.1","error_msg":"Part of it was done successfully"}`, "ACME.1")
	f(200, `{"error_code":"ACME.1","error_msg":"Request handled successfully"}`, "ACME.1")
	f(200, `{"error_code":"ACME.2","error_msg":"Request handled successfully"}`)
	f(200, `{"code":0,"data":{"code":"ACME.1","message":"Bad thing"}}`, "ACME.1")
	f(200, `{"code":0,"data":{"code":"ACME.2","message":"Bad thing"}}`)
	f(200, `{"code":0,"data":{"code":"ACME.7","message":"Accepted"}}`)
	other, err := NewProcessor(Config{}, new(catalog.Set))
	if err != nil || other.Fingerprint() == p.Fingerprint() {
		t.Errorf("the fingerprint does not tell what the catalogs list: %s, %v", p.Fingerprint(), err)
	}
}

func TestAuditShare(t *testing.T) {
	const body = `{"time":"2026-11-02T10:00:00Z","status":200,"response_body":"it failed"}`
	sampled := func(p *Processor, topic string, partition int) (offsets []int64) {
		for offset := range int64(4000) {
			at := Position{Topic: topic, Partition: partition, Offset: offset, Clock: accesslog.Clock{Optional: true, Latest: time.Now()}}
			if r := p.Record([]byte("["+body+","+body+"]"), at); r.Elements[0].Sample != "" {
				offsets = append(offsets, offset)
			}
		}
		return offsets
	}
	audited := func() *Processor {
		p, err := NewProcessor(Config{AuditShare: 0.25}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	one, other := audited(), audited()
	first := sampled(one, "logs", 0)
	if n := len(first); n < 900 || n > 1100 {
		t.Errorf("%d of 4000 are sampled, want about a quarter", n)
	}
	if elsewhere := sampled(other, "logs", 1); slices.Equal(elsewhere, first) {
		t.Error("partitions 0 and 1 have the same sample")
	}
	if elsewhere := sampled(other, "more", 0); slices.Equal(elsewhere, first) {
		t.Error("two topics have the same sample")
	}
	if again := sampled(other, "logs", 0); !slices.Equal(again, first) { // after other partitions
		t.Error("another processor takes another sample")
	}
}
