package webhook

import (
	"log/slog"
	"math"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheZeroConfigHasTheseDefaults(t *testing.T) {
	want := map[string]any{
		"Profile":           "standard",
		"Profiles":          map[string]Profile(nil),
		"EventTypes":        map[string]string(nil),
		"KeepUnmatched":     false,
		"AllowShortSecrets": false,
		"RequireSealed":     false, "RevealSecrets": false,
		"Network":        Network{},
		"Transport":      Transport(nil),
		"Cipher":         Cipher(nil),
		"MaxInFlight":    1024,
		"PerEndpoint":    8,
		"RequestTimeout": 15 * time.Second,
		"MaxTimeout":     30 * time.Second,
		"PollInterval":   time.Second,
		"Lease":          time.Minute,
		"DrainTimeout":   20 * time.Second,
		"MaxEventBytes":  256 << 10,
		"MaxEndpoints":   100,
		"Retention":      Retention{ResponseBodies: 7 * day, Attempts: 30 * day, Events: 30 * day},
		"Health":         standardHealth,
		"Logger":         slog.Default(),
		"Observer":       Observer{},
		"Now":            "time.Now",
	}
	got, err := Config{}.complete()
	require.NoError(t, err)
	config := reflect.ValueOf(got)
	for i := range config.NumField() {
		field := config.Type().Field(i).Name
		require.Contains(t, want, field, "the table misses a field")
		if field == "Now" {
			assert.WithinDuration(t, time.Now(), got.Now(), time.Minute)
			continue
		}
		assert.Equal(t, want[field], config.Field(i).Interface(), field)
	}
	assert.Len(t, want, config.NumField(), "the table has a field too many")
}

func TestDefaultsFollowOtherFields(t *testing.T) {
	for name, tt := range map[string]struct {
		config              Config
		timeout, max, lease time.Duration
	}{
		"zero":                 {Config{}, 15 * time.Second, 30 * time.Second, time.Minute},
		"small MaxTimeout":     {Config{MaxTimeout: 5 * time.Second}, 5 * time.Second, 5 * time.Second, time.Minute},
		"MaxTimeout of 40 s":   {Config{MaxTimeout: 40 * time.Second}, 15 * time.Second, 40 * time.Second, time.Minute},
		"MaxTimeout of 41 s":   {Config{MaxTimeout: 41 * time.Second}, 15 * time.Second, 41 * time.Second, 61 * time.Second},
		"largest MaxTimeout":   {Config{MaxTimeout: 10 * time.Minute}, 15 * time.Second, 10 * time.Minute, 10*time.Minute + 20*time.Second},
		"smallest MaxTimeout":  {Config{MaxTimeout: time.Millisecond}, time.Millisecond, time.Millisecond, time.Minute},
		"RequestTimeout given": {Config{RequestTimeout: 30 * time.Second}, 30 * time.Second, 30 * time.Second, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := tt.config.complete()
			require.NoError(t, err)
			assert.Equal(t, tt.timeout, c.RequestTimeout, "RequestTimeout")
			assert.Equal(t, tt.max, c.MaxTimeout, "MaxTimeout")
			assert.Equal(t, tt.lease, c.Lease, "Lease")
		})
	}
}

func TestConfigRangesIncludeTheirEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		low, high Config
		below     []Config // one step, and further
		above     []Config
		field     string
	}{
		"MaxInFlight": {
			Config{MaxInFlight: 1},
			Config{MaxInFlight: 100_000},
			[]Config{{MaxInFlight: -1}, {MaxInFlight: math.MinInt}},
			[]Config{{MaxInFlight: 100_001}, {MaxInFlight: math.MaxInt}},
			"Config.MaxInFlight",
		},
		"PerEndpoint": {
			Config{PerEndpoint: 1},
			Config{PerEndpoint: 1000},
			[]Config{{PerEndpoint: -1}},
			[]Config{{PerEndpoint: 1001}},
			"Config.PerEndpoint",
		},
		"RequestTimeout": {
			Config{RequestTimeout: time.Millisecond},
			Config{RequestTimeout: 30 * time.Second},
			[]Config{{RequestTimeout: time.Millisecond - 1}, {RequestTimeout: -time.Second}},
			[]Config{{RequestTimeout: 30*time.Second + 1}, {RequestTimeout: math.MaxInt64}},
			"Config.RequestTimeout",
		},
		"MaxTimeout": {
			Config{MaxTimeout: time.Millisecond},
			Config{MaxTimeout: 10 * time.Minute},
			[]Config{{MaxTimeout: time.Millisecond - 1}, {MaxTimeout: -1}, {MaxTimeout: math.MinInt64}},
			[]Config{{MaxTimeout: 10*time.Minute + 1}, {MaxTimeout: math.MaxInt64}},
			"Config.MaxTimeout",
		},
		"PollInterval": {
			Config{PollInterval: 10 * time.Millisecond},
			Config{PollInterval: time.Minute},
			[]Config{{PollInterval: 10*time.Millisecond - 1}, {PollInterval: -1}},
			[]Config{{PollInterval: time.Minute + 1}},
			"Config.PollInterval",
		},
		"Lease": {
			Config{Lease: 50 * time.Second},
			Config{Lease: time.Hour},
			[]Config{{Lease: 50*time.Second - 1}, {Lease: -1}, {Lease: time.Second}},
			[]Config{{Lease: time.Hour + 1}},
			"Config.Lease",
		},
		"Lease of MaxTimeout + 20 s": {
			Config{MaxTimeout: 10 * time.Minute, Lease: 10*time.Minute + 20*time.Second},
			Config{MaxTimeout: 10 * time.Minute, Lease: time.Hour},
			[]Config{{MaxTimeout: 10 * time.Minute, Lease: 10*time.Minute + 20*time.Second - 1}, {MaxTimeout: time.Second, Lease: 21*time.Second - 1}},
			nil,
			"Config.Lease",
		},
		"MaxEventBytes": {
			Config{MaxEventBytes: 1},
			Config{MaxEventBytes: 16 << 20},
			[]Config{{MaxEventBytes: -1}},
			[]Config{{MaxEventBytes: 16<<20 + 1}},
			"Config.MaxEventBytes",
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, good := range []Config{tt.low, tt.high} {
				c, err := good.complete()
				require.NoError(t, err)
				given := reflect.ValueOf(good)
				for i := range given.NumField() {
					if !given.Field(i).IsZero() {
						assert.Equal(t, given.Field(i).Interface(), reflect.ValueOf(c).Field(i).Interface(), "given values are kept")
					}
				}
			}
			for _, bad := range append(tt.below, tt.above...) {
				_, err := New(unusedStore{}, bad)
				requireFieldError(t, err, tt.field)
			}
		})
	}
}

func TestNegativeMeansNoBoundWhereItSaysSo(t *testing.T) {
	config := Config{
		DrainTimeout: -1, MaxEndpoints: -1, Retention: Retention{ResponseBodies: -1, Attempts: -time.Hour, Events: math.MinInt64},
	}
	c, err := config.complete()
	require.NoError(t, err)
	assert.Equal(t, config.DrainTimeout, c.DrainTimeout)
	assert.Equal(t, config.MaxEndpoints, c.MaxEndpoints)
	assert.Equal(t, config.Retention, c.Retention)
}

func TestProfilesAndCataloguesOfAConfigAreChecked(t *testing.T) {
	full := strings.Repeat("x", 255)
	for name, good := range map[string]Config{
		"standard by name":    {Profile: "standard"},
		"own, as the default": {Profile: "mine", Profiles: map[string]Profile{"mine": {}}},
		"own, not default":    {Profiles: map[string]Profile{"mine": {}, full: {MaxAge: time.Hour}}},
		"empty maps":          {Profiles: map[string]Profile{}, EventTypes: map[string]string{}},
		"catalogue":           {EventTypes: map[string]string{"a.b": "<any> text\n", full: ""}},
	} {
		_, err := New(unusedStore{}, good)
		assert.NoError(t, err, name)
	}
	for name, tt := range map[string]struct {
		config Config
		field  string
	}{
		"unknown profile":         {Config{Profile: "mine"}, "Config.Profile"},
		"profile of another case": {Config{Profile: "Standard"}, "Config.Profile"},
		"profile named standard":  {Config{Profiles: map[string]Profile{"standard": {}}}, "Config.Profiles"},
		"profile without a name":  {Config{Profiles: map[string]Profile{"": {}}}, `Config.Profiles[""]`},
		"profile with a dot":      {Config{Profiles: map[string]Profile{"a.b": {}}}, `Config.Profiles["a.b"]`},
		"profile with a long name": {
			Config{Profiles: map[string]Profile{full + "x": {}}}, `Config.Profiles["` + full + `…"]`,
		},
		"negative MaxAge":   {Config{Profiles: map[string]Profile{"a": {}, "b": {MaxAge: -1}}}, `Config.Profiles["b"].MaxAge`},
		"catalogue, star":   {Config{EventTypes: map[string]string{"a": "", "b.*": ""}}, `Config.EventTypes["b.*"]`},
		"catalogue, empty":  {Config{EventTypes: map[string]string{"": "", "a": ""}}, `Config.EventTypes[""]`},
		"catalogue, long":   {Config{EventTypes: map[string]string{full + "x": ""}}, `Config.EventTypes["` + full + `…"]`},
		"network":           {Config{Network: Network{Allow: []netip.Prefix{{}}}}, "Config.Network.Allow[0]"},
		"network, response": {Config{Network: Network{MaxResponseBytes: 1 << 30}}, "Config.Network.MaxResponseBytes"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := New(unusedStore{}, tt.config)
			requireFieldError(t, err, tt.field)
			assert.Nil(t, d)
		})
	}
}

