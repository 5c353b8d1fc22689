package receive

import (
	"context"
	"net/http"
	"reflect"
)

// headerOnly is the context key of a check before the body is read.
type headerOnly struct{}

// isHeaderOnly reports whether a verifier of this package should check the header of r alone.
// Then it checks that the signature is there and well formed, and that the timestamp is within
// the window.
func isHeaderOnly(r *http.Request) bool { return r.Context().Value(headerOnly{}) != nil }

// builtIn returns a Verifier that obeys isHeaderOnly. All such verifiers share the code of one
// function, and Handler recognizes them by it. A verifier of the application expects the body,
// even if it calls a verifier of this package.
//
//go:noinline
func builtIn(verify Verifier) Verifier {
	return func(r *http.Request, body []byte) (Event, error) { return verify(r, body) }
}

var builtInCode = reflect.ValueOf(builtIn(nil)).Pointer()

func isBuiltIn(v Verifier) bool { return reflect.ValueOf(v).Pointer() == builtInCode }

// checkHeader lets a verifier of this package refuse a request before its body is read.
func checkHeader(v Verifier, r *http.Request) error {
	_, err := v(r.WithContext(context.WithValue(r.Context(), headerOnly{}, true)), nil)
	return err
}
