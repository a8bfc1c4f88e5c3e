// Package report answers the questions that people ask about stored errors: which codes are most
// frequent (top.go), what happened in a day or week (daily.go), what is known about one code
// (explain.go), where traffic and the catalogs disagree (drift.go), and what the catalogs publish
// (published.go). reenrich.go updates stored errors to what today's catalogs say.
//
// Some files hold parts that several answers use: how fresh the data is (freshness.go), how the
// counts developed over time (history.go), samples of errors that no catalog lists (samples.go),
// the versions of the catalogs that stored errors were explained with (versions.go), and what is
// said if a question names, for example, a tenant of which nothing was ever stored (missing.go).
//
// Each answer is one plain value with JSON tags, from the query to the renderer, so that a command,
// a mail and a web page hand out the same figures. The ways to write it are rows of a table beside
// it, such as TopOutputs. Questions go to the views of package store, through a store.Scope.
package report
