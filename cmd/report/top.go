package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"errata/internal/store"
	"errata/internal/summary"
)

func newTop(env *environment) *cobra.Command {
	var (
		window          window
		by, output      string
		tenants, topics []string
		limit           int
	)
	cmd := &cobra.Command{
		Use:   "top",
		Short: "The most frequent error codes, with what they mean and what to do",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, to, err := window.resolve(time.Now())
			if err != nil {
				return err
			}
			q := store.TopQuery{From: from, To: to, Tenants: tenants, Topics: topics, Limit: limit}
			for column := range strings.SplitSeq(by, ",") {
				if column = strings.TrimSpace(column); !slices.Contains(store.TopColumns, column) {
					return fmt.Errorf("--by %q: give some of %s", column, strings.Join(store.TopColumns, ","))
				}
				if slices.Contains(q.By, column) {
					return fmt.Errorf("--by names %q twice", column)
				}
				q.By = append(q.By, column)
			}
			if limit < 1 || limit > 100_000 {
				return fmt.Errorf("--limit %d: give 1 to 100000", limit)
			}
			if !slices.Contains(summary.Outputs, output) {
				return fmt.Errorf("--output %q: give one of %s", output, strings.Join(summary.Outputs, ", "))
			}
			s, catalogs, err := env.open(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			top, err := summary.NewTop(cmd.Context(), s, catalogs, q)
			if err != nil {
				return err
			}
			return top.Render(cmd.OutOrStdout(), output, terminalWidth(cmd))
		},
	}
	window.flags(cmd)
	cmd.Flags().StringVar(&by, "by", "tenant,code", "what to group by: "+strings.Join(store.TopColumns, ","))
	cmd.Flags().StringSliceVar(&tenants, "tenant", nil, "only these tenants")
	cmd.Flags().StringSliceVar(&topics, "topic", nil, "only records of these Kafka topics")
	cmd.Flags().IntVar(&limit, "limit", 20, "how many rows at most")
	cmd.Flags().StringVar(&output, "output", "table", strings.Join(summary.Outputs, ", "))
	return cmd
}

// terminalWidth is 0 when the output goes to a file or a pipe.
func terminalWidth(cmd *cobra.Command) int {
	if f, ok := cmd.OutOrStdout().(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			return width
		}
	}
	return 0
}

// window is the time that a report is about: the last while, or from one time to another.
type window struct{ since, from, to, zone string }

func (w *window) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&w.since, "since", "24h", "how far back to look, such as 90m, 24h or 7d")
	cmd.Flags().StringVar(&w.from, "from", "", "begin at this time instead: 2026-11-02, 2026-11-02T15:04 or RFC 3339")
	cmd.Flags().StringVar(&w.to, "to", "", "end before this time (default: now)")
	cmd.Flags().StringVar(&w.zone, "zone", "UTC", "the zone of --from and --to where they name none, such as Europe/Berlin")
}

// resolve gives the window in whole minutes, the running one included when it ends now.
func (w *window) resolve(now time.Time) (from, to time.Time, err error) {
	zone, err := time.LoadLocation(w.zone)
	if err != nil {
		return from, to, fmt.Errorf("--zone %q is no time zone: give one such as Europe/Berlin", w.zone)
	}
	to = now.Truncate(time.Minute).Add(time.Minute)
	if w.to != "" {
		if to, err = parseTime(w.to, zone); err != nil {
			return from, to, fmt.Errorf("--to %w", err)
		}
	}
	if w.from != "" {
		if from, err = parseTime(w.from, zone); err != nil {
			return from, to, fmt.Errorf("--from %w", err)
		}
	} else {
		since, err := parseSpan(w.since)
		if err != nil {
			return from, to, fmt.Errorf("--since %w", err)
		}
		from = to.Add(-since).Truncate(time.Minute)
	}
	if !from.Before(to) {
		return from, to, fmt.Errorf("the window ends at %s, before it begins at %s", to.Format(time.RFC3339), from.Format(time.RFC3339))
	}
	return from, to, nil
}

func parseTime(s string, zone *time.Location) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: give one such as 2026-11-02, 2026-11-02T15:04 or 2026-11-02T15:04:05Z", s)
}

// parseSpan is time.ParseDuration with days.
func parseSpan(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n float64
		n, err = strconv.ParseFloat(days, 64)
		d = time.Duration(n * float64(24*time.Hour))
	}
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is no span of time: give one such as 90m, 24h or 7d", s)
	}
	return d, nil
}
