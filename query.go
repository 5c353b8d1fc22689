package webhook

import "time"

// A Query selects endpoints, events, deliveries or attempts. Zero fields do not narrow the
// selection. A method refuses a field that it does not honour. [Scope] sets Tenant.
type Query struct {
	Tenant     string
	AllTenants bool // with Tenant empty: of every tenant

	EventID    string
	EndpointID string
	Type       string        // exact event type
	State      DeliveryState // of deliveries
	Class      Class         // of attempts
	Status     int           // of attempts

	From time.Time // inclusive
	To   time.Time // exclusive

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
	// A page reads at most 1,000 rows. If these end before it has passed over Skip attempts,
	// the page is empty and has a Next. The rest of its Skip is then lost.
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

// Limits of a page.
const (
	defaultPage  = 100
	maxPage      = 1000
	maxPageBytes = 4 << 20
)
