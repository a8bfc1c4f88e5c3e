package enrich

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// rule hides one kind of secret or personal data. Its expression runs only on texts that contain a
// byte or word without which it cannot match, so the many texts with nothing to hide cost little.
type rule struct {
	name    string
	needs   func(lower string) bool
	expr    *regexp.Regexp
	secrets []int                  // the submatches of which the one that matched is hidden; nil: the whole match
	really  func(text string) bool // tells a secret from other text of its shape; nil: the shape is enough
}

var rules = []rule{
	{
		name:    "token",
		needs:   anyOf("bearer", "basic "),
		expr:    regexp.MustCompile(`(?i)\b(?:bearer|basic)\s+([A-Za-z0-9\-._~+/]{8,}=*)`),
		secrets: []int{1},
		really:  isNoWordOfSecrets,
	},
	{
		name:    "secret", // a user's password in a URL: redis://user:password@host
		needs:   anyOf("://"),
		expr:    regexp.MustCompile(`://[^/\s:@"']*:([^/\s@"']+)@`),
		secrets: []int{1},
	},
	{
		// AK/SK, signatures, passwords and tokens as parameters, in a URL, a header, JSON (escaped
		// too) or prose: password=…, clientSecret: …, \"sk\":\"…\". In quotes, everything up to the
		// closing one is the secret.
		name: "secret",
		needs: func(lower string) bool {
			return strings.ContainsAny(lower, "=:") && anyOf("passw", "passphrase", "pwd", "secret", "token", "sig", "key", "credential", "ak", "sk")(lower)
		},
		expr: regexp.MustCompile(`(?i)(?:[\w-]*(?:passw(?:or)?d|passphrase|pwd|secret(?:[_-]?(?:access)?[_-]?(?:key|id))?|token|signature|credential|(?:access|api|private)[_-]?key(?:[_-]?id)?)|\b(?:ak|sk|sig))` +
			`(?:\\*["'])?\s*(?:[=:]\s*\\*["']([^"'\\]{2,})|=\s*([^\s"'\\&,;)}\]]{3,})|:\s*([^\s"'\\,;)}\]]{3,}))`),
		secrets: []int{1, 2, 3},
		really:  isNoWordOfSecrets,
	},
	{
		name:  "token", // a JSON Web Token, wherever it stands
		needs: anyOf("eyj"),
		expr:  regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?`),
	},
	{
		name:  "secret", // an access key id of AWS
		needs: anyOf("akia", "asia"),
		expr:  regexp.MustCompile(`\bA(?:KIA|SIA)[A-Z0-9]{16}\b`),
	},
	{
		name:    "secret", // the header that Huawei Cloud's clients sign with
		needs:   anyOf("access="),
		expr:    regexp.MustCompile(`\bAccess=([A-Z0-9]{16,})`),
		secrets: []int{1},
	},
	{
		name:    "secret",
		needs:   anyOf("密码", "口令", "密钥"),
		expr:    regexp.MustCompile(`(?:密码|口令|密钥)\s*[:：=]\s*["']?([^\s"'，。,;]{3,})`),
		secrets: []int{1},
	},
	{
		name:  "email",
		needs: anyOf("@"),
		expr:  regexp.MustCompile(`[A-Za-z0-9._%+\-]+@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)*\.[A-Za-z]{2,}`),
	},
	{
		name:   "card",
		needs:  hasDigits(13),
		expr:   regexp.MustCompile(`\b[2-6]\d(?:[ -]?\d){11,17}\b`),
		really: luhn,
	},
	{
		name:  "phone",
		needs: hasDigits(9),
		expr:  regexp.MustCompile(`\+\d[\d ()\-]{6,16}\d\b|\b1[3-9]\d{9}\b|\b1[3-9]\d[ -]\d{4}[ -]\d{4}\b|\(\d{3}\) ?\d{3}-\d{4}\b|\b\d{3}-\d{3}-\d{4}\b`),
	},
}

// RedactRule is one of the user's own rules, from ingest.redact in config.yaml.
type RedactRule struct {
	Name    string `mapstructure:"name"`    // of what is hidden; it appears in the text instead
	Pattern string `mapstructure:"pattern"` // in the syntax of Go's regexp; its first group, else the whole match, is hidden
}

// Redactor hides what must not be stored: bearer tokens, access keys and signatures, passwords,
// e-mail addresses, phone and card numbers, and whatever the user's rules match. Hidden text
// becomes "[redacted:name]" with the name of the rule.
type Redactor struct{ rules []rule }

// NewRedactor returns a Redactor with further rules. Its errors name the rule and what is wrong
// with it.
func NewRedactor(further []RedactRule) (*Redactor, error) {
	all := slices.Clone(rules)
	for i, r := range further {
		expr, err := regexp.Compile(r.Pattern)
		switch {
		case err != nil:
			return nil, fmt.Errorf("ingest.redact[%d] %q: %w", i, r.Name, err)
		case r.Name == "" || strings.ContainsAny(r.Name, "[]:"):
			return nil, fmt.Errorf("ingest.redact[%d]: name %q: give a word for what is hidden", i, r.Name)
		case r.Pattern == "" || expr.MatchString(""):
			return nil, fmt.Errorf("ingest.redact[%d] %q: the pattern matches the empty text: write one that does not", i, r.Name)
		}
		own := rule{name: r.Name, needs: anyOf(""), expr: expr}
		if expr.NumSubexp() > 0 {
			own.secrets = []int{1}
		}
		all = append(all, own)
	}
	return &Redactor{all}, nil
}

// Redact returns the text with everything hidden that must not be stored.
func (r *Redactor) Redact(text string) string {
	lower := strings.ToLower(text)
	for _, r := range r.rules {
		if !r.needs(lower) {
			continue
		}
		var out strings.Builder
		end := 0
		for _, m := range r.expr.FindAllStringSubmatchIndex(text, -1) {
			from, to := m[0], m[1]
			for _, i := range r.secrets {
				if m[2*i] >= 0 {
					from, to = m[2*i], m[2*i+1]
				}
			}
			if from == to || from < end || strings.HasPrefix(text[from:], "[redacted:") || r.really != nil && !r.really(text[from:to]) {
				continue
			}
			out.WriteString(text[end:from])
			out.WriteString("[redacted:" + r.name + "]")
			end = to
		}
		if end > 0 {
			out.WriteString(text[end:])
			text = out.String()
			lower = strings.ToLower(text)
		}
	}
	return text
}

func isNoWordOfSecrets(text string) bool {
	return !saidOfSecrets[strings.ToLower(strings.TrimRight(text, ".!?"))]
}

// saidOfSecrets are words that messages have after "password:", "token:" or "basic" and that are no
// secrets.
var saidOfSecrets = func() map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(`a an the is are was has have had must may can cannot should will does do did not no never only and or of for from in on at by to with without
		required missing invalid incorrect wrong bad empty null nil none undefined unknown unset blank false true expired expires expire expiration revoked rejected refused denied
		disabled locked blocked weak short long too mismatch mismatched unmatched duplicate already used reused unsupported unrecognized malformed illegal forbidden unauthorized
		error errors failed failure fails format length size type value field parameter parameters header body name id password passwords token tokens key keys secret signature
		authentication authorization authenticated challenge session sessions request response
		credential credentials user username account verification validation verify validate check please enter provide contains contain matches match does't doesn't didn't isn't`) {
		m[w] = true
	}
	return m
}()

func anyOf(words ...string) func(string) bool {
	return func(lower string) bool {
		for _, w := range words {
			if strings.Contains(lower, w) {
				return true
			}
		}
		return false
	}
}

func hasDigits(n int) func(string) bool {
	return func(lower string) bool {
		count := 0
		for i := range len(lower) {
			if c := lower[i]; '0' <= c && c <= '9' {
				count++
			}
		}
		return count >= n
	}
}

// luhn reports whether a number has the check digit of a card number.
func luhn(number string) bool {
	sum, double := 0, false
	for i := len(number) - 1; i >= 0; i-- {
		d := int(number[i] - '0')
		if d < 0 || d > 9 {
			continue
		}
		if double {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
		double = !double
	}
	return sum%10 == 0
}
