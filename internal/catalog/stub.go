package catalog

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Unlisted is what traffic shows of a code that no catalog lists.
type Unlisted struct {
	Code, Dialect string

	Family   string // guessed: the family that claims the code's prefix, else the prefix, else the dialect
	Prefix   string // "": none could be guessed
	Errors   uint64
	Statuses []StatusCount
	Services []string // in which it was seen
	LastSeen time.Time
	Message  string   // the latest
	Whole    []string // some different messages that were not cut off
}

// StatusCount is how many errors came under an HTTP status.
type StatusCount struct {
	Status int    `json:"status"`
	Errors uint64 `json:"errors"`
}

// Stub is a draft of a catalog for unknown codes of one family.
type Stub struct {
	File string // a name for it
	Text string // loads as it is; what is guessed or left to fill in says so
}

// Create writes the draft into a new file of a folder, which must exist, and returns the file's
// path.
func (s Stub) Create(dir string) (path string, err error) {
	path = filepath.Join(dir, s.File)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return "", err
	}
	_, err = io.WriteString(f, s.Text)
	return path, errors.Join(err, f.Close())
}

// Stubs drafts a catalog for each guessed family of the unknown codes, sorted by name. If the
// family has a catalog, its draft is meant to be pasted into that.
func Stubs(unknown []Unlisted, set *Set) (stubs []Stub) {
	families, folded := map[string][]Unlisted{}, map[string]string{}
	for _, u := range unknown {
		name := cmp.Or(folded[Fold(u.Family)], u.Family) // BILLING and billing are one
		folded[Fold(u.Family)] = name
		families[name] = append(families[name], u)
	}
	files := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(families)) {
		file := fileName(name)
		for n := 2; files[file]; n++ {
			file = fileName(name + "-" + strconv.Itoa(n))
		}
		files[file] = true
		stubs = append(stubs, Stub{file, stub(name, file, families[name], set)})
	}
	return stubs
}

// fileName is a family's name in lower case, with dashes for what a file name should not hold.
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

func stub(family, file string, codes []Unlisted, set *Set) string {
	slices.SortFunc(codes, func(a, b Unlisted) int { return strings.Compare(a.Code, b.Code) })
	var b strings.Builder
	own := slices.IndexFunc(set.Families, func(f Family) bool { return f.Name == family })
	if own >= 0 {
		stubHeadOf(&b, &set.Families[own])
	} else {
		stubHead(&b, family, file, codes)
	}
	b.WriteString("codes:\n")
	for _, u := range merged(codes) {
		writeEntry(&b, u.fields())
	}
	return b.String()
}

// stubHeadOf writes the head of a stub for a family that has a catalog.
func stubHeadOf(b *strings.Builder, f *Family) {
	fmt.Fprintf(b, "# Codes of %s that its catalog does not list: fill them in and paste them under the codes of that catalog.\n", f.Name)
	fmt.Fprintf(b, "family: %s\nlanguage: %s\nmatch:\n", quote(f.Name), quote(f.Language))
	fmt.Fprintf(b, "  prefixes: %s\n  dialects: %s\n  services: %s\n", quoteAll(f.Match.Prefixes), quoteAll(f.Match.Dialects), quoteAll(f.Match.Services))
}

// stubHead writes the head of a stub for a family that has none.
func stubHead(b *strings.Builder, family, file string, codes []Unlisted) {
	fmt.Fprintf(b, "# Codes that no catalog lists: fill them in and save this as %s in the folder of the catalogs.\n", file)
	fmt.Fprintf(b, "family: %s # guessed\ntitle: \"\" # fill in\nvendor: \"\" # fill in\nlanguage: %s # guessed\n", quote(family), languageOf(codes))
	fmt.Fprintf(b, "source:\n  title: \"\" # fill in: the page\n  date: \"\" # fill in\nmatch:\n")
	if prefixes, all := prefixesOf(codes); all {
		fmt.Fprintf(b, "  prefixes: %s # guessed\n", quoteAll(prefixes))
	} else {
		fmt.Fprintf(b, "  services: %s # guessed: the codes mean something only in these\n", quoteAll(servicesOf(codes)))
	}
}

