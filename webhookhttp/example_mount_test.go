package webhookhttp_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhookhttp"
)

// The handler is mounted below the path of a community. A session names the caller.
func Example() {
	dispatcher, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{})
	if err != nil {
		panic(err)
	}
	api, err := webhookhttp.New(dispatcher, webhookhttp.Config{
		Prefix: "/v1/communities/{community_id}",
		Authorize: func(r *http.Request, p webhookhttp.Permission) (string, error) {
			community := r.PathValue("community_id")
			switch r.Header.Get("Authorization") { // in place of a session
			case "Bearer admin-of-" + community:
				return community, nil
			case "":
				return "", webhookhttp.ErrUnauthenticated
			default:
				return "", webhookhttp.ErrForbidden
			}
		},
	})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/communities/{community_id}/", api)

	create := func(authorization string) {
		body := strings.NewReader(`{"url": "https://acme.example/hooks", "events": ["member.*"]}`)
		r := httptest.NewRequest(http.MethodPost, "/v1/communities/c1/webhooks", body)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", authorization)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Header().Get("Location") != "")
	}
	create("Bearer admin-of-c1")
	create("Bearer admin-of-c2")
	create("")
	// Output:
	// 201 true
	// 403 false
	// 401 false
}
