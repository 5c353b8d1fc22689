package receive_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/gowebhook/webhook/receive"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// send signs a request as Standard Webhooks says, posts it, and returns the status of the
// answer.
func send(handler http.Handler, id, body string) int {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	timestamp := fmt.Sprint(time.Now().Unix())
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body)

	r := httptest.NewRequest(http.MethodPost, "/webhooks", strings.NewReader(body))
	r.Header.Set("Webhook-Id", id)
	r.Header.Set("Webhook-Timestamp", timestamp)
	r.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w.Code
}

// A receiver of Standard Webhooks that handles each event once. The sender repeats requests
// that failed, and requests without an answer.
func ExampleNewHandler() {
	verify, err := receive.Standard(receive.Window{}, secret)
	if err != nil {
		fmt.Println(err)
		return
	}
	attempts := 0
	handler, err := receive.NewHandler(receive.Config{
		Verify: verify,
		Dedupe: &receive.Memory{},
		Handle: func(_ context.Context, event receive.Event) error {
			if attempts++; attempts == 1 {
				return fmt.Errorf("the database is down")
			}
			fmt.Printf("handled %s: %s\n", event.ID, event.Body)
			return nil
		},
		Observe: func(_ context.Context, result receive.Result) {
			fmt.Println(result.Status, result.Err)
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	send(handler, "msg_1", `{"type":"member.joined"}`)
	send(handler, "msg_1", `{"type":"member.joined"}`)
	send(handler, "msg_1", `{"type":"member.joined"}`)
	// Output:
	// 500 the database is down
	// handled msg_1: {"type":"member.joined"}
	// 204 <nil>
	// 204 receive: the event has been handled before
}
