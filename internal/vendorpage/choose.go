package vendorpage

import (
	"slices"
	"strconv"
	"strings"

	regexp "errata/internal/lazyregexp"
)

// accepted summarizes the tables that need no other table to vouch for them.
type accepted struct {
	shapes   map[string]bool // of their codes
	builds   map[string]bool
	codes    int             // rows whose codes are not statuses
	headed   int             // rows of tables with headings
	numbered map[string]int  // tables whose codes are numbers, by their headings
	marked   map[string]bool // the marks and shapes of lists that convince

	ofStatuses bool // the page's title says that it is about HTTP statuses
}

// agree gives tables with the same headings the codes in the same column: that of the table with
// the most rows. Numbers such as 300 alone may look like HTTP statuses, and names beside them like
// the codes. A table too short to tell has them there if they have the same shapes.
func agree(all []*reading) {
	most := map[string]*reading{}
	key := func(r *reading) int {
		return slices.IndexFunc(r.table.Columns, func(c Column) bool { return isKey(c.Role) })
	}
	for _, r := range all {
		if is := r.headings(); r.of.heads != nil && r.table.LeftOut == "" && (most[is] == nil || len(r.rows) > len(most[is].rows)) {
			most[is] = r
		}
	}
	for i, r := range all {
		m := most[r.headings()]
		if m == nil || r.of.heads == nil || key(r) == key(m) {
			continue
		}
		if key(r) >= 0 || m.hasShapes(r.of.rows, key(m)) {
			roles := make([]Role, len(m.table.Columns))
			for i, c := range m.table.Columns {
				roles[i] = c.Role
			}
			all[i] = r.of.read(roles)
		}
	}
}

// hasShapes reports whether the cells of a column are codes with the shapes of a table's codes.
func (r *reading) hasShapes(rows []gridRow, column int) bool {
	shapes := map[string]bool{}
	for _, row := range r.rows {
		shapes[shape(row.Code)] = true
	}
	return !slices.ContainsFunc(rows, func(row gridRow) bool {
		code := ""
		if column < len(row.cells) {
			code = codePart(row.cells[column])
		}
		return codeStrength(code) != mnemonic || !shapes[shape(code)]
	})
}

// choose decides between the tables of a page. A list of HTTP statuses next to tables of codes
// explains those codes and is not imported. A table without headings counts only if no other table
// does, or if its codes look like those of the other tables. What the page's title is about counts
// too.
func choose(all []*reading, title string) {
	titled := aboutErrors.MatchString(title) || announcesCodes.MatchString(title)
	page := accept(all, titled)
	for _, r := range all {
		if r.ownTexts && page.numbered[r.headings()] > 1 {
			r.statuses = false // numbers like those of the other tables
			for i := range r.rows {
				r.rows[i].Status = 0
			}
		}
	}
	page.ofStatuses = aboutStatuses.MatchString(title)
	for _, r := range all {
		if r.table.LeftOut == "" {
			r.table.LeftOut = page.refuse(r, titled)
		}
	}
}

// accept summarizes the tables that need no other table to vouch for them.
func accept(all []*reading, titled bool) accepted {
	page := accepted{shapes: map[string]bool{}, builds: map[string]bool{}, marked: map[string]bool{}, numbered: map[string]int{}}
	for _, r := range all {
		if r.table.LeftOut == "" && r.mark != "" && r.convincing(titled) {
			for _, row := range r.rows {
				page.marked[r.mark+" "+build(row.Code)] = true
			}
		}
		if r.table.LeftOut != "" || r.named && !r.convincing(titled) {
			continue
		}
		if !r.statuses && (!r.bare || r.convincing(titled)) {
			page.codes += len(r.rows)
		}
		if !r.bare && !r.statuses && r.most(func(row Row) bool { return integer.MatchString(row.Code) }) {
			page.numbered[r.headings()]++
		}
		if !r.bare && !r.statuses {
			for _, row := range r.rows {
				page.shapes[shape(row.Code)] = true
			}
			if !r.named {
				for _, row := range r.rows {
					page.builds[build(row.Code)] = true
				}
			}
			page.headed += len(r.rows)
		}
	}
	return page
}

