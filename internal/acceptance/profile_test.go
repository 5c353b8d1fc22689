package acceptance

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/webhooktest"
)

func TestFailuresAreRetriedWhenTheProfileSaysAndThenGivenUp(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			scheduled(c)
			net.Answer = answer(500)
		})
		r.run()
		r.endpoint("one")
		r.emit("evt")
		synctest.Wait()
		d := r.delivery("evt", "one")
		assert.Equal(t, webhook.DeliveryPending, d.State)
		assert.Equal(t, 10*time.Second, time.Until(d.DueAt))
		pass(time.Hour)
		d = r.delivery("evt", "one")
		assert.Equal(t, webhook.DeliveryFailed, d.State)
		assert.Equal(t, webhook.ReasonExhausted, d.Reason)
		log := r.attempts("evt", "one")
		require.Len(t, log, 4)
		for i, wait := range []time.Duration{10 * time.Second, 100 * time.Second, 1000 * time.Second} {
			assert.Equal(t, i+1, log[i].Number)
			assert.Equal(t, webhook.ClassStatus, log[i].Class)
			assert.Equal(t, 500, log[i].Status)
			assert.Equal(t, wait, log[i].NextAt.Sub(log[i].StartedAt))
			assert.False(t, log[i+1].StartedAt.Before(log[i].NextAt), "never early")
			assert.Less(t, log[i+1].StartedAt.Sub(log[i].NextAt), 10*time.Millisecond, "nor late")
		}
		assert.True(t, log[3].NextAt.IsZero())
	})
}

func TestAnUnknownProfileReleasesTheDeliveryForAProcessThatKnowsIt(t *testing.T) {
	inTime(t, func(t *testing.T) {
		errs := make(chan error, 100)
		r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) {
			c.Observer.Error = func(err error) { errs <- err }
		})
		newer, err := webhook.New(r.store, webhook.Config{
			Transport: r.net, Logger: quiet, Profiles: map[string]webhook.Profile{"new": {}}, Profile: "new",
		})
		require.NoError(t, err)
		_, err = newer.Tenant(acme).CreateEndpoint(t.Context(), webhook.Endpoint{ID: "one", URL: "https://one.example", Events: []string{"*"}})
		require.NoError(t, err)
		r.run()
		r.emit("evt")
		pass(time.Second)
		require.ErrorContains(t, <-errs, "profile=new")
		d := r.delivery("evt", "one")
		assert.Equal(t, webhook.DeliveryPending, d.State)
		assert.Zero(t, d.Attempts)
		assert.False(t, d.InFlight)
		require.NoError(t, r.stop())
		pass(10 * time.Second)
		require.NoError(t, webhooktest.Drain(t.Context(), newer))
		assert.Equal(t, webhook.DeliverySucceeded, r.delivery("evt", "one").State)
	})
}

func TestAProfileDecidesEncodingHeadersSignaturesAndVerdicts(t *testing.T) {
	inTime(t, func(t *testing.T) {
		custom := webhook.Profile{
			Encode: func(m *webhook.Message) ([]byte, error) {
				return append([]byte(m.DeliveryID+" "+m.Endpoint.Metadata["plan"]+" "), m.Event.Data.(json.RawMessage)...), nil
			},
			Header: func(r *webhook.Request) error { r.Header.Set("User-Agent", "Acme/1"); return nil },
			Signers: []webhook.Signer{
				webhook.SignStandard,
				func(r *webhook.Request, secrets []webhook.Secret) error {
					r.Header.Set("X-Keys", http.StatusText(200+len(secrets)))
					return nil
				},
			},
			Keys: func(_ context.Context, e *webhook.Endpoint) ([]webhook.Secret, error) {
				return []webhook.Secret{newSecret(), newSecret()}, nil
			},
			Judge: func(o webhook.Outcome) webhook.Verdict {
				if o.Response != nil && o.Response.StatusCode == http.StatusFound {
					return webhook.VerdictSuccess
				}
				return webhook.VerdictFail
			},
		}
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			c.Profiles, c.Profile = map[string]webhook.Profile{"custom": custom}, "custom"
			net.Answer = func(_ context.Context, req *webhook.Request) (*webhook.Response, error) {
				if req.Event.ID == "moved" {
					return response(302), nil
				}
				return response(200), nil
			}
		})
		r.run()
		r.endpoint("one", func(e *webhook.Endpoint) {
			e.Metadata = map[string]string{"plan": "gold"}
			e.Header = map[string]webhook.Secret{"authorization": "Bearer t"}
		})
		r.emit("moved")
		synctest.Wait()
		r.emit("refused")
		synctest.Wait()
		sent := r.net.Sent()
		require.Len(t, sent, 2)
		assert.Equal(t, `moved.one gold {"n":1}`, string(sent[0].Body))
		assert.Equal(t, "Acme/1", sent[0].Header.Get("User-Agent"))
		assert.Equal(t, "Bearer t", sent[0].Header.Get("Authorization"))
		assert.Equal(t, "Accepted", sent[0].Header.Get("X-Keys"))
		assert.NotEmpty(t, sent[0].Header.Get("Webhook-Signature"))
		assert.Equal(t, webhook.DeliverySucceeded, r.delivery("moved", "one").State)
		refused := r.delivery("refused", "one")
		assert.Equal(t, webhook.DeliveryFailed, refused.State)
		assert.Equal(t, webhook.ReasonRejected, refused.Reason)
	})
}

