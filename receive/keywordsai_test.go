package receive

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func keywordsAIRequest(name, signed string) *http.Request {
	return &http.Request{Header: http.Header{name: {referenceHex("secret", signed)}}}
}

func TestKeywordsAIReadsEitherHeader(t *testing.T) {
	verify, err := KeywordsAI(AllowShort("secret"))
	require.NoError(t, err)
	for _, name := range []string{"X-Keywordsai-Signature", "X-Respan-Signature"} {
		_, err = verify(keywordsAIRequest(name, `{"a": 1}`), []byte(`{"a": 1}`))
		assert.NoError(t, err, name)
	}
	r := keywordsAIRequest("X-Keywordsai-Signature", "other")
	r.Header.Set("X-Respan-Signature", referenceHex("secret", `{"a": 1}`))
	_, err = verify(r, []byte(`{"a": 1}`))
	assert.NoError(t, err, "one that matches is enough")
	r.Header.Set("X-Keywordsai-Signature", "x")
	_, err = verify(r, []byte(`{"a": 1}`))
	assert.ErrorIs(t, err, ErrMalformed)
}

func TestKeywordsAIWritesTheBodyAgainAndHandsOnWhatWasSigned(t *testing.T) {
	verify, err := KeywordsAI(AllowShort("secret"))
	require.NoError(t, err)
	signed := `{"b": [1, 2.0, "\u00e9"], "a": null}`
	for _, body := range []string{
		signed, `{"b":[1,2.0,"é"],"a":null}`, "{\n  \"b\": [1, 2.00, \"\\u00E9\"],\n  \"a\": null\n}\n",
	} {
		event, err := verify(keywordsAIRequest("X-Respan-Signature", signed), []byte(body))
		require.NoError(t, err, body)
		assert.Equal(t, signed, string(event.Body))
	}
	for _, body := range []string{
		`{"a":null,"b":[1,2.0,"é"]}`, `{"b":[1,2,"é"],"a":null}`, `{"b":[1,2.0,"e"],"a":null}`,
		`{"b":0,"b":[1,2.0,"é"],"a":null}`, `{"b":[1,2.0,"é"],"a":null}}`, `{"b":[1,2.0,"é"],"a":nul`, "\xff", "",
	} {
		_, err := verify(keywordsAIRequest("X-Respan-Signature", signed), []byte(body))
		assert.ErrorIs(t, err, ErrNoMatch, body)
	}
}

func TestKeywordsAIVerifiesBytesThatAreNotJSON(t *testing.T) {
	verify, err := KeywordsAI(AllowShort("secret"))
	require.NoError(t, err)
	event, err := verify(keywordsAIRequest("X-Respan-Signature", "\xff"), []byte("\xff"))
	assert.NoError(t, err)
	assert.Equal(t, "\xff", string(event.Body))
}
