package parse

import "slices"

// verdict is what a dialect says about an object.
type verdict int

const (
	neither verdict = iota // no envelope of this dialect
	success
	failure
)

// dialect is one way to write an envelope. A new one takes a row in dialects, a function, and the
// keys that no other dialect asks for (names.go), of which one needs a telltale (fast.go).
type dialect struct {
	name  string
	about string
	any   keySet // the dialect is asked only about objects with one of these
	match func(o *object) (Envelope, verdict)
}

// dialects are asked in this order, the most specific first. docs/dialects.md describes them for
// users.
var dialects = []dialect{
	{"telegram", "ok is false, with error_code and description", keys(keySuccess), telegram},
	{"slack", "ok is false, with error as a word", keys(keySuccess), slack},
	{"huawei", "error_code and error_msg, as Huawei Cloud services write them", keys(keyErrorCode, keyErrorMsg), huawei},
	{"tencent-v3", "Response.Error with Code and Message, as Tencent Cloud's API 3.0 writes them", keys(keyCodeUpper), tencentV3},
	{"tencent-v2", "code, message and codeDesc, as Tencent Cloud's API 2.0 writes them", keys(keyCode), tencentV2},
	{"aws-xml", "an Error element with Code and Message: S3, OBS, OSS, COS, Azure, EC2", keys(keyCodeUpper), awsXML},
	{"aliyun", "Code and Message with RequestId, HostId and the like", keys(keyCodeUpper), aliyun},
	{"aws-json", "__type and message", keys(keyAWSType), awsJSON},
	{"error-type", "errorType with errorMessage or error: AWS Lambda, Prometheus", keys(keyErrorType), errorType},
	{"kubernetes", "an object of kind Status", keys(keyKind), kubernetes},
	{"xml-rpc", "fault with a struct of faultCode and faultString", keys(keyMember), xmlRPC},
	{"json-rpc", "error beside jsonrpc", keys(keyCode, keyMessage), jsonRPC},
	{"google", "error with a status in words", keys(keyStatus), google},
	{"microsoft", "error with code, message and innererror, target or details", keys(keyCode), microsoft},
	{"elasticsearch", "error with type and reason", keys(keyReason), elasticsearch},
	{"apigee", "fault with faultstring and detail.errorcode", keys(keyFaultString), apigee},
	{"soap", "Fault of SOAP 1.1 and 1.2", keys(keyFaultCode, keyFaultString, keyCodeUpper), soap},
	{"stripe", "error with type and message: Stripe, OpenAI, Anthropic, Graph", keys(keyType), stripe},
	{"openstack", "one member that is named for the error: itemNotFound, NeutronError", keys(keyMessage, keyType), openstack},
	{"error-object", "error with code and a message", keys(keyCode, keyCodeUpper, keyMessage, keyMessageUpper, keyErrorMsg, keyDescription, keyReason, keyType, keyName, keyID), errorObject},
	{"fhir", "an issue of an OperationOutcome", keys(keyLevel), fhir},
	{"parlay", "an exception with messageId and text, as OneAPI and Infobip write it", keys(keyMessageID), parlay},
	{"infobip", "a status with groupName REJECTED, name and description, as Infobip writes it", keys(keyDescription), infobip},
	{"bapi", "TYPE E, A or X with ID, NUMBER and MESSAGE, as SAP's BAPIs return them", keys(keyMessage), bapi},
	{"problem", "problem details of RFC 9457", keys(keyTitle, keyDetail), problem},
	{"error-code", "errorCode with errorMessage and the like", keys(keyOtherCode), errorCode},
	{"errcode", "errcode or errno with errmsg", keys(keyErrcode), errcode},
	{"result-code", "resultCode, retCode, ret and the like with their message", keys(keyResultCode, keyOutcome), resultCode},
	{"json-api", "an item of errors with detail or title", keys(keyDetail, keyTitle), jsonAPI},
	{"graphql", "an item of errors with message and path, locations or extensions", keys(keyMessage), graphQL},
	{"spring", "timestamp, status and error", keys(keyTimestamp), spring},
	{"status-code", "statusCode with message: NestJS, Fastify", keys(keyStatusCode), statusCode},
	{"github", "message with documentation_url", keys(keyDocumentationURL, keyField), gitHub},
	{"oauth", "error as a word with error_description", keys(keyErrorDescription), oauth},
	{"grpc", "code from 1 to 16 with message and details", keys(keyDetails), grpc},
	{"message-item", "a message with a code and a category, severity or type of error: Berlin Group, Authorize.Net", keys(keyCode, keyMessage, keyType, keyID, keyLevel), messageItem},
	{"code-message", "code beside message or msg, as very many services write them", keys(keyCode, keyCodeUpper), codeMessage},
	{"fastapi", "an item of detail with loc, msg and type", keys(keyLoc, keyType), fastAPI},
	{"error-texts", "errors as texts in a list", keys(keyErrors, keyError, keyErrorTexts), errorTexts},
	{"status-number", "a number or a code under status with a message, as maps APIs write it", keys(keyStatus, keyMessage), statusNumber},
	{"jsend", "status, result or type says error or fail, with a message", keys(keyStatus, keyOutcome, keyType), jSend},
	{"success-flag", "success or ok is false, with a message", keys(keySuccess, keyError, keyStatus, keyOutcome), successFlag},
	{"error-text", "error as text", keys(keyError, keyErrorMsg), errorText},
	{"error-item", "an item with a message in a list that is named for failures", keys(keyMessage, keyMessageUpper, keyErrorMsg, keyDescription, keyReason, keyDetail, keyTitle, keyID, keyType), errorItem},
	{"item-state", "an item of any list whose own state says failure, with a text that says why", keys(keySuccess, keyStatus, keyState, keyStatusCode), itemState},
}

// lastResorts are asked in this order about the object that is the whole body, if the status of the
// request is 400 or more and no dialect found an envelope: some text in it becomes the message.
var lastResorts = []dialect{
	{"apisix", "error_msg alone", keys(keyErrorMsg), apisix},
	{"django-rest", "detail, with code or alone", keys(keyDetail), djangoDetail},
	{"kong", "message alone", keys(keyMessage, keyMessageUpper), kong},
	{"message", "a text under errors, title, description, reason and the like", keys(looseTextKeys...), looseText},
	{"django-rest", "fields with lists of texts", everyKey, djangoFields},
	{"message", "a text under any name that sounds like one, here or below", everyKey, textAnywhere},
}

// Dialects returns the names of the dialects, including HTTPDialect.
func Dialects() []string {
	names := []string{HTTPDialect}
	for _, d := range append(slices.Clone(dialects), lastResorts...) {
		if !slices.Contains(names, d.name) {
			names = append(names, d.name)
		}
	}
	return names
}
