package drivertest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/sqlstore"
	"github.com/gowebhook/webhook/sqlstore/drivertest/recorder"
)

// A planner notes the plan of each statement that a store runs, as the database makes it at
// that moment.
type planner struct {
	d database

	mu     sync.Mutex
	method string
	plans  map[string][]*plan // by method
	seen   map[string]int
	errs   []error
}

func (p *planner) say(method string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.method = method
}

func (p *planner) watch(ctx context.Context, s recorder.Statement) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.method == "" || !strings.Contains(comments.ReplaceAllString(s.Query, " "), "webhook_") {
		return
	}
	if p.seenEnough(shorten(s.Query)) {
		return
	}
	kinds := []bool{false}
	if p.d.name == "postgres" {
		mode, err := s.Ask(ctx, "SHOW plan_cache_mode", nil)
		if err != nil {
			p.errs = append(p.errs, err)
			return
		}
		if mode[0][0] != "force_custom_plan" {
			kinds = []bool{false, true} // PostgreSQL may use the plan again, for other values
		}
	}
	for _, generic := range kinds {
		made, err := p.d.explain(ctx, &s, generic)
		if err != nil {
			p.errs = append(p.errs, err)
			continue
		}
		p.plans[p.method] = append(p.plans[p.method], made)
	}
}

// enough is how often the plan of a statement is looked at, in all the ways in which a method
// is called.
const enough = 6

func (p *planner) seenEnough(query string) bool {
	family, _, _ := strings.Cut(p.method, "/")
	key := family + ": " + query
	p.seen[key]++
	return p.seen[key] > enough
}

// planned calls all methods of a store on a database that has so many rows as one that is in use.
func planned(t *testing.T, d database, analyzed bool) *planner {
	t.Helper()
	p := &planner{d: d, plans: make(map[string][]*plan), seen: make(map[string]int)}
	dsn := d.dsn(t)
	plain := d.store(t, dsn, sqlstore.Options{})
	require.NoError(t, plain.Migrate(t.Context()))
	f := d.fill(t, plain.DB(), time.Now().Truncate(time.Microsecond).UTC())
	if d.name == postgres.name && !analyzed { // by itself it does so after a minute
		for _, table := range tables {
			f.exec("ALTER TABLE webhook_" + table + " SET (autovacuum_enabled = off)")
		}
	}
	f.used()
	if analyzed {
		f.analyze()
	}
	recorded := d
	var err error
	recorded.driver, err = recorder.Register(d.driver, p.watch)
	require.NoError(t, err)
	c := &caller{T: t, f: f, s: recorded.store(t, dsn, sqlstore.Options{}), say: p.say, now: f.now}
	c.all()
	p.say("")
	for _, err := range p.errs {
		assert.NoError(t, err)
	}
	return p
}

// big are the tables that no statement may read from one end to the other.
var big = []string{
	"events", "outbox", "queue", "deliveries", "attempts", "bodies", "status", "endpoints", "versions", "subscriptions",
}

// onPurpose reports whether a method needs all rows of a table or of an index.
func onPurpose(method, table string) bool {
	return method == "Stats" && slices.Contains([]string{"outbox", "queue", "status"}, table)
}

func TestEveryStatementFindsItsRowsByAnIndex(t *testing.T) {
	onlyInCI(t)
	each(t, func(t *testing.T, d database) {
		for _, variant := range []string{"analyzed", "never analyzed"} {
			t.Run(variant, func(t *testing.T) {
				p := planned(t, d, variant == "analyzed")
				p.noScans(t)
				p.indexes(t)
			})
		}
	})
}

// noScans fails for each statement that reads all of a big table.
func (p *planner) noScans(t *testing.T) {
	t.Helper()
	bad := make(map[string][]string) // methods, by problem
	for method, plans := range sorted(p.plans) {
		for _, one := range plans {
			for _, a := range one.uses {
				if !a.full() || !slices.Contains(big, a.table) || onPurpose(method, a.table) {
					continue
				}
				key := one.String()
				if !slices.Contains(bad[key], method) {
					bad[key] = append(bad[key], method)
				}
			}
		}
	}
	seen := make(map[string]bool)
	for what, methods := range sorted(bad) {
		head, _, _ := strings.Cut(what, "\nuses")
		if !seen[head] {
			assert.Failf(t, "a table is read from one end to the other", "in %v:\n%s", methods, what)
		}
		seen[head] = true
	}
}

// indexes fails for each statement that does not use the index that was made for it, or sorts
// rows that the index has sorted.
func (p *planner) indexes(t *testing.T) {
	t.Helper()
	for _, want := range served {
		seen, failed := 0, 0
		for method, plans := range sorted(p.plans) {
			for _, one := range plans {
				if !want.statement.MatchString(one.query) {
					continue
				}
				seen++
				if problem := want.problem(one); problem != "" && failed == 0 {
					failed++
					assert.Failf(t, want.name+": "+problem, "in %s:\n%s", method, one)
				}
			}
		}
		assert.NotZero(t, seen, "%s: no such statement was run", want.name)
	}
}
