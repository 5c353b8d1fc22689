package signature

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAppendKeygenWritesOneLineForEachPart(t *testing.T) {
	got := AppendKeygen([]byte("before "), "post", "/hooks?x=y", "example.com", "Tue, 14 Nov 2023 22:13:20 GMT", BodyDigest(nil))
	assert.Equal(t, "before (request-target): post /hooks?x=y\nhost: example.com\ndate: Tue, 14 Nov 2023 22:13:20 GMT\n"+
		"digest: sha-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", string(got))
}
