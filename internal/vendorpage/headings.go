package vendorpage

import (
	"html"
	"slices"
	"strings"

	"golang.org/x/text/width"

	regexp "errata/internal/lazyregexp"
)

// kind is what a heading may announce. It is finer than Role: the other columns decide which role a
// "Name" or a "Cause" gets.
type kind int

const (
	unknown     kind = iota
	ofStatus         // the HTTP status
	ofCode           // the code
	ofName           // an error's name: the code if there is no other, else the message
	ofMessage        // the message
	ofText           // a description
	ofCause          // a cause, which describes the error if nothing else does
	ofRemedy         // what to do
	ofField          // a column of tables that describe parameters, which are not errors
	ofNote           // a remark, which describes the error if nothing else does
	ofAttribute      // a column of error tables that a catalog has no place for
)

// vocabulary lists headings word for word, in the languages that vendors write in. Other headings
// are judged by the keywords in them.
var vocabulary = words(map[kind]string{
	ofStatus: `status code; http status code; http status; http code; http; http response code; http response status; http response status code; http error code; http return code; status; response status; http method status; https status code; http-status; httpcode; httpstatuscode; statuscode;
		状态码; http状态码; http 状态码; 响应码; http返回码; http响应码; http 返回码; 返回状态码; 响应状态码; http状态; http code 码; 狀態碼; http狀態碼; http 狀態碼;
		ステータスコード; httpステータスコード; http ステータスコード; httpステータス; http ステータス; ステータス; 상태 코드; http 상태 코드; http 상태; 상태코드; http상태코드; http 상태코드;
		statuscode; http-statuscode; statuscode http; código de estado; código de estado http; estado http; código http; estado; statut http; code d'état; code d'état http; code http; statut; code de statut; code statut; code de statut http; código de status; código de status http; status http; código de estado da http;
		код состояния; код состояния http; http-код; код http; статус; статус http; http-статус; код статуса; код ответа; код ответа http;
		stato http; codice di stato; codice di stato http; stato; codice http; kod http; kod statusu; kod stanu; kod stanu http; kod statusu http; status http; kod odpowiedzi; kod odpowiedzi http; durum kodu; http durum kodu; http durumu; durum; http kodu; mã http; mã trạng thái; mã trạng thái http; trạng thái; trạng thái http; http-statuscode; http-code; statuscode; estado de resposta; statuskod; http-statuskod;
		رمز الحالة; حالة http; رمز http; كود الحالة; kód stavu; stavový kód; http kód; код стану; код статусу; статус-код; κωδικός κατάστασης; κωδικός http; cod de stare; cod http; http állapotkód; állapotkód; tilakoodi; statuskod; statuskode; รหัสสถานะ; کد وضعیت; kode status; kode status http; статус код; קוד מצב`,
	ofCode: `error code; const; 状态报告; return value; return values; result value; error value; decline code; refusal code; refusal reason code; gateway code; gateway response code; acquirer response code; issuer response code; network response code; problem code; reject code; rejection code; failure code; exception code; 异常代码; code; errorcode; error_code; errcode; error codes; err code; return code; ret code; retcode; result code; response code; errno; error number; error no; error no.; error id; error key; sqlstate; sqlstate code; message number; message no.; message id; error code value; error constant; api error code; business code; sub code; code value; grpc; grpc code; grpc status; grpc status code; canonical code; code name; exit code; status value; error code name; fault code; code #; numeric code; code or type; msg no; msgid; enum; error enum;
		错误码; 错误代码; 错误编码; 返回码; 返回代码; 返回值; 结果码; 业务码; 业务错误码; 错误号; 错误编号; 代码; 编码; 错误码值; 错误码取值; 错误码code; 响应代码; 业务返回码; 子错误码; 错误码 code; 报错码; 錯誤碼; 錯誤代碼; 異常碼; 异常码; code码;
		エラーコード; コード; リターンコード; 結果コード; エラー番号; 오류 코드; 에러 코드; 코드; 에러코드; 오류코드; 결과 코드; 응답 코드; 결과코드; 응답코드;
		fehlercode; code; fehlernummer; rückgabecode; fehler-code; código de error; código; codigo; codigo de error; códigos de error; code d'erreur; code erreur; codes d'erreur; code retour; code de retour; código de erro; código do erro; codigo de erro; códigos de erro;
		код ошибки; код; номер ошибки; код возврата; код результата;
		codice errore; codice di errore; codice d'errore; codice; kod błędu; kod; kody błędów; hata kodu; kod; mã lỗi; mã; foutcode; foutcodes; felkod; fejlkode; feilkode; virhekoodi; kode kesalahan; kode error;
		رمز الخطأ; الرمز; رمز; كود الخطأ; الكود; كود; رقم الخطأ; رموز الخطأ; رموز الأخطاء; kód chyby; chybový kód; kód; hibakód; cod eroare; cod de eroare; codul erorii; cod; код помилки; код на грешка; код грешка; κωδικός; κωδικός σφάλματος; รหัสข้อผิดพลาด; รหัส; کد خطا; کد; קוד שגיאה; קוד; kode galat; kode; koodi; त्रुटि कोड; कोड`,
	ofName: `错误码名称; refusal reason; decline reason; rejection reason; error; name; error name; error type; exception; slug; error slug; symbol; condition; condition name; error string; title; titre; intitulé; título; titel; titolo; short name; reason code; exception name; type of error; error class; error category; failure category; fault; mnemonic; identifier; constant; errors; code name; error title; reason phrase; errorname; exceptions; enum name; enumeration member; enum member; member; enumerated value; enumeration value;
		错误; 名称; 错误名称; 错误类型; 异常; 异常名称; 错误名; 错误标识; 標識; 枚举值; 英文名; エラー; エラー名; エラータイプ; 名称; 例外; 에러; 오류; 에러명; 오류명; 이름; 오류 유형; fehler; name; fehlername; fehlertyp; bezeichnung; error; nombre; tipo de error; erreur; nom; type d'erreur; erro; nome; tipo de erro; ошибка; название; имя; тип ошибки;
		errore; nome; nome errore; nome dell'errore; tipo di errore; błąd; nazwa; nazwa błędu; hata; hata adı; lỗi; tên lỗi; tên; fout; foutnaam; naam;
		الخطأ; اسم الخطأ; الاسم; chyba; název; název chyby; hiba; eroare; denumire; помилка; назва; грешка; σφάλμα; ข้อผิดพลาด; خطا; שגיאה; virhe; kesalahan; galat; नाम`,
	ofMessage: `error message; message; error msg; error_msg; errmsg; msg; error messages; message text; text; error text; user message; response message; return message; status message; message content; error information; error info; errormessage; error_message; default message; response text; error message text; short text; log message; error detail message; localized message;
		错误信息; 错误消息; 错误提示; 信息; 消息; 提示信息; 返回信息; 返回消息; 提示; 报错信息; 错误内容; 响应信息; 错误返回信息; 错误message; 错误码信息; 错误提示信息; 报错提示; 错误文案; 消息内容; 錯誤訊息; 訊息; 錯誤信息; 错误详情;
		エラーメッセージ; メッセージ; エラー内容; 오류 메시지; 에러 메시지; 메시지; 오류메시지; 에러메시지; 에러 메세지; 메세지;
		fehlermeldung; meldung; nachricht; meldungstext; fehlertext; mensaje; mensaje de error; message d'erreur; message; libellé; mensagem; mensagem de erro; сообщение; сообщение об ошибке; текст ошибки; текст сообщения; текст;
		messaggio; messaggio di errore; messaggio d'errore; komunikat; komunikat błędu; komunikat o błędzie; treść komunikatu; treść; wiadomość; hata mesajı; mesaj; thông báo; thông báo lỗi; thông điệp; thông điệp lỗi; foutmelding; foutbericht; melding; bericht; felmeddelande; pesan; pesan kesalahan;
		الرسالة; رسالة; رسالة الخطأ; نص الرسالة; zpráva; chybová zpráva; hlášení; chybové hlášení; správa; chybová správa; üzenet; hibaüzenet; mesaj eroare; mesaj de eroare; mesajul; повідомлення; повідомлення про помилку; съобщение; μήνυμα; μήνυμα σφάλματος; ข้อความ; ข้อความแสดงข้อผิดพลาด; پیام; پیام خطا; הודעה; הודעת שגיאה; viesti; virheilmoitus; felmeddelande; meddelande; fejlmeddelelse; fejlbesked; meddelelse; besked; feilmelding; melding; pesan; pesan kesalahan; pesan error; संदेश`,
	ofText: `info; description; error description; desc; descriptions; meaning; explanation; details; detail; definition; overview; summary; what it means; error meaning; more information; additional information; information; description and resolution steps; long text; error details; interpretation; message description; code description; error code description; meaning of the error code; what it means and how to fix; description of error; context;
		描述; 说明; 错误描述; 错误说明; 含义; 语义; 中文描述; 中文说明; 描述信息; 错误码描述; 错误码说明; 详细描述; 详细说明; 释义; 解释; 错误含义; 错误解释; 返回码说明; 中文含义; 具体描述; 意义; 英文描述; 錯誤描述; 說明; 概述; 描述说明; 定义; 注释; 含义说明; 信息说明; 问题说明;
		説明; 内容; 意味; エラーの説明; 詳細; 概要; 설명; 오류 설명; 내용; 의미; 에러 설명; 상세 설명; 상세; 오류 내용; 에러 내용;
		beschreibung; fehlerbeschreibung; bedeutung; erläuterung; erklärung; beschreibung des fehlers; descripción; descripcion; significado; detalle; detalles; descripción del error; explicación; description; signification; explication; description de l'erreur; détail; détails; descrição; significado; detalhes; descrição do erro; explicação;
		описание; описание ошибки; значение; пояснение; расшифровка; подробности; детали;
		semantics; descrizione; descrizione errore; descrizione dell'errore; significato; spiegazione; dettagli; opis; opis błędu; znaczenie; wyjaśnienie; szczegóły; açıklama; hata açıklaması; anlamı; detay; ayrıntılar; mô tả; mô tả lỗi; ý nghĩa; giải thích; chi tiết; omschrijving; beschrijving; foutomschrijving; betekenis; uitleg; toelichting; beskrivning; deskripsi; keterangan;
		الوصف; وصف; وصف الخطأ; الشرح; شرح; المعنى; معنى; التفاصيل; التوضيح; البيان; popis; popis chyby; význam; vysvětlení; vysvetlenie; leírás; jelentés; magyarázat; descriere; semnificație; explicație; detalii; опис; опис помилки; значення; пояснення; описание на грешката; περιγραφή; σημασία; επεξήγηση; คำอธิบาย; ความหมาย; รายละเอียด; توضیحات; توضیح; شرح; معنی; תיאור; משמעות; הסבר; kuvaus; selitys; merkitys; beskrivelse; betydning; betydelse; forklaring; förklaring; arti; penjelasan; विवरण; अर्थ`,
	ofCause: `cause; causes; diagnosis; reason; reasons; possible cause; possible causes; possible reason; possible reasons; probable cause; likely cause; root cause; error cause; error reason; common causes; cause of error; why; cause/description; when; when it occurs; scenario; why it happens;
		原因; 错误原因; 可能原因; 失败原因; 产生原因; 问题原因; 场景; 可能的原因; 出错原因; 触发原因; 错误场景; 原因分析; 触发场景; 触发条件; 觸發條件; 典型状况; 典型状況; 状況; 発生状況; 発生条件; 原因说明; 可能性原因; 考えられる原因; エラー原因; 発生原因; 원인; 오류 원인; 발생 원인; 에러 원인; 가능한 원인;
		ursache; mögliche ursache; mögliche ursachen; grund; ursachen; causa; causas; motivo; causa posible; posible causa; posibles causas; causas posibles; raison; causes; causes possibles; cause possible; causas possíveis; causa possível; razón; razão; причина; возможная причина; возможные причины; причины;
		possibile causa; possibili cause; motivazione; przyczyna; możliwa przyczyna; przyczyny; powód; neden; nedeni; sebep; olası neden; nguyên nhân; lý do; nguyên nhân có thể; oorzaak; mogelijke oorzaak; oorzaken; reden; orsak; penyebab;
		السبب; سبب الخطأ; الأسباب; الأسباب المحتملة; السبب المحتمل; příčina; možná příčina; príčina; lehetséges cauză; cauza; причина помилки; αιτία; สาเหตุ; علت; סיבה; syy; årsag; årsak`,
	ofRemedy: `solution; solutions; possible solution; possible solutions; resolution; resolutions; action; actions; remedy; fix; how to fix; how to resolve; handling measure; handling measures; handling suggestion; handling; recommended action; recommended actions; suggested action; suggested actions; suggestion; suggestions; recommendation; user action; user response; corrective action; what to do; troubleshooting; workaround; mitigation; next step; next steps; how to handle; procedure; recommended solution; proposed solution; suggested solution; suggested resolution; operator response; programmer response; how to fix it; hint; hints; advice; required action; recovery; handling method; processing; resolution steps; tips; response action; recovery action; administrator response; how to handle it; troubleshooting steps; measures; measure; fixes; action required; customer action; what you should do; developer action; developer response;
		处理措施; 解决方案; 解决办法; 解决方法; 处理建议; 处理办法; 处理方法; 处理方式; 排查建议; 建议; 修复建议; 解决措施; 排查方法; 应对措施; 解决建议; 建议操作; 处理方案; 排查方案; 如何处理; 操作建议; 建议处理方式; 解決方案; 處理措施; 诊断方案; 解决方式; 处置建议; 改进建议; 如何解决; 排查思路; 处理; 排错建议; 解决途径;
		対処方法; 対処; 対応; 対応方法; 対策; 解決方法; 対処法; 解決策; 処置; 推奨処置; 対応策; 推奨される対応; 조치 방법; 조치; 해결 방법; 해결방법; 처리 방법; 해결책; 대응 방법; 대처 방법; 조치방법; 조치 사항; 해결 방안; 대응; 권장 조치;
		lösung; auflösung; maßnahme; maßnahmen; abhilfe; behebung; vorgehen; empfohlene maßnahme; lösungsvorschlag; mögliche lösung; fehlerbehebung; empfehlung; was tun; handlungsempfehlung; lösungen; problemlösung; solución; soluciones; acción; acciones; resolución; cómo resolverlo; acción recomendada; qué hacer; posible solución; cómo solucionarlo; recomendación; acción sugerida; posibles soluciones; que faire; résolution; action corrective; action; mesure; mesures; solutions possibles; action recommandée; remède; comment résoudre; correction; solution possible; marche à suivre; solução; soluções; ação; ações; resolução; como resolver; o que fazer; ação recomendada; possível solução; como corrigir; correção;
		решение; способ устранения; действия; устранение; что делать; рекомендации; рекомендация; как исправить; рекомендуемые действия; способ решения; действие; способы устранения; возможное решение; варианты решения; пути решения; меры;
		what should i do; what can i do; what you can do; what to do next; what should you do; how do i fix it; how do i fix this; how can i fix it; remediation; soluzione; soluzioni; rimedio; azione; azione consigliata; azione correttiva; risoluzione; come risolvere; cosa fare; possibile soluzione; rozwiązanie; rozwiązania; co zrobić; działanie; zalecane działanie; sposób rozwiązania; sposób postępowania; çözüm; çözüm önerisi; önerilen çözüm; yapılması gereken; ne yapmalı; cách xử lý; cách khắc phục; giải pháp; hướng xử lý; hướng dẫn xử lý; khắc phục; oplossing; oplossingen; wat te doen; actie; mogelijke oplossing; aanbevolen actie; åtgärd; lösning; solusi; 對策; 对策; 處理方式; 處理方法; 處理建議; 處理方案; 解決方法; 解決辦法; 建議; 建議操作; 應對措施; 處置方式;
		الحل; الحلول; الإجراء; الإجراء المطلوب; كيفية الحل; الحل المقترح; řešení; doporučená akce; riešenie; megoldás; teendő; soluție; remediere; рішення; що робити; дії; решение на проблема; λύση; ενέργεια; วิธีแก้ไข; การแก้ไข; راه حل; پیشنهاد; פתרון; פעולה; ratkaisu; toimenpide; løsning; tindakan; penanganan; समाधान`,
	ofField: `setting; settings; option; options; variable; environment variable; env variable; flag; metric; config key; configuration key; configuration; counter; port; event; command; parameter; parameters; parameter name; parameter type; type; data type; required; mandatory; optional; field; field name; attribute; argument; arguments; property; properties; default; default value; example; example value; format; max length; region; endpoint; version; date; url; uri; method; api; api name; operation; permission; header; header name; value type; limit; requests; plan; element; warning; change time; change date; summary of changes; changes; change description;
		参数; 参数名; 参数名称; 参数类型; 类型; 是否必选; 是否必填; 必填; 必选; 字段; 字段名; 字段名称; 变量; 变量名; 最大长度; 示例值; 示例; 默认值; 数据类型; 版本; 日期; 接口; 接口名称; 地域; 频率限制; 属性; 变更时间; 变更内容概要; 变更内容; 修改时间; 操作; パラメータ; パラメーター; パラメータ名; 型; 必須; 必須/任意; データ型; フィールド; 프로퍼티; 파라미터; 파라미터명; 필수 여부; 타입; 필드; 변수명; 필수;
		feld; feldname; parametername; typ; pflicht; pflichtfeld; datentyp; campo; parámetro; parâmetro; tipo; obligatorio; obrigatório; requerido; champ; paramètre; type de données; obligatoire; requis; поле; параметр; тип; обязательный; обязательное; тип данных;
		parametro; parametri; obbligatorio; nome parametro; parametr; nazwa parametru; właściwość; proprietà; eigenschaft; propiedad; propriedade; propriété; свойство; властивість; özellik; egenskab; egenskap; eigenschap; wymagany; wymagane; pole; parametre; zorunlu; tham số; bắt buộc; kiểu; kiểu dữ liệu; verplicht; veld;
		المعامل; المعلمة; الحقل; النوع; مطلوب; إلزامي; القيمة الافتراضية; pole; parametr; typ; povinné; mező; típus; kötelező; câmp; tip; обов'язковий; πεδίο; τύπος; พารามิเตอร์; ประเภท; פרמטר; שדה; סוג; kenttä; tyyppi; fält; felt; tipe; wajib; isian`,
	ofNote: `notes; note; remarks; remark; comment; comments; 备注; 备考; 備考; 備註; 비고; bemerkung; bemerkungen; hinweis; hinweise; notas; observaciones; observações; remarque; remarques; примечание; примечания; комментарий; note aggiuntive; uwagi; notlar; ghi chú; opmerking; opmerkingen;
		ملاحظات; ملاحظة; poznámka; poznámky; megjegyzés; observații; примітка; примітки; σημειώσεις; หมายเหตุ; huomautus; anmärkning; bemærkning; merknad; catatan`,
	ofAttribute: `system action; system response; retriable; retryable; retry; category; severity; level; log level; http method; soap fault code; soap fault code prefix; class; module; service; product; source; since; deprecated; origin; group; domain; error source; applies to; api version; scope; mapping; no; no.; number; #; id; index; transient; billable; documentation; link; links;
		是否可重试; 级别; 分类; 模块; 服务; 序号; 所属模块; 适用接口; 产品; 分類; 구분; 분류; 번호; kategorie; catégorie; категория; №`,
})

