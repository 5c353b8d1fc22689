package webhookhttp

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook"
)

// rows is a list of n numbers that comes in parts of at most size, with an empty part after each.
func rows(n, size int, reads *int) func(webhook.Query) (webhook.Page[int], error) {
	return func(q webhook.Query) (webhook.Page[int], error) {
		*reads++
		from, empty := 0, false
		if q.Cursor != "" {
			position, _ := strconv.Atoi(q.Cursor)
			from, empty = position/2, position%2 == 1
		}
		page := webhook.Page[int]{}
		if !empty {
			for len(page.Items) < min(q.Limit, size) && from < n {
				page.Items = append(page.Items, from)
				from++
			}
		}
		if from < n {
			next := from * 2
			if !empty {
				next++
			}
			page.Next = strconv.Itoa(next)
		}
		return page, nil
	}
}

func TestAPageIsCountedFromTheBeginningWhateverPartsTheStoreGives(t *testing.T) {
	for _, size := range []int{1, 2, 3, 7, 1000} {
		for number := 1; number <= 5; number++ {
			var reads int
			page, err := skip(webhook.Query{Limit: 3}, number, rows(10, size, &reads))
			require.NoError(t, err)
			var want []int
			for i := (number - 1) * 3; i < min(number*3, 10); i++ {
				want = append(want, i)
			}
			assert.Equal(t, want, page.Items, "page %d in parts of %d", number, size)
			assert.Equal(t, number >= 4, page.Next == "", "page %d in parts of %d", number, size)
		}
	}
}

func TestAPageThatTakesTooManyReadsAsksForTheCursor(t *testing.T) {
	var reads int
	_, err := skip(webhook.Query{Limit: 50}, 100, rows(10_000, 1, &reads))
	require.Error(t, err)
	assert.Equal(t, codeUseCursor, err.(*refusal).Code) //nolint:errorlint // it is not wrapped
	assert.Equal(t, maxReads, reads)
	reads = 0
	page, err := skip(webhook.Query{Limit: 50}, 1, rows(10_000, 1, &reads))
	require.NoError(t, err)
	assert.Len(t, page.Items, maxReads/2)
	assert.NotEmpty(t, page.Next, "it is short, and goes on")
}

func TestAPartIsNotEmptyBeforeTheEnd(t *testing.T) {
	var reads int
	page, err := fill(webhook.Query{Limit: 2, Cursor: "5"}, rows(10, 2, &reads))
	require.NoError(t, err)
	assert.Equal(t, []int{2, 3}, page.Items)
	assert.Equal(t, 2, reads)
}
