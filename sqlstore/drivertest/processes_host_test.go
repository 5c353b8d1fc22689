package drivertest

import (
	"context"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// A fleetHost emits in this process, which delivers nothing: by Emit, and in transactions.
// Some transactions are rolled back.
type fleetHost struct {
	f      *fleet
	cancel context.CancelFunc
	ended  chan struct{}
	stored atomic.Int32 // events

	acknowledged []string
	rolledBack   []string
	errs         []error
}

func (f *fleet) startHost() *fleetHost {
	ctx, cancel := context.WithCancel(f.t.Context())
	h := &fleetHost{f: f, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(h.ended)
		for i := 0; ; i++ {
			h.emit(i)
			if !letPass(ctx, emitPace) {
				return
			}
		}
	}()
	f.t.Cleanup(func() { h.halt() })
	return h
}

func (h *fleetHost) halt() {
	h.cancel()
	<-h.ended
}

// stop returns the events that were stored and the ones that were not.
func (h *fleetHost) stop() (acknowledged, rolledBack []string) {
	h.f.t.Helper()
	h.halt()
	require.NotEmpty(h.f.t, h.acknowledged)
	if n := len(h.errs); n > 0 {
		h.f.t.Logf("%d Emits of the host failed and were repeated, the last with: %v", n, h.errs[n-1])
	}
	return slices.Clone(h.acknowledged), h.rolledBack
}

// emit emits event i, in one of several ways, until it is acknowledged. A repeated event has
// the id of the first receipt.
func (h *fleetHost) emit(i int) {
	e := h.f.event("host-"+strconv.Itoa(i), i)
	if i%6 == 0 {
		e.ID = "" // the library makes one
	}
	rollback := false
	for {
		var err error
		switch i % 3 {
		case 0:
			var receipt webhook.Receipt
			receipt, err = h.f.dispatcher.Emit(context.Background(), e)
			e.ID = receipt.EventID
		default:
			rollback = i%6 == 5
			err = h.f.emitTx(rollback, e)
		}
		if err == nil {
			break
		}
		h.errs = append(h.errs, err)
		if !letPass(h.f.t.Context(), emitPace) {
			return
		}
	}
	if rollback {
		h.rolledBack = append(h.rolledBack, e.ID)
	} else {
		h.acknowledged = append(h.acknowledged, e.ID)
		h.stored.Add(1)
	}
}
