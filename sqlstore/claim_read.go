package sqlstore

import (
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
)

func (c *claimer) readEvents() error {
	list := make([]uuid.UUID, 0, len(c.budget.events))
	for u := range c.budget.events {
		list = append(list, u)
	}
	c.out.Events = make([]webhook.EventRecord, 0, len(list))
	events := newEventScanner()
	return c.Query(readEvents, uids(list), func(r *sql.Rows) error {
		e, err := events.scan(r)
		if unreadable(err) {
			c.budget.events[e.UID] = false
			c.out.Unreadable = append(c.out.Unreadable, err)
			return nil
		}
		c.out.Events = append(c.out.Events, e)
		return err
	})
}

// readCurrent reads the endpoints of the picked deliveries. It drops the deliveries of
// endpoints that cannot be read, so that they are not leased in vain.
func (c *claimer) readCurrent() error {
	refs := make(map[uuid.UUID]bool)
	for i := range c.picks {
		refs[c.picks[i].ref] = true
	}
	c.current = make(map[uuid.UUID]webhook.Endpoint, len(refs))
	bad := make(map[uuid.UUID]bool)
	err := c.Query(readEndpoints, uids(sortedRefs(refs)), func(r *sql.Rows) error {
		ref, e, err := scanEndpoint(r)
		if unreadable(err) {
			bad[ref] = true
			c.passOver(ref, err)
			return nil
		}
		c.current[ref] = e
		return err
	})
	if err != nil || len(bad) == 0 {
		return err
	}
	c.picks = slices.DeleteFunc(c.picks, func(p pick) bool { return bad[p.ref] })
	clear(c.budget.events)
	for i := range c.picks {
		c.budget.events[c.picks[i].uid] = true
	}
	return nil
}

// passOver reports an endpoint that cannot be read, and lets claims pass over it for
// unreadableFor.
func (c *claimer) passOver(ref uuid.UUID, problem error) {
	c.out.Unreadable = append(c.out.Unreadable, problem)
	c.store.passOver(ref, c.now)
}

// readEndpoints reads endpoints as they were when their deliveries were made, and builds the
// reply.
func (c *claimer) readEndpoints(probed map[uuid.UUID]bool) error {
	type bound struct {
		ref     uuid.UUID
		version int64
	}
	endpoints := c.current
	earlier, bad := make(map[bound]bool), make(map[bound]bool)
	for i := range c.picks {
		p := &c.picks[i]
		if e, known := endpoints[p.ref]; known && p.version != e.Version {
			earlier[bound{p.ref, p.version}] = false
		}
	}
	if len(earlier) > 0 {
		rows := newTable(len(earlier))
		for b := range earlier {
			rows.Add(uid(b.ref), num(b.version))
		}
		if err := c.Query(readVersions, rows, func(r *sql.Rows) error {
			var (
				ref      id
				e        webhook.Endpoint
				metadata string
			)
			err := scanRow(r, &ref, &e.Version, &e.URL, &e.Profile, &metadata)
			if err != nil && !unreadable(err) {
				return err
			}
			now := endpoints[ref.uid()]
			if err == nil {
				e.Metadata, err = parseMetadata(metadata)
			}
			if err != nil {
				bad[bound{ref.uid(), e.Version}] = true
				c.out.Unreadable = append(c.out.Unreadable, fmt.Errorf("version %d of endpoint %q of tenant %q is not readable, "+
					"and its deliveries wait: %w", e.Version, now.ID, now.Tenant, err))
				return nil
			}
			e.Tenant, e.ID = now.Tenant, now.ID
			c.out.Snapshots = append(c.out.Snapshots, e)
			earlier[bound{ref.uid(), e.Version}] = true
			return nil
		}); err != nil {
			return err
		}
	}
	rebound := newTable(0)
	c.out.Deliveries = make([]webhook.Leased, 0, len(c.picks))
	for i := range c.picks {
		p := &c.picks[i]
		e, known := endpoints[p.ref]
		if !known || !c.budget.events[p.uid] || bad[bound{p.ref, p.version}] {
			continue // deleted a moment ago, or not readable; the lease ends by itself
		}
		if p.version != e.Version && !earlier[bound{p.ref, p.version}] {
			p.version = e.Version // the earlier version is not stored any more
			rebound.Add(uid(p.uid), text(p.endpoint), num(p.version))
		}
		c.out.Deliveries = append(c.out.Deliveries, webhook.Leased{
			UID: p.uid, Endpoint: webhook.EndpointKey{Tenant: e.Tenant, ID: e.ID}, Version: p.version, LeaseNo: p.leaseNo + 1,
			LeaseUntil: c.req.LeaseUntil, Attempts: int(p.attempts), Failures: int(p.failures), Since: always(p.since),
			Waited: time.Duration(p.waited) * time.Microsecond, Probe: probed[p.ref],
		})
	}
	for _, ref := range sortedRefs(endpoints) {
		c.out.Endpoints = append(c.out.Endpoints, endpoints[ref])
	}
	return c.ExecAll(rebindDeliveries, rebound)
}

// An eventScanner reads rows of eventColumns.
type eventScanner struct {
	event                     webhook.EventRecord
	uid                       id
	header                    string
	happened, before, created int64
	into                      []any
}

func newEventScanner() *eventScanner {
	s := &eventScanner{}
	e := &s.event
	s.into = []any{&s.uid, &e.Tenant, &e.ID, &e.Type, &e.Channel, &s.header, &s.happened, &s.before, &s.created, &e.Keep, &e.Data}
	return s
}

// scan reads a row. The event is its own, and the next row does not change it.
func (s *eventScanner) scan(r *sql.Rows) (webhook.EventRecord, error) {
	s.event = webhook.EventRecord{}
	err := scanRow(r, s.into...)
	e := s.event
	if err != nil && !unreadable(err) {
		return e, err
	}
	e.UID, e.Time, e.NotBefore, e.CreatedAt = s.uid.uid(), always(s.happened), fromMicros(s.before), always(s.created)
	if err == nil {
		e.Header, err = parseMap[string](s.header)
	}
	if err != nil {
		err = unreadableError{fmt.Errorf("event %q of tenant %q is not readable, and its deliveries wait: %w", e.ID, e.Tenant, err)}
	}
	return e, err
}
