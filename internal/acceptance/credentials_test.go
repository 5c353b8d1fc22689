package acceptance

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

const crmToken = "Bearer the-customers-crm-token"

// withToken sets the URL of an endpoint and a credential for that URL.
func withToken(url string) func(*webhook.Endpoint) {
	return func(e *webhook.Endpoint) {
		e.URL, e.Header = url, map[string]webhook.Secret{"Authorization": crmToken, "X-Plain": "two"}
	}
}

// allowHTTP permits HTTP and loopback, so that endpoints can change their scheme too.
func allowHTTP(c *webhook.Config, _ *webhooktest.Transport) {
	c.Network.AllowHTTP, c.Network.AllowLoopback = true, true
}

func TestAStoredHeaderValueGoesOnlyToTheOriginItWasGivenFor(t *testing.T) {
	for name, c := range map[string]struct {
		from, to string
		stays    bool
	}{
		"another host":           {"https://a.example/hook", "https://b.example/hook", false},
		"a host below it":        {"https://a.example/hook", "https://x.a.example/hook", false},
		"a longer host":          {"https://a.example", "https://a.example.attacker.example", false},
		"another scheme":         {"https://a.example/hook", "http://a.example/hook", false},
		"the same port, in HTTP": {"https://a.example:8443/", "http://a.example:8443/", false},
		"another port":           {"https://a.example/hook", "https://a.example:8443/hook", false},
		"the default port gone":  {"http://a.example:443/hook", "http://a.example/hook", false},
		"the host in the path":   {"https://a.example/hook", "https://b.example/https://a.example/hook", false},
		"the host in the query":  {"https://a.example/hook", "https://b.example?@a.example/hook", false},
		"an IPv6 port":           {"https://[2001:4860::1]/", "https://[2001:4860::1]:8443/", false},
		"another IPv6 address":   {"https://[2001:4860::1]/", "https://[2001:4860::1:443]/", false},

		"another path":             {"https://a.example/hook", "https://a.example/other", true},
		"another query":            {"https://a.example/hook", "https://a.example/hook?a=b", true},
		"no path":                  {"https://a.example/hook", "https://a.example", true},
		"the default port":         {"https://a.example/hook", "https://a.example:443/hook", true},
		"the default port of HTTP": {"http://a.example:80/hook", "http://a.example/hook", true},
		"another case":             {"https://a.example/hook", "HTTPS://A.Example:443/hook", true},
		"an IPv6 default port":     {"https://[2001:4860::1]:443/", "https://[2001:4860::1]/", true},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				r := newRig(t, allowHTTP)
				e := r.endpoint("ep1", withToken(c.from))
				for _, scope := range []webhook.Scope{r.Tenant(acme), r.AllTenants()} {
					e.URL = c.to
					updated, err := scope.UpdateEndpoint(t.Context(), e)
					if c.stays {
						require.NoError(t, err)
						e = updated
						continue
					}
					var field *webhook.FieldError
					require.ErrorAs(t, err, &field)
					assert.Contains(t, []string{`Endpoint.Header["Authorization"]`, `Endpoint.Header["X-Plain"]`}, field.Field)
					assert.Contains(t, field.Cure, "give the value again")
					assert.NotContains(t, err.Error(), "crm-token")
				}
				_, err := r.Tenant(acme).Test(t.Context(), "ep1")
				require.NoError(t, err)
				sent := r.net.Sent()
				if require.Len(t, sent, 1); c.stays {
					assert.Equal(t, c.to, sent[0].URL)
				} else {
					assert.Equal(t, c.from, sent[0].URL)
				}
				assert.Equal(t, crmToken, sent[0].Header.Get("Authorization"))
			})
		})
	}
}

// An update that moves the URL must give every header value again, not only one. It may leave
// names out.
func TestEveryHeaderIsGivenAgainOrLeftOutWhenTheURLMoves(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		e := r.endpoint("ep1", withToken("https://a.example"))
		e.URL = "https://b.example"
		for _, header := range []map[string]webhook.Secret{
			{"Authorization": "new", "X-Plain": ""},
			{"authorization": "", "X-Plain": "new"},
			{"Authorization": ""},
			{"AUTHORIZATION": "", "X-Other": "new"},
		} {
			e.Header = header
			_, err := r.Tenant(acme).UpdateEndpoint(t.Context(), e)
			require.ErrorIs(t, err, webhook.ErrInvalid, header)
		}
		e.Header = map[string]webhook.Secret{"Authorization": "for b"}
		e, err := r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)

		// The endpoint moves back. Values given for b stay with b. Omitted values are gone.
		e.URL = "https://a.example"
		_, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.ErrorIs(t, err, webhook.ErrInvalid)
		e.Header = map[string]webhook.Secret{"X-Plain": ""}
		_, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.ErrorIs(t, err, webhook.ErrInvalid)
		e.Header = nil
		e, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		e.Header = map[string]webhook.Secret{"Authorization": ""}
		_, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.ErrorIs(t, err, webhook.ErrInvalid)
	})
}

// Deliveries from before the change go to the new URL with the new values. No request mixes
// the old URL with new values, or the new URL with old values.
func TestDeliveriesOfBeforeAMoveCarryOnlyTheHeadersOfTheirURL(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		e := r.endpoint("ep1", withToken("https://a.example"))
		e.State = webhook.EndpointPaused
		e, err := r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		r.run()
		r.emit("evt1")
		pass(time.Second)
		e.URL, e.Header = "https://b.example", map[string]webhook.Secret{"Authorization": "for b"}
		e, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		e.State = webhook.EndpointActive
		_, err = r.restarted(func(*webhook.Config, *webhooktest.Transport) {}).Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		pass(2 * time.Second)
		sent := r.net.Sent()
		require.Len(t, sent, 1)
		assert.Equal(t, "https://b.example", sent[0].URL)
		assert.Equal(t, "https://a.example", sent[0].Message.Endpoint.URL)
		assert.Equal(t, "for b", sent[0].Header.Get("Authorization"))
		assert.Empty(t, sent[0].Header.Get("X-Plain"))
	})
}
