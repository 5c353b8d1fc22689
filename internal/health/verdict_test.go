package health

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/gowebhook/webhook"
)

func TestAnItemIsJudgedByTheFacts(t *testing.T) {
	attempt := &webhook.Attempt{StartedAt: after(1), Class: webhook.ClassReset}
	plain := webhook.Settlement{Version: 7, Attempt: attempt, DueAt: after(10)}
	acting, test, returned := plain, plain, plain
	acting.BlockUntil = after(60)
	test.Attempt = &webhook.Attempt{Test: true}
	returned.Attempt = nil
	held := Facts{Found: true, Leased: true, Exists: true, Version: 7}
	with := func(change func(f *Facts)) Facts {
		f := held
		change(&f)
		return f
	}
	lapsed := with(func(f *Facts) { f.Leased = false })
	for name, c := range map[string]struct {
		item       webhook.Settlement
		facts      Facts
		result     Result
		log        bool
		due        time.Time
		merge, act bool
	}{
		"the lease is in effect":            {plain, held, Applied, true, after(10), true, false},
		"its effects apply":                 {acting, held, Applied, true, after(60), true, true},
		"a test does not count":             {test, held, Applied, true, after(10), false, false},
		"without an attempt":                {returned, held, Applied, false, after(10), false, false},
		"another lease":                     {acting, lapsed, Lost, true, after(60), true, false},
		"settled before":                    {plain, with(func(f *Facts) { f.Leased, f.Settled, f.Logged = false, true, true }), Already, false, after(10), false, false},
		"returned before":                   {returned, with(func(f *Facts) { f.Leased, f.Settled = false, true }), Already, false, after(10), false, false},
		"logged as late before":             {plain, with(func(f *Facts) { f.Leased, f.Logged = false, true }), Lost, false, after(10), false, false},
		"the delivery is gone":              {acting, Facts{Exists: true, Version: 7}, Lost, false, after(60), false, false},
		"the endpoint is gone":              {acting, with(func(f *Facts) { f.Exists = false }), Applied, true, after(10), false, false},
		"the endpoint has another version":  {acting, with(func(f *Facts) { f.Version = 8 }), Applied, true, after(10), false, false},
		"a lease in effect was not settled": {plain, with(func(f *Facts) { f.Settled = true }), Applied, true, after(10), true, false},
	} {
		item := c.item
		want := Verdict{Result: c.result, Log: c.log, Due: c.due, Edit: Edit{Item: &item, Merge: c.merge, Act: c.act}}
		assert.Equal(t, want, Judge(&item, c.facts), name)
	}
}
