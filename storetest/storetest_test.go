package storetest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/memstore"
)

func newStore(*testing.T) webhook.Store { return memstore.New(memstore.Options{}) }

func newTxStore(t *testing.T) TxStore { return newTxMemory(newStore(t)) }

func TestStoreThatKeepsTheContract(t *testing.T) {
	Run(t, newStore)
	RunTx(t, newTxStore)
}

// TestEveryCaseCanFail runs each case against stores that break the rule it checks.
func TestEveryCaseCanFail(t *testing.T) {
	cases, noticed := map[string]testCase{}, map[string]bool{}
	for _, c := range slices.Concat(allCases(), txCases) {
		require.NotContains(t, cases, c.name, "two cases have the same name")
		cases[c.name] = c
	}
	for _, d := range allDefects() {
		t.Run(d.name, func(t *testing.T) {
			for name := range strings.FieldsSeq(d.noticed) {
				c, ok := cases[name]
				require.True(t, ok, "no case %q", name)
				noticed[name] = true
				var failures []string
				synctest.Test(t, func(t *testing.T) { failures = failuresOf(t, c, d) }) // some wait until they fail
				if assert.NotEmpty(t, failures, "%s does not notice", name) {
					assert.Contains(t, failures[0], c.rule, "the failure does not quote the contract")
				}
				if testing.Verbose() {
					t.Logf("%s: %s", name, firstLine(failures))
				}
			}
		})
	}
	if t.Failed() {
		return
	}
	for name := range cases {
		assert.True(t, noticed[name], "%s has never been seen to fail", name)
	}
}

func firstLine(failures []string) string {
	line, _, _ := strings.Cut(strings.Join(failures, "\n"), "\n")
	return fmt.Sprintf("%.200s", line)
}

// failuresOf runs a case against a store with a defect, and returns the reported failures.
func failuresOf(t *testing.T, c testCase, d defect) []string {
	t.Helper()
	r := &recorder{ctx: t.Context()}
	var panicked any
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { panicked = recover() }()
		b := &broken{Store: newTxStore(t)}
		d.install(b)
		c.check(r, b)
	}()
	<-done
	require.Nil(t, panicked, "%s panics", c.name)
	return r.failures
}

// A recorder is a tb that collects failures.
type recorder struct {
	ctx      context.Context
	mu       sync.Mutex
	failures []string
}

func (r *recorder) Helper() {}

func (r *recorder) Context() context.Context { return r.ctx }

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}
