package memstore

import (
	"time"

	"github.com/gowebhook/webhook/internal/secrets"
)

// watchSecrets records when the first secret of an endpoint expires.
func (s *Store) watchSecrets(e *endpoint) {
	if e.expiring {
		s.expiring.remove(&e.expiry)
	}
	at := secrets.Expiry(e.Secrets)
	if e.expiring = !at.IsZero(); e.expiring {
		s.expiring.push(micros(at), 0, &e.expiry)
	}
}

// dropSecrets removes expired secrets from endpoints, and reports whether none are left. The
// Version stays, because no request is signed with these secrets.
func (s *Store) dropSecrets(now time.Time, budget *int) bool {
	for s.expiring.due(micros(now)) {
		if *budget--; *budget < 0 {
			return false
		}
		e := s.expiring.top()
		e.Secrets = secrets.Live(e.Secrets, now) // readers have the old slice
		s.watchSecrets(e)
	}
	return true
}
