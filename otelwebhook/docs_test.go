package otelwebhook

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The code of the page is a part of example_test.go, which the compiler has checked.
func TestTheGoCodeOfThePageCompiles(t *testing.T) {
	page, err := os.ReadFile("../docs/observability.md")
	if os.IsNotExist(err) {
		t.Skip("the module is used alone, without docs/")
	}
	require.NoError(t, err)
	example, err := os.ReadFile("example_test.go")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	require.Len(t, blocks, 1)
	indented := regexp.MustCompile(`(?m)^`).ReplaceAllString(strings.TrimSuffix(blocks[0][1], "\n"), "\t")
	assert.Contains(t, string(example), indented)
}

func TestThePageAndThePackageListTheMetrics(t *testing.T) {
	page, err := os.ReadFile("../docs/observability.md")
	if os.IsNotExist(err) {
		t.Skip("the module is used alone, without docs/")
	}
	require.NoError(t, err)
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	for name := range documented {
		assert.Contains(t, string(page), "`"+name+"`")
		assert.Contains(t, string(doc), "\t"+name+" ")
	}
}
