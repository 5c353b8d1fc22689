package acceptance

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// mayImport reports whether the packages that every user links may import path. Users inherit
// these imports.
func mayImport(path string) bool {
	const module = "github.com/gowebhook/webhook"
	switch {
	case path == "github.com/google/uuid", path == "github.com/cenkalti/backoff/v4":
		return true
	case path == "C", path == "testing", strings.HasPrefix(path, "testing/"):
		return false // testing registers its flags in the host application
	case path == module, strings.HasPrefix(path, module+"/"):
		return true
	}
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".") // the standard library
}

func TestThePublishedPackagesImportOnlyWhatIsPromised(t *testing.T) {
	t.Chdir(repository)
	dirs := []string{".", "memstore", "profile", "receive", "sqlstore", "sqlstore/internal/engine", "webhookhttp"}
	require.NoError(t, filepath.WalkDir("internal", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			if entry.Name() == "testdata" {
				return fs.SkipDir
			}
			if name := entry.Name(); name != "apicases" && name != "leaktest" { // for tests
				dirs = append(dirs, path)
			}
		}
		return err
	}))
	seen := make(map[string]bool)
	for _, dir := range dirs {
		for _, file := range goFiles(t, dir) {
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
			require.NoError(t, err)
			for _, spec := range parsed.Imports {
				path, err := strconv.Unquote(spec.Path.Value)
				require.NoError(t, err)
				assert.True(t, mayImport(path), "%s imports %s", file, path)
				seen[path] = true
			}
		}
	}
	for _, known := range []string{"context", "github.com/google/uuid", "github.com/gowebhook/webhook/internal/signature"} {
		assert.True(t, seen[known], "the search does not find the import of %s", known)
	}
}

func TestMayImport(t *testing.T) {
	for path, want := range map[string]bool{
		"context": true, "crypto/tls": true, "go/ast": true, "math/rand/v2": true,
		"github.com/google/uuid":                  true,
		"github.com/cenkalti/backoff/v4":          true,
		"github.com/gowebhook/webhook":            true,
		"github.com/gowebhook/webhook/internal/x": true,

		"github.com/gowebhook/webhookx":    false,
		"github.com/google/uuid/other":     false,
		"github.com/cenkalti/backoff":      false,
		"github.com/cenkalti/backoff/v5":   false,
		"github.com/stretchr/testify":      false,
		"golang.org/x/time/rate":           false,
		"gopkg.in/yaml.v3":                 false,
		"example.com":                      false,
		"testing":                          false,
		"testing/synctest":                 false,
		"C":                                false,
		"github.com/lib/pq":                false,
		"github.com/gowebhook/other/model": false,
	} {
		assert.Equal(t, want, mayImport(path), path)
	}
}
