package vendorpage

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/tailscale/hujson"
	"go.yaml.in/yaml/v3"

	regexp "errata/internal/lazyregexp"
)

// dataTable is the layout of a list of errors in JSON, YAML or TOML.
const dataTable = "list in JSON, YAML or TOML"

// readData reads a document in JSON, YAML or TOML that lists errors, or returns nil if the page is
// none. Each list of objects becomes a grid with a column per name, and so does each object whose
// names are codes.
func readData(name, text string) []part {
	root := parseData(strings.ToLower(path.Ext(name)), text)
	if root == nil {
		return nil
	}
	d := dataReader{}
	d.read(root, path.Base(name), 0)
	d.addExamples()
	for _, p := range d.parts {
		p.grid.layout = cmp.Or(p.grid.layout, dataTable)
	}
	return d.parts
}

// parseData returns a document as a tree, or nil if it is none.
func parseData(ext, text string) *yaml.Node {
	trimmed := strings.TrimSpace(text)
	braced := strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[{") || strings.HasPrefix(trimmed, "[\n")
	switch {
	case len(text) > maxData:
		return nil
	case ext == ".toml":
		return parseTOML(text)
	case !braced && ext != ".json" && ext != ".yaml" && ext != ".yml":
		return nil
	case braced:
		if bare, err := hujson.Standardize([]byte(text)); err == nil {
			text = string(bare) // without comments, each line in its place
		}
		text = strings.ReplaceAll(text, "\t", " ") // JSON is YAML but for its tabs
	}
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(text), &root); err != nil || len(root.Content) != 1 {
		return nil
	}
	return root.Content[0]
}

const (
	maxData      = 4 << 20 // limits the bytes of a document
	maxDataDepth = 30      // limits how deeply its objects may be nested
)

// dataReader collects the grids of a document.
type dataReader struct {
	parts    []part
	status   string    // of the response whose examples are being read
	examples []gridRow // error responses with status, code and message
}

// read looks for lists of errors in a value. The path to it says what it is about.
func (d *dataReader) read(n *yaml.Node, at string, depth int) {
	if depth > maxDataDepth {
		return
	}
	switch n.Kind {
	case yaml.ScalarNode:
		d.readProse(n)
	case yaml.SequenceNode:
		if objects(n.Content) {
			before := len(d.parts)
			if d.add(n, at, dataRows(n.Content, nil)); len(d.parts) == before || d.parts[before].grid.codes() == 0 {
				d.readInside(n, at, depth)
				for _, object := range n.Content {
					d.sample(object)
				}
			}
			return
		}
		for _, item := range n.Content {
			d.read(item, at, depth+1)
		}
	case yaml.MappingNode:
		if codes, texts := members(n); !namesOfAPI.MatchString(at) && keyedByCodes(codes, texts, aboutErrors.MatchString(at)) {
			d.add(n, at, dataRows(texts, codes))
			return
		}
		if exampleOf.MatchString(at) {
			d.example(n)
		}
		d.describedEnum(n, at)
		for i := 1; i < len(n.Content); i += 2 {
			before, name := d.status, n.Content[i-1].Value
			if isStatus(name) && strings.HasSuffix(at, " responses") {
				d.status = name
			}
			d.read(n.Content[i], at+" "+name, depth+1)
			d.status = before
		}
	}
}

// readProse looks for tables in a text of several lines, such as the description of an API.
func (d *dataReader) readProse(n *yaml.Node) {
	if strings.Count(n.Value, "\n") < 3 {
		return
	}
	var grids []grid
	for _, p := range readText(n.Value).parts {
		if p.grid != nil {
			grids = append(grids, *p.grid)
			continue
		}
		found, _ := layOut(p.lines)
		grids = append(grids, found...)
	}
	place := func(line *int) {
		if *line += n.Line; n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) == 0 {
			*line = n.Line // a text in quotation marks is on one line
		}
	}
	for _, g := range grids {
		if g.codes() == 0 {
			continue
		}
		place(&g.line)
		for i := range g.rows {
			place(&g.rows[i].line)
		}
		d.parts = append(d.parts, part{grid: &g})
	}
}

// readInside looks for lists of errors in the objects of a list, such as one of products. Lists of
// the same name are one.
func (d *dataReader) readInside(n *yaml.Node, at string, depth int) {
	lists := map[string]*yaml.Node{}
	var order []string
	for _, object := range n.Content {
		names, values := members(object)
		for i, name := range names {
			if values[i].Kind != yaml.SequenceNode {
				continue
			}
			if lists[name.Value] == nil {
				lists[name.Value] = &yaml.Node{Kind: yaml.SequenceNode, Line: values[i].Line}
				order = append(order, name.Value)
			}
			lists[name.Value].Content = append(lists[name.Value].Content, values[i].Content...)
		}
	}
	for _, name := range order {
		d.read(lists[name], at+" "+name, depth+1)
	}
}

// namesOfAPI matches the path to responses and examples of OpenAPI, whose names are no codes.
var namesOfAPI = regexp.MustCompile(` components responses$| examples$`)

// exampleOf matches the path to an example of OpenAPI.
var exampleOf = regexp.MustCompile(` examples?(?: |$)`)

// example reads the code and the message of an example of an error response.
func (d *dataReader) example(n *yaml.Node) {
	row := gridRow{line: n.Line, cells: []string{d.status, "", ""}}
	names, values := members(n)
	for i, name := range names {
		if values[i].Kind != yaml.ScalarNode {
			continue
		}
		switch k := kindOf(name.Value); {
		case k == ofStatus && d.status == "" && isStatus(values[i].Value): // a response that others refer to
			row.cells[0] = values[i].Value
		case k == ofCode && row.cells[1] == "":
			row.cells[1] = values[i].Value
		case k == ofMessage && row.cells[2] == "":
			row.cells[2] = tidy(values[i].Value)
		}
	}
	if status := row.cells[0]; status >= "4" && row.cells[1] != "" && row.cells[1] != status && row.cells[2] != "" {
		d.examples = append(d.examples, row)
	}
}

// sample reads the code and the message of a sample response with its status, wherever they are in
// an object.
func (d *dataReader) sample(n *yaml.Node) {
	flat := &yaml.Node{Kind: yaml.MappingNode, Line: n.Line}
	flattenInto(flat, n, 0)
	before := d.status
	d.status = ""
	d.example(flat)
	d.status = before
}

// flattenInto adds the scalar members of an object, and those of the objects in it, to another.
func flattenInto(flat, n *yaml.Node, depth int) {
	for i := 1; i < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
		switch name, value := n.Content[i-1], n.Content[i]; {
		case value.Kind == yaml.ScalarNode:
			flat.Content = append(flat.Content, name, value)
		case depth < 3:
			flattenInto(flat, value, depth+1)
		}
	}
}

