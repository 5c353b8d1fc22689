package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/gowebhook/webhook/internal/signature"
)

// Two secrets have one length. Output that does not differ between them shows neither.
const (
	secretA = Secret("whsec_canaryAAAAAAAAAAAAAAAAAAAA")
	secretB = Secret("whsec_0therBBBBBBBBBBBBBBBBBBBBB")
)

type secretHolder struct {
	Name  string
	Value Secret
	Ptr   *Secret
	Deep  struct{ List []Secret }
}

type secretError struct{ Key Secret }

func (e secretError) Error() string { return fmt.Sprintf("key %v is bad", e.Key) }

// holdersOf are values with s in them, as they may reach a log or an error. Fields are
// exported: fmt calls no methods of others.
func holdersOf(s Secret) map[string]any {
	holder := secretHolder{Name: "holder", Value: s, Ptr: &s, Deep: struct{ List []Secret }{[]Secret{s}}}
	endpoint := Endpoint{
		ID: "ep", Tenant: "acme", URL: "https://a.example", Secret: s, Secrets: []EndpointSecret{{Value: s}, {Value: s}},
		Header: map[string]Secret{"Authorization": s},
	}
	return map[string]any{
		"value":                s,
		"pointer":              &s,
		"slice":                []Secret{s, s},
		"array":                [2]Secret{s, s},
		"map":                  map[string]Secret{"key": s},
		"any in a map":         map[string]any{"key": s, "pointer": &s},
		"slice of any":         []any{s, &s, []Secret{s}},
		"struct":               holder,
		"pointer to a struct":  &holder,
		"slice of structs":     []secretHolder{holder},
		"EndpointSecret":       EndpointSecret{Value: s},
		"Endpoint":             endpoint,
		"pointer to Endpoint":  &endpoint,
		"page of endpoints":    Page[Endpoint]{Items: []Endpoint{endpoint}},
		"header":               endpoint.Header,
		"error":                secretError{s},
		"error, formatted":     fmt.Errorf("signing with %s of %v", s, endpoint),
		"struct with an error": struct{ Err error }{secretError{s}},
	}
}

func TestASecretDoesNotAppearUnderAnyVerb(t *testing.T) {
	var formats []string
	for _, flags := range []string{"", "+", "-", "#", "0", " ", "+#", "# ", "40", "-40", ".3", "40.3", "[1]"} {
		for verb := rune('A'); verb <= 'z'; verb++ {
			// fmt takes %p and %w for itself, and calls no method when it complains that they
			// do not apply.
			if strings.ContainsRune("pw[\\]^_`", verb) {
				continue
			}
			formats = append(formats, "%"+flags+string(verb))
		}
	}
	a, b := holdersOf(secretA), holdersOf(secretB)
	for name := range a {
		t.Run(name, func(t *testing.T) {
			for _, format := range formats {
				got := fmt.Sprintf(format, a[name])
				require.NotContains(t, got, "canary", format)
				require.Equal(t, fmt.Sprintf(format, b[name]), got, format)
			}
			for _, mistake := range []string{"no verb", "%v %v", "%*d", "%.*d", "%!", "%[2]d", "%"} {
				require.NotContains(t, fmt.Sprintf(mistake, a[name]), "canary", mistake)
			}
			require.NotContains(t, fmt.Sprint("x", a[name], "x")+fmt.Sprintln(a[name]), "canary")
		})
	}
}

func TestASecretPrintsAsRedacted(t *testing.T) {
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%c", "%U", "%t", "%40s", "%.2s"} {
		assert.Equal(t, "[redacted]", fmt.Sprintf(format, secretA), format)
	}
	assert.Equal(t, "{Value:[redacted] CreatedAt:0001-01-01 00:00:00 +0000 UTC ExpiresAt:0001-01-01 00:00:00 +0000 UTC PublicKey:}",
		fmt.Sprintf("%+v", EndpointSecret{Value: secretA}))
}

