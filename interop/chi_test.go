package interop

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/apicases"
	"github.com/gowebhook/webhook/memstore"
	"github.com/gowebhook/webhook/webhookhttp"
)

// chi passes a method to a handler only if it knows the method.
func init() { chi.RegisterMethod(apicases.UnknownMethod) }

func TestEveryCaseBehindChiMount(t *testing.T) {
	apicases.Run(t, apicases.Options{Mount: func(h http.Handler) http.Handler {
		router := chi.NewRouter()
		router.Mount(apicases.Prefix, h)
		return router
	}})
}

func TestEveryCaseBehindChiHandle(t *testing.T) {
	apicases.Run(t, apicases.Options{Mount: func(h http.Handler) http.Handler {
		router := chi.NewRouter()
		router.Handle(apicases.Prefix, h)
		router.Handle(apicases.Prefix+"/*", h)
		return router
	}})
}

func TestTheWildcardsOfAChiRouteReachAuthorizeBehindStripPrefix(t *testing.T) {
	d, err := webhook.New(memstore.New(memstore.Options{}), webhook.Config{})
	require.NoError(t, err)
	var communities []string
	h, err := webhookhttp.New(d, webhookhttp.Config{
		Authorize: func(r *http.Request, _ webhookhttp.Permission) (string, error) {
			communities = append(communities, r.PathValue("community"), chi.URLParam(r, "community"))
			return "acme", nil
		},
	})
	require.NoError(t, err)
	router := chi.NewRouter()
	router.Route("/v1/{community}", func(r chi.Router) {
		r.Mount("/hooks", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.StripPrefix("/v1/"+chi.URLParam(r, "community")+"/hooks", h).ServeHTTP(w, r)
		}))
	})
	recorder := httptest.NewRecorder()
	router.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/c1/hooks/webhooks", http.NoBody))
	assert.Equal(t, http.StatusOK, recorder.Code)
	assert.Equal(t, []string{"c1", "c1"}, communities)
}
