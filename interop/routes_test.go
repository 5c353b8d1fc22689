package interop

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/internal/apicases"
)

func TestThePathsAndMethodsOfTheDocumentAreThoseThatAreServed(t *testing.T) {
	api := load(t)
	handler := apicases.NewWorld(t, nil).Handler
	require.NotZero(t, api.document.Paths.Len())
	for path, item := range api.document.Paths.Map() {
		target := apicases.Base + regexp.MustCompile(`\{\w+\}`).ReplaceAllString(path, "x")
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodTrace, target, http.NoBody))
		require.Equal(t, http.StatusMethodNotAllowed, recorder.Code, "%s is not served", path)
		served := strings.Split(recorder.Header().Get("Allow"), ", ")
		var described []string
		for method := range item.Operations() {
			described = append(described, method)
			if method == http.MethodGet {
				described = append(described, http.MethodHead)
			}
		}
		slices.Sort(described)
		assert.Equal(t, described, served, path)
	}
}

func TestEveryCaseThatIsAnsweredHasAPathInTheDocument(t *testing.T) {
	api := load(t)
	for _, c := range apicases.All() {
		if c.Status != http.StatusNotFound && c.Status != http.StatusMethodNotAllowed && c.Method != http.MethodHead {
			_, _, err := api.router.FindRoute(c.NewRequest())
			assert.NoError(t, err, c.Name)
		}
	}
}
