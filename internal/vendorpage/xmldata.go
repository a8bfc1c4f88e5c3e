package vendorpage

import (
	"encoding/xml"
	"path"
	"slices"
	"strings"
)

// xmlTable is the layout of a list of errors in XML.
const xmlTable = "list in XML"

// xmlNode is an element of a document.
type xmlNode struct {
	name     string
	line     int
	attrs    []field
	text     strings.Builder
	children []*xmlNode
}

// readXML reads a document in XML that lists errors, or returns nil if the page is none. Elements
// of one name under one parent become a grid, with a column per attribute and per child.
func readXML(name, text string) []part {
	switch strings.ToLower(path.Ext(name)) {
	case ".xml", ".resx", ".xsd", ".wsdl":
	default:
		if !strings.HasPrefix(text, "<?xml") || htmlMarks.MatchString(text[:min(len(text), 4096)]) {
			return nil
		}
	}
	if !strings.HasPrefix(strings.TrimSpace(text), "<") || len(text) > maxData {
		return nil
	}
	root := parseXML(text, 0)
	if root == nil {
		return nil
	}
	x := xmlReader{}
	x.read(root, "", 0)
	return x.parts
}

// parseXML returns the document as a tree, or nil if it is none. A tree may be text within another.
func parseXML(text string, line int) *xmlNode {
	d := xml.NewDecoder(strings.NewReader(text))
	d.Strict = false
	d.CharsetReader = nil
	d.Entity = xml.HTMLEntity
	root := &xmlNode{line: line}
	open := []*xmlNode{root}
	at, seen := 0, 0 // the place up to which lines are counted
	for {
		t, err := d.RawToken()
		if err != nil {
			break
		}
		offset := int(d.InputOffset())
		seen += strings.Count(text[at:offset], "\n")
		at = offset
		last := open[len(open)-1]
		switch t := t.(type) {
		case xml.StartElement:
			n := &xmlNode{name: t.Name.Local, line: line + seen + 1}
			for _, a := range t.Attr {
				if a.Name.Space != "xmlns" && a.Name.Local != "xmlns" && a.Name.Space != "xml" {
					n.attrs = append(n.attrs, field{a.Name.Local, a.Value})
				}
			}
			last.children = append(last.children, n)
			if len(open) < maxDataDepth {
				open = append(open, n)
			} else {
				return nil
			}
		case xml.EndElement:
			if len(open) == 1 || last.name != t.Name.Local {
				return nil // it is HTML or a text
			}
			open = open[:len(open)-1]
		case xml.CharData:
			last.text.Write(t)
		}
	}
	if len(open) != 1 || len(root.children) == 0 {
		return nil
	}
	return root
}

// xmlReader collects the grids of a document.
type xmlReader struct{ parts []part }

// read looks for lists of errors in an element. The path to it says what it is about.
func (x *xmlReader) read(n *xmlNode, at string, depth int) {
	if inner := strings.TrimSpace(n.text.String()); len(n.children) == 0 && strings.HasPrefix(inner, "<") && depth < 3 { // a document in CDATA
		if root := parseXML(inner, n.line-1); root != nil {
			x.read(root, at, depth+1)
		}
		return
	}
	for _, a := range n.attrs {
		at += " " + a.text
	}
	for i := 0; i < len(n.children); {
		end := i + 1
		for end < len(n.children) && n.children[end].name == n.children[i].name {
			end++
		}
		if rows := n.children[i:end]; len(rows) > 1 && len(rows[0].attrs)+len(rows[0].children) > 0 {
			x.add(rows, at+" "+n.name+" "+rows[0].name)
		}
		i = end
	}
	columns := columnNames(n)
	for _, c := range n.children {
		if len(c.children) == 0 && depth >= 3 {
			continue
		}
		if names := columnNames(c); names != nil {
			columns = names
		}
		for _, inner := range c.children {
			inner.inherit(columns)
		}
		x.read(c, at+" "+n.name, depth+1)
	}
}

// columnNames returns the names of columns that an element declares, as a table does for its rows:
// its children have a name each and nothing else.
func columnNames(n *xmlNode) (names []string) {
	for _, c := range n.children {
		if len(c.attrs) != 1 || c.attrs[0].name != "name" || len(c.children) > 0 || strings.TrimSpace(c.text.String()) != "" {
			return nil
		}
		names = append(names, c.attrs[0].text)
	}
	return names
}

// inherit gives the cells of a row the names of its columns, if they all have one name.
func (n *xmlNode) inherit(columns []string) {
	if len(columns) < 2 || len(n.children) != len(columns) || slices.ContainsFunc(n.children, func(c *xmlNode) bool { return c.name != n.children[0].name }) {
		return
	}
	for i, c := range n.children {
		c.name = columns[i]
	}
}

// add adds a grid of elements, unless they have only one value each.
func (x *xmlReader) add(rows []*xmlNode, at string) {
	var heads []string
	column := func(name string) int {
		if i := slices.Index(heads, name); i >= 0 || len(heads) == maxColumns {
			return i
		}
		heads = append(heads, name)
		return len(heads) - 1
	}
	g := &grid{layout: xmlTable, line: rows[0].line, headed: true, bare: true, spans: true, rows: []gridRow{{line: rows[0].line}}}
	for _, n := range rows {
		cells := make([]string, maxColumns)
		set := func(name, text string) {
			if i := column(name); i >= 0 && text != "" {
				cells[i] = addParagraph(cells[i], tidy(text))
			}
		}
		for _, a := range n.attrs {
			set(a.name, a.text)
		}
		for _, c := range n.children {
			if len(c.children) == 0 {
				set(c.name, strings.TrimSpace(c.text.String()))
			}
		}
		if own := strings.TrimSpace(n.text.String()); own != "" && len(n.children) == 0 {
			set("Message", own)
		}
		g.rows = append(g.rows, gridRow{line: n.line, cells: cells})
	}
	g.rows[0].cells = heads
	for i := range g.rows[1:] {
		g.rows[i+1].cells = g.rows[i+1].cells[:len(heads)]
	}
	if len(heads) < 2 {
		return
	}
	if texts := keyedTexts(g); texts != nil {
		x.parts = append(x.parts, part{grid: texts})
		return
	}
	if announcesCodes.MatchString(at+" "+strings.Join(heads, " ")) || aboutErrors.MatchString(at) {
		g.topic, g.bare = ofCodes, false
	} else if otherCodes.MatchString(at) {
		g.topic = ofOthers
	}
	x.parts = append(x.parts, part{grid: g})
}

// keyedTexts makes a grid of elements that are each a key and a text, as in the resources of a
// program, or returns nil if they are not about errors.
func keyedTexts(g *grid) *grid {
	if heads := g.rows[0].cells; len(heads) != 2 && (len(heads) != 3 || kindOf(heads[2]) != ofNote) || kindOf(heads[0]) != ofName && kindOf(heads[0]) != ofField && kindOf(heads[0]) != ofAttribute {
		return nil
	}
	var all []message
	for _, r := range g.rows[1:] {
		all = append(all, message{r.line, r.cells[0], r.cells[1]})
	}
	texts := messagesGrid(all, false)
	if texts != nil {
		texts.layout = xmlTable
	}
	return texts
}