func words(lists map[kind]string) map[string]kind {
	all := map[string]kind{}
	for k := ofStatus; k <= ofAttribute; k++ { // in this order: a word in two lists belongs to the first
		for _, w := range strings.Split(lists[k], ";") {
			if w = normal(w); w == "" {
				continue
			}
			if _, taken := all[w]; !taken {
				all[w] = k
			}
		}
	}
	return all
}

// keywords judge headings that the vocabulary does not list. In most languages the last word
// decides ("error code description"); in those that link words with "of", the first one does
// ("description of the error code").
var keywords = []struct {
	word string
	kind kind
}{
	{"status code", ofStatus}, {"http status", ofStatus}, {"http code", ofStatus}, {"http response", ofStatus}, {"状态码", ofStatus}, {"ステータス", ofStatus}, {"상태", ofStatus}, {"statut", ofStatus}, {"статус", ofStatus},
	{"soap fault", ofAttribute}, {"retr", ofAttribute}, {"prefix", ofAttribute}, {"severity", ofAttribute}, {"category", ofAttribute},
	{"error message", ofMessage}, {"message", ofMessage}, {"msg", ofMessage}, {"信息", ofMessage}, {"消息", ofMessage}, {"提示", ofMessage}, {"メッセージ", ofMessage}, {"메시지", ofMessage}, {"meldung", ofMessage}, {"mensaje", ofMessage}, {"mensagem", ofMessage}, {"messaggio", ofMessage}, {"komunikat", ofMessage}, {"mesaj", ofMessage}, {"thông báo", ofMessage}, {"訊息", ofMessage}, {"сообщени", ofMessage},
	{"solution", ofRemedy}, {"resolution", ofRemedy}, {"resolve", ofRemedy}, {"remed", ofRemedy}, {"action", ofRemedy}, {"workaround", ofRemedy}, {"troubleshoot", ofRemedy}, {"recommend", ofRemedy}, {"suggest", ofRemedy}, {"handling", ofRemedy}, {"mitigation", ofRemedy}, {"to fix", ofRemedy}, {"what to do", ofRemedy}, {"解决", ofRemedy}, {"处理", ofRemedy}, {"措施", ofRemedy}, {"建议", ofRemedy}, {"办法", ofRemedy}, {"方案", ofRemedy}, {"排查", ofRemedy}, {"対処", ofRemedy}, {"対応", ofRemedy}, {"対策", ofRemedy}, {"解決", ofRemedy}, {"조치", ofRemedy}, {"해결", ofRemedy}, {"대응", ofRemedy}, {"lösung", ofRemedy}, {"maßnahme", ofRemedy}, {"behebung", ofRemedy}, {"solución", ofRemedy}, {"acción", ofRemedy}, {"solução", ofRemedy}, {"ação recomend", ofRemedy}, {"решени", ofRemedy}, {"устранени", ofRemedy}, {"soluzion", ofRemedy}, {"rozwiąz", ofRemedy}, {"çözüm", ofRemedy}, {"khắc phục", ofRemedy}, {"xử lý", ofRemedy}, {"oplossing", ofRemedy}, {"處理", ofRemedy}, {"對策", ofRemedy}, {"对策", ofRemedy}, {"建議", ofRemedy}, {"рекоменд", ofRemedy},
	{"description", ofText}, {"explanation", ofText}, {"meaning", ofText}, {"definition", ofText}, {"描述", ofText}, {"说明", ofText}, {"含义", ofText}, {"解释", ofText}, {"説明", ofText}, {"意味", ofText}, {"설명", ofText}, {"의미", ofText}, {"beschreibung", ofText}, {"bedeutung", ofText}, {"descripción", ofText}, {"descrição", ofText}, {"descrizione", ofText}, {"omschrijving", ofText}, {"açıklama", ofText}, {"mô tả", ofText}, {"說明", ofText}, {"описание", ofText},
	{"cause", ofCause}, {"occur", ofCause}, {"when/", ofCause}, {"reason", ofCause}, {"原因", ofCause}, {"원인", ofCause}, {"ursache", ofCause}, {"causa", ofCause}, {"motivo", ofCause}, {"raison", ofCause}, {"причин", ofCause},
	{"parameter", ofField}, {"argument", ofField}, {"参数", ofField}, {"字段", ofField}, {"パラメータ", ofField}, {"파라미터", ofField},
	{"error code", ofCode}, {"code", ofCode}, {"错误码", ofCode}, {"代码", ofCode}, {"返回码", ofCode}, {"エラーコード", ofCode}, {"コード", ofCode}, {"코드", ofCode}, {"código", ofCode}, {"код", ofCode}, {"codice", ofCode}, {"kod błędu", ofCode}, {"hata kodu", ofCode}, {"mã lỗi", ofCode}, {"錯誤碼", ofCode},
	{"exception", ofName}, {"error", ofName},
}

