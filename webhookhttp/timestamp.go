package webhookhttp

import "time"

// A timestamp is a time in JSON: RFC 3339 in UTC, with milliseconds.
type timestamp time.Time

func (t timestamp) MarshalText() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, "2006-01-02T15:04:05.000Z07:00"), nil
}

// optionalTime is nil for the zero time.
func optionalTime(t time.Time) *timestamp {
	if t.IsZero() {
		return nil
	}
	at := timestamp(t)
	return &at
}

// optionalOf is nil for the zero value.
func optionalOf[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
