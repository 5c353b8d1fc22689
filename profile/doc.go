// Package profile has ready profiles: how well-known systems sign, shape and retry their webhooks, so that an application can
// send what its customers' receivers already verify. Each is a function that returns a [webhook.Profile], to be registered under a
// name of the application's choice:
//
//	webhook.Config{
//		Profiles: map[string]webhook.Profile{"key": profile.Key(profile.KeyOptions{})},
//		Profile:  "key", // for endpoints that are created without one
//	}
//
// There is nothing in them that an application could not write itself: see the example "Own", a provider in 30 lines. What they return
// is a plain value, and any field of it may be replaced, for another schedule, say, or to sign in two ways while receivers migrate.
//
// # What a profile does not decide
//
// Which events there are, how many endpoints a tenant may have, whether secrets can be read again, and how long a request may take are
// settings of [webhook.Config]; each function says which ones belong to its system.
//
// # Where a system's documentation is silent
//
// What a provider has not documented is chosen so that its documented receivers work; each function says what that is. The
// other half of each scheme, verifying, is in package receive.
package profile
