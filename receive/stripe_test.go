package receive

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestStripeReadsItsHeader(t *testing.T) {
	v := one(t, "stripe")
	const timestamp, code = "t=1700000000", "v1=4f1cd7feda9826e746b7d482c4badebb657398df1099e1046364f6196a230150"
	other := "v1=" + strings.Repeat("0", 64)
	for value, want := range map[string]error{
		timestamp + "," + code:                                 nil,
		code + "," + timestamp:                                 nil,
		timestamp + "," + other + "," + code:                   nil,
		timestamp + ",v0=00," + code + ",v2=zz":                nil,
		timestamp + ",v1=not hex," + code:                      nil,
		timestamp + strings.Repeat(","+other, 15) + "," + code: nil,
		timestamp + strings.Repeat(","+other, 16) + "," + code: ErrMalformed,
		timestamp + "," + other:                                ErrNoMatch,
		timestamp:                                              ErrNoMatch,
		timestamp + ",v1=":                                     ErrNoMatch,
		timestamp + ", " + code:                                ErrNoMatch,
		timestamp + "," + strings.ToUpper(code):                ErrNoMatch,
		code:                                                   ErrMalformed,
		"t=," + code:                                           ErrMalformed,
		timestamp + "," + timestamp + "," + code:               ErrMalformed,
		timestamp + "," + code + ",":                           ErrMalformed,
		timestamp + "," + code + ",x":                          ErrMalformed,
		timestamp + "," + code + ",x=y=z":                      ErrMalformed,
		"t=01700000000," + code:                                ErrMalformed,
		"t=-1700000000," + code:                                ErrMalformed,
		"t=1700000000.0," + code:                               ErrMalformed,
		"t=1700000001," + code:                                 ErrNoMatch,
		"t=1600000000," + code:                                 ErrTooOld,
		"t=99999999999," + code:                                ErrTooNew,
	} {
		r := v.request(t)
		r.Header.Set("Stripe-Signature", value)
		_, err := v.verifier(t, 0)(r, []byte(v.Body))
		assert.ErrorIs(t, err, want, value)
	}
}
