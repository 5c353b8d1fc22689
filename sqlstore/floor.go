package sqlstore

import (
	"context"
	"time"
)

// A floor is the time from which claims look for waiting deliveries that have become due. Below it there are none, as far
// as this process knows.
//
// A transaction that stays open elsewhere, such as a backup, keeps the index entries of deliveries that have left lane
// zero. They come before those that wait, and a scan from the beginning reads each of them: 300,000 take half a second.
//
// Every delivery enters lane zero with due_at after the present time of the process that writes it: Publish and Settle
// put what is due at once into its lane, as do Retry and the expansion of the outbox, and a lease ends in the future. So
// when a claim at 12:00:00 finds that nothing waits any more, whatever comes later is due after 12:00:00, less what
// floorSlack allows: clocks that differ, and transactions that commit late. From 11:58:00 on claims look for it.
//
// A delivery that is due but locked by another transaction still waits, so the floor stays below it until it is taken.
// If something got below the floor all the same, a full look each minute finds it.
type floor struct {
	at     int64 // microseconds; 0 before the first look
	looked int64 // when the last full look began
}

const (
	floorSlack = int64(2 * time.Minute / time.Microsecond)
	fullLook   = int64(time.Minute / time.Microsecond)

	// fullLookTimeout bounds a full look of a process that has a floor to go by.
	fullLookTimeout = 2 * time.Second
)

// begin returns where a look at now begins: 0 for a full one.
func (f *floor) begin(now int64) int64 {
	if since := now - f.looked; f.at == 0 || since >= fullLook || since <= -fullLook {
		f.looked = now
		return 0
	}
	return f.known(now)
}

// known is the floor of a look at now, which may be earlier than that of the look before.
func (f *floor) known(now int64) int64 { return min(f.at, now-floorSlack) }

// raise notes that nothing waited any more at now.
func (f *floor) raise(now int64) { f.at = max(now-floorSlack, 1) }

// due looks what there is to do.
func (s *Store) due(ctx context.Context, now int64) (d due, err error) {
	s.mu.Lock()
	known := s.floor
	from := s.floor.begin(now)
	s.mu.Unlock()
	if from == 0 && known.at != 0 {
		// Behind a very old snapshot a full look takes longer than a claim may. The others go on without it.
		bounded, cancel := context.WithTimeout(ctx, fullLookTimeout)
		d, err = s.look(bounded, now, 0)
		cancel()
		if err != nil && ctx.Err() == nil && bounded.Err() != nil {
			d, err = s.look(ctx, now, known.known(now))
		}
	} else {
		d, err = s.look(ctx, now, from)
	}
	if err == nil && !d.waiting {
		s.mu.Lock()
		s.floor.raise(now)
		s.mu.Unlock()
	}
	return d, err
}

func (s *Store) look(ctx context.Context, now, from int64) (d due, err error) {
	err = s.read(ctx, "claim", func(t *tx) error {
		d, err = t.due(now, from)
		return err
	})
	return d, err
}