var (
	ornaments = strings.NewReplacer("_", " ", "’", "'", "\n", " ", "↑", "", "↓", "", "▲", "", "▼", "")
	humps     = regexp.MustCompile(`([a-z])([A-Z])`)
	// shortHeading is a heading that is the name of a member of a response, in abbreviations.
	shortHeading = regexp.MustCompile(`^(?:res|ret|rtn|resp|rsp|err|error|result|return|response|sub|biz|trans|fail) ?(code|msg|message|desc|description)$`)
	// pathHeading is a heading that gives the place of a value in the response.
	pathHeading = regexp.MustCompile(`^(?:(?:errors?|err|meta|response|resp|body|data|results?|fault|details?|extensions|headers?|payload|problem|status|reason)(?:\[\d?\])?\.)+([a-z ]+)$`)
	inBrackets  = regexp.MustCompile(`[(\x{ff08}\[【][^)\x{ff09}\]】]*[)\x{ff09}\]】]`)
	linking     = regexp.MustCompile(` (of|and|for|de|del|do|da|du|des|der|&|to) |d'`)
	markup      = regexp.MustCompile("\\*\\*|`|</?(?i:b|i|u|p|a|em|strong|code|span|div|ul|ol|li|br|sup|sub|tt|small|font|kbd|var|samp)(?:\\s[^<>]{0,200})?/?>")
	italic      = regexp.MustCompile(`(^|[\s(])\*([^\s*](?:[^*]{0,200}[^\s*])?)\*($|[\s.,;:)])`)
	mdLink      = regexp.MustCompile(`!?\[([^\[\]]*)\]\([^()\s]*(?:\([^()\s]*\))?[^()\s]*\)`)
	footnote    = regexp.MustCompile(`<sup>\s*[\[(]?(?:\d{1,2}|[*†‡]+)[\])]?\s*</sup>`)
	rstText     = regexp.MustCompile("(?::[a-z][a-z:+]{1,20}:`([^`<>]+)(?:\\s<[^<>`]*>)?`)")
	breaks      = regexp.MustCompile(`(?i)<br\s*/?>|</p>\s*<p>|</li>\s*<li>`)
)

