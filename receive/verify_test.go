package receive

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestVectorsGetTheirVerdicts(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			want, known := verdicts[v.Error]
			require.True(t, known)
			r := v.request(t)
			event, err := v.verifier(t, 0)(r, []byte(v.Body))
			if want != nil {
				assert.ErrorIs(t, err, want)
				assert.Zero(t, event)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, v.ID, event.ID)
			assert.Equal(t, v.Body, string(event.Body))
			assert.Equal(t, r.Header, event.Header)
			if schemeNamed(t, v.Scheme).timed {
				assert.Equal(t, v.Now, event.Time.Unix())
			} else {
				assert.Zero(t, event.Time)
			}
		})
	}
}

func TestABodyThatWasChangedIsRefused(t *testing.T) {
	eachGood(t, func(t *testing.T, v vector) {
		t.Helper()
		verify, r := v.verifier(t, 0), v.request(t)
		for _, body := range []string{"", v.Body[1:], v.Body[:len(v.Body)-1], swap(v.Body, len(v.Body)/2), v.Body + "\x00", v.Body + v.Body} {
			_, err := verify(r, []byte(body))
			require.ErrorIs(t, err, ErrNoMatch, "%q", body)
		}
	})
}

func TestASignedHeaderThatWasChangedAnywhereIsRefused(t *testing.T) {
	eachGood(t, func(t *testing.T, v vector) {
		t.Helper()
		verify := v.verifier(t, 0)
		for _, name := range schemeNamed(t, v.Scheme).signed {
			r := v.request(t)
			value := r.Header.Get(name)
			for i := range value {
				for _, changed := range []string{swap(value, i), value[:i] + value[i+1:], value[:i] + " " + value[i:], value[:i]} {
					if harmless(v.Name, name, changed, value) {
						continue
					}
					r.Header.Set(name, changed)
					event, err := verify(r, []byte(v.Body))
					require.Error(t, err, "%s: %s", name, changed)
					require.Zero(t, event)
				}
			}
		}
	})
}

// harmless reports changes that touch no signature that counts: in the vectors with several,
// in Keygen's key id, and in the spaces between the parts of a list.
func harmless(vectorName, header, changed, value string) bool {
	switch header {
	case "Keygen-Signature":
		_, want, _ := strings.Cut(value, ", ")
		_, got, _ := strings.Cut(spaces.ReplaceAllString(changed, `", `), ", ")
		return want == got
	case "Webhook-Signature", "Svix-Signature":
		several := strings.HasPrefix(vectorName, "sw-rotation") || vectorName == "sw-multi-sig"
		return strings.TrimSpace(changed) == value ||
			several && strings.Contains(" "+changed+" ", " v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= ")
	}
	return false
}

var spaces = regexp.MustCompile(`", *`)

func TestARequestWithoutOneOfItsHeadersIsRefused(t *testing.T) {
	eachGood(t, func(t *testing.T, v vector) {
		t.Helper()
		for _, name := range schemeNamed(t, v.Scheme).signed {
			r := v.request(t)
			r.Header.Del(name)
			_, err := v.verifier(t, 0)(r, []byte(v.Body))
			require.ErrorIs(t, err, ErrMissingHeader, name)
			r.Header.Set(name, "")
			_, err = v.verifier(t, 0)(r, []byte(v.Body))
			require.ErrorIs(t, err, ErrMissingHeader, name+" is empty")
		}
	})
}

func TestAHeaderThatIsThereTwiceIsRefused(t *testing.T) {
	eachGood(t, func(t *testing.T, v vector) {
		t.Helper()
		for _, name := range schemeNamed(t, v.Scheme).signed {
			for _, second := range []string{v.request(t).Header.Get(name), "other", ""} {
				r := v.request(t)
				r.Header.Add(name, second)
				_, err := v.verifier(t, 0)(r, []byte(v.Body))
				require.ErrorIs(t, err, ErrMalformed, "%s and %q", name, second)
			}
		}
	})
}

func TestAnyOfSeveralSecretsIsEnough(t *testing.T) {
	eachGood(t, func(t *testing.T, v vector) {
		t.Helper()
		other := schemeNamed(t, v.Scheme).secret
		for _, secrets := range [][]string{{v.Secret, other}, {other, v.Secret}, {other, other, v.Secret}} {
			_, err := v.verifier(t, 0, secrets...)(v.request(t), []byte(v.Body))
			assert.NoError(t, err)
		}
		_, err := v.verifier(t, 0, other)(v.request(t), []byte(v.Body))
		assert.ErrorIs(t, err, ErrNoMatch)
	})
}

