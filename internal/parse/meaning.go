package parse

import (
	"encoding/binary"
	"strings"

	"errata/internal/jsontree"
)

// meaning is what the name of a value says about it.
type meaning struct {
	key key // if it is namedKey
	traits
}

// traits are what a name may say, a bit each.
type traits uint16

const (
	namedKey      traits = 1 << iota // a dialect asks for it
	namedSimilar                     // under a spelling that no dialect lists
	namedInner                       // a text under this name may hold an answer
	namedExempt                      // below status 400, nothing inside is an envelope: examples, vocabularies, records of the past
	namedThing                       // something that has a state, one or a list
	namedError                       // the error itself
	namedFailures                    // failures
	namedHead                        // the part of an answer that says how the call went
	namedAnswer                      // perhaps the one member that holds everything
)

func (t traits) is(one traits) bool { return t&one != 0 }

// exactNames have traits in this spelling, plainNames as plainName writes them.
var (
	exactNames = traitsOf(map[traits]string{
		namedExempt: `example examples sample samples schema schemas definitions properties components enum
			error_codes errorCodes errorcodes codes status_codes statusCodes codelist code_list
			translations i18n locales labels dictionary glossary templates
			logs log logEntries log_entries history audit audits audit_logs auditLogs traces timeline activities
			countries currencies languages coupons coupon promotions promotion region regions zones provinces cities
			_source validators validationRules validation_rules rules constraints
			warnings advertencias avisos avertissements warnungen hinweise
			metric metrics tags dimensions stream buckets facets
			alarms alarmList alarm_list alerts notifications announcements products plans menus dicts`,
		namedThing: `server servers job jobs task tasks run runs build builds pipeline pipelines deployment deployments execution executions
			workflow workflows operation operations instance instances cluster clusters volume volumes stack stacks migration migrations
			backup backups transcode transcodes sub_job sub_jobs test tests testcase testcases check checks`,
	})
	plainNames = traitsOf(map[traits]string{
		namedError: `error err odataerror fault exception errorinfo errordetail erro erreur errore fehler`,
		namedHead:  `meta head header status return returnstatus responsestatus responseheader resphdr hdr`,
	})
)

func traitsOf(names map[traits]string) map[string]traits {
	m := map[string]traits{}
	for t, list := range names {
		for _, name := range strings.Fields(list) {
			m[name] |= t
		}
	}
	return m
}

const (
	ofFailures    subjects = 1 << iota
	aboutFailures          // what follows such a word in the names of other things
	ofAnswer
)

// nameParts are parts of names.
var nameParts = newVocabularyOf(map[subjects][]string{
	ofFailures:    {`error, fail, exception, rejected, faults, problems, erros, erreurs, fehler`},
	aboutFailures: {`code, type, stat, count, rate, log, histor, catalog, definition, example, page, handler, polic, budget, doc, default`},
	ofAnswer:      {`resp, rsp, result, output, reply`},
})

// maxName is the greatest length of a name that is looked at.
const maxName = 64

func meaningOf(name string) (m meaning) {
	var buffer [maxRoleName]byte
	bytes := []byte(name)
	plain := plainName(bytes, &buffer)
	m.traits = exactNames[name] | plainNames[string(plain)]
	mark := func(t traits, is bool) {
		if is {
			m.traits |= t
		}
	}
	k, listed := keyOf[name]
	if !listed {
		var ok bool
		k, ok = similarKey(bytes, plain)
		mark(namedKey|namedSimilar, ok && !hidesTelltale(bytes, plain))
	}
	m.key = k
	mark(namedKey, listed)
	mark(namedInner, isInnerKey(bytes))
	mark(namedExempt, describesErrors(plain) || namesNotices(plain))
	if m.is(namedError) && asksOf(bytes) == 0 { // separators within the word
		m.traits &^= namedError
	}
	mark(namedError, name == "errorResponse")
	parts := nameParts.scan(name, 0)
	mark(namedFailures, len(name) <= maxRoleName && parts&(ofFailures|aboutFailures) == ofFailures)
	mark(namedAnswer, parts&ofAnswer != 0)
	return m
}

// hidesTelltale reports whether separators within a word of a name, "tip o", keep it from having a
// telltale that its plain name has. The fast path passes over such names, and nobody writes them.
func hidesTelltale(name, plain []byte) bool { return asksOf(plain)&^asksOf(name) != 0 }

// names remembers what names mean: bodies have few different ones, and most of them again and
// again.
type names [1 << 11]struct {
	name string
	meaning
}

// of returns what the name of a value means.
func (n *names) of(v jsontree.Value) meaning {
	name := nameOf(v)
	if len(name) == 0 || len(name) > maxName {
		return meaning{}
	}
	place := hashOf(name) % uint64(len(n))
	k, beside := &n[place], &n[place^1] // a name of the same hash moves there
	switch string(name) {
	case k.name:
	case beside.name:
		return beside.meaning
	default:
		*beside = *k
		k.name = string(name)
		k.meaning = meaningOf(k.name)
	}
	return k.meaning
}

// hashOf returns a number of eleven bits for a name, by its length and the bytes at its ends.
func hashOf(name []byte) uint64 {
	const word, odd = 8, 0x9e3779b97f4a7c15
	head, tail, n := uint64(0), uint64(0), len(name)
	if n >= word {
		head, tail = binary.LittleEndian.Uint64(name), binary.LittleEndian.Uint64(name[n-word:])
	} else {
		for _, c := range name {
			head = head<<8 | uint64(c)
		}
	}
	return ((head^uint64(n))*odd ^ tail) * odd >> 53
}
