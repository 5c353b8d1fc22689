package interop

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/internal/apicases"
)

// An apiDocument is the document that the handler serves, with a router that finds the
// operation of a request.
type apiDocument struct {
	document *openapi3.T
	router   routers.Router
	schemas  map[string]*jsonschema.Schema // by their references
}

func load(t *testing.T) *apiDocument {
	t.Helper()
	recorder := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, apicases.Base+"/openapi.yaml", http.NoBody)
	apicases.NewWorld(t, nil).Handler.ServeHTTP(recorder, request)
	require.Equal(t, http.StatusOK, recorder.Code)
	document, err := openapi3.NewLoader().LoadFromData(recorder.Body.Bytes())
	require.NoError(t, err)
	require.NoError(t, document.Validate(t.Context()))
	require.True(t, strings.HasPrefix(document.OpenAPI, "3.1"))
	// The server's URL is relative to the document's.
	document.Servers = openapi3.Servers{{
		URL: apicases.Prefix, Variables: map[string]*openapi3.ServerVariable{"community_id": {Default: apicases.Ours}},
	}}
	router, err := gorillamux.NewRouter(document)
	require.NoError(t, err)
	whole, err := json.Marshal(document)
	require.NoError(t, err)
	resource, err := jsonschema.UnmarshalJSON(bytes.NewReader(whole))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	require.NoError(t, compiler.AddResource("document.json", resource))
	api := &apiDocument{document, router, make(map[string]*jsonschema.Schema)}
	for name := range document.Components.Schemas {
		ref := "#/components/schemas/" + name
		api.schemas[ref], err = compiler.Compile("document.json" + ref)
		require.NoError(t, err)
	}
	return api
}