func TestOnlyTimestampsWithinTheToleranceAreAccepted(t *testing.T) {
	eachGood(t, func(t *testing.T, v vector) {
		t.Helper()
		if !schemeNamed(t, v.Scheme).timed {
			return
		}
		for after, want := range map[time.Duration]error{
			0:                                 nil,
			defaultTolerance:                  nil,
			defaultTolerance + 1:              ErrTooOld,
			-defaultTolerance:                 nil,
			-defaultTolerance - 1:             ErrTooNew,
			100 * 365 * 24 * time.Hour:        ErrTooOld,
			-100 * 365 * 24 * time.Hour:       ErrTooNew,
			defaultTolerance - time.Second:    nil,
			time.Second - defaultTolerance:    nil,
			defaultTolerance + 24*time.Hour:   ErrTooOld,
			-(defaultTolerance + time.Second): ErrTooNew,
		} {
			_, err := v.verifier(t, after)(v.request(t), []byte(v.Body))
			assert.ErrorIs(t, err, want, "%v later", after)
		}
	})
}

func TestToleranceIsWhatTheWindowSays(t *testing.T) {
	v := one(t, "standard")
	for _, tt := range []struct {
		tolerance, after time.Duration
		want             error
	}{
		{time.Second, time.Second, nil},
		{time.Second, time.Second + 1, ErrTooOld},
		{time.Second, -time.Second - 1, ErrTooNew},
		{time.Hour, time.Hour, nil},
		{time.Hour, time.Hour + 1, ErrTooOld},
		{-1, 100 * 365 * 24 * time.Hour, nil},
		{-1, -100 * 365 * 24 * time.Hour, nil},
	} {
		verify, err := Standard(Window{Tolerance: tt.tolerance, Now: clock(v.Now, tt.after)}, v.Secret)
		require.NoError(t, err)
		_, err = verify(v.request(t), []byte(v.Body))
		assert.ErrorIs(t, err, tt.want, "%v, %v later", tt.tolerance, tt.after)
	}
}

func TestTheClockIsTheRealOneByDefault(t *testing.T) {
	v := one(t, "standard")
	verify, err := Standard(Window{}, v.Secret)
	require.NoError(t, err)
	_, err = verify(v.request(t), []byte(v.Body))
	assert.ErrorIs(t, err, ErrTooOld)
	assert.NoError(t, Window{}.judge(time.Now()))
}

func TestTimestampsHaveOneSpelling(t *testing.T) {
	for text, want := range map[string]error{
		"":                           ErrMalformed,
		"-1":                         ErrMalformed,
		"+1":                         ErrMalformed,
		"1.5":                        ErrMalformed,
		"1.0":                        ErrMalformed,
		"1e9":                        ErrMalformed,
		"0x10":                       ErrMalformed,
		"1_0":                        ErrMalformed,
		" 1":                         ErrMalformed,
		"1 ":                         ErrMalformed,
		"01":                         ErrMalformed,
		"00":                         ErrMalformed,
		"1\n":                        ErrMalformed,
		"1\x00":                      ErrMalformed,
		"١":                          ErrMalformed,
		"NaN":                        ErrMalformed,
		"0":                          nil,
		"1":                          nil,
		"1700000000":                 nil,
		"253402300799":               nil,
		"253402300800":               ErrTooNew,
		"9223372036854775807":        ErrTooNew,
		"9223372036854775808":        ErrTooNew,
		"99999999999999999999999999": ErrTooNew,
		strings.Repeat("9", 1<<20):   ErrTooNew,
	} {
		at, err := Window{Tolerance: -1}.judgeUnix("T", text)
		assert.ErrorIs(t, err, want, "%.30q", text)
		if want == nil {
			assert.Equal(t, text, fmt.Sprint(at.Unix()))
		}
	}
}

// Headers as no provider sends them: the verdict is one of the five, and comes soon.
func TestAnyHeaderGetsAVerdict(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 4096)
	for i := range noise {
		noise[i] = byte(random.IntN(256))
	}
	bombs := []string{
		"\x00", "\xff\xfe", " ", ",", "=", ".", "v1", "v1,", "v0=", "t=", "sha256=", "sha1=", `"`, "keyid=", `="`, `headers="`,
		string(noise),
		strings.Repeat("v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4= ", 10_000),
		strings.Repeat("v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg== ", 10_000),
		"t=1700000000" + strings.Repeat(",v1=4f1cd7feda9826e746b7d482c4badebb657398df1099e1046364f6196a230150", 10_000),
		strings.Repeat(`a="b", `, 10_000), strings.Repeat(" ", 1<<20), strings.Repeat("9", 1<<20), strings.Repeat("=", 1<<20),
		strings.Repeat("sha256=", 1<<17), strings.Repeat("a", 1<<20),
		"1e9999", "-1", "1700000000.5", "９", "Mon, 06 Jun 2022 16:13:37 +0000", "Thu, 01 Jan 1970 00:00:00 GMT",
		"v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN_H_pI4=", "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4", "v1,=K5o",
		strings.Repeat("A", 1<<10) + "\n", "sha-256=",
	}
	eachGood(t, func(t *testing.T, v vector) {
		t.Helper()
		verify := v.verifier(t, 0)
		for _, name := range schemeNamed(t, v.Scheme).signed {
			for _, bomb := range bombs {
				r := v.request(t)
				r.Header.Set(name, bomb)
				_, err := verify(r, []byte(v.Body))
				verdict(t, err)
			}
		}
	})
}

