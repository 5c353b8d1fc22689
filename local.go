package webhook

// Local returns counts of this process alone. It reads three numbers and does not call the
// Store, so it may be called often. Without Run, all are zero.
//
// InFlight is the number of deliveries that count against Config.MaxInFlight: on the wire, or
// with a result that is being stored. Queued is the number of deliveries that wait in memory for
// their turn.
//
// Unsettled is the number of results that the Store does not have yet. It stays near zero while
// the Store works, and grows while the Store refuses results. If the process dies, other
// processes repeat these deliveries.
func (d *Dispatcher) Local() (counts struct{ InFlight, Queued, Unsettled int }) {
	if s := d.session.Load(); s != nil {
		counts.InFlight, counts.Queued, counts.Unsettled = s.lanes.InFlight(), s.lanes.Queued(), s.results.unsettled()
	}
	return counts
}
