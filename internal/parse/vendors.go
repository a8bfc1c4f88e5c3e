package parse

import (
	"bytes"
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"errata/internal/jsontree"
)

// This file has the dialects of vendors, protocols and frameworks.

// isNotOK reports whether ok is false.
func (o *object) isNotOK() bool {
	ok := o.get(keySuccess)
	return ok.KeyIs("ok") && ok.Text() == "false"
}

func telegram(o *object) (Envelope, verdict) {
	if !o.isNotOK() || !o.keys.has(keyErrorCode) {
		return Envelope{}, neither
	}
	return o.pair(o.get(keyErrorCode), distinctive, keyDescription, keyMessage, keyErrorMsg)
}

func slack(o *object) (Envelope, verdict) {
	code := o.scalar(keyError)
	if !o.isNotOK() || !isWord(code) {
		return Envelope{}, neither
	}
	text, _ := o.text(keyMessage, keyErrorMsg, keyDetail)
	if text == "" {
		text, _ = textOf(o.Get("response_metadata").Get("messages"))
	}
	return Envelope{Code: code, Message: text}, failure
}

func huawei(o *object) (Envelope, verdict) {
	message := o.get(keyErrorMsg)
	isHuaweis := o.keys.has(keyErrorCode) || message.KeyIs("error_msg") || message.KeyIs("error_message")
	if !isHuaweis {
		return Envelope{}, neither
	}
	return o.pair(o.get(keyErrorCode), distinctive, errorTextKeys...)
}

func tencentV3(o *object) (Envelope, verdict) {
	if o.p.isXML || !o.KeyIs("Error") || !o.Parent().KeyIs("Response") {
		return Envelope{}, neither
	}
	return o.pair(o.get(keyCodeUpper), distinctive, keyMessageUpper)
}

// moduleMessage matches the code of a module that Tencent Cloud writes before the message:
// "(100004) incorrect projectId".
var moduleMessage = regexp.MustCompile(`^\((-?\d+)\) ?`)

func tencentV2(o *object) (e Envelope, says verdict) {
	code := o.get(keyCode)
	text, _ := o.text(keyMessage)
	var module []string
	if strings.HasPrefix(text, "(") {
		module = moduleMessage.FindStringSubmatch(text)
	}
	isModule := module != nil && isDigits(scalarOf(code))
	if !o.keys.has(keyCodeDesc) && !isModule {
		return Envelope{}, neither
	}
	if e, says = o.pair(code, distinctive, keyMessage); says == failure && module != nil {
		e.ModuleCode = module[1]
	}
	return e, says
}

func awsXML(o *object) (Envelope, verdict) {
	if !o.p.isXML || !o.KeyIs("Error") {
		return Envelope{}, neither
	}
	return o.pair(o.get(keyCodeUpper), distinctive, keyMessageUpper, keyMessage)
}

func aliyun(o *object) (Envelope, verdict) {
	if !o.keys.hasAny(keys(keyHostID, keyRecommend)) && o.Get("RequestId").Kind() == jsontree.Missing {
		return Envelope{}, neither
	}
	return o.pair(o.get(keyCodeUpper), common, keyMessageUpper, keyMessage)
}

func awsJSON(o *object) (Envelope, verdict) {
	return o.pair(o.get(keyAWSType), distinctive, keyMessage, keyMessageUpper, keyErrorMsg)
}

func errorType(o *object) (Envelope, verdict) {
	hasOtherCode := o.keys.has(keyOtherCode) || o.named.is(namedError) && o.scalar(keyCode) != ""
	if hasOtherCode || o.inErrors() {
		return Envelope{}, neither
	}
	return o.pair(o.get(keyErrorType), 0, keyErrorMsg, keyMessage, keyError)
}

func kubernetes(o *object) (Envelope, verdict) {
	if o.scalar(keyKind) != "Status" {
		return Envelope{}, neither
	}
	switch o.scalar(keyStatus) {
	case "Success":
		return Envelope{}, success
	case "Failure":
		e, says := o.messageOnly(keyMessage, keyReason)
		if says != failure {
			e = Envelope{}
		}
		if code := o.scalar(keyReason, keyCode); code != "" {
			e.Code = code
		}
		o.ignore(o.get(keyDetails))
		return e, failure
	}
	return Envelope{}, neither
}

