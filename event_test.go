package webhook

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// unusedStore is the Store of a Dispatcher that is to refuse its input: every call panics.
type unusedStore struct{ Store }

func dispatcherOfConfig(t *testing.T, config Config) *Dispatcher {
	t.Helper()
	d, err := New(unusedStore{}, config)
	require.NoError(t, err)
	return d
}

func TestPatternsAreTheTypeItsPrefixesAndTheStar(t *testing.T) {
	for typ, want := range map[string][]string{
		"a":             {"a", "*"},
		"member.joined": {"member.joined", "member.*", "*"},
		"a.b.c":         {"a.b.c", "a.b.*", "a.*", "*"},
		"a-b_c.D9":      {"a-b_c.D9", "a-b_c.*", "*"},

		// Types that nobody should have, but may.
		"a.":   {"a.", "a.*", "*"},
		"a..b": {"a..b", "a..*", "a.*", "*"},
		".a":   {".a", ".*", "*"},
		".":    {".", ".*", "*"},
		"..":   {"..", "..*", ".*", "*"},
		"":     {"", "*"},
	} {
		r := EventRecord{Type: typ}
		assert.Equal(t, want, r.Patterns(), "%q", typ)
	}
}

func TestPatternsOfTheLongestType(t *testing.T) {
	typ := strings.Repeat("a.", 127) + "a"
	require.Len(t, typ, 255)
	r := EventRecord{Type: typ}
	patterns := r.Patterns()
	assert.Len(t, patterns, 129)
	assert.Equal(t, "a.*", patterns[len(patterns)-2])
	seen := make(map[string]bool)
	for _, p := range patterns {
		assert.NoError(t, checkPattern("p", p, nil))
		assert.False(t, seen[p], "%q is there twice", p)
		seen[p] = true
	}
}

// matches follows the documentation: the type itself, "*", or a prefix that ends with "."
// before a "*".
func matches(pattern, typ string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(typ, prefix)
	}
	return pattern == typ
}

func FuzzPatterns(f *testing.F) {
	for _, typ := range []string{"a.b.c", "a", "a.", ".a", "..", "a..b", "member.joined", "members.joined", "Member.joined"} {
		for _, pattern := range []string{"*", "a.b.c", "a.b.*", "a.*", "a..*", "member.*", "member*", ".*", "a.b", "A.*", "*.a", "a.**"} {
			f.Add(pattern, typ)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, typ string) {
		if checkType("type", typ) != nil || checkPattern("pattern", pattern, nil) != nil {
			return
		}
		want := matches(pattern, typ)
		r := EventRecord{Type: typ}
		if got := slices.Contains(r.Patterns(), pattern); got != want {
			t.Fatalf("%q is a pattern of %q: %v, should be %v", pattern, typ, got, want)
		}
		catalogue := map[string]string{typ: ""}
		if got := checkPattern("pattern", pattern, catalogue) == nil; got != want && pattern != "*" {
			t.Fatalf("%q is accepted for the catalogue of %q: %v, should be %v", pattern, typ, got, want)
		}
	})
}

