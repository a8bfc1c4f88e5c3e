package vendorpage

import (
	"net/http"
	"strconv"
	"strings"
)

// likeness is how much the cells of a column, taken together, look like the codes of a table.
type likeness int

const (
	unlike  likeness = iota
	perhaps          // different words, which may as well be names of something else
	surely           // different mnemonics, words with separators, or long numbers
)

// likenessOf judges the cells of a column. Nearly each row of a table has a code of its own, where
// a grade, a module or an answer such as "yes" comes again and again, and a row's number counts up
// from one.
func likenessOf(cells []string) likeness {
	different := map[string]bool{}
	filled, marked, phrases, counted := 0, 0, 0, 0
	digits := 0
	for _, cell := range cells {
		if nothing(cell) {
			continue
		}
		filled++
		code := codePart(cell)
		different[code] = true
		if n, err := strconv.Atoi(code); err == nil && n == filled {
			counted++
		}
		if grades[strings.ToLower(code)] {
			return unlike
		}
		if reasonPhrases[strings.ToLower(code)] {
			phrases++
		}
		switch {
		case codeStrength(code) == number:
			if size := len(strings.TrimLeft(code, "+-")); size >= 4 || code[0] == '-' || size == 3 && (digits == 0 || digits == 3) {
				if marked++; size == 3 {
					digits = size
				}
			} else if code == "0" { // success
				marked++
			}
		case codeStrength(code) == mnemonic || strings.ContainsAny(code, "-_"):
			marked++
		}
	}
	switch {
	case filled == 0 || 10*len(different) < 7*filled || counted == filled:
		return unlike
	case 10*marked >= 9*filled:
		return surely
	case 10*phrases >= 8*filled:
		return unlike
	}
	return perhaps
}

// grades are words of which a column of answers or grades consists, and no column of codes.
var grades = map[string]bool{"yes": true, "no": true, "true": true, "false": true, "y": true, "n": true, "high": true, "medium": true, "low": true, "critical": true, "major": true, "minor": true,
	"warning": true, "warn": true, "info": true, "fatal": true, "get": true, "post": true, "put": true, "delete": true, "patch": true, "always": true, "never": true, "client": true, "server": true}

// reasonPhrases are the one-word texts of HTTP's own statuses, in small letters: "unauthorized".
var reasonPhrases = func() map[string]bool {
	all := map[string]bool{}
	for status := 100; status < 600; status++ {
		if text := strings.ToLower(http.StatusText(status)); text != "" && !strings.Contains(text, " ") {
			all[text] = true
		}
	}
	return all
}()
