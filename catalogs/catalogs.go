// Package catalogs holds the error-code catalogs that Errata ships: one YAML file for each family,
// made from the vendor's published page. Package catalog defines the keys, loads the files and
// checks them.
package catalogs

import "embed"

//go:embed *.yaml schema.json
var FS embed.FS

// Schema is the name of the JSON Schema of a catalog file in FS, for editors. Package catalog has
// the last word on what is valid.
const Schema = "schema.json"
