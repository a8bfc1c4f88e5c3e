package yamlfile

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A program that edits a file line by line leaves comments and all else that people wrote as it is.
// That needs a field per line. What is laid out otherwise ({code: A, status: 400}) is written in
// block style first, by the functions below. They keep comments.

// Block writes a file in block style: the given sections, and a list of mappings that each begin
// with the key first.
func Block(text string, sections []string, list, first string) (string, error) {
	root, err := parseNode(text)
	if err != nil {
		return "", err
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		plainKey(key)
		switch {
		case slices.Contains(sections, key.Value):
			blockMapping(value)
		case key.Value == list:
			value.Style &^= yaml.FlowStyle
			for _, entry := range value.Content {
				blockMapping(entry)
				moveFirst(entry, first)
			}
		}
	}
	root.Style &^= yaml.FlowStyle
	return encode(root)
}

// BlockItem writes an item of a list in block style, with the key first at its start, unless it is
// so already. The item is indented by two spaces, and the comment above it stays.
func BlockItem(item, first string) (string, error) {
	at := strings.Index("\n"+item, "\n  -")
	list, err := parseNode(item[at:])
	if err != nil {
		return "", err
	}
	if list.Kind != yaml.SequenceNode || len(list.Content) != 1 || list.Content[0].Kind != yaml.MappingNode {
		return "", errors.New("it is not a list of fields: merge by hand")
	}
	entry := list.Content[0]
	if laidOut(entry, first) {
		return item, nil
	}
	blockMapping(entry)
	moveFirst(entry, first)
	text, err := encode(list)
	if err != nil {
		return "", err
	}
	return item[:at] + indented(text), nil
}

// laidOut reports whether a mapping has a line for each field, and the first one in its place.
func laidOut(entry *yaml.Node, first string) bool {
	if entry.Style&yaml.FlowStyle != 0 || len(entry.Content) == 0 || entry.Content[0].Value != first || entry.Content[0].Line > 1 {
		return false
	}
	for i := 0; i < len(entry.Content); i += 2 {
		if key := entry.Content[i]; key.Style != 0 || key.Column != 5 {
			return false
		}
	}
	return true
}

// BlockSection writes the section that a text consists of in block style, unless it is so already.
func BlockSection(text, section string) (string, error) {
	root, err := parseNode(text)
	if err != nil {
		return "", err
	}
	if root.Kind != yaml.MappingNode || len(root.Content) != 2 {
		return "", fmt.Errorf("its %s cannot be taken apart: merge by hand", section)
	}
	value := root.Content[1]
	plain := value.Kind == yaml.MappingNode && value.Style&yaml.FlowStyle == 0
	for i := 0; plain && i < len(value.Content); i += 2 {
		plain = value.Content[i].Style == 0 && value.Content[i].Column == 3
	}
	if plain {
		return text, nil
	}
	blockMapping(value)
	return encode(root)
}

// blockMapping makes a mapping one of a line for each field. The comment behind its braces comes
// behind its first field.
func blockMapping(m *yaml.Node) {
	if m.Style&yaml.FlowStyle != 0 && m.LineComment != "" && len(m.Content) > 1 && m.Content[1].LineComment == "" {
		m.Content[1].LineComment, m.LineComment = m.LineComment, ""
	}
	m.Style &^= yaml.FlowStyle
	for i := 0; m.Kind == yaml.MappingNode && i+1 < len(m.Content); i += 2 {
		plainKey(m.Content[i])
	}
}

// plainKey takes a key out of its quotes.
func plainKey(key *yaml.Node) { key.Style &^= yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle }

// moveFirst moves a field to the start of a mapping.
func moveFirst(entry *yaml.Node, key string) {
	for i := 2; i+1 < len(entry.Content); i += 2 {
		if entry.Content[i].Value == key {
			field := slices.Clone(entry.Content[i : i+2])
			entry.Content = append(field, slices.Delete(entry.Content, i, i+2)...)
			return
		}
	}
}

// parseNode returns the node of a document.
func parseNode(text string) (*yaml.Node, error) {
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		return nil, fmt.Errorf("%w: merge by hand", err) // such as an alias of an anchor elsewhere
	}
	if len(document.Content) != 1 {
		return nil, errors.New("it is empty: merge by hand")
	}
	node := document.Content[0]
	node.HeadComment = strings.Join(slices.DeleteFunc([]string{document.HeadComment, node.HeadComment}, func(s string) bool { return s == "" }), "\n\n")
	return node, nil
}

func encode(node *yaml.Node) (string, error) {
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(node); err != nil {
		return "", err
	}
	return out.String(), e.Close()
}

// indented moves the lines of a list two spaces to the right, where it is in a file.
func indented(text string) string {
	lines := strings.SplitAfter(text, "\n")
	for i, l := range lines {
		if strings.TrimSpace(l) != "" {
			lines[i] = "  " + l
		}
	}
	return strings.Join(lines, "")
}