// normal returns a heading in the form used for comparison: lower case, no markup, no remarks in
// brackets, single spaces.
func normal(heading string) string {
	if len(heading) > 120 {
		return ""
	}
	if bareWords(heading) {
		return strings.ToLower(heading)
	}
	s := heading
	if strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 }) {
		s = width.Fold.String(s)
	}
	if s = strings.ToLower(s); strings.ContainsAny(s, "*`<") {
		s = markup.ReplaceAllString(s, "")
	}
	if strings.ContainsAny(s, "(\uff08[【") {
		if bare := strings.TrimSpace(inBrackets.ReplaceAllString(s, "")); bare != "" {
			s = bare
		}
	}
	s = ornaments.Replace(s)
	return strings.Join(strings.Fields(strings.Trim(s, " :*#.|-?<>")), " ")
}

// bareWords reports whether a heading is letters, digits and single spaces, which normal only has
// to turn into lower case. Most of the texts that it is asked for are.
func bareWords(s string) bool {
	space := true // before the text
	for _, c := range []byte(s) {
		if !letter(rune(c)) && !digit(rune(c)) && (c != ' ' || space) {
			return false
		}
		space = c == ' '
	}
	return !space
}

// inVocabulary reports whether the vocabulary has a heading, word for word, or written in one word:
// errorDescription.
func inVocabulary(heading string) bool {
	return someCode.MatchString(heading) && kindOf(heading) == ofCode || vocabulary[normal(heading)] != unknown || strings.ContainsFunc(heading, upper) && vocabulary[normal(humps.ReplaceAllString(heading, "$1 $2"))] != unknown
}

