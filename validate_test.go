package webhook

import (
	"bufio"
	"bytes"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// requireChecked fails unless check accepts the good ones and refuses the bad ones as f.
func requireChecked(t *testing.T, check func(string) error, good, bad map[string]string) {
	t.Helper()
	for name, s := range good {
		assert.NoError(t, check(s), name)
	}
	for name, s := range bad {
		t.Run(name, func(t *testing.T) {
			fe := requireFieldError(t, check(s), "f")
			assert.Less(t, len(fe.Error()), 500, "a short message")
		})
	}
}

func TestTenantsAre1To255BytesOfTextWithoutControls(t *testing.T) {
	requireChecked(t,
		func(s string) error { return checkTenant("f", s) },
		map[string]string{
			"one byte": "a", "254 bytes": strings.Repeat("x", 254), "255 bytes": strings.Repeat("x", 255),
			"255 bytes of UTF-8": strings.Repeat("ä", 127) + "x", "space": " ", "dots": "a.b", "emoji": "🦊", "U+00A0": "\u00a0",
			"U+FFFD": "\ufffd", "U+2028": "\u2028",
		},
		map[string]string{
			"empty": "", "256 bytes": strings.Repeat("x", 256), "256 bytes of UTF-8": strings.Repeat("ä", 128),
			"a megabyte": strings.Repeat("x", 1<<20), "NUL": "a\x00", "newline": "a\nb", "carriage return": "\r", "tab": "\t",
			"U+001F": "\x1f", "DEL": "\x7f", "U+0080": "\u0080", "U+009F": "\u009f", "bad byte": "\xff", "cut short": "a\xc3",
			"surrogate": "\xed\xa0\x80",
		})
}

func TestChannelsMayBeEmpty(t *testing.T) {
	requireChecked(t,
		func(s string) error { return checkText("f", s, 255) },
		map[string]string{"empty": "", "255 bytes": strings.Repeat("x", 255)},
		map[string]string{"256 bytes": strings.Repeat("x", 256), "newline": "\n", "bad byte": "\x80"})
}

func TestIDsAreVisibleASCIIWithoutADot(t *testing.T) {
	good, bad := map[string]string{"255 bytes": strings.Repeat("x", 255)}, map[string]string{
		"empty": "", "256 bytes": strings.Repeat("x", 256), "a megabyte": strings.Repeat("x", 1<<20),
		"space inside": "a b", "dot inside": "a.b", "newline behind": "a\n", "not ASCII": "aé",
	}
	for c := range 256 {
		if s := string([]byte{byte(c)}); c > ' ' && c < 0x7f && c != '.' {
			good[s] = s
		} else {
			bad["byte "+s] = s
		}
	}
	requireChecked(t, func(s string) error { return checkID("f", s) }, good, bad)
}

func TestAnIDWithADotIsRefusedWithACure(t *testing.T) {
	assert.EqualError(t, checkID("Event.ID", "order.created.17"),
		`Event.ID has "." at byte 5, which signatures use as a separator; use - or _ instead`)
}

func TestTypesAreLettersDigitsUnderlinesDotsAndHyphens(t *testing.T) {
	const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
	good, bad := map[string]string{"255 bytes": strings.Repeat("x", 255), "all": alphabet}, map[string]string{
		"empty": "", "256 bytes": strings.Repeat("x", 256), "star": "member.*", "space": "a b", "not ASCII": "membre.arrivé",
		"slash": "a/b", "colon": "a:b", "quote": `a"b`, "newline behind": "a\n",
	}
	for c := range 256 {
		if s := string([]byte{byte(c)}); strings.Contains(alphabet, s) {
			good[s] = s
		} else {
			bad["byte "+s] = s
		}
	}
	requireChecked(t, func(s string) error { return checkType("f", s) }, good, bad)
}

func TestPatternsAreATypeAPrefixOrTheStar(t *testing.T) {
	requireChecked(t,
		func(s string) error { return checkPattern("f", s, nil) },
		map[string]string{
			"star": "*", "type": "member.joined", "prefix": "member.*", "deep prefix": "a.b.c.*", "255 bytes": strings.Repeat("x", 255),
			"prefix of 255 bytes": strings.Repeat("x", 253) + ".*", "odd prefix": "a..*",
		},
		map[string]string{
			"empty": "", "star in the middle": "a.*.b", "star behind a letter": "a*", "nothing before the dot": ".*",
			"star first": "*.a", "two stars": "a.**", "two prefixes": "a.*.*", "only stars": "**", "star and dot": "*.",
			"star, dot, star": "*.*", "256 bytes": strings.Repeat("x", 256), "prefix of 256 bytes": strings.Repeat("x", 254) + ".*",
			"space": "a b", "space behind": "* ", "outside the alphabet": "a/b.*", "not ASCII": "é.*", "newline": "a.*\n", "regexp": "a|b",
		})
}

func TestErrorsOfPatternsSayWhereAStarMayBe(t *testing.T) {
	for _, bad := range []string{"a*", "*.a", "a.*.b", "a.**", ".*"} {
		fe := requireFieldError(t, checkPattern("f", bad, nil), "f")
		assert.Contains(t, fe.Cure, `"member.*"`, bad)
		assert.Contains(t, fe.Cure, `"*"`, bad)
		assert.NotContains(t, fe.Problem, "empty", bad)
	}
}

func TestPatternsMatchSomethingOfTheCatalogue(t *testing.T) {
	catalogue := map[string]string{"member.joined": "", "member.role.changed": "", "post": ""}
	requireChecked(t,
		func(s string) error { return checkPattern("f", s, catalogue) },
		map[string]string{
			"star": "*", "type": "member.joined", "type without a dot": "post", "prefix": "member.*", "deep prefix": "member.role.*",
		},
		map[string]string{
			"unknown type": "member.left", "unknown prefix": "members.*", "prefix alone": "member", "part of a prefix": "mem.*",
			"type as a prefix": "post.*", "whole type as a prefix": "member.joined.*", "another case": "Member.joined",
			"malformed": "member.*joined", "empty": "",
		})
	err := checkPattern("f", "member.left", catalogue)
	assert.ErrorContains(t, err, "member.joined, member.role.changed, post", "the cure names the known types")
	assert.NoError(t, checkPattern("f", "anything", map[string]string{}), "an empty catalogue is none")
}

func TestListTypesNamesTenAtMost(t *testing.T) {
	catalogue := make(map[string]string)
	for _, c := range "abcdefghij" {
		catalogue[string(c)] = ""
	}
	assert.Equal(t, "a, b, c, d, e, f, g, h, i, j", listTypes(catalogue))
	catalogue["k"], catalogue["l"] = "", ""
	assert.Equal(t, "a, b, c, d, e, f, g, h, i, j or one of 2 others", listTypes(catalogue))
}

func TestHeadersAreWhatHTTPAllowsAndNobodyElseSets(t *testing.T) {
	const field = `f["`
	for name, tt := range map[string]struct{ name, value string }{
		"empty value":             {"X-A", ""},
		"token of all kinds":      {"!#$%&'*+-.^_`|~09azAZ", "v"},
		"longest":                 {strings.Repeat("n", 128), strings.Repeat("v", 4096)},
		"every visible character": {"X-A", "!\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~"},
		"space and tab inside":    {"X-A", "a \t b"},
		"authorization":           {"Authorization", "Bearer abc"},
		"near a reserved name":    {"Webhook", "v"},
		"near another":            {"X-Webhook-Id", "v"},
		"near a third":            {"Contents", "v"},
		"traceparent":             {"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
	} {
		assert.NoError(t, checkHeader("f", tt.name, tt.value), name)
	}
	bad := map[string]struct{ name, value string }{
		"empty name":           {"", "v"},
		"long name":            {strings.Repeat("n", 129), "v"},
		"very long name":       {strings.Repeat("n", 1<<20), "v"},
		"long value":           {"X-A", strings.Repeat("v", 4097)},
		"space before a value": {"X-A", " v"},
		"tab behind a value":   {"X-A", "v\t"},
		"only spaces":          {"X-A", "  "},
	}
	for _, c := range []string{"\r", "\n", "\x00", "\r\n", "\x0b", "\x1f", "\x7f", "\x80", "\xff", "é"} {
		bad["value with "+c], bad["name with "+c] = struct{ name, value string }{"X-A", "a" + c + "b"}, struct{ name, value string }{"X" + c + "A", "v"}
		bad["value ends with "+c] = struct{ name, value string }{"X-A", "a" + c}
	}
	for _, c := range " \t\"(),/:;<=>?@[\\]{}" {
		bad["name with "+string(c)] = struct{ name, value string }{"X" + string(c) + "A", "v"}
	}
	for _, reserved := range []string{
		"Host", "User-Agent", "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "TE",
		"Trailer", "Transfer-Encoding", "Upgrade", "Expect", "HTTP2-Settings", "Idempotency-Key", "X-Idempotency-Key",
		"Content-Length", "Content-Type", "Content-Encoding", "Content-Digest", "Content-", "Webhook-Id", "Webhook-Timestamp",
		"Webhook-Signature", "Webhook-Anything", "Webhook-",
	} {
		for _, name := range []string{reserved, strings.ToLower(reserved), strings.ToUpper(reserved)} {
			bad["reserved "+name] = struct{ name, value string }{name, "v"}
		}
	}
	for name, tt := range bad {
		t.Run(name, func(t *testing.T) {
			err := checkHeader("f", tt.name, tt.value)
			var fe *FieldError
			require.ErrorAs(t, err, &fe)
			requireFieldError(t, err, fe.Field)
			assert.True(t, strings.HasPrefix(fe.Field, field), fe.Field)
			assert.Less(t, len(fe.Error()), 500, "a short message")
			assert.NotContains(t, fe.Error(), "\n", "one line")
		})
	}
}

func TestErrorsOfHeadersDoNotQuoteTheValue(t *testing.T) {
	for _, value := range []string{"canary\n", " canary", "canary\xff", strings.Repeat("canary", 1000)} {
		_, err := checkHeaders("f", map[string]Secret{"X-A": Secret(value)})
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "canary")
	}
}

func TestHeaderSetsAreBoundedAndCanonical(t *testing.T) {
	headers := make(map[string]string)
	for i := range 32 {
		headers["x-"+strings.Repeat("n", i+1)] = "v"
	}
	got, err := checkHeaders("f", headers)
	require.NoError(t, err)
	assert.Len(t, got, 32)
	assert.Equal(t, "v", got["X-Nnn"])
	headers["one-more"] = "v"
	_, err = checkHeaders("f", headers)
	requireFieldError(t, err, "f")

	for _, names := range [][]string{{"X-A", "x-a"}, {"X-A", "X-a"}, {"x-A", "X-a", "y"}} {
		headers := make(map[string]Secret)
		for _, name := range names {
			headers[name] = "v"
		}
		_, err := checkHeaders("f", headers)
		fe := requireFieldError(t, err, "f")
		assert.Contains(t, fe.Problem, "twice")
	}

	in := map[string]string{"x-trace-ID": "1", "ETag": "2"}
	got, err = checkHeaders("f", in)
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"X-Trace-Id": "1", "Etag": "2"}, got)
	assert.Equal(t, map[string]string{"x-trace-ID": "1", "ETag": "2"}, in, "the caller's map is as before")

	for _, none := range []map[string]string{nil, {}} {
		got, err = checkHeaders("f", none)
		require.NoError(t, err)
		assert.Nil(t, got)
	}
}

