package webhook

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const defaultEventBytes = 256 << 10

// failingMarshaler is a value that cannot be encoded.
type failingMarshaler struct{}

func (failingMarshaler) MarshalJSON() ([]byte, error) { return nil, errors.New("no") }

// rawMarshaler is encoded as its own text.
type rawMarshaler string

func (r rawMarshaler) MarshalJSON() ([]byte, error) { return []byte(r), nil }

func TestRawDataIsEmbeddedByteForByte(t *testing.T) {
	for _, raw := range []string{
		`null`, `true`, `0`, `-0.0e+10`, `1E400`, `""`, `{}`, `[]`, `{"a":1,"a":2}`,
		" \t\r\n{ \"b\" : 1 ,\n \"a\" : [ 1 , 2 ] }\n ",
		`"<b>&amp;</b>"`, "\"\u2028\u2029\"", `"\u2028\u003c\/\ud83e\udd8a"`, `"Zoë 🦊"`, "\"\u007f\"",
		`"\ud800"`, `123456789012345678901234567890.123456789`, strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
	} {
		for kind, v := range map[string]any{"RawMessage": json.RawMessage(raw), "bytes": []byte(raw)} {
			data, err := encodeData(v, defaultEventBytes)
			require.NoError(t, err, "%s %.40q", kind, raw)
			require.Equal(t, raw, string(data), kind)
		}
	}
}

func TestRawDataIsCopied(t *testing.T) {
	raw := []byte(`{"a":1}`)
	for _, v := range []any{raw, json.RawMessage(raw)} {
		data, err := encodeData(v, defaultEventBytes)
		require.NoError(t, err)
		raw[1] = '!'
		assert.Equal(t, `{"a":1}`, string(data))
		raw[1] = '"'
	}
}

func TestGoValuesAreEncodedOnceWithoutHTMLEscaping(t *testing.T) {
	type member struct {
		Name string `json:"name"`
		Age  int    `json:"age,omitempty"`
	}
	for want, v := range map[string]any{
		`null`:                       nil,
		`"<b>&</b>"`:                 "<b>&</b>",
		`{"name":"Zoë <&>"}`:         member{Name: "Zoë <&>"},
		`{"name":"x","age":1}`:       &member{Name: "x", Age: 1},
		`{"a":1,"b":[true,null]}`:    map[string]any{"b": []any{true, nil}, "a": 1},
		`1.5`:                        1.5,
		`"2026-01-01T00:00:00Z"`:     time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		`{"raw":{"a":"<"}}`:          map[string]any{"raw": json.RawMessage(`{ "a" : "<" }`)},
		`["\u2028"]`:                 []string{"\u2028"},
		`"line\n"`:                   "line\n",
		`"\ufffd"`:                   "\xff", // as encoding/json does
		`{"key":"[redacted]"}`:       map[string]Secret{"key": "canary"},
		`{"b":"aGVsbG8="}`:           map[string][]byte{"b": []byte("hello")},
		`[1,2]`:                      rawMarshaler("[1, 2]"),
		`{"` + "a\u007f" + `":"\t"}`: map[string]string{"a\x7f": "\t"},
	} {
		data, err := encodeData(v, defaultEventBytes)
		require.NoError(t, err, want)
		assert.Equal(t, want, string(data))
	}
}

func TestNilDataIsNull(t *testing.T) {
	var pointer *int
	var m map[string]int
	for name, v := range map[string]any{
		"nil": nil, "RawMessage": json.RawMessage(nil), "bytes": []byte(nil), "pointer": pointer, "map": m,
	} {
		data, err := encodeData(v, 4)
		require.NoError(t, err, name)
		assert.Equal(t, "null", string(data), name)
	}
}

