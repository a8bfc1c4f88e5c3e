package loadgen

// service is a cloud service that tenants call.
type service struct {
	name, host string
	style      *style
	routes     []route
	problems   []problem // problems.go
}

// style is how a service writes an envelope.
type style struct {
	code, message, requestID string // keys
	numbers                  bool   // codes are numbers
	success                  string // the members that indicate success
}

var (
	huawei  = style{code: "error_code", message: "error_msg", requestID: "request_id", success: `"error_code":"0","error_msg":"success"`}
	tencent = style{code: "code", message: "message", requestID: "requestId", numbers: true, success: `"code":0,"message":"","codeDesc":"Success"`}
	plain   = style{code: "code", message: "message", requestID: "request_id", success: `"code":"OK","message":"ok"`}
)

// route is an operation of a service. A $name in its texts stands for a word (words.go).
type route struct {
	weight  int
	name    string
	method  string
	target  string
	latency float64 // the median, in milliseconds
	answers []answer
}

// answer is one way for a route to answer a call that succeeds: a head, one to most items, a tail.
type answer struct {
	weight      int
	status      int    // 0 means 200
	contentType string // "" means application/json
	head        string
	item        string
	most        int
	between     string // separates items
	tail        string
	absent      bool // the gateway does not log this body
}

// one returns an answer without a list.
func one(body string) []answer { return []answer{{weight: 1, head: body}} }

// listOf returns a JSON answer with a list of up to most items.
func listOf(head, item string, most int, tail string) []answer {
	return []answer{{weight: 1, head: head, item: item, most: most, between: ",", tail: tail}}
}

var nothing = []answer{{weight: 1, status: 204}}

// health is the route for health checks.
var health = route{3, "health", "GET", "/healthz", 2, []answer{
	{weight: 6, contentType: "text/plain", head: "ok\n"},
	{weight: 2, contentType: "text/plain", head: "status: UP\nchecks: database ok, queue ok\nlast error_code: none\n"},
	{weight: 2, contentType: "text/html", head: "<!DOCTYPE html>\n<html><head><title>Status</title></head>\n<body><h1>All systems operational</h1><p>Region $region, checked at $now.</p></body></html>\n"},
}}

// Service tickets.

var osm = service{name: "osm", host: "osm.cn-north-4.example.test", style: &huawei, problems: osmProblems, routes: []route{
	{30, "list-cases", "GET", "/v2/servicerequest/cases?limit=10&offset=${number}", 60, listOf(
		`{"count":$number,"incident_info_list":[`,
		`{"incident_id":"$ticket","type":0,"status":$digit,"region_id":"$region","source_id":"$id","brief_description":"$trouble","create_time":"$now","is_authorized":false}`, 6,
		`],"request_id":"$request"}`)},
	{25, "show-case", "GET", "/v2/servicerequest/cases/$ticket", 45, one(
		`{"incident_id":"$ticket","business_type_id":"$id","status":$digit,"brief_description":"$trouble","severity":"$digit","region_id":"$region",` +
			`"contact":{"name":"$person","group_id":"$id","remind_mail":true,"remind_time":"8-18"},"owner":"$person","create_time":"$now",` +
			`"description":"$title. $sentence $sentence","request_id":"$request"}`)},
	{20, "list-messages", "GET", "/v2/servicerequest/cases/$ticket/messages", 50, listOf(
		`{"error_code":"0","error_msg":"success","messages":[`,
		`{"message_id":"$id","type":1,"replier":"$person","content":"$sentence $trouble","attachments":[],"create_time":"$now"}`, 7,
		`]}`)},
	createCase,
	{6, "delete-label", "DELETE", "/v2/servicerequest/labels/$id", 30, nothing},
	{4, "show-schema", "GET", "/v2/servicerequest/schemas/case", 20, one(
		`{"title":"Case","type":"object","properties":{"incident_id":{"type":"string","maxLength":32},"error_code":{"type":"string","description":"set when the call fails"},` +
			`"error_msg":{"type":"string"},"status":{"type":"integer","enum":[0,1,2,3,4]}},"required":["incident_id"],"example":{"incident_id":"$ticket","status":1}}`)},
	{5, "download-accessory", "GET", "/v2/servicerequest/accessories/$id", 300, []answer{{weight: 1, contentType: "application/octet-stream", absent: true}}},
	health,
}}

