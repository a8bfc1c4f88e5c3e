// Package catalogs holds the error-code catalogs that Errata ships: one YAML
// file a family, made from the vendor's published page. Package enrich says what
// the keys mean, loads the files and checks them.
package catalogs

import "embed"

//go:embed *.yaml schema.json
var FS embed.FS

// Schema is the JSON Schema of a catalog file in FS, for editors; package enrich is what decides.
const Schema = "schema.json"
