package receive

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gowebhook/webhook/internal/signature"
)

// Each target says again, in other words than the code, which requests are signed, and holds
// the verifier to it both ways.

const (
	fuzzNow    = 1700000000
	fuzzSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" // the key of several vectors
)

var seconds = regexp.MustCompile(`\A(0|[1-9][0-9]{0,11})\z`)

// inWindow reports whether text is a time that a verifier with the clock of fuzzNow accepts.
func inWindow(text string) bool {
	n, _ := strconv.ParseInt(text, 10, 64)
	return seconds.MatchString(text) && n >= fuzzNow-300 && n <= fuzzNow+300
}

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// check fails unless a verifier accepts the right requests, and no others.
func check(t *testing.T, verify Verifier, r *http.Request, body string, signed bool) {
	t.Helper()
	event, err := verify(r, []byte(body))
	switch {
	case err != nil && signed:
		t.Fatalf("it is signed, but refused: %v", err)
	case err == nil && !signed:
		t.Fatal("it is not signed, but accepted")
	case err != nil:
		verdict(t, err)
	case string(event.Body) != body:
		t.Fatalf("the event has another body: %q", event.Body)
	}
}

func fuzzVerifier(f *testing.F, verify Verifier, err error) Verifier {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
	return verify
}

func FuzzStandard(f *testing.F) {
	for _, v := range vectors(f) {
		if v.Scheme == "standard" {
			f.Add(v.Header["webhook-id"], v.Header["webhook-timestamp"], v.Header["webhook-signature"], v.Body, true)
		}
	}
	for _, timestamp := range []string{"1700000000", "01700000000", "-1", "1.5", "99999999999999999999"} {
		f.Add("id", timestamp, "v1,", "body", true)
		f.Add("id.1", timestamp, "v1a,", "body", true)
		f.Add("id", timestamp, strings.Repeat("v1, ", 70), "body", false)
	}
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public := private.Public().(ed25519.PublicKey)
	made, err := Standard(Window{Now: clock(fuzzNow, 0)}, fuzzSecret, "whpk_"+base64Of(public))
	verify := fuzzVerifier(f, made, err)
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(fuzzSecret, "whsec_"))
	f.Fuzz(func(t *testing.T, id, timestamp, list, body string, sign bool) {
		text := id + "." + timestamp + "." + body
		v1, v1a := "v1,"+base64Of(reference(string(key), text)), "v1a,"+base64Of(ed25519.Sign(private, []byte(text)))
		if sign {
			list = strings.TrimSpace(list + " " + []string{v1, v1a}[len(body)%2])
		}
		items := strings.Split(list, " ")
		signed := (slices.Contains(items, v1) || slices.Contains(items, v1a)) && len(items) <= 64 && len(list) <= 8192 &&
			id != "" && len(id) <= 8192 && !strings.Contains(id, ".") && inWindow(timestamp)
		r := &http.Request{Header: http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {timestamp}, "Webhook-Signature": {list}}}
		check(t, verify, r, body, signed)
	})
}

func FuzzStripe(f *testing.F) {
	f.Add("t=1700000000,v1=", "body", "1700000000")
	f.Add("t=1700000000,v0=ab,v1=00", "", "x")
	f.Add("v1=1,,t=", "body", "1")
	f.Add("t=1,t=1", "body", "1700000299")
	made, err := Stripe(Window{Now: clock(fuzzNow, 0)}, fuzzSecret)
	verify := fuzzVerifier(f, made, err)
	f.Fuzz(func(t *testing.T, value, body, timestamp string) {
		check(t, verify, &http.Request{Header: http.Header{"Stripe-Signature": {value}}}, body, stripeSigned(value, body))
		value = "t=" + timestamp + ",v1=" + referenceHex(fuzzSecret, timestamp+"."+body) + ",x=" + value
		check(t, verify, &http.Request{Header: http.Header{"Stripe-Signature": {value}}}, body, stripeSigned(value, body))
	})
}

