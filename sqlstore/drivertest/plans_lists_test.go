package drivertest

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/stretchr/testify/assert"

	"github.com/gowebhook/webhook"
)

// queries are all combinations of some filters, under a name that says which.
func queries(base webhook.Query, filters map[string]func(*webhook.Query), names ...string) map[string]webhook.Query {
	all := make(map[string]webhook.Query)
	for set := range 1 << len(names) {
		q, with := base, []string{}
		for i, name := range names {
			if set&(1<<i) != 0 {
				filters[name](&q)
				with = append(with, name)
			}
		}
		all[strings.Join(with, "+")] = q
	}
	return all
}

// sorted goes through a map in the order of its keys.
func sorted[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !yield(key, m[key]) {
				return
			}
		}
	}
}

func (c *caller) filters() map[string]func(*webhook.Query) {
	return map[string]func(*webhook.Query){
		"all":      func(q *webhook.Query) { q.Tenant, q.AllTenants = "", true },
		"event":    func(q *webhook.Query) { q.EventID = "evt_20007" },
		"endpoint": func(q *webhook.Query) { q.EndpointID = "ep_28" },
		"type":     func(q *webhook.Query) { q.Type = "order.paid" },
		"state":    func(q *webhook.Query) { q.State = webhook.DeliverySucceeded },
		"class":    func(q *webhook.Query) { q.Class = webhook.ClassStatus },
		"status":   func(q *webhook.Query) { q.Status = 503 },
		"times":    func(q *webhook.Query) { q.From, q.To = c.now.Add(-30*day), c.now.Add(-day) },
	}
}

// pages is how many pages of each list are read.
const pages = 2

func (c *caller) lists() {
	base := webhook.Query{Tenant: "tenant_7", Limit: 30}
	for name, q := range sorted(queries(base, c.filters(), "all", "event", "type", "times")) {
		c.say("Events/" + name)
		for range pages {
			page, err := c.s.Events(c.Context(), q)
			assert.NoError(c, err, name)
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
	}
	for name, q := range sorted(queries(base, c.filters(), "all", "event", "endpoint", "type", "state", "times")) {
		c.say("Deliveries/" + name)
		for range pages {
			page, err := c.s.Deliveries(c.Context(), q, c.now)
			assert.NoError(c, err, name)
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
	}
}

func (c *caller) attempts() {
	base := webhook.Query{Tenant: "tenant_7", Limit: 30}
	for name, q := range sorted(queries(base, c.filters(), "all", "event", "endpoint", "class", "status", "times")) {
		if named := q.EventID != "" || q.EndpointID != ""; named == q.AllTenants {
			continue
		}
		c.say("Attempts/" + name)
		for range pages {
			page, err := c.s.Attempts(c.Context(), q)
			assert.NoError(c, err, name)
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
	}
	// An event with one delivery.
	c.f.exec(fmt.Sprintf("UPDATE webhook_events SET fanout = 0 WHERE tenant = '%s' AND id = 'evt_20057'", base.Tenant))
	c.say("Attempts/event of one delivery")
	q := base
	q.EventID = "evt_20057"
	_, err := c.s.Attempts(c.Context(), q)
	assert.NoError(c, err)
}
