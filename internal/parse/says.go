package parse

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// This file knows what texts say: that something succeeded, that work goes on, that something is
// wrong.

// successWords are messages that say nothing but success, in lower case.
var successWords = []string{"success", "ok", "succeed", "succeeded", "successful", "successfully", "request success", "request successful", "no error", "成功", "操作成功", "请求成功", "处理成功", "调用成功", "查询成功"}

// calmWords are whole messages that say that nothing is wrong, or that work goes on, in lower case.
// Below status 400 they are no failure, unless what holds them is named an error.
var calmWords = []string{
	"no errors", "no failure", "no failures", "all good", "completed", "accepted", "created", "done",
	"pending", "processing", "in progress", "queued", "running", "submitted", "处理中", "排队中", "进行中", "等待中",
}

func saysCalm(text string) bool {
	if len(text) > 32 {
		return false
	}
	text = strings.TrimRight(text, ".!。！… ")
	return slices.ContainsFunc(calmWords, func(word string) bool { return strings.EqualFold(word, text) })
}

// successInitials are the first bytes of successWords, in either case.
var successInitials = func() (initials [256]bool) {
	for _, word := range successWords {
		initials[word[0]] = true
		if c := word[0]; 'a' <= c && c <= 'z' {
			initials[c-'a'+'A'] = true
		}
	}
	return initials
}()

func messageSaysSuccess(text string) bool {
	if len(text) == 0 || len(text) > 32 || !successInitials[text[0]] {
		return false // most messages end here
	}
	text = strings.TrimRight(text, ".!。！ ")
	return slices.ContainsFunc(successWords, func(word string) bool { return strings.EqualFold(word, text) })
}

// What begins and ends a word, also one with letters that are not ASCII's: neúspěšně, uspješno.
const (
	wordStart = `(?:^|\P{L})`
	wordEnd   = `(?:\P{L}|$)`
)

var (
	// What a message of success says, in a sentence; and what such a sentence does not say.
	successPhrase = regexp.MustCompile(`(?i)\bsuccess(?:ful|fully)?\b|\bsucceed(?:ed)?\b|成功|正常終了|正常に|完了しました|성공|정상|완료|thành công|สำเร็จ|เรียบร้อย|بنجاح|ناجح|בהצלחה|` +
		wordStart + `(?:pomyślnie|sukces|úspěš|úspeš|uspeš|uspješ|успішн|успешн|сәтті|амжилттай|` +
		`exitos|éxito|correctamente\b|sucesso|successo|succès|succes\b|réussi|erfolgreich|geslaagd|gelukt|succesvol|voltooid|lyckad|lyckat|vellykket|gennemført|onnistu|sikeres|επιτυχ|` +
		`başarı|basari|uğurla|muvaffaqiyatli|berhasil|sukses|berjaya|matagumpay|umefanikiwa|imefanikiwa|mafanikio|წარმატებ|հաջող|موفق|सफल|সফল)`)
	noSuccess = regexp.MustCompile(`(?i)` + wordStart + `no` + wordEnd + `|\b(?:not|never|un\w+|fail\w*|error\w*|without|can(?:not|'t)|could\w*|part|partly|partial\w*|some|before|until|if|unless|invalid|denied|refused|in)\b|失败|错误|未|不|部分|异常|无法|没有|如果|` +
		`\b(?:sin|não|nao|nicht|kein\w*|pas|sans|non|senza|erro|errore|falha|fallo|gagal|tidak|belum|hindi|niet|inte|ikke|nem|zaten)\b|değil|başarısız|\bbasarisiz|\bне\b|не |\bnie\b|không|chưa|실패|아닙|않|못|エラー|失敗|ません|` +
		`ไม่|غير|فشل|לא |δεν |नहीं|ناموفق`)
	// What a message says that grants what was asked for, if nothing in it complains.
	grant = regexp.MustCompile(`(?i)^(?:[\p{L}\d']+ ){0,6}?(?:approved|accepted|authori[sz]ed|completed|captured|delivered|processed|confirmed)(?: (?:for|to|by|and|with|on) .*)?[.!]?$|受理|通过|通過|승인|承認|` +
		wordStart + `(?:a(?:prob|cept|utoriz|prov)ad[oa]s?|conclu[ií]d[oa]s?|realizad[oa]s?|pro(?:ces|cess)ad[oa]s?|homologad[oa]s?|vinculad[oa]s?|(?:accept|approuv|effectu|autoris)ée?s?|(?:eseguit|riuscit|accettat|approvat|autorizzat)[oa]|buon fine|` +
		`genehmigt|angenommen|akzeptiert|onayland[ıi]|kabul edildi|zaakceptowan|zatwierdzon|goedgekeurd|geaccepteerd|godkän[dt]|godkendt|godkjent|hyväksytt|одобрен|подтвержд|принят|выполнен|обработан|схвален|виконан|прийнят|disetujui|diterima|được duyệt)|` +
		`being processed|em processamento|en proceso|em opera[cç]|đang (?:được )?xử lý|sedang diproses|в обработке|işleniyor|处理中|処理中|처리 ?중`)
	// The last part of a code that says success: X.0000, X_2000000.
	zeros = regexp.MustCompile(`[._-](?:0{4,}|(20{2,}))$`)
)

