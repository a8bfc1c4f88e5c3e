package parse

import (
	"errata/internal/jsontree"
)

// key is a member that some dialect asks for. Spellings that mean the same to every dialect are one key.
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
	keyDebugID
	keyField
	keyData

	// These say that an object is no envelope: see exempt.go.
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

// keySet is a set of keys, a bit each.
type keySet uint64

// There is a bit for each key: one key too many does not compile.
const _ = uint(64 - numKeys)

func keys(all ...key) (s keySet) {
	for _, k := range all {
		s |= 1 << k
	}
	return s
}

func (s keySet) has(k key) bool           { return s&(1<<k) != 0 }
func (s keySet) hasAny(other keySet) bool { return s&other != 0 }

// spellings are the names under which each key is written.
var spellings = [numKeys][]string{
	keyCode:         {"code"},
	keyCodeUpper:    {"Code"},
	keyMessage:      {"message", "msg"},
	keyMessageUpper: {"Message", "Msg"},
	keyErrorCode:    {"error_code"},
	keyErrorMsg: {"error_msg", "error_message", "errorMsg", "errorMessage", "ErrorMessage", "ErrorMsg", "errMsg", "err_msg", "errmsg", "ErrMsg",
		"err_message", "errMessage", "error_info", "errorInfo", "err_code_des", "err_tips", "errorDetail", "fail_reason", "failReason",
		"errorSummary", "ErrorInfo", "err-msg", "status_message"},
	keyOtherCode:        {"errorCode", "ErrorCode", "err_code", "errCode", "errorcode", "ErrCode", "error-code", "err-code"},
	keyErrcode:          {"errcode", "errno", "err_no", "error_no", "errorNo", "errNo"},
	keyResultCode:       {"resultCode", "result_code", "ResultCode", "resultcode", "retCode", "retcode", "ret_code", "RetCode", "ret", "returnCode", "return_code", "returncode", "ReturnCode", "rtnCode", "rtn_code", "respCode", "resp_code", "responseCode", "response_code", "rspCode", "rsp_code", "infocode"},
	keyResultMsg:        {"resultMsg", "result_msg", "resultMessage", "ResultMessage", "ResultMsg", "resultDesc", "result_desc", "retMsg", "retmsg", "ret_msg", "RetMsg", "returnMsg", "return_msg", "returnMessage", "ReturnMsg", "rtnMsg", "rtn_msg", "respMsg", "resp_msg", "respDesc", "responseMessage", "responseMsg", "response_msg", "rspMsg", "rsp_msg", "rspDesc"},
	keySubCode:          {"sub_code", "subCode", "subcode", "sub_code_str"},
	keyError:            {"error", "Error", "err"},
	keyErrorDescription: {"error_description", "errorDescription", "error_desc", "errorDesc"},
	keyErrorType:        {"errorType", "error_type"},
	keyErrors:           {"errors", "Errors"},
	keyDescription:      {"description", "desc", "Description", "info", "explanation"},
	keyDetail:           {"detail", "Detail"},
	keyDetails:          {"details", "Details"},
	keyTitle:            {"title", "Title"},
	keyReason:           {"reason", "Reason"},
	keyType:             {"type", "Type"},
	keyAWSType:          {"__type"},
	keyName:             {"name"},
	keyStatus:           {"status", "Status"},
	keyStatusCode:       {"statusCode", "status_code", "StatusCode", "httpStatus", "http_status", "httpCode", "http_code", "httpStatusCode"},
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
	keyDebugID:          {"debug_id"},
	keyField:            {"field", "resource"},
	keyData:             {"data"},

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

// keyOf finds a key by its spelling.
var keyOf = func() map[string]key {
	m := map[string]key{}
	for k, names := range spellings {
		for _, name := range names {
			m[name] = key(k)
		}
	}
	return m
}()

// shapes has a bit for each length and first letter that some key has, so that most members are passed over without a look-up.
var shapes = func() (s [64]uint64) {
	for name := range keyOf {
		s[len(name)] |= 1 << (name[0] & 63)
	}
	return s
}()

// object is a JSON object with those of its members that dialects ask for. Of a key that stands twice the first member counts.
type object struct {
	jsontree.Value
	keys    keySet
	members [numKeys]jsontree.Value

	p *Parser
}

// read takes the members of v.
func (o *object) read(v jsontree.Value) {
	o.Value, o.keys = v, 0
	for m := v.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		name := m.RawKey()
		if m.KeyEscaped() {
			name = []byte(m.Key())
		}
		if n := len(name); n == 0 || n >= len(shapes) || shapes[n]&(1<<(name[0]&63)) == 0 {
			continue
		}
		if k, ok := keyOf[string(name)]; ok && !o.keys.has(k) {
			o.keys |= 1 << k
			o.members[k] = m
		}
	}
}

// get is the member under a key, Missing where there is none.
func (o *object) get(k key) jsontree.Value {
	if !o.keys.has(k) {
		return jsontree.Value{}
	}
	return o.members[k]
}

// first is the first of the members that is there.
func (o *object) first(all ...key) jsontree.Value {
	for _, k := range all {
		if o.keys.has(k) {
			return o.members[k]
		}
	}
	return jsontree.Value{}
}
