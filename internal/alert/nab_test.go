package alert

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"errata/internal/spike"
)

// nabSeries is a public series of counts with labelled windows.
type nabSeries struct {
	name     string
	errors   *series
	buckets  *buckets
	traffic  *buckets // 1 in each bucket: the series begins with the first
	labelled []period // after the time of learning
	from, to time.Time
}

// nabLearning is the time that the rule needs before it can judge: two weeks have 26 reference
// windows.
const nabLearning = 14 * 24 * time.Hour

// readNAB reads the series of tweets and of taxis of the Numenta Anomaly Benchmark, which has a
// count for every five minutes or every half hour.
func readNAB(b *testing.B, dir string) (trials []nabSeries) {
	b.Helper()
	files := map[string]string{} // by base name
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		files[filepath.Base(path)] = path
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	labels := files["combined_windows.json"]
	if labels == "" {
		labels = files["windows.json"]
	}
	text, err := os.ReadFile(labels)
	if err != nil {
		b.Fatalf("no combined_windows.json under %s: %v", dir, err)
	}
	var windows map[string][][2]string
	if err := json.Unmarshal(text, &windows); err != nil {
		b.Fatal(err)
	}
	for name, labelled := range windows {
		base := filepath.Base(name)
		if !strings.HasPrefix(base, "Twitter_volume_") && base != "nyc_taxi.csv" {
			continue
		}
		t := readSeries(b, base, files[base])
		for _, w := range labelled {
			if from := nabTime(b, w[0]); from.After(t.from.Add(nabLearning)) {
				t.labelled = append(t.labelled, period{from, nabTime(b, w[1])})
			}
		}
		trials = append(trials, t)
	}
	slices.SortFunc(trials, func(x, y nabSeries) int { return strings.Compare(x.name, y.name) })
	return trials
}

func nabTime(b *testing.B, text string) time.Time {
	b.Helper()
	at, err := time.Parse("2006-01-02 15:04:05", text)
	if err != nil {
		b.Fatal(err)
	}
	return at
}

func readSeries(b *testing.B, name, file string) nabSeries {
	b.Helper()
	f, err := os.Open(file)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		b.Fatal(err)
	}
	t := nabSeries{name: strings.TrimSuffix(name, ".csv"), errors: &series{}}
	steps := 1
	if second := nabTime(b, rows[2][0]); second.Sub(nabTime(b, rows[1][0])) == 30*time.Minute {
		steps = 6 // spread over the half hour
	}
	counts := map[int64]uint64{}
	for _, row := range rows[1:] {
		n, err := strconv.ParseFloat(row[1], 64)
		if err != nil {
			b.Fatal(err)
		}
		for i := range steps {
			counts[bucketOf(nabTime(b, row[0]))+int64(i)] += uint64(int(n)*(i+1)/steps - int(n)*i/steps)
		}
	}
	var at []int64
	for bucket := range counts {
		at = append(at, bucket)
	}
	slices.Sort(at)
	var errors, ones []uint64
	for _, bucket := range at {
		errors, ones = append(errors, counts[bucket]), append(ones, 1)
		t.errors.add(time.Unix(bucket*int64(spike.Step/time.Second), 0).UTC(), counts[bucket])
	}
	t.buckets, t.traffic = newBuckets(at, errors), newBuckets(slices.Clone(at), ones)
	t.from, t.to = time.Unix(at[0]*300, 0).UTC(), time.Unix(at[len(at)-1]*300, 0).UTC()
	return t
}

// nabSettings are the settings that are compared. The first were chosen on the same data, so the
// others say more about data that no one has seen.
var nabSettings = []struct {
	name          string
	floor, factor float64
	keepFiringFor time.Duration
}{
	{"`floor: 5, factor: 1.5`, `keep_firing_for: 6h`", 5, 1.5, 6 * time.Hour},
	{"`floor: 5`, `keep_firing_for: 6h`", 5, 2, 6 * time.Hour},
	{"the defaults, `keep_firing_for: 6h`", 10, 2, 6 * time.Hour},
	{"the defaults, `keep_firing_for: 30m`, as the shipped rule", 10, 2, 30 * time.Minute},
	{"the defaults", 10, 2, 0},
}

// BenchmarkNAB replays rules over the series of the Numenta Anomaly Benchmark in the folder
// ERRATA_NAB (github.com/numenta/NAB): how many labelled windows they find, and how often they fire
// outside them. The figures in docs/alerts.md are its output.
func BenchmarkNAB(b *testing.B) {
	dir := os.Getenv("ERRATA_NAB")
	if dir == "" {
		b.Skip("ERRATA_NAB names no folder with the Numenta Anomaly Benchmark")
	}
	trials := readNAB(b, dir)
	for b.Loop() {
		fmt.Println("| settings | labelled | found | false episodes a week and series |\n| --- | --- | --- | --- |")
		for i, setting := range nabSettings {
			rule := Rule{Name: "NAB", KeepFiringFor: setting.keepFiringFor, Condition: Spike{
				Windows: []time.Duration{5 * time.Minute, 30 * time.Minute, 3 * time.Hour}, PagesPerWeek: 1, Floor: setting.floor, Factor: setting.factor, Zone: time.UTC,
			}}
			found, labelled, falseEpisodes, weeks := 0, 0, 0, 0.0
			for _, t := range trials {
				hits, wrong := t.run(rule, len(trials))
				b.Logf("%s: %s: found %d of %d, %d false episodes", setting.name, t.name, hits, len(t.labelled), wrong)
				found, labelled, falseEpisodes = found+hits, labelled+len(t.labelled), falseEpisodes+wrong
				weeks += (t.to.Sub(t.from) - nabLearning).Hours() / 168
			}
			fmt.Printf("| %s | %d | %d | %.1f |\n", setting.name, labelled, found, float64(falseEpisodes)/weeks)
			if i == 0 && (found < 25 || labelled != 27 || float64(falseEpisodes)/weeks >= 4) {
				b.Errorf("found %d of %d, %.1f false episodes a week and series: at least 25 of 27 at fewer than 4", found, labelled, float64(falseEpisodes)/weeks)
			}
		}
	}
}

// run replays the rule over a series, one of several that share its budget.
func (t nabSeries) run(rule Rule, of int) (hits, wrong int) {
	u := newUsual(&rule, t.from, t.to)
	u.errors[""], u.requests[""], u.groups = t.buckets, t.traffic, of
	d := data{errors: map[string]*series{"": t.errors}, usual: u}
	_, steps := rule.replay(t.from, t.to, 5*time.Minute, d, nil)
	found := make([]bool, len(t.labelled))
	var episode period
	for _, s := range steps {
		if s.change.begins() {
			episode = period{from: s.at}
		}
		if s.change.To != Resolved {
			continue
		}
		episode.to = s.at
		isFalse := episode.from.After(t.from.Add(nabLearning))
		for i, w := range t.labelled {
			if episode.overlaps(w.from, w.to) {
				found[i], isFalse = true, false
			}
		}
		if isFalse {
			wrong++
		}
	}
	for _, f := range found {
		if f {
			hits++
		}
	}
	return hits, wrong
}
