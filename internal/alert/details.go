package alert

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"errata/internal/notify"
)

// details returns what a person reads below the summary.
func (n Notification) details() (details []notify.Detail) {
	add := func(name, text string) {
		if text != "" {
			details = append(details, notify.Detail{Name: name, Text: text})
		}
	}
	var labels []string
	for _, name := range slices.Sorted(maps.Keys(n.Labels)) {
		labels = append(labels, name+"="+strconv.Quote(n.Labels[name]))
	}
	add("Alert", strings.Join(labels, " "))
	add("Reason", n.Reason)
	add("Why", strings.Join(n.Why, "; "))
	add("Code", n.Code)
	add("Description", n.Description)
	add("Remedy", n.Remedy)
	add("Owner", n.Owner)
	for _, name := range slices.Sorted(maps.Keys(n.Annotations)) {
		if name != "summary" {
			add(name, n.Annotations[name])
		}
	}
	add("Requests", strings.Join(n.RequestIDs, " "))
	return details
}

// allCodes returns all codes of the window, nil if it may have had more than these.
func (n Notification) allCodes() (codes []string) {
	if code := n.Labels["code"]; code != "" {
		return []string{code}
	}
	if len(n.Codes) == maxCodes {
		return nil
	}
	for _, c := range n.Codes {
		codes = append(codes, c.Code)
	}
	return codes
}
