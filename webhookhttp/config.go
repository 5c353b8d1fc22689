package webhookhttp

import (
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/gowebhook/webhook"
)

// A Config configures a Handler. Authorize is required. New copies the Config, so later changes
// have no effect.
type Config struct {
	// Prefix is the pattern of the path below which requests arrive, as in [http.ServeMux]:
	// "/v1/communities/{community_id}". It begins with "/" and does not end with it. Defaults
	// to none, as behind [http.StripPrefix].
	Prefix string

	// Authorize returns the tenant of a request, if the caller has the permission. It is
	// required. The wildcards of Prefix are path values of the request.
	//
	// It is called once for each request, before the body is read or the id is looked up. If
	// the Dispatcher has Config.RevealSecrets, it is called a second time, with
	// PermissionSecrets, where a secret might be shown.
	//
	// ErrUnauthenticated answers 401 and ErrForbidden 403, also when wrapped. Any other error
	// is the application's failure, and so is an empty tenant without an error. Failures are
	// logged, and answered with 500 and no details.
	Authorize func(*http.Request, Permission) (tenant string, err error)

	// EventTypes is the catalogue that customers see, each type with a description. Use it to
	// hide the application's own types, for example. Defaults to the Dispatcher's catalogue.
	EventTypes map[string]string

	// ReadOnly lists the fields of an endpoint that customers see but cannot set. It may list
	// "description", "channel", "profile", "metadata", "headers", "timeout_ms", "max_in_flight",
	// "rate" and "burst". With an empty list that is not nil, customers can set all of them.
	// Defaults to "profile" and "metadata", which are the application's own.
	ReadOnly []string

	// MaxTenantRequests is the number of requests that are served at the same time for one
	// tenant. Others wait up to 2 seconds for their turn. 8 for each of MaxTenantRequests may
	// wait: with the default of 2, that is 16. Further requests are answered 429 with
	// Retry-After.
	//
	// Test sends do not count, because they have limits of their own. The limit is per Handler,
	// so per process. Lower it if one customer's requests make the database slow for others.
	// Defaults to 2; 1 to MaxRequests.
	MaxTenantRequests int

	// MaxRequests is the number of requests that are served at the same time over all tenants.
	// Tenants that wait take turns. Raise it if the database has connections to spare. Keep it
	// below the size of the pool that the Store shares with the rest of the application.
	// Defaults to 16; 1 to 1,000.
	MaxRequests int

	// Parameters are the names of query parameters that the application reads itself, for
	// example an access token. A query parameter that neither the API nor Parameters names is
	// refused, so that a typing error does not return everything. Defaults to none.
	Parameters []string

	// TrustedOrigins are other origins than the API's own, for example
	// "https://app.example.com". Their pages may send requests that change something. Defaults
	// to none.
	TrustedOrigins []string

	// RenderError writes a problem in the application's own format. It sets Content-Type and
	// writes the status. The headers that belong to the answer (Allow, Retry-After,
	// WWW-Authenticate) are set already. It may call Problem.ServeHTTP, which is the default.
	RenderError func(http.ResponseWriter, *http.Request, Problem)

	// Logger gets the failures that are answered with 500 and 503. Defaults to slog.Default().
	Logger *slog.Logger
}

// Limits of the requests that are served at the same time.
const (
	defaultRequests       = 16
	defaultTenantRequests = 2
	mostRequests          = 1000
)

// optional are the fields that ReadOnly may list.
var optional = []string{"description", "channel", "profile", "metadata", "headers", "timeout_ms", "max_in_flight", "rate", "burst"}

// complete returns c with its defaults filled in, or an error that names the wrong field.
func (c Config) complete() (Config, error) {
	if c.Authorize == nil {
		return c, &webhook.FieldError{
			Field: "Config.Authorize", Problem: "is nil",
			Cure: "say whose webhooks a request is about; an API for a single customer returns the same tenant for all",
		}
	}
	if err := checkPrefix(c.Prefix); err != nil {
		return c, err
	}
	if c.ReadOnly == nil {
		c.ReadOnly = []string{"profile", "metadata"}
	}
	for i, name := range c.ReadOnly {
		if !slices.Contains(optional, name) {
			return c, &webhook.FieldError{
				Field: "Config.ReadOnly[" + strconv.Itoa(i) + "]", Problem: fmt.Sprintf("is %q", name),
				Cure: "use some of " + strings.Join(optional, ", "),
			}
		}
	}
	if c.MaxRequests == 0 {
		c.MaxRequests = defaultRequests
	}
	if c.MaxTenantRequests == 0 {
		c.MaxTenantRequests = min(defaultTenantRequests, c.MaxRequests)
	}
	if c.MaxRequests < 1 || c.MaxRequests > mostRequests {
		return c, &webhook.FieldError{
			Field: "Config.MaxRequests", Problem: fmt.Sprintf("is %d", c.MaxRequests),
			Cure: fmt.Sprintf("use 1 to %d, or 0 for %d", mostRequests, defaultRequests),
		}
	}
	if c.MaxTenantRequests < 1 || c.MaxTenantRequests > c.MaxRequests {
		return c, &webhook.FieldError{
			Field: "Config.MaxTenantRequests", Problem: fmt.Sprintf("is %d", c.MaxTenantRequests),
			Cure: fmt.Sprintf("use 1 to %d, which is MaxRequests, or 0 for %d", c.MaxRequests, defaultTenantRequests),
		}
	}
	c.Parameters = slices.Clone(c.Parameters)
	c.EventTypes, c.ReadOnly, c.TrustedOrigins = maps.Clone(c.EventTypes), slices.Clone(c.ReadOnly), slices.Clone(c.TrustedOrigins)
	if c.RenderError == nil {
		c.RenderError = func(w http.ResponseWriter, r *http.Request, p Problem) { p.ServeHTTP(w, r) }
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, nil
}

func checkPrefix(prefix string) error {
	const (
		field = "Config.Prefix"
		cure  = `write it as "/v1/communities/{community_id}", or leave it empty behind http.StripPrefix`
	)
	switch {
	case prefix == "":
		return nil
	case prefix[0] != '/':
		return &webhook.FieldError{Field: field, Problem: `does not begin with "/"`, Cure: cure}
	case strings.HasSuffix(prefix, "/"):
		return &webhook.FieldError{Field: field, Problem: `ends with "/"`, Cure: cure}
	case strings.Contains(prefix, "...}") || strings.Contains(prefix, "{$}"):
		return &webhook.FieldError{Field: field, Problem: "has a wildcard for the end of a path", Cure: cure}
	case path.Clean(prefix) != prefix:
		return &webhook.FieldError{Field: field, Problem: `has "//", "/./" or "/../" in it`, Cure: cure}
	}
	return nil
}