// xmlRPC reads <fault><value><struct><member><name>faultCode</name><value><int>4</int></value>…
func xmlRPC(o *object) (e Envelope, says verdict) {
	if !o.p.isXML || !o.KeyIs("struct") || !o.Parent().Parent().KeyIs("fault") {
		return e, neither
	}
	for m := o.First(); m.Kind() != jsontree.Missing; m = m.Next() {
		value := m.Get("value")
		if value.Kind() == jsontree.Object {
			value = value.First()
		}
		switch scalarOf(m.Get("name")) {
		case "faultCode":
			e.Code = scalarOf(value)
		case "faultString":
			e.Message, _ = textOf(value)
		}
	}
	if e.Code == "" && e.Message == "" {
		return e, neither
	}
	return e, failure
}

func jsonRPC(o *object) (Envelope, verdict) {
	if !o.KeyIs("error") || o.Parent().Get("jsonrpc").Kind() == jsontree.Missing {
		return Envelope{}, neither
	}
	if code := o.scalar(keyCode); code != "" && code != "0" { // an error object is an error, whatever its code
		text, _ := o.text(keyMessage)
		return Envelope{Code: code, Message: text}, failure
	}
	return o.pair(o.get(keyCode), distinctive, keyMessage)
}

func google(o *object) (Envelope, verdict) {
	if !o.named.is(namedError) || !o.keys.hasAny(keys(keyMessage, keyCode)) {
		return Envelope{}, neither
	}
	status := o.scalar(keyStatus)
	if !isConstant(status) {
		return Envelope{}, neither
	}
	text, _ := o.text(keyMessage)
	o.ignore(o.get(keyErrors))
	o.ignore(o.get(keyDetails))
	return Envelope{Code: status, Message: text, ModuleCode: detailReason(o.get(keyDetails))}, failure
}

// maxDetails is how many details of an error are looked at.
const maxDetails = 10

// detailReason returns the reason of a google.rpc.ErrorInfo in a list of details.
func detailReason(details jsontree.Value) string {
	for d, n := details.First(), 0; d.Kind() != jsontree.Missing && n < maxDetails; d, n = d.Next(), n+1 {
		for _, name := range [...]string{"reason", "errorCode"} {
			if reason := scalarOf(d.Get(name)); reason != "" {
				return reason
			}
		}
	}
	return ""
}

func microsoft(o *object) (Envelope, verdict) {
	if !o.named.is(namedError) || !o.isMicrosoft() {
		return Envelope{}, neither
	}
	code := o.get(keyCode)
	e, says := o.pair(code, 0, keyMessage)
	if isEmpty(code) {
		e, says = o.messageOnly(keyMessage)
	}
	if says != failure {
		return e, says
	}
	inner := o.get(keyInnerError)
	o.ignore(inner)
	e.RequestID = idsOf(inner).request
	e.ModuleCode = innermostCode(inner)
	return e, says
}

// isMicrosoft reports whether an error has members that Microsoft's guidelines give it: an inner
// error, a target or details, or in OData a message with a language.
func (o *object) isMicrosoft() bool {
	if o.get(keyType).Kind() == jsontree.String { // Stripe's
		return false
	}
	return o.keys.hasAny(keys(keyInnerError, keyTarget, keyDetails)) || o.get(keyMessage).Kind() == jsontree.Object
}

// maxInnerErrors is how many of Microsoft's inner errors are read, each in the one before it.
const maxInnerErrors = 10

// innermostCode returns the code of the innermost of the inner errors that has one.
func innermostCode(inner jsontree.Value) (code string) {
	for depth := 0; inner.Kind() == jsontree.Object && depth < maxInnerErrors; depth++ {
		code = cmp.Or(scalarOf(inner.Get("code")), code)
		next := inner.Get("innererror")
		if next.Kind() == jsontree.Missing {
			next = inner.Get("innerError")
		}
		inner = next
	}
	return code
}

func elasticsearch(o *object) (Envelope, verdict) {
	isTyped := o.get(keyType).Kind() == jsontree.String && o.get(keyReason).Kind() == jsontree.String
	if !isTyped || !o.KeyIs("error") && !o.isCauseOfItem() {
		return Envelope{}, neither
	}
	o.ignoreMembers() // the causes repeat it
	return o.pair(o.get(keyType), 0, keyReason)
}

// isCauseOfItem reports whether an object says why an item of a list of failures failed.
func (o *object) isCauseOfItem() bool {
	list := o.Parent().Parent()
	return (o.KeyIs("reason") || o.KeyIs("cause")) && list.Kind() == jsontree.Array && o.holdsFailures(list)
}