// createCase is the route of the burst.
var createCase = route{10, "create-case", "POST", "/v2/servicerequest/cases", 140, one(
	`{"error_code":"0","error_msg":"success","incident_id":"$ticket","create_time":"$now","next":{"href":"/v2/servicerequest/cases/$ticket","poll_seconds":30},"request_id":"$request"}`)}

// Solver.

var optverse = service{name: "optverse", host: "optverse.cn-north-4.example.test", style: &huawei, problems: solverProblems, routes: []route{
	{30, "list-tasks", "GET", "/v1/$project/tasks?type=$solver&limit=20", 70, listOf(
		`{"total":$number,"tasks":[`,
		`{"task_id":"$task","task_type":"$solver","status":"$progress","gap":$share,"input":{"bucket":"$bucket","object":"$file"},"created_at":"$now","updated_at":"$now"}`, 7,
		`]}`)},
	{35, "show-task", "GET", "/v1/$project/tasks/$task", 40, one(
		`{"task_id":"$task","task_type":"$solver","status":"$progress","error_code":null,"error_msg":null,"progress":$share,"objective":$number.$digit,` +
			`"log":["presolve: $number rows removed","root relaxation: objective $number","node $number: gap $share","heuristic found $number.$digit"],` +
			`"output":{"bucket":"$bucket","object":"out/$task.json"},"started_at":"$now"}`)},
	{20, "create-task", "POST", "/v1/$project/tasks", 180, []answer{{weight: 1, status: 202, head: `{"task_id":"$task","task_type":"$solver","status":"CREATED","queue":{"position":$digit,"estimated_seconds":$number},"links":[{"rel":"self","href":"/v1/$project/tasks/$task"},{"rel":"output","href":"/v1/$project/tasks/$task/output"}],"created_at":"$now"}`}}},
	{8, "list-inputs", "GET", "/v1/$project/inputs?prefix=$solver", 90, []answer{{
		weight: 1, contentType: "application/xml",
		head: `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<ListBucketResult><Name>$bucket</Name><Prefix>$solver</Prefix><MaxKeys>100</MaxKeys>`,
		item: `<Contents><Key>$solver/$file</Key><LastModified>$now</LastModified><ETag>&quot;$id&quot;</ETag><Size>${number}000</Size></Contents>`, most: 6,
		tail: `</ListBucketResult>`,
	}}},
	{4, "cancel-task", "DELETE", "/v1/$project/tasks/$task", 60, nothing},
	health,
}}

// Virtual machines and databases as Tencent Cloud's API 2.0 writes them.

var cvm = service{name: "tencent-cvm", host: "cvm.api.example.test", style: &tencent, problems: tencentProblems, routes: []route{
	{50, "DescribeInstances", "GET", "/v2/index.php?Action=DescribeInstances&Region=$region&limit=20&Nonce=$number", 80, listOf(
		`{"code":0,"message":"","codeDesc":"Success","totalCount":$number,"instanceSet":[`,
		`{"unInstanceId":"$server","instanceName":"web-$digit","instanceType":"$machine","lanIp":"$ip","status":$digit,"Region":"$region","os":"$os","createTime":"$now"}`, 7,
		`]}`)},
	{15, "RunInstances", "POST", "/v2/index.php?Action=RunInstances", 400, one(
		`{"code":0,"message":"","codeDesc":"Success","unInstanceIds":["$server","$server"],"dealIds":["$number"],"placement":{"zone":"$zone","projectId":$number},"billing":"postpaid","requestId":"$request"}`)},
	{10, "RestartInstances", "POST", "/v2/index.php?Action=RestartInstances", 150, one(
		`{"code":0,"message":"","codeDesc":"Success","detail":{"$server":{"accepted":true,"taskId":$number},"$server":{"accepted":true,"taskId":$number}},"requestId":"$request"}`)},
	health,
}}

var cdb = service{name: "tencent-cdb", host: "cdb.api.example.test", style: &tencent, problems: tencentProblems, routes: []route{
	{50, "DescribeCdbInstances", "GET", "/v2/index.php?Action=DescribeCdbInstances&Region=$region", 95, listOf(
		`{"code":0,"message":"","codeDesc":"Success","cdbInstanceSet":[`,
		`{"uInstanceId":"cdb-$short","instanceName":"orders-$digit","memory":${number},"volume":200,"vip":"$ip","vport":3306,"status":$digit,"createTime":"$now"}`, 6,
		`],"totalCount":$digit}`)},
	{20, "DescribeSlowLog", "GET", "/v2/index.php?Action=DescribeSlowLog&cdbInstanceId=cdb-$short", 260, listOf(
		`{"code":0,"message":"","codeDesc":"Success","slowLogs":[`,
		`{"user":"app","host":"$ip","seconds":$digit.$number,"rows":$number,"sql":"select id, error_code from jobs where error_code <> '' order by id limit $number"}`, 5,
		`]}`)},
	health,
}}

