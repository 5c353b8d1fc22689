package webhookhttp_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/internal/apicases"
)

func TestEveryCodeIsDocumentedAndHasACase(t *testing.T) {
	source, err := os.ReadFile("problem.go")
	require.NoError(t, err)
	documented := make(map[string]string)
	for _, m := range regexp.MustCompile(`(?m)^\t//\t([a-z_]+) +(\d{3})`).FindAllStringSubmatch(string(source), -1) {
		documented[m[1]] = m[2]
	}
	declared := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^\tcode\w+ += "([a-z_]+)"$`).FindAllStringSubmatch(string(source), -1) {
		declared[m[1]] = true
		assert.Contains(t, documented, m[1])
	}
	assert.Len(t, declared, len(documented))
	played := make(map[string]bool)
	for _, c := range apicases.All() {
		played[c.Code] = true
	}
	for code := range documented {
		// A conflict needs a store that is changed under the handler's hands: see
		// TestAnUpdateThatOthersOvertake…. Too many requests need a store that is slow: see
		// TestOneTenantsRequests….
		assert.True(t, played[code] || code == "conflict" || code == "too_many_requests", "no case has the code %s", code)
	}
}
