package receive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// accept is a Verifier that trusts everybody and takes the id from a header.
func accept(r *http.Request, body []byte) (Event, error) {
	return Event{ID: r.Header.Get("Id"), Body: body, Header: r.Header}, nil
}

// A bench is a Handler with a record of its calls.
type bench struct {
	*Handler

	events  []Event
	results []Result
}

// newBench makes a Handler of c. Missing functions accept and keep everything.
func newBench(t *testing.T, c Config) *bench {
	t.Helper()
	b := new(bench)
	if c.Verify == nil {
		c.Verify = accept
	}
	handle := c.Handle
	c.Handle = func(ctx context.Context, event Event) error {
		b.events = append(b.events, event)
		if handle == nil {
			return nil
		}
		return handle(ctx, event)
	}
	if c.Observe == nil {
		c.Observe = func(_ context.Context, result Result) { b.results = append(b.results, result) }
	}
	var err error
	b.Handler, err = NewHandler(c)
	require.NoError(t, err)
	return b
}

func (b *bench) post(id, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Id", id)
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w
}

func (b *bench) last() Result { return b.results[len(b.results)-1] }

func TestAVerifiedEventIsHandledAndAcknowledged(t *testing.T) {
	v := one(t, "standard")
	b := newBench(t, Config{Verify: v.verifier(t, 0)})
	r := v.request(t)
	r.Body = io.NopCloser(strings.NewReader(v.Body))
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	assert.Equal(t, http.StatusNoContent, w.Code)
	assert.Empty(t, w.Body)
	require.Len(t, b.events, 1)
	assert.Equal(t, Event{ID: v.ID, Time: time.Unix(v.Now, 0).UTC(), Body: []byte(v.Body), Header: r.Header}, b.events[0])
	assert.Equal(t, []Result{{Status: http.StatusNoContent, EventID: v.ID}}, b.results)
}

func TestARequestThatIsNotVerifiedLearnsNothing(t *testing.T) {
	var answers []string
	for _, err := range []error{ErrMissingHeader, ErrMalformed, ErrTooOld, ErrTooNew, ErrNoMatch, errors.New("own")} {
		b := newBench(t, Config{
			Verify: func(*http.Request, []byte) (Event, error) { return Event{ID: "id"}, fmt.Errorf("%w: detail", err) },
			Dedupe: refuseAll{errors.New("never asked")},
		})
		w := b.post("id", "body")
		assert.Equal(t, http.StatusUnauthorized, w.Code)
		answers = append(answers, fmt.Sprint(w.Header(), w.Body))
		assert.Empty(t, b.events)
		assert.ErrorIs(t, b.last().Err, err)
		assert.Equal(t, http.StatusUnauthorized, b.last().Status)
		assert.Empty(t, b.last().EventID)
	}
	for _, answer := range answers {
		assert.Equal(t, answers[0], answer)
		assert.NotContains(t, answer, "detail")
	}
}

func TestOnlyPostIsTaken(t *testing.T) {
	b := newBench(t, Config{})
	for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "post", ""} {
		r := httptest.NewRequest(http.MethodPost, "/", http.NoBody)
		r.Method = method
		w := httptest.NewRecorder()
		b.ServeHTTP(w, r)
		assert.Equal(t, http.StatusMethodNotAllowed, w.Code, method)
		assert.Equal(t, "POST", w.Header().Get("Allow"), method)
	}
	assert.Empty(t, b.events)
}

func TestABodyThatIsTooLongIsRefusedBeforeItIsVerified(t *testing.T) {
	for _, tt := range []struct {
		limit, size int64
		want        int
	}{
		{0, defaultMaxBody, http.StatusNoContent},
		{0, defaultMaxBody + 1, http.StatusRequestEntityTooLarge},
		{10, 10, http.StatusNoContent},
		{10, 11, http.StatusRequestEntityTooLarge},
		{10, 1 << 40, http.StatusRequestEntityTooLarge},
	} {
		for _, declared := range []bool{true, false} {
			b := newBench(t, Config{MaxBody: tt.limit})
			source := &endless{left: tt.size}
			r := httptest.NewRequest(http.MethodPost, "/", source)
			r.ContentLength = -1
			if declared {
				r.ContentLength = tt.size
			}
			w := httptest.NewRecorder()
			b.ServeHTTP(w, r)
			assert.Equal(t, tt.want, w.Code, "%d of %d bytes, declared: %v", tt.size, tt.limit, declared)
			if tt.want != http.StatusNoContent {
				assert.Empty(t, b.events)
				assert.ErrorAs(t, b.last().Err, new(*http.MaxBytesError))
				if declared {
					assert.Zero(t, source.read, "nothing is read of it")
				}
				assert.LessOrEqual(t, source.read, max(tt.limit, defaultMaxBody)+1)
			}
		}
	}
}

// endless is a body of so many bytes.
type endless struct{ left, read int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), e.left)
	e.left -= n
	e.read += n
	return int(n), nil
}

