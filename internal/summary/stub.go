package summary

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"errata/internal/enrich"
)

// Stub is the beginning of a catalog for unknown codes of one family.
type Stub struct {
	File string // a name for it
	Text string // loads as it is; what is guessed or left to fill in says so
}

// Stubs makes a catalog for each family that the unknown codes are guessed to be of, in the order of their names. The codes of a
// family that has a catalog are meant to be pasted into that.
func Stubs(unknown []UnknownCode, c *enrich.Catalogs) (stubs []Stub) {
	families, folded := map[string][]UnknownCode{}, map[string]string{}
	for _, u := range unknown {
		name := cmp.Or(folded[enrich.Fold(u.Family)], u.Family) // BILLING and billing are one
		folded[enrich.Fold(u.Family)] = name
		families[name] = append(families[name], u)
	}
	files := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(families)) {
		file := fileName(name)
		for n := 2; files[file]; n++ {
			file = fileName(name + "-" + strconv.Itoa(n))
		}
		files[file] = true
		stubs = append(stubs, Stub{file, stub(name, file, families[name], c)})
	}
	return stubs
}

// fileName is a family's name in lower case, as far as it can be one of a file.
func fileName(family string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
			return unicode.ToLower(r)
		}
		return '-'
	}, family)
	return cmp.Or(strings.Trim(name, "-"), "unknown") + ".yaml"
}

func stub(family, file string, codes []UnknownCode, c *enrich.Catalogs) string {
	slices.SortFunc(codes, func(a, b UnknownCode) int { return strings.Compare(a.Code, b.Code) })
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	own := slices.IndexFunc(c.Families, func(f enrich.Catalog) bool { return f.Family == family })
	if own >= 0 {
		f := c.Families[own]
		line("# Codes of %s that its catalog does not list: fill them in and paste them under the codes of that catalog.", family)
		line("family: %s", quote(family))
		line("language: %s", quote(f.Language))
		line("match:")
		line("  prefixes: %s", quoteAll(f.Match.Prefixes))
		line("  dialects: %s", quoteAll(f.Match.Dialects))
		line("  services: %s", quoteAll(f.Match.Services))
	} else {
		var prefixes, services []string
		bare := false // a code without a prefix: then the family cannot be known by one
		for _, u := range codes {
			bare = bare || u.Prefix == ""
			if !slices.ContainsFunc(prefixes, func(p string) bool { return enrich.Fold(p) == enrich.Fold(u.Prefix) }) {
				prefixes = append(prefixes, u.Prefix)
			}
			for _, s := range u.Services {
				if s = cmp.Or(glob(s), "*"); !slices.Contains(services, s) {
					services = append(services, s)
				}
			}
		}
		slices.Sort(services)
		line("# Codes that no catalog lists: fill them in and save this as %s in the folder of the catalogs.", file)
		line("family: %s # guess", quote(family))
		line("title: \"\" # fill in")
		line("vendor: \"\" # fill in")
		line("language: %s # guess", languageOf(codes))
		line("source:")
		line("  title: \"\" # fill in: the page")
		line("  date: \"\" # fill in")
		line("match:")
		if !bare {
			line("  prefixes: %s # guess", quoteAll(prefixes))
		} else {
			line("  services: %s # guess: the codes mean something in these alone", quoteAll(services))
		}
	}
	line("codes:")
	for _, u := range merged(codes) {
		u.entry(line)
	}
	return b.String()
}

// merged makes one of a code that was seen in several dialects. The codes are in order.
func merged(codes []UnknownCode) (all []UnknownCode) {
	for _, u := range codes {
		if len(all) == 0 || all[len(all)-1].Code != u.Code {
			u.Statuses, u.Whole = slices.Clone(u.Statuses), slices.Clone(u.Whole)
			all = append(all, u)
			continue
		}
		same := &all[len(all)-1]
		same.Errors += u.Errors
		same.Tenants = max(same.Tenants, u.Tenants)
		same.Statuses = append(same.Statuses, u.Statuses...)
		same.Whole = append(same.Whole, u.Whole...)
		if u.LastSeen.After(same.LastSeen) {
			same.LastSeen, same.Message = u.LastSeen, u.Message
		}
	}
	return all
}

// entry writes a code as an entry of a catalog.
func (u UnknownCode) entry(line func(string, ...any)) {
	message, all := generalize(u.Whole)
	if message == "" {
		message, all = u.Message, true
	}
	kind, retry, owner := u.guessKind()
	line("  - code: %s # seen %d times, last at %s", quote(u.Code), u.Errors, stamp(u.LastSeen))
	status, others := u.status()
	switch {
	case status == 0:
		line("    # status: fill in; seen under %s", others)
	case others != "":
		line("    status: %d # guess; seen under %s", status, others)
	default:
		line("    status: %d # as seen", status)
	}
	switch {
	case message == "":
		line("    message: \"\" # fill in; none was seen")
	case !all:
		line("    message: %s # as seen; others differ", quote(message))
	case message != u.Message:
		line("    message: %s # guess", quote(message))
	default:
		line("    message: %s # as seen", quote(message))
	}
	if message == "" {
		line("    description: \"-\" # fill in") // an entry needs one of the two
	} else {
		line("    description: \"\" # fill in")
	}
	line("    remedy: \"\" # fill in")
	line("    kind: %s # guess", kind)
	line("    retry: %s # guess", quote(retry))
	line("    owner: %s # guess", owner)
}

