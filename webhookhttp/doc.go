// Package webhookhttp lets an application's customers manage their webhooks over HTTP: endpoints, test sends, delivery logs,
// secrets, events, retries. It is an [http.Handler] that the application mounts in its own router, behind its own
// authentication; [Config.Authorize] says for each request whose webhooks it is about.
//
//	api, err := webhookhttp.New(dispatcher, webhookhttp.Config{
//		Prefix: "/v1/communities/{community_id}",
//		Authorize: func(r *http.Request, p webhookhttp.Permission) (string, error) {
//			user := session.User(r)
//			community := r.PathValue("community_id")
//			switch {
//			case user == nil:
//				return "", webhookhttp.ErrUnauthenticated
//			case !user.May(string(p), community):
//				return "", webhookhttp.ErrForbidden
//			}
//			return community, nil
//		},
//	})
//	mux.Handle("/v1/communities/{community_id}/", api)
//
// # Routes
//
// They are below the prefix:
//
//	GET    /webhooks                              webhooks.read
//	POST   /webhooks                              webhooks.write
//	GET    /webhooks/{webhook_id}                 webhooks.read
//	PATCH  /webhooks/{webhook_id}                 webhooks.write
//	DELETE /webhooks/{webhook_id}                 webhooks.write
//	POST   /webhooks/{webhook_id}/test            webhooks.test
//	GET    /webhooks/{webhook_id}/logs            deliveries.read
//	POST   /webhooks/{webhook_id}/secret/rotate   webhooks.secrets
//	GET    /deliveries                            deliveries.read
//	GET    /deliveries/{delivery_id}              deliveries.read
//	POST   /deliveries/{delivery_id}/retry        deliveries.retry
//	GET    /events                                deliveries.read
//	GET    /events/{event_id}                     deliveries.read
//	GET    /event-types                           webhooks.read
//	GET    /openapi.yaml                          none: it holds nothing of a tenant
//
// The last one describes all of them, in OpenAPI 3.1. Everything else below the prefix is a 404, or a 405 with Allow.
//
// # Mounting
//
// Prefix is the pattern under which requests arrive. In a [http.ServeMux], and in chi's Mount and Handle, they arrive under
// their whole path, so it is that of the mount. Behind [http.StripPrefix] it is what is left: nothing, if all was stripped. The
// wildcards of Prefix, and of a pattern around it, are path values of the request that Authorize gets.
//
// # What customers do not see
//
// What belongs to another tenant is not found. Values of headers never come back, and go only to the scheme, host and port
// that they were given for: who changes those must give each value again. Secrets come back only where they are made, unless
// the Dispatcher's Config.RevealSecrets says otherwise. Why an endpoint cannot be reached (no such name, nobody listens, not
// allowed to be dialed) is one word, "unreachable", without a time, and looks the same in every other way, so that
// the application's network cannot be explored through its webhooks.
//
// # Browsers
//
// Requests that change something are refused when a browser says that they come from another origin ([http.CrossOriginProtection]),
// so that authentication by cookie is safe; [Config.TrustedOrigins] makes exceptions. The package answers no CORS preflights.
//
// # Limits
//
// A list reads only what it shows, at most 1,000 rows, and the log can be paged by number for its
// latest 1,000 entries. Two requests of a tenant are served at the same time, and 16 of all
// tenants; more wait for their turn, and tenants take turns. [Config.MaxTenantRequests] and
// [Config.MaxRequests] change that. A request that cannot wait is answered 429 with Retry-After.
//
// # Verify calls
//
// [NewVerify] is a handler apart, for providers whose customers check their credentials and their server with one call.
//
// # Time
//
// A test send answers when the customer's server has, after as long as the endpoint's timeout: a server's WriteTimeout must be
// longer than that.
package webhookhttp
