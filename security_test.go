package webhook_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEveryTestThatSECURITYNamesIsThere(t *testing.T) {
	text, err := os.ReadFile("SECURITY.md")
	require.NoError(t, err)
	named := regexp.MustCompile(`\b(Test|Fuzz)[A-Z0-9]\w+`).FindAllString(string(text), -1)
	require.Greater(t, len(named), 50)
	var all strings.Builder
	require.NoError(t, filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		all.Write(source)
		return err
	}))
	for _, name := range named {
		assert.True(t, strings.Contains(all.String(), "\nfunc "+name+"("), name) //nolint:testifylint // Contains would print it all
	}
}
