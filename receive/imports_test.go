package receive

import (
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Who only receives must not link a sender, or a database.
func TestReceiveStandsAlone(t *testing.T) {
	seen := make(map[string]bool)
	for _, dir := range []string{".", "../internal/signature"} {
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, entry := range entries {
			if !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), dir+"/"+entry.Name(), nil, parser.ImportsOnly)
			require.NoError(t, err)
			for _, spec := range file.Imports {
				path, err := strconv.Unquote(spec.Path.Value)
				require.NoError(t, err)
				seen[path] = true
				first, _, _ := strings.Cut(path, "/")
				isStandard := !strings.Contains(first, ".") && path != "C" && path != "testing" && path != "database/sql"
				assert.True(t, isStandard || path == "github.com/gowebhook/webhook/internal/signature", "%s imports %s", entry.Name(), path)
			}
		}
	}
	assert.True(t, seen["net/http"] && seen["github.com/gowebhook/webhook/internal/signature"], "the search finds imports")
}
