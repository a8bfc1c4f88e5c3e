package store

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Trouble is what is wrong with an insert, and what to do about it. Every insert is repeated until
// it succeeds, whatever the trouble. Most troubles pass by themselves; a Lasting one needs a
// person.
type Trouble struct {
	Reason  string // a word, for metrics
	Lasting bool
	Advice  string
}

// NobodyListens is the reason if connections are refused.
const NobodyListens = "refused"

// troubles are the errors of ClickHouse that an ingester meets, by code
// (src/Common/ErrorCodes.cpp). docs/reliability.md shows the table.
var troubles = map[int32]Trouble{
	252: {"too_many_parts", false, "merges lag behind: wait, or raise ingest.batch.age so that inserts are fewer and larger"},
	242: {"read_only", false, "the table is read-only, as a replica is without its Keeper: look at system.replicas"},
	164: {"read_only_user", true, "the user may only read: give it INSERT, or another clickhouse.username"},
	243: {"disk_full", true, "the disk of ClickHouse is full: free some space or shorten the TTLs"},
	201: {"quota", false, "the user's quota is used up: wait for the next interval, or raise the quota"},
	202: {"too_many_queries", false, "the server runs as many queries as it allows: wait"},
	241: {"memory_limit", false, "the server or the user is short of memory: wait, or lower ingest.batch.rows"},
	159: {"timeout", false, "the server took longer than its own max_execution_time"},
	209: {"timeout", false, "the server waited too long for the network"},
	210: {"network", false, "the server lost a connection"},
	319: {"unknown_status", false, "a replica does not know whether the insert was kept: the same rows are sent again"},
	999: {"keeper", false, "ClickHouse Keeper does not answer: look at its quorum"},
	225: {"keeper", false, "there is no Keeper for the replicated tables"},
	285: {"few_replicas", false, "too few live replicas for the quorum"},
	236: {"aborted", false, "the server is shutting down, or cancelled the query"},
	394: {"aborted", false, "the query was killed"},
	60:  {"schema", true, "a table is missing: restart the ingester, which updates the schema"},
	81:  {"schema", true, "the database is missing: restart the ingester, which creates it"},
	16:  {"schema", true, "a column is missing: restart the ingester, which updates the schema"},
	497: {"rights", true, "the user lacks rights: grant INSERT and SELECT on the database"},
	516: {"rights", true, "the password is no longer right: set clickhouse.password_file, which is read for each connection, or set clickhouse.password and restart"},
	192: {"rights", true, "the user no longer exists: set clickhouse.username and restart"},
}

// TroubleOf returns what is wrong with an insert that failed.
func TroubleOf(err error) Trouble {
	var exception *clickhouse.Exception
	var network net.Error
	switch {
	case errors.As(err, &exception):
		if t, ok := troubles[exception.Code]; ok {
			return t
		}
		return Trouble{"other", true, "the server refuses the insert: look at its log"}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return Trouble{"timeout", false, "the server did not answer within clickhouse.insert_timeout: the same rows are sent again"}
	case errors.Is(err, syscall.ECONNREFUSED):
		return Trouble{NobodyListens, false, "nothing listens at clickhouse.addr: is the server running?"}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET), errors.As(err, &network):
		return Trouble{"network", false, "the connection broke, perhaps in the middle of a block: the same rows are sent again"}
	}
	return Trouble{"other", false, ""}
}
