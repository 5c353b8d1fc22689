package signature

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The values are the output of CPython 3 for json.dumps(json.loads(text)).
func TestAppendPythonJSONWritesWhatPythonWrites(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                               `{}`,
		`[]`:                               `[]`,
		" \t\r\n[ ] ":                      `[]`,
		`{"some":"data"}`:                  `{"some": "data"}`,
		`[1,2,[3,{"a":[]}],{}]`:            `[1, 2, [3, {"a": []}], {}]`,
		`{"b":1,"a":2}`:                    `{"b": 1, "a": 2}`,
		`[true,false,null]`:                `[true, false, null]`,
		`"<a href=\"/x\">&</a>"`:           `"<a href=\"/x\">&</a>"`,
		`"\/"`:                             `"/"`,
		`"Zoë “hi” 🦊"`:                     `"Zo\u00eb \u201chi\u201d \ud83e\udd8a"`,
		`"\u005A\u006f\u00EB\uD83E\uDD8A"`: `"Zo\u00eb\ud83e\udd8a"`,
		`"\ud800"`:                         `"\ud800"`,
		`"\udd8a\ud83e x"`:                 `"\udd8a\ud83e x"`,
		`"\u0000\u0008\u0009\u000a\u000B\u000c\u000d\u001F\u0022\u005c"`: `"\u0000\b\t\n\u000b\f\r\u001f\"\\"`,
		`"\b\f\n\r\t\"\\"`:               `"\b\f\n\r\t\"\\"`,
		"\"\x7f\\u007F\"":                `"\u007f\u007f"`,
		"\"\u2028\u2029\"":               `"\u2028\u2029"`,
		`0`:                              `0`,
		`-0`:                             `0`,
		`-17`:                            `-17`,
		`123456789012345678901234567890`: `123456789012345678901234567890`,
		`0.0`:                            `0.0`,
		`-0.0`:                           `-0.0`,
		`1.0`:                            `1.0`,
		`1E0`:                            `1.0`,
		`1e2`:                            `100.0`,
		`1.50`:                           `1.5`,
		`0.1`:                            `0.1`,
		`0.0001`:                         `0.0001`,
		`0.00012300`:                     `0.000123`,
		`0.00001`:                        `1e-05`,
		`0.00000015`:                     `1.5e-07`,
		`1e-7`:                           `1e-07`,
		`1e15`:                           `1000000000000000.0`,
		`9999999999999998.0`:             `9999999999999998.0`,
		`1e16`:                           `1e+16`,
		`1e22`:                           `1e+22`,
		`123456789012345680.0`:           `1.2345678901234568e+17`,
		`1.7976931348623157e308`:         `1.7976931348623157e+308`,
		`5e-324`:                         `5e-324`,
		`1e-400`:                         `0.0`,
		`1e400`:                          `Infinity`,
		`-1e400`:                         `-Infinity`,
		`0.1000000000000000055511151231257827021181583404541015625`: `0.1`,
	} {
		got, err := AppendPythonJSON([]byte("before "), []byte(text))
		assert.NoError(t, err, text)
		assert.Equal(t, "before "+want, string(got), text)
		if !strings.Contains(want, "Infinity") {
			again, err := AppendPythonJSON(nil, []byte(want))
			assert.NoError(t, err, want)
			assert.Equal(t, want, string(again), "written again")
		}
	}
}

func TestAppendPythonJSONRefusesWhatPythonRefuses(t *testing.T) {
	for _, text := range []string{
		"", " ", "{", "[", "}", `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{1:2}`, `{"a" 1}`, `{"a":1 "b":2}`, `[1,]`, `[,1]`, `[1 2]`, `[1}`,
		`{"a":1]`, `1 2`, `{}x`, "{}\x00", "\xef\xbb\xbf{}", `tru`, `nulll`, `True`, `NaN`, `Infinity`, `-Infinity`, `-`, `+1`, `01`, `-01`,
		`1.`, `.5`, `1.e5`, `1e`, `1e+`, `0x10`, `1_000`, `"`, `"a`, `"\`, `"\"`, `"\x"`, `"\u12"`, `"\u12g4"`, `"\u123`, "\"\n\"",
		"\"\x00\"", "\"\x1f\"", "\"\xff\"", "\"\xc3\"", "\"\xed\xa0\x80\"", `'a'`, `//x`, "\u00a0[]",
		`{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"é":1,"\u00e9":1}`,
		strings.Repeat("[", 1001) + strings.Repeat("]", 1001), strings.Repeat("[", 1<<20), strings.Repeat(`{"a":`, 1<<18),
		strings.Repeat("9", 4301),
	} {
		got, err := AppendPythonJSON([]byte("before"), []byte(text))
		assert.ErrorIs(t, err, ErrPythonJSON, "%.40q", text)
		assert.Equal(t, "before", string(got), "%.40q", text)
	}
	for _, text := range []string{
		strings.Repeat("[", 1000) + strings.Repeat("]", 1000), strings.Repeat("9", 4300), "[" + strings.Repeat("[],{},", 1000) + "0]",
		`[{"a":1},{"a":1}]`, `{"a":{"a":1},"b":{"a":1}}`,
	} {
		_, err := AppendPythonJSON(nil, []byte(text))
		assert.NoError(t, err, "%.40q", text)
	}
}

// The output has the same value as the input. Written again, it has the same text.
func FuzzAppendPythonJSON(f *testing.F) {
	for _, text := range []string{
		`{"a":[1,2.5,-0,1e400,"\u00e9\ud800é🦊\n"],"b":{"c":null}}`, `"\`, `{"a":1,"a":2}`, `[1e16,1e-5,0.0001]`, "\"\xff\"", `[[[`, `{"":{}}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := AppendPythonJSON(nil, []byte(text))
		if err != nil {
			return
		}
		for _, c := range got {
			if c < ' ' || c > '~' {
				t.Fatalf("%q is not printable ASCII", got)
			}
		}
		if strings.Contains(string(got), "Infinity") {
			return
		}
		again, err := AppendPythonJSON(nil, got)
		if err != nil || string(again) != string(got) {
			t.Fatalf("%q, again: %q, %v", got, again, err)
		}
		if !json.Valid([]byte(text)) {
			t.Fatalf("%q is no JSON, but is written as %q", text, got)
		}
		var before, after any
		if json.Unmarshal([]byte(text), &before) != nil {
			return // an integer out of the range of float64
		}
		require.NoError(t, json.Unmarshal(got, &after))
		require.Equal(t, before, after)
	})
}
