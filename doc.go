// Package webhook sends webhooks. It takes events from an application, fans them out to the
// endpoints that its customers registered, signs every request, retries failures, and keeps a
// log of every attempt. It is a library and runs inside the application, on a [Store] that the
// application chooses: its own database through package sqlstore, or memory.
//
// # Sending
//
//	d, err := webhook.New(store, webhook.Config{}) // of sqlstore.New, sqlstore.OpenSQLite or memstore.New
//	stopped := make(chan error, 1)
//	go func() { stopped <- d.Run(ctx) }() // delivers until ctx ends, then drains: wait for it before the process exits
//
//	receipt, err := d.Emit(ctx, webhook.Event{
//		Tenant: "acme",
//		Type:   "member.joined",
//		Data:   map[string]string{"member_id": "mem_1"},
//	})
//
// When [Dispatcher.Emit] returns nil, the event and its deliveries are stored. Each delivery
// is attempted until it succeeds, is given up by policy, or is canceled. [Dispatcher.EmitTx]
// stores the event in a transaction of the application's own.
//
// # Endpoints
//
// Customers' endpoints belong to a tenant and are managed through its [Scope]:
//
//	endpoint, err := d.Tenant("acme").CreateEndpoint(ctx, webhook.Endpoint{
//		URL:    "https://acme.example/hooks",
//		Events: []string{"member.*"},
//	})
//	// string(endpoint.Secret) is shown this once: give it to the customer.
//
// # What receivers see
//
// Unless a [Profile] says otherwise, requests follow Standard Webhooks 1.0.0
// (https://www.standardwebhooks.com): a POST of {"type":…,"timestamp":…,"data":…} with the
// headers webhook-id, webhook-timestamp and webhook-signature. Delivery is at least once and
// in no particular order. The header webhook-id and the body are the same in every attempt of
// a delivery, so that receivers can recognize repeats.
//
// # Changing the requests
//
// A [Profile] is registered under a name in Config.Profiles, and endpoints are created with
// it. Its functions change:
//
//   - the body (Encode)
//   - the headers (Header)
//   - the signatures (a [Signer], several at once for migrations) and keys (Keys)
//   - the [RetryPolicy] ([Exponential], [Schedule], or a function of your own)
//   - the responses that are successes (Judge)
//   - the test event (Test)
//
// [HMAC] is a Signer for most schemes. Package profile has ready profiles: GitHub's, Stripe's
// and others. Config.EventTypes is a catalogue of event types. Config.Transport replaces the
// library's client, and Network.Wrap adds to it.
//
// # Failures
//
// A 2xx answer is a success. Two 410 in a row disable the endpoint. The response header
// webhook-delivery can do the same, or end the delivery; see Profile.DeliveryControl. Every
// other outcome is retried as the profile's [RetryPolicy] says, by default 15 times over
// about three days. No retry comes before a Retry-After of the receiver, up to a day. A
// receiver that hangs, answers slowly or has a long backlog delays no other; see
// Config.MaxInFlight and Config.PerEndpoint. Each [Attempt] has a [Class], the kind of its
// failure.
//
// An endpoint that keeps failing is held back, and disabled after days; see [HealthPolicy]. A
// [Notice] tells you, and the tenant's endpoints that subscribe to it.
//
// If the process dies, another process on the same Store, or the next one, takes over its
// deliveries when their leases end; see Config.Lease. A request may then be repeated, with the
// same id and body.
//
// # States of a delivery
//
//	Emit ──▶ pending ── an attempt is a success ─────────────▶ succeeded
//	          │ ▲  │
//	          │ │  ├── no retries left, or Judge gives up ───▶ failed
//	          │ │  │
//	          │ │  └── canceled by hand, or its endpoint ────▶ canceled
//	          │ │      was disabled or deleted
//	          └─┘
//	        retries
//
// [Scope.RetryDelivery] makes a delivery pending again from any state, and [Scope.Retry] does
// so for many. [Scope.Replay] does so at a rate, and creates the deliveries that an endpoint has
// missed. While it is pending, a delivery waits for its time, is due, or is in flight: a
// process has leased it. [Delivery] tells which. Its Reason tells why it failed or was
// canceled.
//
// # Safety
//
// Requests go over HTTP/1.1 to https URLs at public addresses only, and follow no redirects.
// Addresses are judged whenever a connection is made. [Network] opens more if an application
// needs it. Secrets, header values and bodies appear in no log and no error. A [Cipher] seals
// secrets, header values and URLs before they are stored. [IssueEd25519] gives endpoints key
// pairs in place of shared secrets.
//
// # Limits
//
// Tenants, ids, types, patterns and channels have at most 255 bytes. An event has at most
// Config.MaxEventBytes of data and 32 headers. An endpoint has at most 100 patterns, 32
// headers of up to 4,096 bytes, 50 metadata pairs, 10 live secrets, and a URL of up to 2,048
// bytes. A batch has at most 1,000 events. Input beyond a limit is refused with a
// [*FieldError], and nothing is stored.
//
// # Errors
//
// Errors wrap a sentinel, for example [ErrNotFound]. Some have details for [errors.As]:
//
//	var refused *webhook.FieldError // or *webhook.RateError
//	if errors.As(err, &refused) {
//		fmt.Println(refused.Field, refused.Problem) // Event.Type is empty
//	}
//
// # Testing
//
// Package webhooktest has a receiver, a fake transport and a configuration for an
// application's tests.
//
// # Reading the rest of this page
//
// An application needs [New], [Config], [Network], [Dispatcher], [Scope], [Event], [Receipt],
// [Endpoint], [Query] with [Page], their results ([Delivery], [Attempt], [Health], [Stats],
// [BulkResult]), and [Profile] with its functions. [Observer] with [StoreCall] is
// for metrics and traces.
//
// Almost a third of the types are for those who implement a [Store], and nobody else needs
// them: Store, [Publisher], [Clock], [Listener] and [Volatile], and the records that these
// exchange with the Dispatcher. The records are [EventRecord], [EndpointStatus],
// [PublishRequest], [NewDelivery], [Published], [MatchRequest], [ClaimRequest], [Claimed],
// [Leased], [Settlement] and [Settled].
//
// docs/architecture.md in the repository shows how the parts work together.
package webhook