func apigee(o *object) (Envelope, verdict) {
	if o.p.isXML || !o.KeyIs("fault") || o.keys.has(keyFaultCode) {
		return Envelope{}, neither
	}
	detail := o.get(keyDetail)
	code := detail.Get("errorcode")
	o.ignore(detail)
	if code.Kind() == jsontree.Missing {
		return o.messageOnly(keyFaultString)
	}
	return o.pair(code, 0, keyFaultString)
}

func soap(o *object) (Envelope, verdict) {
	isFault := bytes.EqualFold(nameOf(o.Value), []byte("fault"))
	isBody := o.keys.has(keyFaultCode) && o.keys.has(keyFaultString) && o.top()
	if !isFault && !isBody {
		return Envelope{}, neither
	}
	if o.keys.hasAny(keys(keyFaultCode, keyFaultString)) {
		e, says := o.pair(o.get(keyFaultCode), distinctive, keyFaultString)
		return o.detailed(e), says
	}
	code := o.get(keyCodeUpper)
	value, reason := code.Get("Value"), o.get(keyReason).Get("Text")
	if code.Kind() != jsontree.Object || value.Kind() != jsontree.String || !value.Complete() {
		return Envelope{}, neither
	}
	text, _ := textOf(reason)
	return o.detailed(Envelope{Code: strings.TrimSpace(value.Text()), Message: text, ModuleCode: scalarOf(code.Get("Subcode").Get("Value"))}), failure
}

// faultClass matches the codes that SOAP itself defines, which only say whose fault it is.
var faultClass = regexp.MustCompile(`(?i)^(?:[\w-]+:)?(?:client|server|sender|receiver)?$`)

// detailed returns a fault of SOAP with the code and the text in its detail, if its own code is
// only a class.
func (o *object) detailed(fault Envelope) Envelope {
	detail := o.get(keyDetail)
	if detail.Kind() != jsontree.Object {
		return fault
	}
	where, code := codeIn(detail)
	if code == "" {
		return fault
	}
	o.ignore(detail)
	if faultClass.MatchString(fault.Code) && fault.ModuleCode == "" {
		fault.Code, fault.Message = code, cmp.Or(anyText(where), fault.Message)
	}
	return fault
}

// codeIn returns the first code under a strong name in an object or below it, and the object that
// has it.
func codeIn(detail jsontree.Value) (where jsontree.Value, code string) {
	where = detail
	for n := 0; detail.Encloses(where) && n <= maxBelow; n++ {
		if where.Kind() == jsontree.Object {
			if code = anyCode(where, strongCodeWords); code != "" {
				return where, code
			}
		}
		where = where.Following()
	}
	return where, ""
}

func stripe(o *object) (Envelope, verdict) {
	kind := o.get(keyType)
	if !o.named.is(namedError) || kind.Kind() != jsontree.String || !o.keys.has(keyMessage) {
		return Envelope{}, neither
	}
	code := o.get(keyCode)
	if isEmpty(code) {
		code = kind
	}
	o.ignoreMembers() // the object that failed repeats the failure
	e, says := o.pair(code, 0, keyMessage)
	for _, name := range [...]string{"decline_code", "error_subcode"} {
		if module := scalarOf(o.Get(name)); module != "" && says == failure {
			e.ModuleCode = module
		}
	}
	return e, says
}

func openstack(o *object) (Envelope, verdict) {
	if !o.isOnlyMember() {
		return Envelope{}, neither
	}
	name := o.Key()
	text, _ := o.text(keyMessage)
	if exception := scalarOf(o.Get("exception")); strings.HasSuffix(name, "Exception") && isWord(exception) { // WebHDFS
		return Envelope{Code: exception, Message: text}, failure
	}
	switch kind := o.scalar(keyType); {
	case text == "" && o.Complete():
		return Envelope{}, neither
	case kind != "" && strings.HasSuffix(name, "Error") && !o.named.is(namedError): // Neutron's
		return Envelope{Code: kind, Message: text}, failure
	case o.isNovaFault(name):
		return Envelope{Code: name, Message: text}, failure
	}
	return Envelope{}, neither
}

// isOnlyMember reports whether an object is the one member of the body.
func (o *object) isOnlyMember() bool {
	above := o.Parent()
	isInBody := above.Kind() == jsontree.Object && above.Parent().Kind() == jsontree.Missing
	return isInBody && above.First() == o.Value && o.Next().Kind() == jsontree.Missing
}

// isNovaFault reports whether an object has the name of a fault. One that is none of Compute's own
// is in camel case and has a status.
func (o *object) isNovaFault(name string) bool {
	isListed := slices.Contains(novaFaults, name)
	if o.status() < 400 {
		return isListed && o.liberal()
	}
	return isListed || strings.ToLower(name) != name
}

