package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"errata/internal/cli"
	"errata/internal/notify"
	"errata/internal/store"
)

func newAlertSilence(env *environment) *cobra.Command {
	cmd := cli.Group("silence", "Mute some alerts for a while", newSilenceAdd(env), newSilenceList(env), newSilenceExpire(env))
	cmd.Long = "Mute some alerts for a while. Silences are stored in ClickHouse, and every evaluator obeys them within seconds. " +
		"They mute the receivers of notify.routes; notify.webhook and notify.alertmanager are still told of every alert."
	return cmd
}

// signature is who says something, and why.
type signature struct{ author, comment string }

func (s *signature) flags(flags *pflag.FlagSet) {
	flags.StringVar(&s.author, "author", "", "who writes this (default: the name of the operating system's user)")
	flags.StringVar(&s.comment, "comment", "", "why; required")
}

func (s *signature) check() error {
	if strings.TrimSpace(s.comment) == "" {
		return errors.New("--comment is empty: say why, for those who find this later")
	}
	if s.author == "" {
		s.author = os.Getenv("USER")
	}
	if s.author == "" {
		if u, err := user.Current(); err == nil {
			s.author = u.Username
		}
	}
	if s.author == "" {
		return errors.New("--author is empty, and the operating system's user has no name: say who")
	}
	return nil
}

// untilForms are the forms of a time that is to come.
const untilForms = "90m, 24h, 7d, 2026-11-02 or 2026-11-02T15:04:05Z"

// until parses a time that is to come: a span from now, or a date or time in UTC.
func until(flag, text string, now time.Time) (time.Time, error) {
	var at time.Time
	if span, err := cli.ParseSpan(text); err == nil {
		at = now.Add(span)
	} else {
		var t cli.Time
		if err := t.Set(text); err != nil {
			return at, fmt.Errorf("--%s %q: %w", flag, text, err)
		}
		at = t.At(now, time.UTC)
	}
	if !at.After(now) {
		return at, fmt.Errorf("--%s %q has passed: give a time that is to come, or a span from now", flag, text)
	}
	return at, nil
}

func newSilenceAdd(env *environment) *cobra.Command {
	var by signature
	var end string
	cmd := &cobra.Command{
		Use:   "add MATCHER...",
		Short: "Add a silence and print its ID",
		Long: "Add a silence and print its ID. It mutes the alerts that all matchers match, on labels and on the attributes code, " +
			"family and owner, with the operators =, !=, =~ and !~ of Alertmanager.",
		Example: `report alert silence add 'tenant="acme"' --until 2h --comment "migration"` + "\n" +
			`report alert silence add 'alertname=~"Quo.*"' --until 7d --comment TICKET-7`,
		Args: cli.Arguments(1, cli.Any),
	}
	by.flags(cmd.Flags())
	cmd.Flags().StringVar(&end, "until", "", "when it ends, as a span from now or as a time: "+untilForms+"; required")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		now := time.Now().UTC().Truncate(time.Millisecond)
		var matchers []string
		for _, text := range args {
			parsed, err := notify.ParseMatchers(text)
			if err != nil {
				return err
			}
			for _, m := range parsed {
				if m.Matches("") && len(args) == 1 && len(parsed) == 1 {
					return fmt.Errorf("%s also matches alerts without that label, which may be all of them: add another matcher", m)
				}
				matchers = append(matchers, m.String())
			}
		}
		if len(matchers) == 0 {
			return errors.New(`a silence without matchers would mute everything: give some, such as tenant="acme"`)
		}
		if end == "" {
			return errors.New("--until is missing: say when the silence ends, as " + untilForms)
		}
		ends, err := until("until", end, now)
		if err != nil {
			return err
		}
		if err := by.check(); err != nil {
			return err
		}
		s, _, err := env.open(cmd.Context())
		if err != nil {
			return err
		}
		defer s.Close()
		silence := store.Silence{
			ID: uuid.NewString()[:8], Matchers: "{" + strings.Join(matchers, ",") + "}", Starts: now, Ends: ends, Author: by.author, Comment: by.comment, Written: now,
		}
		if err := s.RecordSilence(cmd.Context(), silence); err != nil {
			return err
		}
		return cli.Paragraph(cmd.OutOrStdout(), "", fmt.Sprintf("%s mutes %s until %s", silence.ID, cli.OneLine(silence.Matchers), cli.Timestamp{Time: ends}))
	}
	return cmd
}

// silenceRow is a silence as it is printed.
type silenceRow struct {
	ID       string        `json:"id"`
	Matchers string        `json:"matchers"`
	StartsAt cli.Timestamp `json:"starts_at"`
	EndsAt   cli.Timestamp `json:"ends_at"`
	Author   string        `json:"author"`
	Comment  string        `json:"comment"`
}

func newSilenceList(env *environment) *cobra.Command {
	var past bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the silences that hold",
		Example: "report alert silence list --past --output json",
		Args:    cli.Arguments(0, 0),
	}
	cmd.Flags().BoolVar(&past, "past", false, "also list those that have ended")
	output := listOutputs[silenceRow](func(all []silenceRow) cli.Table {
		t := cli.Table{Columns: []cli.Column{{Name: "id"}, {Name: "until"}, {Name: "matchers"}, {Name: "author", Spare: 1}, {Name: "comment", Prose: true}}}
		for _, r := range all {
			t.Rows = append(t.Rows, []string{r.ID, r.EndsAt.String(), r.Matchers, r.Author, r.Comment})
		}
		return t
	}).Flag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, _, err := env.open(cmd.Context())
		if err != nil {
			return err
		}
		defer s.Close()
		after := time.Now()
		if past {
			after = time.Unix(0, 0)
		}
		silences, err := notify.Silences(cmd.Context(), s, after)
		if err != nil {
			return err
		}
		rows := []silenceRow{}
		for _, r := range silences {
			rows = append(rows, silenceRow{r.ID, r.Matchers, cli.Timestamp{Time: r.Starts}, cli.Timestamp{Time: r.Ends}, r.Author, r.Comment})
		}
		return output.Write(rows, cmd.OutOrStdout())
	}
	return cmd
}

func newSilenceExpire(env *environment) *cobra.Command {
	return &cobra.Command{
		Use:     "expire ID...",
		Short:   "End silences now",
		Example: "report alert silence expire 1c9f03a7",
		Args:    cli.Arguments(1, cli.Any),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, _, err := env.open(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			now := time.Now().UTC().Truncate(time.Millisecond)
			silences, err := notify.Silences(cmd.Context(), s, now)
			if err != nil {
				return err
			}
			for _, id := range args {
				i := slices.IndexFunc(silences, func(s store.Silence) bool { return s.ID == id })
				if i < 0 {
					return cli.Findings(fmt.Sprintf("no silence %q holds: `report alert silence list` shows those that do", id))
				}
				silence := silences[i]
				silence.Ends, silence.Written = now, now
				if err := s.RecordSilence(cmd.Context(), silence); err != nil {
					return err
				}
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s has ended\n", id); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