// someCode matches a heading that names codes of some kind: "Close code".
var someCode = regexp.MustCompile(`^(?:\p{Lu}?\p{Ll}+ ){1,2}[Cc]ode$`)

// kindOf returns what a heading announces.
func kindOf(heading string) kind { return kindOfNormal(heading, normal(heading)) }

// kindOfNormal is kindOf for a heading whose normal form h is known.
func kindOfNormal(heading, h string) kind {
	if k, ok := vocabulary[h]; ok {
		return k
	}
	if strings.ContainsFunc(heading, upper) { // ErrorDescription
		if k, ok := vocabulary[normal(humps.ReplaceAllString(heading, "$1 $2"))]; ok {
			return k
		}
	}
	if m := shortHeading.FindStringSubmatch(h); m != nil { // RtnCode
		return vocabulary[m[1]]
	}
	if m := pathHeading.FindStringSubmatch(h); m != nil { // meta.code
		switch k := vocabulary[m[1]]; k {
		case ofCode, ofMessage, ofText:
			return k
		}
	}
	if k := misspelt(h); k != unknown {
		return k
	}
	if h == "" || len([]rune(h)) > 45 || len(strings.Fields(h)) > 6 || endsSentence(heading) || codeStrength(heading) == mnemonic {
		return unknown
	}
	best, at := unknown, -1
	firstWins := strings.ContainsAny(h, " '") && linking.MatchString(h)
	for _, w := range keywords { // longer keywords come before those that they contain
		start, end := strings.Index(h, w.word), strings.LastIndex(h, w.word)+len(w.word)
		switch {
		case start < 0:
		case firstWins && (at < 0 || start < at):
			best, at = w.kind, start
		case !firstWins && end > at:
			best, at = w.kind, end
		}
	}
	switch {
	case best == ofField && strings.HasPrefix(h, "description "):
		return ofText
	case best == ofCode && strings.Contains(h, "http"):
		return ofStatus
	case best == ofCode && ranges.MatchString(h):
		return ofAttribute
	case best == ofCode && otherCodes.MatchString(heading):
		return ofField // a region's code
	}
	return best
}

