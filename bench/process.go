package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const startTimeout = 3 * time.Minute // a MariaDB on a busy machine was seen to need one

// A process is a program that serves on a port, with its files in a directory of its own.
type process struct {
	port  string
	pid   int
	guard *exec.Cmd
	alive io.Closer
}

// guard runs a program, and ends it when the standard input ends. Then it removes the directory.
const guard = `dir=$1 quit=$2; shift 2
"$@" >"$dir/log" 2>&1 & echo $!
read -r _
kill -"$quit" $!
wait $!
rm -rf "$dir"`

// launch installs a program in a new directory in dir, and starts it. If bench runs as root, the
// program runs as account. It gets no signal from the terminal, because bench still needs it.
func launch(ctx context.Context, dir, account, quit string, commands func(data, port string) (install, run []string)) (*process, error) {
	root, err := os.MkdirTemp(dir, "webhook-bench-")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(root, "data")
	attributes := &syscall.SysProcAttr{Setpgid: true}
	if err := os.Mkdir(data, 0o700); err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 {
		if attributes.Credential, err = credential(account); err != nil {
			return nil, err
		}
		uid, gid := int(attributes.Credential.Uid), int(attributes.Credential.Gid)
		if err := errors.Join(os.Chown(root, uid, gid), os.Chown(data, uid, gid)); err != nil {
			return nil, err
		}
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &process{port: strconv.Itoa(l.Addr().(*net.TCPAddr).Port)}
	_ = l.Close()
	install, run := commands(data, p.port)
	installer := exec.CommandContext(ctx, install[0], install[1:]...)
	installer.Dir, installer.SysProcAttr = data, attributes
	if out, err := installer.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w\n%s", install[0], err, out), os.RemoveAll(root))
	}
	p.guard = exec.CommandContext(context.WithoutCancel(ctx), "sh", append([]string{"-c", guard, "guard", root, quit}, run...)...)
	p.guard.Dir, p.guard.SysProcAttr, p.guard.Stderr = "/", attributes, os.Stderr
	if p.alive, err = p.guard.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.guard.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.guard.Start(); err != nil {
		return nil, err
	}
	_, err = fmt.Fscan(out, &p.pid)
	return p, err
}

func credential(account string) (*syscall.Credential, error) {
	u, err := user.Lookup(account)
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

// await calls ready until it succeeds.
func (p *process) await(ctx context.Context, ready func() error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := ready()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("the server does not answer: %w", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (p *process) stop() error {
	return errors.Join(p.alive.Close(), p.guard.Wait())
}

// program finds a program on PATH or in one of the directories.
func program(name string, dirs ...string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return filepath.EvalSymlinks(path)
	}
	for _, dir := range dirs {
		if paths, _ := filepath.Glob(filepath.Join(dir, name)); len(paths) > 0 {
			return paths[len(paths)-1], nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, exec.ErrNotFound)
}
