package acceptance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/signature"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhooktest"
)

func key(id string, fill byte) webhook.CipherKey {
	return webhook.CipherKey{ID: id, Key: bytes.Repeat([]byte{fill}, 32)}
}

// withCipher makes rigs seal secrets with keys. Without keys, there is no Cipher.
func withCipher(keys ...webhook.CipherKey) func(*webhook.Config, *webhooktest.Transport) {
	return func(c *webhook.Config, _ *webhooktest.Transport) {
		if len(keys) == 0 {
			return
		}
		var err error
		if c.Cipher, err = webhook.NewCipher(keys...); err != nil {
			panic(err)
		}
	}
}

// restarted returns a rig for another process on the store of r.
func (r *rig) restarted(configure func(*webhook.Config, *webhooktest.Transport)) *rig {
	r.t.Helper()
	n := &rig{t: r.t, store: r.store, net: &webhooktest.Transport{}}
	config := webhook.Config{Transport: n.net, Logger: quiet}
	configure(&config, n.net)
	d, err := webhook.New(r.store, config)
	require.NoError(r.t, err)
	n.Dispatcher = d
	return n
}

// row returns an endpoint of acme as it is stored.
func (r *rig) row(id string) webhook.Endpoint {
	r.t.Helper()
	found, err := r.store.Refresh(context.Background(), []webhook.EndpointKey{{Tenant: acme, ID: id}})
	require.NoError(r.t, err)
	require.Len(r.t, found, 1)
	return found[0]
}

// stored returns every secret value in a row.
func stored(e webhook.Endpoint) (values []string) {
	for _, s := range e.Secrets {
		values = append(values, string(s.Value))
	}
	for _, v := range e.Header {
		values = append(values, string(v))
	}
	return values
}

func withHeader(e *webhook.Endpoint) { e.Header = map[string]webhook.Secret{"X-Key": "header-value"} }

// deliver sends one event and returns the requests for it.
func (r *rig) deliver(id string) []*webhook.Request {
	r.t.Helper()
	before := len(r.net.Sent())
	r.run()
	r.emit(id)
	pass(time.Second)
	require.NoError(r.t, r.stop())
	return r.net.Sent()[before:]
}

func signedWith(t *testing.T, req *webhook.Request, secret webhook.Secret) error {
	t.Helper()
	return signature.VerifyStandard(string(secret), req.Event.ID, req.Header.Get("Webhook-Timestamp"),
		req.Header.Get("Webhook-Signature"), req.Body, req.Time)
}

func TestSecretsAndHeadersAreStoredSealedAndSentAsTheyAre(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, withCipher(key("k1", 1)))
		e := r.endpoint("ep1", withHeader)
		old := e.Secret
		e, err := r.Tenant(acme).RotateSecret(t.Context(), "ep1", time.Hour)
		require.NoError(t, err)
		values := stored(r.row("ep1"))
		require.Len(t, values, 3)
		for _, v := range values {
			assert.True(t, strings.HasPrefix(v, "sealed:k1:"), v)
		}
		sent := r.deliver("evt1")
		require.Len(t, sent, 1)
		assert.Equal(t, "header-value", sent[0].Header.Get("X-Key"))
		require.NoError(t, signedWith(t, sent[0], old))
		require.NoError(t, signedWith(t, sent[0], e.Secret))
		for _, secret := range []webhook.Secret{old, e.Secret} {
			ok, err := r.Tenant(acme).VerifySecret(t.Context(), "ep1", secret)
			require.NoError(t, err)
			assert.True(t, ok)
		}
		_, err = r.Tenant(acme).Test(t.Context(), "ep1")
		require.NoError(t, err)
		require.NoError(t, signedWith(t, r.net.Sent()[len(r.net.Sent())-1], e.Secret))
	})
}

func TestRowsOfBeforeTheCipherStayReadableAndAreSealedWithTheNextChange(t *testing.T) {
	inTime(t, func(t *testing.T) {
		plain := newRig(t, nil)
		secret := plain.endpoint("ep1", withHeader).Secret
		assert.ElementsMatch(t, []string{string(secret), "header-value"}, stored(plain.row("ep1")))
		r := plain.restarted(withCipher(key("k1", 1)))
		require.NoError(t, signedWith(t, r.deliver("evt1")[0], secret))
		e, err := r.Tenant(acme).Endpoint(t.Context(), "ep1")
		require.NoError(t, err)
		_, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		for _, v := range stored(r.row("ep1")) {
			assert.True(t, strings.HasPrefix(v, "sealed:k1:"), v)
		}
		sent := r.deliver("evt2")
		require.NoError(t, signedWith(t, sent[0], secret))
		assert.Equal(t, "header-value", sent[0].Header.Get("X-Key"), "an update with an empty value keeps the stored one")
	})
}