// verdict fails unless err is one that a verifier may return.
func verdict(t *testing.T, err error) {
	t.Helper()
	for _, sentinel := range []error{ErrMissingHeader, ErrMalformed, ErrTooOld, ErrTooNew, ErrNoMatch} {
		if strings.HasPrefix(fmt.Sprint(err), sentinel.Error()) {
			assert.ErrorIs(t, err, sentinel)
			return
		}
	}
	t.Errorf("the verdict is %v", err)
}

func TestErrorsOfVerifiersContainNoneOfTheRequest(t *testing.T) {
	eachGood(t, func(t *testing.T, v vector) {
		t.Helper()
		verify := v.verifier(t, 0)
		for _, name := range schemeNamed(t, v.Scheme).signed {
			for _, value := range []string{"canary", "sha256=canary", "v0=canary", "t=1,canary=canary=canary", `canary="canary"`, "v1,canary"} {
				r := v.request(t)
				r.Header.Set(name, value)
				_, err := verify(r, []byte("canary"))
				require.Error(t, err)
				assert.NotContains(t, err.Error(), "canary", name)
				assert.NotContains(t, err.Error(), v.Secret, name)
			}
		}
	})
}

func TestAVerifierWithoutSecretsIsNotMade(t *testing.T) {
	for _, s := range schemes {
		verify, err := s.make(Window{})
		assert.ErrorIs(t, err, ErrSecret, s.name)
		assert.ErrorContains(t, err, "pass at least one", s.name)
		assert.Nil(t, verify, s.name)
	}
}

func TestSecretsThatCannotBeMeantAreRefusedWithTheCure(t *testing.T) {
	canary := "Canary" + strings.Repeat("x", 30)
	for _, s := range schemes {
		for _, bad := range []string{"", " " + canary, canary + "\n", "\t" + canary, canary + "\r\n"} {
			if strings.HasPrefix(s.name, "keygen") && bad == "" {
				continue
			}
			verify, err := s.make(Window{}, s.secret, bad)
			require.ErrorIs(t, err, ErrSecret, "%s: %q", s.name, bad)
			assert.ErrorContains(t, err, "number 2 ", s.name)
			assert.NotContains(t, err.Error(), canary, s.name)
			assert.Nil(t, verify, s.name)
		}
	}
	for name, tt := range map[string]struct {
		make   constructor
		secret string
		cure   string
	}{
		"private key":          {Standard, "whsk_" + canary, "use the public one"},
		"short public key":     {Standard, "whpk_" + canary, "copy it again"},
		"public key in URL64":  {Standard, "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir-=", "copy it again"},
		"short secret":         {Standard, "whsec_Q2FuYXJ5", "has a key of 6 bytes, and needs 16"},
		"prefix alone":         {Standard, "whsec_", "has a key of 0 bytes"},
		"secret in URL64":      {Svix, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS_", "standard base64"},
		"newline inside":       {Standard, "whsec_MfKQ9r8GKYqrTwjU\nPD8ILPZIo2LaLaSw", "standard base64"},
		"Key's client id":      {timeless(Key), "wh_8aF3kL2pNxRqYv9c", "use the client secret"},
		"Keygen's account":     {Keygen, "1fddcec8-8dd3-4d8d-9b16-215cac0f9b52", "copy the account's public key"},
		"Keygen, half a PEM":   {Keygen, "-----BEGIN PUBLIC KEY-----\nMFkw", "with its first and last line"},
		"Keygen, empty":        {Keygen, "", "copy the account's public key"},
		"Keygen, not a key":    {Keygen, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "without a public key"},
		"Keygen, private key":  {Keygen, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "use the public one"},
		"Keygen, too much hex": {Keygen, otherKey + "00", "the hex of 32 bytes"},
	} {
		_, err := tt.make(Window{}, tt.secret)
		assert.ErrorIs(t, err, ErrSecret, name)
		assert.ErrorContains(t, err, tt.cure, name)
		if len(tt.secret) > len("whsec_") {
			assert.NotContains(t, err.Error(), tt.secret, name)
		}
	}
}

func TestVerifiersMayBeCalledConcurrently(t *testing.T) {
	eachGood(t, func(t *testing.T, v vector) {
		t.Helper()
		verify := v.verifier(t, 0)
		done := make(chan error)
		for i := range 8 {
			r := v.request(t)
			go func() {
				body, err := []byte(v.Body), error(nil)
				for range 20 {
					if i%2 == 0 {
						_, err = verify(r, body)
					} else if _, bad := verify(r, body[1:]); bad == nil {
						err = http.ErrAbortHandler
					}
				}
				done <- err
			}()
		}
		for range 8 {
			assert.NoError(t, <-done)
		}
	})
}
