// Package leaktest finds goroutines that tests leave behind.
package leaktest

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// patience is the time that ending goroutines have.
const patience = 5 * time.Second

// Main runs the tests of a package and returns the exit code, for its TestMain. It fails if
// a goroutine of the library is left after all tests. A test with a fake clock cannot end
// before its goroutines have. Other tests must stop the goroutines that they start.
func Main(m *testing.M) int {
	code := m.Run()
	if code == 0 {
		if left := stacks(); left != "" {
			fmt.Fprintln(os.Stderr, "goroutines are left:\n"+left)
			code = 1
		}
	}
	return code
}

// stacks gives goroutines that run the library's code time to end, and returns the stacks
// of those left.
func stacks() string {
	for deadline := time.Now().Add(patience); ; {
		buf := make([]byte, 1<<20)
		buf = buf[:runtime.Stack(buf, true)]
		var left []string
		for stack := range strings.SplitSeq(string(buf), "\n\n") {
			if strings.Contains(stack, "gowebhook/webhook") && !strings.Contains(stack, "leaktest.Main") {
				left = append(left, stack)
			}
		}
		if len(left) == 0 {
			return ""
		}
		if time.Now().After(deadline) {
			return strings.Join(left, "\n\n")
		}
		runtime.Gosched()
	}
}
