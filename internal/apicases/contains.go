package apicases

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// contains expects the JSON in got to contain want, by the rules of Case.Want.
func contains(t *testing.T, want string, got []byte) {
	t.Helper()
	var w, g any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("the wanted answer is no JSON: %v: %s", err, want)
	}
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatalf("the answer is no JSON: %v: %s", err, got)
	}
	if at := difference("", w, g); at != "" {
		t.Errorf("the answer differs at %s: %s", at, got)
	}
}

// difference describes the first place where got does not contain want. It returns "" if there
// is none.
func difference(at string, want, got any) string {
	wrong := fmt.Sprintf("%s (want %v, got %v)", at, want, got)
	switch want := want.(type) {
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok {
			return wrong
		}
		for name, value := range want {
			member, there := object[name]
			if value == "<absent>" {
				if there {
					return at + "." + name + " (it is there)"
				}
				continue
			}
			if !there {
				return at + "." + name + " (it is not there)"
			}
			if d := difference(at+"."+name, value, member); d != "" {
				return d
			}
		}
		return ""
	case []any:
		array, ok := got.([]any)
		if !ok || len(array) != len(want) {
			return wrong
		}
		for i := range want {
			if d := difference(fmt.Sprintf("%s[%d]", at, i), want[i], array[i]); d != "" {
				return d
			}
		}
		return ""
	case string:
		if want == "<any>" && got != nil {
			return ""
		}
		if len(want) > 2 && strings.HasPrefix(want, "/") && strings.HasSuffix(want, "/") {
			if s, ok := got.(string); ok && regexp.MustCompile(want[1:len(want)-1]).MatchString(s) {
				return ""
			}
			return wrong
		}
	}
	if !reflect.DeepEqual(want, got) {
		return wrong
	}
	return ""
}
