package vendorpage

import (
	"slices"
	"strings"
)

// Role is what a column of a table means to a catalog.
type Role string

// The roles. A column that is none of them has the role "" and is not imported.
const (
	RoleStatus      Role = "status"
	RoleCode        Role = "code"
	RoleMessage     Role = "message"
	RoleDescription Role = "description"
	RoleRemedy      Role = "remedy"
	// RoleStatusCode is the one column of a list of HTTP statuses: there the status is the code.
	RoleStatusCode Role = "status and code"
)

// column is what assign knows of a column: its heading, and shares of its cells (all 1 where cells are not known yet).
type column struct {
	kind    kind
	heading string
	code    float64 // cells that can be codes
	sure    float64 // cells that are numbers or hardly anything but codes
	strong  float64 // cells that hardly can be anything else
	status  float64
	prose   float64
	phrases float64 // cells of more than one word
	blind   bool    // no cells were looked at
}

func columnOf(heading string, cells []string) column {
	c := column{kind: kindOf(heading), heading: normal(heading)}
	filled := 0.0
	for _, cell := range cells {
		if nothing(cell) {
			continue
		}
		filled++
		first, _, _ := strings.Cut(cell, "\n")
		if s := codeStrength(codePart(first)); s > noCode {
			c.code++
			if s >= number {
				c.sure++
			}
			if s == mnemonic {
				c.strong++
			}
		}
		if n, _, ok := status(cell); ok && (n == 0 || registered(n)) {
			c.status++
		}
		if prose(cell) {
			c.prose++
		}
		if prose(cell) || strings.Contains(cell, " ") {
			c.phrases++
		}
	}
	if filled == 0 {
		c.blind = true
		c.code, c.status, c.prose, c.phrases = 1, 1, 1, 1
		return c
	}
	for _, n := range []*float64{&c.code, &c.sure, &c.strong, &c.status, &c.prose, &c.phrases} {
		*n /= filled
	}
	return c
}

// codePart is a code cell without what may stand behind the code: "401 - Invalid Authentication", "MOVED (301)".
func codePart(s string) string {
	code, _, _ := splitCode(s)
	return code
}

// assign says what each column is, from the headings and, where cells are given (by column), from these.
// All roles are "" where the columns are not those of an error table.
//
// In order: the code is the column whose heading says so and whose cells agree, else an error's name, else the
// status; the status is what is called so, or a column of statuses that is only called "code" beside a column
// of names; the message is what is called so, else an error's name, else the first of two descriptions;
// the description is what is called so, else a cause, else a remark; the remedy is what is called so.
func assign(heads []string, cells [][]string) []Role {
	n := len(heads)
	roles := make([]Role, n)
	cols := make([]column, n)
	kinds := make([]kind, n)
	for i, h := range heads {
		var of []string
		if cells != nil {
			of = cells[i]
		}
		cols[i] = columnOf(h, of)
		kinds[i] = cols[i].kind
	}
	if fieldTable(kinds) {
		return roles
	}
	first := func(role Role, want func(c column) bool) int {
		if slices.Contains(roles, role) {
			return slices.Index(roles, role)
		}
		for i, c := range cols {
			if roles[i] == "" && want(c) {
				roles[i] = role
				return i
			}
		}
		return -1
	}

	// The code.
	code, most := -1, 0.0
	for i, c := range cols {
		weight := map[kind]float64{ofCode: 3, ofName: 1}[c.kind]
		switch {
		case c.kind == ofCode && (strings.Contains(c.heading, "err") || strings.Contains(c.heading, "错误")):
			weight = 4
		case c.kind == ofStatus && c.status < 0.5 && c.sure > 0.6:
			weight = 2 // "状态码" over codes of the vendor's own
		case c.kind == ofName && (c.code < 0.6 || !c.blind && c.strong < 0.3 && !aboutErrors.MatchString(c.heading)):
			weight = 0 // "Name" alone heads any table
		}
		if p := weight * (0.05 + c.code); p > most {
			code, most = i, p
		}
	}
	if code >= 0 && cols[code].kind == ofCode && cols[code].status > 0.9 && !cols[code].blind {
		// Statuses that are called codes, beside the codes, which are called errors.
		for i, c := range cols {
			if i != code && (c.kind == ofName || c.kind == ofCode || c.kind == unknown) && c.strong+c.code > 1.5 && !slices.ContainsFunc(cols, func(c column) bool { return c.kind == ofStatus }) {
				roles[code] = RoleStatus
				code = i
				break
			}
		}
	}
	if code >= 0 && cols[code].code < 0.3 && !cols[code].blind && cols[code].status < 0.5 {
		return make([]Role, n)
	}
	if code >= 0 {
		roles[code] = RoleCode
	}

	// The status.
	s := first(RoleStatus, func(c column) bool { return c.kind == ofStatus && c.status >= 0.5 })
	if s < 0 && code >= 0 {
		s = first(RoleStatus, func(c column) bool { return (c.kind == unknown || c.kind == ofCode) && c.status > 0.9 && !c.blind })
	}
	if s < 0 && code < 0 {
		s = first(RoleStatus, func(c column) bool {
			return (c.kind == unknown || c.kind == ofAttribute) && c.status > 0.95 && !c.blind
		})
	}
	if s >= 0 && code < 0 {
		// A list of HTTP statuses: unless codes stand beside them, in a column whose heading does not say so.
		if code = slices.IndexFunc(cols, func(c column) bool { return c.kind == unknown && c.strong > 0.8 && !c.blind }); code >= 0 {
			roles[code] = RoleCode
		}
	}
	switch {
	case code < 0 && s < 0:
		return roles
	case code < 0:
		roles[s] = RoleStatusCode
		if cells == nil {
			roles[s] = RoleCode
		}
	case s < 0 && cols[code].status > 0.9 && !cols[code].blind:
		roles[code] = RoleStatusCode
	}

	// The texts.
	message := first(RoleMessage, func(c column) bool { return c.kind == ofMessage })
	if message < 0 {
		message = first(RoleMessage, func(c column) bool { return c.kind == ofName })
	}
	if message < 0 {
		described := 0
		for i, c := range cols {
			if roles[i] == "" && (c.kind == ofText || c.kind == ofCause) {
				described++
			}
		}
		if described > 1 { // a bare "Reason" before an explanation is the phrase that comes with a response
			message = first(RoleMessage, func(c column) bool { return c.kind == ofText || c.heading == "reason" })
		}
	}
	description := first(RoleDescription, func(c column) bool { return c.kind == ofText })
	if description < 0 {
		description = first(RoleDescription, func(c column) bool { return c.kind == ofCause })
	}
	if description < 0 {
		description = first(RoleDescription, func(c column) bool { return c.kind == ofNote && c.phrases > 0.5 })
	}
	remedy := first(RoleRemedy, func(c column) bool { return c.kind == ofRemedy })
	if message < 0 && description < 0 {
		description = first(RoleDescription, func(c column) bool { return c.kind == unknown && c.prose > 0.5 })
	}
	if message < 0 && description < 0 && remedy < 0 {
		if first(RoleDescription, func(c column) bool { return c.kind == ofAttribute && c.prose > 0.5 }) < 0 {
			return make([]Role, n)
		}
	}
	return roles
}