// reportsSuccess reports whether a sentence says that something succeeded.
func reportsSuccess(text string) bool {
	return mentions(text)&ofSuccess != 0 && succeeds(text)
}

func succeeds(text string) bool {
	return successPhrase.MatchString(text) && !noSuccess.MatchString(text)
}

// mention says which words a text may hold.
type mention uint8

const (
	ofSuccess mention = 1 << iota // those of successPhrase
	ofGrant                       // those of grant
)

// stem begins a word that is written in ASCII.
type stem struct {
	text string
	of   mention
}

// stems are the beginnings of all words of successPhrase and grant that are written in ASCII, by
// their second letter. A text without the first pair of letters of one is passed over quickly.
var stems = func() (m [256][]stem) {
	for of, list := range map[mention]string{
		ofSuccess: "succ,suce,sukses,sukces,muvaffaqiyatli,exitos,erfolgreich,berhasil,berjaya,geslaagd,gelukt,vellykket,correctamente,voltooid,basari,matagumpay,mafanikio,lyckad,lyckat,onnistu,sikeres,umefanikiwa,imefanikiwa",
		ofGrant: "captur,kabul,zaakcept,zatwierdz,accept,acept,accett,complet,deliver,realiz,genehmigt,sedang,geaccept,effectu,riuscit,disetujui,diterima,vinculad,akzept,em oper,em proc,angenommen,onaylandi,en proc," +
			"confirm,conclu,homolog,goedgekeurd,godk,approv,aprob,aprov,approuv,proces,eseguit,authori,autori,buon fine",
	} {
		for text := range strings.SplitSeq(list, ",") {
			m[text[1]] = append(m[text[1]], stem{text, of})
		}
	}
	return m
}()

// grants reports whether a text says that what was asked for was granted or is being worked on.
// Such words are weaker than those of success: where an error stands, they are about something
// else.
func grants(text string) bool {
	return grant.MatchString(text) && !noSuccess.MatchString(text) && !complains(text)
}

// mentions returns which words a text may hold. A long text is no sentence of success.
func mentions(text string) (may mention) {
	if len(text) > maxCode {
		return 0
	}
	for i := 1; i < len(text); i++ {
		if text[i] >= utf8.RuneSelf {
			return ofSuccess | ofGrant
		}
		if i > 1 && 'a' <= text[i-2]|0x20 && text[i-2]|0x20 <= 'z' { // within a word
			continue
		}
		for _, s := range stems[text[i]|0x20] {
			if text[i-1]|0x20 == s.text[0] && len(text) >= i-1+len(s.text) && strings.EqualFold(text[i-1:i-1+len(s.text)], s.text) {
				may |= s.of
			}
		}
	}
	return may
}

// severeWords are severities, types and states that say failure, in lower case; failingStates are
// states that do.
var (
	severeWords   = []string{"error", "err", "fail", "failed", "failure", "fatal"}
	failingStates = append([]string{"ng", "nok", "notok", "ko"}, severeWords...)
)

// refusedStates are states of what was refused; unfitStates are those of a request that could not
// be read, or of a thing that was checked.
var (
	refusedStates = []string{"refused", "declined", "denied", "rejected"}
	unfitStates   = []string{"invalid", "malformed", "notauthed"}
)

