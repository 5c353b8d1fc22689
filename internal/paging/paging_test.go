package paging

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/contract"
)

var someID = uuid.MustParse("00112233-4455-6677-8899-aabbccddeeff")

// fieldOf returns the name of the field in a FieldError.
func fieldOf(t *testing.T, err error) string {
	t.Helper()
	var field *webhook.FieldError
	require.ErrorAs(t, err, &field)
	require.ErrorIs(t, err, webhook.ErrInvalid)
	require.NotEmpty(t, field.Problem)
	require.NotEmpty(t, field.Cure)
	return field.Field
}

func TestAQueryNamesATenantOrAll(t *testing.T) {
	_, err := Rows(&webhook.Query{})
	assert.Equal(t, "Query.Tenant", fieldOf(t, err))
	_, err = Rows(&webhook.Query{Tenant: "acme", AllTenants: true})
	assert.Equal(t, "Query.Tenant", fieldOf(t, err))
	for _, q := range []webhook.Query{{Tenant: "acme"}, {AllTenants: true}} {
		rows, err := Rows(&q)
		require.NoError(t, err)
		assert.Equal(t, contract.PageRows, rows)
		q.Limit = 7
		rows, err = Rows(&q)
		require.NoError(t, err)
		assert.Equal(t, 7, rows)
	}
}

func TestFinishedIncludesTheFirstInstantAndNotTheLast(t *testing.T) {
	from, to := time.UnixMicro(1000), time.UnixMicro(2000)
	for _, c := range []struct {
		q    webhook.Query
		at   int64
		want bool
	}{
		{webhook.Query{}, 0, true},
		{webhook.Query{}, 1, true},
		{webhook.Query{FinishedFrom: from}, 0, false},
		{webhook.Query{FinishedTo: to}, 0, false},
		{webhook.Query{FinishedFrom: from}, 999, false},
		{webhook.Query{FinishedFrom: from}, 1000, true},
		{webhook.Query{FinishedTo: to}, 1999, true},
		{webhook.Query{FinishedTo: to}, 2000, false},
		{webhook.Query{FinishedFrom: from, FinishedTo: to}, 1500, true},
		{webhook.Query{FinishedFrom: to, FinishedTo: from}, 1500, false},
	} {
		assert.Equal(t, c.want, Finished(&c.q, c.at), "%+v at %d", c.q, c.at)
	}
}

func TestCursorsRoundTrip(t *testing.T) {
	uid, set, err := ParseUID(FormatUID(someID))
	require.NoError(t, err)
	assert.True(t, set)
	assert.Equal(t, someID, uid)

	for _, name := range []string{"", "a", "\x00", "é", strings.Repeat("a", 255), strings.Repeat("a", maxID)} {
		uid, endpoint, set, err := ParseDelivery(FormatDelivery(someID, name))
		require.NoError(t, err)
		assert.True(t, set)
		assert.Equal(t, someID, uid)
		assert.Equal(t, name, endpoint)
		for _, tenant := range []string{"", "t", strings.Repeat("é", 127), strings.Repeat("t", 255), strings.Repeat("t", 16384)} {
			want := webhook.EndpointKey{Tenant: tenant, ID: name}
			key, err := ParseEndpoint(FormatEndpoint(want))
			require.NoError(t, err)
			assert.Equal(t, want, key)
		}
	}
}

func TestTheEmptyCursorIsTheBeginning(t *testing.T) {
	_, set, err := ParseUID("")
	assert.NoError(t, err)
	assert.False(t, set)
	_, _, set, err = ParseDelivery("")
	assert.NoError(t, err)
	assert.False(t, set)
	key, err := ParseEndpoint("")
	assert.NoError(t, err)
	assert.Zero(t, key)
}

func TestWhatFormatDidNotMakeIsMalformed(t *testing.T) {
	raw := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	id := string(someID[:])
	for _, cursor := range []string{
		"%", "=", "AA==", "AAA", raw("e"), raw("x" + id), raw("e" + id[1:]), raw("e" + id + "x"), raw("d" + id[1:]), raw("p"),
		FormatUID(someID) + "\n", FormatUID(someID) + "=", FormatUID(someID)[:21] + "_",
		base64.URLEncoding.EncodeToString([]byte("e" + id)),
		raw("d" + id + strings.Repeat("a", maxID+1)),
		raw("p\x02a"), raw("p\x80"), raw("p\x80\x00"), raw("p\x81\x00a"), raw("p\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
		raw("p\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
	} {
		_, _, uidErr := ParseUID(cursor)
		_, _, _, deliveryErr := ParseDelivery(cursor)
		_, endpointErr := ParseEndpoint(cursor)
		for _, err := range []error{uidErr, deliveryErr, endpointErr} {
			require.Error(t, err, "%q", cursor[:min(len(cursor), 50)])
			assert.Equal(t, QueryCursor, fieldOf(t, err))
		}
	}
	_, err := Parse(ClaimCursor, "x", Round, 1, 1)
	assert.Equal(t, ClaimCursor, fieldOf(t, err))
}

func TestACursorIsOfOneKind(t *testing.T) {
	cursors := []string{FormatUID(someID), FormatDelivery(someID, ""), FormatEndpoint(webhook.EndpointKey{ID: "ep1"})}
	for i, cursor := range cursors {
		_, _, uidErr := ParseUID(cursor)
		_, _, _, deliveryErr := ParseDelivery(cursor)
		_, endpointErr := ParseEndpoint(cursor)
		for n, err := range []error{uidErr, deliveryErr, endpointErr} {
			assert.Equal(t, i == n, err == nil, "%d as %d", i, n)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(FormatUID(someID))
	f.Add(FormatDelivery(someID, "ep1"))
	f.Add(FormatEndpoint(webhook.EndpointKey{Tenant: "acme", ID: "ep1"}))
	f.Add(FormatEndpoint(webhook.EndpointKey{Tenant: strings.Repeat("é", 127)}))
	f.Fuzz(func(t *testing.T, cursor string) {
		check := func(again string, err error) {
			t.Helper()
			if err != nil && !errors.Is(err, webhook.ErrInvalid) {
				t.Fatal(err)
			}
			if err == nil && cursor != "" && again != cursor {
				t.Fatalf("%q was accepted, and is %q", cursor, again)
			}
		}
		uid, _, err := ParseUID(cursor)
		check(FormatUID(uid), err)
		uid, endpoint, _, err := ParseDelivery(cursor)
		check(FormatDelivery(uid, endpoint), err)
		key, err := ParseEndpoint(cursor)
		check(FormatEndpoint(key), err)
	})
}

func TestAnEndpointsSizeCountsWhatItsOwnerWrote(t *testing.T) {
	least := EndpointSize(&webhook.Endpoint{})
	for _, e := range []webhook.Endpoint{
		{URL: "0123456789"},
		{Description: "0123456789"},
		{Events: []string{"01234", "56789"}},
		{Metadata: map[string]string{"01234": "56789"}},
		{Header: map[string]webhook.Secret{"01234": "56789"}},
	} {
		assert.Equal(t, least+10, EndpointSize(&e))
	}
}
