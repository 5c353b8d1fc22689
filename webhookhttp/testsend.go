package webhookhttp

import (
	"errors"
	"net/http"

	"github.com/gowebhook/webhook"
)

func (c *call) testEndpoint() error {
	a, err := c.scope().Test(c.r.Context(), c.r.PathValue("webhook_id"))
	if errors.Is(err, webhook.ErrInFlight) {
		c.w.Header().Set("Retry-After", "5")
		return refuse(http.StatusTooManyRequests, codeTestRunning, "", "a test of this endpoint is running, or too many of others",
			"wait for it to end")
	}
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, attemptOf(&a))
}
