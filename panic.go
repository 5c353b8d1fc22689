package webhook

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
)

// recovered turns a panic of the application's code into an error. The error has the place of
// the panic but not its value, which may contain a secret.
func recovered(err *error) {
	p := recover()
	if p == nil {
		return
	}
	at := ""
	pcs := make([]uintptr, 16)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		frame, more := frames.Next()
		if !strings.HasPrefix(frame.Function, "runtime.") {
			at = fmt.Sprintf(" at %s:%d", filepath.Base(frame.File), frame.Line)
			break
		}
		if !more {
			break
		}
	}
	*err = fmt.Errorf("panic of type %T%s", p, at)
}