func TestMetadataIsBounded(t *testing.T) {
	pairs := func(n int) map[string]string {
		m := make(map[string]string)
		for i := range n {
			m[strings.Repeat("k", i+1)] = "v"
		}
		return m
	}
	for name, good := range map[string]map[string]string{
		"none": nil, "empty": {}, "50 pairs": pairs(50), "longest key": {strings.Repeat("k", 255): ""},
		"longest value": {"k": strings.Repeat("v", 1024)}, "text": {" ä": "🦊"},
	} {
		assert.NoError(t, checkMetadata(good), name)
	}
	const field = "Endpoint.Metadata"
	for name, bad := range map[string]struct {
		field    string
		metadata map[string]string
	}{
		"51 pairs":           {field, pairs(51)},
		"empty key":          {field, map[string]string{"": "v"}},
		"long key":           {field, map[string]string{strings.Repeat("k", 256): "v"}},
		"key not UTF-8":      {field, map[string]string{"\xff": "v"}},
		"key with a newline": {field, map[string]string{"a\n": "v"}},
		"long value":         {field + `["k"]`, map[string]string{"k": strings.Repeat("v", 1025)}},
		"value not UTF-8":    {field + `["k"]`, map[string]string{"k": "\xff"}},
		"value with NUL":     {field + `["k"]`, map[string]string{"a": "v", "k": "\x00"}},
	} {
		t.Run(name, func(t *testing.T) { requireFieldError(t, checkMetadata(bad.metadata), bad.field) })
	}
}