// spelt are the words of headings that are recognized if one letter is missing, doubled or wrong.
var spelt = []string{"message", "description", "solution", "resolution", "explanation", "error code", "error message"}

// ranges matches the heading of ranges of codes.
var ranges = regexp.MustCompile(`\brange|\bprefix|\bgroup|范围|段$|диапазон|bereich|rango|faixa|plage`)

// misspelt returns what a heading announces that differs from a word of spelt by one letter.
func misspelt(h string) kind {
	if len(h) < 6 || len(h) > 14 {
		return unknown
	}
	for _, word := range spelt {
		if len(word)-len(h) > 1 || len(h)-len(word) > 1 || h[0] != word[0] {
			continue
		}
		same := 0
		for same < min(len(h), len(word)) && h[same] == word[same] {
			same++
		}
		a, b := h[same:], word[same:]
		if len(a) >= len(b) {
			a = a[1:]
		}
		if len(b) > len(a) || len(b) == len(h[same:]) {
			b = b[1:]
		}
		if a == b {
			return vocabulary[word]
		}
	}
	return unknown
}

// headings returns what the cells announce, up to the first cell that cannot be a heading. ok
// reports whether they are a row of headings.
func headings(cells []string) (kinds []kind, ok bool) {
	for _, c := range cells {
		kinds = append(kinds, kindOf(c))
		if noHeading(c) {
			return kinds, false
		}
	}
	return kinds, headRow(cells, kinds)
}