// Wrapped errors keep the inner error in unexported fields, so only verbs that ask for the text apply.
func TestASecretDoesNotAppearInWrappedErrors(t *testing.T) {
	for name, err := range map[string]error{
		"wrapped": fmt.Errorf("signing: %w", secretError{secretA}),
		"joined":  errors.Join(errors.New("first"), secretError{secretA}),
		"field":   fmt.Errorf("signing: %w", &FieldError{"Endpoint.Secret", fmt.Sprintf("is %q", secretA), "use another"}),
	} {
		for _, format := range []string{"%v", "%+v", "%s", "%q"} {
			assert.NotContains(t, fmt.Sprintf(format, err), "canary", "%s %s", name, format)
			assert.Contains(t, fmt.Sprintf(format, err), "[redacted]", "%s %s", name, format)
		}
		assert.NotContains(t, fmt.Sprintf("%x %X", err, err), fmt.Sprintf("%x", "canary"), name)
	}
}

func TestAMapKeyIsRedactedByFmt(t *testing.T) {
	assert.Equal(t, "map[[redacted]:1]", fmt.Sprint(map[Secret]int{secretA: 1}))
}

func TestTheEmptySecretPrintsAsNothing(t *testing.T) {
	assert.Empty(t, fmt.Sprint(Secret("")))
	var none *Secret
	assert.Equal(t, "<nil>", fmt.Sprint(none))
}

// pointer is an address as fmt prints it. No secret in hexadecimal is as short.
var pointer = regexp.MustCompile(`\b0x[0-9a-f]{6,12}\b`)

// logged returns a handler's output for a value: as an attribute, in a group, through With, and in a message's arguments.
func logged(t *testing.T, handler func(*bytes.Buffer) slog.Handler, value any) string {
	t.Helper()
	var out bytes.Buffer
	log := slog.New(handler(&out))
	log.Info("direct", "value", value)
	log.Info("any", slog.Any("value", value))
	log.Info("group", slog.Group("outer", slog.Group("inner", slog.Any("value", value))))
	log.With("value", value).WithGroup("group").Info("with", "again", value)
	log.Info("struct", "value", struct{ Inner any }{value})
	require.NotEmpty(t, out.String())
	return out.String()
}

func TestASecretDoesNotAppearInLogs(t *testing.T) {
	options := &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}
	for kind, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, options) },
		"JSON": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, options) },
	} {
		a, b := holdersOf(secretA), holdersOf(secretB)
		for name := range a {
			t.Run(kind+"/"+name, func(t *testing.T) {
				got := logged(t, handler, a[name])
				assert.NotContains(t, got, "canary")
				assert.Equal(t, pointer.ReplaceAllString(logged(t, handler, b[name]), "0x"), pointer.ReplaceAllString(got, "0x"))
			})
		}
		t.Run(kind+"/says so", func(t *testing.T) {
			assert.Equal(t, 6, strings.Count(logged(t, handler, secretA), "[redacted]"))
		})
	}
}

func TestASecretDoesNotAppearInJSON(t *testing.T) {
	a, b := holdersOf(secretA), holdersOf(secretB)
	for name := range a {
		t.Run(name, func(t *testing.T) {
			got, err := json.Marshal(a[name])
			require.NoError(t, err)
			assert.NotContains(t, string(got), "canary")
			same, err := json.Marshal(b[name])
			require.NoError(t, err)
			assert.Equal(t, string(same), string(got))
		})
	}
	got, err := json.Marshal(map[string]any{"value": secretA, "map": map[string]Secret{"key": secretA}})
	require.NoError(t, err)
	assert.JSONEq(t, `{"value":"[redacted]","map":{"key":"[redacted]"}}`, string(got))
}

func TestASecretDoesNotAppearInAnEventsData(t *testing.T) {
	data, err := encodeData(holdersOf(secretA)["struct"], 1<<20)
	require.NoError(t, err)
	assert.NotContains(t, string(data), "canary")
}

func TestASecretCanBeReadFromJSONAndByConversion(t *testing.T) {
	var in struct{ Secret Secret }
	require.NoError(t, json.Unmarshal([]byte(`{"secret":"whsec_given"}`), &in))
	assert.Equal(t, "whsec_given", string(in.Secret))
}

func TestNewSecretCanSignAndDiffersEachTime(t *testing.T) {
	a, b := newSecret(), newSecret()
	assert.NotEqual(t, string(a), string(b))
	for _, s := range []Secret{a, b} {
		assert.True(t, strings.HasPrefix(string(s), "whsec_"))
		key, err := signature.AppendKey(nil, string(s))
		require.NoError(t, err)
		assert.Len(t, key, 32)
	}
}
