package webhookhttp

import (
	"errors"
	"net/http"
	"time"

	"github.com/gowebhook/webhook"
)

// Overlap is how long the old secrets stay valid after a rotation.
const (
	defaultOverlap = 24 * time.Hour
	maxOverlap     = 30 * 24 * time.Hour
)

func (c *call) rotateSecret() error {
	members, err := c.body(false, only("overlap_seconds"))
	if err != nil {
		return err
	}
	overlap := defaultOverlap
	for _, m := range members {
		if isNull(m.value) {
			continue
		}
		seconds, err := decodeInt(m.field, m.value, 0, int64(maxOverlap/time.Second))
		if err != nil {
			return err
		}
		overlap = time.Duration(seconds) * time.Second
	}
	e, err := c.scope().RotateSecret(c.r.Context(), c.r.PathValue("webhook_id"), overlap)
	if field, ok := errors.AsType[*webhook.FieldError](err); ok && field.Field == "Endpoint.Secrets" {
		return refuse(http.StatusConflict, codeSecretLimit, "", "the webhook "+field.Problem,
			"wait until one has expired, or end all of them now with an overlap_seconds of 0")
	}
	if err != nil {
		return err
	}
	return c.answerNewSecret(http.StatusOK, &e)
}