func TestSubscriptionsAre1To100DifferentPatterns(t *testing.T) {
	many := make([]string, 101)
	for i := range many {
		many[i] = strings.Repeat("a", i+1)
	}
	catalogue := map[string]string{"a": "", "b.c": ""}
	assert.NoError(t, checkPatterns(many[:100], nil))
	assert.NoError(t, checkPatterns([]string{"*"}, catalogue))
	assert.NoError(t, checkPatterns([]string{"a", "b.*", "*", "b.c"}, catalogue))
	for name, bad := range map[string]struct {
		field     string
		patterns  []string
		catalogue map[string]string
	}{
		"none":                 {"Endpoint.Events", nil, nil},
		"empty":                {"Endpoint.Events", []string{}, nil},
		"101":                  {"Endpoint.Events", many, nil},
		"the first is bad":     {"Endpoint.Events[0]", []string{"a*", "b"}, nil},
		"the last is bad":      {"Endpoint.Events[2]", []string{"a", "b", ""}, nil},
		"twice":                {"Endpoint.Events[2]", []string{"a", "b", "a"}, nil},
		"the star twice":       {"Endpoint.Events[1]", []string{"*", "*"}, nil},
		"not in the catalogue": {"Endpoint.Events[1]", []string{"a", "b"}, catalogue},
	} {
		t.Run(name, func(t *testing.T) { requireFieldError(t, checkPatterns(bad.patterns, bad.catalogue), bad.field) })
	}
}

