package webhookhttp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// decodeAs decodes a JSON value of the given kind into v.
func decodeAs(field string, raw json.RawMessage, kind string, v any) error {
	if got := kindOf(raw); got != kind {
		return invalidField(field, "is "+got, "send "+kind)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return invalidField(field, "cannot be read", "send "+kind)
	}
	return nil
}

func decodeString(field string, raw json.RawMessage) (s string, err error) {
	return s, decodeAs(field, raw, "a string", &s)
}

func decodeBool(field string, raw json.RawMessage) (b bool, err error) {
	return b, decodeAs(field, raw, "a boolean", &b)
}

// decodeOptionalBool takes null for false.
func decodeOptionalBool(m member) (bool, error) {
	if isNull(m.value) {
		return false, nil
	}
	return decodeBool(m.field, m.value)
}

// decodeInt accepts a whole number from low to high.
func decodeInt(field string, raw json.RawMessage, low, high int64) (int64, error) {
	var number json.Number
	if err := decodeAs(field, raw, "a number", &number); err != nil {
		return 0, err
	}
	n, err := number.Int64()
	if err != nil || n < low || n > high {
		return 0, invalidField(field, "is "+clip(number.String()), fmt.Sprintf("send a whole number from %d to %d", low, high))
	}
	return n, nil
}

// decodeNumber accepts a number from low to high.
func decodeNumber(field string, raw json.RawMessage, low, high float64) (float64, error) {
	var number json.Number
	if err := decodeAs(field, raw, "a number", &number); err != nil {
		return 0, err
	}
	f, err := number.Float64()
	if err != nil || f < low || f > high {
		return 0, invalidField(field, "is "+clip(number.String()), fmt.Sprintf("send a number from %v to %v", low, high))
	}
	return f, nil
}

// decodeTime accepts a time of RFC 3339. A store keeps its microseconds.
func decodeTime(field string, raw json.RawMessage) (time.Time, error) {
	s, err := decodeString(field, raw)
	if err != nil {
		return time.Time{}, err
	}
	t, err := time.Parse(time.RFC3339, s)
	t = t.UTC().Truncate(time.Microsecond)
	if err != nil || t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}, invalidField(field, fmt.Sprintf("is %q", clip(s)), timeCure)
	}
	return t, nil
}

// decodeID accepts the id of an event or endpoint.
func decodeID(field string, raw json.RawMessage) (string, error) {
	s, err := decodeString(field, raw)
	if err == nil && !isID(s) {
		return "", invalidField(field, "is no id", "use an id as it came in an answer")
	}
	return s, err
}

// decodeStrings accepts an array of up to most strings. It counts before it decodes.
func decodeStrings(field string, raw json.RawMessage, most int) ([]string, error) {
	if got := kindOf(raw); got != "an array" {
		return nil, invalidField(field, "is "+got, "send an array")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return nil, invalidField(field, "is malformed", "send an array")
	}
	list := []string{}
	for dec.More() {
		if len(list) == most {
			return nil, tooMany(field, most)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, invalidField(field, "is malformed", "send an array of strings")
		}
		s, err := decodeString(field+"["+strconv.Itoa(len(list))+"]", value)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

func tooMany(field string, most int) error {
	return invalidField(field, fmt.Sprintf("has more than %d entries", most), fmt.Sprintf("send at most %d", most))
}

// decodeMap accepts an object of up to most strings.
func decodeMap[V ~string](field string, raw json.RawMessage, most int) (map[string]V, error) {
	if got := kindOf(raw); got != "an object" {
		return nil, invalidField(field, "is "+got, "send an object")
	}
	n := 0
	members, err := decodeObject(field, raw, func(string) error {
		if n++; n > most {
			return tooMany(field, most)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	values := make(map[string]V, len(members))
	for _, m := range members {
		s, err := decodeString(m.field, m.value)
		if err != nil {
			return nil, err
		}
		values[m.name] = V(s)
	}
	return values, nil
}
