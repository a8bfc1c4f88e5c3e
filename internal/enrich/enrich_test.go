package enrich

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"errata/catalogs"
	"errata/internal/accesslog"
	"errata/internal/parse"
)

func shipped(t testing.TB) *Catalogs {
	t.Helper()
	c, err := Load(catalogs.FS)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func processor(t testing.TB, c *Catalogs) *Processor {
	t.Helper()
	p, err := NewProcessor(Config{}, c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The tables beside the pages were made by reading the pages, before and without the catalogs.
func TestShippedCatalogsAreThePublishedPages(t *testing.T) {
	c := shipped(t)
	f := func(family, page string, codes int) {
		t.Helper()
		file, err := os.Open(filepath.Join("../../catalogs/testdata/pages", page+".tsv"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		unescape := strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\\`, `\`)
		var want [][5]string
		for lines := bufio.NewScanner(file); lines.Scan(); {
			var row [5]string
			for i, cell := range strings.Split(lines.Text(), "\t") {
				row[i] = unescape.Replace(cell)
			}
			want = append(want, row)
		}
		var got [][5]string
		for i := range c.Families {
			if c.Families[i].Family != family {
				continue
			}
			for _, e := range c.Families[i].Codes {
				status := strconv.Itoa(e.Status)
				if e.Status == 0 {
					status = ""
				}
				got = append(got, [5]string{status, e.Code, e.Message, e.Description, e.Remedy})
			}
		}
		if len(got) != codes {
			t.Errorf("%s has %d codes, want %d", family, len(got), codes)
		}
		if diff := cmp.Diff(want[1:], got); diff != "" {
			t.Errorf("%s differs from its page (-page +catalog):\n%s", family, diff)
		}
	}
	f("OSM", "osm", 49)
	f("OptVerse", "optverse", 72)
	f("TencentCloud", "tencentcloud", 16)
	f("iMetal", "imetal", 23)
	f("AIS", "ais", 31)
}

func TestLookup(t *testing.T) {
	c := shipped(t)
	f := func(code, dialect, service, family, catalogCode string) {
		t.Helper()
		k := c.Lookup(code, dialect, service, 0, "")
		gotFamily, gotCode := UnknownFamily, ""
		if k.Catalog != nil {
			gotFamily = k.Catalog.Family
		}
		if k.Entry != nil {
			gotCode = k.Entry.Code
		}
		if gotFamily != family || gotCode != catalogCode {
			t.Errorf("%s (%s, %s): %s %q, want %s %q", code, dialect, service, gotFamily, gotCode, family, catalogCode)
		}
	}
	f("OSM.01010037", "huawei", "osm", "OSM", "OSM.01010037")
	f("OSM_01010037", "huawei", "", "OSM", "OSM.01010037")
	f("osm.01010037", "huawei", "", "OSM", "OSM.01010037")
	f("JOB_MANAGER.12020001", "huawei", "", "OptVerse", "JOB_MANAGER_12020001")
	f("JOB_MANAGER.12050009", "huawei", "", "OptVerse", "")
	f("ModelArts.4101", "huawei", "", "AIS", "ModelArts.4101")
	f("APIG.0301", "huawei", "", "AIS", "APIG.0301")
	f("APIGW.0101", "huawei", "", "APIGW", "")
	f("APIGX.0101", "huawei", "", UnknownFamily, "")
	f("OSMOSIS", "huawei", "", UnknownFamily, "")
	f("4000", "tencent-v2", "", "TencentCloud", "4000")
	f("4001", "tencent-v2", "", "TencentCloud", "")
	f("4000", "code-message", "tencent-cvm", "TencentCloud", "4000")
	f("4001", "code-message", "tencent-cvm", UnknownFamily, "")
	f("4000", "code-message", "orders", UnknownFamily, "")
	f("HTTP.503", "http", "", "HTTP", "HTTP.503")
	f("HTTP.599", "http", "", "HTTP", "")
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
			if event.Family != f.Family || event.CatalogCode != e.Code || !event.Known || event.Remedy == "" || event.Kind != e.Kind {
				t.Errorf("%s: %+v", e.Code, event)
			}
		}
	}
}

func TestTemplates(t *testing.T) {
	f := func(published, live string, want map[string]string) {
		t.Helper()
		got, ok := compile(published).match(live)
		if ok != (want != nil) || ok && !cmp.Equal(got, want) && len(got)+len(want) > 0 {
			t.Errorf("%q against %q: %v %v, want %v", live, published, got, ok, want)
		}
	}
	none := map[string]string{}
	f("Failed", "Failed", none)
	f("The type must be 0 or 1.", "The type must be 0 or 1", none)
	f("Failed", "Failed again", nil)
	f("", "anything", nil)
	f("The tenant {0} is not allowed to access the service.", "The tenant t-1 is not allowed to access the service.", map[string]string{"0": "t-1"})
	f("The user [{0}] of service [{1}] is not found.", "The user [u] of service [s] is not found.", map[string]string{"0": "u", "1": "s"})
	f("The service [{1}] in the given project [{0}] is not found.", "The service [s] in the given project [p] is not found.", map[string]string{"0": "p", "1": "s"})
	f("Missing required parameters: %s", "Missing required parameters: name, size", map[string]string{"0": "name, size"})
	f("Instances not found: [{id}, ...]", "Instances not found: [i-1, i-2]", map[string]string{"id": "i-1, i-2"})
	f("Inspect Physical servers error: [{id}, ...], {error details}", "Inspect Physical servers error: [s-1], no power", map[string]string{"id": "s-1", "error details": "no power"})
	f("Get product error: {0}", "Get product error: a. b.", map[string]string{"0": "a. b"})
	f("{0}", "all", map[string]string{"0": "all"})
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
}

func TestEventKeepsModuleCodeAndArgs(t *testing.T) {
	c := shipped(t)
	e := processor(t, c).enrich(c, parse.Envelope{Code: "4000", ModuleCode: "100004", Message: "(100004) incorrect projectId", Dialect: "tencent-v2"}, &accesslog.Access{RequestID: "log-1"})
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
	e = processor(t, c).enrich(c, parse.Envelope{Code: "iMetal.0001", Message: "A request parameter contains invalid or unsupported value: password=hunter22", Dialect: "huawei"}, &accesslog.Access{})
	if e.Args["0"] != "password=[redacted:secret]" {
		t.Errorf("%+v", e)
	}
}

func TestBadCatalogsAreNamed(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "mine.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(os.DirFS(dir))
		if err == nil {
			t.Fatalf("accepted:\n%s", text)
		}
		for _, w := range append(want, "mine.yaml") {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q does not say %q", err, w)
			}
		}
	}
	head := "family: F\nlanguage: en\nmatch: {prefixes: [F]}\ncodes:\n"
	f("", "empty")
	f("family: F\nfamilly: G\n", "familly")
	f(head+"  - {code: F.1, message: m, kind: qouta, retry: later, owner: caller}\n", "F.1", "qouta")
	f(head+"  - {code: G.1, message: m, kind: quota, retry: later, owner: caller}\n", "G.1", "prefixes")
	f(head+"  - {code: F.1, message: m, kind: quota, retry: later, owner: caller}\n  - {code: F.1, message: m, kind: quota, retry: later, owner: caller}\n", "F.1", "twice")
}
