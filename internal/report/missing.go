package report

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"errata/internal/cli"
	"errata/internal/store"
)

// maxNear is how many near names a sentence about a missing name has.
const maxNear = 3

// Missing returns a sentence for each tenant and each topic of a scope of which nothing was ever
// stored, with the nearest names of which something was.
func Missing(ctx context.Context, s *store.Store, scope store.Scope) (sentences []string, err error) {
	for _, of := range []struct {
		flag, view string
		names      []string
	}{{"tenant", "traffic_hour", scope.Tenants}, {"topic", "batches", scope.Topics}} {
		if len(of.names) == 0 {
			continue
		}
		all := "SELECT DISTINCT " + of.flag + " FROM " + of.view
		stored, err := names(ctx, s, all+" WHERE "+of.flag+" IN (?)", of.names)
		if err != nil {
			return nil, err
		}
		missing := slices.DeleteFunc(slices.Clone(of.names), func(name string) bool { return slices.Contains(stored, name) })
		if len(missing) == 0 {
			continue
		}
		if stored, err = names(ctx, s, all); err != nil {
			return nil, err
		}
		for _, name := range missing {
			sentences = append(sentences, missingSentence(of.flag, name, stored))
		}
	}
	return sentences, nil
}

// missingSentence says that there is no tenant or topic of that name.
func missingSentence(what, name string, stored []string) string {
	line := fmt.Sprintf("there is no %s %q", what, name)
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
