package acceptance

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A cell of SECURITY.md names tests like "TestA, folder: TestB, TestC". A folder stands before
// the tests that are in it.
var namedTest = regexp.MustCompile(`(?:([a-z][a-z/]*): )?\b((?:Test|Fuzz)[A-Z0-9]\w+)`)

func TestEveryTestThatSECURITYNamesIsInItsFolder(t *testing.T) {
	t.Chdir(repository)
	text, err := os.ReadFile("SECURITY.md")
	require.NoError(t, err)
	named := 0
	for cell := range strings.SplitSeq(strings.ReplaceAll(string(text), "\n", "|"), "|") {
		folder := ""
		for _, m := range namedTest.FindAllStringSubmatch(cell, -1) {
			if m[1] != "" {
				folder = m[1]
			}
			dirs := []string{folder}
			if folder == "" {
				dirs = []string{".", "internal/acceptance", "internal/sender"}
			}
			assert.True(t, hasTest(t, m[2], dirs), "%s is not in %s", m[2], strings.Join(dirs, " or "))
			named++
		}
	}
	require.Greater(t, named, 50)
}

// hasTest reports whether a test stands in one of the folders.
func hasTest(t *testing.T, name string, dirs []string) bool {
	t.Helper()
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		require.NoError(t, err)
		for _, file := range files {
			source, err := os.ReadFile(file)
			require.NoError(t, err)
			if strings.Contains(string(source), "\nfunc "+name+"(") {
				return true
			}
		}
	}
	return false
}
