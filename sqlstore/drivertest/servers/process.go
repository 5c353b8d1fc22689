package servers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	errNotInstalled = errors.New("not installed")
	errExited       = errors.New("it ended at once")
	errNotRunning   = errors.New("it does not run")
)

// A process is a server that this process starts, in a folder of its own. It is not safe for
// concurrent use.
type process struct {
	name   string
	folder *folder
	user   *syscall.Credential
	port   string
	args   []string
	ready  func(context.Context) error

	stopSignal syscall.Signal // a clean end that does not wait for clients
	quitSignal syscall.Signal // the quickest end that leaves nothing outside the folder

	cmd    *exec.Cmd // nil while it does not run
	exited chan struct{}
	killed bool
	paused bool
}

// newProcess makes the folder, and finds a port. When we are root, the server runs as the
// first of users.
func newProcess(name string, stopSignal, quitSignal syscall.Signal, users ...string) (*process, error) {
	user, err := unprivileged(users...)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	folder, err := newFolder(user, quitSignal)
	if err != nil {
		return nil, err
	}
	return &process{
		name: name, folder: folder, user: user, port: port, stopSignal: stopSignal, quitSignal: quitSignal,
	}, nil
}

// launch makes the data and starts the server. After an error nothing is left.
func (p *process) launch(setUp func() error) error {
	err := setUp()
	if err == nil {
		err = p.start()
	}
	if err != nil {
		return errors.Join(err, p.remove())
	}
	return nil
}

// command makes a command that keeps to the folder. MariaDB deletes files that it takes for
// its own in the folder for temporary files.
func (p *process) command(args ...string) *exec.Cmd {
	cmd := command(p.user, args...)
	cmd.Dir = p.folder.data()
	cmd.Env = append(os.Environ(), "TMPDIR="+p.folder.tmp())
	return cmd
}

// run runs a program that ends by itself.
func (p *process) run(args ...string) error {
	cmd := p.command(args...)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %s: %w\n%s", p.name, args[0], err, output)
	}
	return nil
}

// start returns when the server answers.
func (p *process) start() error {
	if p.cmd != nil {
		return fmt.Errorf("%s: it runs already", p.name)
	}
	ctx, cancel := withPatience()
	defer cancel()
	for tries := 1; ; tries++ {
		err := p.tryStart(ctx)
		if err == nil {
			p.killed = false
			return nil
		}
		tail := p.tail()
		if p.cmd != nil {
			err = errors.Join(err, p.kill())
		}
		// PostgreSQL does not start as long as a child of the killed one lives, which may be a
		// moment.
		if !p.killed || !errors.Is(err, errExited) || tries == 20 || !pause(ctx) {
			return fmt.Errorf("%s did not start: %w%s", p.name, err, tail)
		}
	}
}

func (p *process) tryStart(ctx context.Context) error {
	log, err := os.OpenFile(p.folder.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := p.command(p.args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in the log
		close(exited)
	}()
	p.cmd, p.exited = cmd, exited
	if err := os.WriteFile(p.folder.pid(), []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
		return err
	}
	for {
		err := p.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-exited:
			return errors.Join(errExited, p.gone())
		default:
		}
		if !pause(ctx) {
			return err
		}
	}
}

func (p *process) stop() error {
	return p.end(p.stopSignal)
}

// kill ends the server when it can make no more children, and them.
func (p *process) kill() error {
	if !p.paused {
		if err := p.pause(); err != nil {
			return err
		}
	}
	if err := p.signalChildren(syscall.SIGKILL); err != nil {
		return err
	}
	p.killed = true
	return p.end(syscall.SIGKILL)
}

func (p *process) pause() error {
	if p.cmd == nil || p.paused {
		return fmt.Errorf("%s: %w", p.name, errNotRunning)
	}
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	// Until all threads have stopped, they may answer and make children.
	if _, err := syscall.Wait4(p.cmd.Process.Pid, nil, syscall.WUNTRACED, nil); err != nil {
		return err
	}
	p.paused = true
	return p.signalChildren(syscall.SIGSTOP)
}

