package versions

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestNextVersionIsHigherAndNotBelowTheTime(t *testing.T) {
	assert.EqualValues(t, 500, Next(1, 500))
	assert.EqualValues(t, 501, Next(500, 500))
	assert.EqualValues(t, 601, Next(600, 500), "the clock went back")
}
