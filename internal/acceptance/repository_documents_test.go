package acceptance

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/internal/signature"
)

// A codeBlock is a fenced block of a Markdown file.
type codeBlock struct {
	line int // of its first line of code, from 1
	text string
}

// codeBlocks returns the blocks of a Markdown text in one language.
func codeBlocks(markdown, language string) []codeBlock {
	var list []codeBlock
	var open *codeBlock
	for i, line := range strings.SplitAfter(markdown, "\n") {
		switch fence := strings.TrimSpace(line); {
		case open == nil && fence == "```"+language:
			open = &codeBlock{line: i + 2}
		case open != nil && fence == "```":
			list, open = append(list, *open), nil
		case open != nil:
			open.text += line
		}
	}
	return list
}

func readDocument(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(text)
}

func TestTheRequestInTheREADMEIsGenuine(t *testing.T) {
	t.Chdir(repository)
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	readme := readDocument(t, "README.md")
	require.Contains(t, readme, "`"+secret+"`")
	blocks := codeBlocks(readme, "http")
	require.Len(t, blocks, 1)
	head, body, found := strings.Cut(strings.TrimSuffix(blocks[0].text, "\n"), "\n\n")
	require.True(t, found)
	req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(head, "\n", "\r\n") + "\r\nHost: a.example\r\n\r\n")))
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, req.Body)
	h := req.Header
	at := time.Date(2026, 11, 22, 8, 26, 41, 0, time.UTC)
	require.NoError(t, signature.VerifyStandard(secret, h.Get("Webhook-Id"), h.Get("Webhook-Timestamp"), h.Get("Webhook-Signature"), []byte(body), at))
	assert.True(t, bytes.HasPrefix([]byte(body), []byte(`{"type":"member.joined","timestamp":"2026-11-22T08:26:40.000Z"`)))
}

// readmeFrame is the function around the README's Go code. Its parameters are the values that the
// application has already.
const readmeFrame = `func embed(
	ctx context.Context, databaseURL string, key []byte, mux *http.ServeMux, member any,
	authorize func(*http.Request, webhookhttp.Permission) (string, error),
) error `

// readmeImports are the packages that the README's Go code may use.
var readmeImports = map[string]string{
	"context":     "context",
	"http":        "net/http",
	"sql":         "database/sql",
	"webhook":     "github.com/gowebhook/webhook",
	"sqlstore":    "github.com/gowebhook/webhook/sqlstore",
	"webhookhttp": "github.com/gowebhook/webhook/webhookhttp",
}

// assemble makes one Go file of blocks, which a reader pastes one after the other into one
// function. The compiler's messages name lines of the document.
func assemble(document string, blocks []codeBlock) (string, error) {
	var body strings.Builder
	used := map[string]bool{"context": true, "http": true, "webhookhttp": true} // by the frame
	for _, block := range blocks {
		source := "package p\nfunc _() error {\n" + block.text + "}"
		file, err := parser.ParseFile(token.NewFileSet(), "", source, parser.SkipObjectResolution)
		if err != nil {
			return "", fmt.Errorf("the block at %s:%d: %w", document, block.line, err)
		}
		var declared []string
		for _, statement := range file.Decls[0].(*ast.FuncDecl).Body.List {
			if assign, ok := statement.(*ast.AssignStmt); ok && assign.Tok == token.DEFINE {
				for _, name := range assign.Lhs {
					declared = append(declared, name.(*ast.Ident).Name)
				}
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok {
					used[x.Name] = true
				}
			}
			return true
		})
		fmt.Fprintf(&body, "{\n//line %s:%d\n%s", document, block.line, block.text)
		for _, name := range declared {
			if name != "_" {
				fmt.Fprintf(&body, "_ = %s\n", name) // a later part of the application uses it
			}
		}
	}
	var file strings.Builder
	file.WriteString("package readme\n\nimport (\n")
	for name, path := range readmeImports {
		if used[name] {
			fmt.Fprintf(&file, "%q\n", path)
		}
	}
	fmt.Fprintf(&file, ")\n\n%s{\n%sreturn nil\n%s}\n", readmeFrame, body.String(), strings.Repeat("}\n", len(blocks)))
	return file.String(), nil
}

