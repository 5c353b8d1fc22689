package webhookhttp

import (
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gowebhook/webhook"
)

// Fields of an endpoint that a request may set, and fields that it may not set.
var (
	writable = []string{
		"url", "events", "is_active", "state", "description", "channel", "profile", "metadata", "headers", "timeout_ms", "max_in_flight",
		"rate", "burst",
	}
	readOnly = []string{"id", "disabled_reason", "health", "secret", "secrets", "version", "created_at", "updated_at"}
)

// Entries of an endpoint's lists. The Dispatcher has the same limits.
const (
	maxEvents   = 100
	maxMetadata = 50
	maxHeaders  = 32
)

// set changes an endpoint as the members of a body say. Fields without a member stay.
func (x *exchange) set(e *webhook.Endpoint, members []member) error {
	var active *bool
	var state *webhook.EndpointState
	for _, m := range members {
		var err error
		switch m.name {
		case "is_active":
			var b bool
			b, err = decodeBool(m.field, m.value)
			active = &b
		case "state":
			var s string
			s, err = decodeString(m.field, m.value)
			st := webhook.EndpointState(s)
			state = &st
		default:
			err = setField(e, m)
		}
		if err != nil {
			return err
		}
	}
	return setState(e, active, state)
}

// checkName refuses a field that does not exist or cannot be set.
func (x *exchange) checkName(name string) error {
	switch {
	case slices.Contains(readOnly, name), slices.Contains(x.h.config.ReadOnly, name):
		return refuse(http.StatusBadRequest, codeReadOnly, name, name+" cannot be set", "leave it out")
	case slices.Contains(writable, name):
		return nil
	}
	return unknownField(name, slices.DeleteFunc(slices.Clone(writable), func(w string) bool {
		return slices.Contains(x.h.config.ReadOnly, w)
	}))
}

// only returns a check that accepts members of these names.
func only(known ...string) func(name string) error {
	return func(name string) error {
		if slices.Contains(known, name) {
			return nil
		}
		return unknownField(name, known)
	}
}

// unknownField returns the answer for a member that is not among the known ones.
func unknownField(name string, known []string) error {
	cure := "send an empty body, or {}"
	if len(known) > 0 {
		cure = "use " + strings.Join(known, ", ")
	}
	for _, k := range known {
		if strings.EqualFold(strings.ReplaceAll(k, "_", ""), strings.ReplaceAll(name, "_", "")) {
			cure = "write it " + k
		}
	}
	name = clip(name)
	return refuse(http.StatusBadRequest, codeUnknownField, name, name+" is not a field", cure)
}

// setField sets a field to the value of a member. Null means the default, if the field has one.
func setField(e *webhook.Endpoint, m member) (err error) {
	null := isNull(m.value)
	switch m.name {
	case "url":
		e.URL, err = decodeString(m.field, m.value)
	case "events":
		e.Events, err = decodeStrings(m.field, m.value, maxEvents)
	case "profile":
		if e.Profile, err = decodeString(m.field, m.value); err == nil && e.Profile == "" {
			err = invalidField("profile", "is empty", "leave it out, or ask which there are")
		}
	case "description":
		if e.Description = ""; !null {
			e.Description, err = decodeString(m.field, m.value)
		}
	case "channel":
		if e.Channel = ""; !null {
			e.Channel, err = decodeString(m.field, m.value)
		}
	case "metadata":
		if e.Metadata = nil; !null {
			e.Metadata, err = decodeMap[string](m.field, m.value, maxMetadata)
		}
	case "headers":
		if e.Header = nil; !null {
			e.Header, err = decodeMap[webhook.Secret](m.field, m.value, maxHeaders)
		}
	case "timeout_ms":
		var ms int64
		if !null {
			if ms, err = decodeInt(m.field, m.value, 1, math.MaxInt64/int64(time.Millisecond)); err != nil {
				err = withCure(err, "send a whole number of milliseconds, 1 or more")
			}
		}
		e.Timeout = time.Duration(ms) * time.Millisecond
	case "max_in_flight":
		var n int64
		if !null {
			n, err = decodeInt(m.field, m.value, 1, 1000)
		}
		e.MaxInFlight = int(n)
	case "rate":
		if e.Rate = 0; !null {
			e.Rate, err = decodeNumber(m.field, m.value, 0.001, 10_000)
		}
	case "burst":
		var n int64
		if !null {
			n, err = decodeInt(m.field, m.value, 1, 10_000)
		}
		e.Burst = int(n)
	}
	return err
}

// setState applies is_active and state together. If is_active is false, a paused endpoint stays
// paused.
func setState(e *webhook.Endpoint, active *bool, state *webhook.EndpointState) error {
	switch {
	case state != nil:
		if *state == "" { // the Dispatcher would give a new endpoint its default
			return invalidField("state", "is empty", "use active, paused or disabled")
		}
		if active != nil && *active != (*state == webhook.EndpointActive) {
			return invalidField("is_active", "contradicts state", "send one of the two")
		}
		e.State = *state
	case active == nil:
	case *active:
		e.State = webhook.EndpointActive
	case e.State == webhook.EndpointActive:
		e.State = webhook.EndpointDisabled
	}
	return nil
}
