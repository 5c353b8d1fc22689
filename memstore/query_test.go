package memstore

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/paging"
)

var someCursors = []string{
	round{start: 7, again: true}.String(),
	position{uidKey(uuid.UUID{1, 2, 15: 3}), "ep1"}.String(),
	position{lastKey, ""}.String(),
	paging.FormatUID(uuid.UUID{7: 1, 15: 2}),
	paging.Format(paging.Attempts, timeKey(-1, 2).bytes()),
	paging.FormatEndpoint(webhook.EndpointKey{Tenant: "acme", ID: "ep1"}),
	paging.FormatEndpoint(webhook.EndpointKey{Tenant: strings.Repeat("é", 127), ID: ""}),
}

// cursorUsers are the methods that take a cursor, each with the field that is refused.
func cursorUsers(s *Store, cursor string) map[string]error {
	ctx, q, now := context.Background(), webhook.Query{Tenant: "acme", Cursor: cursor}, time.Time{}
	_, endpoints := s.Endpoints(ctx, q)
	_, events := s.Events(ctx, q)
	_, deliveries := s.Deliveries(ctx, q, now)
	_, retry := s.Retry(ctx, q, now)
	_, cancel := s.Cancel(ctx, q, now)
	_, claim := s.Claim(ctx, webhook.ClaimRequest{Cursor: cursor})
	q.EventID = "e1"
	_, attempts := s.Attempts(ctx, q)
	return map[string]error{
		"Endpoints": endpoints, "Events": events, "Deliveries": deliveries, "Retry": retry, "Cancel": cancel,
		"Attempts": attempts, "Claim": claim,
	}
}

func TestMalformedCursorsAreRefused(t *testing.T) {
	bad := []string{"x", "====", "ZQ", "ZQ==", "!", " ", "0", strings.Repeat("A", 200_000), strings.Repeat("Z", 200_000)}
	bad = append(bad, paging.Format(paging.Endpoints, []byte{0x84, 0}, []byte("acmeep1"))) // the length in two bytes
	for _, c := range someCursors {
		bad = append(bad, c+"=", c+"\n", "A"+c, c[1:], c[:5], " "+c)
	}
	for _, cursor := range bad {
		for method, err := range cursorUsers(New(Options{}), cursor) {
			var field *webhook.FieldError
			require.ErrorAs(t, err, &field, "%s of %.50q", method, cursor)
			want := "Query.Cursor"
			if method == "Claim" {
				want = "ClaimRequest.Cursor"
			}
			assert.Equal(t, want, field.Field)
			require.ErrorIs(t, err, webhook.ErrInvalid)
		}
	}
}

func TestACursorServesOnlyWhereItCameFrom(t *testing.T) {
	for i, cursor := range someCursors {
		served := 0
		for _, err := range cursorUsers(New(Options{}), cursor) {
			if err == nil {
				served++
			}
		}
		want := 1
		if i == 1 || i == 2 { // Deliveries, Retry, Cancel
			want = 3
		}
		assert.Equal(t, want, served, cursor)
	}
}

func TestCursorsAreURLSafe(t *testing.T) {
	for _, c := range someCursors {
		assert.NotContains(t, c, "+")
		assert.NotContains(t, c, "/")
		assert.NotContains(t, c, "=")
	}
}

func FuzzCursor(f *testing.F) {
	for _, c := range someCursors {
		f.Add(c)
	}
	f.Add("")
	f.Fuzz(func(t *testing.T, cursor string) {
		same := func(again string, err error) {
			if err == nil && cursor != "" && again != cursor {
				t.Errorf("%q is taken for %q", cursor, again)
			}
			if err != nil {
				require.ErrorIs(t, err, webhook.ErrInvalid)
			}
		}
		r, err := parseRound(cursor)
		same(r.String(), err)
		p, err := parsePosition(cursor)
		same(p.String(), err)
		k, err := eventCursor(cursor)
		same(paging.FormatUID(uuid.UUID(k.bytes())), err)
		k, err = attemptCursor(cursor)
		same(paging.Format(paging.Attempts, k.bytes()), err)
		e, err := paging.ParseEndpoint(cursor)
		same(paging.FormatEndpoint(e), err)
		cursorUsers(New(Options{}), cursor)
	})
}