func TestKeysAreChangedByUpdatingEveryEndpoint(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, withCipher(key("2025", 1)))
		secret := r.endpoint("ep1", withHeader).Secret
		r = r.restarted(withCipher(key("2026", 2), key("2025", 1)))
		page, err := r.AllTenants().Endpoints(t.Context(), webhook.Query{})
		require.NoError(t, err)
		for _, e := range page.Items {
			_, err := r.AllTenants().UpdateEndpoint(t.Context(), e)
			require.NoError(t, err)
		}
		for _, v := range stored(r.row("ep1")) {
			assert.True(t, strings.HasPrefix(v, "sealed:2026:"), v)
		}
		r = r.restarted(withCipher(key("2026", 2)))
		sent := r.deliver("evt1")
		require.NoError(t, signedWith(t, sent[0], secret))
		assert.Equal(t, "header-value", sent[0].Header.Get("X-Key"))
	})
}

func TestARotationSealsTheOldSecretsWithTheCurrentKeyToo(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, withCipher(key("2025", 1)))
		r.endpoint("ep1")
		r = r.restarted(withCipher(key("2026", 2), key("2025", 1)))
		_, err := r.Tenant(acme).RotateSecret(t.Context(), "ep1", time.Hour)
		require.NoError(t, err)
		values := stored(r.row("ep1"))
		require.Len(t, values, 2)
		for _, v := range values {
			assert.True(t, strings.HasPrefix(v, "sealed:2026:"), v)
		}
	})
}

// Without the key or without a Cipher, no delivery is lost, and no attempt is used up.
func TestDeliveriesWaitWhileASecretCannotBeOpened(t *testing.T) {
	for name, without := range map[string][]webhook.CipherKey{"no cipher": nil, "another key": {key("k2", 2)}, "the same id": {key("k1", 2)}} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				r := newRig(t, withCipher(key("k1", 1)))
				secret := r.endpoint("ep1").Secret
				var problems atomic.Pointer[string]
				r = r.restarted(func(c *webhook.Config, net *webhooktest.Transport) {
					withCipher(without...)(c, net)
					c.Observer.Error = func(err error) { text := err.Error(); problems.Store(&text) }
				})
				assert.Empty(t, r.deliver("evt1"))
				require.NotNil(t, problems.Load())
				assert.Contains(t, *problems.Load(), `(tenant=acme endpoint=ep1): a signing secret cannot be opened: it`)
				assert.Equal(t, webhook.DeliveryPending, r.delivery("evt1", "ep1").State)
				assert.Empty(t, r.attempts("evt1", "ep1"))
				_, err := r.Tenant(acme).Test(t.Context(), "ep1")
				require.ErrorContains(t, err, "cannot be opened")
				_, err = r.Tenant(acme).VerifySecret(t.Context(), "ep1", secret)
				require.ErrorContains(t, err, "cannot be opened")

				r = r.restarted(withCipher(key("k2", 2), key("k1", 1)))
				r.run()
				pass(11 * time.Second)
				require.Len(t, r.net.Sent(), 1)
				require.NoError(t, signedWith(t, r.net.Sent()[0], secret))
			})
		})
	}
}

// After an outage of the key management service, deliveries go on without a restart.
func TestACipherThatFailsIsAskedAgain(t *testing.T) {
	inTime(t, func(t *testing.T) {
		service := &keyService{}
		configure := func(c *webhook.Config, _ *webhooktest.Transport) { c.Cipher = service }
		r := newRig(t, configure)
		secret := r.endpoint("ep1").Secret
		service.down.Store(true)
		_, err := r.Tenant(acme).CreateEndpoint(t.Context(), webhook.Endpoint{URL: "https://a.example", Events: []string{"*"}})
		require.ErrorIs(t, err, errService)
		_, err = r.Tenant(acme).RotateSecret(t.Context(), "ep1", 0)
		require.ErrorIs(t, err, errService)
		r.run()
		r.emit("evt1")
		pass(15 * time.Second)
		assert.Empty(t, r.net.Sent())
		service.down.Store(false)
		pass(15 * time.Second)
		require.Len(t, r.net.Sent(), 1)
		require.NoError(t, signedWith(t, r.net.Sent()[0], secret))

		opened := service.opened.Load()
		for n := range 20 {
			// a delayed event goes through Claim, which reads the endpoint again
			_, err := r.Emit(t.Context(), webhook.Event{
				Tenant: acme, Type: "a.b", ID: fmt.Sprint("more", n), NotBefore: time.Now().Add(time.Second),
			})
			require.NoError(t, err)
			pass(3 * time.Second)
		}
		require.Len(t, r.net.Sent(), 21)
		assert.Equal(t, opened, service.opened.Load(), "it is asked once for each version of an endpoint")
	})
}

