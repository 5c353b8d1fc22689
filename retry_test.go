package webhook

import (
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// almostOne is the largest u there is.
var almostOne = math.Nextafter(1, 0)

// waitsOf returns the waits of a policy, until it gives up.
func waitsOf(t *testing.T, policy RetryPolicy, u float64) []time.Duration {
	t.Helper()
	var waits []time.Duration
	for failures := 0; ; failures++ {
		wait, again := policy(Outcome{Failures: failures}, u)
		if !again {
			require.Zero(t, wait, "a wait for nothing")
			return waits
		}
		require.Less(t, len(waits), 100, "it does not give up")
		waits = append(waits, wait)
	}
}

func durations(unit time.Duration, n ...int64) []time.Duration {
	var d []time.Duration
	for _, n := range n {
		d = append(d, time.Duration(n)*unit)
	}
	return d
}

func TestExponentialDoublesUpToTheLongest(t *testing.T) {
	const longest = time.Duration(math.MaxInt64)
	for name, tt := range map[string]struct {
		policy RetryPolicy
		want   []time.Duration
	}{
		"doubling":                     {Exponential(time.Second, time.Hour, 5), durations(time.Second, 1, 2, 4, 8, 16)},
		"the longest is a power":       {Exponential(time.Second, 4*time.Second, 5), durations(time.Second, 1, 2, 4, 4, 4)},
		"the longest is not":           {Exponential(time.Second, 5*time.Second, 5), durations(time.Second, 1, 2, 4, 5, 5)},
		"first is the longest":         {Exponential(time.Minute, time.Minute, 3), durations(time.Minute, 1, 1, 1)},
		"longest below first":          {Exponential(time.Minute, time.Second, 3), durations(time.Minute, 1, 1, 1)},
		"longest zero":                 {Exponential(time.Minute, 0, 3), durations(time.Minute, 1, 1, 1)},
		"longest negative":             {Exponential(time.Minute, -1, 3), durations(time.Minute, 1, 1, 1)},
		"first 1 ms":                   {Exponential(time.Millisecond, time.Hour, 3), durations(time.Millisecond, 1, 2, 4)},
		"first below 1 ms":             {Exponential(time.Microsecond, time.Hour, 3), durations(time.Millisecond, 1, 2, 4)},
		"first zero":                   {Exponential(0, time.Hour, 3), durations(time.Millisecond, 1, 2, 4)},
		"first negative":               {Exponential(math.MinInt64, time.Hour, 3), durations(time.Millisecond, 1, 2, 4)},
		"both zero":                    {Exponential(0, 0, 2), durations(time.Millisecond, 1, 1)},
		"one retry":                    {Exponential(time.Second, time.Hour, 1), durations(time.Second, 1)},
		"no retries":                   {Exponential(time.Second, time.Hour, 0), nil},
		"negative retries":             {Exponential(time.Second, time.Hour, -1), nil},
		"least retries":                {Exponential(time.Second, time.Hour, math.MinInt), nil},
		"whole nanoseconds":            {Exponential(1_234_567, time.Hour, 3), durations(1, 1_234_567, 2_469_134, 4_938_268)},
		"doubling to the longest ever": {Exponential(1<<60, longest, 4), durations(1, 1<<60, 1<<61, 1<<62, math.MaxInt64)},
		"the longest ever first":       {Exponential(longest, longest, 2), durations(1, math.MaxInt64, math.MaxInt64)},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tt.want, waitsOf(t, tt.policy, 0))
		})
	}
}

func TestExponentialMayRetryForEver(t *testing.T) {
	policy := Exponential(time.Second, time.Hour, math.MaxInt)
	for failures, want := range map[int]time.Duration{
		0: time.Second, 11: 2048 * time.Second, 12: time.Hour, 1_000_000: time.Hour, math.MaxInt - 1: time.Hour,
	} {
		wait, again := policy(Outcome{Failures: failures}, 0)
		assert.True(t, again, "failures %d", failures)
		assert.Equal(t, want, wait, "failures %d", failures)
	}
}

func TestPoliciesRefuseFailuresBelowZeroAndFromTheirCountOn(t *testing.T) {
	for name, policy := range map[string]RetryPolicy{
		"Exponential": Exponential(time.Second, time.Hour, 3),
		"Schedule":    Schedule(time.Second, time.Second, time.Second),
	} {
		for _, failures := range []int{math.MinInt, -1, 3, 4, math.MaxInt} {
			wait, again := policy(Outcome{Failures: failures}, 0.5)
			assert.False(t, again, "%s(%d)", name, failures)
			assert.Zero(t, wait, "%s(%d)", name, failures)
		}
		_, again := policy(Outcome{Failures: 2}, 0.5)
		assert.True(t, again, "%s(2)", name)
	}
}

