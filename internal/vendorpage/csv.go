package vendorpage

import (
	"encoding/csv"
	"errors"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
)

// readCSV reads a page of values separated by commas, semicolons or tabs, or returns nil if the
// page is none. A page is CSV if its name says so, or if nearly all its lines have the same number
// of values and the first is a row of headings.
func readCSV(name, text string) []part {
	g := csvGrid(name, text)
	if g == nil {
		return nil
	}
	g.topic = topicOf(titlesOf(*g))
	return []part{{grid: g}}
}

// csvGrid reads the values with the separator that gives the most columns, or returns nil.
func csvGrid(name, text string) *grid {
	ext := strings.ToLower(path.Ext(name))
	named := ext == ".csv" || ext == ".tsv" || ext == ".tab"
	var best *grid
	most := 0
	for _, comma := range ",;\t" {
		head, _, _ := strings.Cut(strings.TrimLeft(text, "\n "), "\n")
		if strings.Count(head, string(comma)) == 0 && !named || comma == '\t' && !named {
			continue
		}
		g, columns, even := parseCSV(text, comma)
		if g == nil || columns < 2 || !named && !even {
			continue
		}
		if !named {
			if _, ok := headings(g.rows[0].cells); !ok || g.codes() == 0 { // a title with a comma in it
				continue
			}
		}
		if columns > most {
			best, most = g, columns
		}
	}
	return best
}

// parseCSV reads the values. columns is the number of values that most rows have, and even reports
// whether nearly all rows have that many.
func parseCSV(text string, comma rune) (g *grid, columns int, even bool) {
	g = &grid{layout: csvTable, line: 1}
	sizes := map[int]int{}
	for line, unclosed := 1, 0; text != ""; {
		r := csv.NewReader(strings.NewReader(text))
		r.Comma, r.LazyQuotes, r.FieldsPerRecord, r.TrimLeadingSpace = comma, true, -1, comma != '\t'
		begin, again := int64(0), ""
		for again == "" {
			record, err := r.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, 0, false
			}
			at, _ := r.FieldPos(0)
			raw := text[begin:r.InputOffset()]
			if strings.Count(raw, `"`)%2 == 1 && strings.Contains(strings.TrimSpace(raw), "\n") {
				// An unclosed quote swallows all lines up to the next quote: read its line again
				// without it.
				if unclosed++; unclosed > 20 {
					return nil, 0, false // these are not CSV quotes
				}
				raw = strings.TrimLeft(raw, "\n")
				first, _, _ := strings.Cut(raw, "\n")
				quote := strings.LastIndex(first, `"`)
				if quote < 0 {
					return nil, 0, false
				}
				g.notes = append(g.notes, "line "+strconv.Itoa(line+at-1)+" has a quotation mark that is never closed: "+clip(first))
				again = first[:quote] + first[quote+1:] + text[r.InputOffset()-int64(len(raw))+int64(len(first)):]
				line += at - 1
				break
			}
			begin = r.InputOffset()
			for i := range record {
				record[i] = tidy(breaks.ReplaceAllString(record[i], "\n"))
			}
			g.rows = append(g.rows, gridRow{line: line + at - 1, cells: record})
			sizes[len(record)]++
		}
		text = again
	}
	for size, n := range sizes {
		if n > sizes[columns] || n == sizes[columns] && size > columns {
			columns = size
		}
	}
	if len(g.rows) < 2 {
		return nil, 0, false
	}
	first := g.rows[0].cells // headings if one is known and none is a number
	g.headed = slices.ContainsFunc(first, func(c string) bool { return vocabulary[normal(c)] != unknown }) &&
		!slices.ContainsFunc(first, func(c string) bool { return codeStrength(c) == number })
	return g, columns, sizes[columns]*10 >= len(g.rows)*9
}