func stripeSigned(value, body string) bool {
	var times, codes []string
	for element := range strings.SplitSeq(value, ",") {
		pair := strings.Split(element, "=")
		if len(pair) != 2 {
			return false
		}
		switch pair[0] {
		case "t":
			times = append(times, pair[1])
		case "v1":
			codes = append(codes, pair[1])
		}
	}
	return len(value) <= 8192 && len(times) == 1 && inWindow(times[0]) && len(codes) <= 64 &&
		slices.Contains(codes, referenceHex(fuzzSecret, times[0]+"."+body))
}

func FuzzSlack(f *testing.F) {
	f.Add("1700000000", "v0=00", "body")
	f.Add("01700000000", "v0=", "")
	f.Add("1700000301", "v1=", "{}")
	made, err := Slack(Window{Now: clock(fuzzNow, 0)}, fuzzSecret)
	verify := fuzzVerifier(f, made, err)
	f.Fuzz(func(t *testing.T, timestamp, value, body string) {
		good := "v0=" + referenceHex(fuzzSecret, "v0:"+timestamp+":"+body)
		for _, v := range []string{value, good} {
			r := &http.Request{Header: http.Header{"X-Slack-Request-Timestamp": {timestamp}, "X-Slack-Signature": {v}}}
			check(t, verify, r, body, v == good && inWindow(timestamp))
		}
	})
}

// FuzzBodyCode is about the schemes whose header is one code of the body.
func FuzzBodyCode(f *testing.F) {
	f.Add("sha256=00", "body")
	f.Add("", "")
	f.Add("AAAA", "\xff")
	sha1Hex := func(body string) string {
		mac := hmac.New(sha1.New, []byte(fuzzSecret))
		mac.Write([]byte(body))
		return hex.EncodeToString(mac.Sum(nil))
	}
	code := func(body string) string { return referenceHex(fuzzSecret, body) }
	targets := []struct {
		make   func(...string) (Verifier, error)
		header string
		good   func(body string) string
	}{
		{GitHub, "X-Hub-Signature-256", func(body string) string { return "sha256=" + code(body) }},
		{GitHubLegacySHA1, "X-Hub-Signature", func(body string) string { return "sha1=" + sha1Hex(body) }},
		{Key, "X-Webhook-Signature", func(body string) string { return "sha256=" + code(body) }},
		{Tryno, "X-Tryno-Signature", code},
		{Shopify, "X-Shopify-Hmac-Sha256", func(body string) string { return base64Of(reference(fuzzSecret, body)) }},
	}
	verifiers := make([]Verifier, len(targets))
	for i, target := range targets {
		made, err := target.make(fuzzSecret)
		verifiers[i] = fuzzVerifier(f, made, err)
	}
	f.Fuzz(func(t *testing.T, value, body string) {
		for i, target := range targets {
			good := target.good(body)
			for _, v := range []string{value, good, good + value, value + good} {
				r := &http.Request{Header: http.Header{}}
				r.Header.Set(target.header, v)
				check(t, verifiers[i], r, body, v == good)
			}
		}
	})
}

func FuzzKeywordsAI(f *testing.F) {
	f.Add("00", `{"a": 1}`, `{"a":1}`)
	f.Add("", `[1.0, "\u00e9"]`, `[1.00,"é"]`)
	f.Add("", "\xff", "\xff")
	made, err := KeywordsAI(fuzzSecret)
	verify := fuzzVerifier(f, made, err)
	f.Fuzz(func(t *testing.T, value, signed, body string) {
		r := &http.Request{Header: http.Header{"X-Keywordsai-Signature": {value}, "X-Respan-Signature": {referenceHex(fuzzSecret, signed)}}}
		event, err := verify(r, []byte(body))
		if err != nil {
			verdict(t, err)
			if body == signed && (value == "" || len(value) == 64) && regexp.MustCompile(`\A[0-9a-f]*\z`).MatchString(value) {
				t.Fatalf("it is signed, but refused: %v", err)
			}
			return
		}
		if string(event.Body) != signed {
			t.Fatalf("%q is accepted as %q, but %q was signed", body, event.Body, signed)
		}
	})
}

