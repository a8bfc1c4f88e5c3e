package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"errata/internal/cli"
	"errata/internal/notify"
	"errata/internal/report"
	"errata/internal/store"
)

func newAlertState(env *environment) *cobra.Command {
	cmd := cli.Group("state", "Set the state of a code: acknowledged, ignored, fixed",
		newStateSet(env, "ack", store.Acknowledged, "Acknowledge a code: someone is working on it, so its alerts are not repeated",
			`report alert state ack OSM.01010037 --tenant acme --comment TICKET-7`),
		newStateSet(env, "ignore", store.Ignored, "Ignore a code, for good, until a time, or until it escalates",
			`report alert state ignore OSM.01010037 --above 500 --comment "low volume"`+"\n"+
				`report alert state ignore OSM.01010037 --until 7d --comment "low volume"`),
		newStateSet(env, "fixed", store.Fixed, "Mark a code as fixed: alerts that fire now are not repeated",
			`report alert state fixed OSM.01010037 --comment "raised the quota"`),
		newStateSet(env, "reopen", store.Reopened, "Clear the state of a code",
			`report alert state reopen OSM.01010037 --comment "it is back"`),
		newStateList(env))
	cmd.Long = "Set the state of a code, for one tenant or for all: acknowledged, ignored or fixed. The state for a tenant overrides the state for " +
		"all tenants. An alert is in a state if all of its codes are. States affect the receivers of notify.routes."
	return cmd
}

func newStateSet(env *environment, word, state, short, example string) *cobra.Command {
	var (
		by     signature
		tenant string
		end    string
		above  uint64
	)
	cmd := &cobra.Command{Use: word + " CODE...", Short: short, Example: example, Args: cli.Arguments(1, cli.Any)}
	by.flags(cmd.Flags())
	cmd.Flags().StringVar(&tenant, "tenant", store.AnyTenant, "only for this tenant; *: for all")
	if state == store.Ignored {
		cmd.Flags().StringVar(&end, "until", "", "when it ends, as a span from now or as a time: "+untilForms)
		cmd.Flags().Uint64Var(&above, "above", 0, "ignore the code until an alert has more errors than this")
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		now := time.Now().UTC().Truncate(time.Millisecond)
		c := store.CodeState{Tenant: tenant, State: state, Above: above, Written: now}
		if cmd.Flags().Changed("above") && above == 0 {
			return errors.New("--above 0: give a number from 1 up")
		}
		if end != "" {
			var err error
			if c.Until, err = until("until", end, now); err != nil {
				return err
			}
		}
		if err := by.check(); err != nil {
			return err
		}
		c.Author, c.Comment = by.author, by.comment
		s, _, err := env.open(cmd.Context())
		if err != nil {
			return err
		}
		defer s.Close()
		codes, err := spelled(cmd, s, c, args)
		if err != nil {
			return err
		}
		for _, c.Code = range codes {
			if err := s.RecordCodeState(cmd.Context(), c); err != nil {
				return err
			}
			if err := cli.Paragraph(cmd.OutOrStdout(), "", fmt.Sprintf("%s of %s is %s%s", cli.OneLine(c.Code), cli.OneLine(said(c).Whose()), stateText(state), said(c).Limits())); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

// spelled returns codes as they are stored, since states are looked up by that. It warns of a code
// without errors, which may be misspelt, and returns it as it is.
func spelled(cmd *cobra.Command, s *store.Store, state store.CodeState, codes []string) (all []string, err error) {
	var scope store.Scope
	if state.Tenant != store.AnyTenant {
		scope.Tenants = []string{state.Tenant}
	}
	for _, code := range codes {
		stored, err := report.Spelled(cmd.Context(), s, scope, code)
		if err != nil {
			return nil, err
		}
		if len(stored) == 0 {
			stored = []string{code}
			sentences, err := report.Missing(cmd.Context(), s, scope, report.Filter{Codes: stored})
			if err != nil {
				return nil, err
			}
			for _, sentence := range sentences {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning:", cli.Printable(sentence))
			}
		}
		all = append(all, stored...)
	}
	return all, nil
}

func stateText(state string) string {
	if state == store.Reopened {
		return "open again"
	}
	return state
}

// said is a state as it is printed.
func said(c store.CodeState) report.Said {
	return report.Said{Code: c.Code, Tenant: c.Tenant, State: c.State, Until: cli.Timestamp{Time: c.Until}, Above: c.Above, Author: c.Author, Comment: c.Comment, At: cli.Timestamp{Time: c.Written}}
}

func newStateList(env *environment) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the states of codes", Example: "report alert state list --output json", Args: cli.Arguments(0, 0)}
	output := listOutputs[report.Said](func(all []report.Said) cli.Table {
		t := cli.Table{Columns: []cli.Column{{Name: "code"}, {Name: "tenant"}, {Name: "state"}, {Name: "until", Spare: 4}, {Name: "above", Number: true, Spare: 3}, {Name: "since", Spare: 1}, {Name: "author", Spare: 2}, {Name: "comment", Prose: true}}}
		for _, r := range all {
			end, above := "", ""
			if !r.Until.IsZero() {
				end = r.Until.String()
			}
			if r.Above > 0 {
				above = strconv.FormatUint(r.Above, 10)
			}
			t.Rows = append(t.Rows, []string{r.Code, r.Tenant, r.State, end, above, r.At.String(), r.Author, r.Comment})
		}
		return t
	}).Flag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, _, err := env.open(cmd.Context())
		if err != nil {
			return err
		}
		defer s.Close()
		states, err := notify.CodeStates(cmd.Context(), s)
		if err != nil {
			return err
		}
		rows := []report.Said{}
		for _, r := range states {
			rows = append(rows, said(r))
		}
		return output.Write(rows, cmd.OutOrStdout())
	}
	return cmd
}

// listOutputs are the outputs of a list.
func listOutputs[R any](table func([]R) cli.Table) cli.Outputs[[]R] {
	return cli.Outputs[[]R]{
		{Name: "table", Write: func(all []R, w io.Writer) error { return table(all).Text(w) }},
		{Name: "json", Write: cli.JSON[[]R]},
		{Name: "csv", Write: func(all []R, w io.Writer) error { return table(all).CSV(w) }},
	}
}
