package enrich

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"errata/catalogs"
)

// Publication is what a vendor's page says, before anything of ours is added.
type Publication struct {
	File     string // where it was read from, for the comment of a new catalog
	Family   string
	Title    string
	Date     string
	Language string
	Fallback Fallback
	Advice   string  // what to do about any code, of the page's prose: the remedy of a new catalog's fallback, where a row gives none
	Codes    []Entry // without kind, retry, owner, aliases and texts
}

// Recognise gives the family whose catalog knows more than half of the codes, "" if none does.
func (c *Catalogs) Recognise(codes []string) string {
	for i := range c.Families {
		f := &c.Families[i]
		n := 0
		for _, code := range codes {
			if f.hasPrefix(code) || len(c.within[f.Family].find(code)) > 0 {
				n++
			}
		}
		if n*2 > len(codes) {
			return f.Family
		}
	}
	return ""
}

// CommonPrefix gives what all the codes begin with up to a separator, as ORA in ORA-00001; "" if that differs.
func CommonPrefix(codes []string) string {
	if all := prefixes(codes); len(all) == 1 {
		return all[0]
	}
	return ""
}

var prefixed = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9]*(?:_[A-Za-z]+)*)[._/:-](.+)$`)

// generic are beginnings of codes that say nothing of whose they are: a catalog with such a prefix would take other
// vendors' codes for its own.
var generic = regexp.MustCompile(`(?i)^(?:client|server|sender|receiver|soap|err|errors?|exceptions?|fault|failed|fail|invalid|internal|common|general|generic|unknown|missing|http|https|request|response|code|status|sdk|api|e)$`)

// prefixes gives the beginnings of codes such as OSM.0001 and JOB_MANAGER_12000001, in the order in which they come;
// none where a code has no such beginning or a generic one, or where there are so many that they are words of the codes.
func prefixes(codes []string) (all []string) {
	for _, code := range codes {
		m := prefixed.FindStringSubmatch(code)
		if m == nil {
			return nil
		}
		p := m[1]
		if m[2][0] < '0' || m[2][0] > '9' { // words follow: only the first can be a name
			p = code[:strings.IndexAny(code, "._/:-")]
		}
		if p == strings.ToLower(p) && strings.Contains(code, "_") || generic.MatchString(p) {
			return nil // card_declined, Client.InvalidParameter
		}
		if !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	if len(all) > 8 || len(all)*2 > len(codes) {
		return nil
	}
	return all
}

// File gives the name and the content of the family's catalog in dir, or in the built-in set when dir is "";
// nothing where the family has none.
func (c *Catalogs) File(dir, family string) (name string, content []byte, err error) {
	for i := range c.Families {
		if f := &c.Families[i]; f.Family == family {
			content, err = fs.ReadFile(folder(dir), f.file)
			return f.file, content, err
		}
	}
	return "", nil, nil
}

func folder(dir string) fs.FS {
	if dir == "" {
		return catalogs.FS
	}
	return os.DirFS(dir)
}

// CheckWith tells what would be wrong with the catalogs of dir if the file had the content.
func CheckWith(dir, name string, content []byte) error {
	names, err := fs.Glob(folder(dir), "*.yaml")
	if err != nil {
		return err
	}
	files := []file{{name, content}}
	for _, other := range names {
		if other == name {
			continue
		}
		text, err := fs.ReadFile(folder(dir), other)
		if err != nil {
			return err
		}
		files = append(files, file{other, text})
	}
	_, err = load(files)
	return err
}

// Change is one difference between a catalog and a newer publication.
type Change struct {
	Sign     string // "+" new, "~" changed, "-" gone
	Code     string
	Field    string // of a changed one
	Old, New string
}

func (c Change) String() string {
	switch c.Sign {
	case "~":
		return fmt.Sprintf("~ %s %s: %q is now %q", c.Code, c.Field, c.Old, c.New)
	default:
		return fmt.Sprintf("%s %s %q", c.Sign, c.Code, cmp.Or(c.New, c.Old))
	}
}

// Merge writes a publication as a catalog. From old, the file that exists (nil if none does), it keeps what is
// ours: comments, kind, retry, owner, aliases and translations of each entry, title, vendor and match. An entry keeps
// its text in the file word for word unless the page changed it. What is not on the page is left out, or with
// keep put at the end: a family may have several pages.
func Merge(old []byte, p Publication, keep bool) (text []byte, changes []Change, err error) {
	if old == nil {
		var out bytes.Buffer
		out.WriteString(newHead(p))
		for _, e := range p.Codes {
			out.WriteString(newEntry(e))
			changes = append(changes, Change{Sign: "+", Code: e.Code, New: cmp.Or(e.Message, e.Description)})
		}
		return out.Bytes(), changes, nil
	}
	was, err := read(old)
	if err != nil {
		return nil, nil, err
	}
	head, items, ok := split(string(old), len(was.Codes))
	if !ok {
		return nil, nil, errors.New("its list of codes is not laid out an entry below the other, two spaces before each dash: merge by hand")
	}
	head, changes = mergeHead(head, was, p)
	var out strings.Builder
	out.WriteString(head)
	pairs, gone := pair(was.Codes, p.Codes)
	for i, e := range p.Codes {
		if pairs[i] < 0 {
			out.WriteString(newEntry(e))
			changes = append(changes, Change{Sign: "+", Code: e.Code, New: cmp.Or(e.Message, e.Description)})
			continue
		}
		item, differs := mergeEntry(items[pairs[i]], was.Codes[pairs[i]], e)
		out.WriteString(item)
		changes = append(changes, differs...)
	}
	for _, i := range gone {
		if keep {
			out.WriteString(items[i])
			continue
		}
		changes = append(changes, Change{Sign: "-", Code: was.Codes[i].Code, Old: cmp.Or(was.Codes[i].Message, was.Codes[i].Description)})
	}
	return []byte(out.String()), changes, nil
}

// pair finds for each new entry the old one that it was: the same code with the same status and message, else with
// the same message, the same status, or the only one of that code. gone are the old ones that are left.
func pair(old, now []Entry) (pairs, gone []int) {
	taken := make([]bool, len(old))
	byCode := map[string][]int{}
	for i, e := range old {
		byCode[e.Code] = append(byCode[e.Code], i)
	}
	pairs = make([]int, len(now))
	for i := range pairs {
		pairs[i] = -1
	}
	for _, same := range []func(a, b Entry) bool{
		func(a, b Entry) bool { return a.Status == b.Status && a.Message == b.Message },
		func(a, b Entry) bool { return a.Message == b.Message },
		func(a, b Entry) bool { return a.Status == b.Status },
		func(a, b Entry) bool { return true },
	} {
		for i, e := range now {
			if pairs[i] >= 0 {
				continue
			}
			for _, j := range byCode[e.Code] {
				if !taken[j] && same(old[j], e) {
					pairs[i], taken[j] = j, true
					break
				}
			}
		}
	}
	for j := range old {
		if !taken[j] {
			gone = append(gone, j)
		}
	}
	return pairs, gone
}

// split cuts a catalog's text into what stands before the codes and the text of each entry.
func split(text string, entries int) (head string, items []string, ok bool) {
	head, rest, found := strings.Cut(text, "\ncodes:")
	if !found {
		return "", nil, false
	}
	list, below, _ := strings.Cut(rest, "\n")
	head += "\ncodes:\n"
	if entries == 0 {
		return head, nil, strings.TrimSpace(below) == "" && (strings.TrimSpace(list) == "[]" || strings.TrimSpace(list) == "")
	}
	if !strings.HasSuffix(below, "\n") {
		below += "\n"
	}
	lead := ""
	for _, line := range strings.SplitAfter(below, "\n") {
		switch {
		case strings.HasPrefix(line, "  - "):
			items = append(items, lead+line)
			lead = ""
		case strings.HasPrefix(line, "  #") || strings.HasPrefix(line, "#"): // a comment above the next entry
			lead += line
		case len(items) > 0:
			items[len(items)-1] += lead + line
			lead = ""
		}
	}
	if lead != "" && len(items) > 0 {
		items[len(items)-1] += lead
	}
	return head, items, len(items) == entries
}

// mergeHead brings the date and the fallback up to date; title, vendor and match are ours.
func mergeHead(head string, was Catalog, p Publication) (string, []Change) {
	var changes []Change
	set := func(section, key, old, now string) {
		if now == "" || now == old {
			return
		}
		changes = append(changes, Change{"~", section, key, old, now})
		lines := strings.SplitAfter(head, "\n")
		in := false
		var out strings.Builder
		for i := 0; i < len(lines); i++ {
			if !strings.HasPrefix(lines[i], " ") {
				in = strings.HasPrefix(lines[i], section+":")
			}
			if !in || !strings.HasPrefix(lines[i], "  "+key+":") {
				out.WriteString(lines[i])
				continue
			}
			out.WriteString("  " + key + ": " + scalar(now, "    ") + "\n")
			for i+1 < len(lines) && strings.HasPrefix(lines[i+1], "    ") {
				i++
			}
		}
		head = out.String()
	}
	set("source", "date", was.Source.Date, p.Date)
	set("fallback", "description", was.Fallback.Description, p.Fallback.Description)
	set("fallback", "remedy", was.Fallback.Remedy, p.Fallback.Remedy)
	return head, changes
}

// mergeEntry puts what the page changed into an entry's text and leaves all else as it is.
func mergeEntry(item string, was, now Entry) (string, []Change) {
	var changes []Change
	number := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	for _, f := range []struct{ name, old, now, text string }{
		{"status", number(was.Status), number(now.Status), number(now.Status)},
		{"message", was.Message, now.Message, scalar(now.Message, "      ")},
		{"description", was.Description, now.Description, scalar(now.Description, "      ")},
		{"remedy", was.Remedy, now.Remedy, scalar(now.Remedy, "      ")},
	} {
		if f.old == f.now {
			continue
		}
		changes = append(changes, Change{"~", now.Code, f.name, f.old, f.now})
		item = setField(item, f.name, f.text)
	}
	return item, changes
}

// setField replaces a field of an entry's text, or puts it in behind the code; "" takes it out.
func setField(item, name, text string) string {
	lines := strings.SplitAfter(item, "\n")
	field := "    " + name + ": " + text + "\n"
	if text == "" {
		field = ""
	}
	var out strings.Builder
	done := false
	for i := 0; i < len(lines); i++ {
		if !strings.HasPrefix(lines[i], "    "+name+":") {
			out.WriteString(lines[i])
			continue
		}
		out.WriteString(field)
		done = true
		for i+1 < len(lines) && (strings.HasPrefix(lines[i+1], "     ") || strings.TrimSpace(lines[i+1]) == "" && i+2 < len(lines)) {
			i++ // the lines of a text in several
		}
	}
	if done || field == "" {
		return out.String()
	}
	code, rest, _ := strings.Cut(item[strings.Index(item, "  - "):], "\n")
	return item[:strings.Index(item, "  - ")] + code + "\n" + field + rest
}

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

// newEntry is an entry of which we know no more than the page says.
func newEntry(e Entry) string {
	kind, retry, owner := Guess(e)
	var out strings.Builder
	fmt.Fprintf(&out, "  - code: %s\n", plainScalar(e.Code))
	if e.Status != 0 {
		fmt.Fprintf(&out, "    status: %d\n", e.Status)
	}
	fmt.Fprintf(&out, "    message: %s\n    description: %s\n    remedy: %s\n", scalar(e.Message, "      "), scalar(e.Description, "      "), scalar(e.Remedy, "      "))
	if retry == "no" {
		retry = `"no"`
	}
	fmt.Fprintf(&out, "    kind: %s # guessed\n    retry: %s # guessed\n    owner: %s # guessed\n", kind, retry, owner)
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

// quote writes a text in double quotes, as both YAML and JSON read it, with all that can be printed as it is.
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
		case r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.WriteRune(r)
		}
	}
	out.WriteByte('"')
	return out.String()
}
