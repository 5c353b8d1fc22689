// Package receive is for the receivers of webhooks. It verifies that a request comes from its
// provider and has not been changed. It then hands the verified event to the application.
//
//	verify, err := receive.Standard(receive.Window{}, os.Getenv("WEBHOOK_SECRET"))
//	if err != nil {
//		return err
//	}
//	handler, err := receive.NewHandler(receive.Config{
//		Verify: verify,
//		Dedupe: &receive.Memory{},
//		Handle: func(ctx context.Context, event receive.Event) error {
//			return store(ctx, event.ID, event.Body) // nil answers 204; an error 500, and the sender repeats the request
//		},
//	})
//	if err != nil {
//		return err
//	}
//	http.Handle("/webhooks", handler)
//
// # Schemes
//
// Each provider has a constructor that returns a [Verifier]: [Standard] (Standard Webhooks
// 1.0.0, HMAC and Ed25519), [Svix], [GitHub], [GitHubLegacySHA1], [Stripe], [Shopify], [Slack],
// [Key], [Tryno], [KeywordsAI], [Keygen] and [KeygenBehindProxy]. All of them take several
// secrets, so that a new secret can be added before the old one is removed. A Verifier is a
// function, so an application can use its own, and one Verifier can call another.
//
// # Replays
//
// Schemes that sign a timestamp take a [Window]. They refuse timestamps more than five minutes
// from the clock. The other schemes (GitHub, Shopify, Key, Tryno, KeywordsAI) sign the body
// alone. Anybody who has seen a request can send it again at any time, with other headers. Only
// the application can detect that, by an id within the body.
//
// # Duplicates
//
// Providers repeat a request if they have not seen its answer. A [Dedupe] keeps repeats from
// the application. An event is claimed before Handle and committed after it. A repeat that
// comes after the commit is acknowledged. A repeat that comes during Handle is asked to come
// again later.
//
// [Memory] is a Dedupe for one process. An application with a database has a stronger way:
// insert [Event].ID under a unique index in the transaction that handles the event.
//
// # Limits
//
// Bodies are read into memory, up to Config.MaxBody. The server bounds the time that a sender
// may take for a body: set ReadTimeout in [net/http.Server].
package receive
