package enrich

import (
	"regexp"
	"strings"
)

// rule hides one sort of secret or personal data. Its expression is tried only on texts that
// hold a byte or word without which it cannot match, so that the many texts with nothing to hide cost little.
type rule struct {
	name    string
	needs   func(lower string) bool
	expr    *regexp.Regexp
	secrets []int                  // the submatches of which the one that is there is hidden; nil: all of the match
	really  func(text string) bool // told by more than its shape; nil: the shape is enough
}

var rules = []rule{
	{
		name:    "token",
		needs:   anyOf("bearer", "basic "),
		expr:    regexp.MustCompile(`(?i)\b(?:bearer|basic)\s+([A-Za-z0-9\-._~+/]{8,}=*)`),
		secrets: []int{1},
	},
	{
		// AK/SK, signatures, passwords and tokens as parameters, in a URL, a header, JSON (escaped too) or prose:
		// password=…, clientSecret: …, \"sk\":\"…\". In quotes all up to the closing one is the secret.
		name: "secret",
		needs: func(lower string) bool {
			return strings.ContainsAny(lower, "=:") && anyOf("passw", "pwd", "secret", "token", "signature", "key", "credential", "ak", "sk")(lower)
		},
		expr: regexp.MustCompile(`(?i)(?:[\w-]*(?:passw(?:or)?d|pwd|secret(?:[_-]?(?:access)?[_-]?(?:key|id))?|token|signature|credential|(?:access|api|private)[_-]?key(?:[_-]?id)?)|\b(?:ak|sk))` +
			`(?:\\*["'])?\s*[=:]\s*(?:\\*["']([^"'\\]{2,})|([^\s"'\\&,;)}\]]{3,}))`),
		secrets: []int{1, 2},
	},
	{
		name:  "email",
		needs: anyOf("@"),
		expr:  regexp.MustCompile(`[A-Za-z0-9._%+\-]+@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)*\.[A-Za-z]{2,}`),
	},
	{
		name:   "card",
		needs:  hasDigits(13),
		expr:   regexp.MustCompile(`\b[3-6]\d(?:[ -]?\d){11,17}\b`),
		really: luhn,
	},
	{
		name:  "phone",
		needs: hasDigits(9),
		expr:  regexp.MustCompile(`\+\d[\d ()\-]{6,16}\d\b|\b1[3-9]\d{9}\b|\(\d{3}\) ?\d{3}-\d{4}\b|\b\d{3}-\d{3}-\d{4}\b`),
	},
}

// Redact hides what must not be stored: bearer tokens, access keys and signatures, passwords,
// e-mail addresses, phone and card numbers. What is hidden becomes "[redacted:sort]".
func Redact(text string) string {
	lower := strings.ToLower(text)
	for _, r := range rules {
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
			if strings.HasPrefix(text[from:], "[redacted:") || r.really != nil && !r.really(text[from:to]) {
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

// luhn tells a card number from another number by its check digit.
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
