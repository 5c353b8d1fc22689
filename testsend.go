package webhook

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/gowebhook/webhook/internal/contract"
	"github.com/gowebhook/webhook/internal/lane"
	"github.com/gowebhook/webhook/internal/sender"
)

// maxTenantTests bounds the test sends of a tenant that run at once, one for each endpoint.
const maxTenantTests = 4

// testLimits returns two bounds on test sends that run at once. The first test of each tenant
// counts towards first; each further test of a tenant counts towards more. So tenants with
// receivers that hang leave a place for every other tenant.
func testLimits(maxInFlight int) (first, more int) {
	return max(maxInFlight, 16), max(maxInFlight/32, 12)
}

// testStep is the time that a test of an unreachable receiver takes, or a multiple of it. A
// blocked address is known at once, an unknown name only after the resolver has tried all its
// servers. The caller must not be able to tell them apart by the time.
const testStep = 2 * time.Second

// tests are the endpoints whose tests are running.
type tests struct {
	first, more int // limits

	mu      sync.Mutex
	running map[EndpointKey]bool
	of      map[string]int // tests of each tenant
}

func (t *tests) begin(key EndpointKey) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	mine := t.of[key.Tenant]
	switch {
	case t.running[key]:
		return fmt.Errorf("a test of this endpoint: %w", ErrInFlight)
	case mine >= maxTenantTests:
		return fmt.Errorf("%d tests of the tenant: %w", maxTenantTests, ErrInFlight)
	case mine > 0 && len(t.running)-len(t.of) >= t.more, mine == 0 && len(t.of) >= t.first:
		return fmt.Errorf("%d tests: %w", len(t.running), ErrInFlight)
	case t.running == nil:
		t.running, t.of = make(map[EndpointKey]bool), make(map[string]int)
	}
	t.running[key] = true
	t.of[key.Tenant]++
	return nil
}

func (t *tests) end(key EndpointKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.running, key)
	if t.of[key.Tenant]--; t.of[key.Tenant] == 0 {
		delete(t.of, key.Tenant)
	}
}

// Test sends the profile's test event to an endpoint, also to one that is not active or not
// subscribed to it. It refuses an endpoint that the operator has suspended. It runs in the
// caller's goroutine, on a connection of its own, and needs no Run.
//
// A test goes through the same encoding, signing and address checks as any delivery. It is
// logged as an event, a delivery and an attempt, which say that they are tests. It is never
// retried, and has no effect on the endpoint's health. If ctx ends, nothing is logged.
//
// A failed attempt is not an error: the returned Attempt says how it failed. If the receiver
// cannot be reached (ClassDNS, ClassRefused, ClassBlocked), Test takes two seconds, or a
// multiple of two seconds. So its time does not tell the reason.
//
// At most one test of an endpoint and four of a tenant run at a time. All tenants together run
// at most Config.MaxInFlight first tests, one of each tenant, and a thirty-second as many
// further tests. That is 1,024 and 32 by default, and at least 16 and 12. Beyond a limit Test
// returns [ErrInFlight].
//
// An endpoint may be tested ten times at once and then every 5 seconds. A tenant's endpoints
// may be tested 30 times at once and then every 2 seconds. Beyond these rates Test returns a
// [*RateError].
func (s Scope) Test(ctx context.Context, endpointID string) (attempt Attempt, err error) {
	defer addOperation("test", &err)
	return s.test(ctx, endpointID, "")
}

// TestType is Test with an event of the given type and the data {}. The type must be in
// Config.EventTypes or of an operational event ([Notice]), or may be any valid type if
// EventTypes is empty. The empty type stands for the profile's test event.
func (s Scope) TestType(ctx context.Context, endpointID, eventType string) (attempt Attempt, err error) {
	defer addOperation("test", &err)
	return s.test(ctx, endpointID, eventType)
}

