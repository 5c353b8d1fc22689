package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
)

// dumps reads JSON and writes it again as Python's json.dumps(json.loads(…)) does. A receiver
// in Python does not need it.
func dumps(r io.Reader) (string, error) {
	in := json.NewDecoder(r)
	in.UseNumber()
	var out strings.Builder
	if err := dumpValue(in, &out); err != nil {
		return "", err
	}
	if _, err := in.Token(); err != io.EOF {
		return "", fmt.Errorf("there is more after the value: %w", err)
	}
	return out.String(), nil
}

func dumpValue(in *json.Decoder, out *strings.Builder) error {
	token, err := in.Token()
	if err != nil {
		return err
	}
	switch v := token.(type) {
	case json.Delim: // what opens an array or an object
		return dumpItems(in, out, v)
	case string:
		dumpString(out, v)
	case json.Number:
		return dumpNumber(out, v)
	case bool:
		out.WriteString(strconv.FormatBool(v))
	case nil:
		out.WriteString("null")
	}
	return nil
}

// dumpItems writes arrays and objects, with their items in the given order.
func dumpItems(in *json.Decoder, out *strings.Builder, opening json.Delim) error {
	out.WriteString(opening.String())
	for first := true; in.More(); first = false {
		if !first {
			out.WriteString(", ")
		}
		if opening == '{' {
			if err := dumpValue(in, out); err != nil { // the key
				return err
			}
			out.WriteString(": ")
		}
		if err := dumpValue(in, out); err != nil {
			return err
		}
	}
	closing, err := in.Token()
	fmt.Fprint(out, closing)
	return err
}

// dumpString writes ASCII, with \u escapes for the rest.
func dumpString(out *strings.Builder, s string) {
	out.WriteByte('"')
	for _, unit := range utf16.Encode([]rune(s)) {
		if short := strings.IndexByte("\"\\\b\f\n\r\t", byte(unit)); short >= 0 && unit < 0x80 {
			out.WriteString(`\` + `"\bfnrt`[short:short+1])
		} else if unit >= ' ' && unit <= '~' {
			out.WriteByte(byte(unit))
		} else {
			fmt.Fprintf(out, `\u%04x`, unit)
		}
	}
	out.WriteByte('"')
}

// dumpNumber writes integers as they are, and floats as Python's repr does.
func dumpNumber(out *strings.Builder, n json.Number) error {
	if !strings.ContainsAny(n.String(), ".eE") {
		out.WriteString(n.String())
		return nil
	}
	f, err := n.Float64()
	if err != nil {
		return err
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if size := math.Abs(f); size != 0 && (size < 1e-4 || size >= 1e16) {
		text = strconv.FormatFloat(f, 'e', -1, 64)
	} else if !strings.Contains(text, ".") {
		text += ".0"
	}
	out.WriteString(text)
	return nil
}