// novaFaults are OpenStack Compute's names for its faults: nova/api/openstack/wsgi.py.
var novaFaults = []string{"badRequest", "unauthorized", "forbidden", "itemNotFound", "badMethod", "conflictingRequest", "overLimit", "computeFault", "badMediaType",
	"serviceUnavailable", "notImplemented", "buildInProgress", "serverCapacityUnavailable", "backupOrResizeInProgress", "resizeNotAllowed", "identityFault", "cloudServersFault", "volumeFault", "overLimitFault"}

func problem(o *object) (Envelope, verdict) {
	if !o.placedAsProblem() || !o.describesProblem() {
		return Envelope{}, neither
	}
	e, says := o.messageOnly(keyDetail, keyTitle)
	if says != failure {
		return e, says
	}
	if uri := o.scalar(keyType); uri != "" && uri != "about:blank" && len(uri) <= maxCode {
		e.Code = uri
	} else if cause := scalarOf(o.Get("cause")); isConstant(cause) { // 3GPP
		e.Code = cause
	}
	code := o.scalar(keyCode, keyCodeUpper, keyOtherCode)
	if isStatus := code == strconv.Itoa(o.status()); code != "" && !isStatus && len(code) <= maxCode {
		e.Code = code
	}
	return e, says
}

// placedAsProblem reports whether an object is where problem details are: the error itself, at the
// top, or in a list of failures. In a list its type must be a URI, because items of other dialects
// have a type too.
func (o *object) placedAsProblem() bool {
	if o.inErrors() {
		return strings.Contains(o.scalar(keyType), "://")
	}
	return o.named.is(namedError) || o.top()
}

// describesProblem reports whether the members of an object are those of problem details, and not
// those of a dialect that shares some.
func (o *object) describesProblem() bool {
	isTyped := o.get(keyType).Kind() == jsontree.String
	text, _ := o.text(keyDetail, keyTitle)
	switch {
	case o.nestsError():
		return false
	case !o.keys.has(keyTitle) && (!isTyped || o.keys.hasAny(keys(keyLoc, keyTimestamp, keyMessage))): // FastAPI, Spring, X-Road
		return false
	case !o.keys.has(keyDetail) && o.keys.has(keyMessage) && o.keys.has(keyCode): // the message says more than the title
		return false
	case o.status() < 400 && !(isTyped && (o.liberal() || o.inErrors())):
		return false
	}
	return text != ""
}

func jsonAPI(o *object) (Envelope, verdict) {
	if !o.isItemOf("errors") || o.keys.hasAny(keys(keyMessage, keyReason)) {
		return Envelope{}, neither
	}
	e, says := o.messageOnly(keyDetail, keyTitle)
	if code := o.scalar(keyCode); code != "" && says == failure {
		e.Code = code
	}
	return e, says
}

func graphQL(o *object) (Envelope, verdict) {
	if !o.isItemOf("errors") || o.keys.has(keyCode) {
		return Envelope{}, neither
	}
	if !o.keys.hasAny(keys(keyLocations, keyPath, keyExtensions)) && o.Parent().Parent().Get("data").Kind() == jsontree.Missing {
		return Envelope{}, neither
	}
	text, _ := o.text(keyMessage)
	extensions := o.get(keyExtensions)
	e := Envelope{Message: text}
	for _, v := range [...]jsontree.Value{extensions.Get("code"), extensions.Get("errorCode"), extensions.Get("classification"), o.graphType(), o.get(keyErrorType), extensions.Get("type")} {
		if e.Code = scalarOf(v); e.Code != "" {
			break
		}
	}
	o.ignore(extensions)
	return e, failure
}

// graphType is the type of an item of GraphQL's errors. Validators of forms have one too, which
// says what their location holds.
func (o *object) graphType() jsontree.Value {
	if o.Get("location").Kind() != jsontree.Missing {
		return jsontree.Value{}
	}
	return o.get(keyType)
}

func spring(o *object) (Envelope, verdict) {
	if o.status() < 400 || !o.keys.has(keyError) || o.keys.hasAny(keys(keyCode, keyOtherCode)) {
		return Envelope{}, neither
	}
	return o.messageOnly(keyMessage, keyError)
}

