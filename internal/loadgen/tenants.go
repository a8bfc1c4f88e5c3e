package loadgen

import (
	"fmt"
	"time"
)

// tenant is a customer. It always uses the same gateway.
type tenant struct {
	name    string
	share   float64 // of all requests, in thousandths
	zone    int     // by how many hours its day is ahead of UTC
	gateway *gateway
	uses    []use
}

// use is the share of a tenant's calls that go to a service.
type use struct {
	weight  int
	service *service
}

var tenants = []tenant{
	{"atlas-retail", 400, 8, &apisixBatch, []use{{30, &osm}, {30, &imetal}, {25, &modelarts}, {15, &optverse}}},
	{"borealis-bank", 180, 1, &kong, []use{{40, &osm}, {40, &optverse}, {20, &imetal}}},
	{"cobalt-games", 110, 8, &generic, []use{{60, &cvm}, {40, &cdb}}},
	{"delta-logistics", 80, 0, &nginx, []use{{70, &optverse}, {20, &osm}, {10, &imetal}}},
	{"ember-media", 60, 8, &apisixBatch, []use{{45, &ais}, {30, &osm}, {25, &modelarts}}},
	{"fjord-energy", 50, 1, &kongCustom, []use{{60, &optverse}, {40, &imetal}}},
	{"garnet-health", 40, 1, &apisix, []use{{50, &modelarts}, {30, &ais}, {20, &osm}}},
	{"harbor-travel", 30, 8, &generic, []use{{70, &cvm}, {30, &osm}}},
	{"iris-labs", 22, 0, &nginxEpoch, []use{{60, &ais}, {40, &imetal}}},
	{"juniper-edu", 15, 8, &apisix, []use{{80, &modelarts}, {20, &osm}}},
	{"kestrel-auto", 9, 1, &kong, []use{{100, &optverse}}},
	{"lumen-foods", 4, 0, &generic, []use{{70, &cdb}, {30, &osm}}},
}

// hours says how busy a tenant is in each hour of its day.
var hours = [24]float64{
	0.25, 0.20, 0.18, 0.18, 0.20, 0.28, 0.45, 0.75, 1.15, 1.55, 1.70, 1.65,
	1.35, 1.40, 1.65, 1.70, 1.60, 1.45, 1.20, 1.05, 0.95, 0.80, 0.55, 0.35,
}

// rhythm returns how busy the tenant is at a time, about 1 on average.
func (t *tenant) rhythm(at time.Time) float64 {
	hour, part := at.UTC().Hour()+t.zone, float64(at.Minute())/60
	return hours[hour%24]*(1-part) + hours[(hour+1)%24]*part
}

// project returns the id of the tenant's only project.
func (t *tenant) project() string { return fmt.Sprintf("%032x", t.name)[:32] }

// In some minutes a tenant's script multiplies its usual number of calls.
const (
	scriptChance = 0.04
	scriptFactor = 5
)

// The burst. In a short range it takes at most an eighth of the range.
const (
	burstTenant    = "ember-media"
	burstLength    = 30 * time.Minute
	burstPerMinute = 40
)