var errService = errors.New("the key service does not answer")

// A keyService is a Cipher that another party runs.
type keyService struct {
	down   atomic.Bool
	closed atomic.Bool // Open fails, Seal works
	opened atomic.Int64
}

func (k *keyService) Seal(_ context.Context, plain []byte, bound string) (string, error) {
	if k.down.Load() {
		return "", errService
	}
	return fmt.Sprintf("%x.%x", bound, plain), nil
}

func (k *keyService) Open(_ context.Context, sealed, bound string) (plain []byte, err error) {
	k.opened.Add(1)
	if k.down.Load() || k.closed.Load() {
		return nil, errService
	}
	_, err = fmt.Sscanf(strings.TrimPrefix(sealed, fmt.Sprintf("%x.", bound)), "%x", &plain)
	return plain, err
}

func TestSealedValuesCannotBeSwapped(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, withCipher(key("k1", 1)))
		two := func(e *webhook.Endpoint) {
			e.Header = map[string]webhook.Secret{"X-Key": "header-value", "X-Other": "other-value"}
		}
		r.endpoint("ep1", two)
		r.endpoint("ep2", two)
		for name, swap := range map[string]func(mine, other webhook.Endpoint) webhook.Endpoint{
			"the secrets of endpoints": func(mine, other webhook.Endpoint) webhook.Endpoint {
				mine.Secrets = other.Secrets
				return mine
			},
			"the headers of endpoints": func(mine, other webhook.Endpoint) webhook.Endpoint {
				mine.Header = other.Header
				return mine
			},
			"two headers of one": func(mine, _ webhook.Endpoint) webhook.Endpoint {
				mine.Header = maps.Clone(mine.Header)
				mine.Header["X-Key"], mine.Header["X-Other"] = mine.Header["X-Other"], mine.Header["X-Key"]
				return mine
			},
			"a secret and a header": func(mine, _ webhook.Endpoint) webhook.Endpoint {
				mine.Header = map[string]webhook.Secret{"X-Key": mine.Secrets[0].Value}
				return mine
			},
		} {
			before := r.row("ep1")
			changed, err := r.store.UpdateEndpoint(t.Context(), swap(before, r.row("ep2")))
			require.NoError(t, err)
			_, err = r.Tenant(acme).Test(t.Context(), "ep1")
			require.ErrorContains(t, err, "sealed for another tenant, endpoint or field", name)
			before.Version = changed.Version
			_, err = r.store.UpdateEndpoint(t.Context(), before)
			require.NoError(t, err)
			_, err = r.Tenant(acme).Test(t.Context(), "ep1")
			require.NoError(t, err)
		}
	})
}

func TestALostKeyIsRecoveredFromByRotating(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, withCipher(key("lost", 1)))
		r.endpoint("ep1", withHeader)
		r = r.restarted(withCipher(key("new", 2)))
		e, err := r.Tenant(acme).Endpoint(t.Context(), "ep1")
		require.NoError(t, err)
		assert.Equal(t, map[string]webhook.Secret{"X-Key": ""}, e.Header)
		assert.Equal(t, "https://ep1.example/[redacted]", e.URL)
		e.URL, e.Header = "https://ep1.example/hook", map[string]webhook.Secret{"X-Key": "given again"}
		_, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		e, err = r.Tenant(acme).RotateSecret(t.Context(), "ep1", 0)
		require.NoError(t, err)
		sent := r.deliver("evt1")
		require.Len(t, sent, 1)
		require.NoError(t, signedWith(t, sent[0], e.Secret))
		assert.Equal(t, "given again", sent[0].Header.Get("X-Key"))
	})
}

