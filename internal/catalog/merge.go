package catalog

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"errata/internal/yamlfile"
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

// Merge writes a publication as a catalog. It keeps what is ours from old, the existing file (nil
// if there is none): comments, title, vendor and match, and the kind, retry, owner, aliases and
// translations of each entry. An entry keeps its text word for word unless the page changed it.
// Entries that are not on the page are left out, or, with keep, moved to the end: a family may have
// several pages.
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
	was, err := parseSource(file{text: old}).decode()
	if err != nil {
		return nil, nil, err
	}
	whole := string(old)
	head, items, tail, ok := split(whole, len(was.Codes))
	if !ok { // another indent, or in braces
		if whole, err = yamlfile.Block(whole, []string{"source", "fallback"}, "codes", "code"); err != nil {
			return nil, nil, err
		}
		if head, items, tail, ok = split(whole, len(was.Codes)); !ok {
			return nil, nil, errors.New("its list of codes cannot be taken apart: merge by hand")
		}
	}
	if head, tail, changes, err = mergeHead(head, tail, was, p); err != nil {
		return nil, nil, err
	}
	var out strings.Builder
	out.WriteString(head)
	pairs, gone := pair(was.Codes, p.Codes)
	for i, e := range p.Codes {
		if pairs[i] < 0 {
			out.WriteString(newEntry(e))
			changes = append(changes, Change{Sign: "+", Code: e.Code, New: cmp.Or(e.Message, e.Description)})
			continue
		}
		item, differs, err := mergeEntry(items[pairs[i]], was.Codes[pairs[i]], e)
		if err != nil {
			return nil, nil, err
		}
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
	out.WriteString(tail)
	return []byte(out.String()), changes, nil
}

// pair finds the old entry of each new one, -1 if there is none: the same code with the same status
// and message, else with the same message, the same status, or just the same code. gone are the old
// entries that are left over.
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

// split cuts a catalog's text into what stands before the codes, the text of each entry, and what
// stands below the codes. ok is false if the list is not laid out an entry below the other, with
// two spaces before each dash.
func split(text string, entries int) (head string, items []string, tail string, ok bool) {
	head, rest, found := strings.Cut("\n"+text, "\ncodes:")
	if !found {
		return "", nil, "", false
	}
	list, below, _ := strings.Cut(rest, "\n")
	value, comment, commented := strings.Cut(list, "#")
	if head = head + "\ncodes:"; commented {
		head += " #" + comment
	}
	head = head[1:] + "\n"
	if !strings.HasSuffix(below, "\n") && below != "" {
		below += "\n"
	}
	below, tail = cutTail(below)
	if entries == 0 {
		return head, nil, tail, strings.TrimSpace(below) == "" && (strings.TrimSpace(value) == "[]" || strings.TrimSpace(value) == "")
	}
	lead := ""
	for _, line := range strings.SplitAfter(below, "\n") {
		switch {
		case strings.HasPrefix(line, "  - "), line == "  -\n":
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
	return head, items, tail, len(items) == entries && strings.TrimSpace(value) == ""
}

// cutTail separates the keys below the list of codes, with the comment right above them.
func cutTail(below string) (list, tail string) {
	lines := strings.SplitAfter(below, "\n")
	for i, l := range lines {
		if l == "" || strings.ContainsAny(l[:1], " #-\n\r\t") {
			continue
		}
		for i > 0 && strings.HasPrefix(lines[i-1], "#") {
			i--
		}
		return strings.Join(lines[:i], ""), strings.Join(lines[i:], "")
	}
	return below, ""
}

// mergeHead updates the date and the fallback, which stand above the codes or below; title, vendor
// and match are ours.
func mergeHead(head, tail string, was Family, p Publication) (mergedHead, mergedTail string, changes []Change, err error) {
	for _, f := range []struct{ section, key, old, now string }{
		{"source", "date", was.Source.Date, p.Date},
		{"fallback", "description", was.Fallback.Description, p.Fallback.Description},
		{"fallback", "remedy", was.Fallback.Remedy, p.Fallback.Remedy},
	} {
		if f.now == "" || f.now == f.old {
			continue
		}
		changes = append(changes, Change{"~", f.section, f.key, f.old, f.now})
		if hasKey(tail, f.section) {
			tail, err = setKey(tail, f.section, f.key, f.now)
		} else {
			at := strings.LastIndex("\n"+head, "\ncodes:")
			above, codes := head[:at], head[at:]
			above, err = setKey(above, f.section, f.key, f.now)
			head = above + codes
		}
		if err != nil {
			return "", "", nil, err
		}
	}
	return head, tail, changes, nil
}

func hasKey(text, key string) bool { return strings.Contains("\n"+text, "\n"+key+":") }

// setKey sets a text in a section of the file. The section is added if there is none, and written
// in block style if it is in braces.
func setKey(text, section, key, value string) (string, error) {
	if !hasKey(text, section) {
		return text + section + ":\n  " + key + ": " + scalar(value, "    ") + "\n", nil
	}
	begin := strings.Index("\n"+text, "\n"+section+":")
	body, rest := cutSection(text[begin:])
	body, err := yamlfile.BlockSection(body, section)
	if err != nil {
		return "", err
	}
	field := "  " + key + ": " + scalar(value, "    ") + "\n"
	if replaced, found := replaceKey(body, "  ", key, field); found {
		return text[:begin] + replaced + rest, nil
	}
	first, below, _ := strings.Cut(body, "\n")
	return text[:begin] + first + "\n" + field + below + rest, nil
}

// cutSection returns the lines of the key at the start of a text, and what follows them.
func cutSection(text string) (section, rest string) {
	lines := strings.SplitAfter(text, "\n")
	for i, l := range lines {
		if i > 0 && l != "" && !strings.ContainsAny(l[:1], " \n\r\t}") {
			return strings.Join(lines[:i], ""), strings.Join(lines[i:], "")
		}
	}
	return text, ""
}

// mergeEntry changes in an entry's text what the page changed, and nothing else.
func mergeEntry(item string, was, now Entry) (string, []Change, error) {
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
		if len(changes) == 0 {
			var err error
			if item, err = yamlfile.BlockItem(item, "code"); err != nil {
				return "", nil, fmt.Errorf("the entry of %s: %w", was.Code, err)
			}
		}
		changes = append(changes, Change{"~", now.Code, f.name, f.old, f.now})
		item = setField(item, f.name, f.text)
	}
	return item, changes, nil
}

// setField replaces a field of an entry's text, or inserts it after the code; "" removes it.
func setField(item, name, text string) string {
	field := "    " + name + ": " + text + "\n"
	if text == "" {
		field = ""
	}
	replaced, found := replaceKey(item, "    ", name, field)
	if found || field == "" {
		return replaced
	}
	begin := strings.Index(item, "  - ")
	code, rest, _ := strings.Cut(item[begin:], "\n")
	return item[:begin] + code + "\n" + field + rest
}

// replaceKey puts a field in the place of the key that stands behind an indent, with all lines of
// its value. found is false if there is no such key.
func replaceKey(text, indent, key, field string) (replaced string, found bool) {
	lines := strings.SplitAfter(text, "\n")
	var out strings.Builder
	for i := 0; i < len(lines); i++ {
		if found || !strings.HasPrefix(lines[i], indent+key+":") {
			out.WriteString(lines[i])
			continue
		}
		out.WriteString(field)
		found = true
		for i+1 < len(lines) && (strings.HasPrefix(lines[i+1], indent+" ") || strings.TrimSpace(lines[i+1]) == "" && i+2 < len(lines)) {
			i++
		}
	}
	return out.String(), found
}