func TestTimesAreOfTheYears1To9999InUTC(t *testing.T) {
	first, last := time.Time{}, time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)
	for _, good := range []time.Time{first, last, last.In(time.FixedZone("", 3600)), first.In(time.FixedZone("", -3600))} {
		assert.NoError(t, checkTime("f", good), "%v", good)
	}
	for _, bad := range []time.Time{
		first.Add(-1), last.Add(1), first.Add(-1).In(time.FixedZone("", 3600)), time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(1<<62, 0),
	} {
		requireFieldError(t, checkTime("f", bad), "f")
	}
}

func TestBadEndpointsAreFieldErrors(t *testing.T) {
	long := strings.Repeat("x", 256)
	d := dispatcherOfConfig(t, Config{
		EventTypes: map[string]string{"a.b": ""},
		Profiles:   map[string]Profile{"unsigned": {Signers: []Signer{signNothing}}},
	})
	for name, tt := range map[string]struct {
		field  string
		change func(*Endpoint)
	}{
		"another tenant":        {"Endpoint.Tenant", func(e *Endpoint) { e.Tenant = "other" }},
		"id too long":           {"Endpoint.ID", func(e *Endpoint) { e.ID = long }},
		"id with a dot":         {"Endpoint.ID", func(e *Endpoint) { e.ID = "a.b" }},
		"no URL":                {"Endpoint.URL", func(e *Endpoint) { e.URL = "" }},
		"description too long":  {"Endpoint.Description", func(e *Endpoint) { e.Description = strings.Repeat("x", 1025) }},
		"no events":             {"Endpoint.Events", func(e *Endpoint) { e.Events = nil }},
		"unknown event":         {"Endpoint.Events[1]", func(e *Endpoint) { e.Events = []string{"a.b", "c"} }},
		"channel too long":      {"Endpoint.Channel", func(e *Endpoint) { e.Channel = long }},
		"unknown state":         {"Endpoint.State", func(e *Endpoint) { e.State = "enabled" }},
		"unknown profile":       {"Endpoint.Profile", func(e *Endpoint) { e.Profile = "mine" }},
		"metadata":              {"Endpoint.Metadata", func(e *Endpoint) { e.Metadata = map[string]string{"": ""} }},
		"reserved header":       {`Endpoint.Header["webhook-id"]`, func(e *Endpoint) { e.Header = map[string]Secret{"webhook-id": "v"} }},
		"header without value":  {`Endpoint.Header["X-A"]`, func(e *Endpoint) { e.Header = map[string]Secret{"x-a": ""} }},
		"timeout negative":      {"Endpoint.Timeout", func(e *Endpoint) { e.Timeout = -1 }},
		"timeout below 1 ms":    {"Endpoint.Timeout", func(e *Endpoint) { e.Timeout = time.Millisecond - 1 }},
		"timeout too long":      {"Endpoint.Timeout", func(e *Endpoint) { e.Timeout = 30*time.Second + 1 }},
		"MaxInFlight negative":  {"Endpoint.MaxInFlight", func(e *Endpoint) { e.MaxInFlight = -1 }},
		"MaxInFlight too large": {"Endpoint.MaxInFlight", func(e *Endpoint) { e.MaxInFlight = 1001 }},
		"secret too short":      {"Endpoint.Secret", func(e *Endpoint) { e.Secret = "whsec_Y2FuYXJ5" }},
		"secret too long": {"Endpoint.Secret", func(e *Endpoint) {
			e.Profile, e.Secret = "unsigned", Secret(strings.Repeat("Y2FuYXJ5", 512)+"x")
		}},
		"secret with a newline": {"Endpoint.Secret", func(e *Endpoint) { e.Secret = newSecret() + "\n" }},
	} {
		t.Run(name, func(t *testing.T) {
			e := Endpoint{ID: "ep", URL: "https://a.example/", Events: []string{"a.*"}}
			tt.change(&e)
			_, err := d.Tenant("acme").CreateEndpoint(t.Context(), e)
			fe := requireFieldError(t, err, tt.field)
			assert.NotContains(t, fe.Error(), "Y2FuYXJ5")
		})
	}
	for _, tenant := range []string{"", long, "a\n"} {
		_, err := d.Tenant(tenant).CreateEndpoint(t.Context(), Endpoint{})
		requireFieldError(t, err, "tenant")
	}
}

