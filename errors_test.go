package webhook

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// requireFieldError fails unless err is a *FieldError for field with a problem and a cure.
func requireFieldError(t *testing.T, err error, field string) FieldError {
	t.Helper()
	var fe *FieldError
	require.ErrorAs(t, err, &fe)
	require.ErrorIs(t, err, ErrInvalid)
	assert.Equal(t, field, fe.Field)
	assert.NotEmpty(t, fe.Problem, "Problem")
	assert.NotEmpty(t, fe.Cure, "Cure")
	return *fe
}

func TestFieldErrorIsOneLineOfItsParts(t *testing.T) {
	for want, err := range map[string]*FieldError{
		"Event.Type is empty; name it": {"Event.Type", "is empty", "name it"},
		"Event.Type is empty":          {"Event.Type", "is empty", ""},
	} {
		assert.EqualError(t, err, want)
	}
}

func TestFieldErrorIsErrInvalidAndNoOtherSentinel(t *testing.T) {
	err := fmt.Errorf("event 3: %w", &FieldError{"Event.Type", "is empty", "name it"})
	requireFieldError(t, err, "Event.Type")
	for _, sentinel := range []error{ErrNotFound, ErrConflict, ErrInFlight, ErrFull, ErrLimit} {
		assert.NotErrorIs(t, err, sentinel)
	}
}

func TestSentinelsAreDistinctAndPlain(t *testing.T) {
	sentinels := []error{ErrNotFound, ErrConflict, ErrInvalid, ErrInFlight, ErrFull, ErrLimit}
	for i, a := range sentinels {
		assert.Regexp(t, `^[a-z ]+$`, a.Error())
		for k, b := range sentinels {
			assert.Equal(t, i == k, errors.Is(fmt.Errorf("claim: %w", a), b), "%v is %v", a, b)
		}
	}
}
