package parse

import (
	"regexp"
	"slices"
	"strings"
)

// This file knows what texts say: that something succeeded, that work goes on, that something is
// wrong.

// sayings are whole messages, in lower case.
type sayings struct {
	texts    []string
	initials [256]bool // their first bytes, in either case: most messages begin otherwise
}

func newSayings(texts ...string) *sayings {
	s := &sayings{texts: texts}
	for _, text := range texts {
		s.initials[text[0]] = true
		s.initials[strings.ToUpper(text)[0]] = true
	}
	return s
}

// are reports whether a text is one of them, in any case and with any marks at its end.
func (s *sayings) are(text string) bool {
	if len(text) == 0 || len(text) > 32 || !s.initials[text[0]] {
		return false
	}
	text = strings.TrimRight(text, ".!。！… ")
	return slices.ContainsFunc(s.texts, func(one string) bool { return strings.EqualFold(one, text) })
}

var (
	// Messages that say nothing but success.
	plainSuccess = newSayings("success", "ok", "succeed", "succeeded", "successful", "successfully", "request success", "request successful", "no error",
		"成功", "操作成功", "请求成功", "处理成功", "调用成功", "查询成功")
	// Messages that say that nothing is wrong, or that work goes on. Below status 400 they are no
	// failure, unless what holds them is named an error.
	calm = newSayings("no errors", "no failure", "no failures", "all good", "completed", "accepted", "created", "done",
		"pending", "processing", "in progress", "queued", "running", "submitted", "处理中", "排队中", "进行中", "等待中")
)

// successWords are codes that say in words that something succeeded or was granted.
var successWords = newSayings("succeed", "succeeded", "successful", "approved", "accepted", "authorised", "authorized", "captured", "completed",
	"confirmed", "delivered", "processed")

func messageSaysSuccess(text string) bool { return plainSuccess.are(text) }

// What a message reports.
type report uint8

const (
	nothing   report = iota
	granted          // what was asked for was granted, or is being worked on
	succeeded        // something succeeded
)

const (
	ofSuccess subjects = 1 << iota
	ofGrant            // where an error stands, such words are about something else
	ofEnglish          // grants at the end of a sentence or of its first part: an approved partner is none
)