func TestAProfileRefusesEndpointsAtCreationAndAtEachUpdate(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) {
			c.Profiles = map[string]webhook.Profile{
				"regional": {Check: func(e *webhook.Endpoint) error {
					if region := e.Metadata["region"]; region == "panic" {
						panic("c4n4ry")
					} else if region != "eu" {
						return &webhook.FieldError{Field: `Endpoint.Metadata["region"]`, Problem: "is unknown", Cure: "use eu"}
					}
					e.URL = "https://changed.example" // the hook must not change the endpoint, and cannot
					return nil
				}},
			}
			c.Profile = "regional"
		})
		region := func(name string) map[string]string { return map[string]string{"region": name} }
		e := webhook.Endpoint{URL: "https://a.example", Events: []string{"*"}, ID: "given", Secret: newSecret()}
		_, err := r.Tenant(acme).CreateEndpoint(t.Context(), e)
		var field *webhook.FieldError
		require.ErrorAs(t, err, &field)
		assert.Equal(t, `Endpoint.Metadata["region"]`, field.Field)
		e.Metadata = region("eu")
		e, err = r.Tenant(acme).CreateEndpoint(t.Context(), e)
		require.NoError(t, err)
		assert.Equal(t, "https://a.example", e.URL)
		for name, want := range map[string]string{"us": "is unknown", "panic": "panic of type string"} {
			e.Metadata = region(name)
			_, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
			require.ErrorContains(t, err, want)
			assert.NotContains(t, err.Error(), "c4n4ry")
		}
		e.Metadata, e.Profile = nil, "standard"
		_, err = r.Tenant(acme).UpdateEndpoint(t.Context(), e)
		require.NoError(t, err)
	})
}

func TestAProfileThatFailsOrPanicsFailsTheAttemptAndNotTheProcess(t *testing.T) {
	panics := func(*webhook.Message) ([]byte, error) { panic("secret detail") }
	fails := func(*webhook.Message) ([]byte, error) { return nil, errors.New("no template") }
	for name, encode := range map[string]func(*webhook.Message) ([]byte, error){"panics": panics, "fails": fails} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T) {
				r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) {
					c.Profiles, c.Profile = map[string]webhook.Profile{"p": {Encode: encode}}, "p"
				})
				r.run()
				r.endpoint("one")
				r.emit("evt")
				synctest.Wait()
				log := r.attempts("evt", "one")
				require.Len(t, log, 1)
				assert.Equal(t, webhook.ClassLocal, log[0].Class)
				assert.NotContains(t, log[0].Error, "secret detail")
				assert.Equal(t, webhook.DeliveryPending, r.delivery("evt", "one").State)
				assert.Empty(t, r.net.Sent())
			})
		})
	}
}

func TestKeysThatCannotBeHadDelayADeliveryWithoutAnAttempt(t *testing.T) {
	inTime(t, func(t *testing.T) {
		var away atomic.Bool
		away.Store(true)
		r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) {
			c.Profiles = map[string]webhook.Profile{"p": {Keys: func(context.Context, *webhook.Endpoint) ([]webhook.Secret, error) {
				if away.Load() {
					return nil, errors.New("the vault is sealed")
				}
				return []webhook.Secret{newSecret()}, nil
			}}}
			c.Profile = "p"
		})
		r.run()
		r.endpoint("one")
		r.emit("evt")
		pass(9 * time.Second)
		assert.Zero(t, r.delivery("evt", "one").Attempts)
		away.Store(false)
		pass(2 * time.Second)
		assert.Equal(t, webhook.DeliverySucceeded, r.delivery("evt", "one").State)
	})
}

