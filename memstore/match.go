package memstore

import (
	"context"
	"iter"
	"slices"
	"sort"
	"strings"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/paging"
)

// A subscription is the key by which endpoints are found.
type subscription struct{ tenant, pattern, channel string }

// muted is in front of the patterns of disabled endpoints. No event type contains it.
const muted = "!"

// subscription returns the key under which an endpoint is found by one of its patterns.
func (e *endpoint) subscription(pattern string) subscription {
	if e.State == webhook.EndpointDisabled {
		pattern = muted + pattern
	}
	return subscription{e.Tenant, pattern, e.Channel}
}

// subscribe makes an endpoint matchable. A disabled one matches only muted patterns.
func (s *Store) subscribe(e *endpoint) {
	for _, pattern := range e.Events {
		sub := e.subscription(pattern)
		list := s.subs[sub]
		if i, found := search(list, e.ID); !found {
			s.subs[sub] = slices.Insert(list, i, e)
		}
	}
}

// unsubscribe ends what subscribe did. Neither State nor Events has changed since.
func (s *Store) unsubscribe(e *endpoint) {
	for _, pattern := range e.Events {
		sub := e.subscription(pattern)
		list := s.subs[sub]
		i, found := search(list, e.ID)
		if !found {
			continue
		}
		if list = slices.Delete(list, i, i+1); len(list) > 0 {
			s.subs[sub] = list
		} else {
			delete(s.subs, sub)
		}
	}
}

func search(list []*endpoint, id string) (int, bool) {
	return slices.BinarySearchFunc(list, id, func(e *endpoint, id string) int { return strings.Compare(e.ID, id) })
}

// Match implements [webhook.Store].
func (s *Store) Match(ctx context.Context, reqs []webhook.MatchRequest) ([][]webhook.EndpointStatus, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i := range reqs {
		if reqs[i].Tenant == "" {
			return nil, paging.NoTenant("MatchRequest.Tenant")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	results := make([][]webhook.EndpointStatus, len(reqs))
	for i := range reqs {
		r := &reqs[i]
		var room [8][]*endpoint
		lists := s.subscribed(room[:0], r.Tenant, r.Channel, r.Patterns, "")
		most := 0
		for _, list := range lists {
			most += len(list)
		}
		if most = min(most, r.Limit); most <= 0 {
			if e := s.dormant(r.Tenant, r.Channel, r.Patterns); r.Dormant && r.Limit > 0 && e != nil {
				results[i] = []webhook.EndpointStatus{e.status()}
			}
			continue
		}
		found := make([]webhook.EndpointStatus, 0, most)
		for e := range merged(lists) {
			if found = append(found, e.status()); len(found) == r.Limit {
				break
			}
		}
		results[i] = found
	}
	return results, nil
}

// dormant returns a disabled endpoint that would match an event, or nil.
func (s *Store) dormant(tenant, channel string, patterns []string) *endpoint {
	asleep := make([]string, len(patterns))
	for i, pattern := range patterns {
		asleep[i] = muted + pattern
	}
	for e := range merged(s.subscribed(nil, tenant, channel, asleep, "")) {
		return e
	}
	return nil
}

// subscribed appends to lists the subscribers of an event. Each list is ordered by id and
// begins after the id after.
func (s *Store) subscribed(lists [][]*endpoint, tenant, channel string, patterns []string, after string) [][]*endpoint {
	for _, pattern := range patterns {
		sub := subscription{tenant, pattern, ""}
		lists = appendAfter(lists, s.subs[sub], after)
		if sub.channel = channel; channel != "" {
			lists = appendAfter(lists, s.subs[sub], after)
		}
	}
	return lists
}

func appendAfter(lists [][]*endpoint, list []*endpoint, after string) [][]*endpoint {
	if after != "" {
		list = list[sort.Search(len(list), func(i int) bool { return list[i].ID > after }):]
	}
	if len(list) == 0 {
		return lists
	}
	return append(lists, list)
}

// merged returns the endpoints of several lists, each once, ordered by id. It consumes lists.
func merged(lists [][]*endpoint) iter.Seq[*endpoint] {
	return func(yield func(*endpoint) bool) {
		for len(lists) > 0 {
			least := lists[0][0]
			for _, list := range lists[1:] {
				if list[0].ID < least.ID {
					least = list[0]
				}
			}
			for i := len(lists) - 1; i >= 0; i-- {
				if lists[i][0] != least {
					continue
				}
				if lists[i] = lists[i][1:]; len(lists[i]) == 0 {
					lists = slices.Delete(lists, i, i+1)
				}
			}
			if !yield(least) {
				return
			}
		}
	}
}
