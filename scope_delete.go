package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
)

// deleteTries is how often an endpoint that others change meanwhile is looked at again.
const deleteTries = 5

// DeleteEndpoint removes an endpoint for good, at once. Pending deliveries are canceled; what was delivered stays in the log
// for as long as Config.Retention says. An endpoint that the operator has suspended is not deleted: its tenant could make another
// one of it.
func (s Scope) DeleteEndpoint(ctx context.Context, id string) error {
	return s.DeleteEndpointVersion(ctx, id, 0)
}

// DeleteEndpointVersion is DeleteEndpoint for an endpoint that was read before. It is
// [ErrConflict] if the endpoint was changed since: its Version is not version. Version 0 stands
// for any.
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

// deleteUnlessSuspended deletes the version of an endpoint that it has seen not to be suspended, so that no suspension is lost
// between the two. Any version will do if version is 0, so what others change meanwhile is looked at again.
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
