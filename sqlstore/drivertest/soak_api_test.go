package drivertest

import (
	"testing"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/apicases"
)

// TestSoakTheAPIAnswersTheSameOnEveryDatabase replays the requests of webhookhttp's tests,
// each on a database of its own.
func TestSoakTheAPIAnswersTheSameOnEveryDatabase(t *testing.T) {
	if !soaking() {
		t.Skip("takes minutes: make soak")
	}
	each(t, func(t *testing.T, d database) {
		apicases.Run(t, apicases.Options{Store: func(t *testing.T) webhook.Store { return d.migrated(t) }})
	})
}
