package sqlstore

import (
	"context"
	"database/sql"
	"encoding/binary"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/contract"
	"github.com/gowebhook/webhook/internal/paging"
)

const (
	// headsAtOnce is how many events one statement reads.
	headsAtOnce = 200

	// wideAtOnce is how many rows are read at once with all their columns.
	wideAtOnce = 50

	// uidSlack is the largest difference between the time in an event's UID and its CreatedAt.
	uidSlack = time.Minute
)

// uidAt returns the smallest UID with the time t.
func uidAt(t time.Time) uuid.UUID {
	var u uuid.UUID
	ms := uint64(max(t.UnixMilli(), 0))
	binary.BigEndian.PutUint64(u[:8], ms<<16)
	return u
}

// createdAt returns the time in an event's UID, to the millisecond.
func createdAt(u uuid.UUID) int64 { return int64(binary.BigEndian.Uint64(u[:8])>>16) * 1000 }

// after returns the next larger UID.
func after(u uuid.UUID) uuid.UUID {
	for i := len(u) - 1; i >= 0; i-- {
		if u[i]++; u[i] != 0 {
			return u
		}
	}
	return lastID
}

// A head holds the few columns of an event that lists filter by.
type head struct {
	uid     uuid.UUID
	tenant  string
	id, typ string
	created int64
	test    bool
	fanout  bool
	size    int64 // of the event's data, if sizes has read it
}

// into returns the scan destinations for headColumns.
func (h *head) into() []any {
	return []any{(*id)(&h.uid), &h.tenant, &h.id, &h.typ, &h.created, &h.test, &h.fanout}
}

func (h *head) matches(q *webhook.Query) bool {
	return (q.Type == "" || h.typ == q.Type) && (q.EventID == "" || h.id == q.EventID) &&
		(q.From.IsZero() || h.created >= micros(q.From)) && (q.To.IsZero() || h.created < micros(q.To))
}

// heads reads events by their UIDs.
func (t *tx) heads(list []uuid.UUID) (map[uuid.UUID]head, error) {
	found := make(map[uuid.UUID]head, len(list))
	return found, t.Query(eventHeads, uids(list), func(r *sql.Rows) error {
		var h head
		err := r.Scan(h.into()...)
		found[h.uid] = h
		return err
	})
}

// sizes is heads with the size of each event's data. MySQL has to read the data for that.
func (t *tx) sizes(list []uuid.UUID) (map[uuid.UUID]head, error) {
	found := make(map[uuid.UUID]head, len(list))
	return found, t.Query(eventSizes, uids(list), func(r *sql.Rows) error {
		var h head
		err := r.Scan(append(h.into(), &h.size)...)
		found[h.uid] = h
		return err
	})
}

// event reads one event of a tenant.
func (t *tx) event(tenant, eventID string) (h head, found bool, err error) {
	found, err = t.Row(eventByID, []cell{text(tenant), sought(eventID)}, h.into()...)
	return h, found, err
}

// A headList reads the events of a Query one by one, newest first.
type headList struct {
	t           *tx
	q           *webhook.Query
	from, below uuid.UUID
	next        []head
	atOnce      int
	done        bool
}

// newHeadList returns a list of the events below a UID. Its first statement reads at most
// atOnce events.
func newHeadList(t *tx, q *webhook.Query, below uuid.UUID, atOnce int) *headList {
	l := &headList{t: t, q: q, below: below, atOnce: min(atOnce, headsAtOnce)}
	if !q.From.IsZero() {
		l.from = uidAt(q.From.Add(-uidSlack))
	}
	if !q.To.IsZero() {
		if to := uidAt(q.To.Add(uidSlack)); byRef(to, l.below) < 0 {
			l.below = to
		}
	}
	return l
}

