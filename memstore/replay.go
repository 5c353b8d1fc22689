package memstore

import (
	"context"
	"slices"
	"time"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/contract"
	"github.com/gowebhook/webhook/internal/paging"
	"github.com/gowebhook/webhook/internal/replay"
)

// maxReplays bounds the replays that have ended and are kept.
const maxReplays = 1000

// A replayJob is a stored replay.
type replayJob struct {
	webhook.Replay
	key key // of its ID
	due int64
	at  replayPosition
}

// A replayPosition is the place where the next step goes on.
type replayPosition struct {
	endpoint webhook.EndpointKey
	event    key // the first that has not had its turn
}

// A replayList has the replays by id. The unfinished ones are few.
type replayList struct {
	byID  index[replayJob]
	open  []*replayJob
	ended int
}

// find returns a replay, or nil.
func (l *replayList) find(id string) *replayJob {
	uid, found := replay.ID(id)
	if !found {
		return nil
	}
	k := uidKey(uid)
	for r := range l.byID.up(k) {
		if r.key == k {
			return r
		}
		break
	}
	return nil
}

// end ends an unfinished replay. If too many have ended, it drops the oldest of them.
func (l *replayList) end(r *replayJob, reason webhook.Reason, now int64) {
	r.Reason, r.FinishedAt = reason, fromMicros(now)
	l.open = slices.DeleteFunc(l.open, func(other *replayJob) bool { return other == r })
	if l.ended++; l.ended <= maxReplays {
		return
	}
	for old := range l.byID.up(key{}) {
		if !replay.IsRunning(&old.Replay) {
			l.remove(old)
			return
		}
	}
}

func (l *replayList) remove(r *replayJob) {
	l.byID.remove(r.key)
	if !replay.IsRunning(&r.Replay) {
		l.ended--
		return
	}
	l.open = slices.DeleteFunc(l.open, func(other *replayJob) bool { return other == r })
}

// removeIf removes the replays that match.
func (l *replayList) removeIf(match func(*replayJob) bool) {
	var old []*replayJob
	for r := range l.byID.up(key{}) {
		if match(r) {
			old = append(old, r)
		}
	}
	for _, r := range old {
		l.remove(r)
	}
}

// next returns the replay that has been due the longest, or nil if none is unfinished.
func (l *replayList) next() *replayJob {
	var first *replayJob
	for _, r := range l.open {
		if first == nil || r.due < first.due {
			first = r
		}
	}
	return first
}

// copied returns a copy that the caller may change.
func (r *replayJob) copied() webhook.Replay {
	c := r.Replay
	c.Key = ""
	c.Request.Types, c.Request.States = slices.Clone(c.Request.Types), slices.Clone(c.Request.States)
	return c
}

// CreateReplay implements [webhook.Store].
func (s *Store) CreateReplay(ctx context.Context, r webhook.Replay) (webhook.Replay, error) {
	if err := ctx.Err(); err != nil {
		return webhook.Replay{}, err
	}
	if err := replay.CheckTenant(&r); err != nil {
		return webhook.Replay{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ofTenant := 0
	for _, other := range s.replays.open {
		if other.Key == r.Key {
			return other.copied(), nil
		}
		if other.Tenant == r.Tenant {
			ofTenant++
		}
	}
	if ofTenant >= replay.MaxOpenOfTenant || len(s.replays.open) >= replay.MaxOpen {
		return webhook.Replay{}, webhook.ErrLimit
	}
	uid, _ := replay.ID(r.ID)
	own := &replayJob{Replay: r, key: uidKey(uid), due: micros(r.CreatedAt)}
	own.Replay = own.copied() // the caller may change its own
	own.Key = r.Key
	s.replays.byID.add(own.key, own)
	s.replays.open = append(s.replays.open, own)
	return own.copied(), nil
}

// CancelReplay implements [webhook.Store].
func (s *Store) CancelReplay(ctx context.Context, q webhook.Query, now time.Time) (webhook.Replay, error) {
	if err := ctx.Err(); err != nil {
		return webhook.Replay{}, err
	}
	if _, err := paging.Rows(&q); err != nil {
		return webhook.Replay{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.replays.find(q.ReplayID)
	switch {
	case r == nil, !q.AllTenants && r.Tenant != q.Tenant:
		return webhook.Replay{}, webhook.ErrNotFound
	case replay.IsRunning(&r.Replay):
		s.replays.end(r, webhook.ReasonCanceled, micros(now))
	case !replay.IsCanceled(&r.Replay):
		return webhook.Replay{}, webhook.ErrConflict
	}
	return r.copied(), nil
}

// Replays implements [webhook.Store].
func (s *Store) Replays(ctx context.Context, q webhook.Query) (webhook.Page[webhook.Replay], error) {
	var page webhook.Page[webhook.Replay]
	if err := ctx.Err(); err != nil {
		return page, err
	}
	limit, err := paging.Rows(&q)
	if err != nil {
		return page, err
	}
	below, err := eventCursor(q.Cursor)
	if err != nil {
		return page, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.ReplayID != "" {
		if r := s.replays.find(q.ReplayID); r != nil && r.key.less(below) && (q.AllTenants || r.Tenant == q.Tenant) {
			page.Items = append(page.Items, r.copied())
		}
		return page, nil
	}
	read := 0
	var last *replayJob
	for r := range s.replays.byID.down(below) {
		if len(page.Items) == limit || read == contract.MaxPageRead {
			uid, _ := replay.ID(last.ID)
			page.Next = paging.FormatUID(uid)
			break
		}
		read++
		last = r
		if q.AllTenants || r.Tenant == q.Tenant {
			page.Items = append(page.Items, r.copied())
		}
	}
	return page, nil
}
