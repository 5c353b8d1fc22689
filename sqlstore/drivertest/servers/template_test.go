package servers

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestATemplateIsMadeOnceAndCopied(t *testing.T) {
	t.Parallel()
	var made template
	times := 0
	command := func(script string) func(string) []string {
		return func(data string) []string {
			times++
			return []string{"sh", "-c", script + ` "$1/file"`, "sh", data}
		}
	}
	some := func() *process {
		p, err := newProcess("none", syscall.SIGTERM, syscall.SIGKILL, "nobody")
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, p.remove()) })
		return p
	}
	require.Error(t, made.copyTo(some(), command("cat")), "there is no such file")
	assert.Nil(t, made.folder)
	for range 2 {
		p := some()
		require.NoError(t, made.copyTo(p, command("echo new >")))
		content, err := os.ReadFile(filepath.Join(p.folder.data(), "file"))
		require.NoError(t, err)
		assert.Equal(t, "new\n", string(content))
	}
	assert.Equal(t, 2, times, "one failed, and one made the template")
	path := made.folder.path
	require.NoError(t, made.remove())
	assert.NoDirExists(t, path)
	require.NoError(t, made.remove())
}
