package drivertest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A deliveryOf is an event owed to an endpoint.
type deliveryOf struct{ event, endpoint string }

// A received is a request that arrived.
type received struct {
	deliveryOf
	worker  string
	started int64 // by the sender's store time, in microseconds
	nth     int   // of its delivery, from 1, in the order of arrival
	arrived time.Time
	body    [sha256.Size]byte
	status  int // 0 until it is answered, and for ever if the sender hung up before
}

func (r *received) succeeded() bool { return r.status == http.StatusOK }

// A ledger is a customer's server that keeps a record of the requests.
type ledger struct {
	url string

	mu     sync.Mutex
	answer func(ctx context.Context, r received) int // the status, or 0 when ctx ends; nil is 200
	all    []*received
	of     map[deliveryOf]int // how many arrived
	done   map[deliveryOf]int // how many succeeded
}

func newLedger(t *testing.T) *ledger {
	t.Helper()
	l := &ledger{of: make(map[deliveryOf]int), done: make(map[deliveryOf]int)}
	server := httptest.NewServer(l)
	l.url = server.URL
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return l
}

// setAnswer says how requests are answered from now on.
func (l *ledger) setAnswer(answer func(ctx context.Context, r received) int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer = answer
}

// flaky fails a part of the requests at random.
func flaky(seed int64, percent uint32) func(context.Context, received) int {
	return func(_ context.Context, r received) int {
		h := fnv.New32a()
		fmt.Fprint(h, seed, r.deliveryOf, r.nth)
		if h.Sum32()%100 < percent {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	}
}

func (l *ledger) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	started, wrong := strconv.ParseInt(request.Header.Get(startedHeader), 10, 64)
	if err != nil || wrong != nil {
		return // the sender was killed while it sent
	}
	r := &received{
		deliveryOf: deliveryOf{request.Header.Get("webhook-id"), strings.TrimPrefix(request.URL.Path, "/")},
		worker:     request.Header.Get(workerHeader), started: started,
		arrived: time.Now(), body: sha256.Sum256(body),
	}
	answer := l.enter(r)
	status := http.StatusOK
	if answer != nil {
		status = answer(request.Context(), *r)
	}
	if status == 0 {
		panic(http.ErrAbortHandler)
	}
	l.mu.Lock()
	r.status = status
	if r.succeeded() {
		l.done[r.deliveryOf]++
	}
	l.mu.Unlock()
	w.WriteHeader(status)
}

func (l *ledger) enter(r *received) func(context.Context, received) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of[r.deliveryOf]++
	r.nth = l.of[r.deliveryOf]
	l.all = append(l.all, r)
	return l.answer
}

// requests returns copies of all that arrived, in the order of arrival.
func (l *ledger) requests() []received {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]received, len(l.all))
	for i, r := range l.all {
		list[i] = *r
	}
	return list
}

// count returns how many requests are as wanted.
func (l *ledger) count(wanted func(r received) bool) (n int) {
	for _, r := range l.requests() {
		if wanted(r) {
			n++
		}
	}
	return n
}

// have reports whether all the events have arrived at all the endpoints.
func (l *ledger) have(events, endpoints []string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !slices.ContainsFunc(events, func(event string) bool {
		return slices.ContainsFunc(endpoints, func(endpoint string) bool { return l.done[deliveryOf{event, endpoint}] == 0 })
	})
}

// succeeded returns how many deliveries have arrived.
func (l *ledger) succeeded() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.done)
}
