package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/gowebhook/webhook"
)

// equal reports where got differs from want.
func (f *fixture) equal(what string, got, want any) {
	f.Helper()
	if d := diff(got, want); d != "" {
		f.Errorf("%s: %s", what, d)
	}
}

// sameEvent compares events, except for the fields that only Publish reads.
func (f *fixture) sameEvent(what string, got, want webhook.EventRecord) {
	f.Helper()
	got.NewID, got.Keep, got.Deliveries = false, false, nil
	want.NewID, want.Keep, want.Deliveries = false, false, nil
	f.equal(what, got, want)
}

// names compares two lists of names as sets.
func (f *fixture) names(what string, got []string, want ...string) {
	f.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		f.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// ordered compares two lists of names, including their order.
func (f *fixture) ordered(what string, got []string, want ...string) {
	f.Helper()
	if !slices.Equal(got, want) {
		f.Errorf("%s: got %q, want %q, in this order", what, got, want)
	}
}

// is reports a failure if err is not target.
func (f *fixture) is(what string, err, target error) {
	f.Helper()
	if !errors.Is(err, target) {
		f.Errorf("%s: got error %v, want %v", what, err, target)
	}
}

// must ends the case if err is not nil.
func (f *fixture) must(what string, err error) {
	f.Helper()
	if err != nil {
		f.Fatalf("%s: %v", what, err)
	}
}

// diff describes the differences between got and want, or returns "" if there are none. A nil
// map or slice equals an empty one. A time must be in UTC.
func diff(got, want any) string {
	var out []string
	compare("", reflect.ValueOf(got), reflect.ValueOf(want), &out)
	return strings.Join(out, "; ")
}

func compare(path string, got, want reflect.Value, out *[]string) {
	differ := func() {
		*out = append(*out, strings.TrimSpace(fmt.Sprintf("%s got %s, want %s", path, show(got), show(want))))
	}
	if !got.IsValid() || !want.IsValid() || got.Type() != want.Type() {
		if got.IsValid() || want.IsValid() {
			differ()
		}
		return
	}
	if g, ok := reflect.TypeAssert[time.Time](got); ok {
		if w, _ := reflect.TypeAssert[time.Time](want); !g.Equal(w) || g.Location() != time.UTC {
			differ()
		}
		return
	}
	switch got.Kind() {
	case reflect.Struct:
		for i := range got.NumField() {
			compare(path+"."+got.Type().Field(i).Name, got.Field(i), want.Field(i), out)
		}
	case reflect.Pointer:
		if got.IsNil() || want.IsNil() {
			if got.IsNil() != want.IsNil() {
				differ()
			}
			return
		}
		compare(path, got.Elem(), want.Elem(), out)
	case reflect.Map:
		for _, k := range got.MapKeys() {
			compare(fmt.Sprintf("%s[%q]", path, k), got.MapIndex(k), want.MapIndex(k), out)
		}
		for _, k := range want.MapKeys() {
			if !got.MapIndex(k).IsValid() {
				compare(fmt.Sprintf("%s[%q]", path, k), reflect.Value{}, want.MapIndex(k), out)
			}
		}
	case reflect.Slice:
		if got.Type().Elem().Kind() == reflect.Uint8 || got.Len() != want.Len() {
			if got.Len() != want.Len() || string(got.Bytes()) != string(want.Bytes()) {
				differ()
			}
			return
		}
		for i := range got.Len() {
			compare(fmt.Sprintf("%s[%d]", path, i), got.Index(i), want.Index(i), out)
		}
	default:
		if !got.Equal(want) {
			differ()
		}
	}
}

// show formats a value, and cuts it short.
func show(v reflect.Value) string {
	if !v.IsValid() {
		return "nothing"
	}
	s := fmt.Sprintf("%v", v.Interface())
	if v.Kind() == reflect.String || (v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8) {
		s = fmt.Sprintf("%q", v.Interface())
	}
	if len(s) > 200 {
		s = fmt.Sprintf("%s… (%d bytes)", s[:200], len(s))
	}
	return s
}
