package notify

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// Every kind that a receiver can have is in the table, with all its settings that name a file, and
// in the documentation.
func TestKinds(t *testing.T) {
	docs, err := os.ReadFile("../../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(docs), "| kind | keys | gets |")
	table, _, _ = strings.Cut(table, "\n\n")
	receiver := reflect.TypeFor[Receiver]()
	var names []string
	for i := range receiver.NumField() {
		field := receiver.Field(i)
		if field.Type.Kind() != reflect.Pointer || field.Type.Elem().Kind() != reflect.Struct {
			continue
		}
		name := field.Tag.Get("mapstructure")
		names = append(names, name)
		if !strings.Contains(table, "`"+name+"`") {
			t.Errorf("docs/alerts.md does not list %s", name)
		}
		var r Receiver
		settings := reflect.New(field.Type.Elem())
		reflect.ValueOf(&r).Elem().Field(i).Set(settings)
		k := slices.IndexFunc(kinds, func(k kind) bool { return k.name == name })
		if k < 0 || kinds[k].of(&r) == nil {
			t.Fatalf("kind %s is not in the table", name)
		}
		want := fileSettings(settings.Elem())
		if got := kinds[k].of(&r).files(); len(got) != len(want) || slices.ContainsFunc(want, func(f *string) bool { return !slices.Contains(got, f) }) {
			t.Errorf("kind %s has %d settings that name a file, and the table says %d", name, len(want), len(got))
		}
	}
	if len(names) != len(kinds) || len(names) < 7 {
		t.Errorf("%d kinds in the settings, %d in the table", len(names), len(kinds))
	}
	if err := (Receiver{Name: "none"}).check(); err == nil || !strings.Contains(err.Error(), "give one of webhook, alertmanager, slack, dingtalk, feishu, wecom and mail") {
		t.Error(err)
	}
}

// fileSettings returns the fields of settings that name a file, those of embedded settings too.
func fileSettings(settings reflect.Value) (files []*string) {
	for i := range settings.NumField() {
		switch field := settings.Type().Field(i); {
		case field.Anonymous:
			files = append(files, fileSettings(settings.Field(i))...)
		case strings.HasSuffix(field.Tag.Get("mapstructure"), "_file"):
			files = append(files, settings.Field(i).Addr().Interface().(*string))
		}
	}
	return files
}
