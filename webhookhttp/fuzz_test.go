package webhookhttp_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gowebhook/webhook/internal/apicases"
)

func FuzzNoRequestIsAnsweredWithAFailure(f *testing.F) {
	for _, c := range apicases.All() {
		r := c.NewRequest()
		path, found := strings.CutPrefix(r.URL.EscapedPath(), apicases.Base)
		if len(c.Body) < 1000 && c.Token == "" && found {
			f.Add(r.Method, path, r.URL.RawQuery, r.Header.Get("Content-Type"), r.Header.Get("If-Match"), c.Body)
		}
	}
	world := apicases.NewWorld(f, nil)
	world.Transport.Answer = nil
	f.Fuzz(func(t *testing.T, method, path, query, contentType, ifMatch, body string) {
		u, err := url.ParseRequestURI(apicases.Base + path)
		if err != nil {
			t.Skip()
		}
		u.RawQuery = query
		r, err := http.NewRequestWithContext(t.Context(), method, "/", strings.NewReader(body))
		if err != nil {
			t.Skip()
		}
		r.URL, r.RequestURI = u, u.RequestURI()
		r.Header.Set("Authorization", "Bearer ")
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("If-Match", ifMatch)
		r.Header.Set("If-None-Match", ifMatch)
		w := httptest.NewRecorder()
		world.Asked = nil
		world.Handler.ServeHTTP(w, r)
		answer := w.Result()
		defer answer.Body.Close()
		if answer.StatusCode >= http.StatusInternalServerError {
			t.Fatalf("%d: %s\n%s", answer.StatusCode, w.Body, world.Log)
		}
		switch kind := answer.Header.Get("Content-Type"); {
		case answer.StatusCode >= http.StatusBadRequest && kind != "application/problem+json":
			t.Fatalf("%d with the type %q", answer.StatusCode, kind)
		case strings.HasSuffix(kind, "json") && !json.Valid(w.Body.Bytes()):
			t.Fatalf("the answer is not JSON: %s", w.Body)
		}
		if strings.Contains(w.Body.String(), apicases.Canary) && !strings.Contains(path+query+body, apicases.Canary) {
			t.Fatalf("the answer shows a hidden value: %s", w.Body)
		}
	})
}
