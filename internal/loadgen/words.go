package loadgen

import (
	"fmt"
	"os"
	"strconv"
)

// fill replaces each $name with a word, which it draws again for every occurrence.
func (g *generator) fill(text string, r *request) string {
	return os.Expand(text, func(name string) string {
		if list := lists[name]; list != nil {
			return list[g.IntN(len(list))]
		}
		return words[name](g, r)
	})
}

// words maps a $name to a function that returns its word, which needs no escapes in JSON. See also
// lists.
var words = map[string]func(g *generator, r *request) string{
	"request": func(_ *generator, r *request) string { return r.id },
	"tenant":  func(_ *generator, r *request) string { return r.tenant.name },
	"project": func(_ *generator, r *request) string { return r.tenant.project() },
	"now":     func(_ *generator, r *request) string { return r.time.Format("2006-01-02T15:04:05Z") },

	"id":     func(g *generator, _ *request) string { return g.hex(16) },
	"short":  func(g *generator, _ *request) string { return g.hex(4) },
	"uuid":   func(g *generator, _ *request) string { return g.uuid() },
	"ip":     func(g *generator, _ *request) string { return g.ip() },
	"digit":  func(g *generator, _ *request) string { return strconv.Itoa(1 + g.IntN(9)) },
	"number": func(g *generator, _ *request) string { return strconv.Itoa(10 + g.IntN(990)) },
	"share":  func(g *generator, _ *request) string { return fmt.Sprintf("0.%04d", 1+g.IntN(9999)) },
	"ticket": func(g *generator, _ *request) string { return fmt.Sprintf("24%08d", g.IntN(1e8)) },
	"task":   func(g *generator, _ *request) string { return fmt.Sprintf("task-%06d", g.IntN(1e6)) },
	"server": func(g *generator, _ *request) string { return "ins-" + g.hex(4) },
}

// lists maps a $name to the words to choose from. Those of "trouble" are escaped and fit only into
// JSON strings.
var lists = map[string][]string{
	"region":   {"cn-north-4", "cn-east-3", "ap-southeast-1", "eu-west-101"},
	"zone":     {"az-1", "az-2", "az-3"},
	"person":   {"Li Wei", "M. Kowalska", "J. Okafor", "Sven Lindqvist", "Chen Jing", "A. Moreau"},
	"email":    {"on-call@example.com", "j.okafor@example.org"},
	"title":    {"Volume cannot be detached", "Console shows no metrics", "Invoice of last month", "Slow object storage", "Please raise the quota", "VPN tunnel flaps"},
	"sentence": {"We have restarted the node and keep watching it.", "Please send the log of the agent.", "It happens about once an hour, mostly under load.", "The fix is in the release of next week.", "Thank you, it works again."},
	"progress": {"CREATED", "RUNNING", "SUCCEEDED", "SUCCEEDED", "QUEUED"},
	"state":    {"ACTIVE", "ACTIVE", "ACTIVE", "SHUTOFF", "REBUILD"},
	"os":       {"Ubuntu 24.04", "EulerOS 2.10", "Debian 12", "CentOS 7.9"},
	"flavor":   {"physical.s4.large", "physical.d2.xlarge", "physical.p3.8xlarge"},
	"machine":  {"S5.MEDIUM4", "S5.LARGE8", "C4.2XLARGE16"},
	"label":    {"forest", "bicycle", "street", "person", "tram", "bridge", "coffee cup"},
	"solver":   {"vehicle-routing", "bin-packing", "production-scheduling", "milp"},
	"bucket":   {"plans-prod", "solver-inputs", "datasets"},
	"cause":    {"connection timed out", "the response is empty", "the status is 502", "the certificate has expired"},
	"field":    {"server_id", "max_count", "image_id", "availability_zone", "subnet_id"},
	"file":     {"orders.csv", "fleet.json", "demand.parquet", "shifts.csv"},

	// What people write in tickets. The last ones only mention an error code.
	"trouble": {
		"Volume cannot be detached since the last update",
		"Console shows no metrics for two of our projects",
		"Please raise the quota of public addresses",
		"VPN tunnel flaps every morning",
		`Our script prints \"error_code\":\"OSM.01010037\" and stops`,
		`API answers {\"error_code\":\"AIS.0014\",\"error_msg\":\"...\"} now and then, why?`,
	},
}

var agents = []string{
	"python-requests/2.32.3", "okhttp/4.12.0", "Go-http-client/2.0", "huaweicloud-usdk-java/3.0",
	"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36", "curl/8.9.1",
}

// hex returns n random bytes in hexadecimal.
func (g *generator) hex(n int) string {
	const digits = "0123456789abcdef"
	b := make([]byte, 2*n)
	for i := range b {
		if i%16 == 0 {
			x := g.Uint64()
			for j := i; j < min(i+16, len(b)); j++ {
				b[j] = digits[x&15]
				x >>= 4
			}
		}
	}
	return string(b)
}

func (g *generator) uuid() string {
	h := g.hex(16)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func (g *generator) ip() string {
	return fmt.Sprintf("10.%d.%d.%d", g.IntN(32), g.IntN(256), 1+g.IntN(254))
}
