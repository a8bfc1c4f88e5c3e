package parse

import (
	"bytes"
	"slices"
	"strings"
)

// key is a member that some dialect asks for. Spellings with the same meaning in every dialect are
// one key.
type key uint8

const (
	keyCode key = iota
	keyCodeUpper
	keyMessage
	keyMessageUpper
	keyErrorCode
	keyErrorMsg
	keyOtherCode
	keyErrcode
	keyResultCode
	keyResultMsg
	keySubCode
	keyError
	keyErrorDescription
	keyErrorType
	keyErrors
	keyDescription
	keyDetail
	keyDetails
	keyTitle
	keyReason
	keyType
	keyAWSType
	keyName
	keyStatus
	keyStatusCode
	keySuccess
	keyCodeDesc
	keyHostID
	keyRecommend
	keyKind
	keyJSONRPC
	keyInnerError
	keyTarget
	keyFaultCode
	keyFaultString
	keyLocations
	keyExtensions
	keyPath
	keyTimestamp
	keyDocumentationURL
	keyLoc
	keyField
	keyData
	keyErrorTexts
	keyMessageID
	keyCategory
	keyMember
	keyOutcome
	keyValid

	// These say that an object is not an envelope: see exempt.go.
	keyID
	keyState
	keyTime
	keyJob
	keyDone
	keyEvent
	keyMetadata
	keyDocument
	keyRemedy
	keyLevel
	keyLocale

	numKeys
)

// spellings are the names of each key.
var spellings = [numKeys][]string{
	keyCode:         {"code", "kode", "kod"},
	keyCodeUpper:    {"Code"},
	keyMessage:      {"message", "msg"},
	keyMessageUpper: {"Message", "Msg"},
	keyErrorCode:    {"error_code"},
	keyErrorMsg: {"error_msg", "error_message", "errorMsg", "errorMessage", "ErrorMessage", "ErrorMsg", "errMsg", "err_msg", "errmsg", "ErrMsg",
		"err_message", "errMessage", "error_info", "errorInfo", "err_code_des", "err_tips", "errorDetail", "fail_reason", "failReason",
		"errorSummary", "ErrorInfo", "err-msg", "status_message", "error-text", "错误信息", "错误消息", "错误描述"},
	keyOtherCode:        {"errorCode", "ErrorCode", "err_code", "errCode", "errorcode", "ErrCode", "error-code", "err-code", "错误码", "错误代码"},
	keyErrcode:          {"errcode", "errno", "err_no", "error_no", "errorNo", "errNo"},
	keyResultCode:       {"resultCode", "result_code", "ResultCode", "resultcode", "retCode", "retcode", "ret_code", "RetCode", "ret", "returnCode", "return_code", "returncode", "ReturnCode", "rtnCode", "rtn_code", "respCode", "resp_code", "responseCode", "response_code", "rspCode", "rsp_code", "infocode"},
	keyResultMsg:        {"resultMsg", "result_msg", "resultMessage", "ResultMessage", "ResultMsg", "resultDesc", "result_desc", "retMsg", "retmsg", "ret_msg", "RetMsg", "returnMsg", "return_msg", "returnMessage", "ReturnMsg", "rtnMsg", "rtn_msg", "respMsg", "resp_msg", "respDesc", "responseMessage", "responseMsg", "response_msg", "rspMsg", "rsp_msg", "rspDesc"},
	keySubCode:          {"sub_code", "subCode", "subcode", "sub_code_str"},
	keyError:            {"error", "Error", "err", "erro", "hata"},
	keyErrorDescription: {"error_description", "errorDescription", "error_desc", "errorDesc"},
	keyErrorType:        {"errorType", "error_type"},
	keyErrors:           {"errors", "Errors"},
	keyDescription:      {"description", "desc", "Description", "info", "explanation", "moreInformation"},
	keyDetail:           {"detail", "Detail"},
	keyDetails:          {"details", "Details"},
	keyTitle:            {"title", "Title", "httpMessage"},
	keyReason:           {"reason", "Reason"},
	keyType:             {"type", "Type"},
	keyAWSType:          {"__type"},
	keyName:             {"name"},
	keyStatus:           {"status", "Status"},
	keyStatusCode:       {"statusCode", "status_code", "StatusCode", "httpStatus", "http_status", "httpCode", "http_code", "httpStatusCode", "statuscode"},
	keySuccess:          {"success", "Success", "isSuccess", "is_success", "succeed", "succeeded", "ok"},
	keyCodeDesc:         {"codeDesc"},
	keyHostID:           {"HostId"},
	keyRecommend:        {"Recommend"},
	keyKind:             {"kind"},
	keyJSONRPC:          {"jsonrpc"},
	keyInnerError:       {"innererror", "innerError", "InnerError"},
	keyTarget:           {"target"},
	keyFaultCode:        {"faultcode", "faultCode"},
	keyFaultString:      {"faultstring", "faultString"},
	keyLocations:        {"locations"},
	keyExtensions:       {"extensions"},
	keyPath:             {"path"},
	keyTimestamp:        {"timestamp"},
	keyDocumentationURL: {"documentation_url"},
	keyLoc:              {"loc"},
	keyField:            {"field", "resource"},
	keyData:             {"data"},
	keyErrorTexts:       {"errorMessages", "error_messages", "errorMsgs", "errMsgs"},
	keyMessageID:        {"messageId"},
	keyCategory:         {"category", "scimType"},
	keyMember:           {"member"},
	keyOutcome:          {"result", "Result", "ack", "Ack", "ACK", "outcome", "resultStatus", "responseStatus", "response_status", "res_result", "systemStatus", "actionStatus", "ActionStatus"},

	keyValid: {"valid", "isValid", "is_valid"},

	keyID:    {"id", "ID", "uuid", "sid", "run_id", "runId", "instance_id", "instanceId", "server_id", "operation_id", "operationId", "execution_id", "executionArn", "build_id", "pipeline_id"},
	keyState: {"state", "phase", "job_status", "jobStatus", "task_status", "taskStatus", "task_state", "run_status", "conclusion", "lifecycle_state", "lifecycleState", "provisioningState", "provisioning_state"},
	keyTime: {"created_at", "createdAt", "created", "create_time", "createTime", "creationTime", "begin_time", "beginTime", "begin_at", "start_time", "startTime", "startDate", "started_at", "startedAt", "end_time", "endTime", "stopDate", "ended_at",
		"finished_at", "finishedAt", "finish_time", "completed_at", "completedAt", "failed_at", "updated_at", "updatedAt", "updated", "update_time", "date_created", "date_updated"},
	keyJob:      {"job_id", "jobId", "task_id", "taskId", "JobId", "TaskId"},
	keyDone:     {"done"},
	keyEvent:    {"eventName", "eventTime", "eventType", "event_name", "event_time", "event_type", "trace_name", "traceName"},
	keyMetadata: {"metadata"},
	keyDocument: {"openapi", "swagger", "asyncapi", "$schema", "__schema"},
	keyRemedy:   {"solution", "remedy", "resolution", "suggestion", "handling", "cause"},
	keyLevel:    {"level", "severity"},
	keyLocale:   {"locale", "lang", "language"},
}