func TestScheduleWaitsAsListed(t *testing.T) {
	for name, tt := range map[string]struct {
		waits, want []time.Duration
	}{
		"none":      {nil, nil},
		"in order":  {durations(time.Second, 0, 60, 300, 1800), durations(time.Second, 0, 60, 300, 1800)},
		"falling":   {durations(time.Second, 9, 1), durations(time.Second, 9, 1)},
		"negatives": {durations(1, -1, math.MinInt64, 7), durations(1, 0, 0, 7)},
		"longest":   {durations(1, math.MaxInt64), durations(1, math.MaxInt64)},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, tt.want, waitsOf(t, Schedule(tt.waits...), 0))
		})
	}
}

func TestScheduleKeepsNothingOfTheCallers(t *testing.T) {
	waits := durations(time.Second, 1, 2, 3)
	policy := Schedule(waits...)
	waits[0], waits[1] = time.Hour, -1
	assert.Equal(t, durations(time.Second, 1, 2, 3), waitsOf(t, policy, 0))
}

func TestJitterLengthensByUpToAFifth(t *testing.T) {
	for _, tt := range []struct {
		wait time.Duration
		u    float64
		want time.Duration
	}{
		{10 * time.Second, 0, 10 * time.Second},
		{10 * time.Second, 0.5, 11 * time.Second},
		{10 * time.Second, almostOne, 12*time.Second - 1},
		{0, almostOne, 0},
		{1, almostOne, 1},
		{24 * time.Hour, 0.25, 25*time.Hour + 12*time.Minute},
		{math.MaxInt64, 0, math.MaxInt64},
		{math.MaxInt64, almostOne, math.MaxInt64}, // more does not fit
		{math.MaxInt64 - 1, 0.5, math.MaxInt64 - 1},
		{10 * time.Second, -1, 10 * time.Second}, // with any u, never earlier
		{10 * time.Second, math.NaN(), 10 * time.Second},
	} {
		assert.Equal(t, tt.want, addJitter(tt.wait, tt.u), "%v with %v", tt.wait, tt.u)
	}
	wait, _ := Exponential(10*time.Second, time.Hour, 1)(Outcome{}, 0.5)
	assert.Equal(t, 11*time.Second, wait, "Exponential has it")
	wait, _ = Schedule(10*time.Second)(Outcome{}, 0.5)
	assert.Equal(t, 11*time.Second, wait, "Schedule has it")
}

func TestDefaultRetryRetries15TimesOverAboutThreeDays(t *testing.T) {
	nominal := durations(time.Second, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10240, 20480, 40960, 81920, 86400)
	require.Len(t, nominal, 15)
	assert.Equal(t, nominal, waitsOf(t, defaultRetry, 0))

	total := func(u float64) (sum time.Duration) {
		waits := waitsOf(t, defaultRetry, u)
		require.Len(t, waits, len(nominal))
		for i, wait := range waits {
			assert.GreaterOrEqual(t, wait, nominal[i], "retry %d comes early", i+1)
			assert.LessOrEqual(t, wait, nominal[i]*6/5, "retry %d comes late", i+1)
			sum += wait
		}
		return sum
	}
	assert.Equal(t, 69*time.Hour+30*time.Minute+30*time.Second, total(0))
	assert.Equal(t, 76*time.Hour+27*time.Minute+33*time.Second, total(0.5))
	assert.InDelta(t, float64(83*time.Hour+24*time.Minute+36*time.Second), float64(total(almostOne)), float64(time.Millisecond))
	for _, u := range []float64{0.1, 0.3, 0.7, 0.9} {
		assert.InDelta(t, float64(77*time.Hour), float64(total(u)), float64(7*time.Hour), "between 70 and 84 hours")
	}
}

func TestPoliciesArePure(t *testing.T) {
	for range 3 {
		for _, failures := range []int{14, 0, 7} {
			a, _ := defaultRetry(Outcome{Failures: failures}, 0.3)
			b, _ := defaultRetry(Outcome{Failures: failures}, 0.3)
			assert.Equal(t, a, b)
		}
	}
}

func TestJitterSpreadsDeliveriesThatFailedTogether(t *testing.T) {
	const deliveries, parts = 10_000, 20
	var d Dispatcher
	var count [parts]int
	for range deliveries {
		wait, again := defaultRetry(Outcome{}, d.jitter())
		require.True(t, again)
		require.GreaterOrEqual(t, wait, 10*time.Second)
		require.Less(t, wait, 12*time.Second)
		count[(wait-10*time.Second)*parts/(2*time.Second)]++
	}
	for i, n := range count {
		assert.InDelta(t, deliveries/parts, n, 160, "deliveries in part %d of %d", i+1, parts) // 7 standard deviations
	}
}

