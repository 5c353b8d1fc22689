// Package receive is for the other end of webhooks: it verifies that a request comes from its provider and has not been changed,
// and hands each event to the application once it is verified.
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
// Each provider has a constructor that returns a [Verifier]: [Standard] (Standard Webhooks 1.0.0, HMAC and Ed25519), [Svix],
// [GitHub], [GitHubLegacySHA1], [Stripe], [Shopify], [Slack], [Key], [Tryno], [KeywordsAI], [Keygen] and [KeygenBehindProxy]. All of
// them take several secrets, so that a new one can be added before the old one is removed. A Verifier is a function: yours fits
// in the same place, and one can call another.
//
// # Replays
//
// Schemes that sign a timestamp take a [Window] and refuse what is more than five minutes from the clock. The others (GitHub,
// Shopify, Key, Tryno, KeywordsAI) sign the body alone: whoever has seen a request can send it again, whenever he likes, with
// other headers. Only the application can tell, by an id within the body.
//
// # Duplicates
//
// Providers repeat a request when they have not seen its answer. A [Dedupe] keeps the second one from the application: an
// event is claimed before Handle and committed after it, so that a repeat is acknowledged only when the event has been handled,
// and is asked to come again later while it is being handled. [Memory] does this for one process. An application with a database
// has a stronger way: insert [Event].ID under a unique index in the transaction that handles the event.
//
// # Limits
//
// Bodies are read into memory, up to Config.MaxBody. How long a sender may take for one is the server's matter: set ReadTimeout in
// [net/http.Server].
package receive