// Vendors write the same few names in endless ways: resCode, RES_CODE, response-message. A name
// that no dialect lists is taken for one that differs only in case and separators, or for a pair of
// a usual prefix and a usual word.

// similarKeys are such names without separators, in lower case.
var similarKeys = func() map[string]key {
	m := map[string]key{}
	name := func(k key, names string) {
		for _, n := range strings.Fields(names) {
			if _, taken := m[n]; !taken {
				m[n] = k
			}
		}
	}
	add := func(k key, prefixes, words string) {
		for _, p := range strings.Fields(prefixes) {
			for _, w := range strings.Fields(words) {
				name(k, p+w)
			}
		}
	}
	const (
		results = "res resp rsp response ret rtn rt return result rslt biz business bizres op operation reply service svc api sys trans process exec ack action"
		errs    = "err error exception fault fail failed failure problem"
		owners  = "api app enc res resp ret rsp gw gateway biz sys svc proc host server provider processor bank issuer acquirer payment transaction trans txn"
	)
	add(keyResultCode, results, "code cd")
	add(keyResultMsg, results+" status", "msg message desc description info text reason explanation")
	add(keyResultCode, "return", "reasoncode")
	add(keyResultMsg, "return", "authmsg")
	add(keyResultMsg, "status", "string")
	add(keyOtherCode, errs, "code codes cd number num no name responsecode")
	add(keyErrorMsg, errs, "msg message desc description info text txt reason string note summary")
	for _, of := range strings.Fields(owners) {
		add(keyOtherCode, of+"err "+of+"error", "code cd no")
		add(keyErrorMsg, of+"err "+of+"error", "msg message desc description text")
		add(keyResultCode, of+"result "+of+"response "+of+"resp "+of+"return", "code cd")
		add(keyResultMsg, of+"result "+of+"response "+of+"resp "+of+"return", "msg message desc description")
	}
	name(keyStatusCode, "statuscd")
	name(keyCode, "code")
	name(keyMessage, "message msg")
	name(keyDescription, "description")
	name(keyError, "error erro fault")
	name(keyErrors, "errors")
	name(keyStatus, "status")
	name(keyResultCode, "conditioncode rcode scode codres dcodres")
	name(keyResultMsg, "conditiondata rmsg smsg msgres dmsgres")
	name(keyError, "iserror haserror")
	name(keySuccess, "isok issuccessful successful actionsucceed actionsucceeded")
	name(keyLevel, "severity severitycode errorseverity messagetype")
	add(keyErrorMsg, "external", "msg message")
	add(keyMessage, "message msg", "zh cn en")
	add(keyFaultCode, "fault", "code")
	m["faultcode"], m["faultstring"] = keyFaultCode, keyFaultString
	for k, names := range otherLanguages {
		for _, name := range strings.Fields(names) {
			m[name] = k
		}
	}
	return m
}()

