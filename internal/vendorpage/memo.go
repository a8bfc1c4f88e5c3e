package vendorpage

// lineMemo remembers what layouts ask about the same lines again and again, because each layout
// looks ahead from each line. A nil one remembers nothing.
type lineMemo struct {
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
	m := &lineMemo{heads: map[string]column{}}
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

// blocks is blocks for the lines of the page.
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
		list.fill(lines, byLine)
	}
	i := list.at[at]
	if i < 0 { // inside a paragraph
		return blocks(lines, at, byLine, limit)
	}
	end := min(i+limit, len(list.blocks))
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
