package webhook

// LocalStats are counts of this process alone, in memory.
type LocalStats struct {
	// InFlight is the number of deliveries that count against Config.MaxInFlight: on the wire,
	// or with a result that is being stored.
	InFlight int

	// Queued is the number of deliveries that wait in memory for their turn.
	Queued int

	// Unsettled is the number of results that the Store does not have yet. It stays near zero
	// while the Store works, and grows while the Store refuses results. If the process dies,
	// other processes repeat these deliveries.
	Unsettled int
}

// Local returns counts of this process. It reads three numbers and does not call the Store, so
// it may be called often. Without Run, all are zero.
func (d *Dispatcher) Local() LocalStats {
	s := d.session.Load()
	if s == nil {
		return LocalStats{}
	}
	return LocalStats{InFlight: s.lanes.InFlight(), Queued: s.lanes.Queued(), Unsettled: s.results.unsettled()}
}
