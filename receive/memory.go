package receive

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

const (
	defaultMaxEntries = 100_000
	defaultMaxAge     = 72 * time.Hour
)

// A Memory is a [Dedupe] within one process. Its content ends with the process. A repeat after
// a restart, or to another process, is handled again. It starts no goroutine. Its zero value is
// ready; change no field after its first use.
//
// Give each Handler its own Memory, unless the ids of the providers cannot collide.
type Memory struct {
	// MaxEntries bounds the keys in memory. Each takes about 180 bytes, at any length of the
	// key. A full Memory forgets the key that was handled first. If all keys are being handled,
	// Claim returns ErrFull. Defaults to 100,000, also if negative.
	MaxEntries int

	// MaxAge is how long a handled event is remembered. It should be as long as the provider
	// retries. Defaults to 72 hours, also if negative.
	MaxAge time.Duration

	// Now is the clock. Defaults to time.Now.
	Now func() time.Time

	mu      sync.Mutex
	entries map[memoryKey]entryState
	handled []memoryRecord // entries that are handled, the first handled first
}

// A memoryKey is the SHA-256 of a key. Long ids take no more room than short ones.
type memoryKey [sha256.Size]byte

type entryState bool

const (
	inProgress entryState = false
	isHandled  entryState = true
)

type memoryRecord struct {
	key memoryKey
	at  time.Time
}

var _ Dedupe = (*Memory)(nil)

// Claim implements [Dedupe]. It never waits.
func (m *Memory) Claim(_ context.Context, key string) (Claim, error) {
	k := memoryKey(sha256.Sum256([]byte(key)))
	now := m.now()

	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.handled) > 0 && now.Sub(m.handled[0].at) >= m.maxAge() {
		m.forgetFirst()
	}
	if state, known := m.entries[k]; known {
		if state == isHandled {
			return nil, ErrDuplicate
		}
		return nil, ErrInProgress
	}
	if len(m.entries) >= m.maxEntries() {
		if len(m.handled) == 0 {
			return nil, ErrFull
		}
		m.forgetFirst()
	}
	if m.entries == nil {
		m.entries = make(map[memoryKey]entryState)
	}
	m.entries[k] = inProgress
	return &memoryClaim{memory: m, key: k}, nil
}

func (m *Memory) forgetFirst() {
	delete(m.entries, m.handled[0].key)
	m.handled = m.handled[1:]
}

func (m *Memory) now() time.Time {
	if m.Now != nil {
		return m.Now()
	}
	return time.Now()
}

func (m *Memory) maxAge() time.Duration {
	if m.MaxAge > 0 {
		return m.MaxAge
	}
	return defaultMaxAge
}

func (m *Memory) maxEntries() int {
	if m.MaxEntries > 0 {
		return m.MaxEntries
	}
	return defaultMaxEntries
}

type memoryClaim struct {
	memory *Memory
	key    memoryKey
	ended  bool // guarded by memory.mu
}

func (c *memoryClaim) Commit(context.Context) error {
	at := c.memory.now()
	c.memory.mu.Lock()
	defer c.memory.mu.Unlock()
	if !c.ended {
		c.ended = true
		c.memory.entries[c.key] = isHandled
		c.memory.handled = append(c.memory.handled, memoryRecord{c.key, at})
	}
	return nil
}

func (c *memoryClaim) Release(context.Context) error {
	c.memory.mu.Lock()
	defer c.memory.mu.Unlock()
	if !c.ended {
		c.ended = true
		delete(c.memory.entries, c.key)
	}
	return nil
}
