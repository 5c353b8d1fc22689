// Package rate has the rules that all stores follow for Endpoint.Rate and Endpoint.Burst.
//
// A store keeps one time for each endpoint: from when the rate allows the next request. For
// example, with a Rate of 2 and a Burst of 3, in seconds:
//
//	now    next   allowed
//	10.0    0.0   3         a long quiet time allows the whole burst
//	10.0   10.5   0         all 3 are taken
//	10.5   10.5   1
//	11.2   10.5   2
//	11.2   11.5   0         both are taken
//
// Times are in microseconds since 1970.
package rate

import "math"

// A Limit is the Rate and the Burst of an endpoint. The zero Limit bounds nothing.
type Limit struct {
	Millionths int64 // requests in a million seconds; 0 for no limit
	Burst      int64 // 0 for the default
}

const (
	second  = 1_000_000
	million = 1_000_000 // requests in a million seconds, for one request in a second
)

// Of returns the limit of an endpoint with this Rate and Burst.
func Of(perSecond float64, burst int) Limit {
	return Limit{int64(math.Round(perSecond * million)), int64(burst)}
}

// PerSecond returns the Rate.
func (l Limit) PerSecond() float64 { return float64(l.Millionths) / million }

// IsSet reports whether the limit bounds requests.
func (l Limit) IsSet() bool { return l.Millionths > 0 }

// burst returns the burst, by default the requests of a fifth of a second. A burst of fewer
// requests than come in a tenth of a second would lower the rate, because claims come some
// milliseconds late.
func (l Limit) burst() int64 {
	if l.Burst > 0 {
		return l.Burst
	}
	return ceil(l.Millionths, 5*million)
}

// full returns the largest next for which the whole burst is allowed at now.
func (l Limit) full(now int64) int64 {
	return now - (l.burst()-1)*second*million/l.Millionths
}

// Allowed returns the number of requests that the limit allows at now. next is the time of the
// next request. The limit is set.
func (l Limit) Allowed(next, now int64) int {
	switch {
	case next > now:
		return 0
	case next <= l.full(now):
		return int(l.burst())
	}
	return int(1 + (now-next)*l.Millionths/(second*million))
}

// Take returns the time of the next request after n more at now. It rounds up, so requests are
// never faster than the rate. The limit is set.
func (l Limit) Take(next, now int64, n int) int64 {
	return max(next, l.full(now)) + ceil(int64(n)*second*million, l.Millionths)
}

// Worthwhile returns the time from which a claim is worth its cost, if the limit allows the next
// request at next. It is when the limit allows the requests of a tenth of a second, or half of
// the burst if that is less.
func (l Limit) Worthwhile(next int64) int64 {
	if !l.IsSet() {
		return next
	}
	n := min(ceil(l.Millionths, 10*million), ceil(l.burst(), 2))
	return next + ceil((n-1)*second*million, l.Millionths)
}

// ceil returns n divided by d, rounded up.
func ceil(n, d int64) int64 { return (n + d - 1) / d }