// fetch fills next if it is empty, unless there are no more events.
func (l *headList) fetch() error {
	if len(l.next) > 0 || l.done {
		return nil
	}
	scan := func(r *sql.Rows) error {
		var h head
		err := r.Scan(h.into()...)
		l.next = append(l.next, h)
		return err
	}
	l.next = l.next[:0]
	if !l.q.AllTenants && l.q.EventID != "" {
		l.done = true
		h, found, err := l.t.event(l.q.Tenant, l.q.EventID)
		if found && byRef(h.uid, l.below) < 0 {
			l.next = append(l.next, h)
		}
		return err
	}
	var err error
	if l.q.AllTenants {
		err = l.t.Query(listAllEvents, nil, scan, uid(l.below), uid(l.from), num(l.atOnce))
	} else {
		err = l.t.Query(listEvents, nil, scan, text(l.q.Tenant), uid(l.below), uid(l.from), num(l.atOnce))
	}
	l.done = len(l.next) < l.atOnce
	l.atOnce = headsAtOnce
	if n := len(l.next); n > 0 {
		l.below = l.next[n-1].uid
	}
	return err
}

// Events implements [webhook.Store].
func (s *Store) Events(ctx context.Context, q webhook.Query) (webhook.Page[webhook.EventRecord], error) {
	var page webhook.Page[webhook.EventRecord]
	limit, err := paging.Rows(&q)
	if err != nil {
		return page, err
	}
	below, set, err := paging.ParseUID(q.Cursor)
	if err != nil {
		return page, err
	}
	if !set {
		below = lastID
	}
	err = s.readPlanned(ctx, func(t *tx) error {
		page, err = t.events(newHeadList(t, &q, below, limit+1), limit)
		return err
	})
	if err != nil {
		return webhook.Page[webhook.EventRecord]{}, err
	}
	return page, nil
}

func (t *tx) events(heads *headList, limit int) (page webhook.Page[webhook.EventRecord], err error) {
	var (
		wanted []uuid.UUID
		tests  = make(map[uuid.UUID]bool)
		last   uuid.UUID
	)
	for read := 0; ; read++ {
		if err := heads.fetch(); err != nil {
			return page, err
		}
		if len(heads.next) == 0 {
			break
		}
		if len(wanted) == limit || read == contract.MaxPageRead {
			page.Next = paging.FormatUID(last)
			break
		}
		h := heads.next[0]
		heads.next = heads.next[1:]
		last = h.uid
		if h.matches(heads.q) {
			wanted = append(wanted, h.uid)
			if h.test {
				tests[h.uid] = true
			}
		}
	}
	budget, events := paging.NewBudget(heads.q), newEventScanner()
	for len(wanted) > 0 {
		part := wanted[:min(wideAtOnce, len(wanted))]
		o := eventBriefs
		if !heads.q.NoBodies {
			o = readEvents
			if part, err = t.fitting(part, budget); err != nil {
				return page, err
			}
		}
		found := make(map[uuid.UUID]webhook.EventRecord, len(part))
		if err := t.Query(o, uids(part), func(r *sql.Rows) error {
			e, err := events.scan(r)
			if unreadable(err) {
				return nil
			}
			found[e.UID] = e
			return err
		}); err != nil {
			return page, err
		}
		for _, u := range part {
			e, still := found[u]
			if !still {
				continue
			}
			e.Test = tests[u]
			if !budget.Take(paging.EventSize(&e)) {
				page.Next = paging.FormatUID(page.Items[len(page.Items)-1].UID)
				return page, nil
			}
			page.Items = append(page.Items, e)
		}
		wanted = wanted[len(part):]
	}
	return page, nil
}

// fitting returns the first events of list whose data fits into a budget, at least one.
func (t *tx) fitting(list []uuid.UUID, budget paging.Budget) ([]uuid.UUID, error) {
	sizes, err := t.sizes(list)
	if err != nil {
		return nil, err
	}
	for i, u := range list {
		if h, still := sizes[u]; still && !budget.Take(paging.RowBytes+int(h.size)) {
			return list[:max(i, 1)], nil
		}
	}
	return list, nil
}