func TestDataThatIsNotOneJSONValueIsRefused(t *testing.T) {
	for name, raw := range map[string]string{
		"nothing":             "",
		"white space":         " \n",
		"two values":          "{} {}",
		"two lines":           "{}\n{}",
		"unfinished object":   "{",
		"unfinished string":   `"a`,
		"trailing comma":      "[1,]",
		"single quotes":       "'a'",
		"bare word":           "hello",
		"NaN":                 "NaN",
		"leading zero":        "01",
		"comment":             "1 // one",
		"byte-order mark":     "\ufeff{}",
		"control character":   "\"\x01\"",
		"NUL behind":          "{}\x00",
		"bad escape":          `"\x41"`,
		"nested too deep":     strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000),
		"invalid UTF-8":       "\"\xff\"",
		"UTF-8 cut short":     "\"\xc3\"",
		"overlong UTF-8":      "\"\xc0\xaf\"",
		"surrogate in UTF-8":  "\"\xed\xa0\x80\"",
		"Latin-1":             "\"Zo\xeb\"",
		"invalid UTF-8 a key": "{\"\xff\":1}",
	} {
		t.Run(name, func(t *testing.T) {
			for _, v := range []any{json.RawMessage(raw), []byte(raw)} {
				data, err := encodeData(v, defaultEventBytes)
				requireFieldError(t, err, "Event.Data")
				assert.Nil(t, data)
			}
		})
	}
}

func TestValuesThatJSONCannotHoldAreRefused(t *testing.T) {
	cycle := map[string]any{}
	cycle["again"] = cycle
	for name, v := range map[string]any{
		"channel":             make(chan int),
		"function":            func() {},
		"NaN":                 math.NaN(),
		"infinity":            math.Inf(-1),
		"complex":             complex(1, 2),
		"NaN inside":          map[string]any{"deep": []float64{1, math.NaN()}},
		"map with other keys": map[struct{}]int{{}: 1},
		"cycle":               cycle,
		"failing marshaler":   failingMarshaler{},
		"bad RawMessage":      map[string]any{"raw": json.RawMessage("{")},
		"bad marshaler":       rawMarshaler("{} {}"),
		"marshaler not UTF-8": rawMarshaler("\"\xff\""),
	} {
		t.Run(name, func(t *testing.T) {
			data, err := encodeData(v, defaultEventBytes)
			requireFieldError(t, err, "Event.Data")
			assert.Nil(t, data)
		})
	}
}

func TestDataIsBoundedByItsEncodedSize(t *testing.T) {
	const limit = 100
	for kind, of := range map[string]func(n int) any{ // of encodes to n bytes
		"RawMessage": func(n int) any { return json.RawMessage(`"` + strings.Repeat("x", n-2) + `"`) },
		"bytes":      func(n int) any { return []byte(strings.Repeat(" ", n-1) + "1") },
		"string":     func(n int) any { return strings.Repeat("x", n-2) },
		"escaped":    func(n int) any { return strings.Repeat("x", n-4) + "\n" },
	} {
		for _, n := range []int{limit - 1, limit} {
			data, err := encodeData(of(n), limit)
			require.NoError(t, err, "%s of %d bytes", kind, n)
			assert.Len(t, data, n, kind)
		}
		_, err := encodeData(of(limit+1), limit)
		fe := requireFieldError(t, err, "Event.Data")
		assert.Equal(t, "has 101 bytes, more than 100", fe.Problem, kind)
	}
}

// standardBody encodes a message with the given event.
func standardBody(t *testing.T, e *Event) string {
	t.Helper()
	body, err := encodeStandard(&Message{Event: e})
	require.NoError(t, err)
	return string(body)
}

func TestTheDefaultBodyIsExact(t *testing.T) {
	for name, tt := range map[string]struct {
		event Event
		want  string
	}{
		"object": {
			Event{
				Type: "member.joined", Time: time.Date(2026, 5, 25, 12, 51, 0, 123_000_000, time.UTC),
				Data: json.RawMessage(`{"id":1}`),
			},
			`{"type":"member.joined","timestamp":"2026-05-25T12:51:00.123Z","data":{"id":1}}`,
		},
		"whole seconds have three decimals": {
			Event{Type: "a", Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Data: json.RawMessage(`null`)},
			`{"type":"a","timestamp":"2026-01-02T03:04:05.000Z","data":null}`,
		},
		"milliseconds are cut, not rounded": {
			Event{Type: "a", Time: time.Date(2026, 12, 31, 23, 59, 59, 999_999_999, time.UTC), Data: json.RawMessage(`1`)},
			`{"type":"a","timestamp":"2026-12-31T23:59:59.999Z","data":1}`,
		},
		"another zone is UTC": {
			Event{
				Type: "a", Time: time.Date(2026, 1, 1, 0, 30, 0, 5_000_000, time.FixedZone("CET", 3600)),
				Data: json.RawMessage(`1`),
			},
			`{"type":"a","timestamp":"2025-12-31T23:30:00.005Z","data":1}`,
		},
		"the first time": {
			Event{Type: "a", Data: json.RawMessage(`1`)},
			`{"type":"a","timestamp":"0001-01-01T00:00:00.000Z","data":1}`,
		},
		"data is embedded byte for byte": {
			Event{
				Type: "Z_0-9.a", Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
				Data: json.RawMessage(" { \"b\" : \"<&>\u2028\" ,\n\"a\":1.0e+2 } "),
			},
			"{\"type\":\"Z_0-9.a\",\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"data\": { \"b\" : \"<&>\u2028\" ,\n\"a\":1.0e+2 } }",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := standardBody(t, &tt.event)
			assert.Equal(t, tt.want, got)
			assert.True(t, json.Valid([]byte(got)))
		})
	}
}

