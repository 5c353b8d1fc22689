package signature

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"unicode/utf8"
)

// Bounds of AppendPythonJSON. Python refuses more with its default settings.
const (
	maxPythonDepth  = 1000 // sys.getrecursionlimit()
	maxPythonDigits = 4300 // sys.get_int_max_str_digits()
)

// ErrPythonJSON reports a text that Python's json.loads refuses, or an object with a key twice.
// Python would keep one of the two members.
var ErrPythonJSON = errors.New("the text is not JSON as Python reads it, with each key once")

// AppendPythonJSON appends the result of Python's json.dumps(json.loads(text)), both with their
// default arguments. It has ", " and ": " between items, keys in their order, everything but
// printable ASCII as lowercase \u escapes, and floats as repr prints them. If it returns an
// error, dst is unchanged.
func AppendPythonJSON(dst, text []byte) ([]byte, error) {
	p := pythonJSON{in: text, out: dst}
	if p.value(); p.peek() != 0 || p.pos < len(p.in) || p.bad {
		return dst, ErrPythonJSON
	}
	return p.out, nil
}

// pythonJSON reads JSON and writes it at the same time. After the first error it is bad, and
// reads on without effect.
type pythonJSON struct {
	in, out []byte
	pos     int
	depth   int
	bad     bool
}

