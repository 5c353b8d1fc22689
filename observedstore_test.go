package webhook

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A storeThatIs is a Store that only has an identity.
type storeThatIs struct{ Store }

func (storeThatIs) Volatile() bool { return true }

func (storeThatIs) Refresh(context.Context, []EndpointKey) ([]Endpoint, error) { return nil, nil }

func TestWithoutAnObserverTheStoreIsCalledDirectly(t *testing.T) {
	store := &storeThatIs{}
	d, err := New(store, Config{})
	require.NoError(t, err)
	assert.Same(t, store, d.store)
	assert.Equal(t, Publisher(store), d.observedPublisher(store))
}

func TestWithoutAnObserverAnAttemptAllocatesNothingMore(t *testing.T) {
	d, err := New(&storeThatIs{}, Config{})
	require.NoError(t, err)
	ctx, r := t.Context(), &Request{}
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if _, end := d.beginAttempt(ctx, r); end != nil {
			t.Error("there is nothing to end")
		}
	}))
}

func TestAnObservedStoreIsStillVolatile(t *testing.T) {
	d, err := New(&storeThatIs{}, Config{Observer: Observer{Store: func(StoreCall) {}}})
	require.NoError(t, err)
	volatile, ok := d.store.(Volatile)
	assert.True(t, ok && volatile.Volatile())
}

func TestLookupsOfTheEndpointCacheAreObserved(t *testing.T) {
	var seen []StoreCall
	d, err := New(&storeThatIs{}, Config{Observer: Observer{Store: func(c StoreCall) { seen = append(seen, c) }}})
	require.NoError(t, err)
	_, err = d.endpoints.fresh(t.Context(), EndpointKey{Tenant: "acme", ID: "one"})
	require.NoError(t, err)
	require.Len(t, seen, 1)
	assert.Equal(t, "refresh", seen[0].Operation)
	assert.Equal(t, 1, seen[0].Items)
}
