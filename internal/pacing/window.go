package pacing

import "time"

// windowSlots is the number of parts of a Window's time.
const windowSlots = 10

// A Window counts attempts and failures within a time that ends now. The time is in ten parts,
// the newest of which is not over yet. So a Window looks back nine to ten tenths of its length.
// It is not safe for concurrent use.
type Window struct {
	slots [windowSlots]Count
	slot  time.Duration // length of a part
	last  int64         // number of the newest part: its time divided by slot
}

// A Count is a number of attempts.
type Count struct{ Attempts, Failed int }

// NewWindow returns an empty Window of some length.
func NewWindow(length time.Duration) *Window {
	return &Window{slot: max(length/windowSlots, 1)}
}

// Succeeded counts an attempt at now that succeeded.
func (w *Window) Succeeded(now time.Duration) { w.newest(now).Attempts++ }

// Failed counts an attempt at now that failed.
func (w *Window) Failed(now time.Duration) {
	newest := w.newest(now)
	newest.Attempts++
	newest.Failed++
}

// Count returns the attempts within the Window at now.
func (w *Window) Count(now time.Duration) (sum Count) {
	w.newest(now)
	for _, slot := range w.slots {
		sum.Attempts += slot.Attempts
		sum.Failed += slot.Failed
	}
	return sum
}

// newest empties the parts that are over, and returns the newest. A time that goes backwards
// belongs to the newest part.
func (w *Window) newest(now time.Duration) *Count {
	at := int64(max(now, 0) / w.slot)
	for steps := min(at-w.last, windowSlots); steps > 0; steps-- {
		w.slots[(at-steps+1)%windowSlots] = Count{}
	}
	w.last = max(w.last, at)
	return &w.slots[w.last%windowSlots]
}

// Percent returns the part of the attempts that failed.
func (c Count) Percent() float64 { return 100 * float64(c.Failed) / float64(max(c.Attempts, 1)) }
