package drivertest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/sqlstore"
)

// odd is bytes that some database, driver or encoding may not like.
var odd = string([]byte{0, 1, 0x7f, 0x80, 0xff, 0xc3, 0x28}) + `'"\?$1{v uid uuid}x'` + "\r\n\u2028é\U0001f600"

func TestAnyBytesOfAResponseAreKept(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		s.endpoint("acme", "ep1")
		s.publish(s.event("acme", "evt1", "ep1"))
		item := s.succeeded(s.claim()[0])
		item.State, item.Reason = webhook.DeliveryFailed, webhook.ReasonExhausted
		item.Attempt.Class, item.Attempt.Error, item.Attempt.ResponseBody = webhook.ClassStatus, odd, []byte(odd)
		_, err := s.store.Settle(t.Context(), s.now, []webhook.Settlement{item})
		require.NoError(t, err)
		page, err := s.store.Attempts(t.Context(), webhook.Query{Tenant: "acme", EventID: "evt1"})
		require.NoError(t, err)
		require.Len(t, page.Items, 1)
		assert.Equal(t, []byte(odd), page.Items[0].ResponseBody)
		assert.Contains(t, page.Items[0].Error, "\x7f")
		assert.Contains(t, page.Items[0].Error, `'"\?$1{v uid uuid}x'`)
		assert.NotContains(t, page.Items[0].Error, "\x00", "PostgreSQL does not take it")
	})
}

func TestAnyBytesOfAnEventAreKept(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		s.endpoint("acme", "ep1")
		e := s.event("acme", "evt1", "ep1")
		e.Data = []byte(odd)
		e.Header = map[string]string{"X-Odd": odd, "X-Empty": ""}
		none := s.event("acme", "evt2", "ep1")
		none.Data = []byte{}
		s.publish(e, none)
		page, err := s.store.Events(t.Context(), webhook.Query{Tenant: "acme"})
		require.NoError(t, err)
		require.Len(t, page.Items, 2)
		assert.Empty(t, page.Items[0].Data)
		assert.Equal(t, []byte(odd), page.Items[1].Data)
		assert.Equal(t, e.Header, page.Items[1].Header)
	})
}

func TestAnyBytesOfAnEndpointsSecretsAreKept(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		e := webhook.Endpoint{
			Tenant: "acme", ID: "ep1", URL: "https://example.com", Events: []string{"*"}, State: webhook.EndpointActive, Version: 1,
			Description: "é'\"\\\n\u2028", Metadata: map[string]string{"é'": "\"\\\n\u2028<&>", "empty": ""},
			Header:  map[string]webhook.Secret{"Authorization": webhook.Secret(odd)},
			Secrets: []webhook.EndpointSecret{{Value: webhook.Secret(odd), CreatedAt: s.now}, {Value: "", CreatedAt: s.now, ExpiresAt: s.now}},
			Timeout: time.Second, MaxInFlight: 1000, CreatedAt: s.now, UpdatedAt: s.now,
		}
		require.NoError(t, s.store.CreateEndpoint(t.Context(), e, 0))
		found, err := s.store.Refresh(t.Context(), []webhook.EndpointKey{{Tenant: "acme", ID: "ep1"}})
		require.NoError(t, err)
		require.Equal(t, []webhook.Endpoint{e}, found)
	})
}

func TestEmitRefusesDataThatIsNotUTF8JSON(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		store := d.migrated(t)
		dispatcher, err := webhook.New(store, webhook.Config{})
		require.NoError(t, err)
		for _, data := range []string{"\"\xff\"", "\"\x00\"", "", "{", "1 2"} {
			_, err := dispatcher.Emit(t.Context(), webhook.Event{Tenant: "acme", Type: "a", Data: []byte(data)})
			assert.ErrorIs(t, err, webhook.ErrInvalid, "%q", data)
		}
		assert.Empty(t, countRows(t, store.DB(), "webhook_"))
	})
}

// names are of 1, 254 and 255 bytes, as far as the letters have room in them.
func names(letters ...string) []string {
	var list []string
	for _, letter := range letters {
		for _, n := range []int{1, 254, 255} {
			if n >= len(letter) {
				list = append(list, strings.Repeat(letter, n/len(letter))+strings.Repeat("x", n%len(letter)))
			}
		}
	}
	return list
}