func TestBadEventsAreFieldErrors(t *testing.T) {
	const long, tooLong = 255, 256
	catalogue := Config{EventTypes: map[string]string{"member.joined": "", "member.left": ""}}
	for name, tt := range map[string]struct {
		field  string
		change func(*Event)
		config Config
	}{
		"no tenant":                   {"Event.Tenant", func(e *Event) { e.Tenant = "" }, Config{}},
		"tenant too long":             {"Event.Tenant", func(e *Event) { e.Tenant = strings.Repeat("x", tooLong) }, Config{}},
		"tenant too long in bytes":    {"Event.Tenant", func(e *Event) { e.Tenant = strings.Repeat("ä", long/2+1) }, Config{}},
		"tenant not UTF-8":            {"Event.Tenant", func(e *Event) { e.Tenant = "a\xff" }, Config{}},
		"tenant with a newline":       {"Event.Tenant", func(e *Event) { e.Tenant = "a\n" }, Config{}},
		"tenant with NUL":             {"Event.Tenant", func(e *Event) { e.Tenant = "\x00" }, Config{}},
		"no type":                     {"Event.Type", func(e *Event) { e.Type = "" }, Config{}},
		"type too long":               {"Event.Type", func(e *Event) { e.Type = strings.Repeat("x", tooLong) }, Config{}},
		"type with a space":           {"Event.Type", func(e *Event) { e.Type = "member joined" }, Config{}},
		"type with a star":            {"Event.Type", func(e *Event) { e.Type = "member.*" }, Config{}},
		"type not in the catalogue":   {"Event.Type", func(e *Event) { e.Type = "member.removed" }, catalogue},
		"type in another case":        {"Event.Type", func(e *Event) { e.Type = "Member.joined" }, catalogue},
		"type is a catalogue prefix":  {"Event.Type", func(e *Event) { e.Type = "member" }, catalogue},
		"id too long":                 {"Event.ID", func(e *Event) { e.ID = strings.Repeat("x", tooLong) }, Config{}},
		"id with a dot":               {"Event.ID", func(e *Event) { e.ID = "evt.1" }, Config{}},
		"id with a space":             {"Event.ID", func(e *Event) { e.ID = "evt 1" }, Config{}},
		"id with a letter not ASCII":  {"Event.ID", func(e *Event) { e.ID = "évt" }, Config{}},
		"channel too long":            {"Event.Channel", func(e *Event) { e.Channel = strings.Repeat("x", tooLong) }, Config{}},
		"channel not UTF-8":           {"Event.Channel", func(e *Event) { e.Channel = "\xc3" }, Config{}},
		"channel with a tab":          {"Event.Channel", func(e *Event) { e.Channel = "a\tb" }, Config{}},
		"time before the year 1":      {"Event.Time", func(e *Event) { e.Time = time.Date(0, 12, 31, 0, 0, 0, 0, time.UTC) }, Config{}},
		"time after the year 9999":    {"Event.Time", func(e *Event) { e.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, Config{}},
		"NotBefore after that":        {"Event.NotBefore", func(e *Event) { e.NotBefore = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, Config{}},
		"reserved header":             {`Event.Header["webhook-ID"]`, func(e *Event) { e.Header = map[string]string{"webhook-ID": "1"} }, Config{}},
		"header with a line break":    {`Event.Header["X"]`, func(e *Event) { e.Header = map[string]string{"X": "a\r\nb: c"} }, Config{}},
		"data not JSON":               {"Event.Data", func(e *Event) { e.Data = []byte("{") }, Config{}},
		"data not encodable":          {"Event.Data", func(e *Event) { e.Data = math.NaN() }, Config{}},
		"data too large":              {"Event.Data", func(e *Event) { e.Data = strings.Repeat("x", 9) }, Config{MaxEventBytes: 10}},
		"data larger than 256 KiB":    {"Event.Data", func(e *Event) { e.Data = strings.Repeat("x", 256<<10-1) }, Config{}},
		"data larger than the bounds": {"Event.Data", func(e *Event) { e.Data = strings.Repeat("x", 16<<20-1) }, Config{MaxEventBytes: 16 << 20}},
	} {
		t.Run(name, func(t *testing.T) {
			d := dispatcherOfConfig(t, tt.config)
			e := Event{Tenant: "acme", Type: "member.joined", ID: "evt_1"}
			tt.change(&e)

			receipt, err := d.Emit(t.Context(), e)
			requireFieldError(t, err, tt.field)
			assert.Equal(t, Receipt{EventID: e.ID}, receipt)

			good := Event{Tenant: "acme", Type: "member.joined"}
			_, err = d.EmitBatch(t.Context(), []Event{good, e})
			requireFieldError(t, err, tt.field)
			assert.ErrorContains(t, err, "events[1]")

			_, err = d.EmitTx(t.Context(), unusedStore{}, good, e)
			requireFieldError(t, err, tt.field)
		})
	}
}

func TestEventsAtTheLimitsAreAccepted(t *testing.T) {
	full := strings.Repeat("x", 255)
	headers := make(map[string]string)
	for i := range 32 {
		headers["X-"+strings.Repeat("n", 126-i)] = strings.Repeat("v", 4096)
	}
	d := dispatcherOfConfig(t, Config{MaxEventBytes: 10})
	for name, e := range map[string]Event{
		"least":   {Tenant: "a", Type: "a"},
		"longest": {Tenant: full, Type: full, ID: full, Channel: full, Header: headers, Data: json.RawMessage(`"12345678"`)},
		"odd":     {Tenant: " ä\u2028", Type: "..-", ID: "!~/@:", Channel: " ", Header: map[string]string{"!#$%&'*+-.^_`|~": ""}},
		"first":   {Tenant: "a", Type: "a", Time: time.Date(1, 1, 1, 0, 0, 0, 1000, time.UTC)},
		"last":    {Tenant: "a", Type: "a", NotBefore: time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)},
	} {
		_, err := d.record(&e)
		assert.NoError(t, err, name)
	}
}

func TestRecordsOfEventsAreCompleteAndOwnTheirContent(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 123_456_789, time.FixedZone("", 3600))
	d := dispatcherOfConfig(t, Config{Now: func() time.Time { return now }, KeepUnmatched: true})

	r, err := d.record(&Event{Tenant: "acme", Type: "a.b"})
	require.NoError(t, err)
	assert.Equal(t, micros(now), r.CreatedAt)
	assert.Equal(t, micros(now), r.Time)
	assert.True(t, r.NotBefore.IsZero())
	assert.Equal(t, "null", string(r.Data))
	assert.Equal(t, r.UID.String(), r.ID)
	assert.Equal(t, uuid.Version(7), r.UID.Version())
	sec, nsec := r.UID.Time().UnixTime()
	assert.Equal(t, now.UnixMilli(), time.Unix(sec, nsec).UnixMilli())
	assert.True(t, r.NewID)
	assert.True(t, r.Keep)
	assert.Nil(t, r.Deliveries)

	raw, header := []byte(`{"a":1}`), map[string]string{"x-trace": "1"}
	e := Event{
		Tenant: "acme", Type: "a.b", Data: raw, ID: "evt_1", Time: now.Add(-time.Hour), Channel: "c", Header: header,
		NotBefore: now.Add(time.Hour),
	}
	before := e
	before.Header = maps.Clone(header)
	r, err = d.record(&e)
	require.NoError(t, err)
	assert.Equal(t, before, e, "the caller's event is as before")
	raw[2], header["x-trace"] = 'b', "2"
	assert.Equal(t, &Event{
		Tenant: "acme", Type: "a.b", Data: json.RawMessage(`{"a":1}`), ID: "evt_1", Time: micros(now.Add(-time.Hour)),
		Channel: "c", Header: map[string]string{"X-Trace": "1"}, NotBefore: micros(now.Add(time.Hour)),
	}, r.event())
	assert.False(t, r.NewID)
	assert.NotEqual(t, r.UID.String(), r.ID)
}

func TestTheSizeOfARecordCountsWhatTheCallerSent(t *testing.T) {
	empty := (&EventRecord{}).size()
	assert.Positive(t, empty)
	r := EventRecord{
		Tenant: "123", Type: "12345", ID: "1234567", Data: make([]byte, 1000), Header: map[string]string{"12": "123", "1": ""},
	}
	assert.Equal(t, empty+3+5+7+1000+6, r.size())
}