func FuzzKeygen(f *testing.F) {
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	public := private.Public().(ed25519.PublicKey)
	made, err := Keygen(Window{Now: clock(fuzzNow, 0)}, hex.EncodeToString(public))
	verify := fuzzVerifier(f, made, err)
	const tail = `", headers="(request-target) host date digest"`
	f.Add(`keyid="a", algorithm="ed25519", signature="AAAA`+tail, keygenDate, "example.com:443", "/a?b", "body")
	f.Add(``, "Tuesday, 14-Nov-23 22:13:20 GMT", "[::1]:80", "/", "")
	f.Add(`x="`, "Tue Nov 14 22:13:20 2023", "", "*", "\xff")
	f.Fuzz(func(t *testing.T, value, date, host, target, body string) {
		sum := sha256.Sum256([]byte(body))
		digest := "sha-256=" + base64Of(sum[:])
		bare := regexp.MustCompile(`:[^:\]]*\z`).ReplaceAllString(host, "")
		path := target
		if !strings.HasPrefix(target, "/") {
			path = "/"
		}
		text := "(request-target): post " + path + "\nhost: " + bare + "\ndate: " + date + "\ndigest: " + digest
		own := `algorithm="ed25519", signature="` + base64Of(ed25519.Sign(private, []byte(text))) + tail
		at, err := http.ParseTime(date)
		age := fuzzNow - at.Unix()
		inTime := err == nil && len(date) <= 8192 && age <= 300 && age >= -300
		for _, v := range []string{value, own, own + value} {
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", http.NoBody)
			r.Host, r.RequestURI = host, target
			r.Header = http.Header{"Date": {date}, "Digest": {digest}, "Keygen-Signature": {v}}
			if v == own {
				check(t, verify, r, body, inTime)
				continue
			}
			if _, err := verify(r, []byte(body)); err != nil {
				verdict(t, err)
			} else if !inTime || !strings.Contains(v, own[len(`algorithm="ed25519", `):len(own)-len(tail)]) {
				t.Fatalf("it is not signed, but accepted: %s", v)
			}
		}
	})
}

// A header that is read must be one that a sender can have written.
func FuzzKeygenHeader(f *testing.F) {
	f.Add(`keyid="a", algorithm="ed25519", signature="AAAA", headers="(request-target) host date digest"`)
	f.Add(`headers="(request-target) host date digest",signature="AA==",algorithm="x"`)
	f.Add(`="`)
	grammar := regexp.MustCompile(`\A[^", ]*="[^"]*"(, *[^", ]*="[^"]*")*\z`)
	f.Fuzz(func(t *testing.T, value string) {
		algorithm, code, err := parseKeygen(value)
		if err != nil {
			verdict(t, err)
			return
		}
		if !grammar.MatchString(value) || !strings.Contains(value, `headers="`+signature.KeygenHeaders+`"`) ||
			!strings.Contains(value, `algorithm="`+algorithm+`"`) || !strings.Contains(value, `signature="`+base64Of(code)+`"`) {
			t.Fatalf("%q is read as %q and %x", value, algorithm, code)
		}
	})
}

func FuzzStripeHeader(f *testing.F) {
	f.Add("t=1,v1=00,v0=11")
	f.Add("t=1")
	f.Add(",=,")
	f.Fuzz(func(t *testing.T, value string) {
		timestamp, codes, err := parseStripe(value)
		if err != nil {
			verdict(t, err)
			return
		}
		if strings.ContainsAny(timestamp, ",=") || len(codes) > maxSignatures ||
			strings.Count(","+value, ",v1=") != len(codes) {
			t.Fatalf("%q is read as %q and %q", value, timestamp, codes)
		}
	})
}

func FuzzTimestamp(f *testing.F) {
	for _, text := range []string{"0", "1", "-1", "1.5", "1e3", "01", "253402300799", "253402300800", "99999999999999999999", "٣"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, err := Window{Tolerance: -1}.judgeUnix("T", text)
		if err != nil {
			verdict(t, err)
		} else if strconv.FormatInt(at.Unix(), 10) != text {
			t.Fatalf("%q is read as %d", text, at.Unix())
		}
	})
}
