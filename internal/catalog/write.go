package catalog

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// newHead is what stands above the codes of a catalog that did not exist.
func newHead(p Publication) string {
	var codes []string
	for _, e := range p.Codes {
		codes = append(codes, e.Code)
	}
	prefixes := prefixes(codes)
	services := "[]"
	if len(prefixes) == 0 { // the codes do not say whose they are, so the service has to
		name := strings.ToLower(p.Family)
		services = fmt.Sprintf("[%q, %q] # guessed: globs over the names of the services that send these codes", name, name+"-*")
	}
	return fmt.Sprintf(`# The error codes of %[1]s, imported from %[2]s: message, description and remedy are as published; kind, retry and owner are ours, and where "# guessed" stands nobody has looked at them yet.
family: %[3]s
title: %[4]s
vendor: ""
language: %[5]s
source:
  title: %[6]s
  date: %[7]s
match:
  prefixes: [%[8]s]
  dialects: []
  services: %[9]s
fallback:
  description: %[10]s
  remedy: %[11]s
codes:
`, oneLine(p.Family), oneLine(path.Base(p.File)), plainScalar(p.Family), quote(p.Title), plainScalar(cmp.Or(p.Language, "en")), quote(p.Title), quote(p.Date),
		strings.Join(mapped(prefixes, plainScalar), ", "), services, scalar(p.Fallback.Description, "    "), scalar(cmp.Or(p.Fallback.Remedy, p.Advice), "    "))
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func mapped(list []string, f func(string) string) (out []string) {
	for _, s := range list {
		out = append(out, f(s))
	}
	return out
}

// field is a line of an entry: a key, its value as YAML, and a comment for the person who edits it.
// Without a key it is a comment alone.
type field struct{ name, value, comment string }

// writeEntry writes an entry as the item of a list, its code first.
func writeEntry(out *strings.Builder, fields []field) {
	lead := "  - "
	for _, f := range fields {
		out.WriteString(lead)
		if f.name != "" {
			out.WriteString(f.name + ": " + f.value)
			if f.comment != "" {
				out.WriteByte(' ')
			}
		}
		if f.comment != "" {
			out.WriteString("# " + f.comment)
		}
		out.WriteByte('\n')
		lead = "    "
	}
}

// newEntry is an entry of which we know no more than the page says.
func newEntry(e Entry) string {
	kind, retry, owner := Guess(e)
	fields := []field{{name: "code", value: plainScalar(e.Code)}}
	if e.Status != 0 {
		fields = append(fields, field{name: "status", value: strconv.Itoa(e.Status)})
	}
	for _, text := range []struct{ name, value string }{{"message", e.Message}, {"description", e.Description}, {"remedy", e.Remedy}} {
		fields = append(fields, field{name: text.name, value: scalar(text.value, "      ")})
	}
	if succeeds(e) {
		fields = append(fields, field{"success", "true", "guessed"})
	}
	var out strings.Builder
	writeEntry(&out, append(fields, field{"kind", kind, "guessed"}, field{"retry", plainScalar(retry), "guessed"}, field{"owner", owner, "guessed"}))
	return out.String()
}

var simple = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]*$`)

// plainScalar writes a name without quotes where YAML reads it as text all the same.
func plainScalar(s string) string {
	switch strings.ToLower(s) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf":
		return quote(s)
	}
	if simple.MatchString(s) {
		return s
	}
	return quote(s)
}

// scalar writes a text: in quotes, or if it has several lines as a block with the given indent.
func scalar(s, indent string) string {
	if !strings.Contains(s, "\n") || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f }) {
		return quote(s)
	}
	for _, line := range strings.Split(s, "\n") {
		if line == "" || line != strings.TrimSpace(line) {
			return quote(s)
		}
	}
	return "|-\n" + indent + strings.ReplaceAll(s, "\n", "\n"+indent)
}

// quote writes a text in double quotes, as both YAML and JSON read it, with all that can be printed
// as it is.
func quote(s string) string {
	var out strings.Builder
	out.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			out.WriteByte('\\')
			out.WriteRune(r)
		case r == '\n':
			out.WriteString(`\n`)
		case r == '\t':
			out.WriteString(`\t`)
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff,
			r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069: // would reorder what is around them
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.WriteRune(r)
		}
	}
	out.WriteByte('"')
	return out.String()
}