// enumTexts matches the name of the list of texts beside an enumeration in a schema.
var enumTexts = regexp.MustCompile(`(?i)^x-?enum-?(?:descriptions?|descr|texts?|labels?|names|varnames|messages?)$`)

// describedEnum reads the values of an enumeration in a schema with the texts beside them.
func (d *dataReader) describedEnum(n *yaml.Node, at string) {
	var codes, texts *yaml.Node
	names, values := members(n)
	for i, name := range names {
		switch {
		case name.Value == "enum" && values[i].Kind == yaml.SequenceNode:
			codes = values[i]
		case enumTexts.MatchString(name.Value) && (texts == nil || strings.Contains(strings.ToLower(name.Value), "desc")):
			texts = values[i]
		}
	}
	if codes == nil || texts == nil {
		return
	}
	said := func(i int) *yaml.Node {
		if texts.Kind == yaml.SequenceNode && len(texts.Content) == len(codes.Content) {
			return texts.Content[i]
		}
		names, values := members(texts) // a map from the values to their texts
		if k := slices.IndexFunc(names, func(name *yaml.Node) bool { return name.Value == codes.Content[i].Value }); texts.Kind == yaml.MappingNode && k >= 0 {
			return values[k]
		}
		return &yaml.Node{}
	}
	rows := []gridRow{{cells: []string{"Code", "Description"}}}
	for i, c := range codes.Content {
		if c.Kind == yaml.ScalarNode {
			rows = append(rows, gridRow{line: c.Line, cells: []string{c.Value, tidy(said(i).Value)}})
		}
	}
	d.add(n, at, rows)
}

// addExamples adds the grid of the examples.
func (d *dataReader) addExamples() {
	if len(d.examples) > 0 {
		head := gridRow{line: d.examples[0].line, cells: []string{"HTTP status", "Error code", "Message"}}
		d.parts = append(d.parts, part{grid: &grid{line: head.line, headed: true, spans: true, rows: append([]gridRow{head}, d.examples...)}})
	}
}

// add adds a grid unless it has no rows.
func (d *dataReader) add(n *yaml.Node, at string, rows []gridRow) {
	if len(rows) < 2 {
		return
	}
	g := grid{line: n.Line, headed: true, bare: true, spans: true, rows: rows}
	g.rows[0].line = n.Line
	switch {
	case announcesCodes.MatchString(at) || aboutErrors.MatchString(at):
		g.topic = ofCodes
	case otherCodes.MatchString(at):
		g.topic = ofOthers
	}
	if g.topic == noTopic && sayFaults(rows[1:]) {
		g.topic = ofErrors
	}
	plainTexts := n.Kind == yaml.MappingNode && inOneLanguage(n.Content[1]).Kind == yaml.ScalarNode // the headings are ours
	if _, ok := headings(rows[0].cells); ok && !plainTexts {
		for _, cell := range rows[0].cells {
			k := kindOf(cell)
			g.bare = g.bare && k != ofMessage && k != ofRemedy && !saysError.MatchString(strings.ToLower(cell))
		}
	}
	d.parts = append(d.parts, part{grid: &g})
}