// Receivers compare the timestamp with their own clock.
func TestTheTimeOfAnAttemptIsThatOfItsRequestHoweverLongTheKeysTook(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) {
			c.Profiles, c.Profile = map[string]webhook.Profile{"p": {Keys: func(context.Context, *webhook.Endpoint) ([]webhook.Secret, error) {
				pass(7 * time.Second)
				return []webhook.Secret{newSecret()}, nil
			}}}, "p"
		})
		r.run()
		r.endpoint("one")
		emitted := time.Now()
		r.emit("evt")
		pass(10 * time.Second)
		sent := r.net.Sent()
		require.Len(t, sent, 1)
		assert.GreaterOrEqual(t, sent[0].Time.Sub(emitted), 7*time.Second)
		assert.Equal(t, sent[0].Time, r.attempts("evt", "one")[0].StartedAt)
	})
}

func TestEveryRequestHasTheEventsIDUnlessItsProfileRemovesIt(t *testing.T) {
	inTime(t, func(t *testing.T) {
		own := []webhook.Signer{webhook.HMAC{Header: "X-Acme-Signature"}.Sign}
		r := newRig(t, func(c *webhook.Config, _ *webhooktest.Transport) {
			c.Profiles = map[string]webhook.Profile{
				"own": {Signers: own},
				"without": {Signers: own, Header: func(req *webhook.Request) error {
					req.Header.Del("Webhook-Id")
					return nil
				}},
			}
		})
		r.run()
		for _, profile := range []string{"standard", "own", "without"} {
			r.endpoint(profile, func(e *webhook.Endpoint) { e.Profile = profile })
		}
		r.emit("evt")
		synctest.Wait()
		ids := map[string]string{}
		for _, req := range r.net.Sent() {
			ids[req.Endpoint.ID] = req.Header.Get("Webhook-Id")
		}
		assert.Equal(t, map[string]string{"standard": "evt", "own": "evt", "without": ""}, ids)
	})
}

func TestADeliveryOlderThanMaxAgeIsGivenUpAfterItsNextFailure(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			c.Profiles = map[string]webhook.Profile{"p": {
				Retry:  func(webhook.Outcome, float64) (time.Duration, bool) { return time.Hour, true },
				MaxAge: 150 * time.Minute,
			}}
			c.Profile = "p"
			net.Answer = answer(500)
		})
		r.run()
		r.endpoint("one")
		r.emit("evt")
		pass(5 * time.Hour)
		d := r.delivery("evt", "one")
		assert.Equal(t, webhook.ReasonExpired, d.Reason)
		assert.Equal(t, 4, d.Attempts, "at 0, 60, 120 and 180 minutes")

		err := r.Tenant(acme).RetryDelivery(t.Context(), "evt", "one")
		require.NoError(t, err)
		pass(time.Minute)
		d = r.delivery("evt", "one")
		assert.Equal(t, webhook.DeliveryPending, d.State, "its age counts anew")
		assert.Equal(t, 5, d.Attempts, "and its attempts go on")
		assert.Equal(t, 1, d.Failures)
	})
}

func TestTransientErrorsOfATransportHaveTheirClass(t *testing.T) {
	inTime(t, func(t *testing.T) {
		r := newRig(t, func(c *webhook.Config, net *webhooktest.Transport) {
			c.Health = noCircuits
			net.Answer = func(ctx context.Context, req *webhook.Request) (*webhook.Response, error) {
				switch req.Event.ID {
				case "named":
					return nil, webhook.ClassTLS
				case "nothing":
					return nil, nil
				case "late":
					<-ctx.Done()
					return nil, errors.New("whatever")
				default:
					return nil, errors.New("whatever")
				}
			}
		})
		r.run()
		r.endpoint("one")
		for id, class := range map[string]webhook.Class{
			"named": webhook.ClassTLS, "nothing": webhook.ClassProtocol, "other": webhook.ClassProtocol, "late": webhook.ClassTimeout,
		} {
			r.emit(id)
			pass(20 * time.Second)
			log := r.attempts(id, "one")
			require.NotEmpty(t, log)
			assert.Equal(t, class, log[0].Class, id)
		}
	})
}
