package sqlstore

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

func TestAnIDIsReadInEveryForm(t *testing.T) {
	for _, form := range []any{
		someID.String(), strings.ToUpper(someID.String()), someID[:], []byte(someID.String()), string(someID[:]), [16]byte(someID),
	} {
		var got id
		require.NoError(t, got.Scan(form), "%T", form)
		assert.Equal(t, someID, got.uid(), "%T", form)
	}
	got := id(someID)
	require.NoError(t, got.Scan(nil))
	assert.Equal(t, zeroID, got.uid())

	raw := append([]byte{}, someID[:]...)
	require.NoError(t, got.Scan(raw))
	raw[0]++
	assert.Equal(t, someID, got.uid(), "the driver's bytes are its own")
}

func TestWhatIsNoIDIsNotRead(t *testing.T) {
	text := someID.String()
	for _, form := range []any{
		"",
		[]byte{},
		text[:35], text + "0", strings.ReplaceAll(text, "-", ""), "g" + text[1:], someID[:15], 7, int64(7), true,
		time.Time{},
		"{" + text + "}",
		[15]byte{},
		0.5, strings.Repeat("-", 36),
	} {
		got := new(id)
		assert.Error(t, got.Scan(form), "%T %v", form, form)
	}
}

func TestTimesAreMicroseconds(t *testing.T) {
	assert.Zero(t, micros(time.Time{}))
	assert.Equal(t, time.Time{}, fromMicros(0))
	now := time.Date(2026, time.March, 4, 5, 6, 7, 8_000, time.UTC)
	assert.Equal(t, now, fromMicros(micros(now)))
	assert.Equal(t, now, fromMicros(micros(now.Add(999))), "the rest is cut off")
	assert.Equal(t, now, fromMicros(micros(now.In(time.FixedZone("", 3600)))), "UTC")
	before := time.Date(1950, time.March, 4, 5, 6, 7, 8_000, time.UTC)
	assert.Equal(t, before, fromMicros(micros(before)))
	assert.Equal(t, time.Unix(0, 0).UTC(), always(0))
	assert.Equal(t, num(micros(now)), at(now))
}

func TestEndpointsThatLookAlikeHaveDifferentRefs(t *testing.T) {
	names := []string{"", "a", "A", "ab", "b", "abc", "bc", "c", "a ", " a", "á", "a\u0301", "a\x00", "\x00", "\x00\x00\x00\x01a"}
	seen := make(map[uuid.UUID]webhook.EndpointKey)
	for _, tenant := range names {
		for _, endpoint := range names {
			key := webhook.EndpointKey{Tenant: tenant, ID: endpoint}
			ref := refOf(key)
			assert.Equal(t, ref, refOf(key))
			assert.NotEqual(t, zeroID, ref)
			other, twice := seen[ref]
			assert.False(t, twice, "%q and %q", key, other)
			seen[ref] = key
		}
	}
}

func TestTheContentOfAnEventIsItsTypeChannelAndData(t *testing.T) {
	record := func(typ, channel, data string) *webhook.EventRecord {
		return &webhook.EventRecord{Type: typ, Channel: channel, Data: []byte(data)}
	}
	same := record("a", "b", "c")
	same.ID, same.Tenant, same.UID, same.Time, same.NotBefore = "x", "y", someID, time.Now(), time.Now()
	same.Header = map[string]string{"a": "b"}
	assert.Equal(t, contentHash(record("a", "b", "c")), contentHash(same))
	seen := make(map[string]bool)
	for _, r := range []*webhook.EventRecord{
		record("a", "b", "c"), record("ab", "", "c"), record("", "ab", "c"), record("a", "", "bc"), record("abc", "", ""), record("", "", ""),
		record("a", "b", "c "), record("A", "b", "c"),
	} {
		seen[string(contentHash(r))] = true
	}
	assert.Len(t, seen, 8)
	assert.Equal(t, contentHash(&webhook.EventRecord{}), contentHash(&webhook.EventRecord{Data: []byte{}}))
}

