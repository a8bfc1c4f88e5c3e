// Package store is all of Errata's ClickHouse: the schema, the inserts, and the questions. No other
// package imports the ClickHouse client or names a stored table.
//
// # Promises to readers of the views
//
// Readers use the views: errors, traffic_minute, error_minute, traffic_hour, error_hour,
// traffic_day, error_day, codes_seen, dead_letters, audit_samples, batches, gaps, watermarks,
// alerts. Each is exact at every moment, and a reader needs neither FINAL nor any knowledge of
// batches or epochs. Only codes_seen may also hold codes that a newer parser no longer finds. The
// stored tables behind them hold repeated and superseded rows and may change with any migration. In
// the views of minutes, hours and days, one time and group can have several rows, such as one for
// each batch, so readers add them up with sum().
//
// # Promises to the ingester
//
// A Batch may be inserted any number of times. Apart from the catalog texts, its rows are a pure
// function of its records, their positions and the parser, and a row that is written again replaces
// itself: its sorting key holds its position and its epoch, and nothing that the catalogs say. So a
// repeat after any failure changes nothing. The order of an insert is part of the promise:
//
//  1. The rows go first, in any number of INSERTs.
//  2. The days that they change are marked, so that a rollup made without these rows no longer
//     counts (rollup.go).
//  3. The row in batch_rows follows. If it exists, so do the batch's rows.
//  4. If the batch has a later epoch, one row in epoch_switches makes its rows count instead of the
//     earlier ones. Each view reads the switches once, so a query sees the state before a switch or
//     after it.
//  5. The batch is entered in the table accepted, which lives in the server's memory. If the entry
//     still exists a minute later, the server has not restarted, and the batch is on its disk.
//
// Every write is safe to repeat. The type Trouble says what an error of an insert means and whether
// it passes by itself. The protocol that decides what is inserted and when is in package delivery.
//
// # Promises to packages that query
//
// A question goes to the views through Query or Select, and takes its WHERE clause from a Scope, so
// that a reader bound to some tenants cannot see others. Scope.Rollup chooses whether counts are
// read by minute, by hour or by day. Their sums are the same. If a view does not exist, the error
// says how to update the schema.
//
// # Files
//
// store.go connects and migrates; pending.go says what migrating would do; migrations/*.sql hold
// the schema. batch.go holds a run of records as rows. table.go and insert.go declare each stored
// column once, for INSERTs, SELECT lists and scans. batches.go, deadletters.go, gaps.go, epochs.go,
// orphans.go, watermark.go, retention.go, owner.go and serverid.go each implement one concept of
// the delivery protocol. rollup.go adds up the sums of a past day, and seal.go later deletes the
// batches' own sums of that day. reenrich.go gives stored rows today's texts, audit.go counts
// everything again. query.go is for packages that query, alerts.go for alerts, trouble.go for what
// goes wrong.
package store

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"errata/internal/link"
)

// Config holds the settings of the connection to ClickHouse.
type Config struct {
	Addr         []string `mapstructure:"addr"` // host:port of the native protocol; several are ways to one server, tried in order
	Database     string   `mapstructure:"database"`
	Username     string   `mapstructure:"username"`
	Password     string   `mapstructure:"password"`
	PasswordFile string   `mapstructure:"password_file"`
	TLS          link.TLS `mapstructure:"tls"`

	InsertTimeout time.Duration `mapstructure:"insert_timeout"` // how long an INSERT waits for its answer before it is sent again; 0: defaultInsertTimeout

	AtOnce bool `mapstructure:"-"` // see [OpenAtOnce]
}

const defaultInsertTimeout = time.Minute

// Store is a pool of connections to one database. Its methods may be called concurrently.
type Store struct {
	conn          conn
	addr          string // as error texts show it
	database      string
	insertTimeout time.Duration
	addrs         []string
	tls           link.TLS
	atOnce        bool
	lastRollup    lastRollup
}

// readTimeout is how long a server may be silent. A server that works on a query sends its
// progress.
const readTimeout = 30 * time.Second

// startTimeout is how long we wait at start for a server to answer, and atOnceTimeout how long
// where there is an answer without it.
const (
	startTimeout  = 10 * time.Second
	atOnceTimeout = 2 * time.Second
)

