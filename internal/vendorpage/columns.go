package vendorpage

import (
	"slices"
	"strings"
	"unicode"

	regexp "errata/internal/lazyregexp"
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
	// RoleStatusCode is the key column of a list of HTTP statuses, where the status is the code.
	RoleStatusCode Role = "status and code"
)

// column is what is known about a column: its heading, and shares of its cells (all 1 while the
// cells are unknown).
type column struct {
	kind    kind
	heading string
	code    float64 // cells that can be codes
	sure    float64 // cells that are numbers or hardly anything but codes
	strong  float64 // cells that are hardly anything but codes
	joined  float64 // cells that are several words written as one
	status  float64
	prose   float64
	phrases float64 // cells of more than one word
	blind   bool    // no cells were looked at
	looks   likeness
	listed  bool // the vocabulary has the heading
	english bool // the heading says that the cells are in English

	negative bool    // its cells are negative numbers, apart from 0
	numbers  float64 // cells that are numbers, perhaps in base 16
	names    bool    // each of its cells is another name
}

func columnOf(heading string, cells []string) column {
	c := column{heading: normal(heading), listed: inVocabulary(heading), english: saysEnglish.MatchString(heading)}
	c.kind = kindOfNormal(heading, c.heading)
	filled := 0.0
	for _, cell := range cells {
		if nothing(cell) {
			continue
		}
		filled++
		first, _, _ := strings.Cut(cell, "\n")
		if c.kind == ofCode && spacedCode.MatchString(first) && !isStatus(first) {
			c.code, c.sure = c.code+1, c.sure+1
		} else if s := codeStrength(codePart(first)); s > noCode {
			c.code++
			if s >= number {
				c.sure++
			}
			if integer.MatchString(first) || hex.MatchString(first) {
				c.numbers++
			}
			if s == mnemonic {
				c.strong++
				if camel(first) || strings.Contains(first, "_") {
					c.joined++
				}
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
	for _, n := range []*float64{&c.code, &c.sure, &c.strong, &c.numbers, &c.joined, &c.status, &c.prose, &c.phrases} {
		*n /= filled
	}
	c.names = namesOnly(cells)
	if c.code >= 0.9 && c.status <= 0.5 {
		c.looks = likenessOf(cells)
		c.negative = !slices.ContainsFunc(cells, func(cell string) bool { return !nothing(cell) && cell[0] != '-' && cell != "0" })
	}
	return c
}

// namesOnly reports whether the cells are names of something, each of something else: words with
// letters, none of which answers a question or grades.
func namesOnly(cells []string) bool {
	seen := map[string]bool{}
	for _, c := range cells {
		if nothing(c) {
			return false
		}
		if seen[c] || !strings.ContainsFunc(c, unicode.IsLetter) || hex.MatchString(c) || grades[strings.ToLower(c)] || len(c) > 80 || strings.ContainsAny(c, "\n{}/") {
			return false
		}
		seen[c] = true
	}
	return len(cells) > 2
}

// promise returns how strongly the heading promises that the column holds the codes; 0 means not at
// all.
func (c column) promise() float64 {
	switch c.kind {
	case ofCode:
		if strings.HasPrefix(c.heading, "sqlstate") {
			return 2 // it stands beside the product's own codes
		}
		if saysError.MatchString(c.heading) {
			return 4
		}
		return 3
	case ofStatus:
		if c.status < 0.5 && c.sure > 0.6 {
			return 2 // "状态码" (status code) over the vendor's own codes
		}
	case ofName:
		if c.code >= 0.6 && (c.blind || c.strong >= 0.3 || aboutErrors.MatchString(c.heading) || c.sure > 0.9 && calledCode.MatchString(c.heading)) {
			return 1 // "Name" alone may head any table
		}
	}
	return 0
}

// saysError matches a heading that calls its codes those of errors.
var saysError = regexp.MustCompile(`err|错误|錯誤|エラー|오류|에러|fehler|ошиб|błęd|hata|lỗi|\bfout|felkod|fejl|feil|chyb|خط[أا]|\bhiba|eroare|помил|грешк|σφάλμα|ข้อผิดพลาด|שגיא|virhe|kesalahan|galat`)

// assignment is a table whose columns are being given roles.
type assignment struct {
	cols   []column
	roles  []Role
	code   int // the column of the codes, -1 if none
	blind  bool
	rivals []int // columns of which each may hold the codes
}

// assign decides the role of each column from the headings and, if cells are given (one slice per
// column), from the cells. All roles are "" if the columns are not those of an error table.
func assign(heads []string, cells [][]string) []Role {
	roles, _ := assignOrRivals(heads, cells)
	return roles
}

// assignOrRivals is assign that also returns the columns of which each may hold the codes, if the
// table has no roles for that reason.
func assignOrRivals(heads []string, cells [][]string) (roles []Role, rivals []int) {
	cols := make([]column, len(heads))
	for i, h := range heads {
		var of []string
		if cells != nil {
			of = cells[i]
		}
		cols[i] = columnOf(h, of)
	}
	return assignColumns(cols, cells == nil)
}

// assignColumns is assignOrRivals for columns that are known; blind says that this is from their
// headings alone.
//
// The key comes first: the code (findCode), then the status, or a status that is the code
// (findStatus). Then each text takes the first column that a rule finds for it (textRules).
func assignColumns(cols []column, blind bool) (roles []Role, rivals []int) {
	recast(cols)
	a := assignment{cols: cols, roles: make([]Role, len(cols)), code: -1, blind: blind}
	if fieldTable(kinds(cols)) || !a.findCode() || !a.findStatus() || !a.findTexts() {
		return make([]Role, len(cols)), nil
	}
	if a.rivals != nil {
		return make([]Role, len(cols)), a.rivals
	}
	return a.roles, nil
}

// recast takes a column of different long or negative numbers for codes although its heading says
// parameters, which have names and not numbers.
func recast(cols []column) {
	heading := func(h string) int {
		return slices.IndexFunc(cols, func(c column) bool { return c.heading == h })
	}
	if text := heading("text"); text >= 0 && heading("title") >= 0 && !slices.Contains(kinds(cols), ofText) {
		cols[text].kind = ofText // below its title
	}
	for i, c := range cols {
		switch {
		case c.kind == ofCode || c.kind == ofStatus:
			return
		case c.kind == ofField && c.looks == surely && c.sure > 0.9 && c.strong == 0 && parameterHeads[c.heading]:
			cols[i].kind = ofCode
			return
		}
	}
}

var parameterHeads = map[string]bool{"参数": true, "参数名": true, "字段": true, "parameter": true, "field": true, "параметр": true, "parámetro": true, "parâmetro": true, "파라미터": true, "パラメータ": true}

// idHeads are the headings of an error's number beside its HTTP status.
var idHeads = map[string]bool{"id": true, "идентификатор": true, "identyfikator": true, "identificador": true, "identifiant": true, "identificativo": true, "标识": true, "識別子": true, "ідентифікатор": true}

// typeHeads are the headings of an error's type, which is a field elsewhere.
var typeHeads = map[string]bool{"type": true, "类型": true, "タイプ": true, "타입": true, "typ": true, "tipo": true, "тип": true}

func kinds(cols []column) (all []kind) {
	for _, c := range cols {
		all = append(all, c.kind)
	}
	return all
}

// findCode finds the column of the codes: its heading promises codes, and its cells keep the
// promise. A table may have no such column, because a list of HTTP statuses needs none. findCode
// returns false if the cells prove the heading wrong.
func (a *assignment) findCode() bool {
	most := 0.0
	for i, c := range a.cols {
		if p := c.promise() * (0.05 + c.code); p > most {
			a.code, most = i, p
		}
	}
	if a.code < 0 {
		return true
	}
	a.findNamedRivals()
	a.preferValue()
	a.uncoverCode()
	if c := a.cols[a.code]; c.code < 0.3 && !c.blind && c.status < 0.5 {
		return false
	}
	a.roles[a.code] = RoleCode
	return true
}

// preferValue takes the negative values of an enumeration (Name, Value, Description) for the codes,
// because responses contain them and not the names. Other values beside names and statuses may be
// the codes as well as the names.
func (a *assignment) preferValue() {
	name := a.cols[a.code]
	if name.kind != ofName {
		return
	}
	value := slices.IndexFunc(a.cols, func(c column) bool { return valueHeads[c.heading] && c.looks == surely && c.strong == 0 })
	switch {
	case value < 0:
	case a.cols[value].negative:
		a.code = value
	case name.looks == surely && slices.ContainsFunc(a.cols, func(c column) bool { return c.status > 0.9 && !c.blind }):
		a.rivals = []int{a.code, value}
	}
}

// valueHeads are the headings of an enumeration's values.
var valueHeads = map[string]bool{"value": true, "numeric value": true, "integer value": true, "int value": true, "int": true, "number": true, "wert": true, "valor": true, "valeur": true, "valore": true, "значение": true, "值": true, "数值": true, "値": true, "값": true}

// findNamedRivals finds other columns whose headings promise the codes just as strongly as the one
// that was chosen, and whose cells keep the promise too.
func (a *assignment) findNamedRivals() {
	chosen := a.cols[a.code]
	if chosen.kind != ofCode || chosen.looks != surely {
		return
	}
	rivals := []int{a.code}
	for i, c := range a.cols {
		if i != a.code && c.kind == ofCode && c.looks == surely && c.promise() == chosen.promise() && c.heading != chosen.heading && c.qualified() == chosen.qualified() && c.listed == chosen.listed {
			rivals = append(rivals, i)
		}
	}
	if len(rivals) > 1 {
		a.rivals = rivals
	}
}

// qualified reports whether the heading names codes of some other kind, such as "Spec code".
func (c column) qualified() bool {
	return someCode.MatchString(c.heading) && vocabulary[c.heading] == unknown
}

// uncoverCode corrects the choice of a column of statuses called "code" when the codes are in
// another column, called "error" or by an unknown heading. An "error code ID" is no status.
func (a *assignment) uncoverCode() {
	found := a.cols[a.code]
	if found.kind != ofCode || found.status <= 0.9 || found.blind || calledNumber.MatchString(found.heading) || slices.ContainsFunc(a.cols, func(c column) bool { return c.kind == ofStatus && c.status >= 0.5 }) {
		return
	}
	status := a.code
	switch sure, _ := a.candidates(status); len(sure) {
	case 0:
		a.code = slices.IndexFunc(a.cols, func(c column) bool {
			return (c.kind == ofName || c.kind == ofCode || c.kind == unknown) && c.status <= 0.9 && c.strong+c.code > 1.5
		})
	case 1:
		a.code = sure[0]
	default:
		a.code, a.rivals = sure[0], sure
	}
	if a.code < 0 {
		a.code = status
		return
	}
	a.roles[status] = RoleStatus
}

// calledNumber matches the headings of a number that is not a status, whatever it looks like.
var calledNumber = regexp.MustCompile(`(?i)(?:\b(?:id|number|no|num)|编号|号|번호|番号)$`)

// candidates lists the columns besides the statuses that may hold the codes although no heading
// says so: those whose cells look like codes, surely or maybe.
func (a *assignment) candidates(status int) (sure, maybe []int) {
	for i, c := range a.cols {
		if i == status || a.roles[i] != "" {
			continue
		}
		switch c.kind {
		case unknown, ofName, ofCode, ofStatus:
			if c.kind == ofStatus && c.status >= 0.5 {
				continue
			}
			if idHeads[c.heading] && c.sure > 0.9 && c.looks == perhaps {
				sure = append(sure, i)
				continue
			}
		case ofField, ofAttribute:
			if idHeads[c.heading] && c.sure > 0.9 && c.looks == perhaps {
				sure = append(sure, i)
				continue
			}
			if c.strong < 0.9 {
				continue
			}
		default:
			continue
		}
		switch {
		case c.looks == surely || c.kind == unknown && c.strong > 0.8 && c.looks != unlike && !c.blind:
			sure = append(sure, i)
		case c.looks == perhaps && c.kind == unknown:
			maybe = append(maybe, i)
		}
	}
	return sure, maybe
}

// findUnnamedCode finds the codes beside the statuses if no heading names them. If several columns
// may hold them, or if it is doubtful whether one does, these columns are rivals.
func (a *assignment) findUnnamedCode(status int) {
	sure, maybe := a.candidates(status)
	switch {
	case len(sure) > 1:
		a.code, a.rivals = sure[0], sure
	case len(sure) == 1:
		a.code = sure[0]
	case len(maybe) > 0:
		a.code, a.rivals = maybe[0], append(maybe, status)
	default:
		return
	}
	a.roles[a.code] = RoleCode
}

// findStatus finds the column of the statuses and decides whether the statuses are the codes. It
// returns false if the table has neither codes nor statuses.
func (a *assignment) findStatus() bool {
	for _, r := range statusRules {
		a.apply(r)
	}
	s := slices.Index(a.roles, RoleStatus)
	if s >= 0 && a.code < 0 && !a.blind {
		a.findUnnamedCode(s)
	}
	switch {
	case a.code < 0 && s < 0:
		return false
	case a.code < 0 && a.blind:
		a.roles[s] = RoleCode
	case a.code < 0:
		a.roles[s] = RoleStatusCode
	case s < 0 && a.cols[a.code].status > 0.9 && !a.cols[a.code].blind && !calledNumber.MatchString(a.cols[a.code].heading):
		a.roles[a.code] = RoleStatusCode
	}
	return true
}

// findTexts finds the columns of the texts. It returns false if the table has none, because codes
// without texts explain nothing.
func (a *assignment) findTexts() bool {
	for _, r := range textRules {
		a.apply(r)
	}
	a.findNames()
	a.findConstants()
	return a.has(RoleMessage) || a.has(RoleDescription) || a.has(RoleRemedy)
}

// findNames takes the names between the codes and the descriptions for the messages, whatever
// their heading says: each of them is another one. Beside a text in English there is the same in
// another language.
func (a *assignment) findNames() {
	text := slices.Index(a.roles, RoleDescription)
	if a.has(RoleMessage) || a.code < 0 || a.roles[a.code] != RoleCode || text < 0 || a.cols[text].kind == unknown && a.cols[text].english {
		return
	}
	for _, i := range []int{a.code + 1, a.code - 1} {
		if i >= 0 && i < text && a.roles[i] == "" && a.cols[i].kind == unknown && a.cols[i].heading != "" && a.cols[i].names && a.cols[i].status < 0.5 {
			a.roles[i] = RoleMessage
			return
		}
	}
}

// namedOnly reports whether the messages are names such as E_NO_BOX, and not texts.
func (a *assignment) namedOnly() bool {
	m := slices.Index(a.roles, RoleMessage)
	return m >= 0 && a.cols[m].kind == ofName && a.cols[m].strong > 0.8 && !a.cols[m].blind
}

// findConstants takes the constants beside numbers, below a heading that says codes too, for the
// messages if there is no text: responses contain the numbers.
func (a *assignment) findConstants() {
	if a.has(RoleMessage) || a.has(RoleDescription) || a.has(RoleRemedy) || a.code < 0 || a.blind {
		return
	}
	numbers := slices.IndexFunc(a.cols, func(c column) bool { return c.kind == ofCode && c.numbers > 0.6 })
	names := slices.IndexFunc(a.cols, func(c column) bool { return c.kind == ofCode && c.names && c.strong > 0.6 && c.numbers == 0 })
	if numbers >= 0 && names >= 0 && a.rivals == nil {
		a.code, a.roles[a.code] = numbers, ""
		a.roles[numbers], a.roles[names] = RoleCode, RoleMessage
	}
}

func (a *assignment) has(r Role) bool { return slices.Contains(a.roles, r) }

// listed reports whether a column without a role has a heading of the given kind.
func (a *assignment) listed(k kind) bool {
	for i, c := range a.cols {
		if a.roles[i] == "" && c.kind == k {
			return true
		}
	}
	return false
}

// described counts the columns that describe the error and have no role yet.
func (a *assignment) described() (n int) {
	for i, c := range a.cols {
		if a.roles[i] == "" && (c.kind == ofText || c.kind == ofCause) {
			n++
		}
	}
	return n
}

// apply assigns the rule's role to the first column without a role that the rule holds for. It does
// nothing if a column has that role already.
func (a *assignment) apply(r rule) {
	if a.has(r.role) || r.unless != nil && r.unless(a) {
		return
	}
	for i, c := range a.cols {
		if a.roles[i] == "" && r.holds(c) {
			a.roles[i] = r.role
			return
		}
	}
}

// rule is one way to tell which column has a role.
type rule struct {
	role   Role
	unless func(a *assignment) bool // when the rule does not apply; nil: it always applies
	holds  func(c column) bool
}

// statusRules find the column of the statuses. The first rule that holds wins.
var statusRules = []rule{
	// The heading says so.
	{RoleStatus, nil, func(c column) bool { return c.kind == ofStatus && c.status >= 0.5 }},
	// It mentions HTTP or a status, and its cells are statuses: "HTTP Status Category".
	{RoleStatus, nil, func(c column) bool {
		return c.kind == ofAttribute && saysStatus.MatchString(c.heading) && c.status > 0.9 && !c.blind
	}},
	// Next to the codes: a second column of codes, or a column with an unknown heading, that holds
	// statuses.
	{RoleStatus, func(a *assignment) bool { return a.code < 0 },
		func(c column) bool {
			return (c.kind == unknown || c.kind == ofCode || c.kind == ofName) && c.status > 0.9 && !c.blind
		}},
	// Without codes: a column of almost nothing but statuses.
	{RoleStatus, func(a *assignment) bool { return a.code >= 0 },
		func(c column) bool {
			return (c.kind == unknown || c.kind == ofAttribute) && c.status > 0.95 && !c.blind
		}},
}

// saysStatus matches a heading that mentions HTTP or a status.
var saysStatus = regexp.MustCompile(`http|status|状态|狀態|ステータス|상태|статус`)

// textRules find the columns of the texts. Among the rules of one role, the first that holds wins.
var textRules = []rule{
	// Of messages in several languages, the English one.
	{RoleMessage, nil, func(c column) bool { return c.kind == ofMessage && c.english }},
	{RoleMessage, nil, func(c column) bool { return c.kind == ofMessage }},
	// An error's name, if it is not the code: rather one in words.
	{RoleMessage, func(a *assignment) bool { return a.blind }, func(c column) bool { return c.kind == ofName && c.phrases > 0.5 }},
	{RoleMessage, nil, func(c column) bool { return c.kind == ofName }},
	// The names of statuses that are no HTTP statuses: "QueueFailure".
	{RoleMessage, func(a *assignment) bool { return a.listed(ofMessage) || a.listed(ofName) }, func(c column) bool { return c.kind == ofStatus && c.joined > 0.8 && c.looks == surely }},
	// A type that is a phrase: "Invalid Parameters".
	{RoleMessage, func(a *assignment) bool { return a.listed(ofMessage) || a.listed(ofName) || a.blind }, func(c column) bool { return typeHeads[c.heading] && c.phrases > 0.5 && c.kind == ofField }},
	// A phrase under a heading that speaks of errors: "Nome do erro".
	{RoleMessage, func(a *assignment) bool { return a.listed(ofMessage) || a.blind }, func(c column) bool { return c.kind == unknown && c.phrases > 0.5 && saysError.MatchString(c.heading) }},
	// The first of two descriptions. A bare "Reason" before an explanation is the reason phrase of
	// the response.
	{RoleMessage, func(a *assignment) bool { return a.described() < 2 }, func(c column) bool { return c.kind == ofText || c.heading == "reason" }},
	{RoleDescription, nil, func(c column) bool { return c.kind == ofText }},
	// A cause describes the error if nothing else does, and so does a remark.
	{RoleDescription, nil, func(c column) bool { return c.kind == ofCause }},
	{RoleDescription, nil, func(c column) bool { return c.kind == ofNote && c.phrases > 0.5 }},
	// A second text called a message, if it is none in another language.
	{RoleDescription, func(a *assignment) bool {
		return slices.ContainsFunc(a.cols, func(c column) bool { return c.english })
	}, func(c column) bool { return c.kind == ofMessage && c.phrases > 0.5 && !c.blind }},
	{RoleRemedy, nil, func(c column) bool { return c.kind == ofRemedy }},
	// Of texts in several languages, the English one.
	{RoleDescription, func(a *assignment) bool { return a.has(RoleMessage) }, func(c column) bool { return c.kind == unknown && c.phrases > 0.5 && c.english }},
	// If nothing says what the error is, prose under an unknown heading does.
	{RoleDescription, func(a *assignment) bool { return a.has(RoleMessage) }, func(c column) bool { return c.kind == unknown && c.prose > 0.5 }},
	// Beside names that are no words, a text under an unknown heading.
	{RoleDescription, func(a *assignment) bool { return !a.namedOnly() }, func(c column) bool { return c.kind == unknown && c.phrases > 0.5 }},
	// If there is no text at all, prose that is otherwise left out, such as "System action".
	{RoleDescription, func(a *assignment) bool { return a.has(RoleMessage) || a.has(RoleRemedy) }, func(c column) bool { return c.kind == ofAttribute && c.prose > 0.5 }},
}

// saysEnglish matches the heading of a text in English beside those in other languages: "English",
// "Message (EN)".
var saysEnglish = regexp.MustCompile(`(?i)\b(?:english|englisch|anglais|inglese|inggris|ingilizce)\b|\bingl[eéê]s|англий|англій|英文|英语|英語|영어|영문|(?:^|[\s(_/-])en\)?$`)

// assignBare decides the roles of columns without headings. Such a table needs a column of nothing
// but codes, and texts that read like prose; otherwise all roles are "". Plain numbers may be codes
// if the text above mentions errors, and short ones if it announces codes.
func assignBare(cells [][]string, above topic) []Role {
	cols := make([]column, len(cells))
	for i, of := range cells {
		if len(of) > 0 && kindOf(of[0]) == ofField {
			return make([]Role, len(cells))
		}
		cols[i] = columnOf("", of)
	}
	roles := bareKey(cols)
	if above.about() && !slices.Contains(roles, RoleCode) && len(cols) > 1 && (integers(cells[0]) || above == ofCodes && different(cells[0])) && cols[0].status <= 0.95 {
		roles[0] = RoleCode
	}
	texts, prose := bareTexts(cols, roles, cells)
	if !slices.Contains(roles, RoleCode) && !slices.Contains(roles, RoleStatusCode) || !prose {
		return make([]Role, len(cells))
	}
	order := []Role{RoleMessage, RoleDescription, RoleRemedy}
	if len(texts) == 1 {
		order = []Role{RoleDescription}
	}
	for n, i := range texts[:min(len(texts), len(order))] {
		roles[i] = order[n]
	}
	return roles
}

// integers reports whether cells are different numbers of any length that do not just count.
func integers(cells []string) bool {
	return different(cells) && slices.ContainsFunc(cells, func(c string) bool { return len(c) >= 3 })
}

// different reports whether cells are different numbers.
func different(cells []string) bool {
	seen := map[string]bool{}
	for _, c := range cells {
		if !integer.MatchString(c) || seen[c] {
			return false
		}
		seen[c] = true
	}
	return len(cells) > 2
}

// bareKey finds the status and the code among columns without headings, by their cells alone. If
// there is no code, the status is the code.
func bareKey(cols []column) []Role {
	roles := make([]Role, len(cols))
	for i, c := range cols {
		switch {
		case c.blind:
		case c.status > 0.95 && !slices.Contains(roles, RoleStatus):
			roles[i] = RoleStatus
		case c.code > 0.95 && c.strong > 0.6 && !slices.Contains(roles, RoleCode):
			roles[i] = RoleCode
		}
	}
	if s := slices.Index(roles, RoleStatus); s >= 0 && !slices.Contains(roles, RoleCode) {
		roles[s] = RoleStatusCode
	}
	if c := slices.Index(roles, RoleCode); c > 0 && roles[c-1] == "" && cols[c-1].negative { // the names of negative numbers
		roles[c-1], roles[c] = RoleCode, RoleMessage
	}
	return roles
}

// bareTexts lists the columns without a role whose cells are texts. prose reports whether at least
// one of them reads like sentences.
func bareTexts(cols []column, roles []Role, cells [][]string) (texts []int, prose bool) {
	for i, c := range cols {
		if roles[i] == "" && !c.blind && (c.prose > 0.5 || c.code < 0.5 || c.strong == 0 && !integer.MatchString(cells[i][0])) {
			texts = append(texts, i)
			prose = prose || c.prose > 0.5
		}
	}
	return texts, prose
}