// outcomes are the words of messages that report success or a grant, in the languages that services
// speak. setbacks are words that such messages do not have.
var (
	outcomes = newVocabularyOf(map[subjects][]string{
		ofSuccess: {
			`|success|, |successful|, |successfully|, |succeed|, |succeeded|`,
			`成功, 正常終了, 正常に, 完了しました, 성공, 정상, 완료, thành công, สำเร็จ, เรียบร้อย, بنجاح, ناجح, בהצלחה, موفق, सफल, সফল`,
			`|exitos, |éxito, |correctamente|, |satisfactori, |sucesso, |successo, |succès, |succes|, |réussi`,
			`|erfolgreich, |geslaagd, |gelukt, |succesvol, |voltooid, |lyckad, |lyckat, |vellykket, |gennemført, |onnistu`,
			`|pomyślnie, |sukces, |úspěš, |úspeš, |uspeš, |uspješ, |успішн, |успешн, |sikeres, |επιτυχ`,
			`|başarı, |basari, |uğurla, |muvaffaqiyatli, |сәтті, |амжилттай, |წარმატებ, |հաջող`,
			`|berhasil, |sukses, |berjaya, |matagumpay, |umefanikiwa, |imefanikiwa, |mafanikio`,
		},
		ofGrant: {
			`受理, 通过, 通過, 승인, 承認, |being processed, 处理中, 処理中, 처리중, 처리 중`,
			`|aprobado, |aprobada, |aceptado, |aceptada, |autorizado, |autorizada, |aprovado, |aprovada, |concluido, |concluida, |concluído, |concluída`,
			`|realizado, |realizada, |procesado, |procesada, |processado, |processada, |homologado, |homologada, |vinculado, |vinculada`,
			`|en proceso, |em processamento, |em operac, |em operaç, |accepté, |approuvé, |effectué, |autorisé`,
			`|eseguito, |eseguita, |riuscito, |riuscita, |accettato, |accettata, |approvato, |approvata, |autorizzato, |autorizzata, |buon fine`,
			`|genehmigt, |angenommen, |akzeptiert, |goedgekeurd, |geaccepteerd, |godkänd, |godkänt, |godkendt, |godkjent, |hyväksytt`,
			`|zaakceptowan, |zatwierdzon, |одобрен, |подтвержд, |принят, |выполнен, |обработан, |в обработке, |схвален, |виконан, |прийнят`,
			`|onaylandı, |onaylandi, |kabul edildi, |işleniyor, |disetujui, |diterima, |sedang diproses, |được duyệt, |đang xử lý, |đang được xử lý`,
		},
		ofEnglish: {`|approved|, |accepted|, |authorised|, |authorized|, |completed|, |captured|, |delivered|, |processed|, |confirmed|`},
	})
	grantSentence = regexp.MustCompile(`(?i)^(?:[\p{L}\d']+ ){0,6}?(?:approved|accepted|authori[sz]ed|completed|captured|delivered|processed|confirmed)(?: (?:for|to|by|and|with|on) .*)?[.!]?$`)

	setbacks = newVocabulary(
		`|no|, |not|, |never|, |un, |fail, |error, |without|, |cannot|, |can't|, |could, |part|, |partly|, |partial, |some|, |before|, |until|`,
		`|if|, |unless|, |invalid|, |denied|, |refused|, |in|`,
		`失败, 错误, 未, 不, 部分, 异常, 无法, 没有, 如果, エラー, 失敗, ません, 실패, 아닙, 않, 못`,
		`|sin|, |não|, |nao|, |pas|, |sans|, |non|, |senza|, |erro|, |errore|, |falha|, |fallo|`,
		`|nicht|, |kein, |niet|, |inte|, |ikke|, |nem|, |nie|, |не|, |δεν|`,
		`değil, başarısız, |basarisiz, |zaten|, |gagal|, |tidak|, |belum|, |hindi|, không, chưa, ไม่, غير, فشل, ناموفق, |לא|, नहीं`,
	)
)

// zeros matches the last part of a code that says success: X.0000, X_2000000.
var zeros = regexp.MustCompile(`[._-](?:0{4,}|(20{2,}))$`)

// reported returns what a message reports. A long text is no such message.
func reported(text string) report {
	if len(text) > maxCode {
		return nothing
	}
	if said, rest, more := strings.Cut(text, "; "); more && !refusal.isIn(rest) { // completed successfully; no messages
		text = said
	}
	found := outcomes.find(text, ofSuccess)
	switch {
	case found == 0, setbacks.isIn(text):
		return nothing
	case found&ofSuccess != 0:
		return succeeded
	case (found&ofGrant != 0 || grantSentence.MatchString(strings.TrimRight(text, " *=-"))) && !complains(text):
		return granted
	}
	return nothing
}

func reportsSuccess(text string) bool { return reported(text) == succeeded }

// severeWords are severities, types and states that say failure, in lower case; failingStates are
// states that do.
var (
	severeWords   = []string{"error", "err", "fail", "failed", "failure", "fatal"}
	failingStates = append([]string{"ng", "nok", "notok", "ko", "fault"}, severeWords...)
)

// refusedStates are states of what was refused; unfitStates are those of a request that could not
// be read, or of a thing that was checked.
var (
	refusedStates = []string{"refused", "declined", "denied", "rejected"}
	unfitStates   = []string{"invalid", "malformed", "notauthed"}
)

// saysFailing reports whether a state in words says failure.
func saysFailing(state string) bool {
	return slices.ContainsFunc(failingStates, func(s string) bool { return strings.EqualFold(s, state) })
}

// saysRefused reports whether a result in words is a refusal.
func saysRefused(code string) bool {
	return saysFailing(code) || slices.Contains(refusedStates, strings.ToLower(code))
}