// otherLanguages are names that services write in Spanish, Portuguese, French, German, Italian,
// Turkish, Indonesian and the languages of northern and central Europe. A plain description is no
// message of a code: lists of products have both.
var otherLanguages = map[key]string{
	keyCode:    "codigo código codice",
	keyMessage: "mensaje mensagem messaggio meldung mesaj pesan meddelande melding besked viesti bericht komunikat zprava poruka mesej felmeddelande feilmelding fejlbesked opisbledu",
	keyReason:  "motivo glosa popis omschrijving beskrivelse beskrivning kuvaus descripcion descripción descricao descrição descrizione beschreibung libelle libellé aciklama açıklama keterangan",
	keyDetail:  "detalle detalhe dettaglio",
	keyError:   "erreur errore fehler serviceexception",
	keyStatus:  "estado",
	keyType:    "tipo",
	keyID:      "identificador",
	keyErrors:  "errores erros erreurs errori",
	keySuccess: "exito éxito sucesso",
	keyOtherCode: "codigoerror codigoerrorregistro codigoerro códigoerro códigoerror coderro coderror codigodeerror codigodeerro erreurcode codeerreur codicerrore codiceerrore " +
		"felkod feilkode fejlkode kodbledu kodchyby fehlercode fehlernummer fehlernr hatakodu hatakod kodeerror errorkode foutcode",
	keyErrorMsg: "mensajeerror mensajedeerror mensagemerro mensagemdeerro msgerro msgerror descripcionerror descripcionerrorregistro descricaoerro messageerreur libelleerreur erreurmessage " +
		"fehlermeldung fehlertext fehlerbeschreibung messaggioerrore descrizioneerrore hatamesaji hatamesajı hatamesaj hataaciklama pesanerror foutmelding",
	keyResultCode: "cstat recode codigoretorno codretorno codigorespuesta codrespuesta codigoresultado coderetour sonuckodu codestatus codestado codigoestatus codigoestado",
	keyResultMsg:  "xmotivo mensajerespuesta mensagemretorno mensajeretorno mensajeresultado descripcionrespuesta descricaoretorno messageretour libelleretour sonucmesaji sonucaciklama resposta respuesta",
}

// tellingKeys are keys whose names have a telltale.
var tellingKeys = keys(keyCode, keyError, keyErrors, keyErrorMsg, keyOtherCode, keyResultCode, keyStatus, keyStatusCode, keySuccess)

// prefixed are keys whose names may have a vendor's letters before them: vnp_ResponseCode, NCERROR.
// Plain words are not among them: a zip_code is none of an error.
var prefixed = keys(keyErrorCode, keyErrorMsg, keyOtherCode, keyErrcode, keyResultCode, keyResultMsg)

const (
	// maxVendor is how many letters a vendor's prefix has at most, before a separator.
	maxVendor = 4
	// maxInitials is how many it has at most without one, before the word error.
	maxInitials = 2
)

// similarKey finds a key by a spelling that no dialect lists. plain is what plainName makes of it.
func similarKey(name, plain []byte) (key, bool) {
	if n := len(name); n < len("cod") || n > 28 {
		return 0, false
	}
	k, ok := similarKeys[string(plain)]
	if !ok {
		k, ok = prefixedKey(name, plain)
	}
	if ok && tellingKeys.has(k) && asksOf(name) == 0 { // separators within its words
		return 0, false
	}
	return k, ok
}

// prefixedKey finds a key by a name with a vendor's prefix.
func prefixedKey(name, plain []byte) (k key, ok bool) {
	if n := len(name) - len("error"); 0 < n && n <= maxInitials && len(plain) == len(name) && bytes.HasSuffix(plain, []byte("error")) {
		return keyError, name[n-1]&0x20 == name[n]&0x20 // not onError
	}
	at := bytes.IndexByte(name[:min(len(name), maxVendor+1)], '_')
	if at <= 0 || bytes.IndexByte(name, ':') >= 0 || !isLetters(name[:at]) || slices.Contains(narrower, string(plain[:at])) {
		return 0, false
	}
	if k, ok = keyOf[string(name[at+1:])]; !ok {
		k, ok = similarKeys[string(plain[at:])]
	}
	ok = ok && prefixed.has(k)
	if k == keyErrorCode || k == keyOtherCode || k == keyErrcode { // it may also be the state of a thing, so it takes a message
		k = keyResultCode
	}
	return k, ok
}

// narrower are prefixes of names of something else than the whole answer.
var narrower = []string{"sub", "last", "old", "prev", "avs", "cvv", "cvc", "max", "min", "no"}

func isLetters(text []byte) bool {
	for _, c := range text {
		if !isLetter(c) {
			return false
		}
	}
	return true
}