// noHeading reports whether a cell cannot be a heading because it is a number or too long.
func noHeading(s string) bool {
	return isStatus(s) || integer.MatchString(s) || len([]rune(s)) > 60
}

// headRow reports whether cells of the given kinds are a row of headings: at least half of them
// announce something, and at least one announces a code, a status or an error.
func headRow(cells []string, kinds []kind) bool {
	known, filled, key := 0, 0, false
	for i, k := range kinds {
		if cells[i] != "" {
			filled++
		}
		if k != unknown {
			known++
		}
		key = key || k == ofCode || k == ofStatus || k == ofName || i == 0 && parameterHeads[normal(cells[0])]
	}
	return key && filled >= 2 && known*2 >= filled
}

// fieldTable reports whether headings belong to a table that describes parameters and the like.
func fieldTable(kinds []kind) bool {
	return slices.Contains(kinds, ofField) && !slices.Contains(kinds, ofCode) && !slices.Contains(kinds, ofStatus)
}

// plain removes the inline marks of Markdown and HTML from a text. A line break in the markup
// becomes a newline.
func plain(s string) string {
	if inner, found := strings.CutPrefix(s, "{{"); found && strings.HasSuffix(inner, "}}") && strings.IndexAny(inner, "{ }") == len(inner)-2 {
		s = inner[:len(inner)-2] // a wiki's {{code}}
	}
	if !strings.ContainsAny(s, "<[*`&\\") || statusClass.MatchString(s) {
		return tidy(s)
	}
	s = footnote.ReplaceAllString(s, "")
	if strings.Contains(s, "`") {
		s = rstText.ReplaceAllString(s, "$1")
	}
	s = breaks.ReplaceAllString(s, "\n")
	s = mdLink.ReplaceAllString(s, "$1")
	s = markup.ReplaceAllString(s, "")
	if strings.Contains(s, "*") {
		s = italic.ReplaceAllString(s, "$1$2$3")
	}
	if strings.Contains(s, "&") {
		s = html.UnescapeString(s)
	}
	if strings.Contains(s, `\`) {
		s = strings.NewReplacer(`\|`, "|", `\_`, "_", `\*`, "*", `\[`, "[", `\]`, "]", `\<`, "<", `\>`, ">").Replace(s)
	}
	return tidy(s)
}

// tidy trims the paragraphs of a cell and drops the empty ones.
func tidy(s string) string {
	if isTidy(s) {
		return s
	}
	var kept []string
	for _, p := range strings.Split(s, "\n") {
		if p = strings.Join(strings.Fields(p), " "); p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, "\n")
}

// isTidy reports whether tidy would leave a text as it is, of those that are simple to judge.
func isTidy(s string) bool {
	space := true // before the text
	for _, c := range []byte(s) {
		if c < ' ' || c >= 0x80 || c == ' ' && space {
			return false
		}
		space = c == ' '
	}
	return !space
}
