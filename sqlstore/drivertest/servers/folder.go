package servers

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// guardian waits until its input closes, which it does when this process ends or crashes. Then
// it ends the server, and removes the folder: a server that is still shutting down may write
// into it, hence several times.
const guardian = `
read -r _
if pid=$(cat "$1/pid"); then
	kill -"$2" "$pid"
	kill -CONT "$pid"
fi
for try in 1 2 3 4 5; do
	rm -rf "$1" && exit
	sleep 1
done`

// A folder holds all that a server writes: its files in data and tmp, its output in log, and
// its number in pid while it runs.
type folder struct {
	path  string
	guard *exec.Cmd
	alive io.Closer
}

// newFolder makes a folder whose data belongs to owner. quit is the signal that ends a server
// left in it.
func newFolder(owner *syscall.Credential, quit syscall.Signal) (*folder, error) {
	path, err := os.MkdirTemp(base(), "webhook-test-")
	if err != nil {
		return nil, err
	}
	f := &folder{path: path}
	if err := f.open(owner, quit); err != nil {
		return nil, errors.Join(err, os.RemoveAll(path))
	}
	return f, nil
}

func (f *folder) open(owner *syscall.Credential, quit syscall.Signal) error {
	var err error
	if f.path, err = filepath.EvalSymlinks(f.path); err != nil { // servers are asked where their data is
		return err
	}
	if err := os.Chmod(f.path, 0o755); err != nil { // the owner of data must get there
		return err
	}
	for _, path := range []string{f.data(), f.tmp()} {
		if err := os.Mkdir(path, 0o700); err != nil {
			return err
		}
		if err := give(path, owner); err != nil {
			return err
		}
	}
	f.guard = command(nil, "sh", "-c", guardian, "guardian", f.path, strconv.Itoa(int(quit)))
	f.guard.Dir = "/"
	if f.alive, err = f.guard.StdinPipe(); err != nil {
		return err
	}
	return f.guard.Start()
}

func (f *folder) data() string { return filepath.Join(f.path, "data") }
func (f *folder) tmp() string  { return filepath.Join(f.path, "tmp") }
func (f *folder) log() string  { return filepath.Join(f.path, "log") }
func (f *folder) pid() string  { return filepath.Join(f.path, "pid") }

// remove removes the folder of a server that does not run.
func (f *folder) remove() error {
	err := os.RemoveAll(f.path)
	_ = f.alive.Close()
	return errors.Join(err, f.guard.Wait())
}

// give makes the user the owner, nil being ourselves.
func give(path string, user *syscall.Credential) error {
	if user == nil {
		return nil
	}
	return os.Chown(path, int(user.Uid), int(user.Gid))
}

// unprivileged returns the first of these users if we are root, as which servers refuse to
// run, and nil otherwise.
func unprivileged(names ...string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	var errs []error
	for _, name := range names {
		found, err := user.Lookup(name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		uid, err := strconv.ParseUint(found.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(found.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.Join(errs...)
}
