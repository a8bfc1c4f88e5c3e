package store_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docs/views.md lists every view with its columns and their types, in order.
func TestViewsAreDocumented(t *testing.T) {
	t.Parallel()
	_, query := open(t)
	// folded_days, sealed_days and the minutes by batch are part of the rollup's own machinery.
	answer := query(`SELECT table, name, type FROM system.columns WHERE concat(database, '.') = '@' AND table NOT IN ('folded_days', 'sealed_days') AND NOT endsWith(table, '_by_batch')
		AND table IN (SELECT name FROM system.tables WHERE concat(database, '.') = '@' AND engine = 'View') ORDER BY table, position`)
	stored := map[string][]string{}
	for line := range strings.Lines(answer) {
		cells := strings.SplitN(strings.TrimSpace(line), "\t", 3)
		stored[cells[0]] = append(stored[cells[0]], cells[1]+" "+strings.ReplaceAll(cells[2], `\'`, "'"))
	}
	if len(stored) < 14 {
		t.Fatalf("the schema has only the views %v", stored)
	}
	text, err := os.ReadFile("../../docs/views.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string][]string{}
	row := regexp.MustCompile(`(?m)^\| (\w+) \| ([^|]+) \|`)
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		view, body, _ := strings.Cut(section, "\n")
		for _, m := range row.FindAllStringSubmatch(body, -1) {
			if m[1] != "column" {
				documented[view] = append(documented[view], m[1]+" "+m[2])
			}
		}
	}
	for view, columns := range stored {
		if !slices.Equal(documented[view], columns) {
			t.Errorf("docs/views.md: %s has the columns\n%s\nwant\n%s", view, strings.Join(documented[view], "\n"), strings.Join(columns, "\n"))
		}
	}
	for view := range documented {
		if stored[view] == nil {
			t.Errorf("docs/views.md: there is no view %s", view)
		}
	}
}