// headings returns the headings of a table, to compare them with those of another.
func (r *reading) headings() string {
	var all []string
	for _, c := range r.table.Columns {
		all = append(all, normal(c.Heading))
	}
	return strings.Join(all, "|")
}

// refuse returns the reason why a table is not imported, or "" if it is imported.
func (a accepted) refuse(r *reading, titled bool) string {
	switch {
	case (r.bare || r.named) && !r.statuses && len(r.rows) > 0 && !r.convincing(titled) && !a.continues(r):
		return "nothing says that its names are error codes"
	case len(r.rows) == 0 && len(r.unplaced) == 0 && r.fallback == (Fallback{}):
		return "no rows"
	case r.statuses && a.codes > 0:
		return "a list of HTTP statuses beside the codes"
	case r.plainly, r.phrased && !a.ofStatuses:
		return "a list of HTTP statuses, which are no codes of the vendor's; the family HTTP explains them"
	case r.bare && a.headed > 0 && a.alike(r.rows)*2 <= len(r.rows) && !r.announced():
		return "no headings, and its codes do not look like those of the other tables"
	case r.named && len(a.builds) > 0 && 2*r.count(func(row Row) bool { return a.builds[build(row.Code)] }) <= len(r.rows):
		return "its headings do not name codes, as those of other tables do, and its values look otherwise"
	}
	return ""
}

// longList is the least number of rows of a list without headings that needs no other table to look
// like it. Shorter ones may be the results of a check, such as that of an address.
const longList = 8

// announced reports whether the text above announces codes, and the table is a long list of
// headings, or of different numbers with texts of which most say what is wrong.
func (r *reading) announced() bool {
	if r.codes && len(r.rows) >= longList && strings.HasPrefix(r.mark, "#") {
		return true
	}
	return r.codes && r.manyNumbers() && !r.counts() && 10*r.count(Row.saysFault) >= 6*len(r.rows)
}

// manyNumbers reports whether the table is a long list of different numbers.
func (r *reading) manyNumbers() bool {
	codes := make([]string, len(r.rows))
	for i, row := range r.rows {
		codes[i] = row.Code
	}
	return len(codes) >= longList && different(codes)
}

// continues reports whether a list has the marks and the shapes of codes of another list, which
// convinces.
func (a accepted) continues(r *reading) bool {
	numbered := r.count(func(row Row) bool { return strings.ContainsFunc(row.Code, digit) }) == len(r.rows)
	faults := r.count(func(row Row) bool { return row.saysFault() || faultWords.MatchString(row.Code) })
	return r.mark != "" && (numbered || 2*faults >= len(r.rows)) &&
		!slices.ContainsFunc(r.rows, func(row Row) bool { return !a.marked[r.mark+" "+build(row.Code)] })
}

// build is shape for a code of which digits alone would say too little: numbers of four digits or
// more look alike if they have as many. Shorter ones look like no other.
func build(code string) string {
	if codeStrength(code) == mnemonic {
		return shape(code)
	}
	if len(code) < 4 {
		return code
	}
	return nines(code)
}

// alike counts the rows whose codes look like accepted ones.
func (a accepted) alike(rows []Row) (n int) {
	for _, row := range rows {
		if a.shapes[shape(row.Code)] && codeStrength(row.Code) == mnemonic {
			n++
		}
	}
	return n
}

var (
	faultWords = regexp.MustCompile(`(?i)error|exception|invalid|denied|required|revoked|failure|not_?found|no_?such|fail|limit|expired|missing|unauth|forbidden|timeout|exceed|unavail|conflict|unknown|unsupported|mismatch|closed|refused|err_|_err`)
	year       = regexp.MustCompile(`^(?:19|20)\d\d$`)
	numbering  = regexp.MustCompile(`^-\d+$|^(?:[A-Za-z][A-Za-z]*[-_.]?)?\d{3,}[A-Z]?$`)
)

