package webhookhttp_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhookhttp"
)

// Another form of errors: a flat object with the kind of error and sometimes a message.
func Example_flatErrors() {
	render := func(w http.ResponseWriter, r *http.Request, p webhookhttp.Problem) {
		answer := struct {
			Error   string `json:"error"`
			Message string `json:"message,omitempty"`
		}{Error: p.Code}
		switch p.Status {
		case http.StatusBadRequest:
			answer.Error, answer.Message = "invalid_payload", p.Detail
		case http.StatusUnauthorized:
			answer.Error = "invalid_credentials"
		case http.StatusNotFound:
			answer.Error = "webhook_not_found"
		case http.StatusInternalServerError, http.StatusServiceUnavailable:
			p.ServeHTTP(w, r) // as it is
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(p.Status)
		_ = json.NewEncoder(w).Encode(answer)
	}

	dispatcher, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{})
	if err != nil {
		panic(err)
	}
	api, err := webhookhttp.New(dispatcher, webhookhttp.Config{
		Authorize: func(r *http.Request, _ webhookhttp.Permission) (string, error) {
			if r.Header.Get("X-Client-Id") == "" {
				return "", webhookhttp.ErrUnauthenticated
			}
			return "c1", nil
		},
		RenderError: render,
	})
	if err != nil {
		panic(err)
	}
	for _, client := range []string{"", "wh_8aF3kL2pNxRqYv9c"} {
		r := httptest.NewRequest(http.MethodPost, "/webhooks", strings.NewReader(`{"events": ["*"]}`))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Client-Id", client)
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 401 {"error":"invalid_credentials"}
	// 400 {"error":"invalid_payload","message":"url is empty"}
}
