package parse

import (
	"bytes"
	"regexp"
	"strconv"
)

// phpPrinted matches what PHP's print_r, var_dump and var_export begin with.
var phpPrinted = regexp.MustCompile(`^(?:(?:Array|[A-Za-z_\\]\w* Object)\s*\(|(?:array|object)\(\w[\w\\]*\)(?:#\d+ \(\d+\))? ?\{|array ?\(\s)`)

// phpNotices matches what PHP prints before a body if it shows its warnings to callers.
var phpNotices = regexp.MustCompile(`^(?:(?:<br ?/?>\s*)?<b>[A-Z][A-Za-z ]+</b>:[^\n]+? in <b>[^<\n]+</b> on line <b>\d+</b><br ?/?>\s*)+`)

// afterNotices returns the JSON after PHP's notices, nil if a body has none of them.
func afterNotices(body []byte) (json []byte) {
	if !bytes.HasPrefix(body, []byte("<b")) {
		return nil
	}
	notices := phpNotices.Find(body)
	json = body[len(notices):]
	isJSON := bytes.HasPrefix(json, []byte("{")) || bytes.HasPrefix(json, []byte("["))
	if len(notices) == 0 || !isJSON {
		return nil
	}
	return json
}

// fromPHP returns an array or an object as PHP prints it as JSON.
func fromPHP(text []byte) (json []byte, ok bool) {
	p := &phpReader{src: text}
	switch {
	case bytes.HasPrefix(text, []byte("array (")) || bytes.HasPrefix(text, []byte("array(")) && !varDumped.Match(text):
		return fromPrinted(text)
	case varDumped.Match(text):
		ok = p.dumped(0)
	default:
		ok = p.printed(0)
	}
	return p.out, ok && len(bytes.TrimSpace(p.src)) == 0
}

// phpReader reads what print_r and var_dump print. It writes JSON.
type phpReader struct {
	src []byte // what is left
	out []byte
}

var (
	printedArray = regexp.MustCompile(`^(?:Array|[A-Za-z_\\][\w\\]* Object)\s*\n\s*\(\s*\n`)
	printedKey   = regexp.MustCompile(`^\s*\[([^\]\n]*?)(?::(?:protected|[\w\\]*:?private))?\] => ?`)
	printedEnd   = regexp.MustCompile(`^\s*\)[ \t]*(?:\r?\n|$)`)

	varDumped     = regexp.MustCompile(`^(?:array|object)\(([\w\\]+)\)(?:#\d+ \(\d+\))? ?\{\s*`)
	varDumpedKey  = regexp.MustCompile(`^\s*\[(?:"([^"\n]*)"(?::[^\]\n]*)?|(\d+))\]=>\s*`)
	varDumpedText = regexp.MustCompile(`^string\((\d+)\) "`)
	varDumpedWord = regexp.MustCompile(`^(?:(int|float|bool)\(([^()\n]*)\)|NULL)`)
)

// phpArray is an array that is being written: a list if its first key is 0.
type phpArray struct {
	from int // where it begins in the output
	keys int
	list bool
}

func (p *phpReader) open() phpArray {
	p.out = append(p.out, '{')
	return phpArray{from: len(p.out) - 1}
}

func (p *phpReader) key(w *phpArray, name []byte) {
	if w.keys == 0 {
		w.list = string(name) == "0"
	} else {
		p.out = append(p.out, ',')
	}
	w.keys++
	if !w.list {
		p.out = append(appendQuoted(p.out, name), ':')
	}
}

func (p *phpReader) close(w phpArray) {
	if !w.list {
		p.out = append(p.out, '}')
		return
	}
	p.out[w.from] = '['
	p.out = append(p.out, ']')
}

// printed reads an array of print_r.
func (p *phpReader) printed(depth int) bool {
	head := printedArray.Find(p.src)
	if head == nil || depth > maxPrinted {
		return false
	}
	p.src = p.src[len(head):]
	w := p.open()
	for {
		if end := printedEnd.Find(p.src); end != nil {
			p.src = p.src[len(end):]
			p.close(w)
			return true
		}
		m := printedKey.FindSubmatch(p.src)
		if m == nil {
			return false
		}
		p.key(&w, m[1])
		p.src = p.src[len(m[0]):]
		if printedArray.Match(p.src) {
			if !p.printed(depth + 1) {
				return false
			}
			continue
		}
		p.printedText()
	}
}

// printedText reads a text of print_r, which may go on over lines.
func (p *phpReader) printedText() {
	end := 0
	for {
		n := bytes.IndexByte(p.src[end:], '\n')
		if n < 0 {
			end = len(p.src)
			break
		}
		end += n + 1
		if rest := p.src[end:]; printedKey.Match(rest) || printedEnd.Match(rest) {
			break
		}
	}
	text := bytes.TrimSpace(p.src[:end])
	p.src = p.src[end:]
	p.out = appendScalar(p.out, text)
}

// dumped reads an array or an object of var_dump.
func (p *phpReader) dumped(depth int) bool {
	head := varDumped.Find(p.src)
	if head == nil || depth > maxPrinted {
		return false
	}
	p.src = p.src[len(head):]
	w := p.open()
	for {
		p.src = bytes.TrimLeft(p.src, " \t\r\n")
		if bytes.HasPrefix(p.src, []byte("}")) {
			p.src = p.src[1:]
			p.close(w)
			return true
		}
		m := varDumpedKey.FindSubmatch(p.src)
		if m == nil {
			return false
		}
		p.key(&w, append(m[1], m[2]...))
		p.src = p.src[len(m[0]):]
		if !p.dumpedValue(depth) {
			return false
		}
	}
}

func (p *phpReader) dumpedValue(depth int) bool {
	if m := varDumpedText.FindSubmatch(p.src); m != nil {
		rest := p.src[len(m[0]):]
		n, err := strconv.Atoi(string(m[1]))
		if err != nil || n >= len(rest) || rest[n] != '"' {
			return false
		}
		p.out = appendQuoted(p.out, rest[:n])
		p.src = rest[n+1:]
		return true
	}
	if m := varDumpedWord.FindSubmatch(p.src); m != nil {
		p.src = p.src[len(m[0]):]
		if kind, word := m[1], m[2]; len(kind) == 0 {
			p.out = append(p.out, "null"...)
		} else {
			p.out = appendScalar(p.out, word)
		}
		return true
	}
	return p.dumped(depth + 1)
}