// TestTheGoCodeInTheREADMECompiles builds it as a package of this module, without a file in the
// module's folder.
func TestTheGoCodeInTheREADMECompiles(t *testing.T) {
	onlyWithoutRaceDetector(t)
	t.Chdir(repository)
	blocks := codeBlocks(readDocument(t, "README.md"), "go")
	require.Len(t, blocks, 4, "one for each step")
	for _, block := range blocks {
		assert.LessOrEqual(t, strings.Count(block.text, "\n"), 15, "README.md:%d: a step is at most fifteen lines", block.line)
	}
	source, err := assemble("README.md", blocks)
	require.NoError(t, err)

	root, err := filepath.Abs(".")
	require.NoError(t, err)
	file, overlay := filepath.Join(t.TempDir(), "embed.go"), filepath.Join(t.TempDir(), "overlay.json")
	require.NoError(t, os.WriteFile(file, []byte(source), 0o600))
	places, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, "internal", "readme", "embed.go"): file}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(overlay, places, 0o600))
	out, err := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlay, "./internal/readme").CombinedOutput()
	require.NoError(t, err, "The Go code of README.md does not compile:\n%s", out)
}

// documents are the Markdown files with links to check.
var documents = []string{"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "docs/architecture.md", "docs/observability.md", "docs/performance.md", "sqlstore/migrations/README.md"}

var (
	markdownLink    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	markdownHeading = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

// anchors returns the anchors of a document's headings, as GitHub makes them.
func anchors(markdown string) []string {
	var list []string
	for _, heading := range markdownHeading.FindAllStringSubmatch(markdown, -1) {
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', r >= '0' && r <= '9', r >= 'a' && r <= 'z':
				return r
			}
			return -1
		}, strings.ToLower(heading[1]))
		list = append(list, anchor)
	}
	return list
}

func TestLinksBetweenDocumentsLeadSomewhere(t *testing.T) {
	t.Chdir(repository)
	checked := 0
	for _, name := range documents {
		for _, link := range markdownLink.FindAllStringSubmatch(readDocument(t, name), -1) {
			if strings.Contains(link[1], "://") {
				continue
			}
			path, anchor, _ := strings.Cut(link[1], "#")
			target := filepath.Join(filepath.Dir(name), path)
			if path == "" {
				target = name
			}
			if _, err := os.Stat(target); !assert.NoError(t, err, "%s links to %s", name, link[1]) {
				continue
			}
			if anchor != "" {
				assert.True(t, slices.Contains(anchors(readDocument(t, target)), anchor), "%s links to %s, and there is no such heading", name, link[1])
			}
			checked++
		}
	}
	assert.Greater(t, checked, 20, "the pattern finds the links")
}

// A reader who looks for a package finds it in the table.
func TestTheArchitectureNamesEveryPackage(t *testing.T) {
	t.Chdir(repository)
	text := readDocument(t, "docs/architecture.md")
	for _, pattern := range []string{"*/*.go", "internal/*/*.go", "*/internal/*/*.go"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, file := range files {
			dir := filepath.ToSlash(filepath.Dir(file))
			module, _, _ := strings.Cut(dir, "/")
			nested := module == "bench" || module == "examples" || module == "interop"
			if !nested && !strings.Contains(text, "`"+dir+"`") {
				t.Errorf("docs/architecture.md does not name %s, the package of %s", dir, file)
			}
		}
	}
}

// The README shows some of the figures of docs/performance.md, from one run.
func TestTheFiguresInTheREADMEAreThoseOfTheRun(t *testing.T) {
	t.Chdir(repository)
	all := strings.Split(readDocument(t, "docs/performance.md"), "\n")
	_, table, found := strings.Cut(readDocument(t, "README.md"), "\n## Speed\n")
	require.True(t, found)
	rows := 0
	for line := range strings.SplitSeq(table, "\n") {
		if strings.HasPrefix(line, "| ") {
			rows++
			assert.True(t, slices.Contains(all, line), "docs/performance.md does not have %q", line)
		}
	}
	assert.Greater(t, rows, 5)
}
