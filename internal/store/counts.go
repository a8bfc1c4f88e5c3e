package store

import (
	"hash/maphash"
	"math/bits"
	"time"
	"unsafe"

	"errata/internal/accesslog"
)

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
		*keySum[trafficNumbers, trafficSum]
		late bool // its day was sealed before (seal.go); only an INSERT sets it
	}
	codeRow struct {
		codeKey
		codeSum
		late bool
	}
)

// counts are the sums of a batch. Most requests have a key that occurred before, among tens of
// thousands. So texts are kept as numbers, which makes a sum small and free of pointers, and rows
// are made of sums only for an INSERT.
type counts struct {
	tenants, services, routes, states, words names // words are codes, dialects, families and kinds
	traffic                                  sumTable[trafficNumbers, trafficSum]
	codes                                    sumTable[codeNumbers, codeNumbersSum]
}

// trafficNumbers and codeNumbers stand for a key.
type (
	trafficNumbers struct {
		minute, tenant, service, route uint32 // minutes since 1970
		status, state                  uint16
	}
	codeNumbers struct{ minute, tenant, service, route, code, dialect uint32 }
)

// codeNumbersSum stands for a codeSum.
type codeNumbersSum struct {
	family, kind uint32
	errors       uint64
	first, last  int64 // milliseconds since 1970, as fine as an Access has its time
}

