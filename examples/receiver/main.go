// Receiver is a customer's server: it prints the webhooks that arrive, and checks their signatures if it is given the secret of the
// endpoint. What it checks is Standard Webhooks, for which there are libraries in many languages.
//
//	go run ./examples/receiver -secret whsec_…
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	maxBody   = 1 << 20
	tolerance = 5 * time.Minute
)

func main() {
	addr := flag.String("addr", "127.0.0.1:9000", "where to listen, `host:port`")
	secret := flag.String("secret", "", "the secret of the endpoint, whsec_…")
	flag.Parse()
	fmt.Printf("listening on http://%s\n", *addr)
	server := &http.Server{Addr: *addr, Handler: handler(os.Stdout, *secret), ReadHeaderTimeout: 5 * time.Second}
	fmt.Fprintln(os.Stderr, "receiver:", server.ListenAndServe())
	os.Exit(1)
}

func handler(out io.Writer, secret string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			http.Error(w, "", http.StatusBadRequest)
			return
		}
		verdict := "signature not checked: start with -secret"
		if secret != "" {
			verdict = "signature valid"
			if err := verify(secret, r.Header, body, time.Now()); err != nil {
				fmt.Fprintf(out, "%s %s refused: %v\n", r.Method, r.URL.Path, err)
				http.Error(w, "", http.StatusUnauthorized)
				return
			}
		}
		fmt.Fprintf(out, "%s %s %s, %s\n  %s\n", r.Method, r.URL.Path, r.Header.Get("Webhook-Id"), verdict, body)
		w.WriteHeader(http.StatusNoContent)
	})
}

// verify checks that whoever has the secret signed this body lately.
func verify(secret string, h http.Header, body []byte, now time.Time) error {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return errors.New("the secret is not whsec_ and base64")
	}
	seconds, err := strconv.ParseInt(h.Get("Webhook-Timestamp"), 10, 64)
	if err != nil || now.Sub(time.Unix(seconds, 0)).Abs() > tolerance {
		return errors.New("the timestamp is missing, or too far from now")
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%d.%s", h.Get("Webhook-Id"), seconds, body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for given := range strings.FieldsSeq(h.Get("Webhook-Signature")) {
		if hmac.Equal([]byte(given), []byte(want)) {
			return nil
		}
	}
	return errors.New("no signature is this body's")
}
