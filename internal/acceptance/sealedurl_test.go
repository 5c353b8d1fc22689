package acceptance

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/signature"
	"github.com/gowebhook/webhook/webhooktest"
)

// strictly is withCipher with RequireSealed.
func strictly(keys ...webhook.CipherKey) func(*webhook.Config, *webhooktest.Transport) {
	return func(c *webhook.Config, net *webhooktest.Transport) {
		withCipher(keys...)(c, net)
		c.RequireSealed = true
	}
}

// plant changes the row of an endpoint, as anyone with write access to the database can.
func (r *rig) plant(id string, change func(*webhook.Endpoint)) {
	r.t.Helper()
	e := r.row(id)
	change(&e)
	_, err := r.store.UpdateEndpoint(context.Background(), e)
	require.NoError(r.t, err)
}

const hookPath = "/hooks/T0/B0/c4n4ry-capability?token=c4n4ry-query"

func withPath(e *webhook.Endpoint) { e.URL = "https://hooks.example:8443" + hookPath }

func TestTheURLIsStoredSealedButForSchemeHostAndPort(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, withCipher(key("k1", 1)))
		created := r.endpoint("ep1", withPath)
		stored := r.row("ep1").URL
		assert.True(t, strings.HasPrefix(stored, "https://hooks.example:8443/sealed:"), stored)
		assert.NotContains(t, stored, "c4n4ry")
		read, err := r.Tenant(acme).Endpoint(t.Context(), "ep1")
		require.NoError(t, err)
		page, err := r.AllTenants().Endpoints(t.Context(), webhook.Query{})
		require.NoError(t, err)
		updated, err := r.Tenant(acme).UpdateEndpoint(t.Context(), read)
		require.NoError(t, err)
		assert.NotContains(t, r.row("ep1").URL, "c4n4ry")
		rotated, err := r.Tenant(acme).RotateSecret(t.Context(), "ep1", 0)
		require.NoError(t, err)
		for _, e := range []webhook.Endpoint{created, read, page.Items[0], updated, rotated} {
			assert.Equal(t, "https://hooks.example:8443"+hookPath, e.URL)
		}
		sent := r.deliver("evt1")
		require.Len(t, sent, 1)
		assert.Equal(t, created.URL, sent[0].URL)
		assert.Equal(t, created.URL, sent[0].Message.Endpoint.URL)
		_, err = r.Tenant(acme).Test(t.Context(), "ep1")
		require.NoError(t, err)
		sent = r.net.Sent()
		assert.Equal(t, created.URL, sent[1].URL)
		assert.Equal(t, created.URL, sent[1].Message.Endpoint.URL)
	})
}

// An attacker can write to the database but has no key. The attacker cannot have sealed
// values sent to another place.
func TestASealedValueIsSentOnlyToTheOriginItWasSealedFor(t *testing.T) {
	for name, c := range map[string]struct {
		url    func(sealed string) string
		strict bool
	}{
		"a URL in clear":                 {func(string) string { return "https://attacker.example/x" }, false},
		"a URL in clear, to be sealed":   {func(string) string { return "https://attacker.example/x" }, true},
		"no path, to be sealed":          {func(string) string { return "https://attacker.example" }, true},
		"the same host, to be sealed":    {func(string) string { return "https://hooks.example:8443/attacker" }, true},
		"another host before the sealed": {func(s string) string { return strings.Replace(s, "hooks.example", "attacker.example", 1) }, false},
		"another port":                   {func(s string) string { return strings.Replace(s, ":8443", ":8444", 1) }, false},
		"another scheme":                 {func(s string) string { return strings.Replace(s, "https", "http", 1) }, false},
		"userinfo":                       {func(s string) string { return strings.Replace(s, "//", "//a@attacker.example/", 1) }, false},
		"another tag":                    {func(s string) string { return strings.Replace(s, "sealed:", "sealed:x", 1) }, false},
		"no tag":                         {func(s string) string { before, _, _ := strings.Cut(s, "sealed:"); return before + "sealed:" }, false},
		"the mark of values in clear":    {func(s string) string { return "https://hooks.example:8443/sealed:\x00https://attacker.example/" }, false},
		"that mark, to be sealed":        {func(s string) string { return "https://hooks.example:8443/sealed:\x00/x" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				r := newRig(t, func(config *webhook.Config, net *webhooktest.Transport) {
					withCipher(key("k1", 1))(config, net)
					config.RequireSealed, config.Network.AllowHTTP = c.strict, true
				})
				before := r.row(r.endpoint("ep1", withPath, withHeader).ID).URL
				r.plant("ep1", func(e *webhook.Endpoint) { e.URL = c.url(before) })
				assert.Empty(t, r.deliver("evt1"))
				assert.Equal(t, webhook.DeliveryPending, r.delivery("evt1", "ep1").State)
				assert.Empty(t, r.attempts("evt1", "ep1"))
				_, err := r.Tenant(acme).Test(t.Context(), "ep1")
				require.ErrorContains(t, err, "cannot be opened")
				assert.NotContains(t, err.Error(), "attacker")
				assert.Empty(t, r.net.Sent())

				// An update of another field does not help the attacker.
				e, err := r.Tenant(acme).Endpoint(t.Context(), "ep1")
				require.NoError(t, err)
				e.Description = "changed"
				if _, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e); err == nil {
					_, err = r.Tenant(acme).Test(t.Context(), "ep1")
				}
				require.Error(t, err)
				assert.Empty(t, r.net.Sent())

				r.plant("ep1", func(e *webhook.Endpoint) { e.URL = before })
				r.run()
				pass(12 * time.Second)
				require.Len(t, r.net.Sent(), 1)
				assert.Equal(t, "https://hooks.example:8443"+hookPath, r.net.Sent()[0].URL)
			})
		})
	}
}

