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

// trial is a public series of counts with labelled windows.
type trial struct {
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
func readNAB(b *testing.B, dir string) (trials []trial) {
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
		t := readTrial(b, base, files[base])
		for _, w := range labelled {
			if from := nabTime(b, w[0]); from.After(t.from.Add(nabLearning)) {
				t.labelled = append(t.labelled, period{from, nabTime(b, w[1])})
			}
		}
		trials = append(trials, t)
	}
	slices.SortFunc(trials, func(x, y trial) int { return strings.Compare(x.name, y.name) })
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

func readTrial(b *testing.B, name, file string) trial {
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
	t := trial{name: strings.TrimSuffix(name, ".csv"), errors: &series{}}
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

// BenchmarkNAB replays a rule over the series of the Numenta Anomaly Benchmark in the folder
// ERRATA_NAB (github.com/numenta/NAB): how many labelled windows it finds, and how often it fires
// outside them.
func BenchmarkNAB(b *testing.B) {
	dir := os.Getenv("ERRATA_NAB")
	if dir == "" {
		b.Skip("ERRATA_NAB names no folder with the Numenta Anomaly Benchmark")
	}
	trials := readNAB(b, dir)
	for b.Loop() {
		found, labelled, falseEpisodes, weeks := 0, 0, 0, 0.0
		fmt.Println("| series | labelled | found | false episodes a week |\n| --- | --- | --- | --- |")
		for _, t := range trials {
			hits, wrong := t.run(b, len(trials))
			w := (t.to.Sub(t.from) - nabLearning).Hours() / 168
			fmt.Printf("| %s | %d | %d | %.1f |\n", t.name, len(t.labelled), hits, float64(wrong)/w)
			found, labelled, falseEpisodes, weeks = found+hits, labelled+len(t.labelled), falseEpisodes+wrong, weeks+w
		}
		fmt.Printf("| all | %d | %d | %.1f |\n", labelled, found, float64(falseEpisodes)/weeks)
		if found < 25 || labelled != 27 || float64(falseEpisodes)/weeks >= 4 {
			b.Errorf("found %d of %d, %.1f false episodes a week and series: at least 25 of 27 at fewer than 4", found, labelled, float64(falseEpisodes)/weeks)
		}
	}
}

// run replays the rule over a series, one of several that share its budget.
func (t trial) run(b *testing.B, of int) (hits, wrong int) {
	b.Helper()
	rule := Rule{Name: "NAB", KeepFiringFor: 6 * time.Hour, Condition: Spike{
		Windows: []time.Duration{5 * time.Minute, 30 * time.Minute, 3 * time.Hour}, PagesPerWeek: 1, Floor: 5, Factor: 1.5, Zone: time.UTC,
	}}
	u := &usual{
		reference: *rule.Condition.needs().usual, errors: map[string]*buckets{"": t.buckets}, requests: map[string]*buckets{"": t.traffic},
		pasts: map[string]*past{}, shared: map[int64][]float64{},
	}
	u.groups = of
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