// peek returns the next byte that is not white space, or 0.
func (p *pythonJSON) peek() byte {
	for ; p.pos < len(p.in); p.pos++ {
		switch c := p.in[p.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// fail records an error and ends the text, so that every loop ends.
func (p *pythonJSON) fail() {
	p.bad = true
	p.pos = len(p.in)
}

func (p *pythonJSON) value() {
	switch c := p.peek(); {
	case c == '{':
		p.items('}', p.member())
	case c == '[':
		p.items(']', p.value)
	case c == '"':
		p.text()
	case c == '-', c >= '0' && c <= '9':
		p.number()
	case c == 't':
		p.literal("true")
	case c == 'f':
		p.literal("false")
	case c == 'n':
		p.literal("null")
	default:
		p.fail()
	}
}

// items copies an array or an object, from the opening bracket to the closing one.
func (p *pythonJSON) items(closing byte, item func()) {
	if p.depth++; p.depth > maxPythonDepth {
		p.fail()
		return
	}
	p.out = append(p.out, p.in[p.pos])
	p.pos++
	for first := true; p.peek() != closing || !first; first = false {
		if !first {
			p.out = append(p.out, ", "...)
		}
		item()
		if p.peek() != ',' {
			break
		}
		p.pos++
	}
	if p.peek() != closing {
		p.fail()
		return
	}
	p.out = append(p.out, closing)
	p.pos++
	p.depth--
}

// member returns the function that copies a member of one object.
func (p *pythonJSON) member() func() {
	keys := make(map[string]struct{})
	return func() {
		if p.peek() != '"' {
			p.fail()
			return
		}
		start := len(p.out)
		p.text()
		key := string(p.out[start:])
		if _, twice := keys[key]; twice || p.peek() != ':' {
			p.fail()
			return
		}
		keys[key] = struct{}{}
		p.out = append(p.out, ": "...)
		p.pos++
		p.value()
	}
}

func (p *pythonJSON) literal(word string) {
	if end := p.pos + len(word); end <= len(p.in) && string(p.in[p.pos:end]) == word {
		p.out = append(p.out, word...)
		p.pos = end
		return
	}
	p.fail()
}

func (p *pythonJSON) text() {
	p.out = append(p.out, '"')
	p.pos++
	for p.pos < len(p.in) {
		switch c := p.in[p.pos]; {
		case c == '"':
			p.out = append(p.out, '"')
			p.pos++
			return
		case c == '\\':
			p.escape()
		case c < ' ':
			p.fail()
		case c < utf8.RuneSelf:
			p.unit(rune(c))
			p.pos++
		default:
			r, size := utf8.DecodeRune(p.in[p.pos:])
			if r == utf8.RuneError && size == 1 {
				p.fail()
				return
			}
			if r > 0xffff {
				r -= 0x10000
				p.unit(0xd800 + r>>10)
				r = 0xdc00 + r&0x3ff
			}
			p.unit(r)
			p.pos += size
		}
	}
	p.fail()
}

// escape copies an escape sequence. It keeps half of a surrogate pair, as Python does.
func (p *pythonJSON) escape() {
	if p.pos+1 >= len(p.in) {
		p.fail()
		return
	}
	c := p.in[p.pos+1]
	p.pos += 2
	switch c {
	case '"', '\\', 'b', 'f', 'n', 'r', 't':
		p.out = append(p.out, '\\', c)
	case '/':
		p.out = append(p.out, '/')
	case 'u':
		var unit rune
		for end := p.pos + 4; p.pos < end; p.pos++ {
			if p.pos >= len(p.in) {
				p.fail()
				return
			}
			digit, ok := hexDigit(p.in[p.pos])
			if !ok {
				p.fail()
				return
			}
			unit = unit<<4 | digit
		}
		p.unit(unit)
	default:
		p.fail()
	}
}

func hexDigit(c byte) (rune, bool) {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0'), true
	case c >= 'a' && c <= 'f':
		return rune(c - 'a' + 10), true
	case c >= 'A' && c <= 'F':
		return rune(c - 'A' + 10), true
	}
	return 0, false
}

// unit writes one UTF-16 code unit.
func (p *pythonJSON) unit(u rune) {
	const digits = "0123456789abcdef"
	switch {
	case u == '"', u == '\\':
		p.out = append(p.out, '\\', byte(u))
	case u >= ' ' && u <= '~':
		p.out = append(p.out, byte(u))
	case u == '\b':
		p.out = append(p.out, `\b`...)
	case u == '\f':
		p.out = append(p.out, `\f`...)
	case u == '\n':
		p.out = append(p.out, `\n`...)
	case u == '\r':
		p.out = append(p.out, `\r`...)
	case u == '\t':
		p.out = append(p.out, `\t`...)
	default:
		p.out = append(p.out, '\\', 'u', digits[u>>12&15], digits[u>>8&15], digits[u>>4&15], digits[u&15])
	}
}

func (p *pythonJSON) number() {
	start := p.pos
	if p.in[p.pos] == '-' {
		p.pos++
	}
	whole := p.digits()
	if whole == 0 || whole > 1 && p.in[p.pos-whole] == '0' {
		p.fail()
		return
	}
	isFloat := false
	if p.pos < len(p.in) && p.in[p.pos] == '.' {
		isFloat = true
		p.pos++
		if p.digits() == 0 {
			p.fail()
			return
		}
	}
	if p.pos < len(p.in) && p.in[p.pos]|0x20 == 'e' {
		isFloat = true
		p.pos++
		if p.pos < len(p.in) && (p.in[p.pos] == '+' || p.in[p.pos] == '-') {
			p.pos++
		}
		if p.digits() == 0 {
			p.fail()
			return
		}
	}
	number := p.in[start:p.pos]
	switch {
	case isFloat:
		f, _ := strconv.ParseFloat(string(number), 64) // out of range is infinite, as in Python
		p.out = appendPythonFloat(p.out, f)
	case whole > maxPythonDigits:
		p.fail()
	case string(number) == "-0":
		p.out = append(p.out, '0')
	default:
		p.out = append(p.out, number...)
	}
}

// digits skips digits and returns their number.
func (p *pythonJSON) digits() int {
	start := p.pos
	for p.pos < len(p.in) && p.in[p.pos] >= '0' && p.in[p.pos] <= '9' {
		p.pos++
	}
	return p.pos - start
}

// appendPythonFloat appends float.__repr__: the shortest digits that read back as f, with an
// exponent below 1e-4 and from 1e16.
func appendPythonFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	if size := math.Abs(f); size != 0 && (size < 1e-4 || size >= 1e16) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	if bytes.IndexByte(dst[start:], '.') >= 0 {
		return dst
	}
	return append(dst, ".0"...)
}