func TestALostKeyIsRecoveredFromByRotatingWithAnOverlapToo(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, withCipher(key("lost", 1)))
		old := r.endpoint("ep1").Secret
		var problems atomic.Int64
		r = r.restarted(func(c *webhook.Config, net *webhooktest.Transport) {
			withCipher(key("new", 2))(c, net)
			c.Observer.Error = func(error) { problems.Add(1) }
		})
		e, err := r.Tenant(acme).RotateSecret(t.Context(), "ep1", 24*time.Hour)
		require.NoError(t, err)
		given := e
		given.URL = "https://ep1.example/hook"
		_, err = r.Tenant(acme).UpdateEndpoint(t.Context(), given)
		require.NoError(t, err)
		sent := r.deliver("evt1")
		require.Len(t, sent, 1)
		require.NoError(t, signedWith(t, sent[0], e.Secret))
		require.Error(t, signedWith(t, sent[0], old))
		assert.Positive(t, problems.Load(), "that nothing is signed with the old secret is an error somebody should hear of")
		ok, err := r.Tenant(acme).VerifySecret(t.Context(), "ep1", e.Secret)
		require.NoError(t, err)
		assert.True(t, ok)
		for _, other := range []webhook.Secret{old, r.row("ep1").Secrets[1].Value} {
			ok, err = r.Tenant(acme).VerifySecret(t.Context(), "ep1", other)
			require.ErrorContains(t, err, "cannot be opened")
			assert.False(t, ok)
		}
		_, err = r.Tenant(acme).Test(t.Context(), "ep1")
		require.NoError(t, err)
	})
}

// A new secret is shown only once. It must be shown even if the key service fails after the
// secret was stored.
func TestARotationShowsTheSecretThatItHasStored(t *testing.T) {
	inTime(t, func(t *testing.T) {
		service := &keyService{}
		r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) { c.Cipher = service })
		r.endpoint("ep1")
		service.closed.Store(true)
		e, err := r.Tenant(acme).RotateSecret(t.Context(), "ep1", time.Hour)
		require.NoError(t, err)
		assert.NotEmpty(t, string(e.Secret))
	})
}

// Lists and reads ask a key service once for the URL and for public keys. They never ask for
// secrets and headers.
func TestReadsOpenOnlyWhatTheyShowAndOnce(t *testing.T) {
	inTime(t, func(t *testing.T) {
		service := &keyService{}
		configure := func(c *webhook.Config, net *webhooktest.Transport) {
			withEd25519(c, net)
			c.Cipher = service
		}
		r := newRig(t, configure)
		r.endpoint("ep1", ed25519Endpoint, withHeader)
		r.endpoint("ep2", withHeader)
		r = r.restarted(configure)
		for range 3 {
			e, err := r.Tenant(acme).Endpoint(t.Context(), "ep1")
			require.NoError(t, err)
			assert.True(t, strings.HasPrefix(e.Secrets[0].PublicKey, "whpk_"))
			assert.Equal(t, "https://ep1.example/hook", e.URL)
			_, err = r.Tenant(acme).Endpoints(t.Context(), webhook.Query{})
			require.NoError(t, err)
		}
		assert.EqualValues(t, 3, service.opened.Load())
	})
}

// A value that cannot be opened is stored unchanged, because the key may be found again.
func TestAnUpdateKeepsWhatItCannotOpen(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, withCipher(key("k1", 1)))
		secret := r.endpoint("ep1", withHeader).Secret
		want := stored(r.row("ep1"))
		for _, keys := range [][]webhook.CipherKey{nil, {key("k2", 2)}} {
			other := r.restarted(withCipher(keys...))
			e, err := other.Tenant(acme).Endpoint(t.Context(), "ep1")
			require.NoError(t, err)
			e.Description = "changed"
			_, err = other.Tenant(acme).UpdateEndpoint(t.Context(), e)
			require.NoError(t, err)
			assert.ElementsMatch(t, want, stored(r.row("ep1")))
		}
		sent := r.deliver("evt1")
		require.NoError(t, signedWith(t, sent[0], secret))
	})
}

func TestRevealSecretsShowsOpenedSecretsAndNeverSealedOnes(t *testing.T) {
	inTime(t, func(t *testing.T) {
		reveal := func(keys ...webhook.CipherKey) func(*webhook.Config, *webhooktest.Transport) {
			return func(c *webhook.Config, net *webhooktest.Transport) {
				withCipher(keys...)(c, net)
				c.RevealSecrets = true
			}
		}
		r := newRig(t, reveal(key("k1", 1)))
		secret := r.endpoint("ep1").Secret
		for _, c := range []struct {
			keys []webhook.CipherKey
			want webhook.Secret
		}{{[]webhook.CipherKey{key("k1", 1)}, secret}, {[]webhook.CipherKey{key("k2", 2)}, ""}, {nil, ""}} {
			e, err := r.restarted(reveal(c.keys...)).Tenant(acme).Endpoint(t.Context(), "ep1")
			require.NoError(t, err)
			assert.Equal(t, string(c.want), string(e.Secret))
			assert.Equal(t, string(c.want), string(e.Secrets[0].Value))
		}
	})
}

