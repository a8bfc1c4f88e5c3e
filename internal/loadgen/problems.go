package loadgen

// problem is an error code with its message. Most are as the service's page publishes them. A $name
// in the message stands for a word (words.go), where the page has a placeholder.
type problem struct {
	weight  int
	status  int // as published; most services still send 200
	code    string
	message string
	detail  string // codeDesc, in Tencent's style
	style   *style // nil means the service's
}

// burstProblem is rare outside the burst: see the first row of osmProblems.
var burstProblem = problem{code: "OSM.01010037", message: "Exceeded the number of times the case limit was created."}

var osmProblems = []problem{
	{weight: 8, status: 200, code: burstProblem.code, message: burstProblem.message},
	{weight: 150, status: 200, code: "OSM.01010015", message: "This case does not exist."},
	{weight: 120, status: 200, code: "OSM.01010001", message: "Param validation failed."},
	{weight: 90, status: 200, code: "OSM.01010002", message: "No operation permission."},
	{weight: 70, status: 200, code: "OSM.01010034", message: "The status is illegal for this operation."},
	{weight: 60, status: 200, code: "OSM.01010004", message: "You have asked for the order, please ask for it later."},
	{weight: 50, status: 200, code: "OSM.01010024", message: "Verification code resent too frequently."},
	{weight: 40, status: 200, code: "OSM.01010009", message: "Can't create case because of customer benefit not match rule."},
	{weight: 35, status: 200, code: "OSM.01010016", message: "The createFeedbacktypeReq's feedbackCreateInfos cannot be empty."},
	{weight: 30, status: 200, code: "OSM.01010005", message: "Upload accessory size exceeded limit today."},
	{weight: 25, status: 200, code: "OSM.01010042", message: "The same caseId labels should not be over 5."},
	{weight: 20, status: 200, code: "OSM.01010017", message: "Operation failed."},
	{weight: 15, status: 200, code: "OSM.01010047", message: "Target host connection timed out."},
	{weight: 12, status: 200, code: "OSM.01010038", message: "Exceeded the number of times the case limit was created per day."},
	{weight: 60, status: 401, code: "OSM.0002", message: "Unauthorized"},
	{weight: 40, status: 400, code: "OSM.0001", message: "Failed"},
	{weight: 20, status: 500, code: "OSM.0004", message: "Internal Server Error"},
	{weight: 10, status: 200, code: "OSM.01019999", message: "The contact $email of customer $id is not verified."}, // not on the page
	{weight: 15, status: 401, code: "APIGW.0301", message: "Incorrect IAM authentication information: token expires"},
}

var solverProblems = []problem{
	{weight: 120, status: 400, code: "JOB_MANAGER.12020001", message: "The task $task does not exist."},
	{weight: 90, status: 400, code: "JOB_MANAGER_12020008", message: "UserId [$id] exceeds the service [$solver] concurrent limit [$digit]."},
	{weight: 80, status: 400, code: "JOB_MANAGER_12020007", message: "The task input valid error, $file has no column $field."},
	{weight: 60, status: 403, code: "OptVerse_10000005", message: "The user does not have access to this project [$project]."},
	{weight: 50, status: 400, code: "JOB_MANAGER_12060005", message: "File upload to OBS failed,bucket: $bucket, object: $file, filePath: /data/$task/$file."},
	{weight: 50, status: 400, code: "JOB_MANAGER_12060007", message: "OBS download failed, bucket: $bucket, object: $file, projectId: $project."},
	{weight: 40, status: 400, code: "OptVerse_10000006", message: "Failed to get project info, because $cause."},
	{weight: 40, status: 401, code: "OptVerse_12030002", message: "The requested [$number] concurrency is over the quota of resource [$solver]."},
	{weight: 30, status: 400, code: "OptVerse_12040011", message: "The resource is frozen. Please go to the Billing Center to check the reason."},
	{weight: 30, status: 500, code: "JOB_MANAGER.12000001", message: "System error. no response. Please try again later or contact customer service."},
	{weight: 25, status: 404, code: "OptVerse_12080001", message: "SDK license not found, project_id:$project, service_type:$solver, sub_job_id:$id."},
	{weight: 20, status: 401, code: "OptVerse_10000001", message: "Authenticate token failure."},
	{weight: 15, status: 500, code: "OptVerse_13030001", message: "Failed to request the IEF [deployments] API, request:[$id], message:[$cause]."},
	{weight: 15, status: 400, code: "OptVerse_13020003", message: "CPU is lower than the app[$solver] version[1.$digit] requirement. required:[16], provided:[$digit]. deployment name:[edge-$short]."},
	{weight: 20, status: 500, code: "JOB_MANAGER.12050009", message: "The solver stopped after $number s without a feasible solution."}, // not on the page
	{weight: 10, status: 402, code: "BILLING-7731", message: "The account of $tenant has no payment method.", style: &plain},
	{weight: 10, status: 401, code: "APIGW.0301", message: "Incorrect IAM authentication information: decrypt token fail"},
}

