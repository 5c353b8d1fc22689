package interop

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhooktest"
)

// A shot is a request that a receiver got.
type shot struct {
	header http.Header
	body   []byte
}

func (s shot) clone() shot { return shot{s.header.Clone(), append([]byte(nil), s.body...)} }

// A story is the requests that one receiver gets. It answers the first with 500 and gets it
// again. Another one follows after a rotation of the secret with an overlap.
type story struct {
	old, new             string // the secrets, in the receiver's form
	first, again, rotate shot
}

// A setup has the profile, the endpoint and the event of a story.
type setup struct {
	profile  webhook.Profile
	endpoint webhook.Endpoint // with metadata, and with a secret if the scheme needs a special one
	event    webhook.Event
}

// tell sends the requests of a story over loopback.
func tell(t *testing.T, s setup) story {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	receiver := webhooktest.NewReceiver()
	defer receiver.Close()
	receiver.Answer(webhooktest.Answer{Status: http.StatusInternalServerError})

	s.profile.Retry = webhook.Schedule(0)
	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{
		Profiles: map[string]webhook.Profile{"p": s.profile}, Profile: "p",
		Network:      webhook.Network{AllowHTTP: true, AllowLoopback: true},
		PollInterval: 10 * time.Millisecond,
		Logger:       slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	scope := d.Tenant("acme")
	s.endpoint.URL, s.endpoint.Events = receiver.URL+"/hooks?a=b", []string{"*"}
	created, err := scope.CreateEndpoint(ctx, s.endpoint)
	require.NoError(t, err)
	send := func() []webhooktest.Received {
		s.event.Tenant = "acme"
		_, err := d.Emit(ctx, s.event)
		require.NoError(t, err)
		require.NoError(t, webhooktest.Drain(ctx, d))
		return receiver.Received()
	}

	got := send()
	if len(got) == 1 { // the profile repeats nothing by itself
		_, err := scope.Retry(ctx, webhook.Query{EndpointID: created.ID})
		require.NoError(t, err)
		require.NoError(t, webhooktest.Drain(ctx, d))
		got = receiver.Received()
	}
	require.Len(t, got, 2)
	rotated, err := scope.RotateSecret(ctx, created.ID, time.Hour)
	require.NoError(t, err)
	s.event.ID += "_2"
	got = send()
	require.Len(t, got, 3)
	shots := make([]shot, len(got))
	for i, r := range got {
		shots[i] = shot{r.Header, r.Body}
	}
	return story{string(created.Secret), string(rotated.Secret), shots[0], shots[1], shots[2]}
}
