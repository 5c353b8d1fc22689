package webhookhttp

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/gowebhook/webhook"
)

// A Permission is the right that a request needs. An application without such distinctions may
// ignore it.
type Permission string

// Permissions.
const (
	PermissionRead       Permission = "webhooks.read"    // see endpoints and event types
	PermissionWrite      Permission = "webhooks.write"   // create endpoints (which shows their first secret), change and delete them
	PermissionTest       Permission = "webhooks.test"    // test an endpoint with a test event
	PermissionSecrets    Permission = "webhooks.secrets" // rotate secrets, and see them where the Dispatcher reveals them
	PermissionDeliveries Permission = "deliveries.read"  // see events with their data, deliveries, logs and receivers' responses
	PermissionRetry      Permission = "deliveries.retry" // send deliveries again, replay and cancel them
)

// Errors for [Config.Authorize] to return, bare or wrapped. The text of the wrapping is neither
// shown nor logged.
var (
	// ErrUnauthenticated says that the caller is unknown: 401.
	ErrUnauthenticated = errors.New("not authenticated")

	// ErrForbidden says that the caller may not do this: 403.
	ErrForbidden = errors.New("not allowed")
)

// authorize returns the tenant of the request.
func (x *exchange) authorize(p Permission) (string, error) {
	tenant, err := x.h.config.Authorize(x.r, p)
	switch {
	case errors.Is(err, ErrUnauthenticated):
		x.w.Header().Set("WWW-Authenticate", "Bearer")
		return "", refuse(http.StatusUnauthorized, codeUnauthenticated, "", "the request has no valid credentials",
			"send them as the application's documentation says")
	case errors.Is(err, ErrForbidden):
		return "", refuse(http.StatusForbidden, codeForbidden, "",
			fmt.Sprintf("Your credentials don't give access to this address, or they lack the permission %s.", p),
			"Check the address. If it is right, use other credentials or ask an administrator for access.")
	case err != nil:
		return "", x.broken(fmt.Errorf("authorize: %w", err))
	case tenant == "":
		return "", x.broken(errors.New("authorize: neither a tenant nor an error"))
	}
	return tenant, nil
}

// mayReveal reports whether the caller may see a secret that the Dispatcher reveals.
func (x *exchange) mayReveal() (bool, error) {
	tenant, err := x.h.config.Authorize(x.r, PermissionSecrets)
	switch {
	case errors.Is(err, ErrUnauthenticated), errors.Is(err, ErrForbidden):
		return false, nil
	case err != nil:
		return false, x.broken(fmt.Errorf("authorize: %w", err))
	}
	return tenant == x.tenant, nil
}

// broken reports an error of the application and returns the answer for the client.
func (x *exchange) broken(err error) error {
	x.report(err)
	return refuse(http.StatusInternalServerError, codeInternal, "", "something went wrong on our side", "try again later")
}

// unavailable reports an error of the store and returns the answer for the client.
func (x *exchange) unavailable(err error) error {
	x.report(err)
	x.w.Header().Set("Retry-After", "5")
	return refuse(http.StatusServiceUnavailable, codeUnavailable, "", "the request could not be completed", "try again in a few seconds")
}

// report logs an error, unless the client has gone.
func (x *exchange) report(err error) {
	ctx := x.r.Context()
	if ctx.Err() != nil {
		return
	}
	x.h.config.Logger.ErrorContext(ctx, "webhookhttp", "error", err.Error(), "method", x.r.Method, "route", x.route.path)
}

// scope returns the tenant's part of the Dispatcher, which is all that the request can reach.
func (x *exchange) scope() webhook.Scope { return x.h.d.Tenant(x.tenant) }
