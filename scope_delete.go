package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
)

// deleteTries is how often DeleteEndpoint tries while others change the endpoint.
const deleteTries = 5

// DeleteEndpoint removes an endpoint for good, at once. Pending deliveries are canceled.
// Finished ones stay in the log for as long as Config.Retention says. It refuses an endpoint
// that the operator has suspended, because its tenant could otherwise create the same endpoint
// again.
func (s Scope) DeleteEndpoint(ctx context.Context, id string) error {
	return s.DeleteEndpointVersion(ctx, id, 0)
}

// DeleteEndpointVersion is DeleteEndpoint for an endpoint that was read before. It is
// [ErrConflict] if the endpoint has changed since, so that its Version is not version. Version
// 0 stands for any.
func (s Scope) DeleteEndpointVersion(ctx context.Context, id string, version int64) error {
	if err := s.one(); err != nil {
		return err
	}
	key := EndpointKey{s.tenant, id}
	if err := s.d.time.keepUp(ctx); err != nil {
		return fmt.Errorf("webhook: delete endpoint %q: %w", id, err)
	}
	if err := s.deleteUnlessSuspended(ctx, key, version); err != nil {
		return err
	}
	s.d.settings.drop(key)
	s.d.emptyLane(key)
	s.d.pruneSoon()
	return nil
}

// deleteUnlessSuspended deletes exactly the version that it has read as not suspended, so that
// a suspension in between is not lost. If version is 0 any version may be deleted, so it reads
// an endpoint that has changed meanwhile again.
func (s Scope) deleteUnlessSuspended(ctx context.Context, key EndpointKey, version int64) error {
	for tries := 1; ; tries++ {
		row, err := s.stored(ctx, key.ID)
		if err == nil {
			err = checkNotSuspended(&row)
		}
		if err != nil {
			return err
		}
		err = s.d.store.DeleteEndpoint(ctx, key, cmp.Or(version, row.Version), s.d.now())
		if errors.Is(err, ErrConflict) && version == 0 && tries < deleteTries {
			continue
		}
		if err != nil {
			return fmt.Errorf("webhook: delete endpoint %q: %w", key.ID, err)
		}
		return nil
	}
}
