package sqlstore

import (
	"database/sql"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
)

// cancelDead cancels deliveries of disabled and deleted endpoints. It reports whether it has
// looked at all endpoints and canceled nothing. A transaction that holds the status of an
// endpoint does nothing else, so that it ends soon.
func (p *pruner) cancelDead() (done bool, err error) {
	lanes, err := p.uidsOf(pruneRefs, nil, uid(p.pass.lane), num(pruneLanes))
	if err != nil {
		return false, err
	}
	statuses, err := p.statuses(readStatus, lanes)
	if err != nil {
		return false, err
	}
	most := p.atMost(pruneWork)
	budget := most
	for _, ref := range lanes {
		if s := statuses[ref]; s == nil || s.State == webhook.EndpointDisabled {
			n, err := p.cancelSome(ref, budget)
			if err != nil {
				return false, err
			}
			if budget -= n; budget <= 0 {
				return false, nil // the endpoint may have more deliveries
			}
		}
		p.pass.lane = ref
	}
	return len(lanes) < pruneLanes && budget == most, nil
}

// cancelSome cancels deliveries of one endpoint, if it is still disabled or deleted, and
// returns how many.
//
// It locks the deliveries first and then looks at the endpoint. If the endpoint was enabled or
// created again in between, its new deliveries were published even later. So they are not among
// the locked ones.
func (p *pruner) cancelSome(ref uuid.UUID, most int) (int, error) {
	var open []*queueRow
	now := micros(p.now)
	err := p.Query(pruneQueue, nil, func(r *sql.Rows) error {
		q := &queueRow{}
		open = append(open, q)
		return q.scan(r)
	}, uid(ref), num(now+leaseGrace), num(most))
	if err != nil || len(open) == 0 {
		return 0, err
	}
	reason, dead, err := p.cause(ref)
	if err != nil || !dead {
		return 0, err
	}
	for _, q := range open {
		p.lower(q.uid)
	}
	return len(open), p.cancel(open, reason, now)
}

// cause reports whether the deliveries of an endpoint must be canceled, and returns the
// reason. A disabled endpoint stays disabled until the transaction ends. If another
// transaction holds the endpoint's status, the endpoint is left for the next pass,
// because waiting could take long.
func (p *pruner) cause(ref uuid.UUID) (reason webhook.Reason, dead bool, err error) {
	disabled, err := p.Row(lockDisabled, []cell{uid(ref)}, &reason)
	if err != nil || disabled {
		return reason, disabled, err
	}
	var found id
	exists, err := p.Row(statusOfRef, []cell{uid(ref)}, &found)
	return webhook.ReasonDeleted, !exists, err
}
