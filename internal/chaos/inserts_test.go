package chaos

import (
	"bytes"
	"regexp"
	"sync"
	"testing"
	"time"

	"errata/internal/stack/stacktest"
)

// inserts looks at the INSERTs of one ingester on their way through its proxy, and disturbs them.
//
// It knows just enough of ClickHouse's native protocol: the statement is in clear at its beginning,
// then the server says which columns it expects, then the client sends its rows, and then the
// answer comes, of which the last byte is the packet number of "end of stream".
type inserts struct {
	mu     sync.Mutex // guards
	repeat bool
	round  int // of repeat: the number of the flush at hand
	stage  stage
	hold   disturbance
	late   disturbance
	cuts   int // answers that were cut
	held   int // answers or rows that were held
}

// stage is how far a round of repeatAll has come.
type stage int

const (
	toCutOne  stage = iota // the answer to one table's INSERT
	toCutLast              // the answer to the last one
	toPass                 // everything, once
)

// disturbance is a hold of what passes, the next so many times.
type disturbance struct {
	times int
	hold  time.Duration
	cut   bool // the connection afterwards
}

func newInserts() *inserts { return &inserts{} }

// tables are the tables of a flush in the order in which they are written, but for the switches,
// which are rare.
var tables = []string{"error_rows", "traffic_sums", "error_sums", "code_sightings", "dead_letter_rows", "batch_rows"}

const (
	lastTable   = "batch_rows"
	endOfStream = 5
)

// repeatAll makes every INSERT be repeated from now on, until it is called off: of each flush the
// answer for one table is cut off, another one each time, and then the answer for the last table,
// upon which all are written once more.
func (i *inserts) repeatAll(on bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.repeat, i.stage = on, toCutOne
}

// holdAnswers keeps back the answers to the next INSERTs; holdRows keeps back their rows, which so
// reach the server late.
func (i *inserts) holdAnswers(d disturbance) { i.mu.Lock(); i.hold = d; i.mu.Unlock() }
func (i *inserts) holdRows(d disturbance)    { i.mu.Lock(); i.late = d; i.mu.Unlock() }

// done is how many answers were cut, and how much was held.
func (i *inserts) done() (cuts, held int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.cuts, i.held
}

// answer decides what becomes of the answer to an INSERT.
func (i *inserts) answer(table string) (hold time.Duration, cut bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.hold.times > 0 {
		i.hold.times--
		i.held++
		return i.hold.hold, i.hold.cut
	}
	if !i.repeat {
		return 0, false
	}
	last := table == lastTable
	switch {
	case i.stage == toCutOne && table == tables[i.round%len(tables)] && !last:
		i.stage = toCutLast
	case i.stage != toPass && last: // also when the flush had nothing for the first table
		i.stage = toPass
	case last:
		i.round, i.stage = i.round+1, toCutOne
		return 0, false
	default:
		return 0, false
	}
	i.cuts++
	return 0, true
}

// rows decides how long the rows of an INSERT are kept back.
func (i *inserts) rows() time.Duration {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.late.times == 0 {
		return 0
	}
	i.late.times--
	i.held++
	return i.late.hold
}

var statement = regexp.MustCompile(`INSERT INTO (\w+) \(`)

// tap is what the proxy asks for with every connection.
func (i *inserts) tap() (client, server stacktest.Tap) {
	const (
		idle      = iota
		asked     // the statement has gone to the server
		described // it has begun to say which columns it expects
		sending   // the rows are on their way
	)
	var mu sync.Mutex // guards
	var state int
	var table string
	client = func(piece []byte) bool {
		mu.Lock()
		defer mu.Unlock()
		if m := statement.FindSubmatch(piece); m != nil && !bytes.Contains(piece, []byte(" SELECT ")) {
			state, table = asked, string(m[1])
			return true
		}
		if state == described {
			state = sending
			if wait := i.rows(); wait > 0 {
				mu.Unlock()
				time.Sleep(wait)
				mu.Lock()
			}
		}
		return true
	}
	server = func(piece []byte) bool {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case state == asked:
			state = described
		case state == sending && piece[len(piece)-1] == endOfStream:
			state = idle
			hold, cut := i.answer(table)
			mu.Unlock()
			time.Sleep(hold)
			mu.Lock()
			return !cut
		}
		return true
	}
	return client, server
}

// TestInserts lets flushes of two tables pass, as the protocol's pieces go.
func TestInserts(t *testing.T) {
	i := newInserts()
	insert := func(table string) (answered bool) {
		client, server := i.tap()
		client([]byte("\x01 a query INSERT INTO " + table + " (`topic`)"))
		server([]byte("columns"))
		client([]byte("rows"))
		server([]byte("progress"))
		return server([]byte{14, endOfStream})
	}
	flush := func() (tries int) {
		for tries = 1; !insert("error_rows") || !insert("batch_rows"); tries++ {
		}
		return tries
	}
	expect := func(what string, got, want int) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
	expect("tries of a flush when nothing is disturbed", flush(), 1)
	i.repeatAll(true)
	expect("tries of the first flush: both answers are cut off", flush(), 3)
	expect("tries of the second: its table is not in it, the last answer is cut off", flush(), 2)
	i.repeatAll(false)
	expect("tries afterwards", flush(), 1)

	began := time.Now()
	i.holdAnswers(disturbance{times: 1, hold: 50 * time.Millisecond, cut: true})
	expect("tries with an answer held and cut off", flush(), 2)
	i.holdRows(disturbance{times: 1, hold: 50 * time.Millisecond})
	expect("tries with rows held", flush(), 1)
	if took := time.Since(began); took < 100*time.Millisecond {
		t.Errorf("nothing was held: it took %v", took)
	}
}
