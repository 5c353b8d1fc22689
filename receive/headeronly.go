package receive

import (
	"context"
	"net/http"
	"reflect"
)

// headerOnly is the key of a context whose request is checked before its body is read.
type headerOnly struct{}

// isHeaderOnly reports whether a verifier of this package should check the header of r alone: that
// the signature is there and well formed, and the timestamp within the window.
func isHeaderOnly(r *http.Request) bool { return r.Context().Value(headerOnly{}) != nil }

// builtIn returns a Verifier that takes heed of isHeaderOnly. Its code is that of one function, by
// which Handler knows such verifiers: one of the application's own expects the body, also where it
// calls one of this package.
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