func TestNamesOfEveryLengthAreUsable(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		ids := names("a")
		tenants := names("t", "é", "\U0001f600", "'", `\`, "\"")
		for i, tenant := range tenants {
			id := ids[i%len(ids)]
			e := webhook.Endpoint{
				Tenant: tenant, ID: id, URL: "https://example.com/" + strings.Repeat("u", 2028), Description: strings.Repeat("d", 1024),
				Events: []string{strings.Repeat("t", 253) + ".*"}, Channel: ids[(i+1)%3], State: webhook.EndpointActive,
				Profile: strings.Repeat("p", 255), Version: 1, CreatedAt: s.now, UpdatedAt: s.now,
			}
			for n := range 99 {
				e.Events = append(e.Events, fmt.Sprintf("%03d%s", n, strings.Repeat("t", 252)))
			}
			e.Metadata = make(map[string]string)
			for n := range 50 {
				e.Metadata[fmt.Sprintf("%02d%s", n, strings.Repeat("é", 126))] = strings.Repeat("\x01", 1024)
			}
			require.NoError(t, s.store.CreateEndpoint(t.Context(), e, 0), i)
			record := s.event(tenant, id, id)
			record.Type, record.Channel = e.Events[99], e.Channel
			s.publish(record)
			matched, err := s.store.Match(t.Context(), []webhook.MatchRequest{
				{Tenant: tenant, Channel: e.Channel, Patterns: []string{record.Type}, Limit: 10},
			})
			require.NoError(t, err)
			require.Len(t, matched[0], 1, i)
		}
		assert.Len(t, s.deliver(), len(tenants))
		for i, tenant := range tenants {
			id := ids[i%len(ids)]
			for _, q := range []webhook.Query{{Tenant: tenant, EventID: id}, {Tenant: tenant, EndpointID: id}} {
				attempts, err := s.store.Attempts(t.Context(), q)
				require.NoError(t, err)
				assert.Len(t, attempts.Items, 1)
			}
			require.NoError(t, s.store.Erase(t.Context(), tenant))
		}
		assert.Empty(t, s.rows())
	})
}

// lookalikes are names that some collation takes for each other.
var lookalikes = []string{
	"evt", "EVT", "Evt", "évt", "e\u0301vt", "evt ", "evt  ", " evt", "evt\u00a0", "straße", "strasse", "ı", "i", "I", "\uff45vt", "evt\u200b", "ſ", "s",
}

func TestLookalikesAreKeptApart(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		create := func(tenant, id, pattern, channel string) {
			require.NoError(t, s.store.CreateEndpoint(t.Context(), webhook.Endpoint{
				Tenant: tenant, ID: id, URL: "https://example.com", Events: []string{pattern}, Channel: channel,
				State: webhook.EndpointActive, Version: 1, CreatedAt: s.now, UpdatedAt: s.now,
			}, 0), "%q %q %q %q", tenant, id, pattern, channel)
		}
		for _, name := range lookalikes {
			create(name, "ep", "*", "") // tenants
			create("ids", name, "none", "")
			create("patterns", "p"+name, name, "")
			create("channels", "c"+name, "*", name)
		}
		var events []webhook.EventRecord
		for _, name := range lookalikes {
			events = append(events, s.event(name, "evt", "ep"), s.event("ids", name, lookalikes...))
		}
		s.publish(events...)
		for _, name := range lookalikes {
			for _, c := range []struct {
				req  webhook.MatchRequest
				want string
			}{
				{webhook.MatchRequest{Tenant: name, Patterns: []string{"*"}}, "ep"},
				{webhook.MatchRequest{Tenant: "patterns", Patterns: []string{name}}, "p" + name},
				{webhook.MatchRequest{Tenant: "channels", Patterns: []string{"*"}, Channel: name}, "c" + name},
			} {
				c.req.Limit = 100
				matched, err := s.store.Match(t.Context(), []webhook.MatchRequest{c.req})
				require.NoError(t, err)
				require.Len(t, matched[0], 1, "%q", name)
				assert.Equal(t, c.want, matched[0][0].Key.ID)
			}
			page, err := s.store.Deliveries(t.Context(), webhook.Query{Tenant: "ids", EventID: name, EndpointID: name}, s.now)
			require.NoError(t, err)
			require.Len(t, page.Items, 1)
			assert.Equal(t, name, page.Items[0].EndpointID)
		}
		assert.Len(t, s.claim(), len(lookalikes)*(len(lookalikes)+1))
		require.NoError(t, s.store.Erase(t.Context(), "evt"))
		for _, name := range lookalikes[1:] {
			page, err := s.store.Events(t.Context(), webhook.Query{Tenant: name})
			require.NoError(t, err)
			assert.Len(t, page.Items, 1, "%q", name)
		}
	})
}

func TestALargeEventIsStoredOrRefusedForItself(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		s.endpoint("acme", "ep1")
		usual, huge := s.event("acme", "usual", "ep1"), s.event("acme", "huge", "ep1")
		usual.Data, huge.Data = bytes.Repeat([]byte{0xff}, 256<<10), bytes.Repeat([]byte{0xff}, 16<<20)
		results, err := s.store.Publish(t.Context(), s.request(usual, huge, s.event("acme", "small", "ep1")))
		require.NoError(t, err)
		assert.Equal(t, webhook.Published{Deliveries: 1}, results[0])
		assert.Equal(t, webhook.Published{Deliveries: 1}, results[2])
		stored := 3
		if d.dialect == sqlstore.MySQL { // max_allowed_packet is 16 or 64 MiB on most servers
			if results[1].Err != nil {
				stored = 2
				assert.ErrorContains(t, results[1].Err, "max_allowed_packet")
			}
		} else {
			assert.NoError(t, results[1].Err)
		}
		assert.Equal(t, stored, s.rowsOf("events"))
		assert.Len(t, s.deliver(), stored)
	})
}

func TestAnAtomicPublishMayHaveManyRows(t *testing.T) {
	onlyWithoutRaceDetector(t)
	each(t, func(t *testing.T, d database) {
		s := newScene(t, d.migrated(t))
		endpoints := make([]string, 10)
		for i := range endpoints {
			endpoints[i] = fmt.Sprintf("ep%d", i)
			s.endpoint("acme", endpoints[i])
		}
		events := make([]webhook.EventRecord, 501)
		for i := range events {
			events[i] = s.event("acme", fmt.Sprint(i), endpoints...)
			events[i].NewID = i < 500
		}
		req := s.request(events[:500]...)
		req.Atomic = true
		results, err := s.store.Publish(t.Context(), req)
		require.NoError(t, err)
		assert.Equal(t, webhook.Published{Deliveries: 10}, results[499])
		assert.Equal(t, 5000, s.rowsOf("queue"))

		conflict := events[499]
		conflict.Data = []byte("2")
		req.Events = []webhook.EventRecord{events[500], conflict}
		results, err = s.store.Publish(t.Context(), req)
		require.NoError(t, err)
		assert.ErrorIs(t, results[1].Err, webhook.ErrConflict)
		assert.Equal(t, 5000, s.rowsOf("queue"))
		assert.Equal(t, 500, s.rowsOf("events"))
	})
}

func TestFiftyWriteToAnSQLiteFileAtOnceBesideReaders(t *testing.T) {
	for _, processes := range []int{1, 2} {
		t.Run(fmt.Sprint(processes), func(t *testing.T) {
			dsn := sqlite.dsn(t)
			s := newScene(t, sqlite.store(t, dsn, sqlstore.Options{}))
			require.NoError(t, s.store.Migrate(t.Context()))
			s.endpoint("acme", "ep1")
			stores := []*sqlstore.Store{s.store}
			for len(stores) < processes {
				stores = append(stores, sqlite.store(t, dsn, sqlstore.Options{}))
			}
			const writers, each = 50, 10
			events := make([][]webhook.EventRecord, writers)
			for w := range events {
				for n := range each {
					events[w] = append(events[w], s.event("acme", fmt.Sprintf("%d-%d", w, n), "ep1"))
				}
			}
			reading, stop := context.WithCancel(t.Context())
			var writing, readers sync.WaitGroup
			for i := range 4 {
				readers.Go(func() {
					for reading.Err() == nil {
						_, err := stores[i%len(stores)].Deliveries(t.Context(), webhook.Query{Tenant: "acme", Limit: 10}, s.now)
						assert.NoError(t, err)
					}
				})
			}
			for w := range events {
				writing.Go(func() {
					for _, e := range events[w] {
						results, err := stores[w%len(stores)].Publish(t.Context(), s.request(e))
						if assert.NoError(t, err) {
							assert.Equal(t, []webhook.Published{{Deliveries: 1}}, results)
						}
					}
				})
			}
			writing.Wait()
			stop()
			readers.Wait()
			assert.Equal(t, writers*each, s.rowsOf("queue"))
		})
	}
}