var tencentProblems = []problem{
	{weight: 100, code: "4000", message: "(100004) incorrect projectId", detail: "InvalidParameter"},
	{weight: 40, code: "4000", message: "(100004) incorrect projectId"},
	{weight: 80, code: "5000", message: "($number) instance $server is not found", detail: "ResourceNotFound"},
	{weight: 70, code: "4400", message: "Quota exceed", detail: "RequestLimitExceeded"},
	{weight: 60, code: "4100", message: "Authentication failed", detail: "AuthFailure"},
	{weight: 25, code: "4100", message: "signature of $id does not match"},
	{weight: 30, code: "4200", message: "Request expired", detail: "RequestExpired"},
	{weight: 30, code: "5100", message: "(10$number) disk of $server is busy", detail: "ResourceOpFailed"},
	{weight: 20, code: "5300", message: "Failed to purchase resource", detail: "BalanceInsufficient"},
	{weight: 20, code: "6000", message: "Internal server error", detail: "InternalError"},
	{weight: 15, code: "6200", message: "API is temporarily unavailable", detail: "ServiceUnavailable"},
	{weight: 8, code: "7700", message: "($number) zone $zone is closed", detail: "ZoneClosed"}, // not on the page
}

var imetalProblems = []problem{
	{weight: 90, status: 400, code: "iMetal.0001", message: "A request parameter contains invalid or unsupported value: $field"},
	{weight: 60, status: 400, code: "iMetal.0002", message: "Missing required parameters: $field"},
	{weight: 80, status: 404, code: "iMetal.0200", message: "Instances not found: [$uuid, $uuid]"},
	{weight: 60, status: 400, code: "iMetal.0101", message: "Physical servers state is not ready: [$uuid]"},
	{weight: 50, status: 400, code: "iMetal.0202", message: "Action conflicts with instance's current state"},
	{weight: 45, status: 429, code: "iMetal.0005", message: "Too many requests"},
	{weight: 35, status: 400, code: "iMetal.0201", message: "Insufficient server resources"},
	{weight: 25, status: 400, code: "iMetal.0110", message: "Inspect Physical servers error: [$uuid, $uuid], $cause"},
	{weight: 25, status: 400, code: "iMetal.0232", message: "Insufficient IP addresses in subnet"},
	{weight: 20, status: 401, code: "iMetal.0003", message: "Unauthorized"},
	{weight: 10, status: 400, code: "iMetal.0299", message: "Firmware of $uuid is too old"}, // not on the page
	{weight: 10, status: 402, code: "BILLING-7731", message: "The account of $tenant has no payment method.", style: &plain},
	{weight: 10, status: 401, code: "APIGW.0301", message: "Incorrect IAM authentication information: token expires"},
}

// apigProblems are the errors of the gateway in front of the inference services.
var apigProblems = []problem{
	{weight: 60, status: 400, code: "APIG.0308", message: "The request is sent too fast and exceeds the default rate limit of the service."},
	{weight: 40, status: 400, code: "APIG.0301", message: "Incorrect IAM authentication information: Failed to decrypt the token."},
	{weight: 25, status: 400, code: "APIG.0201", message: "The request body is oversized."},
	{weight: 20, status: 400, code: "APIG.0101", message: "The API does not exist or has not been published."},
}

var modelartsProblems = append([]problem{
	{weight: 80, status: 400, code: "ModelArts.4105", message: "The JSON format of the request body is incorrect."},
	{weight: 60, status: 400, code: "ModelArts.4103", message: "The token is invalid."},
	{weight: 50, status: 400, code: "ModelArts.4203", message: "No access permission."},
	{weight: 40, status: 400, code: "ModelArts.4704", message: "Failed to obtain the OBS file."},
	{weight: 30, status: 400, code: "ModelArts.4106", message: "The account is restricted."},
	{weight: 10, status: 500, code: "ModelArts.5999", message: "Replica $server of the model was lost"}, // not on the page
}, apigProblems...)

var aisProblems = append([]problem{
	{weight: 90, status: 400, code: "AIS.0014", message: "The JSON format of the input data is incorrect."},
	{weight: 80, status: 400, code: "AIS.0502", message: "The image format is not supported."},
	{weight: 60, status: 400, code: "AIS.0504", message: "The image size does not meet requirements."},
	{weight: 40, status: 400, code: "AIS.0503", message: "The image is damaged."},
	{weight: 30, status: 400, code: "AIS.0505", message: "Failed to run the algorithm."},
	{weight: 20, status: 400, code: "AIS.0506", message: "An internal error occurred."},
}, apigProblems...)
