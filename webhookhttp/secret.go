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

func (x *exchange) rotateSecret() error {
	members, err := x.body(false, only("overlap_seconds"))
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
	e, err := x.scope().RotateSecret(x.r.Context(), x.r.PathValue("webhook_id"), overlap)
	if field, ok := errors.AsType[*webhook.FieldError](err); ok && field.Field == "Endpoint.Secrets" {
		return refuse(http.StatusConflict, codeSecretLimit, "", "the webhook "+field.Problem,
			"wait until one has expired, or end all of them now with an overlap_seconds of 0")
	}
	if err != nil {
		return err
	}
	return x.answerNewSecret(http.StatusOK, &e)
}
