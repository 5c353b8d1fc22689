// Command modproxy writes one version of the module in the current folder as a GOPROXY folder. The files come from
// standard input as `git ls-files -z` prints them; those a module zip leaves out are skipped:
// nested modules, vendored packages and whatever is not a regular file.
package main

import (
	"archive/zip"
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	module := flag.String("module", "", "module path")
	version := flag.String("version", "", "version to publish")
	proxy := flag.String("proxy", "", "folder to create")
	flag.Parse()

	if err := publish(*module, *version, *proxy, os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "modproxy:", err)
		os.Exit(1)
	}
}

// publish writes the four files that the go command asks a proxy for. The module path must be lower case: the proxy
// protocol escapes capitals, publish does not.
func publish(module, version, proxy string, names io.Reader) error {
	files, err := readNames(names)
	if err != nil {
		return err
	}
	dir := filepath.Join(proxy, filepath.FromSlash(module), "@v")
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	gomod, err := os.ReadFile("go.mod")
	if err != nil {
		return err
	}
	info := fmt.Sprintf(`{"Version":%q,"Time":%q}`, version, time.Now().UTC().Format(time.RFC3339))
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "list"), []byte(version+"\n"), 0o600),
		os.WriteFile(filepath.Join(dir, version+".info"), []byte(info), 0o600),
		os.WriteFile(filepath.Join(dir, version+".mod"), gomod, 0o600),
		writeZip(filepath.Join(dir, version+".zip"), module+"@"+version+"/", files),
	)
}

// readNames returns the files that belong to the module, sorted and without duplicates.
func readNames(r io.Reader) ([]string, error) {
	data, err := io.ReadAll(bufio.NewReader(r))
	if err != nil {
		return nil, err
	}
	var files []string
	for name := range strings.SplitSeq(string(data), "\x00") {
		info, err := os.Lstat(filepath.FromSlash(name))
		if errors.Is(err, fs.ErrNotExist) { // deleted but not yet committed, or the empty name at the end
			continue
		}
		if err != nil {
			return nil, err
		}
		if info.Mode().IsRegular() && !inNestedModule(name) && !strings.Contains("/"+name, "/vendor/") {
			files = append(files, name)
		}
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}

func inNestedModule(name string) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if _, err := os.Stat(filepath.Join(filepath.FromSlash(dir), "go.mod")); err == nil {
			return true
		}
	}
	return false
}

func writeZip(name, prefix string, files []string) error {
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	defer out.Close()
	zw := zip.NewWriter(out)
	for _, file := range files {
		data, err := os.ReadFile(filepath.FromSlash(file))
		if err != nil {
			return err
		}
		w, err := zw.Create(prefix + file)
		if err != nil {
			return err
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
	}
	if err := zw.Close(); err != nil {
		return err
	}
	return out.Close()
}
