package webhookhttp_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhookhttp"
)

// An application gives webhooks its own form of errors: an object with a code in capitals, a
// message and the status.
func Example_errorsInAnObject() {
	codes := map[int]string{
		http.StatusUnauthorized: "UNAUTHORIZED", http.StatusForbidden: "FORBIDDEN", http.StatusNotFound: "RESOURCE_NOT_FOUND",
		http.StatusTooManyRequests: "RATE_LIMIT_EXCEEDED",
	}
	render := func(w http.ResponseWriter, _ *http.Request, p webhookhttp.Problem) {
		type problem struct {
			Code    string `json:"code"`
			Message string `json:"message"`
			Status  int    `json:"status"`
		}
		code := codes[p.Status]
		switch {
		case code != "":
		case p.Status >= http.StatusInternalServerError:
			code = "INTERNAL_ERROR"
		default:
			code = "VALIDATION_ERROR"
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(p.Status)
		_ = json.NewEncoder(w).Encode(map[string]problem{"error": {code, p.Detail, p.Status}})
	}

	dispatcher, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{})
	if err != nil {
		panic(err)
	}
	api, err := webhookhttp.New(dispatcher, webhookhttp.Config{
		Authorize:   func(*http.Request, webhookhttp.Permission) (string, error) { return "c1", nil },
		RenderError: render,
	})
	if err != nil {
		panic(err)
	}
	for _, target := range []string{"/webhooks/nothing", "/webhooks?per_page=51"} {
		w := httptest.NewRecorder()
		api.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 404 {"error":{"code":"RESOURCE_NOT_FOUND","message":"there is no such endpoint","status":404}}
	// 400 {"error":{"code":"VALIDATION_ERROR","message":"per_page is \"51\"","status":400}}
}
