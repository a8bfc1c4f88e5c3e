package vendorpage

// lineMemo remembers what layouts ask about the same lines again and again, because each layout
// looks ahead from each line. A nil one remembers nothing.
type lineMemo struct {
	all        []line            // the lines of the page
	heads      map[string]column // texts, taken as headings
	lines      blockList
	paragraphs blockList
}

// blockList is a page as blocks.
type blockList struct {
	blocks []block
	at     []int // for each line, the index of the block that begins there, -1 if none does
}

// memorize gives the lines of a page a memo in common.
func memorize(lines []line) {
	m := &lineMemo{all: lines, heads: map[string]column{}}
	for i := range lines {
		lines[i].memo = m
	}
}

// column is columnOf for a heading whose cells are unknown.
func (m *lineMemo) column(heading string) column {
	if m == nil {
		return columnOf(heading, nil)
	}
	c, known := m.heads[heading]
	if !known {
		c = columnOf(heading, nil)
		m.heads[heading] = c
	}
	return c
}

// blocks is blocks for the first lines of the page.
func (m *lineMemo) blocks(lines []line, at int, byLine bool, limit int) []block {
	for at < len(lines) && lines[at].blank() {
		at++
	}
	if m == nil || at == len(lines) {
		return blocks(lines, at, byLine, limit)
	}
	list := &m.paragraphs
	if byLine {
		list = &m.lines
	}
	if list.at == nil {
		list.fill(m.all, byLine)
	}
	i := list.at[at]
	end := min(i+limit, len(list.blocks))
	if i < 0 || list.blocks[end-1].next > len(lines) { // inside a paragraph, or up to a line within one
		return blocks(lines, at, byLine, limit)
	}
	return list.blocks[i:end:end]
}

func (l *blockList) fill(lines []line, byLine bool) {
	l.blocks = blocks(lines, 0, byLine, len(lines))
	l.at = make([]int, len(lines))
	for i := range l.at {
		l.at[i] = -1
	}
	begin := 0
	for i, b := range l.blocks {
		for lines[begin].blank() {
			begin++
		}
		l.at[begin] = i
		begin = b.next
	}
}
