package receive_test

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/gowebhook/webhook/receive"
)

// A provider moves from its own scheme to Standard Webhooks. Meanwhile some requests have only
// the old signature.
func ExampleVerifier_migration() {
	standard, err := receive.Standard(receive.Window{}, secret)
	if err != nil {
		fmt.Println(err)
		return
	}
	old, err := receive.GitHub("It's a Secret to Everybody")
	if err != nil {
		fmt.Println(err)
		return
	}
	verify := func(r *http.Request, body []byte) (receive.Event, error) {
		event, err := standard(r, body)
		if errors.Is(err, receive.ErrMissingHeader) {
			return old(r, body)
		}
		return event, err
	}

	r := &http.Request{Header: http.Header{}}
	r.Header.Set("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
	r.Header.Set("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
	event, err := verify(r, []byte("Hello, World!"))
	fmt.Println(event.ID, err)
	_, err = verify(r, []byte("Hello, Mallory!"))
	fmt.Println(err)
	// Output:
	// 72d3162e-cc78-11e3-81ab-4c9367dc0958 <nil>
	// receive: no signature matches
}