// convincing reports whether a table is one of error codes although no heading proves it. Either
// statuses or remedies accompany its codes; or its codes are numbered or negative, and the page is
// about errors; or its codes are words, which follow a line about errors or name errors themselves
// ("InvalidToken"), and its texts read like sentences; or the text above announces codes.
func (r *reading) convincing(titled bool) bool {
	n := len(r.rows)
	about := titled || r.about
	switch {
	case 2*r.count(func(row Row) bool { return row.Status > 0 || row.Remedy != "" }) >= n:
		return true
	case r.most(func(row Row) bool { return year.MatchString(row.Code) }) && !r.codes && !(about && r.most(Row.saysFault)):
		return false
	case r.numbersConvince(about, titled), n >= 3 && r.most(Row.namesFault):
		return true
	case about && (!r.named || titled && r.constants()) && n >= 3 && (r.likeCodes() || r.manyNumbers()) && !r.counts() && 10*r.count(Row.saysFault) >= 6*n:
		return true
	case r.listsFaults():
		return true
	}
	return 2*r.count(func(row Row) bool { return prose(row.Description) || prose(row.Message) }) >= n && r.textsConvince(about)
}

// listsFaults reports whether a list of names is one of errors by itself: nearly all its texts say
// what is wrong, and so do some of its names.
func (r *reading) listsFaults() bool {
	n := len(r.rows)
	return n >= 5 && !r.named && r.likeCodes() && r.most(func(row Row) bool { return codeStrength(row.Code) == mnemonic }) &&
		10*r.count(Row.saysFault) >= 9*n && 10*r.count(func(row Row) bool { return faultWords.MatchString(row.Code) }) >= 3*n
}

// constants reports whether the codes are in capital letters, which the members of a message are
// not.
func (r *reading) constants() bool {
	return r.most(func(row Row) bool {
		return len(row.Code) > 3 && isUpper(row.Code) && row.Code == strings.ToUpper(row.Code)
	})
}

// numbersConvince is convincing for a table whose codes are numbers.
func (r *reading) numbersConvince(about, titled bool) bool {
	switch integers := r.most(func(row Row) bool { return integer.MatchString(row.Code) }); {
	case about && r.most(func(row Row) bool { return row.Code[0] == '-' }):
		return true
	case !integers:
		return false
	case about && r.count(func(row Row) bool { return row.Code[0] == '-' }) > 2 && 10*r.count(Row.saysFault) >= 6*len(r.rows):
		return true
	case r.drawn && r.about, r.named && (titled || r.about && r.most(Row.saysFault)):
		return true
	}
	return r.bare && !r.counts() && (r.codes || strings.HasPrefix(r.mark, "#") && about)
}

// namesFault reports whether the message is the name of an error: ERROR_CLOSED.
func (r Row) namesFault() bool {
	return codeStrength(r.Message) == mnemonic && faultWords.MatchString(r.Message)
}

// textsConvince is convincing for a table whose texts read like sentences.
func (r *reading) textsConvince(about bool) bool {
	switch {
	case r.most(func(row Row) bool { return numbering.MatchString(row.Code) }):
		return about
	case r.codes && !r.named && r.likeCodes():
		return true
	}
	n, faults := len(r.rows), r.count(func(row Row) bool {
		return faultWords.MatchString(strings.TrimPrefix(row.Code, "error_")) // error_code is a member of a message
	})
	return n >= 3 && (r.about && !r.named && 10*faults >= n || 5*faults >= 4*n)
}

// most reports whether is holds for four of five rows.
func (r *reading) most(is func(Row) bool) bool { return 10*r.count(is) >= 8*len(r.rows) }

// count counts the rows for which is holds.
func (r *reading) count(is func(Row) bool) (n int) {
	for _, row := range r.rows {
		if is(row) {
			n++
		}
	}
	return n
}

