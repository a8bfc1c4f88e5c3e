package store

import (
	"time"

	"errata/internal/accesslog"
)

// trafficKey is what requests are counted by.
type trafficKey struct {
	minute                 time.Time
	tenant, service, route string
	status                 int
	bodyState              accesslog.BodyState
}

type trafficSum struct{ requests, errors uint64 }

// codeKey is what errors are counted by.
type codeKey struct {
	minute                                time.Time
	tenant, service, route, code, dialect string
}

type codeSum struct {
	family, kind string
	errors       uint64
	first, last  time.Time
}

// trafficRow and codeRow are sums as rows.
type (
	trafficRow struct {
		trafficKey
		trafficSum
		late bool // its day was sealed before (seal.go); only an INSERT sets it
	}
	codeRow struct {
		codeKey
		codeSum
		late bool
	}
)

// counts are the sums of a batch. Most requests have a key that occurred before, among tens of
// thousands. So a key is looked up by numbers that stand for its texts: they take a fifth of its
// memory, one hash covers them, and they hold no pointers.
type counts struct {
	tenants, services, routes, states, words names // words are codes and dialects
	trafficAt                                map[trafficNumbers]int32
	traffic                                  []trafficRow
	codesAt                                  map[codeNumbers]int32
	codes                                    []codeRow
}

// trafficNumbers and codeNumbers stand for a key.
type (
	trafficNumbers struct {
		minute, tenant, service, route uint32 // minutes since 1970
		status, state                  uint16
	}
	codeNumbers struct{ minute, tenant, service, route, code, dialect uint32 }
)

func newCounts() counts {
	return counts{
		tenants: newNames(), services: newNames(), routes: newNames(), states: newNames(), words: newNames(),
		trafficAt: map[trafficNumbers]int32{}, codesAt: map[codeNumbers]int32{},
	}
}

// group returns the numbers of an access's tenant, service and route. limited reports whether one
// of them is counted as Other.
func (c *counts) group(a *accesslog.Access, limits Limits) (n trafficNumbers, limited bool) {
	n = trafficNumbers{
		minute: uint32(a.Time.Unix() / 60),
		tenant: c.tenants.number(a.Tenant, limits.Tenants), service: c.services.number(a.Service, 0), route: c.routes.number(a.Route, limits.Routes),
		status: uint16(a.Status), state: uint16(c.states.number(string(a.BodyState), 0)),
	}
	return n, n.tenant == otherNumber && a.Tenant != Other || n.route == otherNumber && a.Route != Other
}

// ofRequest returns the sum of a request, and whether it is new.
func (c *counts) ofRequest(n trafficNumbers, a *accesslog.Access) (row *trafficRow, isNew bool) {
	at, ok := c.trafficAt[n]
	if !ok {
		at = int32(len(c.traffic))
		c.trafficAt[n] = at
		c.traffic = append(c.traffic, trafficRow{trafficKey: trafficKey{
			a.Time.Truncate(time.Minute), c.tenants.texts[n.tenant], a.Service, c.routes.texts[n.route], a.Status, a.BodyState,
		}})
	}
	return &c.traffic[at], !ok
}

// ofError returns the sum of an error of a request, and whether it is new.
func (c *counts) ofError(n trafficNumbers, of *trafficRow, code, dialect string) (row *codeRow, isNew bool) {
	key := codeNumbers{n.minute, n.tenant, n.service, n.route, c.words.number(code, 0), c.words.number(dialect, 0)}
	at, ok := c.codesAt[key]
	if !ok {
		at = int32(len(c.codes))
		c.codesAt[key] = at
		c.codes = append(c.codes, codeRow{codeKey: codeKey{of.minute, of.tenant, of.service, of.route, code, dialect}})
	}
	return &c.codes[at], !ok
}

// names numbers the names of tenants, or of other things, that a batch counts.
type names struct {
	numbers map[string]uint32
	texts   []string // by number
}

// otherNumber is the number of Other. That of "" is 0.
const otherNumber = 1

func newNames() names {
	return names{map[string]uint32{"": 0}, []string{"", Other}}
}

// number returns the number of a name: its own for the first names up to the limit, else that of
// Other. A limit of 0 is none.
func (n *names) number(name string, limit int) uint32 {
	if number, ok := n.numbers[name]; ok {
		return number
	}
	if limit > 0 && len(n.numbers) > limit { // of the numbers, one is for ""
		return otherNumber
	}
	number := uint32(len(n.texts))
	if name == Other {
		number = otherNumber
	} else {
		n.texts = append(n.texts, name)
	}
	n.numbers[name] = number
	return number
}
