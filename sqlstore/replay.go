package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"time"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/contract"
	"github.com/gowebhook/webhook/internal/paging"
	"github.com/gowebhook/webhook/internal/replay"
)

// CreateReplay implements [webhook.Store].
func (s *Store) CreateReplay(ctx context.Context, r webhook.Replay) (created webhook.Replay, err error) {
	if err := replay.CheckTenant(&r); err != nil {
		return webhook.Replay{}, err
	}
	own := newReplayRow(&r)
	err = s.write(ctx, txOptions{}, func(t *tx) error {
		var since int64
		if _, err := t.Row(lockReplays, nil, &since); err != nil { // one call at a time counts the others
			return err
		}
		same, ofTenant, all := zeroID, 0, 0
		if err := t.Query(openReplays, nil, func(rows *sql.Rows) error {
			var (
				u      id
				tenant string
				key    []byte
			)
			err := rows.Scan(&u, &tenant, &key)
			if all++; tenant == r.Tenant {
				ofTenant++
			}
			if bytes.Equal(key, own.requestKey()) {
				same = u.uid()
			}
			return err
		}); err != nil {
			return err
		}
		switch {
		case same != zeroID:
			other, _, err := t.replay(replayByID, uid(same))
			created = other.Replay
			return err
		case ofTenant >= replay.MaxOpenOfTenant, all >= replay.MaxOpen:
			return webhook.ErrLimit
		}
		created = own.Replay
		_, err := t.Exec(insertReplay, own.cells()...)
		return err
	})
	if err != nil {
		return webhook.Replay{}, err
	}
	return created, nil
}

// CancelReplay implements [webhook.Store]. It waits for a step that is under way.
func (s *Store) CancelReplay(ctx context.Context, q webhook.Query, now time.Time) (canceled webhook.Replay, err error) {
	if _, err := paging.Rows(&q); err != nil {
		return webhook.Replay{}, err
	}
	u, named := replay.ID(q.ReplayID)
	if !named {
		return webhook.Replay{}, cmp.Or(ctx.Err(), webhook.ErrNotFound)
	}
	err = s.write(ctx, txOptions{}, func(t *tx) error {
		r, found, err := t.replay(lockReplay, uid(u))
		switch {
		case err != nil:
			return err
		case !found, !q.AllTenants && r.Tenant != q.Tenant:
			return webhook.ErrNotFound
		case replay.IsRunning(&r.Replay):
			r.Reason, r.FinishedAt = webhook.ReasonCanceled, now
			err = t.update(r)
		case !replay.IsCanceled(&r.Replay):
			return webhook.ErrConflict
		}
		canceled = r.Replay
		return err
	})
	if err != nil {
		return webhook.Replay{}, err
	}
	return canceled, nil
}

// Replays implements [webhook.Store].
func (s *Store) Replays(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Replay], error) {
	var page webhook.Page[webhook.Replay]
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
		if q.ReplayID != "" {
			page.Items, err = t.replayNamed(&q, below)
			return err
		}
		page, err = t.replays(&q, below, min(limit, contract.MaxPageRows))
		return err
	})
	if err != nil {
		return webhook.Page[webhook.Replay]{}, err
	}
	return page, nil
}

// replayNamed returns the replay with q.ReplayID, if there is one.
func (t *tx) replayNamed(q *webhook.Query, below uuid.UUID) ([]webhook.Replay, error) {
	u, named := replay.ID(q.ReplayID)
	if !named || byRef(u, below) >= 0 {
		return nil, t.Context().Err()
	}
	r, found, err := t.replay(replayByID, uid(u))
	if err != nil || !found || !q.AllTenants && r.Tenant != q.Tenant {
		return nil, err
	}
	return []webhook.Replay{r.Replay}, nil
}

func (t *tx) replays(q *webhook.Query, below uuid.UUID, limit int) (page webhook.Page[webhook.Replay], err error) {
	o, scalars := listReplays, []cell{text(q.Tenant), uid(below), num(limit + 1)}
	if q.AllTenants {
		o, scalars = listAllReplays, scalars[1:]
	}
	last := below
	err = t.Query(o, nil, func(rows *sql.Rows) error {
		var r replayRow
		if err := r.scan(rows); err != nil {
			return err
		}
		if len(page.Items) == limit {
			page.Next = paging.FormatUID(last)
			return nil
		}
		last = r.uid
		page.Items = append(page.Items, r.Replay)
		return nil
	}, scalars...)
	return page, err
}

// replay reads one replay by a statement.
func (t *tx) replay(o op, scalars ...cell) (r replayRow, found bool, err error) {
	err = t.Query(o, nil, func(rows *sql.Rows) error {
		found = true
		return r.scan(rows)
	}, scalars...)
	return r, found, err
}

// update stores the progress of a locked replay.
func (t *tx) update(r replayRow) error {
	_, err := t.Exec(updateReplay, r.updateCells()...)
	return err
}

// dropReplays removes old replays that have ended. It reports whether it has removed all
// of them.
func (p *pruner) dropReplays(age time.Duration) (done bool, err error) {
	if age < 0 {
		return true, nil
	}
	if age == 0 {
		age = contract.EventAge
	}
	done = true
	for _, state := range []string{finishedReplay, canceledReplay} {
		most := p.atMost(pruneWork)
		list, err := p.uidsOf(endedReplays, nil, text(state), at(p.now.Add(-age)), num(most))
		if err != nil {
			return false, err
		}
		if err := p.ExecAll(deleteReplays, uids(list)); err != nil {
			return false, err
		}
		done = done && len(list) < most
	}
	return done, nil
}

// eraseReplays removes some replays of a tenant, and returns how many.
func (t *tx) eraseReplays(tenant string, most int) (int, error) {
	list, err := t.uidsOf(replaysOfTenant, nil, text(tenant), num(most))
	if err != nil {
		return 0, err
	}
	return len(list), t.ExecAll(deleteReplays, uids(list))
}
