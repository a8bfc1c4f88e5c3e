package vendorpage

import (
	"slices"
	"strings"
)

// deal distributes the cells of one row to the columns, in order and at the lowest cost: a status
// and a code take one cell each, and a text takes several if it must. Numbered paragraphs and equal
// texts show where a text begins. ok is false if no distribution is possible.
func deal(roles []Role, cells []block) (row []string, ok bool) {
	if len(cells) == len(roles) && fits(roles, cells) {
		return texts(cells), true
	}
	d := dealer{roles: roles, cells: cells, looks: make([]look, len(cells))}
	for i, cell := range cells {
		d.looks[i] = look{codeStrength(cell.text) > noCode, others(cell.text), isStatus(cell.text), advice(cell.text), numbered(cell.text)}
	}
	return d.cheapest()
}

// dealer holds what is needed to price a distribution of cells.
type dealer struct {
	roles []Role
	cells []block
	looks []look
}

// look is what a cell looks like. It is computed once, because the search asks for it many times.
type look struct {
	code, other, status, advice bool
	number                      int // its number in a numbered list
}

const (
	maxDeal = 15  // limits the paragraphs of one cell
	never   = 1e6 // the cost of what is impossible
)

// share is a state of the search: column k has taken the cells from h up to i.
type share struct{ k, h, i int }

// cheapest finds the cheapest way to distribute all cells, column by column.
func (d dealer) cheapest() (row []string, ok bool) {
	start := share{k: -1}
	cost, from := map[share]float64{start: 0}, map[share]share{}
	layer := []share{start}
	for k := range d.roles {
		var next []share
		for _, st := range layer {
			for j := st.i; j <= len(d.cells) && j <= st.i+maxDeal; j++ {
				p := cost[st] + d.price(k, st.h, st.i, j)
				if p >= never {
					continue
				}
				to := share{k, st.i, j}
				if old, known := cost[to]; !known || p < old {
					if !known {
						next = append(next, to)
					}
					cost[to], from[to] = p, st
				}
			}
		}
		layer = next
	}
	best, found := share{}, false
	for _, st := range layer {
		if st.i == len(d.cells) && (!found || cost[st] < cost[best]) {
			best, found = st, true
		}
	}
	if !found {
		return texts(d.cells), false
	}
	row = make([]string, len(d.roles))
	for st := best; st.k >= 0; st = from[st] {
		row[st.k] = strings.Join(texts(d.cells[st.h:st.i]), "\n")
	}
	return row, true
}

// price returns the cost of giving cells[i:j] to column k when column k-1 took cells[h:i].
func (d dealer) price(k, h, i, j int) float64 {
	switch d.roles[k] {
	case RoleCode:
		return d.codePrice(i, j-i)
	case RoleStatus:
		return d.statusPrice(i, j-i)
	}
	return d.textPrice(k, h, i, j)
}

// codePrice prices the code, which takes exactly one cell that looks like a code. A cell such as
// "Other" is welcome. A status is not, if statuses have a column of their own.
func (d dealer) codePrice(i, size int) float64 {
	switch {
	case size != 1 || !d.looks[i].code && !d.looks[i].other:
		return never
	case d.looks[i].other:
		return -3
	case d.looks[i].status && slices.Contains(d.roles, RoleStatus):
		return 3
	}
	return 0
}

// statusPrice prices the status, which takes one cell, or none if the row shares the status of the
// row above.
func (d dealer) statusPrice(i, size int) float64 {
	switch {
	case size == 0:
		return 4
	case size > 1 || !d.looks[i].status && !nothing(d.cells[i].text):
		return never
	}
	return 0
}

var (
	emptyPrice = map[Role]float64{RoleMessage: 7, RoleDescription: 6, RoleRemedy: 5, "": 1}     // the cost of a text without a cell
	morePrice  = map[Role]float64{RoleMessage: 1.6, RoleDescription: 1.2, RoleRemedy: 1, "": 2} // the cost of each cell after the first
)

// textPrice prices a text, which takes one cell. Each further cell costs extra: least for a remedy,
// and almost nothing for the paragraphs of a numbered list. A text should not begin inside such a
// list, and advice belongs to the remedy. If a text equals the text of the column before, the page
// filled in both columns.
func (d dealer) textPrice(k, h, i, j int) float64 {
	role, size := d.roles[k], j-i
	if size == 0 {
		return emptyPrice[role]
	}
	cost := float64(size-1) * morePrice[role]
	for x := i; x < j; x++ {
		if v := d.looks[x].number; v > 1 && x == i || v == 1 && x > i {
			cost += 4
		} else if v > 1 && x > i {
			cost -= 0.9
		}
		if isAdvice := d.looks[x].advice; isAdvice && role == RoleMessage || !isAdvice && role == RoleRemedy && x == i {
			cost += 0.4
		}
	}
	if k > 0 && h < i && i-h == size && slices.Equal(texts(d.cells[h:i]), texts(d.cells[i:j])) {
		cost -= 2 + float64(size)
	}
	return cost
}

// numbered returns the number of a paragraph in a numbered list, or 0.
func numbered(s string) int {
	digits := 0
	for digits < len(s) && digits < 2 && s[digits] >= '0' && s[digits] <= '9' {
		digits++
	}
	if digits == 0 || digits >= len(s)-1 || !strings.ContainsAny(s[digits:digits+1], ".)") && !strings.HasPrefix(s[digits:], "、") || s[digits+1] >= '0' && s[digits+1] <= '9' {
		return 0
	}
	n := int(s[0] - '0')
	if digits == 2 {
		n = n*10 + int(s[1]-'0')
	}
	return n
}
