package vendorpage

import (
	"slices"
	"strconv"
)

// layoutStrides is the layout of rows without headings, whose cells are one below the other and
// begin with a status.
const layoutStrides = "statuses above codes"

const (
	minStrides = 4 // the least number of rows
	maxStride  = 5 // limits the cells of a row
)

// findStrides reads rows of as many cells, each a paragraph or a line, without headings:
//
//	404
//	request_error
//	no_such_gate
//	The gate is not there.
//
// Each row begins with an HTTP status and ends with a text. Between these, one cell is another code
// in each row.
func findStrides(lines []line, at int) (*grid, int) {
	if !failed(lines[at].text) {
		return nil, 0
	}
	byLine := at+1 < len(lines) && !lines[at+1].blank()
	for n := 3; n <= maxStride; n++ {
		cells := lines[at].memo.blocks(lines, at, byLine, n*minStrides)
		if len(cells) < n*minStrides || !strides(cells, n) {
			continue
		}
		cells = lines[at].memo.blocks(lines, at, byLine, len(lines))
		rows := 0
		for (rows+1)*n <= len(cells) && strides(cells[rows*n:(rows+1)*n], n) {
			rows++
		}
		if g := strideGrid(cells[:rows*n], n); g != nil {
			return g, cells[rows*n-1].next
		}
	}
	return nil, 0
}

// failed reports whether a text is the status of a failure, alone.
func failed(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 400 && registered(n)
}

// strides reports whether the cells are rows of n cells: a status, codes, and a text.
func strides(cells []block, n int) bool {
	for i, c := range cells {
		switch i % n {
		case 0:
			if !failed(c.text) {
				return false
			}
		case n - 1:
			if !prose(c.text) {
				return false
			}
		default:
			if codeStrength(c.text) < word || failed(c.text) {
				return false
			}
		}
	}
	return true
}

// strideGrid makes a grid of rows of n cells, or returns nil if none or several of the cells are
// another code in each row.
func strideGrid(cells []block, n int) *grid {
	heads := make([]string, n)
	heads[0], heads[n-1] = "HTTP status", "Description"
	code := -1
	for column := 1; column < n-1; column++ {
		var of []string
		for i := column; i < len(cells); i += n {
			of = append(of, cells[i].text)
		}
		if likenessOf(of) != surely || !distinctTexts(of) {
			continue
		}
		if code >= 0 {
			return nil
		}
		code = column
	}
	if code < 0 {
		return nil
	}
	heads[code] = "Error code"
	g := &grid{line: cells[0].line, headed: true, rows: []gridRow{{line: cells[0].line, cells: heads}}}
	for row := range slices.Chunk(cells, n) {
		g.rows = append(g.rows, gridRow{line: row[0].line, cells: texts(row)})
	}
	return g
}

// distinctTexts reports whether all texts differ.
func distinctTexts(all []string) bool {
	seen := map[string]bool{}
	for _, s := range all {
		if seen[s] {
			return false
		}
		seen[s] = true
	}
	return true
}