// prefixesOf returns the codes' guessed prefixes, and whether each code has one.
func prefixesOf(codes []Unlisted) (prefixes []string, all bool) {
	for _, u := range codes {
		if u.Prefix == "" {
			return nil, false
		}
		if !slices.ContainsFunc(prefixes, func(p string) bool { return Fold(p) == Fold(u.Prefix) }) {
			prefixes = append(prefixes, u.Prefix)
		}
	}
	return prefixes, true
}

// servicesOf returns globs over the services in which the codes were seen, sorted.
func servicesOf(codes []Unlisted) (services []string) {
	for _, u := range codes {
		for _, s := range u.Services {
			if s = cmp.Or(glob(s), "*"); !slices.Contains(services, s) {
				services = append(services, s)
			}
		}
	}
	slices.Sort(services)
	return services
}

// merged joins the dialects of a code into one. codes are sorted.
func merged(codes []Unlisted) (all []Unlisted) {
	for _, u := range codes {
		if len(all) == 0 || all[len(all)-1].Code != u.Code {
			u.Statuses, u.Whole = slices.Clone(u.Statuses), slices.Clone(u.Whole)
			all = append(all, u)
			continue
		}
		same := &all[len(all)-1]
		same.Errors += u.Errors
		same.Statuses = append(same.Statuses, u.Statuses...)
		same.Whole = append(same.Whole, u.Whole...)
		if u.LastSeen.After(same.LastSeen) {
			same.LastSeen, same.Message = u.LastSeen, u.Message
		}
	}
	return all
}

// fields drafts the code's entry. What is guessed or left to fill in says so.
func (u Unlisted) fields() []field {
	message, all := generalize(u.Whole)
	if message == "" {
		message, all = u.Message, true
	}
	status, others := u.status()
	kind, retry, owner := Guess(Entry{Code: u.Code, Status: status, Message: strings.Join(append([]string{u.Message}, u.Whole...), " ")})
	fields := []field{{"code", quote(u.Code), fmt.Sprintf("seen %d times, last at %s", u.Errors, u.LastSeen.UTC().Format(time.RFC3339))}}
	switch {
	case status == 0:
		fields = append(fields, field{comment: "status: fill in; seen under " + others})
	case others != "":
		fields = append(fields, field{"status", strconv.Itoa(status), "guessed; seen under " + others})
	default:
		fields = append(fields, field{"status", strconv.Itoa(status), "as seen"})
	}
	switch {
	case message == "":
		fields = append(fields, field{"message", `""`, "fill in; none was seen"})
	case !all:
		fields = append(fields, field{"message", quote(message), "as seen; others differ"})
	case message != u.Message:
		fields = append(fields, field{"message", quote(message), "guessed"})
	default:
		fields = append(fields, field{"message", quote(message), "as seen"})
	}
	description := `""`
	if message == "" { // an entry needs one of the two
		description = `"-"`
	}
	return append(fields, field{"description", description, "fill in"}, field{"remedy", `""`, "fill in"},
		field{"kind", kind, "guessed"}, field{"retry", quote(retry), "guessed"}, field{"owner", owner, "guessed"})
}

// status guesses the published status: the only one seen that is not 200, 0 if there are several.
// others lists the statuses that were seen, "" if the guess is the only one.
func (u Unlisted) status() (status int, others string) {
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

// generalize makes one published message of live ones: the words in which they differ become
// placeholders. If they are not alike it returns the first, and all is false.
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
	if 2*n > len(words) || slices.ContainsFunc(messages, func(m string) bool { return !matches(published, m) }) {
		return messages[0], false
	}
	return published, true
}

// languageOf guesses the language of most of the messages.
func languageOf(codes []Unlisted) string {
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

// glob returns the path.Match pattern that matches just one name.
func glob(name string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}

func quoteAll(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = quote(t)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
