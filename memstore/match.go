package memstore

import (
	"context"
	"iter"
	"slices"
	"sort"
	"strings"

	"github.com/gowebhook/webhook"
)

// A subscription is what endpoints are found by.
type subscription struct{ tenant, pattern, channel string }

// subscribe lets an endpoint that is not disabled be matched.
func (s *Store) subscribe(e *endpoint) {
	if e.State == webhook.EndpointDisabled {
		return
	}
	for _, pattern := range e.Events {
		sub := subscription{e.Tenant, pattern, e.Channel}
		list := s.subs[sub]
		if i, found := search(list, e.ID); !found {
			s.subs[sub] = slices.Insert(list, i, e)
		}
	}
}

func (s *Store) unsubscribe(e *endpoint) {
	for _, pattern := range e.Events {
		sub := subscription{e.Tenant, pattern, e.Channel}
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
			return nil, errNoTenant("MatchRequest.Tenant")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	results := make([][]webhook.EndpointStatus, len(reqs))
	for i := range reqs {
		r := &reqs[i]
		if r.Limit <= 0 {
			continue
		}
		var list []webhook.EndpointStatus
		for e := range s.match(r.Tenant, r.Channel, r.Patterns, "") {
			if list == nil {
				list = make([]webhook.EndpointStatus, 0, min(s.matching(r), r.Limit))
			}
			if list = append(list, e.status()); len(list) == r.Limit {
				break
			}
		}
		results[i] = list
	}
	return results, nil
}

// matching returns how many endpoints match, at most: those with several of the patterns count as often.
func (s *Store) matching(r *webhook.MatchRequest) int {
	n := 0
	for _, pattern := range r.Patterns {
		n += len(s.subs[subscription{r.Tenant, pattern, ""}])
		if r.Channel != "" {
			n += len(s.subs[subscription{r.Tenant, pattern, r.Channel}])
		}
	}
	return n
}

// match returns the endpoints that receive an event, each once, by their ids, beginning behind one.
func (s *Store) match(tenant, channel string, patterns []string, after string) iter.Seq[*endpoint] {
	return func(yield func(*endpoint) bool) {
		var room [8][]*endpoint
		lists := room[:0]
		add := func(pattern, channel string) {
			list := s.subs[subscription{tenant, pattern, channel}]
			if after != "" {
				list = list[sort.Search(len(list), func(i int) bool { return list[i].ID > after }):]
			}
			if len(list) > 0 {
				lists = append(lists, list)
			}
		}
		for _, pattern := range patterns {
			add(pattern, "")
			if channel != "" {
				add(pattern, channel)
			}
		}
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
