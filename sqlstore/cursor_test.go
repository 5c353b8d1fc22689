package sqlstore

import (
	"encoding/base64"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/paging"
)

func TestARoundsCursorRoundTrips(t *testing.T) {
	for _, r := range []claimCursor{
		{}, {restart: true}, {start: someID, last: lastLane}, {start: lastLane, last: zeroID, wrapped: true}, {leftover: true, restart: true, wrapped: true},
	} {
		got, err := parseClaimCursor(r.String())
		require.NoError(t, err)
		assert.Equal(t, r, got)
	}
	got, err := parseClaimCursor("")
	require.NoError(t, err)
	assert.Equal(t, claimCursor{restart: true}, got, "an empty cursor begins a round")
}

func TestAnAttemptsCursorRoundTrips(t *testing.T) {
	for _, a := range []attemptRow{
		{},
		lastAttempt,
		{attemptKey: attemptKey{rowKey{someID, "ep1"}, 7}, startedAt: -5},
		{attemptKey: attemptKey{rowKey{lastID, strings.Repeat("e", 255)}, math.MaxInt64}, startedAt: math.MinInt64},
	} {
		got, err := parseAttempt(a.String())
		require.NoError(t, err)
		assert.Equal(t, a, got)
	}
	got, err := parseAttempt("")
	require.NoError(t, err)
	assert.Equal(t, lastAttempt, got, "an empty cursor begins at the latest")
}

// someCursors are one of each kind.
var someCursors = []string{
	claimCursor{start: someID, last: lastLane, wrapped: true}.String(),
	(&attemptRow{attemptKey: attemptKey{rowKey{someID, "ep1"}, 7}, startedAt: 5}).String(),
	paging.FormatUID(someID),
	paging.FormatDelivery(someID, "ep1"),
	paging.FormatEndpoint(webhook.EndpointKey{Tenant: "acme", ID: "ep1"}),
}

// cursorUsers are the methods that take a cursor, each with the kind of cursor that it makes.
// They look at it before they ask the database, and there is none here.
func cursorUsers(t *testing.T, s *Store, cursor string) map[string]error {
	t.Helper()
	ctx, q := t.Context(), webhook.Query{Tenant: "acme", Cursor: cursor}
	_, endpoints := s.Endpoints(ctx, q)
	_, events := s.Events(ctx, q)
	_, deliveries := s.Deliveries(ctx, q, always(0))
	_, retry := s.Retry(ctx, q, always(0))
	_, cancel := s.Cancel(ctx, q, always(0))
	_, claim := s.Claim(ctx, webhook.ClaimRequest{Cursor: cursor})
	q.EventID = "evt1"
	_, attempts := s.Attempts(ctx, q)
	return map[string]error{
		"Endpoints": endpoints, "Events": events, "Deliveries": deliveries, "Retry": retry, "Cancel": cancel, "Claim": claim,
		"Attempts": attempts,
	}
}

func TestAMalformedCursorIsTheErrorOfItsField(t *testing.T) {
	s, err := New(unusable(t), SQLite, Options{})
	require.NoError(t, err)
	for _, cursor := range []string{
		"x", "%%%", "AAAA", strings.Repeat("A", 100_000), someCursors[0] + "A", someCursors[0][:10], someCursors[0] + "\n", someCursors[0] + "=",
		base64.RawURLEncoding.EncodeToString(append([]byte{'r', 8}, make([]byte, 32)...)), // flags that no round has
	} {
		for name, err := range cursorUsers(t, s, cursor) {
			require.ErrorIs(t, err, webhook.ErrInvalid, "%s %q", name, cursor)
			var field *webhook.FieldError
			require.ErrorAs(t, err, &field)
			want := "Query.Cursor"
			if name == "Claim" {
				want = "ClaimRequest.Cursor"
			}
			assert.Equal(t, want, field.Field)
			assert.NotEmpty(t, field.Cure)
		}
	}
	users := map[string]int{"Claim": 0, "Attempts": 1, "Events": 2, "Deliveries": 3, "Retry": 3, "Cancel": 3, "Endpoints": 4}
	for i, cursor := range someCursors {
		for name, err := range cursorUsers(t, s, cursor) {
			if users[name] == i {
				require.ErrorIs(t, err, errUnusable, name)
			} else {
				require.ErrorIs(t, err, webhook.ErrInvalid, "%s takes no cursor %d", name, i)
			}
		}
	}
}

// With one byte more, less or changed, it is still a cursor or an error, and an accepted
// cursor is one that was made.
func FuzzCursors(f *testing.F) {
	for _, cursor := range someCursors {
		f.Add(cursor)
	}
	f.Add("")
	f.Add("x\n")
	f.Add(base64.RawURLEncoding.EncodeToString([]byte("p\x80\x00")))
	f.Fuzz(func(t *testing.T, cursor string) {
		check := func(again string, err error) {
			t.Helper()
			if err != nil {
				if _, is := errors.AsType[*webhook.FieldError](err); !is {
					t.Fatalf("%v is no FieldError", err)
				}
			} else if cursor != "" && again != cursor {
				t.Fatalf("%q was accepted, and is %q", cursor, again)
			}
		}
		r, err := parseClaimCursor(cursor)
		check(r.String(), err)
		a, err := parseAttempt(cursor)
		if err == nil && a.endpoint != plain(a.endpoint) {
			t.Fatalf("%q is not storable", a.endpoint)
		}
		if a.String() != cursor && err == nil && strings.Contains(a.endpoint, "\uFFFD") {
			err = paging.Malformed(paging.QueryCursor) // the bytes that no id has are replaced
		}
		check(a.String(), err)
		u, _, err := paging.ParseUID(cursor)
		check(paging.FormatUID(u), err)
		u, endpoint, _, err := paging.ParseDelivery(cursor)
		check(paging.FormatDelivery(u, endpoint), err)
		key, err := paging.ParseEndpoint(cursor)
		check(paging.FormatEndpoint(key), err)
	})
}
