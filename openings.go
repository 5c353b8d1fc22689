package webhook

import (
	"crypto/sha256"
	"sync"
)

// maxOpenings bounds the values that are remembered: about 8 MiB of the longest URLs.
const maxOpenings = 4 << 10

// openings remember values that are shown again and again, by what they were opened from. A
// sealed text is authenticated, so it never stands for another value. The zero value is ready; it
// is safe for concurrent use.
type openings struct {
	mu sync.Mutex
	of map[[sha256.Size]byte]string
}

// get returns what open returned for the same text and bound before, or asks it. Errors are not
// remembered.
func (o *openings) get(text, bound string, open func() (string, error)) (string, error) {
	key := sha256.Sum256([]byte(bound + "\x00" + text))
	o.mu.Lock()
	value, known := o.of[key]
	o.mu.Unlock()
	if known {
		return value, nil
	}
	value, err := open()
	if err != nil {
		return "", err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.of == nil {
		o.of = make(map[[sha256.Size]byte]string)
	}
	if len(o.of) >= maxOpenings {
		for other := range o.of { // any will do
			delete(o.of, other)
			break
		}
	}
	o.of[key] = value
	return value, nil
}
