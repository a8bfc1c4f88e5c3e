package enrich

import "regexp"

// guesses read an entry's kind off its words, in this order: what is particular comes before what is general.
var guesses = []struct {
	kind  string
	words *regexp.Regexp
}{
	{"rate_limit", regexp.MustCompile(`(?i)throttl|rate.?limit|too (many|frequent)|too fast|frequen|slow.?down|\bqps\b|频率|频繁|限流|限频|流控|頻度|빈도`)},
	{"billing", regexp.MustCompile(`(?i)balance|billing|arrears|payment|overdue|unpaid|subscription|credit|欠费|余额|充值|账单|残高|잔액|guthaben|saldo`)},
	{"quota", regexp.MustCompile(`(?i)quota|limit.{0,12}exceed|exceed.{0,40}limit|upper limit|too large|insufficient|maximum number|配额|限额|上限|超出|超过|上限|초과|limite exced`)},
	{"not_found", regexp.MustCompile(`(?i)not.?found|not exist|no.?such|unknown (user|resource|id)|missing resource|不存在|未找到|找不到|見つかりません|存在しません|없습니다|nicht gefunden|no encontrad|introuvable|não encontrad|не найден`)},
	{"auth", regexp.MustCompile(`(?i)unauthor|authenti|token|signature|credential|api.?key|password|log.?in|expired|认证|鉴权|签名|密码|登录|認証|인증|anmeld|авторизац|токен`)},
	{"permission", regexp.MustCompile(`(?i)permission|forbidden|denied|not authorized|not allowed|privilege|access|权限|无权|禁止|拒绝|権限|권한|berechtig|permiso|droit|permiss|прав`)},
	{"conflict", regexp.MustCompile(`(?i)conflict|already|duplicate|in use|locked|violat|aborted|冲突|已存在|重复|被占用|競合|중복|gesperrt|existe déjà`)},
	{"unavailable", regexp.MustCompile(`(?i)unavailable|maintenance|busy|overload|offline|不可用|维护|繁忙|下线|利用できません|점검|недоступ`)},
	{"dependency", regexp.MustCompile(`(?i)upstream|time.?out|timed.?out|backend|connection|third.?party|超时|タイムアウト|시간 초과`)},
	{"internal", regexp.MustCompile(`(?i)internal|unknown|system error|server error|unexpected|内部|系统|未知|サーバー|서버|시스템|intern|внутрен`)},
	{"validation", regexp.MustCompile(`(?i)invalid|missing|malformed|illegal|parameter|argument|format|required|unsupported|参数|格式|非法|缺少|不合法|パラメータ|파라미터|ungültig|inválid|invalide|неверн`)},
	{"partial", regexp.MustCompile(`(?i)partial|部分成功`)},
}

// byStatus are the statuses that say as much as words.
var byStatus = map[int]string{401: "auth", 402: "billing", 403: "permission", 404: "not_found", 405: "validation", 406: "validation", 409: "conflict", 410: "not_found", 412: "conflict",
	413: "quota", 415: "validation", 422: "validation", 429: "rate_limit", 207: "partial", 502: "dependency", 503: "unavailable", 504: "dependency"}

// Guess reads kind, retry and owner of a new entry off its status and its words, so that the catalog
// can be used at once. A person has to look at them.
//
// The kind: what the status says, if it is one of the telling ones; else the words of code and message, then those of
// the description; else validation for 4xx and internal for the rest. From the kind: who is at fault comes
// back later (rate limits, quotas, whatever breaks on the vendor's side), the caller's faults after a fix.
func Guess(e Entry) (kind, retry, owner string) {
	kind = byStatus[e.Status]
	for _, text := range []string{e.Code + " " + e.Message, e.Description} {
		for _, g := range guesses {
			if kind == "" && g.words.MatchString(text) {
				kind = g.kind
			}
		}
	}
	if kind == "" {
		kind = "internal"
		if e.Status >= 400 && e.Status < 500 {
			kind = "validation"
		}
	}
	switch kind {
	case "internal", "unavailable", "dependency":
		return kind, "later", "vendor"
	case "rate_limit", "quota":
		return kind, "later", "caller"
	case "partial":
		return kind, "no", "caller"
	}
	return kind, "after_fix", "caller"
}