func TestAPublicKeyIsThatOfTheSealedPrivateKeyWhateverTheRowSays(t *testing.T) {
	inTime(t, func(t *testing.T) {
		for _, reveal := range []bool{false, true} {
			r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
				withEd25519(c, net)
				withCipher(key("k1", 1))(c, net)
				c.RevealSecrets = reveal
			})
			want := r.endpoint("ep1", ed25519Endpoint).Secrets[0].PublicKey
			attackers, err := signature.PublicKey(signature.NewPrivateKey())
			require.NoError(t, err)
			r.plant("ep1", func(e *webhook.Endpoint) {
				e.Secrets = []webhook.EndpointSecret{{Value: e.Secrets[0].Value, CreatedAt: e.Secrets[0].CreatedAt, PublicKey: attackers}}
			})
			read, err := r.Tenant(acme).Endpoint(t.Context(), "ep1")
			require.NoError(t, err)
			assert.Equal(t, want, read.Secrets[0].PublicKey)
			updated, err := r.Tenant(acme).UpdateEndpoint(t.Context(), read)
			require.NoError(t, err)
			assert.Equal(t, want, updated.Secrets[0].PublicKey)
			assert.Equal(t, want, r.row("ep1").Secrets[0].PublicKey, "an update mends the row")

			r.endpoint("ep2", func(e *webhook.Endpoint) { e.Profile = "standard" })
			r.plant("ep2", func(e *webhook.Endpoint) {
				e.Secrets = []webhook.EndpointSecret{{Value: e.Secrets[0].Value, CreatedAt: e.Secrets[0].CreatedAt, PublicKey: attackers}}
			})
			page, err := r.Tenant(acme).Endpoints(t.Context(), webhook.Query{})
			require.NoError(t, err)
			assert.Equal(t, want, page.Items[0].Secrets[0].PublicKey)
			assert.Empty(t, page.Items[1].Secrets[0].PublicKey, "a shared secret has none")
		}
	})
}

