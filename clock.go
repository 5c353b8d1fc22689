package webhook

import (
	"context"
	"time"
)

// clockLoop keeps store time up to date. It reports no error of the first reading: the callers
// that need the time report it.
func (s *session) clockLoop(ctx context.Context) {
	if s.d.time.clock == nil {
		return
	}
	for ctx.Err() == nil {
		_ = s.d.time.keepUp(ctx)
		sleep(ctx, time.Duration(s.d.time.age.Load()))
	}
	s.d.time.wait()
}
