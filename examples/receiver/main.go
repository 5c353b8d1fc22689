// Receiver is a customer's server. It prints the webhooks that arrive. If it has the
// endpoint's secret, it refuses requests with a wrong signature.
//
//	go run ./examples/receiver -secret whsec_…
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/gowebhook/webhook/receive"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:9000", "where to listen, `host:port`")
	secret := flag.String("secret", "", "the secret of the endpoint, whsec_…")
	flag.Parse()
	err := run(*addr, *secret)
	fmt.Fprintln(os.Stderr, "receiver:", err)
	os.Exit(1)
}

func run(addr, secret string) error {
	handler, err := newHandler(os.Stdout, secret)
	if err != nil {
		return err
	}
	const patience = 10 * time.Second
	fmt.Printf("listening on http://%s\n", addr)
	server := &http.Server{Addr: addr, Handler: handler, ReadTimeout: patience}
	return server.ListenAndServe()
}

func newHandler(out io.Writer, secret string) (http.Handler, error) {
	verify, verdict := unverified, "signature not checked: start with -secret"
	if secret != "" {
		var err error
		if verify, err = receive.Standard(receive.Window{}, secret); err != nil {
			return nil, err
		}
		verdict = "signature valid"
	}
	return receive.NewHandler(receive.Config{
		Verify: verify,
		Handle: func(_ context.Context, event receive.Event) error {
			_, err := fmt.Fprintf(out, "%s, %s\n  %s\n", event.ID, verdict, event.Body)
			return err
		},
		Observe: func(_ context.Context, result receive.Result) {
			if result.Err != nil {
				fmt.Fprintf(out, "refused with %d: %v\n", result.Status, result.Err)
			}
		},
	})
}

// unverified accepts every request. Use it for the first minutes only, because anybody could
// have sent the request.
func unverified(r *http.Request, body []byte) (receive.Event, error) {
	return receive.Event{ID: r.Header.Get("Webhook-Id"), Body: body, Header: r.Header}, nil
}
