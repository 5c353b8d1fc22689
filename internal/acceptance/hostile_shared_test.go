package acceptance

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

// Two tenants have endpoints at one host. The path of tenant a sends unasked bytes right
// after its answer. They must never become an answer to tenant b, nor to another endpoint of
// tenant a.
func TestWhatOneEndpointSendsUnaskedIsNoAnswerToAnother(t *testing.T) {
	const rounds = 60
	const gone = "HTTP/1.1 410 Gone\r\nContent-Length: 8\r\n\r\nfrom-a!!"
	ok := func(body string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	for _, delay := range []time.Duration{0, 50 * time.Microsecond, 100 * time.Microsecond, 200 * time.Microsecond, 300 * time.Microsecond} {
		t.Run(delay.String(), func(t *testing.T) {
			receiver := newHostileReceiver(t, nil, func(c *hostileConn) {
				for {
					r, err := http.ReadRequest(c.in)
					if err != nil {
						return
					}
					_, _ = c.in.Discard(int(r.ContentLength))
					if r.URL.Path != "/a" {
						c.send(ok("from-" + r.URL.Path[1:]))
						continue
					}
					c.send(ok("from-a"))
					for began := time.Now(); time.Since(began) < delay; {
						continue // a sleep would last longer
					}
					c.send(gone)
				}
			})
			var answered sync.WaitGroup
			d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{
				Network: webhook.Network{AllowHTTP: true, AllowLoopback: true},
				Logger:  quiet,
				Observer: webhook.Observer{Attempt: func(a webhook.Attempt, _ webhook.Verdict) {
					if a.Number == 1 { // a second attempt confirms a late 410
						answered.Done()
					}
				}},
				Profile: "once", Profiles: map[string]webhook.Profile{"once": {Retry: webhook.Schedule()}},
			})
			require.NoError(t, err)
			others := []webhook.EndpointKey{{Tenant: "a", ID: "c"}, {Tenant: "b", ID: "a"}, {Tenant: "b", ID: "b"}}
			labelled(t, func() {
				r := &rig{Dispatcher: d, t: t}
				for _, key := range append(others, webhook.EndpointKey{Tenant: "a", ID: "a"}) {
					path := "/" + key.ID
					if key.Tenant == "b" {
						path = "/b"
					}
					_, err := d.Tenant(key.Tenant).CreateEndpoint(t.Context(), webhook.Endpoint{
						ID: key.ID, URL: receiver.url + path, Events: []string{key.Tenant + "." + key.ID},
					})
					require.NoError(t, err)
				}
				r.run()
				emit := func(tenant, id string) {
					answered.Add(1)
					_, err := d.Emit(t.Context(), webhook.Event{Tenant: tenant, Type: tenant + "." + id, Data: 1})
					require.NoError(t, err)
				}
				for range rounds {
					emit("a", "a")
					answered.Wait()
					for _, key := range others {
						emit(key.Tenant, key.ID)
					}
					answered.Wait()
					e, err := d.Tenant("a").Endpoint(t.Context(), "a")
					require.NoError(t, err)
					if e.State == webhook.EndpointDisabled { // a's bytes may answer its own next request
						e.State = webhook.EndpointActive
						_, _ = d.Tenant("a").UpdateEndpoint(t.Context(), e)
					}
				}
				require.NoError(t, r.stop())
			})
			for _, key := range others {
				e, err := d.Tenant(key.Tenant).Endpoint(t.Context(), key.ID)
				require.NoError(t, err)
				assert.Equal(t, webhook.EndpointActive, e.State, "%v", key)
				log, err := d.Tenant(key.Tenant).Attempts(t.Context(), webhook.Query{EndpointID: key.ID, Limit: 1000})
				require.NoError(t, err)
				require.Len(t, log.Items, rounds)
				for _, a := range log.Items {
					require.Equal(t, 200, a.Status, "%v", key)
					require.NotContains(t, string(a.ResponseBody), "from-a", "%v", key)
				}
			}
		})
	}
}