// hostile are values that look like SQL, a placeholder, a mark or an array.
var hostile = []string{
	"", "$1", "?", "{v uid uuid}", "{tuples}", "@1", "x'", "'; DROP TABLE webhook_events; --", `"`, `\`, `\"`, "{}", "{a,b}",
	"NULL", ",", " ", "\n", "\t", "é", "\u2028", "\U0001f600", "/*", "--", "`", "%s",
}

func TestListsAndMapsRoundTrip(t *testing.T) {
	odd := append([]string{"\x00\xff\xc3("}, hostile...)
	for _, value := range odd {
		header, err := parseMap[string](formatMap(map[string]string{"X-A": value}))
		require.NoError(t, err)
		assert.Equal(t, map[string]string{"X-A": value}, header)

		secret := webhook.EndpointSecret{Value: webhook.Secret(value), CreatedAt: fromMicros(5)}
		secrets, err := parseSecrets(formatSecrets([]webhook.EndpointSecret{secret, {ExpiresAt: fromMicros(6)}}))
		require.NoError(t, err)
		assert.Equal(t, []webhook.EndpointSecret{secret, {ExpiresAt: fromMicros(6)}}, secrets)
	}
	for _, value := range hostile {
		metadata, err := parseMetadata(formatMetadata(map[string]string{value: value}))
		require.NoError(t, err)
		assert.Equal(t, map[string]string{value: value}, metadata)
		list, err := parseStrings(formatStrings([]string{value, ""}))
		require.NoError(t, err)
		assert.Equal(t, []string{value, ""}, list)
	}
}

func TestNothingIsAnEmptyText(t *testing.T) {
	assert.Empty(t, formatStrings(nil)+formatMetadata(nil)+formatMap[string](nil)+formatSecrets(nil))
	list, err := parseStrings("")
	assert.NoError(t, err)
	assert.Nil(t, list)
	metadata, err := parseMetadata("")
	assert.NoError(t, err)
	assert.Nil(t, metadata)
	header, err := parseMap[webhook.Secret]("")
	assert.NoError(t, err)
	assert.Nil(t, header)
	secrets, err := parseSecrets("")
	assert.NoError(t, err)
	assert.Nil(t, secrets)
}

func TestATextThatIsNotReadableIsAnError(t *testing.T) {
	for _, text := range []string{"{", "7", `{"a":7}`, `["a"`, `[{"value":7}]`, "null}"} {
		_, err := parseStrings(text)
		assert.Error(t, err, text)
		_, err = parseMetadata(text)
		assert.Error(t, err, text)
		_, err = parseMap[string](text)
		assert.Error(t, err, text)
		_, err = parseSecrets(text)
		assert.Error(t, err, text)
	}
}

func TestPlainIsStorableEverywhere(t *testing.T) {
	assert.Equal(t, "a é", plain("a é"))
	assert.Equal(t, "\uFFFD", plain("\x00"))
	assert.Equal(t, "a\uFFFDb", plain("a\xff\xfeb"))
}

func TestTimesAndUIDsAgree(t *testing.T) {
	at := time.Date(2026, time.March, 4, 5, 6, 7, 8_000_000, time.UTC)
	u := uidAt(at)
	assert.Equal(t, micros(at), createdAt(u))
	assert.Negative(t, byRef(u, uidAt(at.Add(time.Millisecond))))
	assert.Equal(t, u, uidAt(at.Add(time.Millisecond-1)))
	assert.Equal(t, zeroID, uidAt(time.Time{}))
	v7, err := uuid.NewV7()
	require.NoError(t, err)
	assert.InDelta(t, float64(micros(time.Now())), float64(createdAt(v7)), float64(time.Minute.Microseconds()))

	assert.Equal(t, uuid.UUID{15: 1}, after(zeroID))
	assert.Equal(t, uuid.UUID{14: 1}, after(uuid.UUID{15: math.MaxUint8}))
	assert.Equal(t, lastID, after(lastID))
}