func TestTheDefaultBodyDependsOnTypeTimeAndDataAlone(t *testing.T) {
	event := Event{Type: "a.b", Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Data: json.RawMessage(`{"a":1}`)}
	want := standardBody(t, &event)
	other := event
	other.ID, other.Tenant, other.Channel, other.Header, other.NotBefore = "id", "acme", "c", map[string]string{"X": "y"}, time.Now()
	other.Time = event.Time.In(time.FixedZone("", -7*3600))
	body, err := encodeStandard(&Message{
		Event: &other, DeliveryID: "id.ep", CreatedAt: time.Now(), Endpoint: &Endpoint{URL: "https://a.example", Version: 7},
	})
	require.NoError(t, err)
	assert.Equal(t, want, string(body))
	assert.Equal(t, want, standardBody(t, &event), "the same again")
	assert.JSONEq(t, `{"a":1}`, string(event.Data.(json.RawMessage)), "its data is as before")
}

func TestTheDefaultBodyNeedsOneAllocation(t *testing.T) {
	m := &Message{Event: &Event{Type: "a.b", Time: time.Now(), Data: json.RawMessage(`{"a":1}`)}}
	assert.LessOrEqual(t, testing.AllocsPerRun(100, func() { _, _ = encodeStandard(m) }), 1.0)
}

func TestTheDefaultBodyNeedsEncodedData(t *testing.T) {
	_, err := encodeStandard(&Message{Event: &Event{Type: "a", Data: "canary"}})
	require.ErrorContains(t, err, "string")
	assert.NotContains(t, err.Error(), "canary")
}

func TestMicrosKeepsWholeMicrosecondsInUTC(t *testing.T) {
	zone := time.FixedZone("", 3600)
	for in, want := range map[time.Time]time.Time{
		{}: {},
		time.Date(2026, 1, 1, 1, 0, 0, 123_456_789, zone):     time.Date(2026, 1, 1, 0, 0, 0, 123_456_000, time.UTC),
		time.Date(1960, 1, 1, 0, 0, 0, 999, time.UTC):         time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 1e9-1, time.UTC):  time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
		time.Time{}.In(zone):                                  {},
		time.Date(2026, 1, 1, 0, 0, 0, 123_456_000, time.UTC): time.Date(2026, 1, 1, 0, 0, 0, 123_456_000, time.UTC),
	} {
		got := micros(in)
		assert.Equal(t, want, got, "%v", in)
		assert.True(t, got.Equal(time.UnixMicro(got.UnixMicro())), "%v fits a store", in)
	}
	now := micros(time.Now())
	assert.Equal(t, time.UnixMicro(now.UnixMicro()).UTC(), now, "no monotonic clock is left")
}

// BenchmarkEncode makes bodies of 1 KiB: from bytes, as a Dispatcher does for each attempt,
// and, at Emit, from a Go value and from bytes that are checked.
func BenchmarkEncode(b *testing.B) {
	value := map[string]string{"member_id": "mem_1", "text": strings.Repeat("x", 1000)}
	raw, err := json.Marshal(value)
	require.NoError(b, err)
	message := &Message{Event: &Event{Type: "member.joined", Time: time.Unix(1700000000, 0), Data: json.RawMessage(raw)}}
	b.Run("body", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := encodeStandard(message); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, data := range map[string]any{"value": value, "bytes": raw} {
		b.Run("data-"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := encodeData(data, 1<<20); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
