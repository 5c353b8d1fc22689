package sqlstore

import (
	"database/sql"
	"time"

	"github.com/gowebhook/webhook/internal/secrets"
)

const (
	// secretsAtOnce is how many endpoints one transaction of Prune frees of expired secrets.
	secretsAtOnce = 200

	// secretsLater is when Prune looks again at secrets that it cannot read.
	secretsLater = day
)

// dropSecrets removes expired secrets from endpoints, and reports whether there were none.
// A transaction that has removed some does nothing else, so that it holds the endpoints
// briefly.
//
// The version of the endpoint stays. Nobody signs with an expired secret, so what others
// know of the endpoint under this version is still right, and no update of a customer
// conflicts. The secrets may be sealed: when they expire is not.
//
// The lock of the status row keeps UpdateEndpoint out, which writes the secrets too. An
// endpoint that another transaction holds is left for the next round.
func (p *pruning) dropSecrets() (done bool, err error) {
	live := newTable(0, 3)
	now := micros(p.now)
	if err := p.query(expiredSecrets, nil, func(r *sql.Rows) error {
		var (
			ref    id
			stored string
		)
		if err := r.Scan(&ref, &stored); err != nil {
			return err
		}
		left, next := liveSecrets(stored, p.now)
		live.add(uid(ref.uid()), text(left), num(next))
		return nil
	}, num(now), num(p.atMost(secretsAtOnce))); err != nil {
		return false, err
	}
	return live.len() == 0, p.execAll(updateSecrets, live)
}

// liveSecrets returns what is left of stored secrets, and when Prune has to look at them next.
func liveSecrets(stored string, now time.Time) (left string, next int64) {
	list, err := parseSecrets(stored)
	if err != nil { // a later version of the application has written them
		return stored, micros(now.Add(secretsLater))
	}
	list = secrets.Live(list, now)
	return formatSecrets(list), micros(secrets.Expiry(list))
}
