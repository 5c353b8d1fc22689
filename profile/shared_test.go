package profile

import (
	"strings"
	"testing"
	"testing/cryptotest"

	"github.com/stretchr/testify/assert"
)

func TestAlphanumericFavoursNoLetter(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1)
	const each = 2000
	text := alphanumeric(each * len(letters))
	assert.Len(t, text, each*len(letters))
	for _, c := range letters {
		assert.InDelta(t, each, strings.Count(text, string(c)), each/8, string(c)) // the remainder would give the first eight a quarter more
	}
	assert.Len(t, letters, 62)
	assert.Empty(t, alphanumeric(0))
}
