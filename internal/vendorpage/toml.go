package vendorpage

import (
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
	"go.yaml.in/yaml/v3"
)

// parseTOML returns a document in TOML as the tree that one in YAML has, or nil if it is none.
func parseTOML(text string) *yaml.Node {
	t := tomlReader{text: text, line: 1, values: map[*yaml.Node]map[string]*yaml.Node{}}
	t.Reset([]byte(text))
	root := &yaml.Node{Kind: yaml.MappingNode, Line: 1}
	for table := root; table != nil && t.NextExpression(); {
		switch e := t.Expression(); e.Kind {
		case unstable.Table:
			table = t.inside(root, t.key(e))
		case unstable.ArrayTable:
			key := t.key(e)
			name := key[len(key)-1]
			if table = t.inside(root, key[:len(key)-1]); table == nil {
				return nil
			}
			list := t.values[table][name.Value]
			if list == nil {
				list = t.add(table, name, &yaml.Node{Kind: yaml.SequenceNode, Line: name.Line})
			}
			table = &yaml.Node{Kind: yaml.MappingNode, Line: name.Line}
			list.Content = append(list.Content, table)
		case unstable.KeyValue:
			t.set(table, e)
		}
	}
	if t.Error() != nil {
		return nil
	}
	return root
}

// tomlReader reads a document and knows the line of the last key.
type tomlReader struct {
	unstable.Parser
	text string
	line int
	seen int // the bytes whose lines are counted

	values map[*yaml.Node]map[string]*yaml.Node // by table and name
}

// add adds a value to a table and returns it.
func (t *tomlReader) add(table, name, value *yaml.Node) *yaml.Node {
	if t.values[table] == nil {
		t.values[table] = map[string]*yaml.Node{}
	}
	t.values[table][name.Value] = value
	table.Content = append(table.Content, name, value)
	return value
}

// key returns the parts of a key.
func (t *tomlReader) key(e *unstable.Node) (parts []*yaml.Node) {
	for it := e.Key(); it.Next(); {
		if at := int(it.Node().Raw.Offset); at > t.seen && at <= len(t.text) {
			t.line += strings.Count(t.text[t.seen:at], "\n")
			t.seen = at
		}
		parts = append(parts, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: string(it.Node().Data), Line: t.line})
	}
	return parts
}

// set adds a key with its value to a table.
func (t *tomlReader) set(table *yaml.Node, e *unstable.Node) {
	key := t.key(e)
	if table = t.inside(table, key[:len(key)-1]); table != nil {
		t.add(table, key[len(key)-1], t.value(e.Value()))
	}
}

func (t *tomlReader) value(v *unstable.Node) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: string(v.Data), Line: t.line}
	switch v.Kind {
	case unstable.Array, unstable.InlineTable:
		if n.Kind = yaml.SequenceNode; v.Kind == unstable.InlineTable {
			n.Kind = yaml.MappingNode
		}
		for it := v.Children(); it.Next(); {
			switch item := it.Node(); {
			case item.Kind == unstable.KeyValue:
				t.set(n, item)
			case item.Kind != unstable.Comment:
				n.Content = append(n.Content, t.value(item))
			}
		}
	case unstable.String:
	default:
		n.Tag = "!!int"
	}
	return n
}

// inside returns the table that a key leads to, and creates it. In a list, that is its last table.
// It returns nil if the key leads through something else.
func (t *tomlReader) inside(table *yaml.Node, key []*yaml.Node) *yaml.Node {
	for _, name := range key {
		next := t.values[table][name.Value]
		if next == nil {
			next = t.add(table, name, &yaml.Node{Kind: yaml.MappingNode, Line: name.Line})
		}
		if next.Kind == yaml.SequenceNode && len(next.Content) > 0 {
			next = next.Content[len(next.Content)-1]
		}
		if next.Kind != yaml.MappingNode {
			return nil
		}
		table = next
	}
	return table
}
