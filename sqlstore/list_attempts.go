package sqlstore

import (
	"context"
	"database/sql"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/contract"
	"github.com/gowebhook/webhook/internal/paging"
)

// lastName sorts after every endpoint's id, because ids are visible ASCII.
const lastName = "\x7f"

// attemptsAtOnce is how many attempts one statement reads.
const attemptsAtOnce = 250

// An attemptRow holds the few columns of an attempt that lists filter by.
type attemptRow struct {
	attemptKey
	startedAt int64
	class     webhook.Class
	status    int
}

// lastAttempt sorts after every attempt.
var lastAttempt = attemptRow{
	attemptKey: attemptKey{rowKey{lastID, lastName}, math.MaxInt64}, startedAt: math.MaxInt64,
}

func (a *attemptRow) String() string {
	raw := binary.BigEndian.AppendUint64(nil, uint64(a.startedAt))
	raw = binary.BigEndian.AppendUint64(append(raw, a.uid[:]...), uint64(a.leaseNo))
	return paging.Format(paging.Attempts, raw, []byte(a.endpoint))
}

func parseAttempt(cursor string) (attemptRow, error) {
	const size = 8 + 16 + 8
	raw, err := paging.Parse(paging.QueryCursor, cursor, paging.Attempts, size, size+1<<10)
	if err != nil || raw == nil {
		return lastAttempt, err
	}
	a := attemptRow{startedAt: int64(binary.BigEndian.Uint64(raw))}
	copy(a.uid[:], raw[8:])
	a.leaseNo = int64(binary.BigEndian.Uint64(raw[24:]))
	a.endpoint = plain(string(raw[size:]))
	return a, nil
}

// Attempts implements [webhook.Store].
func (s *Store) Attempts(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Attempt], error) {
	var page webhook.Page[webhook.Attempt]
	limit, err := paging.Rows(&q)
	if err != nil {
		return page, err
	}
	below, err := parseAttempt(q.Cursor)
	if err != nil {
		return page, err
	}
	err = s.readPlanned(ctx, func(t *tx) error {
		page, err = t.attempts(&q, below, limit)
		return err
	})
	if err != nil {
		return webhook.Page[webhook.Attempt]{}, err
	}
	return page, nil
}

func (t *tx) attempts(q *webhook.Query, below attemptRow, limit int) (page webhook.Page[webhook.Attempt], err error) {
	l, err := t.newAttemptList(q, below, q.Skip+limit+1)
	if err != nil || l == nil {
		return page, err
	}
	var wanted []attemptRow
	var last attemptRow
	skip := q.Skip
	for read := 0; ; read++ {
		if err := l.fetch(); err != nil {
			return page, err
		}
		if len(l.next) == 0 {
			break
		}
		if len(wanted) == limit || read == contract.MaxPageRead {
			page.Next = last.String()
			break
		}
		last, l.next = l.next[0], l.next[1:]
		switch {
		case q.Class != "" && last.class != q.Class, q.Status != 0 && last.status != q.Status:
		case skip > 0:
			skip--
		default:
			wanted = append(wanted, last)
		}
	}
	var shown attemptRow // the last attempt of the page so far
	budget := paging.NewBudget(q)
	for len(wanted) > 0 {
		part := wanted[:min(wideAtOnce, len(wanted))]
		details, err := t.details(part)
		if err != nil {
			return page, err
		}
		if !q.NoBodies {
			if part, err = t.addBodies(part, details, budget); err != nil {
				return page, err
			}
		}
		for i := range part {
			a, still := details[part[i].attemptKey]
			if !still {
				continue
			}
			if !budget.Take(paging.AttemptSize(&a)) {
				page.Next = shown.String()
				return page, nil
			}
			page.Items, shown = append(page.Items, a), part[i]
		}
		wanted = wanted[len(part):]
	}
	return page, nil
}

// An attemptList reads attempts one by one, latest first.
type attemptList struct {
	t      *tx
	op     op
	args   func(below *attemptRow, from int64) []cell // of op, without the number of rows
	from   int64
	below  attemptRow
	next   []attemptRow
	atOnce int
	done   bool
}

