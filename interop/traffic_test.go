package interop

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

// A traffic is many endpoints of one receiver that get requests at random times. Each
// endpoint has one request at a time.
type traffic struct {
	url       string // without a path
	tls       *tls.Config
	endpoints int
	requests  int // of each endpoint
	gaps      gaps
	seed      uint64

	// retries lets a request be made again, at once. Otherwise a failure is final.
	retries bool
}

// An outcome says how the requests of a traffic ended.
type outcome struct {
	attempts    map[string]int      // by status, class and error, without those in late
	late        map[string]int      // attempts that failed while something stood still
	resets      int                 // attempts of class reset
	deliveries  int                 // that succeeded
	requests    map[string]int      // that were answered, by the path
	connections map[string]sighting // by the receiver's number for it
	shared      []string            // connections of more than one endpoint
	resumed     int                 // connections whose TLS session was resumed
}

// A sighting is the endpoint of a connection.
type sighting struct{ endpoint, path string }

// connectionsOf returns how many connections served a path.
func (o outcome) connectionsOf(path string) (n int) {
	for _, s := range o.connections {
		if s.path == path {
			n++
		}
	}
	return n
}

// send makes the requests.
func (tr traffic) send(t *testing.T) outcome {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	retry := webhook.Schedule()
	if tr.retries {
		retry = webhook.Schedule(0, 0, 0, 0)
	}
	out := outcome{
		attempts: make(map[string]int), late: make(map[string]int),
		requests: make(map[string]int), connections: make(map[string]sighting),
	}
	paths, answered := make(map[string]string), make(map[string]chan bool)
	took := make(map[string]time.Duration) // the latest attempt
	for i := range tr.endpoints {
		id := fmt.Sprint("endpoint-", i)
		paths[id], answered[id] = pathOf(i), make(chan bool, 1)
	}
	var mu sync.Mutex
	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{
		Network: webhook.Network{AllowHTTP: true, AllowLoopback: true, TLS: tr.tls},
		Profile: "p", Profiles: map[string]webhook.Profile{"p": {Retry: retry}},
		MaxEndpoints: -1, Logger: slog.New(slog.DiscardHandler),
		Observer: webhook.Observer{Attempt: func(a webhook.Attempt, verdict webhook.Verdict) {
			mu.Lock()
			out.see(a, took[a.EndpointID], paths[a.EndpointID])
			took[a.EndpointID] = a.Duration
			mu.Unlock()
			if verdict != webhook.VerdictRetry || a.NextAt.IsZero() {
				answered[a.EndpointID] <- a.Class == ""
			}
		}},
	})
	require.NoError(t, err)
	for id, path := range paths {
		_, err := d.Tenant("acme").CreateEndpoint(ctx, webhook.Endpoint{ID: id, URL: tr.url + path, Events: []string{id}})
		require.NoError(t, err)
	}
	ran := make(chan error, 1)
	go func() { ran <- d.Run(ctx) }()
	var senders sync.WaitGroup
	for i := range tr.endpoints {
		senders.Go(func() {
			id, random := fmt.Sprint("endpoint-", i), rand.New(rand.NewPCG(tr.seed, uint64(i)))
			for range tr.requests {
				if _, err := d.Emit(ctx, webhook.Event{Tenant: "acme", Type: id, Data: 1}); err != nil {
					return
				}
				if <-answered[id] {
					mu.Lock()
					out.deliveries++
					mu.Unlock()
				}
				time.Sleep(tr.gaps.next(random)) //nolint:forbidigo // the random time is what is tested
			}
		})
	}
	senders.Wait()
	stop()
	require.NoError(t, <-ran)
	return out
}

// margin is the time before the end of a connection from which the sender leaves it alone,
// less a little for clocks that round. If the sender or the receiver gets no CPU for so
// long, nothing can keep a request from meeting the end of its connection.
const margin = time.Second - 20*time.Millisecond

// see records an attempt, and how long the one before took, since which the receiver
// counts.
func (o *outcome) see(a webhook.Attempt, before time.Duration, path string) {
	what := fmt.Sprintf("%d %s %s", a.Status, a.Class, a.Error)
	if a.Class != "" && before+a.Duration >= margin {
		o.late[what]++
	} else {
		o.attempts[what]++
	}
	if a.Class == webhook.ClassReset {
		o.resets++
	}
	if a.Class != "" {
		return
	}
	o.requests[path]++
	number, resumed := connectionOf(a.ResponseBody)
	seen, known := o.connections[number]
	switch {
	case !known && resumed:
		o.resumed++
	case known && seen.endpoint != a.EndpointID:
		o.shared = append(o.shared, number)
	}
	o.connections[number] = sighting{a.EndpointID, path}
}

// gaps are times between a response and the next request: near one of these, or so short
// that the connection is still there.
type gaps []time.Duration

// nearby is how far a gap is from one of the times. The moment in which a request meets the
// end of its connection is shorter than a millisecond.
const nearby = 4 * time.Millisecond

func (g gaps) next(random *rand.Rand) time.Duration {
	which := random.IntN(len(g) + 1)
	if which == len(g) {
		return time.Duration(random.Int64N(int64(100 * time.Millisecond)))
	}
	return max(g[which]-nearby+time.Duration(random.Int64N(int64(2*nearby))), 0)
}
