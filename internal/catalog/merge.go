package catalog

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
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

// mergeHead updates the date and the fallback; title, vendor and match are ours.
func mergeHead(head string, was Family, p Publication) (string, []Change) {
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

// mergeEntry changes in an entry's text what the page changed, and nothing else.
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

// setField replaces a field of an entry's text, or inserts it after the code; "" removes it.
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