// newAttemptList returns nil if there are no attempts. Its first statement reads at most atOnce
// attempts.
func (t *tx) newAttemptList(q *webhook.Query, below attemptRow, atOnce int) (*attemptList, error) {
	l := &attemptList{t: t, below: below, from: math.MinInt64, atOnce: min(atOnce, attemptsAtOnce)}
	if !q.From.IsZero() {
		l.from = micros(q.From)
	}
	if !q.To.IsZero() && micros(q.To) <= below.startedAt {
		l.below = lastAttempt
		l.below.startedAt = micros(q.To) - 1
	}
	if q.AllTenants {
		l.op, l.args = failedAttempts, func(a *attemptRow, from int64) []cell {
			return []cell{num(a.startedAt), num(from), uid(a.uid), text(a.endpoint), num(a.leaseNo)}
		}
		return l, nil
	}
	if q.EventID == "" {
		l.op = attemptsOfEndpoint
		ref := uid(refOf(webhook.EndpointKey{Tenant: q.Tenant, ID: q.EndpointID}))
		l.orderBy(ref, func(a *attemptRow) cell { return uid(a.uid) })
		return l, nil
	}
	h, found, err := t.event(q.Tenant, q.EventID)
	if err != nil || !found {
		return nil, err
	}
	l.orderBy(uid(h.uid), func(a *attemptRow) cell { return text(a.endpoint) })
	switch {
	case q.EndpointID != "":
		l.op = attemptsOfDelivery
		l.orderBy(uid(h.uid), func(*attemptRow) cell { return sought(q.EndpointID) })
	case h.fanout:
		l.op = attemptsOfFanout
	default:
		l.op = attemptsOfEvent
	}
	return l, nil
}

// orderBy sets the arguments of the attempts of one event or endpoint. tie is the order of
// attempts with equal times.
func (l *attemptList) orderBy(of cell, tie func(*attemptRow) cell) {
	l.args = func(a *attemptRow, from int64) []cell {
		return []cell{of, num(a.startedAt), num(from), tie(a), num(a.leaseNo)}
	}
}

func (l *attemptList) fetch() error {
	if len(l.next) > 0 || l.done {
		return nil
	}
	l.next = l.next[:0]
	err := l.t.Query(l.op, nil, func(r *sql.Rows) error {
		var a attemptRow
		err := r.Scan((*id)(&a.uid), &a.endpoint, &a.leaseNo, &a.startedAt, &a.class, &a.status)
		l.next = append(l.next, a)
		return err
	}, append(l.args(&l.below, l.from), num(l.atOnce))...)
	l.done = len(l.next) < l.atOnce
	l.atOnce = attemptsAtOnce
	if len(l.next) > 0 {
		l.below = l.next[len(l.next)-1]
	}
	return err
}

// details reads attempts without their response bodies.
func (t *tx) details(part []attemptRow) (map[attemptKey]webhook.Attempt, error) {
	list := make([]uuid.UUID, len(part))
	started := make(map[attemptKey]*attemptRow, len(part))
	for i := range part {
		a := &part[i]
		list[i], started[a.attemptKey] = a.uid, a
	}
	slices.SortFunc(list, byRef)
	heads, err := t.heads(slices.Compact(list))
	if err != nil {
		return nil, err
	}
	found := make(map[attemptKey]webhook.Attempt, len(part))
	return found, t.Query(attemptDetails, attemptTable(part), func(r *sql.Rows) error {
		var (
			k              attemptKey
			a              webhook.Attempt
			duration, next int64
		)
		if err := r.Scan((*id)(&k.uid), &k.endpoint, &k.leaseNo, &duration, &a.Error, &a.Truncated, &next, &a.Late, &a.Test,
			&a.Number); err != nil {
			return err
		}
		row := started[k]
		event, shown := heads[k.uid]
		if !shown { // another transaction is removing it
			return nil
		}
		a.Tenant, a.EventID, a.EventType, a.EndpointID = event.tenant, event.id, event.typ, k.endpoint
		a.StartedAt, a.Duration, a.NextAt = always(row.startedAt), time.Duration(duration)*time.Microsecond, fromMicros(next)
		a.Status, a.Class = row.status, row.class
		found[k] = a
		return nil
	})
}

// attemptTable returns a table of the attempts' keys.
func attemptTable(part []attemptRow) *table {
	rows := newTable(len(part))
	for i := range part {
		rows.Add(part[i].cells()...)
	}
	return rows
}

// addBodies reads the response bodies of the first attempts of part whose bodies fit into a
// budget, at least one. It returns these attempts.
func (t *tx) addBodies(part []attemptRow, details map[attemptKey]webhook.Attempt, budget paging.Budget) ([]attemptRow, error) {
	sizes := make(map[attemptKey]int)
	if err := t.Query(bodySizes, attemptTable(part), func(r *sql.Rows) error {
		var k attemptKey
		var n int
		err := r.Scan((*id)(&k.uid), &k.endpoint, &k.leaseNo, &n)
		sizes[k] = n
		return err
	}); err != nil {
		return nil, err
	}
	var filled []attemptRow
	for i := range part {
		k := part[i].attemptKey
		a, still := details[k]
		if still && !budget.Take(paging.AttemptSize(&a)+sizes[k]) && i > 0 {
			part = part[:i]
			break
		}
		if still && sizes[k] > 0 {
			filled = append(filled, part[i])
		}
	}
	if len(filled) == 0 {
		return part, nil
	}
	return part, t.Query(attemptBodies, attemptTable(filled), func(r *sql.Rows) error {
		var k attemptKey
		var body []byte
		err := r.Scan((*id)(&k.uid), &k.endpoint, &k.leaseNo, &body)
		a := details[k]
		a.ResponseBody = body
		details[k] = a
		return err
	})
}