// status guesses the published status: the one that is not 200, as far as there is one. others are what was seen.
func (u UnknownCode) status() (status int, others string) {
	var seen []string
	other := 0
	for _, s := range u.Statuses {
		text := strconv.Itoa(s.Status)
		if slices.Contains(seen, text) {
			continue
		}
		seen = append(seen, text)
		if s.Status != 200 && s.Status != 0 {
			status = s.Status
			other++
		}
	}
	switch {
	case other > 1:
		status = 0
	case other == 0 && len(seen) == 1:
		status = u.Statuses[0].Status
	}
	if len(seen) == 1 && status != 0 {
		return status, ""
	}
	return status, strings.Join(seen, ", ")
}

// generalize makes one published message of live ones: the words in which they differ become placeholders. Where they are not
// alike it gives the first, and all is false.
func generalize(messages []string) (published string, all bool) {
	if len(messages) < 2 {
		return strings.Join(messages, ""), true
	}
	words := strings.Split(messages[0], " ")
	place := make([]bool, len(words))
	for _, m := range messages[1:] {
		other := strings.Split(m, " ")
		if len(other) != len(words) {
			return messages[0], false
		}
		for i := range words {
			place[i] = place[i] || words[i] != other[i]
		}
	}
	n := 0
	for i := range words {
		if place[i] {
			words[i] = "{" + strconv.Itoa(n) + "}"
			n++
		}
	}
	published = strings.Join(words, " ")
	if 2*n > len(words) || slices.ContainsFunc(messages, func(m string) bool { return !enrich.Matches(published, m) }) {
		return messages[0], false
	}
	return published, true
}

// kindWords say which kind a code or a message that holds one of them is probably of. The first that is found counts.
var kindWords = []struct {
	kind  string
	words []string
}{
	{"rate_limit", []string{"throttl", "too many", "rate limit", "ratelimit", "too_many", "频繁", "限流"}},
	{"quota", []string{"quota", "exceed", "upper limit", "配额", "超过", "上限"}},
	{"billing", []string{"balance", "arrear", "billing", "payment", "invoice", "fund", "欠费", "余额", "资金"}},
	{"auth", []string{"token", "unauthor", "unauthenticated", "authentication", "credential", "signature", "password", "未认证", "鉴权"}},
	{"permission", []string{"permission", "forbidden", "denied", "not allowed", "no right", "权限", "禁止"}},
	{"not_found", []string{"not found", "notfound", "not_found", "not exist", "no such", "不存在", "找不到"}},
	{"conflict", []string{"conflict", "already", "duplicate", "已存在", "冲突"}},
	{"validation", []string{"invalid", "missing", "required", "parameter", "illegal", "malformed", "参数", "不合法"}},
	{"unavailable", []string{"unavailable", "maintenance", "timeout", "timed out", "busy", "超时", "繁忙"}},
}

var kindOfStatus = map[int]string{
	207: "partial", 400: "validation", 401: "auth", 402: "billing", 403: "permission", 404: "not_found", 405: "validation", 409: "conflict", 410: "not_found",
	412: "conflict", 413: "validation", 415: "validation", 422: "validation", 429: "rate_limit", 502: "dependency", 503: "unavailable", 504: "dependency",
}

// guessKind guesses the kind by the status, where that says much, else by words; retry and owner follow from it.
func (u UnknownCode) guessKind() (kind, retry, owner string) {
	status, _ := u.status()
	if status != 400 {
		kind = kindOfStatus[status]
	}
	lower := strings.ToLower(u.Code + " " + u.Message + " " + strings.Join(u.Whole, " "))
	for _, k := range kindWords {
		if kind == "" && slices.ContainsFunc(k.words, func(w string) bool { return strings.Contains(lower, w) }) {
			kind = k.kind
		}
	}
	if kind == "" {
		kind = cmp.Or(kindOfStatus[status], "internal")
	}
	switch kind {
	case "internal", "unavailable", "dependency":
		return kind, "later", "vendor"
	case "rate_limit":
		return kind, "later", "caller"
	}
	return kind, "after_fix", "caller"
}

// languageOf is the language in which most of the messages seem to be.
func languageOf(codes []UnknownCode) string {
	chinese := 0
	for _, u := range codes {
		if strings.ContainsFunc(u.Message, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
			chinese++
		}
	}
	if 2*chinese > len(codes) {
		return "zh"
	}
	return "en"
}

// glob is the pattern of path.Match for one name.
func glob(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}

// quote writes a text as a YAML scalar in double quotes, which are JSON's.
func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(s) != nil { // a string can always be encoded
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func quoteAll(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = quote(t)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
