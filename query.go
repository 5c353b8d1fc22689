package webhook

import (
	"fmt"
	"time"

	"github.com/gowebhook/webhook/internal/contract"
)

// A Query selects endpoints, events, deliveries, attempts or replays. Zero fields do not narrow the
// selection. The methods of [Scope] say which fields they honour, and refuse the others. So a
// Store gets only valid queries, and need not check them again.
//
// Leave Tenant empty in the scope of a tenant. In the scope of all tenants, Tenant narrows the
// selection to one.
type Query struct {
	Tenant     string
	AllTenants bool // with Tenant empty: of every tenant

	EventID    string
	EndpointID string
	ReplayID   string
	Type       string        // exact event type
	State      DeliveryState // of deliveries
	Class      Class         // of attempts; of deliveries by LastClass, where ClassRefused selects ClassDNS and ClassBlocked too
	Health     HealthStatus  // of endpoints: HealthFailing selects those of HealthDisabling too
	Status     int           // of attempts; of deliveries by LastStatus

	From time.Time // inclusive
	To   time.Time // exclusive

	// FinishedFrom and FinishedTo select deliveries by the time when they succeeded, failed or
	// were canceled. Pending deliveries have no such time, so they do not match.
	FinishedFrom time.Time // inclusive
	FinishedTo   time.Time // exclusive

	// All lets [Scope.Retry] and [Scope.Cancel] change everything in the scope. Without it they
	// refuse a Query with none of the fields above but Tenant, and with it a Query that has
	// one. [Scope.Pause] and [Scope.Resume] do the same, except that Tenant is enough for them. A
	// Store does not see it.
	All bool

	// NoBodies leaves out the Data and Header of events and the ResponseBody of attempts. A
	// Store then does not read them, so a list that shows none of them costs little.
	NoBodies bool

	// MaxBytes bounds the size of a page. The page ends before the row that would exceed it,
	// except that the first row always fits. It counts bodies, headers, settings and about 256
	// bytes for each row. Zero means 4 MiB, the maximum.
	MaxBytes int

	// Skip is the number of matching attempts to pass over before the first of the page, 0 to
	// 1,000. A Store reads only their keys.
	//
	// A page reads at most 1,000 rows. If it has not passed over Skip attempts by then, it is
	// empty and has a Next. The page after it does not pass over the rest.
	Skip int

	Limit  int    // rows of a page, 1 to 1,000. Zero means 100.
	Cursor string // Page.Next of the page before
}

// A Page is a part of a list. A Store reads at most 1,000 rows for a page, and returns at most
// Query.MaxBytes. So a page may be short, even empty, and still have a Next.
type Page[T any] struct {
	Items []T
	Next  string // the cursor of the next page; empty at the end

	// Unreadable has an error for each row that a Store could not read and left out. A [Scope]
	// passes these errors to Observer.Error and the log, and leaves the field empty.
	Unreadable []error
}

// A queryField is a set of fields of a Query that methods may honour.
type queryField uint

const (
	fieldEventID queryField = 1 << iota
	fieldEndpointID
	fieldType
	fieldState
	fieldClass
	fieldStatus
	fieldHealth
	fieldTimes
	fieldFinished
	fieldNoBodies
	fieldMaxBytes
	fieldSkip
	fieldAll
	fieldReplayID

	deliveryFields = fieldEventID | fieldEndpointID | fieldType | fieldState | fieldTimes | fieldFinished
)