func TestNewRefusesANilStore(t *testing.T) {
	d, err := New(nil, Config{})
	requireFieldError(t, err, "store")
	assert.Nil(t, d)
}

// callersConfig has something in every field that a caller might change later.
func callersConfig(sign Signer) Config {
	return Config{
		Profile:    "mine",
		Profiles:   map[string]Profile{"mine": {Signers: []Signer{sign}}, "other": {}},
		EventTypes: map[string]string{"a.b": "text"},
		Network: Network{
			Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
			Proxy: &url.URL{Scheme: "http", Host: "proxy.example:3128"},
		},
	}
}

func TestNewDoesNotChangeTheCallersConfig(t *testing.T) {
	config, same := callersConfig(SignStandard), callersConfig(SignStandard)
	for _, c := range []Config{config, same} {
		c.Profiles["mine"] = Profile{MaxAge: time.Hour} // functions cannot be compared
	}
	_, err := New(unusedStore{}, config)
	require.NoError(t, err)
	assert.Equal(t, same, config)

	var zero Config
	_, err = New(unusedStore{}, zero)
	require.NoError(t, err)
	assert.True(t, reflect.ValueOf(zero).IsZero())
}

func TestNewKeepsNothingOfTheCallersConfig(t *testing.T) {
	signed := 0
	config := callersConfig(func(*Request, []Secret) error { signed++; return nil })
	d := dispatcherOfConfig(t, config)

	config.Profiles["mine"].Signers[0] = nil
	config.Profiles["late"] = Profile{}
	delete(config.Profiles, "other")
	delete(config.EventTypes, "a.b")
	config.EventTypes["c"] = ""
	config.Network.Allow[0] = netip.MustParsePrefix("192.168.0.0/16")

	assert.Contains(t, d.profiles, "other")
	assert.NotContains(t, d.profiles, "late")
	require.NoError(t, d.profiles["mine"].Signers[0](nil, nil))
	assert.Equal(t, 1, signed)
	_, err := d.record(&Event{Tenant: "acme", Type: "a.b"})
	require.NoError(t, err)
	_, err = d.record(&Event{Tenant: "acme", Type: "c"})
	requireFieldError(t, err, "Event.Type")
	_, err = d.config.Network.checkURL("URL", "https://10.0.0.1/")
	require.NoError(t, err)
	_, err = d.config.Network.checkURL("URL", "https://192.168.0.1/")
	requireFieldError(t, err, "URL")
}

func TestNilSignersAreStandardAndEmptyOnesAreRefused(t *testing.T) {
	d := dispatcherOfConfig(t, Config{Profiles: map[string]Profile{"default": {}}})
	assert.Len(t, d.profiles["default"].Signers, 1)
	assert.Len(t, d.profiles["standard"].Signers, 1)
	_, err := New(struct{ Store }{}, Config{Profiles: map[string]Profile{"none": {Signers: []Signer{}}}})
	requireFieldError(t, err, `Config.Profiles["none"].Signers`)
}

func TestANilSignerIsRefused(t *testing.T) {
	_, err := New(struct{ Store }{}, Config{Profiles: map[string]Profile{"p": {Signers: []Signer{SignStandard, nil}}}})
	requireFieldError(t, err, `Config.Profiles["p"].Signers[1]`)
}
