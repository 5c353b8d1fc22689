package drivertest

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"
)

// A worker is a process that delivers, and emits if it is told to. It ends with the test, even
// if the test crashes, because its input closes. If it was suspended then, the system lets an
// orphaned process group go on.
type fleetWorker struct {
	f      *fleet
	name   string
	cmd    *exec.Cmd
	orders *json.Encoder
	stderr outputTail
	exited chan struct{}

	mu      sync.Mutex
	up      bool
	quiet   bool
	stored  []string // acknowledged events
	failed  []string // errors of Emit
	wrong   []string // events that were called duplicates
	ended   *string
	lossy   bool // it was killed, or not given time to end
	exitErr error
}

// start starts a worker whose clock is shifted.
func (f *fleet) start(name string, shift time.Duration) *fleetWorker {
	f.t.Helper()
	spec, err := json.Marshal(workerSpec{Name: name, Database: f.database.name, DSN: f.dsn, Settings: f.settings, Shift: shift})
	require.NoError(f.t, err)
	self, err := os.Executable()
	require.NoError(f.t, err)
	w := &fleetWorker{f: f, name: name, exited: make(chan struct{})}
	w.cmd = exec.Command(self)
	w.cmd.Env = append(os.Environ(), beWorker+"="+string(spec))
	w.cmd.Stderr = &w.stderr
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := w.cmd.StdinPipe()
	require.NoError(f.t, err)
	w.orders = json.NewEncoder(in)
	out, err := w.cmd.StdoutPipe()
	require.NoError(f.t, err)
	require.NoError(f.t, w.cmd.Start())
	require.NotContains(f.t, f.workers, name)
	f.workers[name] = w
	go w.listen(out)
	f.t.Cleanup(func() {
		w.kill()
		if f.t.Failed() {
			f.t.Logf("the last output of worker %s (%v):\n%s", name, w.exitErr, w.stderr.String())
		}
	})
	return w
}

// startUp starts a worker and waits until it runs.
func (f *fleet) startUp(name string, shift time.Duration) *fleetWorker {
	f.t.Helper()
	w := f.start(name, shift)
	w.waitUp()
	return w
}

// waitUp waits until the worker runs.
func (w *fleetWorker) waitUp() {
	w.f.t.Helper()
	w.f.eventually("worker "+w.name+" is up", func() bool {
		up, exited := w.isUp()
		return up || exited
	})
	up, _ := w.isUp()
	require.True(w.f.t, up, "worker %s has ended", w.name)
}

// listen reads reports until the process has ended.
func (w *fleetWorker) listen(out io.Reader) {
	defer close(w.exited)
	lines := json.NewDecoder(out)
	for {
		var r workerReport
		err := lines.Decode(&r)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) { // a last line may be torn by a kill
				_, _ = w.stderr.Write([]byte(err.Error()))
			}
			break
		}
		w.mu.Lock()
		w.up, w.quiet = w.up || r.Up, w.quiet || r.Quiet
		if r.Event != "" {
			w.stored = append(w.stored, r.Event)
		}
		if r.Failed != "" {
			w.failed = append(w.failed, r.Failed)
		}
		if r.Wrong != "" {
			w.wrong = append(w.wrong, r.Wrong)
		}
		if r.Ended != nil {
			w.ended = r.Ended
		}
		w.mu.Unlock()
	}
	err := w.cmd.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.exitErr = err
}

func (w *fleetWorker) isUp() (up, exited bool) {
	select {
	case <-w.exited:
		exited = true
	default:
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.up, exited
}

// acknowledged returns the ids of the events whose Emit returned nil.
func (w *fleetWorker) acknowledged() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.stored)
}

// emit lets the worker emit n events, or, if n is negative, as many until quieten.
func (w *fleetWorker) emit(typ string, n int) {
	w.f.t.Helper()
	require.NoError(w.f.t, w.orders.Encode(workerOrder{Emit: n, Type: typ}))
}

// quieten lets the worker emit nothing more, and waits until it does not.
func (w *fleetWorker) quieten() {
	w.f.t.Helper()
	require.NoError(w.f.t, w.orders.Encode(workerOrder{Quiet: true}))
	w.f.eventually("worker "+w.name+" is quiet", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.quiet
	})
}

// kill ends the worker as a crash does, and returns when all that it said has been heard.
func (w *fleetWorker) kill() {
	w.mayLose()
	_ = w.cmd.Process.Kill() // unless it has ended
	<-w.exited
}

// mayLose says that results of the worker's last requests may not be stored.
func (w *fleetWorker) mayLose() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lossy = true
}

// suspend stops the worker, all of it.
func (w *fleetWorker) suspend() {
	w.f.t.Helper()
	require.NoError(w.f.t, w.cmd.Process.Signal(syscall.SIGSTOP))
	var status syscall.WaitStatus
	_, err := syscall.Wait4(w.cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
	require.NoError(w.f.t, err)
	require.True(w.f.t, status.Stopped())
}

// resume lets a suspended worker go on.
func (w *fleetWorker) resume() {
	w.f.t.Helper()
	require.NoError(w.f.t, w.cmd.Process.Signal(syscall.SIGCONT))
}

// terminate asks the worker to end.
func (w *fleetWorker) terminate() {
	w.f.t.Helper()
	require.NoError(w.f.t, w.cmd.Process.Signal(syscall.SIGTERM))
}

// end returns the result of Run of a worker that was asked to end.
func (w *fleetWorker) end() string {
	w.f.t.Helper()
	select {
	case <-w.exited:
	case <-time.After(processPatience):
		w.f.t.Fatalf("worker %s does not end", w.name)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	require.NoError(w.f.t, w.exitErr, "worker %s", w.name)
	require.NotNil(w.f.t, w.ended, "worker %s", w.name)
	return *w.ended
}

// lossy returns the names of the workers that may not have stored the results of their last
// requests.
func (f *fleet) lossy() map[string]bool {
	names := make(map[string]bool)
	for name, w := range f.workers {
		w.mu.Lock()
		if w.lossy {
			names[name] = true
		}
		w.mu.Unlock()
	}
	return names
}

// An outputTail keeps the end of the text that is written to it.
type outputTail struct {
	mu   sync.Mutex
	text []byte
}

func (b *outputTail) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = append(b.text, p...)
	b.text = b.text[max(0, len(b.text)-8<<10):]
	return len(p), nil
}

func (b *outputTail) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.text)
}
