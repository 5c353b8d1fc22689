package webhooktest

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/signature"
)

// maxBody bounds the bytes that a Receiver reads of a request.
const maxBody = 32 << 20

// A Receiver is a customer's server on a loopback address. It is safe for concurrent use.
type Receiver struct {
	URL    string         // for Endpoint.URL
	Secret webhook.Secret // for Endpoint.Secret; requests are verified with it

	server *httptest.Server
	closed chan struct{}

	mu       sync.Mutex
	received []Received
	answers  []Answer
	answer   func(Received) Answer
	arrived  chan struct{} // closed at the next arrival
}

// Received is a request that arrived.
type Received struct {
	ID      string    // the webhook-id: the event's id
	Time    time.Time // the webhook-timestamp: the attempt's
	Header  http.Header
	Body    []byte
	Arrived time.Time
	Err     error // the reason why its Standard Webhooks signature is invalid; nil if it is valid
}

// An Answer is a Receiver's response to a request.
type Answer struct {
	Status int // 0 means 204
	Header http.Header
	Body   string

	// Wait is the time before the answer. Negative means no answer: the request waits until the
	// sender hangs up, or Close.
	Wait time.Duration
}

// NewReceiver starts a Receiver with a new secret. It answers 204 to every request. Close it.
func NewReceiver() *Receiver {
	r := &Receiver{Secret: webhook.Secret(signature.NewSecret()), closed: make(chan struct{}), arrived: make(chan struct{})}
	r.server = httptest.NewServer(http.HandlerFunc(r.serve))
	r.URL = r.server.URL
	return r
}

// Close stops the server, and ends the requests that wait.
func (r *Receiver) Close() {
	close(r.closed)
	r.server.CloseClientConnections()
	r.server.Close()
}

// Answer sets the answers to the next requests, one each, in place of earlier ones. When they
// are used up, the answers come from AnswerFunc, or are 204.
func (r *Receiver) Answer(next ...Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers = slices.Clone(next)
}

// AnswerFunc sets the function that answers requests when the answers of Answer are used up. It
// may be called concurrently.
func (r *Receiver) AnswerFunc(answer func(Received) Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// Received returns the requests so far, in the order of arrival.
func (r *Receiver) Received() []Received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.received)
}

// Wait waits until at least n requests have arrived and returns all requests so far. If ctx
// ends first, it returns the requests so far and an error.
func (r *Receiver) Wait(ctx context.Context, n int) ([]Received, error) {
	for {
		r.mu.Lock()
		received, arrived := slices.Clone(r.received), r.arrived
		r.mu.Unlock()
		if len(received) >= n {
			return received, nil
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return received, fmt.Errorf("webhooktest: %d of %d requests have arrived: %w", len(received), n, ctx.Err())
		}
	}
}

func (r *Receiver) serve(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	now := time.Now()
	got := Received{ID: req.Header.Get(signature.HeaderID), Header: req.Header, Body: body, Arrived: now, Err: err}
	timestamp := req.Header.Get(signature.HeaderTimestamp)
	if seconds, err := strconv.ParseInt(timestamp, 10, 64); err == nil {
		got.Time = time.Unix(seconds, 0)
	}
	if err == nil {
		got.Err = signature.VerifyStandard(string(r.Secret), got.ID, timestamp, req.Header.Get(signature.HeaderSignature), body, now)
	}
	answer := r.record(got)
	if answer.Wait != 0 && !r.wait(req.Context(), answer.Wait) {
		return
	}
	maps.Copy(w.Header(), answer.Header)
	if answer.Status == 0 {
		answer.Status = http.StatusNoContent
	}
	w.WriteHeader(answer.Status)
	_, _ = io.WriteString(w, answer.Body) // the sender may be gone
}

// record keeps a request and returns its answer.
func (r *Receiver) record(got Received) Answer {
	r.mu.Lock()
	r.received = append(r.received, got)
	close(r.arrived)
	r.arrived = make(chan struct{})
	answer := r.answer
	var next *Answer
	if len(r.answers) > 0 {
		next = &r.answers[0]
		r.answers = r.answers[1:]
	}
	r.mu.Unlock()
	switch {
	case next != nil:
		return *next
	case answer != nil:
		return answer(got)
	default:
		return Answer{}
	}
}

// wait waits for d and returns true, or returns false if the request must not be answered.
func (r *Receiver) wait(ctx context.Context, d time.Duration) bool {
	var over <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
		return true
	case <-r.closed:
		return false
	case <-ctx.Done():
		return false
	}
}