// verification is what a message mentions that sends a person a code.
var verification = newVocabulary(`verif, captcha, |otp|, one-time, one time, passcode, pin code, 验证码, 校验码, 动态码`)

// refusal are words of messages that report a failure; complaint are these and more, in the
// languages that services speak.
const refusals = `invalid, incorrect, wrong, expire, error, fail, too many, exceed, missing, required, |not|, limit, ` +
	`错误, 过期, 失效, 无效, 失败, 超过, 频繁, 禁用, 禁止, 停用, 拒绝, 不`

var (
	refusal   = newVocabulary(refusals)
	complaint = newVocabulary(refusals,
		`|no|, |deny, |denied, |reject, |refus, |declin, |unauthori, |forbidden, |unknown, |unable, |cannot, |can't, |could not, |couldn't, |couldnot, |does not`,
		`|doesn't, |doesnot, |disabled, |blocked, |black listed, |blacklisted, |in black list, |in blacklist, |in the black list, |in the blacklist, |offline`,
		`|unavailable, |unsupported, |timeout, |time out, |time-out, |timed out, |timed-out, |bad|, |malformed, |duplicate, |conflict, |insufficient, |illegal, |abnormal`,
		`|exception, |violat, |mismatch, |unrecogni, |undefined, |unexpected, |must, |throttl, |impossible, |broken, |lost, |cancel, |abort, |too long, |too short`,
		`|too large, |too small, |too big, |already, |revoked, |suspended, |inactive, |restricted, |problem, |nodata, |nok, |inoperative`,
		`错, 無, 缺, 拒, 超限, 不足, 禁, 未, 没有, 异常, 非法, 欠费, 不存在, 逾期, 冻结`,
		`ません, エラー, 失敗, 不正, 無効, 不可, 超過, 期限切れ, できな, ない`,
		`않, 없, 오류, 실패, 잘못, 유효하지, 불가, 초과, 만료, 누락, 거부, 금지, 에러, 아닙`,
		`|не|, |нет|, ошиб, неверн, недопуст, недоста, запрещ, отказ, отклон, превыш, истек, истёк, отсутству, дублир, помилк, невірн`,
		`inválid, |errór, |falta, vencid, caducad, denegad, rechaz, |erro|, |nao|, |não|, expirad, negad, recusad, rejei, |falha, obligator, requerid`,
		`duplic, bloquead, inexist, inkorrekt, ausente, |fora d`,
		`|nicht|, ungültig, fehl, falsch, abgelaufen, |kein, gesperrt, verweigert, ablehn, abgelehnt`,
		`|pas|, invalide, erreur, échec, refusé, expiré, manquant, introuvable, |aucun, inconnu`,
		`|non è, |non valid, |non trov, |non autor, |non esist, scadut, mancante, sconosciut`,
		`geçersiz, |hata, bulunamad, |değil, |yok|, başarısız, eksik`,
		`|nie|, błąd, nieprawid, |brak|, |chyb, neplatn, |nelze, není, hiba, |nem|, érvénytelen, eroare, eșu, |nu este, |nu exist, |nu s`,
		`không, |khong|, lỗi, thất bại, |sai|, |trùng, hết hạn, |tidak|, gagal, |salah|, kadaluarsa`,
		`|niet|, ongeldig, onjuist, mislukt, ogiltig, saknas, misslyck, |inte|, ugyldig, |ikke|, |fel, |fejl, virhe, puuttu, |ei|, epäon`,
		`σφάλμα, λάθος, άκυρ, |δεν|, απέτυχ, ไม่, ผิดพลาด, خطأ, غير, فشل, خطا, نیست, نشد, ناموفق, נכשל, שגיא, |לא|, नहीं, त्रुटि, विफल, अमान्य`,
		`topilmadi, xato, noto'g'ri, noto‘g‘ri, noto’g’ri, notog'ri, notogri, қате, табылмады, xəta, səhv, tapılmadı, შეცდომა, haija, imeshindwa, batili`,
	)
)

// complains reports whether a text says that something is wrong.
func complains(text string) bool {
	return len(text) <= 1000 && complaint.isIn(text)
}