// A row with any value in clear is not trusted. Nothing is sent to the endpoint. An update of
// another field does not seal the value.
func TestRequireSealedSendsNothingWithAValueThatIsStoredInClear(t *testing.T) {
	attackers := webhook.Secret(signature.NewSecret())
	keyPair := webhook.Secret(signature.NewPrivateKey())
	public, err := signature.PublicKey(string(keyPair))
	require.NoError(t, err)
	for name, plant := range map[string]func(*webhook.Endpoint){
		"a secret": func(e *webhook.Endpoint) { e.Secrets = []webhook.EndpointSecret{{Value: attackers}} },
		"a key pair": func(e *webhook.Endpoint) {
			e.Secrets = []webhook.EndpointSecret{{Value: keyPair, PublicKey: public}}
		},
		"a header": func(e *webhook.Endpoint) { e.Header = map[string]webhook.Secret{"X-Key": "attacker's"} },
		"the URL":  func(e *webhook.Endpoint) { e.URL = "https://ep1.example/attacker" },
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				var problems atomic.Int64
				r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
					strictly(key("k1", 1))(c, net)
					c.Observer.Error = func(error) { problems.Add(1) }
				})
				r.endpoint("ep1", withHeader)
				r.plant("ep1", plant)
				planted := r.row("ep1")
				assert.Empty(t, r.deliver("evt1"))
				assert.Positive(t, problems.Load())
				assert.Equal(t, webhook.DeliveryPending, r.delivery("evt1", "ep1").State)
				_, err := r.Tenant(acme).Test(t.Context(), "ep1")
				require.ErrorContains(t, err, "RequireSealed")
				for _, secret := range []webhook.Secret{attackers, keyPair} {
					ok, _ := r.Tenant(acme).VerifySecret(t.Context(), "ep1", secret)
					assert.False(t, ok)
				}

				e, err := r.Tenant(acme).Endpoint(t.Context(), "ep1")
				require.NoError(t, err)
				assert.Empty(t, e.Secrets[0].PublicKey)
				assert.NotContains(t, e.URL, "attacker")
				for _, state := range []webhook.EndpointState{webhook.EndpointPaused, webhook.EndpointActive} { // a change of the state stays possible
					e.State = state
					e, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
					require.NoError(t, err)
				}
				if name == "a secret" || name == "a key pair" {
					assert.Equal(t, string(planted.Secrets[0].Value), string(r.row("ep1").Secrets[0].Value))
				}
				_, err = r.Tenant(acme).Test(t.Context(), "ep1")
				require.ErrorContains(t, err, "RequireSealed")

				// Values that are given anew are sealed and sent.
				e.URL, e.Header = "https://ep1.example/hook", map[string]webhook.Secret{"X-Key": "new"}
				_, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
				require.NoError(t, err)
				rotated, err := r.Tenant(acme).RotateSecret(t.Context(), "ep1", 0)
				require.NoError(t, err)
				r.run()
				pass(15 * time.Second)
				sent := r.net.Sent()
				require.Len(t, sent, 1)
				assert.Equal(t, "https://ep1.example/hook", sent[0].URL)
				assert.Equal(t, "new", sent[0].Header.Get("X-Key"))
				require.NoError(t, signedWith(t, sent[0], rotated.Secret))
			})
		})
	}
}

func TestRequireSealedTakesRowsOfBeforeWhenTheyHaveBeenUpdatedOnce(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		secret := r.endpoint("ep1", withHeader).Secret
		assert.Empty(t, r.restarted(strictly(key("k1", 1))).deliver("evt1"))
		migrating := r.restarted(withCipher(key("k1", 1)))
		require.Len(t, migrating.deliver("evt2"), 1, "a row in clear works while the setting is off")
		n, err := sealAgain(t.Context(), migrating.Dispatcher)
		require.NoError(t, err)
		assert.Equal(t, 1, n)
		strict := r.restarted(strictly(key("k1", 1)))
		sent := strict.deliver("evt3")
		require.NotEmpty(t, sent)
		require.NoError(t, signedWith(t, sent[0], secret))
	})
}

func TestRequireSealedNeedsACipher(t *testing.T) {
	_, err := webhook.New(newRig(t, nil).store, webhook.Config{RequireSealed: true})
	var field *webhook.FieldError
	require.ErrorAs(t, err, &field)
	assert.Equal(t, "Config.RequireSealed", field.Field)
}

func TestAURLThatCannotBeOpenedIsShownWithoutItsPathAndKept(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, withCipher(key("k1", 1)))
		r.endpoint("ep1", withPath)
		want := r.row("ep1").URL
		for _, keys := range [][]webhook.CipherKey{nil, {key("k2", 2)}} {
			other := r.restarted(withCipher(keys...)).Tenant(acme)
			e, err := other.Endpoint(t.Context(), "ep1")
			require.NoError(t, err)
			assert.Equal(t, "https://hooks.example:8443/[redacted]", e.URL)
			for _, state := range []webhook.EndpointState{webhook.EndpointPaused, webhook.EndpointActive} {
				e.State = state
				e, err = other.UpdateEndpoint(t.Context(), e)
				require.NoError(t, err)
				assert.Equal(t, "https://hooks.example:8443/[redacted]", e.URL)
			}
			assert.Equal(t, want, r.row("ep1").URL)
		}
		require.Len(t, r.deliver("evt1"), 1)
	})
}

// sealAgain covers waiting deliveries too. They need the old key only if they were made under
// another URL.
func TestKeysAreChangedWhileDeliveriesOfEarlierVersionsWait(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, withCipher(key("2025", 1)))
		old := r.endpoint("ep1", withPath)
		paused := old
		paused.State = webhook.EndpointPaused
		_, err := r.Tenant(acme).UpdateEndpoint(t.Context(), paused)
		require.NoError(t, err)
		assert.Empty(t, r.deliver("evt1"))
		r = r.restarted(withCipher(key("2026", 2), key("2025", 1)))
		_, err = sealAgain(t.Context(), r.Dispatcher)
		require.NoError(t, err)
		r = r.restarted(withCipher(key("2026", 2)))
		e, err := r.Tenant(acme).Endpoint(t.Context(), "ep1")
		require.NoError(t, err)
		e.State = webhook.EndpointActive
		e, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		r.run()
		pass(2 * time.Second)
		require.Len(t, r.net.Sent(), 1)
		assert.Equal(t, old.URL, r.net.Sent()[0].Message.Endpoint.URL)
		require.NoError(t, r.stop())

		// The body of a delivery is made from the URL at its creation. If the endpoint has
		// moved since, the delivery waits for the key of the old URL.
		e.State = webhook.EndpointPaused
		e, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		assert.Empty(t, r.deliver("evt2"))
		r = r.restarted(withCipher(key("2027", 3), key("2026", 2)))
		e.URL, e.State = "https://hooks.example:8443/other", webhook.EndpointActive
		_, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		r.run()
		pass(2 * time.Second)
		require.Len(t, r.net.Sent(), 1)
		assert.Equal(t, "https://hooks.example:8443/other", r.net.Sent()[0].URL)
		assert.Equal(t, old.URL, r.net.Sent()[0].Message.Endpoint.URL)
	})
}

