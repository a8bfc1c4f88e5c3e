package report

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"errata/internal/catalog"
	"errata/internal/cli"
	"errata/internal/store"
)

// maxNear is how many near names a sentence about a missing name has.
const maxNear = 3

// Missing returns a sentence for each tenant, topic, service, route, family and code that a
// question names and of which nothing was ever stored, with the nearest names of which something
// was.
func Missing(ctx context.Context, s *store.Store, scope store.Scope, f Filter) (sentences []string, err error) {
	tenants := store.Scope{Tenants: scope.Tenants}.Where("")
	for _, of := range []struct {
		flag, view string
		names      []string
		within     store.Condition
		same       func(string) string
	}{
		{"tenant", "traffic_day", scope.Tenants, store.Condition{SQL: "1"}, exactly},
		{"topic", "batches", scope.Topics, store.Condition{SQL: "1"}, exactly},
		{"service", "traffic_day", f.Services, tenants, exactly},
		{"route", "traffic_day", f.Routes, tenants, exactly},
		{"family", "error_day", f.Families, tenants, exactly},
		{"code", "codes_seen", f.Codes, tenants, catalog.Fold},
	} {
		if len(of.names) == 0 {
			continue
		}
		stored, err := names(ctx, s, "SELECT DISTINCT "+of.flag+" FROM "+of.view+" WHERE "+of.within.SQL, of.within.Args...)
		if err != nil {
			return nil, err
		}
		for _, name := range of.names {
			if !slices.ContainsFunc(stored, func(other string) bool { return of.same(other) == of.same(name) }) {
				sentences = append(sentences, missingSentence(of.flag, name, stored))
			}
		}
	}
	return sentences, nil
}

func exactly(name string) string { return name }

// Spelled returns the codes of stored errors that are the given one in any case and with any
// separators, as they are stored.
func Spelled(ctx context.Context, s *store.Store, scope store.Scope, code string) ([]string, error) {
	where := store.Scope{Tenants: scope.Tenants}.Where("")
	stored, err := names(ctx, s, "SELECT DISTINCT code FROM codes_seen WHERE "+where.SQL+" ORDER BY code", where.Args...)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(stored, func(other string) bool { return catalog.Fold(other) != catalog.Fold(code) }), nil
}

// missingSentence says that there is nothing of that name.
func missingSentence(what, name string, stored []string) string {
	line := fmt.Sprintf("there is no %s %q", what, name)
	if what == "family" || what == "code" { // a catalog may have it
		line = fmt.Sprintf("there were no errors of %s %q", what, name)
	}
	if len(stored) == 0 {
		return line + ": nothing is stored yet"
	}
	var quoted []string
	for _, near := range cli.Near(name, stored, maxNear) {
		quoted = append(quoted, strconv.Quote(near))
	}
	line += "; near it: " + strings.Join(quoted, ", ")
	if strings.Contains(name, ",") {
		line += fmt.Sprintf(" (for several, repeat --%s)", what)
	}
	return line
}

// names returns the answer to a question for one column.
func names(ctx context.Context, s *store.Store, sql string, args ...any) (all []string, err error) {
	err = s.Query(ctx, sql, args, func(scan func(...any) error) error {
		var name string
		if err := scan(&name); err != nil {
			return err
		}
		all = append(all, name)
		return nil
	})
	return all, err
}