// check refuses values that are out of range, and fields that are not honoured. It fills in
// the defaults.
func (q *Query) check(honoured queryField) error {
	for _, f := range []struct {
		name string
		set  bool
		bit  queryField
	}{
		{"EventID", q.EventID != "", fieldEventID},
		{"EndpointID", q.EndpointID != "", fieldEndpointID},
		{"Type", q.Type != "", fieldType},
		{"State", q.State != "", fieldState},
		{"Class", q.Class != "", fieldClass},
		{"Status", q.Status != 0, fieldStatus},
		{"Health", q.Health != "", fieldHealth},
		{"From", !q.From.IsZero(), fieldTimes},
		{"To", !q.To.IsZero(), fieldTimes},
		{"FinishedFrom", !q.FinishedFrom.IsZero(), fieldFinished},
		{"FinishedTo", !q.FinishedTo.IsZero(), fieldFinished},
		{"NoBodies", q.NoBodies, fieldNoBodies},
		{"MaxBytes", q.MaxBytes != 0, fieldMaxBytes},
		{"Skip", q.Skip != 0, fieldSkip},
		{"All", q.All, fieldAll},
		{"ReplayID", q.ReplayID != "", fieldReplayID},
	} {
		if f.set && f.bit&honoured == 0 {
			return &FieldError{"Query." + f.name, "does not apply here", "leave it empty"}
		}
	}
	switch {
	case q.Limit < 0 || q.Limit > contract.MaxPageRows:
		return &FieldError{
			"Query.Limit", fmt.Sprintf("is %d", q.Limit), fmt.Sprintf("use 1 to %d, or 0 for %d", contract.MaxPageRows, contract.PageRows),
		}
	case q.Skip < 0 || q.Skip > contract.MaxPageRead:
		return &FieldError{
			"Query.Skip", fmt.Sprintf("is %d", q.Skip), fmt.Sprintf("use 0 to %d, and Cursor beyond that", contract.MaxPageRead),
		}
	case q.MaxBytes < 0 || q.MaxBytes > contract.MaxPageBytes:
		return &FieldError{
			"Query.MaxBytes", fmt.Sprintf("is %d", q.MaxBytes), fmt.Sprintf("use 1 to %d, or 0 for %[1]d", contract.MaxPageBytes),
		}
	}
	switch q.State {
	case "", DeliveryPending, DeliverySucceeded, DeliveryFailed, DeliveryCanceled:
	default:
		return &FieldError{"Query.State", fmt.Sprintf("is unknown: %q", q.State), "use pending, succeeded, failed or canceled"}
	}
	switch q.Health {
	case "", HealthFailing, HealthDisabling:
	default:
		return &FieldError{"Query.Health", fmt.Sprintf("is unknown: %q", q.Health), "use failing or disabling_soon"}
	}
	setDefault(&q.Limit, contract.PageRows)
	q.From, q.To = micros(q.From), micros(q.To)
	q.FinishedFrom, q.FinishedTo = micros(q.FinishedFrom), micros(q.FinishedTo)
	return nil
}

// checkBulk checks the Query of a change of many deliveries, before check fills in defaults.
// It refuses to change everything in the scope if All does not say so.
func (q *Query) checkBulk() error {
	bounds := [...]time.Time{q.From, q.To, q.FinishedFrom, q.FinishedTo}
	narrow := q.EventID != "" || q.EndpointID != "" || q.Type != "" || q.State != "" || bounds != [4]time.Time{}
	if q.EventID != "" && q.EndpointID != "" {
		return &FieldError{"Query.EndpointID", "names a single delivery, beside EventID", "call RetryDelivery or CancelDelivery, or leave one of the two out"}
	}
	return q.checkWhole(narrow, "delivery")
}

// checkBulkEndpoints is checkBulk for a change of many endpoints of all tenants. A Tenant narrows
// it.
func (q *Query) checkBulkEndpoints() error {
	return q.checkWhole(q.Tenant != "" || q.EndpointID != "" || q.Health != "", "endpoint")
}

// checkWhole refuses pages, and a selection of everything if All does not say so. narrow says
// that fields narrow the selection.
func (q *Query) checkWhole(narrow bool, noun string) error {
	switch {
	case q.Limit != 0:
		return &FieldError{"Query.Limit", "does not apply here: everything that matches is changed", "leave it 0"}
	case q.Cursor != "":
		return &FieldError{"Query.Cursor", "does not apply here: everything that matches is changed", "leave it empty"}
	case !narrow && !q.All:
		return &FieldError{"Query", "would select every " + noun, "narrow it down, or set Query.All"}
	case narrow && q.All:
		return &FieldError{"Query.All", "is set beside fields that narrow the selection", "leave it out, or leave them out"}
	}
	return nil
}