func (s Scope) test(ctx context.Context, endpointID, eventType string) (Attempt, error) {
	d := s.d
	if err := d.time.keepUp(ctx); err != nil {
		return Attempt{}, err
	}
	endpoint, err := s.opened(ctx, endpointID)
	if err != nil {
		return Attempt{}, err
	}
	if err := checkNotSuspended(&endpoint); err != nil {
		return Attempt{}, err
	}
	if err := d.tests.begin(endpoint.key()); err != nil {
		return Attempt{}, err
	}
	defer d.tests.end(endpoint.key())
	if err := d.pay(testTolls(endpoint.key())...); err != nil {
		return Attempt{}, err
	}
	profile := d.profiles[endpoint.Profile]
	if profile == nil {
		return Attempt{}, &FieldError{"Endpoint.Profile", fmt.Sprintf("is unknown: %q", endpoint.Profile), "register it in Config.Profiles"}
	}
	record, err := d.testRecord(profile, &endpoint, eventType)
	if err != nil {
		return Attempt{}, err
	}
	now := d.now()
	secrets, err := profile.keys(ctx, &endpoint, now, d.timeout(&endpoint))
	if err != nil {
		return Attempt{}, fmt.Errorf("keys: %w", err)
	}
	event := makePayload(record)
	w := &work{
		payload: &event, key: endpoint.key(), snapshot: snapshotOf(&endpoint), since: now, test: true,
	}
	began := time.Now()
	result, err := d.sendTest(ctx, w, profile, &endpoint, secrets)
	if err == nil && result.settlement.Attempt.Class.unreachable() {
		err = waitForStep(ctx, began)
	}
	if err != nil {
		return Attempt{}, err
	}
	return d.logTest(ctx, record, result, &endpoint)
}

// waitForStep waits until a whole number of testSteps has passed since began.
func waitForStep(ctx context.Context, began time.Time) error {
	timer := time.NewTimer(testStep - time.Since(began)%testStep)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// testRecord makes the event of a test. It has the profile's type if eventType is empty.
func (d *Dispatcher) testRecord(p *Profile, endpoint *Endpoint, eventType string) (*EventRecord, error) {
	event := Event{Type: eventType, Data: struct{}{}}
	if eventType == "" {
		var err error
		if event, err = p.testEvent(endpoint); err != nil {
			return nil, err
		}
	} else if _, listed := d.config.EventTypes[eventType]; !listed && !contract.IsOperational(eventType) && len(d.config.EventTypes) > 0 {
		return nil, &FieldError{"Event.Type", fmt.Sprintf("is not in the catalogue: %q", eventType), "use " + listTypes(d.config.EventTypes)}
	}
	event.Tenant, event.ID = endpoint.Tenant, ""
	if err := checkType("Event.Type", event.Type); err != nil {
		return nil, err
	}
	return d.recordUnlisted(&event)
}

// TestEventType returns the type of the test event of Config.Profile. Other profiles may have
// another type.
func (d *Dispatcher) TestEventType() string {
	event, err := d.profiles[d.config.Profile].testEvent(&Endpoint{Profile: d.config.Profile})
	if err != nil {
		d.report("Profile.Test failed", err, slog.String("profile", d.config.Profile))
	}
	return event.Type
}

func (d *Dispatcher) sendTest(ctx context.Context, w *work, p *Profile, endpoint *Endpoint, secrets []Secret) (attempted, error) {
	t := &trial{work: w, profile: p, health: endpoint.Health}
	if err := t.prepare(endpoint, secrets, d.now()); err != nil {
		a := w.newAttempt(d.now())
		a.Class, a.Error = ClassLocal, sender.OneLine(err.Error())
		return d.conclude(t, a, nil, lane.Unsent), nil
	}
	t.request.OwnConn = true
	result := d.send(ctx, t, d.timeout(endpoint))
	if result.cut {
		return result, ctx.Err()
	}
	return result, nil
}

// logTest stores a finished test.
func (d *Dispatcher) logTest(ctx context.Context, record *EventRecord, result attempted, endpoint *Endpoint) (Attempt, error) {
	a := result.settlement.Attempt
	a.NextAt = time.Time{}
	row := NewDelivery{EndpointID: endpoint.ID, Version: endpoint.Version, State: result.settlement.State, Attempt: a}
	if row.State != DeliverySucceeded {
		row.State, row.Reason = DeliveryFailed, ReasonExhausted
	}
	record.Test, record.Deliveries = true, []NewDelivery{row}
	var results []Published
	err := whileHeld(ctx, newPatience, func() (held bool, err error) {
		results, err = d.store.Publish(ctx, PublishRequest{Now: d.now(), Events: []EventRecord{*record}})
		return anyHeld(results), err
	})
	if err = publishError(results, []*EventRecord{record}, err); err != nil {
		return Attempt{}, fmt.Errorf("logging: %w", err)
	}
	return *a, nil
}
