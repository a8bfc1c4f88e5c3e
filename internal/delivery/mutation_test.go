package delivery

import (
	"cmp"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"errata/internal/stack/stacktest"
)

// mutations each take one rule out of delivery, or out of what it relies on in Kafka and
// ClickHouse. The first one of each file, which make test takes out, is one that the model notices
// soon.
var mutations = []struct{ rule, file, old, new string }{
	{"", "generation.go", "package delivery\n", "package delivery\n"},
	{"what is planned is committed before it is inserted", "generation.go",
		"	if err := g.commit(ctx); err != nil {\n		return err\n	}\n	g.insertPlanned(ctx)\n	return nil\n}",
		"	g.insertPlanned(ctx)\n	return errors.Join(g.finish(), g.commit(ctx))\n}"},
	{"the plan has the boundaries", "plan.go",
		"lengths = binary.AppendUvarint(lengths, uint64(p.Runs[n].last-p.Runs[n].first+1))",
		"_ = binary.MaxVarintLen64"},
	{"the durable point trails by a minute", "partition.go",
		"now.Sub(p.planned[n].insertedAt) >= keepPlanned", "true"},
	{"a generation does not go on from sealed runs", "partition.go",
		" || len(p.sealed) > 0 || p.unread() {", " || p.unread() {"},
	{"after a restart of the server the last minute is inserted again", "generation.go",
		"if serverID != g.serverID {\n		g.log", "if serverID != g.serverID && false {\n		g.log"},
	{"who has the partition again asks whether the server was restarted", "takeover.go",
		"g.serverID, g.last = serverID, nil", "g.serverID = serverID"},
	{"what is planned is read again at a take-over", "partition.go",
		"		p.given = append(p.given, given{run: r})\n		p.planned = append(p.planned, planned{run: r, repeated: true})",
		"		p.given = append(p.given, given{run: r})"},
	{"only who finds its own last commit goes on without repeating", "takeover.go",
		"isCommitted && last != nil && last.plan().encode() == was.encode() && last.offset == was.Offset", "isCommitted && last != nil"},
	{"a refused commit ends the generation", "generation.go",
		"		g.metrics.commitFailures.Inc()\n		return err", "		g.metrics.commitFailures.Inc()\n		return nil"},
	{"a failed fetch of offsets is no answer", "takeover.go",
		"committed, err = g.broker.committed(ctx)", "committed, _ = g.broker.committed(ctx)"},
	{"recorded boundaries are kept", "partition.go",
		"		case r.FirstOffset >= end:\n", "		case r.FirstOffset >= end && false:\n"},
	{"another parser takes a later epoch", "takeover.go",
		"	if p.epochNeeded {", "	if p.epochNeeded && false {"},
	{"an epoch belongs to one parser", "model_test.go",
		"epoch := max(w.claimed, least) + 1\n", "epoch := min(1, max(w.claimed, least)+1)\n"},
	{"orphans are voided", "takeover.go",
		"	if len(orphans) > 0 {\n		epoch", "	if len(orphans) > 0 && false {\n		epoch"},
	{"what was voided is written under its epoch", "partition.go",
		"	case p.cut <= p.voided.Last:", "	case false:"},
	{"offsets that are gone are a gap", "generation.go",
		"if err := g.gap(ctx, p.topicPartition, r, gapDeleted); err != nil {", "if _ = r; err != nil {"},
	{"what is left of a run takes a fresh epoch", "partition.go",
		"		r.epoch = fresh\n", "		_ = fresh\n"},
	{"a run that is whole stays when Kafka has lost a part of it", "generation.go",
		"if r := &p.given[i]; r.first < first {", "if r := &p.given[i]; r.first < first && false {"},
	{"Kafka refuses commits of an old generation", "model_test.go",
		"	if generation != w.generation || w.owner.name != member {", "	if false {"},
	{"the row in batches comes after the others", "model_test.go",
		"			switch step {", "			switch []int{2, 0, 1, 3, 4}[step] {"},
	{"the switch comes last", "model_test.go",
		"			switch step {", "			switch []int{3, 0, 1, 2, 4}[step] {"},
	{"what is accepted is told last", "model_test.go",
		"			switch step {", "			switch []int{4, 0, 1, 2, 3}[step] {"},
	{"what is left behind at a take-over is a minute old", "model_test.go",
		"s.world.now.Sub(at) > ago", "!at.IsZero()"},
	{"what a server accepted before its start is not told", "model_test.go",
		"			clear(w.accepted)\n", ""},
	{"a batch's sums are keyed by its first offset alone", "model_test.go",
		"sumKey{b.FirstOffset, b.Epoch, offset, b.Fingerprint}", "sumKey{b.FirstOffset + 100*int64(len(s.name)+len(w.actors)), b.Epoch, offset, b.Fingerprint}"},
}

// TestModelFailsWithoutAnyOneRule takes each rule out of the source and runs the model, without the
// race detector, which would take ten times as long: one fault, a sample of two, and where that is
// not enough every schedule with two, up to the first that ends badly. With ERRATA_PROVE=1 the
// source as it is gets the same, and must pass. Without it two rules are taken out whose loss shows
// soon, and the others are only looked up in the source.
func TestModelFailsWithoutAnyOneRule(t *testing.T) {
	stacktest.Long(t, "it compiles the package once a rule")
	t.Parallel()
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	// The model needs no other test, and what is not compiled takes no time.
	sources = slices.DeleteFunc(sources, func(name string) bool { return strings.HasSuffix(name, "_test.go") && name != "model_test.go" })
	verdict := regexp.MustCompile(`parsers \S.*, schedule \d+: .*`)
	tried := map[string]bool{}
	for _, m := range mutations {
		source, err := os.ReadFile(m.file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Count(string(source), m.old) != 1 {
			t.Errorf("%s does not have %q once: say what the rule is now", m.file, m.old)
			continue
		}
		if !stacktest.Prove() {
			quick := m.file == "plan.go" || m.file == "partition.go"
			if m.rule == "" || tried[m.file] || !quick { // TestModel runs the source as it is
				continue
			}
			tried[m.file] = true
		}
		t.Run(cmp.Or(m.rule, "with all rules"), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			mutant, overlay := filepath.Join(dir, m.file), filepath.Join(dir, "overlay.json")
			here, err := filepath.Abs(m.file)
			if err != nil {
				t.Fatal(err)
			}
			replace, err := json.Marshal(map[string]map[string]string{"Replace": {here: mutant}})
			if err != nil {
				t.Fatal(err)
			}
			for name, text := range map[string][]byte{mutant: []byte(strings.Replace(string(source), m.old, m.new, 1)), overlay: replace} {
				if err := os.WriteFile(name, text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			args := append([]string{"test", "-vet=off", "-ldflags=-s -w", "-overlay", overlay, "-failfast", "-parallel=1", "-run", "^TestModel$"}, sources...)
			run := exec.CommandContext(t.Context(), "go", args...)
			run.Env = append(os.Environ(), "CGO_ENABLED=0", "ERRATA_PROVE=1", "GOGC=400")
			out, err := run.CombinedOutput()
			found := verdict.Find(out)
			switch {
			case m.rule == "":
				if err != nil {
					t.Errorf("%s", out)
				}
			case err == nil:
				t.Error("the model does not see it")
			case found == nil:
				t.Errorf("the mutant does not run:\n%s", out)
			default:
				t.Logf("%s", found)
			}
		})
	}
}
