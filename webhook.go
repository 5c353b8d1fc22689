package webhook

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gowebhook/webhook/internal/batch"
	"github.com/gowebhook/webhook/internal/pacing"
	"github.com/gowebhook/webhook/internal/sender"
	"github.com/gowebhook/webhook/internal/uuidv7"
)

// A Dispatcher accepts events and delivers them. It is safe for concurrent use. New makes one.
// It does nothing by itself until Run.
type Dispatcher struct {
	config    Config // complete
	store     Store
	transport Transport
	profiles  map[string]*Profile // complete
	idle      func()              // closes idle connections

	newIDs     *batch.Group[*EventRecord, emitted] // events with ids that the library made
	givenIDs   *batch.Group[*EventRecord, emitted] // events with ids of the application
	heldEvents *batch.Group[*EventRecord, emitted] // events whose ids other transactions held
	held       heldIDs
	settles    *batch.Group[Settlement, settleReply]
	endpoints  *endpointCache
	sealer     *sealer
	tests      tests
	suspects   suspects
	rates      pacing.Rates[rateKey]

	session atomic.Pointer[session] // nil while Run does not run
	running sync.Mutex              // held by Run
	logged  pacing.Throttle
	uids    uuidv7.Generator
	time    *storeTime
	others  notifier
}

// New returns a Dispatcher on store. It refuses a nil store and an inconsistent Config with a
// [*FieldError]. It starts nothing and does not call the store.
func New(store Store, config Config) (dispatcher *Dispatcher, err error) {
	defer addOperation("new", &err)
	if store == nil {
		return nil, &FieldError{"store", "is nil", "pass one from sqlstore or memstore, or of your own"}
	}
	c, err := config.complete()
	if err != nil {
		return nil, err
	}
	d := &Dispatcher{config: c, store: store, transport: c.Transport, idle: func() {}, sealer: newSealer(&c)}
	if c.Observer.Store != nil {
		d.store = &observedStore{store, d}
	}
	if d.transport == nil {
		t := httpTransport{sender.New[Class](c.Network.sending(c.MaxInFlight))}
		d.transport, d.idle = t, t.CloseIdle
	}
	d.profiles = make(map[string]*Profile, len(c.Profiles)+1)
	standard := Profile{DeliveryControl: true}.complete()
	d.profiles[standardProfile] = &standard
	for name, p := range c.Profiles {
		p = p.complete()
		d.profiles[name] = &p
	}
	limits := batch.Limits{Running: 2, Items: 500, Bytes: 1 << 20, Slow: slowBatch, Gather: gatherEvents, Crowd: crowd}
	d.newIDs = batch.New(limits, (*EventRecord).size, d.publish)
	d.givenIDs = batch.New(limits, (*EventRecord).size, d.publish)
	limits.Gather = gatherResults
	d.settles = batch.New(limits, settlementSize, d.settleBatch)
	d.tests.first, d.tests.more = testLimits(c.MaxInFlight)
	limits.Items, limits.Gather = heldItems, 0
	d.heldEvents = batch.New(limits, (*EventRecord).size, d.publish)
	clock, _ := store.(Clock)
	d.time = newStoreTime(clock, c.Now, func(err error) { d.report("the store's clock cannot be read", err) })
	d.endpoints = newEndpointCache(d.time.uptime, d.store.Refresh)
	d.endpoints.window, d.endpoints.restart = c.Health.CircuitWindow, d.restartLane
	d.others.listener, _ = store.(Listener)
	return d, nil
}

// Run delivers until ctx ends, and then drains: it claims nothing more and gives back
// deliveries that have not begun. It waits up to Config.DrainTimeout for the requests in
// flight and their bookkeeping. It returns nil when all of them ended by themselves.
//
// Otherwise it returns an error with the number of requests that were cut. These are not
// logged as attempts, and they are repeated later or by another process. With a durable Store
// nothing is lost either way.
//
// Errors of the Store do not end Run. It reports them and tries again, at growing intervals of
// up to 5 seconds. If the Store hangs while Run drains, that takes up to 15 seconds more.
//
// Wait for Run to return before the process exits, and before that stop the code that emits.
// Emit works after Run has ended, but nobody delivers then.
//
// Run returns an error at once if it is running already. It may be called again after it has
// returned.
//
// Run owns every goroutine of the Dispatcher. When it returns, none is left. Without Run there
// is one exception: a reading of the Store's [Clock] may outlive the call that began it, by 10
// seconds at most.
func (d *Dispatcher) Run(ctx context.Context) (err error) {
	defer addOperation("run", &err)
	if !d.running.TryLock() {
		return errors.New("it is running already")
	}
	defer d.running.Unlock()
	d.warnOfSecretsInClear()
	d.warnOfOpenNetwork()
	s := newSession(d)
	d.session.Store(s)
	defer d.session.Store(nil)
	defer d.idle()
	return s.run(ctx)
}

// Wake hints that deliveries may have become due, after a transaction with EmitTx has
// committed. It tells this process and, if the Store is a [Listener], all others. Without it
// the deliveries are found within Config.PollInterval.
func (d *Dispatcher) Wake() {
	if s := d.session.Load(); s != nil {
		s.wake()
	}
	d.notify()
}

// Ready returns nil if Run is running and the Store works. Otherwise its error describes the
// problem.
//
// The Store works if a claim has succeeded in the last 13 seconds, and no result has waited
// longer than that to be stored. With another Config.PollInterval, the limit is three times
// PollInterval plus 10 seconds. Ready does not call the Store, so a health check may call it often.
func (d *Dispatcher) Ready() error {
	err := errors.New("Run is not running")
	if s := d.session.Load(); s != nil {
		err = s.ready()
	}
	addOperation("ready", &err)
	return err
}

// Stats counts unfinished deliveries in the Store. Over SQL it reads a row for each, so call it
// a few times a minute at most. Local has counts of this process that cost nothing.
func (d *Dispatcher) Stats(ctx context.Context) (stats Stats, err error) {
	defer addOperation("stats", &err)
	now := d.now()
	if stats, err = d.store.Stats(ctx, now); err != nil {
		return Stats{}, err
	}
	stats.At = now
	return stats, nil
}

// EventTypes returns a copy of Config.EventTypes, the catalogue.
func (d *Dispatcher) EventTypes() map[string]string { return maps.Clone(d.config.EventTypes) }

// now returns the store time.
func (d *Dispatcher) now() time.Time { return micros(d.time.now()) }

// jitter returns a random number in [0,1).
func (d *Dispatcher) jitter() float64 { return rand.Float64() } //nolint:gosec // it spreads retries, nothing has to be unpredictable