func TestEndpointsAtTheLimitsAreAccepted(t *testing.T) {
	full := strings.Repeat("x", 255)
	d := dispatcherOfConfig(t, Config{Profiles: map[string]Profile{"unsigned": {Signers: []Signer{signNothing}}}})
	const url = "https://a.example/"
	for name, e := range map[string]Endpoint{
		"least": {URL: url, Events: []string{"*"}},
		"longest": {
			ID: full, URL: url + strings.Repeat("x", 2048-len(url)), Description: strings.Repeat("x", 1024), Events: []string{full},
			Channel: full, Profile: "unsigned", Timeout: 30 * time.Second, MaxInFlight: 1000, Secret: Secret(strings.Repeat("x", 4096)),
		},
		"smallest":  {URL: url, Events: []string{"a"}, Timeout: time.Millisecond, MaxInFlight: 1, State: EndpointPaused},
		"disabled":  {URL: url, Events: []string{"a.*"}, State: EndpointDisabled},
		"same name": {Tenant: full, URL: url, Events: []string{"a"}, Secret: newSecret()},
	} {
		_, err := d.newEndpoint(full, e)
		assert.NoError(t, err, name)
	}
}

func TestClipKeepsWhatFits(t *testing.T) {
	assert.Equal(t, "abc", clip("abc", 3))
	assert.Equal(t, "abc…", clip("abcd", 3))
}

