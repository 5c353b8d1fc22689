package webhook

import (
	"crypto/sha256"
	"sync"
)

// maxOpenings bounds the values that are remembered: about 8 MiB of the longest URLs.
const maxOpenings = 4 << 10

// openings remember values that are shown again and again, by the text and bound that they
// were opened from. A sealed text is authenticated, so it never stands for another value. The
// zero value is ready; it is safe for concurrent use.
type openings struct {
	mu sync.Mutex
	of map[[sha256.Size]byte]string
}

// get returns the remembered value for text and bound, or calls open. It does not remember
// errors.
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
		for other := range o.of { // any one
			delete(o.of, other)
			break
		}
	}
	o.of[key] = value
	return value, nil
}
