package servers

import (
	"errors"
	"sync"
	"syscall"
)

// A template has the data of a new server. A process makes it once and copies it for each of
// its servers, which costs a tenth of making it.
type template struct {
	mu     sync.Mutex
	folder *folder // nil until it is made
}

// copyTo fills the data of a process. Its user runs the command that makes the template in a
// folder.
func (t *template) copyTo(p *process, command func(data string) []string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.folder == nil {
		made, err := newFolder(p.user, syscall.SIGTERM) // no server ever runs in it
		if err != nil {
			return err
		}
		if err := p.run(command(made.data())...); err != nil {
			return errors.Join(err, made.remove())
		}
		t.folder = made
	}
	return p.run("cp", "-Rp", t.folder.data()+"/.", p.folder.data())
}

// remove removes the template. The next call of copyTo makes another one.
func (t *template) remove() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.folder == nil {
		return nil
	}
	made := t.folder
	t.folder = nil
	return made.remove()
}
