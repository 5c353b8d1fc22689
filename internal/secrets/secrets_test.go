package secrets

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/gowebhook/webhook"
)

func TestASecretIsLiveUntilItExpires(t *testing.T) {
	now := time.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC)
	list := []webhook.EndpointSecret{
		{Value: "newest"}, {Value: "later", ExpiresAt: now.Add(2 * time.Second)}, {Value: "first", ExpiresAt: now.Add(time.Second)},
	}
	assert.Equal(t, now.Add(time.Second), Expiry(list))
	assert.True(t, Expiry(list[:1]).IsZero())
	assert.True(t, Expiry(nil).IsZero())

	assert.Equal(t, list, Live(list, now))
	assert.Equal(t, list[:2], Live(list, now.Add(time.Second)))
	assert.Equal(t, list[:1], Live(list, now.Add(time.Hour)))
	assert.Equal(t, webhook.Secret("first"), list[2].Value, "the list itself stays")
}