// counts reports whether the codes number the rows from one, as those of a list of steps do. Most
// texts of a list of errors say what is wrong.
func (r *reading) counts() bool {
	for i, row := range r.rows {
		if n, err := strconv.Atoi(row.Code); err != nil || n != i+1 {
			return false
		}
	}
	return !r.codes || 2*r.count(Row.saysFault) < len(r.rows)
}

// saysFault reports whether a row's texts say what is wrong.
func (r Row) saysFault() bool {
	return saysFault(r.Message + " " + r.Description)
}

// saysFault reports whether a text says at its beginning what is wrong.
func saysFault(text string) bool {
	text = text[:min(len(text), faultLength)]
	return faultWords.MatchString(text) || faultTexts.MatchString(text)
}

// faultLength limits the bytes of a text that may say what is wrong: long ones say much.
const faultLength = 300

// faultTexts matches texts that say what is wrong, in other languages than faultWords.
var faultTexts = regexp.MustCompile(`(?i)not |n['’]t\b|cannot|unable|wrong|\bbad\b|refus|reject|declin|incorrect|\bno |too (?:many|long|large|short|big|low)|already|duplicate|blocked|disabled|suspended|insufficient|corrupt|malformed|illegal|interrupted|aborted|overload|overflow|exhausted|damaged|broken|violat|out of (?:range|memory|order|stock|service|date)|` +
	`错误|失败|无效|不合法|不存在|超时|缺少|未|无权|过于|已存在|过期|禁止|不能|不足|不支持|异常|` + // Chinese
	`錯誤|失敗|無效|逾時|エラー|無効|ません|不正|不足|拒否|超え|切れ|できな|ない|` +
	`오류|실패|잘못|않|없|만료|초과|거부|불가|중복|` +
	`ошиб|невер|недопуст|не |отсутств|превыш|истек|истёк|отклон|неизвестн|недостат|запрещ|заблокир|` +
	`ungültig|fehl|nicht|kein|falsch|abgelaufen|abgelehnt|gesperrt|unbekannt|überschr|überlast|zu (?:groß|viele|lang|klein|dunkel)|bereits|` +
	`inv[aá]lid|no |non |não |sem |sin |incorrect|vencid|expirad|caducad|recusad|rechazad|insuficiente|desconhecid|desconocid|falt|exced|supera|bloquead|duplicad|ausente|obrigat|obligatori|rejei[cç]|rechaz|` +
	`erreur|impossible|n['’]a |n['’]est|pas |refusé|expiré|dépass|manqu|inconnu|scadut|mancant|sconosciut|negat|` +
	`nieprawid|brak|przekrocz|odrzuc|nie |geçersiz|bulunamad|değil|eksik|aşıld|không|hết hạn|ongeldig|niet |verlopen|tidak|gagal|kadaluarsa|` +
	`neplatn|nenalez|nenájd|chyb|překroč|prekroč|vypršel|zamítnut|odmítnut|není|nelze|érvénytelen|hiányz|\bnem |lejárt|elutas|\bnu |lipse[sș]|expirat|respins|` +
	`недійсн|відсутн|перевищ|заборон|δεν |άκυρ|λάθος|έληξε|ikke |inte |ogiltig|ugyldig|mangle[rd]|saknas|udløb|utgått|afvis|avvis|\bei |virheell|puuttu|vanhent|` +
	`ไม่|ผิด|หมดอายุ|เกิน|ล้มเหลว|نامعتبر|نیست|نشد|منقضی|לא |שגוי|חסר|` +
	`غير|خطأ|فشل|لا |لم |انتهت|مفقود|تجاوز|مرفوض|مطلوب|مغلق|محظور`)

// likeCodes reports whether the codes look like those of a list, and each is another one.
func (r *reading) likeCodes() bool {
	cells := make([]string, len(r.rows))
	for i, row := range r.rows {
		cells[i] = row.Code
	}
	return likenessOf(cells) == surely
}
