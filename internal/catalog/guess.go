package catalog

import (
	"regexp"
	"slices"
	"strings"
)

// guesses are the words that show an entry's kind. The first match counts: particular words come
// before general ones.
var guesses = []struct {
	kind  string
	words *regexp.Regexp
}{
	{"rate_limit", regexp.MustCompile(`(?i)throttl|rate.?limit|too.(many|frequent)|too fast|frequen|slow.?down|\bqps\b|频率|频繁|限流|限频|流控|頻度|빈도`)},
	{"billing", regexp.MustCompile(`(?i)balance|billing|arrear|invoice|\bfunds?\b|payment|overdue|unpaid|subscription|credit|欠费|余额|资金|充值|账单|残高|잔액|guthaben|saldo`)},
	{"quota", regexp.MustCompile(`(?i)quota|exceed|upper limit|too large|insufficient|maximum number|配额|限额|上限|超出|超过|上限|초과|limite exced`)},
	{"not_found", regexp.MustCompile(`(?i)not.?found|not exist|no.?such|unknown (user|resource|id)|missing resource|不存在|未找到|找不到|見つかりません|存在しません|없습니다|nicht gefunden|no encontrad|introuvable|não encontrad|не найден`)},
	{"auth", regexp.MustCompile(`(?i)unauthor|authenti|token|signature|credential|api.?key|password|log.?in|expired|认证|鉴权|签名|密码|登录|認証|인증|anmeld|авторизац|токен`)},
	{"permission", regexp.MustCompile(`(?i)permission|forbidden|denied|not authorized|not allowed|no right|privilege|access|权限|无权|禁止|拒绝|権限|권한|berechtig|permiso|droit|permiss|прав`)},
	{"conflict", regexp.MustCompile(`(?i)conflict|already|duplicate|in use|locked|violat|aborted|冲突|已存在|重复|被占用|競合|중복|gesperrt|existe déjà`)},
	{"unavailable", regexp.MustCompile(`(?i)unavailable|maintenance|busy|overload|offline|不可用|维护|繁忙|下线|利用できません|점검|недоступ`)},
	{"dependency", regexp.MustCompile(`(?i)upstream|time.?out|timed.?out|backend|connection|third.?party|超时|タイムアウト|시간 초과`)},
	{"internal", regexp.MustCompile(`(?i)internal|unknown|system error|server error|unexpected|内部|系统|未知|サーバー|서버|시스템|intern|внутрен`)},
	{"validation", regexp.MustCompile(`(?i)invalid|missing|malformed|illegal|parameter|argument|format|required|unsupported|参数|格式|非法|缺少|不合法|パラメータ|파라미터|ungültig|inválid|invalide|неверн`)},
	{"partial", regexp.MustCompile(`(?i)partial|部分成功`)},
}

// byStatus are the statuses that say as much as words. They agree with the catalog of HTTP codes.
var byStatus = map[int]string{207: "partial", 401: "auth", 402: "billing", 403: "permission", 404: "not_found", 405: "validation", 406: "validation", 409: "conflict", 410: "not_found", 412: "conflict",
	413: "validation", 415: "validation", 422: "validation", 429: "rate_limit", 502: "dependency", 503: "unavailable", 504: "dependency"}

var (
	successCode  = regexp.MustCompile(`^[A-Z]?0+$|(?i)^(?:\w+_)?(?:success|ok)$`)
	successWords = regexp.MustCompile(`(?i)\bsuccess(?:ful|fully)?\b|\bsucceeded\b|^ok\b|^no errors?\b|\bapproved\b|成功|正常|успешно|\bsucesso\b|éxito|succès|erfolgreich|성공|başarılı`)
	failureWords = regexp.MustCompile(`(?i)\bnot\b|unsuccess|fail|partial|失败|失敗|不成功|실패`)
)

// succeeds reports whether a new entry means success, by its code and its texts.
func succeeds(e Entry) bool {
	said := e.Message + "\n" + e.Description
	return successCode.MatchString(e.Code) && e.Status < 400 && (successWords.MatchString(e.Message) || successWords.MatchString(e.Description)) && !failureWords.MatchString(said)
}

// Guess guesses the kind, retry and owner of a new entry from its status and its words, so that the
// catalog can be used at once. A person has to check them.
//
// The kind is what the status says, if it is one of the telling ones; else what the words of the
// code and message say, then those of the description; else validation for 4xx and internal for the
// rest. Retry and owner follow from the kind: faults on the vendor's side and rate limits pass by
// themselves; a quota has to be freed or raised, and the caller's other faults have to be fixed.
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
	case "rate_limit":
		return kind, "later", "caller"
	case "partial":
		return kind, "no", "caller"
	}
	return kind, "after_fix", "caller"
}

// CommonPrefix returns what all the codes begin with up to a separator, such as ORA of ORA-00001;
// "" if they differ.
func CommonPrefix(codes []string) string {
	if all := prefixes(codes); len(all) == 1 {
		return all[0]
	}
	return ""
}

var prefixed = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9]*(?:_[A-Za-z]+)*)[._/:-](.+)$`)

// generic are beginnings of codes that do not show whose they are: a catalog with such a prefix
// would claim other vendors' codes.
var generic = regexp.MustCompile(`(?i)^(?:client|server|sender|receiver|soap|err|errors?|exceptions?|fault|failed|fail|invalid|internal|common|general|generic|unknown|missing|http|https|request|response|code|status|sdk|api|e)$`)

// prefixes returns the beginnings of codes such as OSM.0001 and JOB_MANAGER_12000001, in the order
// of the codes. It returns none if a code has no such beginning or a generic one, or if there are
// so many that they are words of the codes.
func prefixes(codes []string) (all []string) {
	for _, code := range codes {
		m := prefixed.FindStringSubmatch(code)
		if m == nil {
			return nil
		}
		p := m[1]
		if m[2][0] < '0' || m[2][0] > '9' { // words follow: only the first can be a name
			p = code[:strings.IndexAny(code, "._/:-")]
		}
		if p == strings.ToLower(p) && strings.Contains(code, "_") || generic.MatchString(p) {
			return nil // card_declined, Client.InvalidParameter
		}
		if !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	if len(all) > 8 || len(all)*2 > len(codes) {
		return nil
	}
	return all
}

// GuessPrefix guesses the prefix by which the vendor of a code that no catalog claims tells its
// codes from others': what stands before the number at the end ("JOB_MANAGER" of
// JOB_MANAGER_12050009), else before the first separator ("BILLING" of BILLING:quota). It returns
// "" for a bare number, one word, or words joined by an underscore (NOT_FOUND).
func GuessPrefix(code string) string {
	last := strings.LastIndexAny(code, separators)
	if last < 0 {
		return ""
	}
	at := strings.IndexAny(code, separators)
	if number := code[last+1:]; number != "" && strings.Trim(number, "0123456789") == "" {
		at = last
	} else if !strings.ContainsAny(code, separators[:1]+separators[2:]) && !strings.ContainsAny(code, "0123456789") {
		return ""
	}
	prefix := code[:at]
	if strings.Trim(prefix, separators+"0123456789") == "" {
		return "" // 400.1001: numbers are nobody's
	}
	return prefix
}
