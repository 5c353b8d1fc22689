package acceptance

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// repository is the root of the module. Tests of its files change to it.
const repository = "../.."

// maxSurface is how many names a user of the package may have to learn.
const maxSurface = 154

// An exportedName is a name that users can write, with its comment.
type exportedName struct {
	name string // "Dispatcher.Run"
	doc  string
	at   token.Position

	// inGroup says that a comment of the group, or one behind the line, documents it, and need
	// not begin with its name.
	inGroup bool
}

// exportedNames returns the types, functions, methods, constants and variables that a package
// exports. Fields belong to their struct, and the methods of an interface to it.
func exportedNames(t *testing.T, dir string) []exportedName {
	t.Helper()
	var names []exportedName
	set := token.NewFileSet()
	for _, file := range goFiles(t, dir) {
		parsed, err := parser.ParseFile(set, file, nil, parser.ParseComments|parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, decl := range parsed.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				if name, ok := funcName(decl); ok {
					names = append(names, exportedName{name: name, doc: decl.Doc.Text(), at: set.Position(decl.Pos())})
				}
			case *ast.GenDecl:
				for _, n := range specNames(decl) {
					n.at = set.Position(decl.Pos())
					names = append(names, n)
				}
			}
		}
	}
	return names
}

// funcName returns the name of a function, or of a method with its type's, if users can call it.
func funcName(decl *ast.FuncDecl) (string, bool) {
	name := decl.Name.Name
	if decl.Recv == nil {
		return name, decl.Name.IsExported()
	}
	receiver := decl.Recv.List[0].Type
	for {
		switch r := receiver.(type) {
		case *ast.StarExpr:
			receiver = r.X
		case *ast.ParenExpr:
			receiver = r.X
		case *ast.IndexExpr: // a generic type
			receiver = r.X
		case *ast.IndexListExpr:
			receiver = r.X
		case *ast.Ident:
			return r.Name + "." + name, decl.Name.IsExported() && r.IsExported()
		default:
			return "", false
		}
	}
}

func specNames(decl *ast.GenDecl) []exportedName {
	var names []exportedName
	for _, spec := range decl.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			doc := spec.Doc.Text()
			if !decl.Lparen.IsValid() {
				doc = decl.Doc.Text()
			}
			if spec.Name.IsExported() {
				names = append(names, exportedName{name: spec.Name.Name, doc: doc})
			}
		case *ast.ValueSpec:
			for _, ident := range spec.Names {
				if !ident.IsExported() {
					continue
				}
				n := exportedName{name: ident.Name, doc: spec.Doc.Text()}
				if n.doc == "" {
					n.doc = decl.Doc.Text()
					n.inGroup = decl.Lparen.IsValid()
				}
				if n.doc == "" {
					n.doc, n.inGroup = spec.Comment.Text(), true
				}
				names = append(names, n)
			}
		}
	}
	return names
}

// goFiles returns the files of the package in dir, without its tests.
func goFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	return slices.DeleteFunc(files, func(file string) bool { return strings.HasSuffix(file, "_test.go") })
}

func TestThePackageExportsAtMost154Names(t *testing.T) {
	t.Chdir(repository)
	names := exportedNames(t, ".")
	list := make([]string, 0, len(names))
	for _, n := range names {
		list = append(list, n.name)
	}
	slices.Sort(list)
	for _, known := range []string{"New", "Dispatcher", "Dispatcher.Emit", "Store", "Endpoint", "ErrInvalid", "VerdictRetry", "Secret.Format"} {
		require.Contains(t, list, known, "the count misses names")
	}
	t.Logf("%d exported names", len(list))
	if len(list) > maxSurface {
		t.Errorf("%d exported names, more than %d; does something belong in another package?\n%s",
			len(list), maxSurface, strings.Join(list, "\n"))
	}
}

func TestEveryExportedNameHasACommentThatBeginsWithIt(t *testing.T) {
	t.Chdir(repository)
	for _, n := range exportedNames(t, ".") {
		last := n.name[strings.LastIndexByte(n.name, '.')+1:]
		begins := regexp.MustCompile(`^((A|An|The) )?` + regexp.QuoteMeta(last) + `\b`)
		if n.inGroup {
			begins = regexp.MustCompile(`\S`)
		}
		assert.Regexp(t, begins, n.doc, "%v: %s", n.at, n.name)
	}
}

func TestTheSurfaceIsCountedAsDocumented(t *testing.T) {
	dir := t.TempDir()
	source := `package p
import "io"
// T is one.
type T struct{ Field int; io.Reader }
// Method is two.
func (t *T) Method() {}
func (T) hidden() {}
type G[K comparable, V any] struct{}
func (*G[K, V]) Generic() {}
type (
	// I is grouped.
	I interface{ NotCounted() }
	hidden struct{}
)
func (hidden) NotCounted() {}
func Func() { type Local struct{} }
func _() {}
// Group.
const (
	A, B = 1, 2
	C // three
	d
)
const (
	E = 1 // line
)
var F int
`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "p.go"), []byte(source), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "p_test.go"), []byte("package p\ntype Test struct{}"), 0o600))
	docs := make(map[string]string)
	for _, n := range exportedNames(t, dir) {
		docs[n.name] = strings.TrimSpace(n.doc)
	}
	assert.Equal(t, map[string]string{
		"T": "T is one.", "T.Method": "Method is two.", "G": "", "G.Generic": "", "I": "I is grouped.", "Func": "",
		"A": "Group.", "B": "Group.", "C": "Group.", "E": "line", "F": "",
	}, docs)
}
