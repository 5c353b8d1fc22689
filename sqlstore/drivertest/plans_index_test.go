package drivertest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/sqlstore"
	"github.com/gowebhook/webhook/sqlstore/drivertest/recorder"
)

// A planner notes the plan of each statement that a store runs, as the database makes it at that moment.
type planner struct {
	d database

	mu     sync.Mutex
	off    bool
	method string
	plans  map[string][]*plan // by method
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
	if p.method == "" || !strings.Contains(s.Query, "webhook_") {
		return
	}
	if p.count(p.method, shorten(s.Query)) > enough {
		return
	}
	kinds := []bool{false}
	if p.d.name == "postgres" && !s.InTx {
		kinds = []bool{false, true} // nothing keeps PostgreSQL from using the plan again for other values
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

// enough is of how many runs of a statement in a method the plan is looked at, beside the first.
const enough = 5

func (p *planner) count(method, query string) int {
	n := 0
	for _, one := range p.plans[method] {
		if one.query == query {
			n++
		}
	}
	return n
}

// planned calls all methods of a store on a database that has so many rows as one that is in use.
func planned(t *testing.T, d database, analyzed bool) *planner {
	t.Helper()
	p := &planner{d: d, plans: make(map[string][]*plan)}
	dsn := d.dsn(t)
	plain := d.store(t, dsn, sqlstore.Options{})
	require.NoError(t, plain.Migrate(t.Context()))
	f := d.fill(t, plain.DB(), time.Now().Truncate(time.Microsecond).UTC())
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

func TestDump(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		p := planned(t, d, true)
		for m, list := range p.plans {
			seen := map[string]bool{}
			for _, pl := range list {
				k := fmt.Sprintf("%s: %s\n   uses %v sorted=%v", m, pl.query, pl.uses, pl.sorted)
				if seen[k] {
					continue
				}
				seen[k] = true
				t.Log(k)
				for _, u := range pl.uses {
					if u.full() {
						t.Logf("FULL %s", pl.text)
					}
				}
			}
		}
	})
}
