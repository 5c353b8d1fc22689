// Package webhookhttp lets an application's customers manage their webhooks over HTTP:
// endpoints, test sends, delivery logs, secrets, events, retries and replays. It is an [http.Handler].
// The application mounts it in its own router, behind its own authentication.
// [Config.Authorize] returns the tenant of each request.
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
//	GET    /webhooks/{webhook_id}/backlog         deliveries.read
//	POST   /webhooks/{webhook_id}/replay          deliveries.retry
//	POST   /webhooks/{webhook_id}/secret/rotate   webhooks.secrets
//	GET    /deliveries                            deliveries.read
//	GET    /deliveries/{delivery_id}              deliveries.read
//	POST   /deliveries/{delivery_id}/retry        deliveries.retry
//	POST   /deliveries/{delivery_id}/cancel       deliveries.retry
//	POST   /deliveries/retry                      deliveries.retry
//	POST   /deliveries/cancel                     deliveries.retry
//	GET    /replays                               deliveries.read
//	POST   /replays                               deliveries.retry
//	GET    /replays/{replay_id}                   deliveries.read
//	DELETE /replays/{replay_id}                   deliveries.retry
//	GET    /events                                deliveries.read
//	GET    /events/{event_id}                     deliveries.read
//	DELETE /events/{event_id}                     deliveries.retry
//	GET    /event-types                           webhooks.read
//	GET    /openapi.yaml                          none: it holds nothing of a tenant
//
// The last route describes all of them, in OpenAPI 3.1. Every other path below the prefix is a
// 404. Every other method is a 405 with Allow.
//
// # Mounting
//
// Prefix is the pattern under which requests arrive. In a [http.ServeMux], and in chi's Mount
// and Handle, requests arrive under their whole path, so Prefix is the path of the mount.
// Behind [http.StripPrefix], Prefix is the rest of the path: empty, if all of it was stripped.
// Authorize gets the wildcards of Prefix, and of a pattern around it, as path values of its
// request.
//
// # Hidden from customers
//
// Another tenant's things are not found.
//
// Values of headers are never shown. They are sent only to the scheme, host and port that they
// were given for. A customer who changes one of these three must give each value again.
//
// Secrets are shown only when they are made, unless the Dispatcher's Config.RevealSecrets says
// otherwise.
//
// Three causes look alike: the endpoint's name does not exist, nothing listens there, or the
// address must not be dialed. All are the one word "unreachable", without a time, and look the
// same in every other way. So customers cannot explore the application's network through its
// webhooks.
//
// # Browsers
//
// A request that changes something is refused if a browser says that it comes from another
// origin (see [http.CrossOriginProtection]). That makes authentication by cookie safe.
// [Config.TrustedOrigins] makes exceptions. The package answers no CORS preflights.
//
// # Limits
//
// A list reads only the rows that it shows, at most 1,000. The log can be paged by number for
// its latest 1,000 entries.
//
// Two requests of a tenant are served at the same time, and 16 of all tenants. More wait for
// their turn, and tenants take turns. [Config.MaxTenantRequests] and [Config.MaxRequests]
// change that. A request that cannot wait is answered 429 with Retry-After.
//
// # Verify calls
//
// [NewVerify] returns a separate handler. It is for providers whose customers check their
// credentials and their server with one call.
//
// # Time
//
// A test send answers after the customer's server has answered, which may take as long as the
// endpoint's timeout. The WriteTimeout of the application's server must be longer than that.
package webhookhttp
