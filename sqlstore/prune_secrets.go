package sqlstore

import (
	"database/sql"
	"time"

	"github.com/gowebhook/webhook/internal/secrets"
)

const (
	// secretsAtOnce is the number of endpoints whose expired secrets one transaction of Prune
	// removes.
	secretsAtOnce = 200

	// secretsLater is the time after which Prune looks again at secrets that it cannot read.
	secretsLater = 24 * time.Hour
)

// dropSecrets removes expired secrets from endpoints, and reports whether there were none. A
// transaction that has removed some does nothing else, so that it holds the endpoints briefly.
//
// The version of the endpoint stays. No request is signed with an expired secret, so copies of
// the endpoint under this version are still right, and no customer's update conflicts. The
// secrets may be sealed, but their expiry is not.
//
// The lock of the status row keeps UpdateEndpoint out, which writes the secrets too. An
// endpoint that another transaction holds stays for the next pass.
func (p *pruner) dropSecrets() (done bool, err error) {
	live := newTable(0)
	now := micros(p.now)
	if err := p.Query(expiredSecrets, nil, func(r *sql.Rows) error {
		var (
			ref    id
			stored string
		)
		if err := r.Scan(&ref, &stored); err != nil {
			return err
		}
		left, next := liveSecrets(stored, p.now)
		live.Add(uid(ref.uid()), text(left), num(next))
		return nil
	}, num(now), num(p.atMost(secretsAtOnce))); err != nil {
		return false, err
	}
	return live.Len() == 0, p.ExecAll(updateSecrets, live)
}

// liveSecrets returns the unexpired part of stored secrets, and when Prune must look at them
// next.
func liveSecrets(stored string, now time.Time) (left string, next int64) {
	list, err := parseSecrets(stored)
	if err != nil { // a later version of the application wrote them
		return stored, micros(now.Add(secretsLater))
	}
	list = secrets.Live(list, now)
	return formatSecrets(list), micros(secrets.Expiry(list))
}