func FuzzCheckID(f *testing.F) {
	for _, s := range []string{"", "a", "a.b", "a b", "é", "!~", "\x7f", strings.Repeat("x", 256)} {
		f.Add(s)
	}
	ids := regexp.MustCompile(`\A[!-\-/-~]{1,255}\z`)
	f.Fuzz(func(t *testing.T, s string) {
		if err := checkID("f", s); ids.MatchString(s) {
			require.NoError(t, err)
		} else {
			requireFieldError(t, err, "f")
		}
	})
}

func FuzzCheckType(f *testing.F) {
	for _, s := range []string{"", "a", "member.joined", "a b", "é", "a.*", "A_-9", strings.Repeat("x", 256)} {
		f.Add(s)
	}
	types := regexp.MustCompile(`\A[A-Za-z0-9_.-]{1,255}\z`)
	f.Fuzz(func(t *testing.T, s string) {
		if err := checkType("f", s); types.MatchString(s) {
			require.NoError(t, err)
		} else {
			requireFieldError(t, err, "f")
		}
	})
}

// An accepted header arrives as it was given, and alone.
func FuzzCheckHeader(f *testing.F) {
	for _, name := range []string{"X-A", "x-a", "authorization", "Host", "content-length", "Pragma", "Cookie", "X A", "X:A", "!", "Te", "Webhook-Id"} {
		for _, value := range []string{"", "v", " v", "a\r\nB: c", "a\tb", "\x00", "no-cache", "chunked", "é", "a, b"} {
			f.Add(name, value)
		}
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		headers, err := checkHeaders("f", map[string]string{name: value})
		if err != nil {
			require.ErrorIs(t, err, ErrInvalid)
			return
		}
		out, err := http.NewRequest(http.MethodPost, "https://a.example/hook", strings.NewReader("{}"))
		require.NoError(t, err)
		require.Len(t, headers, 1)
		want := http.Header{"User-Agent": {"ua"}, "Content-Length": {"2"}, "Content-Type": {"application/json"}}
		out.Header.Set("User-Agent", "ua")
		out.Header.Set("Content-Type", "application/json")
		for name, value := range headers {
			out.Header[name], want[name] = []string{value}, []string{value}
		}
		var wire bytes.Buffer
		require.NoError(t, out.Write(&wire))
		in, err := http.ReadRequest(bufio.NewReader(&wire))
		require.NoError(t, err)
		if want.Get("Pragma") == "no-cache" { // net/http reads one as the other
			want["Cache-Control"] = []string{"no-cache"}
		}
		require.Equal(t, want, in.Header)
		require.Equal(t, "a.example", in.Host)
		require.Equal(t, int64(2), in.ContentLength)
		require.Empty(t, in.TransferEncoding)
		require.False(t, in.Close)
	})
}

// signNothing is the signer of unsigned requests.
func signNothing(*Request, []Secret) error { return nil }