func TestABodyThatBreaksOffIsNotVerified(t *testing.T) {
	b := newBench(t, Config{})
	r := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(strings.NewReader("half"), iotest.ErrReader(io.ErrUnexpectedEOF)))
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	assert.Equal(t, http.StatusBadRequest, w.Code)
	assert.Empty(t, b.events)
	assert.ErrorIs(t, b.last().Err, io.ErrUnexpectedEOF)
}

func TestWhatHandleReturnsDecidesTheAnswer(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		again  int // the answer to a repeat
	}{
		{nil, http.StatusNoContent, http.StatusNoContent},
		{errors.New("database is down"), http.StatusInternalServerError, http.StatusInternalServerError},
		{context.Canceled, http.StatusInternalServerError, http.StatusInternalServerError},
		{fmt.Errorf("%w: unknown type", ErrDrop), http.StatusNoContent, http.StatusNoContent},
		{fmt.Errorf("%w: customer left", ErrGone), http.StatusGone, http.StatusGone},
	} {
		calls := 0
		b := newBench(t, Config{Dedupe: &Memory{}, Handle: func(context.Context, Event) error {
			calls++
			return tt.err
		}})
		w := b.post("id", "body")
		assert.Equal(t, tt.status, w.Code, tt.err)
		assert.Equal(t, Result{Status: tt.status, EventID: "id", Err: tt.err}, b.last())
		if tt.err != nil {
			assert.NotContains(t, w.Body.String(), tt.err.Error())
		}
		assert.Equal(t, tt.again, b.post("id", "body").Code, tt.err)
		if tt.status == http.StatusNoContent {
			assert.Equal(t, 1, calls, "%v: it is not handled again", tt.err)
			assert.Equal(t, Result{Status: http.StatusNoContent, EventID: "id", Err: ErrDuplicate}, b.last())
		} else {
			assert.Equal(t, 2, calls, "%v: it is handled again", tt.err)
		}
	}
}

func TestAnEventIsNotAcknowledgedWhileItIsHandled(t *testing.T) {
	for _, outcome := range []error{nil, errors.New("failed")} {
		synctest.Test(t, func(t *testing.T) {
			proceed := make(chan error)
			calls := 0
			b := newBench(t, Config{Dedupe: &Memory{}, Handle: func(context.Context, Event) error {
				if calls++; calls == 1 {
					return <-proceed
				}
				return nil
			}})
			first := make(chan int)
			go func() { first <- b.post("id", "body").Code }()
			synctest.Wait()

			for range 3 {
				w := b.post("id", "body")
				assert.Equal(t, http.StatusServiceUnavailable, w.Code)
				assert.Equal(t, "5", w.Header().Get("Retry-After"))
				assert.ErrorIs(t, b.last().Err, ErrInProgress)
			}
			assert.Equal(t, http.StatusNoContent, b.post("other", "body").Code, "another event is not held up")

			proceed <- outcome
			if outcome == nil {
				assert.Equal(t, http.StatusNoContent, <-first)
			} else {
				assert.Equal(t, http.StatusInternalServerError, <-first)
			}
			assert.Equal(t, http.StatusNoContent, b.post("id", "body").Code)
			if outcome == nil {
				assert.Equal(t, 2, calls, "one for each event")
			} else {
				assert.Equal(t, 3, calls, "the failed one again")
			}
		})
	}
}

func TestAPanicReleasesTheClaimAndGoesOn(t *testing.T) {
	fail := true
	b := newBench(t, Config{Dedupe: &Memory{}, Handle: func(context.Context, Event) error {
		if fail {
			panic("boom")
		}
		return nil
	}})
	assert.PanicsWithValue(t, "boom", func() { b.post("id", "body") })
	assert.Equal(t, 0, b.last().Status)
	assert.Equal(t, "id", b.last().EventID)
	assert.ErrorContains(t, b.last().Err, "panicked")
	fail = false
	assert.Equal(t, http.StatusNoContent, b.post("id", "body").Code)
	assert.Len(t, b.events, 2)
}

func TestClaimsEndAlsoWhenTheSenderHasHungUp(t *testing.T) {
	ctx, hangUp := context.WithCancel(t.Context())
	d := &recorder{}
	b := newBench(t, Config{Dedupe: d, Handle: func(ctx context.Context, _ Event) error {
		hangUp()
		return ctx.Err()
	}})
	r := httptest.NewRequest(http.MethodPost, "/", http.NoBody).WithContext(ctx)
	r.Header.Set("Id", "id")
	b.ServeHTTP(httptest.NewRecorder(), r)
	assert.Equal(t, []string{"claim id", "release"}, d.calls)
	assert.NoError(t, d.ctxErr)
	assert.True(t, d.bounded, "a claim that cannot end does not hold the request for ever")
}