func gitHub(o *object) (Envelope, verdict) {
	if o.keys.has(keyDocumentationURL) {
		if first := o.get(keyErrors).First(); first.Get("code").Kind() == jsontree.String {
			return Envelope{}, neither // its items say more
		}
		if !o.liberal() && o.status() < 400 {
			return Envelope{}, neither
		}
		return o.messageOnly(keyMessage)
	}
	above := o.Parent().Parent()
	if !o.inErrors() || !o.keys.has(keyCode) || above.Get("documentation_url").Kind() == jsontree.Missing {
		return Envelope{}, neither
	}
	e := Envelope{Code: o.scalar(keyCode)}
	if e.Message, _ = o.text(keyMessage); e.Message == "" {
		e.Message, _ = textOf(above.Get("message"))
	}
	return e, failure
}

func oauth(o *object) (Envelope, verdict) {
	if code := scalarOf(o.get(keyError)); !isWord(code) && !isDigits(code) {
		return Envelope{}, neither
	}
	return o.pair(o.get(keyError), 0, keyErrorDescription)
}

// maxGRPC is the greatest of gRPC's codes.
const maxGRPC = 16

func grpc(o *object) (Envelope, verdict) {
	n, err := strconv.Atoi(o.scalar(keyCode))
	isCode := err == nil && 1 <= n && n <= maxGRPC
	if !isCode || o.get(keyDetails).Kind() != jsontree.Array {
		return Envelope{}, neither
	}
	e, says := o.pair(o.get(keyCode), 0, keyMessage)
	e.ModuleCode = detailReason(o.get(keyDetails))
	return e, says
}

func fastAPI(o *object) (Envelope, verdict) {
	isLocated := o.keys.has(keyLoc) || !o.Complete()
	if !o.isItemOf("detail") || !isLocated {
		return Envelope{}, neither
	}
	return o.pair(o.get(keyType), 0, keyMessage)
}

// fhir reads an issue of FHIR's OperationOutcome: https://hl7.org/fhir/operationoutcome.html
func fhir(o *object) (Envelope, verdict) {
	severity := o.get(keyLevel)
	isIssue := o.Parent().KeyIs("issue") || o.p.isXML && o.KeyIs("issue")
	if !isIssue || !severity.KeyIs("severity") {
		return Envelope{}, neither
	}
	if s := o.valueOf(severity); s != "error" && s != "fatal" {
		return Envelope{}, neither
	}
	text := cmp.Or(o.valueOf(o.Get("diagnostics")), o.valueOf(o.get(keyDetails).Get("text")))
	e := Envelope{Code: o.valueOf(o.get(keyCode)), Message: text}
	if e == (Envelope{}) {
		return e, neither
	}
	return e, failure
}

// valueOf is scalarOf for members that are elements with an attribute value in XML.
func (o *object) valueOf(m jsontree.Value) string {
	if o.p.isXML && m.Kind() == jsontree.Object {
		m = m.Get("value")
	}
	return scalarOf(m)
}

func parlay(o *object) (Envelope, verdict) {
	if !bytes.HasSuffix(nameOf(o.Value), []byte("Exception")) && !o.named.is(namedError) {
		return Envelope{}, neither
	}
	text, _ := textOf(o.Get("text"))
	code := o.scalar(keyMessageID)
	if code == "" || text == "" {
		return Envelope{}, neither
	}
	return Envelope{Code: code, Message: text}, failure
}

// infobip reads the status of a message that was not taken. One that could not be delivered later
// is the state of a thing.
func infobip(o *object) (Envelope, verdict) {
	name := o.scalar(keyName)
	text, _ := o.text(keyDescription)
	if scalarOf(o.Get("groupName")) != "REJECTED" || name == "" || text == "" {
		return Envelope{}, neither
	}
	return Envelope{Code: name, Message: text}, failure
}

// bapi reads a BAPIRET2, which says S, W, I, E, A or X. A message has the name of its class and its
// number, which SAP shows as one: V4248.
func bapi(o *object) (Envelope, verdict) {
	if !o.get(keyMessage).KeyIs("MESSAGE") {
		return Envelope{}, neither
	}
	switch scalarOf(o.Get("TYPE")) {
	case "E", "A", "X":
	default:
		return Envelope{}, neither
	}
	class, number := o.scalar(keyID), scalarOf(o.Get("NUMBER"))
	text, _ := o.text(keyMessage)
	isWhole := o.p.isXML || o.Get(bapiVariable).Kind() != jsontree.Missing
	isNumber := len(number) == len("248") && isDigits(number)
	if class == "" || text == "" || !isNumber || !isWhole {
		return Envelope{}, neither
	}
	return Envelope{Code: class + number, Message: text}, failure
}

// bapiVariable is a member of every BAPIRET2 in JSON.
const bapiVariable = "MESSAGE_V1"