// A version with a lost key counts as a version that is not kept. If the key service is
// unavailable, deliveries wait for it.
func TestADeliveryWhoseURLIsLostIsMadeWithThePresentOne(t *testing.T) {
	for _, lost := range []bool{true, false} {
		inTime(t, func(t *testing.T) {
			service := &keyService{}
			configure := func(c *webhook.Config, _ *webhooktest.Transport) { c.Cipher = service }
			r := newRig(t, configure)
			e := r.endpoint("ep1", withPath)
			r.emit("evt1")
			e.URL = "https://hooks.example:8443/other"
			e, err := r.Tenant(acme).UpdateEndpoint(t.Context(), e)
			require.NoError(t, err)
			r = r.restarted(configure)
			_, err = r.Tenant(acme).Test(t.Context(), "ep1") // the process now knows the present URL
			require.NoError(t, err)
			if lost {
				r.claimed(func(c *webhook.Claimed) {
					for i := range c.Snapshots {
						c.Snapshots[i].URL = strings.Replace(c.Snapshots[i].URL, "/sealed:", "/sealed:lost", 1)
					}
				})
			}
			service.down.Store(!lost)
			r.run()
			pass(15 * time.Second)
			service.down.Store(false)
			if !lost {
				require.Len(t, r.net.Sent(), 1, "only the test")
			}
			pass(15 * time.Second)
			sent := r.net.Sent()
			require.Len(t, sent, 2)
			assert.Equal(t, e.URL, sent[1].URL)
			if lost {
				assert.Equal(t, e.URL, sent[1].Message.Endpoint.URL)
			} else {
				assert.Equal(t, "https://hooks.example:8443"+hookPath, sent[1].Message.Endpoint.URL)
			}
		})
	}
}

// claimed changes the results of claims.
func (r *rig) claimed(change func(*webhook.Claimed)) {
	r.store.claim = func(ctx context.Context, req webhook.ClaimRequest) (webhook.Claimed, error) {
		c, err := r.store.Store.Claim(ctx, req)
		change(&c)
		return c, err
	}
}

// VerifySecret does the same work if the endpoint does not exist. The number of headers does
// not change the work either.
func TestVerifySecretOpensOneSecretWhetherOrNotThereIsAnEndpoint(t *testing.T) {
	inTime(t, func(t *testing.T) {
		service := &keyService{}
		configure := func(c *webhook.Config, _ *webhooktest.Transport) { c.Cipher = service }
		r := newRig(t, configure)
		secret := r.endpoint("ep1", withPath, withHeader).Secret
		r = r.restarted(configure)
		for _, id := range []string{"ep1", "ep2", "ep1", "ep2"} {
			before := service.opened.Load()
			ok, err := r.Tenant(acme).VerifySecret(t.Context(), id, secret)
			require.NoError(t, err)
			assert.Equal(t, id == "ep1", ok)
			assert.EqualValues(t, 1, service.opened.Load()-before, id)
		}
	})
}

func TestASecretThatHasExpiredIsNeitherListedNorKeptByTheNextUpdate(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.endpoint("ep1")
		_, err := r.Tenant(acme).RotateSecret(t.Context(), "ep1", time.Hour)
		require.NoError(t, err)
		pass(time.Hour)
		e, err := r.Tenant(acme).Endpoint(t.Context(), "ep1")
		require.NoError(t, err)
		assert.Len(t, e.Secrets, 1)
		page, err := r.Tenant(acme).Endpoints(t.Context(), webhook.Query{})
		require.NoError(t, err)
		assert.Len(t, page.Items[0].Secrets, 1)
		require.Len(t, r.row("ep1").Secrets, 2)
		e, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
		assert.Len(t, e.Secrets, 1)
		assert.Len(t, r.row("ep1").Secrets, 1)
	})
}