var databaseName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Open connects to a database whose schema is up to date. Its errors are link.ErrUnreachable,
// link.ErrRefused, or wrong settings. Each is one sentence to show to the user.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	var missing []string
	s, err := open(ctx, cfg, func(ctx context.Context, server *Store) (exists bool, err error) {
		missing, err = server.unapplied(ctx)
		if isCode(err, codeUnknownDatabase) || isCode(err, codeUnknownTable) {
			return false, nil
		}
		return true, err
	}, func(server *Store) error {
		return link.Refused("clickhouse at %s has no data of ours in database %q yet: start `ingest run` once, which creates it", server.addr, cfg.Database)
	})
	if err == nil && len(missing) > 0 {
		s.Close()
		err = link.Refused("database %q was created by an earlier version: run `ingest check --create` of this version once, which updates the schema (%s)", cfg.Database, strings.Join(missing, ", "))
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// OpenAtOnce is Open for those who have an answer without the server too: one that refuses the
// connection is not asked again, and one that is silent is waited for atOnceTimeout.
func OpenAtOnce(ctx context.Context, cfg Config) (*Store, error) {
	cfg.AtOnce = true
	return Open(ctx, cfg)
}

// OpenAndMigrate connects, creates the database if it does not exist, and updates its schema. Two
// processes may do so at once.
func OpenAndMigrate(ctx context.Context, cfg Config) (*Store, error) {
	s, err := open(ctx, cfg, databaseExists, func(server *Store) error {
		err := server.conn.Exec(ctx, "CREATE DATABASE IF NOT EXISTS `"+cfg.Database+"`")
		switch {
		case refused(err):
			return link.Refused("clickhouse at %s does not let user %q create the database %q: %s", server.addr, cfg.Username, cfg.Database, firstLine(err.Error()))
		case err != nil:
			return fmt.Errorf("create the database %q: %w", cfg.Database, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := s.migrate(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("update the schema of database %q: %w", cfg.Database, err)
	}
	return s, nil
}

// databaseExists asks whether a database exists.
func databaseExists(ctx context.Context, server *Store) (bool, error) {
	var found uint64
	err := server.conn.QueryRow(ctx, "SELECT count() FROM system.databases WHERE name = ?", server.database).Scan(&found)
	return found > 0, err
}

// open connects to the server, asks it with exists whether it has what is to be opened, and calls
// missing if it does not. Connecting to the database at once would be quicker, but the embedded
// server dies of a connection to a database that does not exist.
func open(ctx context.Context, cfg Config, exists func(ctx context.Context, server *Store) (bool, error), missing func(server *Store) error) (*Store, error) {
	server, err := connect(cfg, "")
	if err != nil {
		return nil, err
	}
	defer server.Close()
	var found bool
	look := func(ctx context.Context) (err error) {
		if err := server.conn.Ping(ctx); err != nil {
			return err
		}
		found, err = exists(ctx, server)
		if refused(err) {
			return link.Refused("clickhouse at %s does not let user %q look for the database %q: %s", server.addr, cfg.Username, cfg.Database, firstLine(err.Error()))
		}
		return err
	}
	if err := server.awaitAnswer(ctx, cfg.Username, look); err != nil {
		return nil, err
	}
	if !found {
		if err := missing(server); err != nil {
			return nil, err
		}
	}
	s, err := connect(cfg, cfg.Database)
	if err != nil {
		return nil, err
	}
	if err := s.awaitAnswer(ctx, cfg.Username, s.conn.Ping); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Validate returns what is wrong with the settings. It does not ask a server.
func (c Config) Validate() error {
	if !databaseName.MatchString(c.Database) {
		return fmt.Errorf("clickhouse.database %q: use letters, digits and underscores", c.Database)
	}
	if len(c.Addr) == 0 {
		return errors.New("clickhouse.addr is empty: give host:port")
	}
	for _, addr := range c.Addr {
		if !link.IsHostPort(addr) {
			return fmt.Errorf("clickhouse.addr %q: give host:port of the native protocol", addr)
		}
	}
	return nil
}

// connect creates the pool of connections. It does not ask the server yet.
func connect(cfg Config, database string) (*Store, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	password, err := link.NewSecret(cfg.Password, cfg.PasswordFile)
	if err != nil {
		return nil, fmt.Errorf("clickhouse.%w", err)
	}
	dialer, err := cfg.TLS.Dialer()
	if err != nil {
		return nil, fmt.Errorf("clickhouse.tls.%w", err)
	}
	pool, err := clickhouse.Open(&clickhouse.Options{
		Addr:        cfg.Addr,
		Auth:        clickhouse.Auth{Database: database, Username: cfg.Username},
		Compression: &clickhouse.Compression{Method: clickhouse.CompressionLZ4},
		DialTimeout: 5 * time.Second,
		ReadTimeout: readTimeout,
		DialContext: func(ctx context.Context, addr string) (net.Conn, error) {
			conn, err := dialer.Dial(ctx, "tcp", addr)
			if err != nil {
				return nil, err
			}
			return waiting(conn), nil
		},
		// The password is read for each connection: it may have changed.
		DialStrategy: func(ctx context.Context, id int, o *clickhouse.Options, dial clickhouse.Dial) (clickhouse.DialResult, error) {
			today := *o
			today.Auth.Password = password.Value()
			return clickhouse.DefaultDialStrategy(ctx, id, &today, dial)
		},
		ClientInfo: clickhouse.ClientInfo{Products: []struct{ Name, Version string }{
			{Name: "errata", Version: "1"},
		}},
		Settings: clickhouse.Settings{
			"async_insert": 0, // by default, servers from 26.7 on answer an insert before it is stored
			// No INSERT has a row twice. To look for one costs a server more than all the rest.
			"optimize_on_insert": 0,
			// A query that reads a table several times sees one state of it. By default since
			// 25.11.
			"enable_shared_storage_snapshot_in_query": 1,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("clickhouse.addr: %w", err)
	}
	addr := strings.Join(cfg.Addr, ",")
	return &Store{conn: conn{pool, addr}, addr: addr, database: cfg.Database, addrs: cfg.Addr, tls: cfg.TLS, insertTimeout: cmp.Or(cfg.InsertTimeout, defaultInsertTimeout), atOnce: cfg.AtOnce}, nil
}

// awaitAnswer repeats ask until the server answers it, refuses us, or the time for that has passed.
func (s *Store) awaitAnswer(ctx context.Context, user string, ask func(context.Context) error) error {
	timeout := startTimeout
	if s.atOnce {
		timeout = atOnceTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var last error // that says more than that time ran out, if any
	for tries := 1; ; tries++ {
		err := ask(ctx)
		if timeout := net.Error(nil); last == nil || ctx.Err() == nil && !(errors.As(err, &timeout) && timeout.Timeout()) {
			last = err
		}
		switch {
		case err == nil, errors.Is(err, link.ErrRefused):
			return err
		case strings.Contains(err.Error(), "unexpected packet [72]"): // the H of HTTP/1.1
			return link.Refused("clickhouse at %s speaks HTTP on that port: set clickhouse.addr to the port of the native protocol, 9000 or with TLS 9440", s.addr)
		case isCode(err, codeAuthenticationFailed):
			return link.Refused("clickhouse at %s refuses user %q: wrong password or unknown user; set clickhouse.username and clickhouse.password", s.addr, user)
		case isCode(err, codeUnknownSetting):
			return link.Refused("clickhouse at %s does not know a setting of ours: update it to ClickHouse 25.8 or newer", s.addr)
		}
		if reason := s.tls.Explain(err, "clickhouse", "clickhouse.addr"); reason != "" {
			return link.Refused("clickhouse at %s: %s", s.addr, reason)
		}
		var exception *clickhouse.Exception
		if errors.As(err, &exception) && exception.Code != codeAborted {
			return link.Refused("clickhouse at %s refuses the connection: %s", s.addr, firstLine(exception.Message))
		}
		const alert = "unexpected packet [21]" // of TLS
		if tries%4 == 0 && !s.tls.Enabled && (link.ClosedOnUs(err) || strings.Contains(err.Error(), alert)) && slices.ContainsFunc(s.addrs, func(a string) bool { return link.SpeaksTLS(ctx, a) }) {
			return link.Refused("clickhouse at %s wants TLS: set clickhouse.tls.enabled to true, or clickhouse.addr to the port without TLS", s.addr)
		}
		if s.atOnce && errors.Is(err, syscall.ECONNREFUSED) {
			return s.unreachable(last)
		}
		select {
		case <-ctx.Done():
			if isCode(last, codeAborted) {
				return last
			}
			return s.unreachable(last)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

func (s *Store) unreachable(err error) error {
	return link.Unreachable("clickhouse at %s does not answer (%s): is it running, and is clickhouse.addr its native port?", s.addr, link.Cause(err))
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// Error codes of ClickHouse, src/Common/ErrorCodes.cpp.
const (
	codeUnknownIdentifier    = 47
	codeUnknownTable         = 60
	codeUnknownDatabase      = 81
	codeUnknownSetting       = 115
	codeAborted              = 236 // the server is shutting down
	codeAccessDenied         = 497
	codeAuthenticationFailed = 516
)

func isCode(err error, code int32) bool {
	var exception *clickhouse.Exception
	return errors.As(err, &exception) && exception.Code == code
}

// refused reports whether the server answered with an error that does not pass by itself.
func refused(err error) bool {
	return errors.As(err, new(*clickhouse.Exception)) && !isCode(err, codeAborted)
}

// Close closes all connections.
func (s *Store) Close() error { return s.conn.Close() }

// Ping returns an error if the server does not answer now.
func (s *Store) Ping(ctx context.Context) error { return s.conn.Ping(ctx) }

// execute executes a statement that may take so long.
func (s *Store) execute(ctx context.Context, timeout time.Duration, sql string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return s.conn.Exec(ctx, sql, args...)
}

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrate runs the migrations that the database has not recorded, in the order of their numbers.
// Every statement does nothing if it was executed before. So two processes may run the same
// migrations, and what a process that died half way did not record is run again. One that is behind
// replaces views by earlier ones for a moment, and the other tries again what needs the later ones.
func (s *Store) migrate(ctx context.Context) error {
	err := s.conn.Exec(ctx, `CREATE TABLE IF NOT EXISTS migrations (name String, applied_at DateTime64(3, 'UTC'))
		ENGINE = ReplacingMergeTree ORDER BY name`)
	if err != nil {
		return err
	}
	for tries := 1; ; tries++ {
		names, err := s.unapplied(ctx)
		if err != nil {
			return err
		}
		done, err := s.apply(ctx, names)
		if len(done) > 0 {
			err = errors.Join(err, s.conn.Exec(ctx, "INSERT INTO migrations SELECT arrayJoin(?), now64(3)", done))
		}
		if !isCode(err, codeUnknownIdentifier) || tries == migrateTries {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// migrateTries is how often a migration is tried that needs a later view than there is.
const migrateTries = 5

// apply executes migrations, and returns those before the first that failed.
func (s *Store) apply(ctx context.Context, names []string) (done []string, err error) {
	for i, name := range names {
		text, err := migrationFiles.ReadFile("migrations/" + name)
		if err != nil {
			return names[:i], err
		}
		for _, statement := range strings.Split(string(text), ";\n") {
			if strings.TrimSpace(statement) == "" {
				continue
			}
			if err := s.conn.Exec(ctx, statement); err != nil {
				return names[:i], fmt.Errorf("migration %s: %w", name, err)
			}
		}
	}
	return names, nil
}

// unapplied returns the migrations that the database has not recorded, in order.
func (s *Store) unapplied(ctx context.Context) (names []string, err error) {
	var applied []string
	if err := s.conn.QueryRow(ctx, "SELECT groupUniqArray(name) FROM `"+s.database+"`.migrations").Scan(&applied); err != nil {
		return nil, fmt.Errorf("read the migrations of database %q: %w", s.database, err)
	}
	names, err = migrationNames()
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(applied, name) }), err
}

// FirstRead returns how many partitions a topic had when it was first read. It records the present
// number if the topic was never read before.
func (s *Store) FirstRead(ctx context.Context, topic string, partitions int) (int, error) {
	for range 2 {
		var found uint64
		var first uint32
		if err := s.conn.QueryRow(ctx, "SELECT count(), argMin(partitions, (at, partitions)) FROM topics_read WHERE topic = ?", topic).Scan(&found, &first); err != nil {
			return 0, fmt.Errorf("read when topic %q was first read: %w", topic, err)
		}
		if found > 0 {
			return int(first), nil
		}
		if err := s.conn.Exec(ctx, "INSERT INTO topics_read VALUES (?, ?, now64(3))", topic, uint32(partitions)); err != nil {
			return 0, fmt.Errorf("record that topic %q is read: %w", topic, err)
		}
	}
	return partitions, nil
}
