package hookurl

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAShortOriginHasNoDefaultPort(t *testing.T) {
	for raw, want := range map[string]string{
		"https://A.example/secret?x":          "https://a.example",
		"https://user:pass@a.example:443/":    "https://a.example",
		"https://a.example:80/":               "https://a.example:80",
		"http://a.example:80":                 "http://a.example",
		"http://[::1]:443/":                   "http://[::1]:443",
		"https://[2001:db8::443]/":            "https://[2001:db8::443]",
		"https://a.example:8443/sealed:t:abc": "https://a.example:8443",
	} {
		assert.Equal(t, want, ShortOrigin(raw), raw)
	}
}
