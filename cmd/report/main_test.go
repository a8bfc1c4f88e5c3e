package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/enrich"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"report": func() {
			root := newRoot()
			root.SetArgs(os.Args[1:])
			os.Exit(exitCode(root.ExecuteContext(context.Background()), root))
		},
	})
}

// Each script in testdata is one behaviour, run as a user would. UPDATE=1 writes what was printed into the
// scripts' expectations, to be read before it is committed.
func TestScripts(t *testing.T) {
	pages, err := filepath.Abs("../../catalogs/testdata/pages")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		UpdateScripts: os.Getenv("UPDATE") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("PAGES", pages)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// clickhouse names a ClickHouse with an empty database in the environment.
			"clickhouse": func(ts *testscript.TestScript, _ bool, _ []string) {
				addr, database := stacktest.Database(t)
				ts.Setenv("ERRATA_CLICKHOUSE_ADDR", addr)
				ts.Setenv("ERRATA_CLICKHOUSE_DATABASE", database)
			},
			// records FILE puts the log records of a file into that database.
			"records": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Check(insert(t.Context(), ts.Getenv("ERRATA_CLICKHOUSE_ADDR"), ts.Getenv("ERRATA_CLICKHOUSE_DATABASE"), ts.ReadFile(args[0])))
			},
			// sql QUERY asks ClickHouse; the answer is standard output, @ stands for the database.
			"sql": func(ts *testscript.TestScript, _ bool, args []string) {
				answer := stacktest.Query(t, stacktest.SharedClickHouse(t), strings.ReplaceAll(args[0], "@", ts.Getenv("ERRATA_CLICKHOUSE_DATABASE")))
				fmt.Fprintln(ts.Stdout(), answer)
			},
			// tsv FILE ... checks that standard output is the header and, in the order of the files, their other lines.
			"tsv": func(ts *testscript.TestScript, _ bool, files []string) {
				want := "status\tcode\tmessage\tdescription\tremedy\n"
				for _, f := range files {
					_, rows, _ := strings.Cut(ts.ReadFile(f), "\n")
					want += strings.ReplaceAll(rows, "'", `\'`) // the one thing that ClickHouse escapes and the tables do not
				}
				if got := ts.ReadFile("stdout"); got != want {
					ts.Fatalf("standard output differs from the pages' tables")
				}
			},
		},
	})
}

func insert(ctx context.Context, addr, database, records string) (err error) {
	catalogs, err := catalog.Open("")
	if err != nil {
		return err
	}
	processor, err := enrich.NewProcessor(enrich.Config{}, catalogs)
	if err != nil {
		return err
	}
	s, err := store.OpenAndMigrate(ctx, store.Config{Addr: []string{addr}, Database: database, Username: "default"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	b := store.NewBatch("gateway-logs", 0, 0, store.Limits{})
	at := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	for i, line := range strings.Split(strings.TrimSpace(records), "\n") {
		b.Add(int64(i), at, processor.Record([]byte(line), enrich.Position{Clock: accesslog.KafkaClock(at)}))
	}
	return s.Insert(ctx, []*store.Batch{b})
}

func TestWindow(t *testing.T) {
	now := time.Date(2026, 11, 2, 15, 4, 30, 0, time.UTC)
	f := func(w window, from, to string) {
		t.Helper()
		a, b, err := w.resolve(now)
		if err != nil {
			t.Error(err)
			return
		}
		if a.UTC().Format(time.RFC3339) != from || b.UTC().Format(time.RFC3339) != to {
			t.Errorf("%+v: %s to %s, want %s to %s", w, a.UTC(), b.UTC(), from, to)
		}
	}
	f(window{since: "90m", zone: "UTC"}, "2026-11-02T13:35:00Z", "2026-11-02T15:05:00Z")
	f(window{since: "7d", zone: "UTC"}, "2026-10-26T15:05:00Z", "2026-11-02T15:05:00Z")
	f(window{from: "2026-10-25", to: "2026-10-26", zone: "Europe/Berlin"}, "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z") // 25 hours
	f(window{from: "2026-11-02T08:00", zone: "Asia/Shanghai"}, "2026-11-02T00:00:00Z", "2026-11-02T15:05:00Z")
	f(window{since: "1h", to: "2026-11-02T08:00:00+01:00", zone: "UTC"}, "2026-11-02T06:00:00Z", "2026-11-02T07:00:00Z")
	for _, w := range []window{
		{since: "soon", zone: "UTC"}, {since: "-1h", zone: "UTC"}, {since: "0s", zone: "UTC"}, {since: "xd", zone: "UTC"},
		{since: "1h", zone: "Mars/Olympus"}, {from: "then", zone: "UTC"}, {from: "2026-11-03", zone: "UTC"},
	} {
		if _, _, err := w.resolve(now); err == nil {
			t.Errorf("%+v is accepted", w)
		}
	}
}

func TestCatalogListAsJSON(t *testing.T) {
	catalogs, err := catalog.Open("")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := listJSON(&out, published(catalogs, "")); err != nil {
		t.Fatal(err)
	}
	var entries []map[string]any
	if err := json.Unmarshal(out.Bytes(), &entries); err != nil || len(entries) != 191 {
		t.Errorf("%d entries, %v", len(entries), err)
	}
	if got := fmt.Sprintf("%v %v %v", entries[0]["code"], entries[0]["status"], entries[0]["family"]); got != "AIS.0012 400 AIS" {
		t.Error(got)
	}
}
