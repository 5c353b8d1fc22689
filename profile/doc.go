// Package profile has ready profiles of well-known systems: how each signs, shapes and retries
// its webhooks. With one of them an application sends requests that its customers' receivers
// already verify. Each function returns a [webhook.Profile], and the application registers it
// under a name of its choice:
//
//	webhook.Config{
//		Profiles: map[string]webhook.Profile{"key": profile.Key(profile.KeyOptions{})},
//		Profile:  "key", // for endpoints that are created without one
//	}
//
// An application could write any of them itself: see the example "Own", a provider in 30 lines.
// The functions return plain values, and any field may be replaced. For example, an application
// may use another schedule, or sign in two ways while receivers migrate.
//
// # Settings outside a profile
//
// Four settings are in [webhook.Config]: the event types, the number of endpoints of a tenant,
// whether secrets can be read again, and the timeout of a request. The comment of each function
// gives its system's values.
//
// # Gaps in a system's documentation
//
// Where a provider's documentation is silent, the profile does something that works with the
// documented receivers. The comment of each function says so. Package receive has the other
// half of each scheme, verification.
package profile
