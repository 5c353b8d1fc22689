package webhookhttp_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/gowebhook/webhook/internal/apicases"
	"github.com/gowebhook/webhook/webhookhttp"
)

func TestEveryCaseBehindAServeMux(t *testing.T) {
	apicases.Run(t, apicases.Options{Mount: func(h http.Handler) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/v1/communities/{community_id}/", h)
		mux.Handle("/v1/communities/{community_id}", h)
		return mux
	}})
}

func TestEveryRouteHasACaseThatSucceedsAndOneForItsPermission(t *testing.T) {
	succeeds, lacks := make(map[string]bool), make(map[string]bool)
	mux := http.NewServeMux() // finds the route of a request
	for route := range webhookhttp.Routes() {
		method, path, _ := strings.Cut(route, " ")
		mux.Handle(method+" "+apicases.Prefix+path, http.NotFoundHandler())
	}
	for _, c := range apicases.All() {
		_, pattern := mux.Handler(c.NewRequest())
		route := strings.Replace(pattern, apicases.Prefix, "", 1)
		switch {
		case c.Status < http.StatusMultipleChoices:
			succeeds[route] = true
		case c.Status == http.StatusForbidden && c.Code == "forbidden":
			lacks[route] = true
			if c.Permission != "" {
				assert.Equal(t, webhookhttp.Routes()[route], c.Permission, route)
			}
		}
	}
	for route, permission := range webhookhttp.Routes() {
		assert.True(t, succeeds[route], "no case of %s succeeds", route)
		assert.True(t, lacks[route] || permission == "", "no case of %s lacks %s", route, permission)
	}
}

func TestNoTwoCasesHaveOneName(t *testing.T) {
	names := make(map[string]bool)
	for _, c := range apicases.All() {
		assert.False(t, names[c.Name], c.Name)
		names[c.Name] = true
	}
}

// operations returns the methods and paths of the document, with their permissions.
func operations(t *testing.T) map[string]webhookhttp.Permission {
	t.Helper()
	found := make(map[string]webhookhttp.Permission)
	path, operation := "", ""
	for line := range strings.Lines(webhookhttp.Document()) {
		line = strings.TrimRight(line, "\n")
		if m := regexp.MustCompile(`^  (/\S*):$`).FindStringSubmatch(line); m != nil {
			path = m[1]
		}
		if m := regexp.MustCompile(`^    (get|post|put|patch|delete):$`).FindStringSubmatch(line); m != nil && path != "" {
			operation = strings.ToUpper(m[1]) + " " + path
			found[operation] = ""
		}
		if m := regexp.MustCompile(`^      x-permission: (\S+)$`).FindStringSubmatch(line); m != nil {
			found[operation] = webhookhttp.Permission(m[1])
		}
		if line == "components:" {
			break
		}
	}
	return found
}

func TestTheDocumentHasEveryRouteWithItsPermission(t *testing.T) {
	assert.Equal(t, webhookhttp.Routes(), operations(t))
}

func TestTheDocumentExplainsEveryCode(t *testing.T) {
	for _, c := range apicases.All() {
		if c.Code != "" && c.Code != "method_not_allowed" {
			assert.Contains(t, webhookhttp.Document(), "`"+c.Code+"`")
		}
	}
}