func TestAnEventThatCannotBeClaimedIsNotHandled(t *testing.T) {
	for _, err := range []error{errors.New("redis is down"), ErrFull, context.Canceled} {
		b := newBench(t, Config{Dedupe: refuseAll{err}})
		w := b.post("id", "body")
		assert.Equal(t, http.StatusServiceUnavailable, w.Code)
		assert.Equal(t, "5", w.Header().Get("Retry-After"))
		assert.ErrorIs(t, b.last().Err, err)
		assert.Empty(t, b.events)
	}
}

// The event is safe, so the sender need not know that a repeat will be handled again.
func TestAnEventIsAcknowledgedThoughItsClaimCouldNotBeCommitted(t *testing.T) {
	failed := errors.New("redis is down")
	d := &recorder{failed: failed}
	b := newBench(t, Config{Dedupe: d})
	assert.Equal(t, http.StatusNoContent, b.post("id", "body").Code)
	assert.Equal(t, []string{"claim id", "commit"}, d.calls)
	assert.ErrorIs(t, b.last().Err, failed)

	own := errors.New("own")
	b = newBench(t, Config{Dedupe: d, Handle: func(context.Context, Event) error { return own }})
	assert.Equal(t, http.StatusInternalServerError, b.post("id", "body").Code)
	assert.ErrorIs(t, b.last().Err, failed)
	assert.ErrorIs(t, b.last().Err, own)
}

func TestIdentifySaysWhatTellsEventsApart(t *testing.T) {
	b := newBench(t, Config{Dedupe: &Memory{}, Identify: func(event Event) string { return string(event.Body) }})
	b.post("1", "a")
	b.post("2", "a")
	b.post("3", "b")
	assert.Len(t, b.events, 2)
	assert.Equal(t, Result{Status: http.StatusNoContent, EventID: "b"}, b.last())
}

func TestEventsWithoutAnIDAreAllHandled(t *testing.T) {
	b := newBench(t, Config{Dedupe: refuseAll{errors.New("never asked")}})
	b.post("", "a")
	b.post("", "a")
	assert.Len(t, b.events, 2)
	b = newBench(t, Config{})
	b.post("id", "a")
	b.post("id", "a")
	assert.Len(t, b.events, 2, "without Dedupe")
}

func TestAConfigThatCannotWorkIsRefusedWithTheCure(t *testing.T) {
	handle := func(context.Context, Event) error { return nil }
	for problem, c := range map[string]Config{
		"Config.Verify is nil; set":          {Handle: handle},
		"Config.Handle is nil; set":          {Verify: accept},
		"Config.MaxBody is -1; set a number": {Verify: accept, Handle: handle, MaxBody: -1},
	} {
		h, err := NewHandler(c)
		assert.ErrorContains(t, err, problem)
		assert.Nil(t, h)
	}
}

func TestWithoutObserveFailuresAreLogged(t *testing.T) {
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	for _, tt := range []struct {
		result Result
		want   string
	}{
		{Result{Status: 204, EventID: "id"}, ""},
		{Result{Status: 204, EventID: "id", Err: ErrDuplicate}, "level=DEBUG"},
		{Result{Status: 503, EventID: "id", Err: fmt.Errorf("receive: claim: %w", ErrInProgress)}, "level=DEBUG"},
		{Result{Status: 204, EventID: "id", Err: ErrDrop}, "level=WARN"},
		{Result{Status: 401, Err: ErrNoMatch}, "level=WARN"},
		{Result{Status: 500, EventID: "id", Err: errors.New("own")}, "level=ERROR"},
		{Result{Status: 503, EventID: "id", Err: errors.New("redis")}, "level=ERROR"},
		{Result{EventID: "id", Err: errPanic}, "level=ERROR"},
	} {
		var log bytes.Buffer
		slog.SetDefault(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
		logResult(t.Context(), tt.result)
		if tt.want == "" {
			assert.Empty(t, log.String())
			continue
		}
		assert.Contains(t, log.String(), tt.want)
		assert.Contains(t, log.String(), fmt.Sprintf("status=%d ", tt.result.Status))
		assert.Contains(t, log.String(), tt.result.Err.Error())
	}
}

// refuseAll is a Dedupe that gives no claims.
type refuseAll struct{ err error }

func (r refuseAll) Claim(context.Context, string) (Claim, error) { return nil, r.err }

// A recorder is a Dedupe, and its only claim. It writes down its calls.
type recorder struct {
	calls   []string
	ctxErr  error
	bounded bool
	failed  error
}

func (r *recorder) Claim(_ context.Context, key string) (Claim, error) {
	r.calls = append(r.calls, "claim "+key)
	return r, nil
}

func (r *recorder) Commit(ctx context.Context) error  { return r.end(ctx, "commit") }
func (r *recorder) Release(ctx context.Context) error { return r.end(ctx, "release") }

func (r *recorder) end(ctx context.Context, what string) error {
	r.calls = append(r.calls, what)
	r.ctxErr = ctx.Err()
	_, r.bounded = ctx.Deadline()
	return r.failed
}
