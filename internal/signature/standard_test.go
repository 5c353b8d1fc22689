package signature

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAppendStandardSignsTheVectors(t *testing.T) {
	text, err := os.ReadFile("../../testdata/standard-webhooks.json")
	require.NoError(t, err)
	var vectors []struct {
		Name      string
		Secret    string
		ID        string
		Timestamp int64
		Body      string
		Headers   map[string]string
		Expect    string
	}
	require.NoError(t, json.Unmarshal(text, &vectors))
	require.NotEmpty(t, vectors)
	s := GetScratch()
	defer PutScratch(s)
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(v.Secret, SecretPrefix))
			require.NoError(t, err)
			got := string(s.AppendStandard(nil, key, v.ID, v.Timestamp, []byte(v.Body)))
			carried := v.Headers["webhook-id"] == v.ID && v.Headers["webhook-timestamp"] == strconv.FormatInt(v.Timestamp, 10)
			signed := strings.Contains(" "+v.Headers["webhook-signature"]+" ", " "+got+" ")
			assert.Equal(t, v.Expect == "valid", carried && signed, "our signature is %s", got)
		})
	}
}

func TestAppendStandardAppends(t *testing.T) {
	s := new(Scratch)
	key := counting(24)
	alone := string(s.AppendStandard(nil, key, "id", 1, []byte("body")))
	assert.Equal(t, "before "+alone, string(s.AppendStandard([]byte("before "), key, "id", 1, []byte("body"))))
}

func TestAppendStandardCoversEachPart(t *testing.T) {
	s := new(Scratch)
	sign := func(key []byte, id string, timestamp int64, body string) string {
		return string(s.AppendStandard(nil, key, id, timestamp, []byte(body)))
	}
	key := counting(24)
	base := sign(key, "id", 1, "body")
	assert.Equal(t, base, sign(key, "id", 1, "body"), "the same again")
	for name, other := range map[string]string{
		"key":       sign(counting(25), "id", 1, "body"),
		"id":        sign(key, "id2", 1, "body"),
		"timestamp": sign(key, "id", 2, "body"),
		"body":      sign(key, "id", 1, "body "),
		"no body":   sign(key, "id", 1, ""),
	} {
		assert.NotEqual(t, base, other, name)
	}
}

func TestPutScratchLeavesNoKey(t *testing.T) {
	s := GetScratch()
	var err error
	s.Key, err = AppendKey(s.Key[:0], SecretPrefix+encoded(64))
	require.NoError(t, err)
	s.Text = s.AppendStandard(s.Text, s.Key, "id", 1, []byte("body"))
	key := s.Key[:cap(s.Key)]
	s.Key = s.Key[:0] // the bytes beyond the length are cleared too
	PutScratch(s)
	assert.Equal(t, make([]byte, len(key)), key)
	assert.Zero(t, s.MAC.key)
	assert.Zero(t, s.MAC.pad)
	assert.Empty(t, s.Text, "the next user begins with empty buffers")
	assert.Empty(t, s.Code, "the next user begins with empty buffers")
}

// A buffer that grows leaves its old array behind. Nobody clears the key in that array.
func TestKeysOfEverySizeFitTheScratch(t *testing.T) {
	s := scratches.New().(*Scratch)
	array := unsafe.SliceData(s.Key)
	require.NotNil(t, array)
	for n := MinKey; n <= MaxKey+3; n++ {
		s.Key, _ = AppendKey(s.Key[:0], encoded(n))
		require.Same(t, array, unsafe.SliceData(s.Key), "key of %d bytes", n)
	}
}