func TestValuesThatLookSealedAreRefused(t *testing.T) {
	inTime(t, func(t *testing.T) {
		raw := func(c *webhook.Config, _ *webhooktest.Transport) {
			c.Profiles = map[string]webhook.Profile{"raw": {Signers: []webhook.Signer{webhook.HMAC{Header: "X-S"}.Sign}}}
			c.Profile = "raw"
		}
		r := newRig(t, raw)
		e := webhook.Endpoint{URL: "https://a.example", Events: []string{"*"}, Secret: "sealed:k1:AAAA"}
		_, err := r.Tenant(acme).CreateEndpoint(t.Context(), e)
		var field *webhook.FieldError
		require.ErrorAs(t, err, &field)
		assert.Equal(t, "Endpoint.Secret", field.Field)
		e.Secret, e.Header = "", map[string]webhook.Secret{"X-Key": "sealed:"}
		_, err = r.Tenant(acme).CreateEndpoint(t.Context(), e)
		require.ErrorAs(t, err, &field)
		assert.Equal(t, `Endpoint.Header["X-Key"]`, field.Field)
		e.Header, e.URL = nil, "https://a.example/sealed:k1:AAAA"
		_, err = r.Tenant(acme).CreateEndpoint(t.Context(), e)
		require.ErrorAs(t, err, &field)
		assert.Equal(t, "Endpoint.URL", field.Field)
		e.URL = "https://a.example"
		e, err = r.Tenant(acme).CreateEndpoint(t.Context(), e)
		require.NoError(t, err)
		e.URL = "https://a.example/sealed:k1:AAAA"
		_, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.ErrorAs(t, err, &field)
		assert.Equal(t, "Endpoint.URL", field.Field)
	})
}

// badCipher returns text that a column cannot hold, or panics.
type badCipher string

func (c badCipher) Seal(context.Context, []byte, string) (string, error) {
	if c == "panic" {
		panic("c4n4ry")
	}
	return string(c), nil
}

func (c badCipher) Open(context.Context, string, string) ([]byte, error) { panic("c4n4ry") }

func TestACipherThatMisbehavesIsAnErrorThatQuotesNothing(t *testing.T) {
	inTime(t, func(t *testing.T) {
		for _, c := range []badCipher{"panic", "", "c4n4ry with spaces", "c4n4ry\n", badCipher(strings.Repeat("c4n4ry", 200))} {
			r := newRig(t, func(config *webhook.Config, _ *webhooktest.Transport) { config.Cipher = c })
			_, err := r.Tenant(acme).CreateEndpoint(t.Context(), webhook.Endpoint{URL: "https://a.example", Events: []string{"*"}})
			require.Error(t, err)
			assert.NotContains(t, err.Error(), "c4n4ry")
			assert.NotContains(t, err.Error(), "whsec_")
		}
		r := newRig(t, withCipher(key("k1", 1)))
		r.endpoint("ep1")
		r = r.restarted(func(config *webhook.Config, _ *webhooktest.Transport) { config.Cipher = badCipher("panic") })
		_, err := r.Tenant(acme).Test(t.Context(), "ep1")
		require.ErrorContains(t, err, "panic of type string")
		assert.NotContains(t, err.Error(), "c4n4ry")
	})
}

func TestRunWarnsOnceWhenSecretsAreStoredInClear(t *testing.T) {
	// a faultyStore does not declare itself volatile
	durable := func() webhook.Store { return &faultyStore{Store: memstore.New(memstore.Options{})} }
	for name, c := range map[string]struct {
		store webhook.Store
		keys  []webhook.CipherKey
		want  int
	}{
		"durable, in clear": {durable(), nil, 1},
		"durable, sealed":   {durable(), []webhook.CipherKey{key("k1", 1)}, 0},
		"in memory":         {memstore.New(memstore.Options{}), nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				var log lockedBuffer
				config := webhook.Config{Logger: slog.New(slog.NewTextHandler(&log, nil)), Transport: &webhooktest.Transport{}}
				withCipher(c.keys...)(&config, nil)
				d, err := webhook.New(c.store, config)
				require.NoError(t, err)
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() { done <- d.Run(ctx) }()
				pass(time.Minute)
				cancel()
				require.NoError(t, <-done)
				assert.Equal(t, c.want, strings.Count(log.String(), "level=WARN"))
				assert.Equal(t, c.want, strings.Count(log.String(), "set Config.Cipher"))
			})
		})
	}
}