// objects reports whether values are objects, of which each has members of its own.
func objects(values []*yaml.Node) bool {
	for _, v := range values {
		if v.Kind != yaml.MappingNode {
			return false
		}
	}
	return len(values) > 1
}

// members returns the names and the values of an object.
func members(n *yaml.Node) (names, values []*yaml.Node) {
	for i := 1; i < len(n.Content); i += 2 {
		names, values = append(names, n.Content[i-1]), append(values, n.Content[i])
	}
	return names, values
}

// keyedByCodes reports whether the names of an object are codes, with texts or objects as values.
func keyedByCodes(names, values []*yaml.Node, about bool) bool {
	sure, texts, stats, whole := 0, 0, 0, 0
	for i, n := range names {
		if typed(values[i]) {
			return false
		}
		if codeStrength(n.Value) > noCode && hasMessage(values[i]) {
			whole++
		}
		if isStatus(n.Value) || n.Value == "default" {
			stats++
		}
		if codeStrength(n.Value) >= number && vocabulary[normal(n.Value)] == unknown {
			sure++
		}
		if v := inOneLanguage(values[i]); v.Kind == yaml.ScalarNode && (prose(v.Value) || about && v.Tag == "!!str" || v.Tag == "!!str" && saysFault(v.Value)) || v.Kind == yaml.MappingNode && describes(v) {
			texts++
		}
	}
	return len(names) > 1 && stats < len(names) && (sure == len(names) || whole == len(names)) && 10*texts >= 8*len(names)
}

// inOneLanguage returns the first text of an object that holds one text in several languages, or
// else the value itself.
func inOneLanguage(n *yaml.Node) *yaml.Node {
	names, values := members(n)
	if n.Kind != yaml.MappingNode || len(names) == 0 {
		return n
	}
	for i, name := range names {
		if !languageName.MatchString(name.Value) || values[i].Tag != "!!str" || len(strings.Fields(values[i].Value)) < 2 && !wideText(values[i].Value) {
			return n
		}
	}
	return values[0]
}

// wideText reports whether a text is in a script without spaces.
func wideText(s string) bool { return strings.ContainsFunc(s, wide) }

// typed reports whether an object describes a value, as in a schema.
func typed(n *yaml.Node) bool {
	names, values := members(n)
	for i, name := range names {
		if name.Value == "$ref" || name.Value == "type" && valueTypes[values[i].Value] {
			return true
		}
	}
	return false
}

var valueTypes = map[string]bool{"string": true, "integer": true, "number": true, "boolean": true, "object": true, "array": true, "null": true}

// hasMessage reports whether an object has a message and, besides, a status or a description.
func hasMessage(n *yaml.Node) bool {
	if n.Kind != yaml.MappingNode {
		return false
	}
	message, other := false, false
	names, _ := members(n)
	for _, name := range names {
		switch kindOf(name.Value) {
		case ofMessage:
			message = true
		case ofStatus, ofText, ofRemedy:
			other = true
		}
	}
	return message && other
}

// describes reports whether an object has a member with a message or a description.
func describes(n *yaml.Node) bool {
	names, values := members(n)
	for i, name := range names {
		switch kindOf(name.Value) {
		case ofMessage, ofText, ofName:
			if inOneLanguage(values[i]).Kind == yaml.ScalarNode {
				return true
			}
		}
	}
	return false
}

// dataRows makes a row of each object, below a row of the names of their members. Codes, if given,
// are the first column.
func dataRows(values, codes []*yaml.Node) []gridRow {
	var heads []string
	if codes != nil {
		heads = []string{"Code"}
	}
	first := len(heads)
	rows := []gridRow{{}}
	for i, v := range values {
		cells := make([]string, len(heads), maxColumns)
		if codes != nil {
			cells[0] = codes[i].Value
		}
		v = inOneLanguage(v)
		fields, texts := members(v)
		if v.Kind == yaml.ScalarNode {
			fields, texts = []*yaml.Node{{Value: "Message"}}, []*yaml.Node{v}
		}
		for k, f := range fields {
			text := inOneLanguage(texts[k])
			if text.Kind != yaml.ScalarNode || text.Tag == "!!null" {
				continue
			}
			at := slices.Index(heads[first:], f.Value) + first
			if at < first {
				if len(heads) == maxColumns {
					continue
				}
				at = len(heads)
				heads = append(heads, f.Value)
			}
			for len(cells) <= at {
				cells = append(cells, "")
			}
			cells[at] = tidy(text.Value)
		}
		rows = append(rows, gridRow{line: v.Line, cells: cells})
	}
	rows[0].cells = heads
	for i, r := range rows {
		for len(r.cells) < len(heads) {
			r.cells = append(r.cells, "")
		}
		rows[i] = r
	}
	return rows
}