func (p *process) resume() error {
	if !p.paused {
		return fmt.Errorf("%s: it is not paused", p.name)
	}
	p.paused = false
	return errors.Join(p.signalChildren(syscall.SIGCONT), p.cmd.Process.Signal(syscall.SIGCONT))
}

func (p *process) signalChildren(signal syscall.Signal) error {
	children, err := childrenOf(p.cmd.Process.Pid)
	if err != nil {
		return err
	}
	for _, pid := range children {
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return nil
}

// end signals the server and waits until it is gone.
func (p *process) end(signal syscall.Signal) error {
	if p.cmd == nil {
		return fmt.Errorf("%s: %w", p.name, errNotRunning)
	}
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.exited:
		return p.gone()
	case <-time.After(patience):
		return fmt.Errorf("%s: it is still there %s after: %s%s", p.name, patience, signal, p.tail())
	}
}

func (p *process) gone() error {
	p.cmd, p.exited, p.paused = nil, nil, false
	return os.Remove(p.folder.pid())
}

// remove ends the server, if it runs, and removes all that it wrote.
func (p *process) remove() error {
	if p.killed && p.quitSignal != syscall.SIGKILL {
		_ = p.start() // it frees the shared memory of the killed one
	}
	var err error
	if p.paused {
		err = p.resume()
	}
	if p.cmd != nil {
		err = errors.Join(err, p.end(p.quitSignal))
	}
	return errors.Join(err, p.folder.remove())
}

// lastWords returns the end of the server's output if the server ended by itself. The output
// of one that runs says nothing about why a test failed, and would hide the reason;
// WEBHOOK_TEST_SERVER_LOG=1 shows it. It is "" for nil.
func (p *process) lastWords() string {
	if p == nil || p.cmd == nil {
		return ""
	}
	select {
	case <-p.exited:
		return p.tail()
	default:
	}
	if os.Getenv("WEBHOOK_TEST_SERVER_LOG") == "1" {
		return p.tail()
	}
	return ""
}

// explain logs the last words when the test has failed.
func (p *process) explain(tb testing.TB) {
	tb.Helper()
	if words := p.lastWords(); words != "" && tb.Failed() {
		tb.Log(words)
	}
}

// tail returns the last lines of the server's output.
func (p *process) tail() string {
	const most = 20
	log, err := os.ReadFile(p.folder.log())
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimRight(string(log), "\n"), "\n")
	return fmt.Sprintf("\nthe last output of %s:\n%s", p.name, strings.Join(lines[max(0, len(lines)-most):], "\n"))
}

// command makes a command that Ctrl-C in the terminal does not reach, so that a server ends
// after its test.
func command(user *syscall.Credential, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: user}
	return cmd
}

// pause waits a little and reports whether there is time left.
func pause(ctx context.Context) bool {
	select {
	case <-time.After(20 * time.Millisecond):
		return true
	case <-ctx.Done():
		return false
	}
}

// childrenOf returns the processes that this process started: PostgreSQL has one for each
// connection, in sessions of their own.
func childrenOf(pid int) ([]int, error) {
	list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	if errors.Is(err, os.ErrNotExist) {
		list, err = command(nil, "pgrep", "-P", strconv.Itoa(pid)).Output()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 1 {
			err = nil // it found none
		}
	}
	if err != nil {
		return nil, err
	}
	var children []int
	for field := range strings.FieldsSeq(string(list)) {
		child, err := strconv.Atoi(field)
		if err != nil {
			return nil, err
		}
		children = append(children, child)
	}
	return children, nil
}

// freePort finds a port below those that the system gives to clients: one of them could take
// it while the server is down.
func freePort() (string, error) {
	var last error
	for range 20 {
		port := strconv.Itoa(20000 + rand.IntN(10000))
		listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", net.JoinHostPort("127.0.0.1", port))
		if err == nil {
			return port, listener.Close()
		}
		last = err
	}
	return "", last
}

// find returns the path of a program on PATH or in one of the folders, the last that matches;
// "" means that there is none.
func find(program string, folders ...string) string {
	if path, err := exec.LookPath(program); err == nil {
		return path
	}
	for _, folder := range folders {
		if paths, _ := filepath.Glob(filepath.Join(folder, program)); len(paths) > 0 {
			return paths[len(paths)-1]
		}
	}
	return ""
}
