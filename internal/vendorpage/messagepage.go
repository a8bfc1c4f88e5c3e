package vendorpage

import "strings"

// layoutMessage is the layout of a page about one message.
const layoutMessage = "one message"

// messagePage reads a page about one message: its title is the code and the message, and below it
// are texts with headings, such as Explanation and User response.
func messagePage(lines []line) *grid {
	title := -1
	for i, l := range lines {
		if !l.blank() {
			title = i
			break
		}
	}
	if title < 0 || title+1 >= len(lines) {
		return nil
	}
	code, message, _ := strings.Cut(strings.TrimLeft(strings.TrimSpace(lines[title].text), "# "), " ")
	code = strings.TrimRight(code, colons)
	if codeStrength(code) != mnemonic || !strings.ContainsFunc(code, digit) || !prose(message) {
		return nil
	}
	heads, cells := []string{"Error code", "Message"}, []string{code, strings.TrimSpace(message)}
	for _, l := range lines[title+1:] {
		text := strings.TrimSpace(l.text)
		head := strings.TrimSpace(strings.TrimLeft(text, "# "))
		switch k := kindOf(head); {
		case len(heads) < maxHeads && vocabulary[normal(head)] != unknown && (k == ofText || k == ofCause || k == ofRemedy):
			heads, cells = append(heads, head), append(cells, "")
		case text == "" || len(heads) == 2:
		case junk(text):
			return messageGrid(lines[title].n, heads, cells)
		default:
			cells[len(cells)-1] = addParagraph(cells[len(cells)-1], plain(text))
		}
	}
	return messageGrid(lines[title].n, heads, cells)
}

// messageGrid makes a grid of one row, or returns nil if the message has no texts below it.
func messageGrid(at int, heads, cells []string) *grid {
	if len(heads) == 2 {
		return nil
	}
	return &grid{layout: layoutMessage, line: at, headed: true, spans: true, topic: ofCodes, rows: []gridRow{{line: at, cells: heads}, {line: at, cells: cells}}}
}