// Bare-metal servers.

var imetal = service{name: "imetal", host: "imetal.cn-north-4.example.test", style: &huawei, problems: imetalProblems, routes: []route{
	{45, "list-servers", "GET", "/v1/$project/baremetalservers/detail?limit=25", 110, listOf(
		`{"count":$number,"servers":[`,
		`{"id":"$uuid","name":"bms-$short","status":"$state","flavor":{"id":"$flavor"},"addresses":{"lan":[{"version":4,"addr":"$ip"}]},"metadata":{"os":"$os"},"availability_zone":"$zone","created":"$now"}`, 5,
		`]}`)},
	{25, "show-server", "GET", "/v1/$project/baremetalservers/$uuid", 55, one(
		`{"server":{"id":"$uuid","name":"bms-$short","status":"$state","flavor":{"id":"$flavor","disk":"600","vcpus":"64","ram":"262144"},"addresses":{"lan":[{"version":4,"addr":"$ip"}]},` +
			`"fault":null,"progress":100,"metadata":{"os":"$os","chargingMode":"1"},"host_status":"UP","created":"$now","updated":"$now"}}`)},
	{12, "create-servers", "POST", "/v1/$project/baremetalservers", 900, []answer{{weight: 1, status: 202, head: `{"job_id":"$id","order":{"id":"$id","currency":"EUR","amount":$number},"servers":["$uuid","$uuid"],"entities":{"subnet_id":"$uuid","availability_zone":"$zone"},"error_code":"","begin_time":"$now"}`}}},
	{8, "stop-server", "POST", "/v1/$project/baremetalservers/$uuid/action", 70, []answer{{weight: 1, status: 202}}},
	{6, "delete-server", "DELETE", "/v1/$project/baremetalservers/$uuid", 80, nothing},
	health,
}}

// Inference, behind APIG.

var modelarts = service{name: "modelarts-infer", host: "infer.modelarts.example.test", style: &huawei, problems: modelartsProblems, routes: []route{
	{70, "infer", "POST", "/v1/infers/$uuid", 220, listOf(
		`{"model":"detector-$digit","took_ms":$number,"predictions":[`,
		`{"label":"$label","score":$share,"box":[$number,$number,$number,$number],"features":[$share,$share,$share]}`, 9,
		`],"request_id":"$request"}`)},
	{20, "list-services", "GET", "/v1/$project/services?limit=10", 90, listOf(
		`{"total_count":$digit,"services":[`,
		`{"service_id":"$uuid","service_name":"detector-$digit","status":"running","config":[{"model_id":"$uuid","weight":100}],"invocation_times":$number,"failed_times":$digit,"publish_at":"$now"}`, 5,
		`]}`)},
	health,
}}

var ais = service{name: "ais-image", host: "ais.cn-north-4.example.test", style: &huawei, problems: aisProblems, routes: []route{
	{60, "tag-image", "POST", "/v1.0/image/tagging", 180, listOf(
		`{"result":{"tags":[`,
		`{"confidence":"$share","tag":"$label","type":"object","i18n_tag":{"en":"$label"},"instances":[{"bounding_box":{"height":$number,"width":$number}}]}`, 8,
		`]}}`)},
	{25, "moderate-image", "POST", "/v1.0/moderation/image", 210, listOf(
		`{"result":{"suggestion":"pass","detail":{"terrorism":[`, `{"confidence":"$share","label":"$label"}`, 6,
		`],"politics":[]},"category_suggestions":{"terrorism":"pass","ad":"pass"},"ad":[{"confidence":"$share","label":"no_text"}]},"request_id":"$request"}`)},
	{12, "enlarge-image", "POST", "/v1.0/vision/super-resolution", 800, []answer{
		{weight: 1, contentType: "image/jpeg", head: "\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xdb\x00\x43\x00\x08\x06\x06\x07\x06\x05\x08\x07\x07\x07\x09\x09\x08\x0a\x0c\x14\x0d\x0c\x0b\x0b\x0c\x19\x12\x13\x0f\x14\x1d\x1a\x1f\x1e\x1d\x1a\x1c\x1c\xff\xd9"},
		{weight: 1, contentType: "image/jpeg", absent: true},
	}},
	health,
}}
