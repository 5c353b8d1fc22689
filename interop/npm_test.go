package interop

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// npmClients are the Node libraries with which customers verify requests, by the scheme. Their
// names are those in verify.mjs.
var npmClients = map[string][]string{
	standard:   {"standardwebhooks", "svix"},
	ed25519:    {"standardwebhooks", "svix"},
	github:     {"octokit"},
	githubForm: {"octokit"},
	stripeName: {"stripe"},
}

// Starting Node takes longer than verifying everything, so there is one process.
func TestNPMClientsAcceptWhatIsSentAndRefuseItWithABitChanged(t *testing.T) {
	node := needNode(t)
	folder := needPackages(t)
	type asked struct {
		Name   string            `json:"name"`
		Client string            `json:"client"`
		Secret string            `json:"secret"`
		Header map[string]string `json:"header"` // names in lower case, as Node has them
		Body   []byte            `json:"body"`
	}
	var ask []asked
	good := make(map[string]bool)
	for name, s := range schemes() {
		for _, try := range s.tries(t, tell(t, s.setup)) {
			header := make(map[string]string)
			for name, values := range try.shot.header {
				header[strings.ToLower(name)] = strings.Join(values, ", ")
			}
			for _, client := range npmClients[name] {
				full := name + "/" + client + "/" + try.name
				good[full] = try.good
				ask = append(ask, asked{full, client, try.secret, header, try.shot.body})
			}
		}
	}
	input, err := json.Marshal(ask)
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(folder, "verify.mjs")) // go test then knows that its result depends on the file
	verify := exec.CommandContext(t.Context(), node, "verify.mjs")
	verify.Dir, verify.Stdin = folder, bytes.NewReader(input)
	output, err := verify.Output()
	require.NoError(t, err, "%s", stderrOf(err))
	var verdicts map[string]string
	require.NoError(t, json.Unmarshal(output, &verdicts))
	require.Len(t, verdicts, len(good))
	for name, verdict := range verdicts {
		t.Run(name, func(t *testing.T) {
			if good[name] {
				assert.Equal(t, "accepted", verdict)
				return
			}
			assert.NotEqual(t, "accepted", verdict)
			// The library must refuse the signature, not fail in another way.
			assert.Regexp(t, "signature|verify returned false", verdict)
		})
	}
}

// oldestNode is the oldest major version of Node that the libraries run on.
const oldestNode = 20

// needNode returns the path of a Node that is new enough. Without one the test is skipped, and
// fails if WEBHOOK_TEST_REQUIRED is 1.
func needNode(t *testing.T) string {
	t.Helper()
	node := needProgram(t, "node")
	output, err := exec.CommandContext(t.Context(), node, "--version").Output()
	if err != nil {
		lacking(t, "node --version fails: "+stderrOf(err))
	}
	version := strings.TrimSpace(string(output))
	major, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldestNode {
		lacking(t, fmt.Sprintf("%s is %s; install Node %d or later", node, version, oldestNode))
	}
	return node
}

// needPackages returns the folder with the packages, at the versions of package-lock.json. It
// installs them if they are missing.
func needPackages(t *testing.T) string {
	t.Helper()
	folder, err := filepath.Abs(filepath.Join("testdata", "npm"))
	require.NoError(t, err)
	if installed(t, folder) {
		return folder
	}
	npm := needProgram(t, "npm")
	// Another test process may do the same now. The folder appears at once and whole.
	fresh, err := os.MkdirTemp(folder, ".install-") //nolint:usetesting // to be renamed, it must be on the same file system
	require.NoError(t, err)
	defer func() { _ = os.RemoveAll(fresh) }()
	for _, name := range []string{"package.json", "package-lock.json"} {
		content, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(fresh, name), content, 0o600))
	}
	install := exec.CommandContext(t.Context(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = fresh
	if output, err := install.CombinedOutput(); err != nil {
		lacking(t, "npm ci fails, it needs to reach a registry once: "+string(output))
	}
	if installed(t, folder) {
		return folder
	}
	modules := filepath.Join(folder, "node_modules")
	require.NoError(t, os.RemoveAll(modules))
	if err := os.Rename(filepath.Join(fresh, "node_modules"), modules); !errors.Is(err, fs.ErrExist) {
		require.NoError(t, err)
	}
	require.True(t, installed(t, folder))
	return folder
}

// installed reports whether folder has each package at the version in package.json.
func installed(t *testing.T, folder string) bool {
	t.Helper()
	var wanted struct{ Dependencies map[string]string }
	readJSON(t, filepath.Join(folder, "package.json"), &wanted)
	require.NotEmpty(t, wanted.Dependencies)
	for name, version := range wanted.Dependencies {
		manifest := filepath.Join(folder, "node_modules", name, "package.json")
		if _, err := os.Stat(manifest); err != nil {
			return false
		}
		var found struct{ Version string }
		readJSON(t, manifest, &found)
		if found.Version != version {
			return false
		}
	}
	return true
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, v), path)
}

func stderrOf(err error) string {
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(failed.Stderr)
	}
	return ""
}