func newCounts() counts {
	return counts{tenants: newNames(), services: newNames(), routes: newNames(), states: newNames(), words: newNames()}
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
func (c *counts) ofRequest(n trafficNumbers) (sum *trafficSum, isNew bool) {
	return c.traffic.at(n, mixed(mixed(uint64(n.minute)<<32|uint64(n.tenant), uint64(n.service)<<32|uint64(n.route)), uint64(n.status)<<16|uint64(n.state)))
}

// addError counts an error of a request, and reports whether its sum is new.
func (c *counts) addError(n trafficNumbers, code, dialect, family, kind string, at time.Time) (isNew bool) {
	key := codeNumbers{n.minute, n.tenant, n.service, n.route, c.words.number(code, 0), c.words.number(dialect, 0)}
	hash := mixed(mixed(uint64(n.minute)<<32|uint64(n.tenant), uint64(n.service)<<32|uint64(n.route)), uint64(key.code)<<32|uint64(key.dialect))
	sum, isNew := c.codes.at(key, hash)
	ms := at.UnixMilli()
	if isNew {
		*sum = codeNumbersSum{family: c.words.number(family, 0), kind: c.words.number(kind, 0), first: ms, last: ms}
	}
	sum.errors++
	sum.first, sum.last = min(sum.first, ms), max(sum.last, ms)
	return isNew
}

// trafficRows and codeRows return the sums as rows.
func (b *Batch) trafficRows() []trafficRow {
	c := &b.counts
	rows := make([]trafficRow, c.traffic.n)
	for i := range rows {
		rows[i].keySum = c.traffic.of(i)
	}
	return rows
}

func (b *Batch) codeRows() []codeRow {
	c := &b.counts
	rows := make([]codeRow, c.codes.n)
	for i := range rows {
		s := c.codes.of(i)
		n, sum := &s.key, &s.sum
		words := c.words.texts
		rows[i] = codeRow{
			codeKey: codeKey{timeOf(n.minute), c.tenants.texts[n.tenant], c.services.texts[n.service], c.routes.texts[n.route], words[n.code], words[n.dialect]},
			codeSum: codeSum{words[sum.family], words[sum.kind], sum.errors, time.UnixMilli(sum.first).UTC(), time.UnixMilli(sum.last).UTC()},
		}
	}
	return rows
}

func (n *trafficNumbers) time() time.Time { return timeOf(n.minute) }

func timeOf(minute uint32) time.Time { return time.Unix(int64(minute)*60, 0).UTC() }

func (c *counts) state(n *trafficNumbers) accesslog.BodyState {
	return accesslog.BodyState(c.states.texts[n.state])
}

// sumTable has sums by key in the order in which the keys came, with a table of open addresses.
// Sums stay where they are while others are added.
type sumTable[K comparable, S any] struct {
	pages [][]keySum[K, S] // all but the last are full
	n     int              // sums in all of them
	table []int32          // places of sums plus one, 0: free; at most half full, and its length is a power of two
}

type keySum[K comparable, S any] struct {
	key  K
	hash uint32
	sum  S
}

// sumPage is how many sums a page has. The first one grows up to it.
const sumPage = 512

// at returns the sum of a key with a hash, and whether it is new.
func (s *sumTable[K, S]) at(key K, hash uint64) (sum *S, isNew bool) {
	if 2*s.n >= len(s.table) {
		s.grow()
	}
	mask := len(s.table) - 1
	at := int(uint32(hash)) & mask
	for ; s.table[at] != 0; at = (at + 1) & mask {
		if found := s.of(int(s.table[at] - 1)); found.key == key {
			return &found.sum, false
		}
	}
	if s.n%sumPage == 0 {
		s.pages = append(s.pages, make([]keySum[K, S], 0, min(max(s.n, leastPage), sumPage)))
	}
	page := &s.pages[len(s.pages)-1]
	*page = append(*page, keySum[K, S]{key: key, hash: uint32(hash)})
	s.n++
	s.table[at] = int32(s.n)
	return &(*page)[len(*page)-1].sum, true
}

// of returns the sum in a place.
func (s *sumTable[K, S]) of(place int) *keySum[K, S] {
	return &s.pages[uint(place)/sumPage][uint(place)%sumPage]
}

func (s *sumTable[K, S]) grow() {
	s.table = make([]int32, max(64, 2*len(s.table)))
	mask := len(s.table) - 1
	for place := range s.n {
		at := int(s.of(place).hash) & mask
		for s.table[at] != 0 {
			at = (at + 1) & mask
		}
		s.table[at] = int32(place + 1)
	}
}

// mixed returns a hash of two words.
func mixed(a, b uint64) uint64 {
	high, low := bits.Mul64(a^0xa0761d6478bd642f, b^0xe7037ed1a0b428db)
	return high ^ low
}

// names numbers the names of tenants, or of other things, that a batch counts.
type names struct {
	texts []string // by number
	named int      // how many names have a number, with ""
	table []uint32 // numbers plus one by hash, 0: free; at most half full, and its length is a power of two
	known []uint32 // numbers plus one by the address of the text, as long as table; 0 or another name's: look into table
}

// wordSize divides addresses: texts begin at different words.
const wordSize = 8

// otherNumber is the number of Other. That of "" is 0.
const otherNumber = 1

// nameSeed makes the hashes of names: nobody outside can choose names that collide.
var nameSeed = maphash.MakeSeed()

func newNames() names { return names{texts: []string{"", Other}, named: 1} }

// number returns the number of a name: its own for the first names up to the limit, else that of
// Other. A limit of 0 is none.
func (n *names) number(name string, limit int) uint32 {
	if name == "" {
		return 0
	}
	if 2*n.named >= len(n.table) {
		n.grow()
	}
	// Most names are texts that package accesslog shares, each at one address.
	known := &n.known[int(uintptr(unsafe.Pointer(unsafe.StringData(name)))/wordSize)&(len(n.known)-1)]
	if *known != 0 {
		if text := n.texts[*known-1]; len(text) == len(name) && (unsafe.StringData(text) == unsafe.StringData(name) || text == name) {
			return *known - 1
		}
	}
	at := n.place(name)
	if found := n.table[at]; found != 0 {
		*known = found
		return found - 1
	}
	if limit > 0 && n.named > limit { // of the names, one is ""
		return otherNumber
	}
	number := uint32(len(n.texts))
	if name == Other {
		number = otherNumber
	} else {
		n.texts = append(n.texts, name)
	}
	n.named++
	n.table[at] = number + 1
	return number
}

// place returns where in the table a name is, or where it would be.
func (n *names) place(name string) int {
	mask := len(n.table) - 1
	at := int(maphash.String(nameSeed, name)) & mask
	for n.table[at] != 0 && n.texts[n.table[at]-1] != name {
		at = (at + 1) & mask
	}
	return at
}

func (n *names) grow() {
	old := n.table
	n.table = make([]uint32, max(32, 2*len(old)))
	n.known = make([]uint32, len(n.table))
	for _, number := range old {
		if number != 0 {
			n.table[n.place(n.texts[number-1])] = number
		}
	}
}