// saysRefused reports whether a result in words is a refusal.
func saysRefused(code string) bool {
	code = strings.ToLower(code)
	return slices.Contains(failingStates, code) || slices.Contains(refusedStates, code)
}

var (
	// A code that is sent to a person: its message mentions it and reports no failure.
	verification = regexp.MustCompile(`(?i)verif|captcha|\botp\b|one[- ]time|passcode|pin code|验证码|校验码|动态码`)
	refusal      = regexp.MustCompile(`(?i)invalid|incorrect|wrong|expire|error|fail|too many|exceed|missing|required|\bnot\b|limit|错误|过期|失效|无效|失败|超过|频繁|禁用|禁止|停用|拒绝|不`)
)

// complaint are words of messages that report a failure, in the languages that services speak.
var complaint = regexp.MustCompile(`(?i)\b(?:den(?:y|ied)|reject|refus|declin|unauthori|forbidden|unknown|unable|cannot|can't|could ?n[o']t|does ?n[o']t|no such|no data|disabled|blocked|black ?listed|in (?:the )?black ?list|offline|unavailable|unsupported|time(?:d )?[ -]?out|bad |malformed|duplicate|conflict|insufficient|illegal|abnormal|exception|violat|mismatch|unrecogni|undefined|unexpected|must|throttl|impossible|broken|lost|cancel|abort|too (?:long|short|large|small|big)|already|revoked|suspended|inactive|restricted|problem|nodata|invalid\w*|nok|not\b)|` + wordStart + `no` + wordEnd +
	`|错|無|缺|拒|超限|不足|禁|未|没有|异常|非法|欠费|不存在|逾期|冻结` +
	`|ません|エラー|失敗|不正|無効|不可|超過|期限切れ|できな|ない` +
	`|않|없|오류|실패|잘못|유효하지|불가|초과|만료|누락|거부|금지|에러|아닙` +
	`|(?:^|\P{L})(?:не|нет)(?:\P{L}|$)|ошиб|неверн|недопуст|недоста|запрещ|отказ|отклон|превыш|ист[её]к|отсутству|дублир|помилк|невірн` +
	`|inv[aá]lid|incorrect|\berr[oó]r|\bfalta|vencid|caducad|denegad|rechaz|\berro\b|\bn[aã]o\b|expirad|negad|recusad|rejei|\bfalha|obligator|requerid|\bno (?:se|es|existe|hay|encontr)` +
	`|\bnicht\b|ungültig|fehl|falsch|abgelaufen|\bkein|gesperrt|verweigert|ablehn|abgelehnt` +
	`|\bpas\b|invalide|erreur|échec|refusé|expiré|manquant|introuvable|\baucun|inconnu` +
	`|\bnon (?:è|valid|trov|autor|esist)|errore|scadut|mancante|sconosciut` +
	`|geçersiz|\bhata|bulunamad|\bdeğil|\byok\b|başarısız|eksik` +
	`|\bnie\b|błąd|nieprawid|\bbrak\b` +
	`|không|\bkhong\b|lỗi|thất bại|\bsai\b|\btrùng|hết hạn` +
	`|\btidak\b|gagal|\bsalah\b|kadaluarsa|\bniet\b|ongeldig|onjuist|mislukt` +
	`|duplic|bloquead|inexist|inkorrekt|ausente|\bfora d|no coincide` +
	`|ogiltig|saknas|misslyck|\binte\b|ugyldig|\bikke\b|\bfej?l|virhe|puuttu|\bei\b|epäon` +
	`|\bchyb|neplatn|\bnelze|není|hiba|\bnem\b|érvénytelen|eroare|eșu|\bnu (?:este|exist|s)` +
	`|σφάλμα|λάθος|άκυρ|δεν |απέτυχ|ไม่|ผิดพลาด|خطأ|غير|فشل|خطا|نیست|نشد|ناموفق|נכשל|שגיא|לא |नहीं|त्रुटि|विफल|अमान्य` +
	`|topilmadi|xato|noto.?g.?ri|қате|табылмады|xəta|səhv|tapılmadı|შეცდომა|haija|imeshindwa|batili`)

// complains reports whether a text says that something is wrong.
func complains(text string) bool {
	return len(text) <= 1000 && (refusal.MatchString(text) || complaint.MatchString(text))
}