func TestRetryAfterIsReadAsRFC9110Says(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 500_000_000, time.UTC)
	const day = 24 * time.Hour
	for name, tt := range map[string]struct {
		values []string
		want   time.Duration
	}{
		"no header":            {nil, 0},
		"no value":             {[]string{}, 0},
		"empty":                {[]string{""}, 0},
		"white space":          {[]string{" \t "}, 0},
		"0":                    {[]string{"0"}, 0},
		"00":                   {[]string{"00"}, 0},
		"1":                    {[]string{"1"}, time.Second},
		"120":                  {[]string{"120"}, 2 * time.Minute},
		"leading zeros":        {[]string{"000000000000000000000000000120"}, 2 * time.Minute},
		"spaces around":        {[]string{" 120\t"}, 2 * time.Minute},
		"86399":                {[]string{"86399"}, day - time.Second},
		"86400":                {[]string{"86400"}, day},
		"86401":                {[]string{"86401"}, day},
		"99999":                {[]string{"99999"}, day},
		"100000":               {[]string{"100000"}, day},
		"2^63":                 {[]string{"9223372036854775808"}, day},
		"2^64 + 1":             {[]string{"18446744073709551617"}, day},
		"nanoseconds overflow": {[]string{"9223372037"}, day},
		"a million digits":     {[]string{strings.Repeat("9", 1e6)}, day},
		"a million zeros":      {[]string{strings.Repeat("0", 1e6)}, 0},

		"fraction":               {[]string{"1.5"}, 0},
		"negative":               {[]string{"-1"}, 0},
		"plus":                   {[]string{"+5"}, 0},
		"exponent":               {[]string{"1e3"}, 0},
		"hexadecimal":            {[]string{"0x10"}, 0},
		"underscore":             {[]string{"1_000"}, 0},
		"thousands":              {[]string{"1,000"}, 0},
		"space inside":           {[]string{"1 0"}, 0},
		"unit":                   {[]string{"120s"}, 0},
		"word":                   {[]string{"soon"}, 0},
		"quoted":                 {[]string{`"120"`}, 0},
		"NUL":                    {[]string{"120\x00"}, 0},
		"digits of another kind": {[]string{"\u0661\u0662\u0660"}, 0}, // Arabic-Indic
		"full-width digits":      {[]string{"\uff11\uff12\uff10"}, 0},

		"IMF-fixdate":     {[]string{"Sun, 01 Mar 2026 12:01:00 GMT"}, 59*time.Second + 500*time.Millisecond},
		"RFC 850":         {[]string{"Sunday, 01-Mar-26 12:01:00 GMT"}, 59*time.Second + 500*time.Millisecond},
		"asctime":         {[]string{"Sun Mar  1 12:01:00 2026"}, 59*time.Second + 500*time.Millisecond},
		"date, spaces":    {[]string{" Sun, 01 Mar 2026 12:01:00 GMT "}, 59*time.Second + 500*time.Millisecond},
		"date of now":     {[]string{"Sun, 01 Mar 2026 12:00:00 GMT"}, 0},
		"past":            {[]string{"Sun, 01 Mar 2026 11:00:00 GMT"}, 0},
		"long past":       {[]string{"Mon, 01 Jan 0001 00:00:00 GMT"}, 0},
		"a day and more":  {[]string{"Mon, 02 Mar 2026 12:00:01 GMT"}, day},
		"far future":      {[]string{"Fri, 31 Dec 9999 23:59:59 GMT"}, day},
		"RFC 3339":        {[]string{"2026-03-01T12:01:00Z"}, 0},
		"31 February":     {[]string{"Sat, 31 Feb 2026 12:00:00 GMT"}, 0},
		"a date in words": {[]string{"Sun, 01 March 2026 12:01:00 GMT"}, 0},

		"two headers, the first counts":      {[]string{"60", "120"}, time.Minute},
		"two headers, the first is bad":      {[]string{"soon", "120"}, 0},
		"two values in one":                  {[]string{"60, 120"}, 0},
		"two headers, the first is too much": {[]string{"999999", "1"}, day},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{}
			if tt.values != nil {
				h["Retry-After"] = tt.values
			}
			assert.Equal(t, tt.want, retryAfter(h, now))
		})
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, v := range []string{
		"", "0", "120", "86401", "-1", "1.5", "99999999999999999999", "Sun, 01 Mar 2026 12:01:00 GMT",
		"Sunday, 01-Mar-26 12:01:00 GMT", "Sun Mar  1 12:01:00 2026", "Fri, 31 Dec 9999 23:59:59 GMT",
	} {
		f.Add(v, int64(1772366400))
		f.Add(v, int64(0))
	}
	f.Fuzz(func(t *testing.T, value string, unix int64) {
		now := time.Unix(unix, 0)
		got := retryAfter(http.Header{"Retry-After": {value}}, now)
		if got < 0 || got > 24*time.Hour {
			t.Fatalf("%q at %v: %v", value, now, got)
		}
		if got > 0 && strings.Trim(value, "0123456789 \t") != "" {
			at, err := http.ParseTime(strings.Trim(value, " \t"))
			if err != nil || !at.After(now) {
				t.Fatalf("%q at %v is neither seconds nor a date to come, but gives %v", value, now, got)
			}
		}
	})
}

func TestExactPolicyHasNoJitter(t *testing.T) {
	listed := []time.Duration{time.Second, time.Minute}
	assert.Equal(t, listed, waitsOf(t, Schedule(listed...).Exact(), almostOne))
	assert.NotEqual(t, listed, waitsOf(t, Schedule(listed...), almostOne))
	doubled := []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}
	assert.Equal(t, doubled, waitsOf(t, Exponential(time.Second, 3*time.Second, 3).Exact(), almostOne))
}
