package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"errata/internal/accesslog"
	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/cli/clitest"
	"errata/internal/enrich"
	"errata/internal/report"
	"errata/internal/stack/stacktest"
	"errata/internal/store"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"report": func() {
			os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
		},
	})
}

// Each script in testdata is one behaviour, run as a user would. UPDATE=1 writes what was printed
// into the scripts' expectations, to be read before it is committed.
func TestScripts(t *testing.T) {
	pages, err := filepath.Abs("../../catalogs/testdata/pages")
	if err != nil {
		t.Fatal(err)
	}
	program := clitest.Build(t, "report")
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		UpdateScripts: os.Getenv("UPDATE") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", program+string(filepath.ListSeparator)+env.Getenv("PATH"))
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
			// tsv FILE ... checks that standard output is the header and, in the order of the
			// files, their other lines.
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

func TestExamples(t *testing.T) { clitest.CheckExamples(t, newRoot) }

func insert(ctx context.Context, addr, database, records string) error {
	return insertFrom(ctx, addr, database, 0, records)
}

// insertFrom inserts records as those of a batch that begins at an offset.
func insertFrom(ctx context.Context, addr, database string, first int64, records string) error {
	return insertAt(ctx, addr, database, first, time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC), records)
}

// insertAt inserts records that Kafka got at a time.
func insertAt(ctx context.Context, addr, database string, first int64, at time.Time, records string) (err error) {
	catalogs, err := catalog.Open(catalog.Default)
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
	b := store.NewBatch("gateway-logs", 0, first, store.Limits{})
	for i, line := range strings.Split(strings.TrimSpace(records), "\n") {
		b.Add(first+int64(i), at, processor.Record([]byte(line), enrich.Position{Clock: accesslog.KafkaClock(at)}))
	}
	return s.Insert(ctx, []*store.Batch{b})
}

func TestCatalogListAsJSON(t *testing.T) {
	catalogs, err := catalog.Open(catalog.Default)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := cli.JSON(report.NewPublished(catalogs, ""), &out); err != nil {
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

// The help of each command fits a terminal.
func TestHelpFits(t *testing.T) {
	for path := range clitest.Leaves(newRoot()) {
		for _, width := range []int{80, 120} {
			var out bytes.Buffer
			args := append(strings.Fields(path), "--help")
			if code := run(t.Context(), args, strings.NewReader(""), cli.Screen{Writer: &out, Columns: width}, io.Discard); code != cli.Fine || !strings.Contains(out.String(), "Examples:") {
				t.Errorf("%s --help: exit code %d: %s", path, code, out.String())
			}
			clitest.CheckFits(t, path+" --help", out.String(), width)
		}
	}
}
