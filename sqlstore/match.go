package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/gowebhook/webhook"
	"github.com/gowebhook/webhook/internal/health"
	"github.com/gowebhook/webhook/internal/paging"
	"github.com/gowebhook/webhook/internal/rate"
)

// A status is a row of the table status.
type status struct {
	ref       uuid.UUID
	reason    webhook.Reason
	updatedAt int64
	told      health.Told
	limit     rate.Limit
	rateAt    int64 // see package rate
	webhook.EndpointStatus
}

// into returns the scan destinations for statusColumns. Call fill after the scan.
func (s *status) into(t *statusTimes) []any {
	return []any{
		(*id)(&s.ref), &s.Key.Tenant, &s.Key.ID, &s.Version, &s.State, &s.reason, &s.updatedAt, &s.Failures, &t.failingSince,
		&t.lastFailureAt, &t.recoveredAt, &t.blockedUntil, &s.Circuit, &s.Status, &t.since, &s.LastClass, &s.LastStatus, &s.Holds,
		&s.Throttles, &s.limit.Millionths, &s.limit.Burst, &s.rateAt, &t.told,
	}
}

// statusTimes are the columns of a status that have another form in the row.
type statusTimes struct {
	failingSince, lastFailureAt, recoveredAt, blockedUntil, since int64
	told                                                          string
}

func (s *status) fill(t *statusTimes) {
	s.FailingSince, s.LastFailureAt = fromMicros(t.failingSince), fromMicros(t.lastFailureAt)
	s.RecoveredAt, s.BlockedUntil, s.Since = fromMicros(t.recoveredAt), fromMicros(t.blockedUntil), fromMicros(t.since)
	s.told = health.ParseTold(t.told)
}

func (s *status) scan(r *sql.Rows, before ...any) error {
	var t statusTimes
	err := scanRow(r, append(before, s.into(&t)...)...)
	s.fill(&t)
	return err
}

// statuses reads the status of the endpoints that exist, or locks it if o says so. It leaves
// out rows that cannot be read.
func (t *tx) statuses(o op, refs []uuid.UUID) (map[uuid.UUID]*status, error) {
	found := make(map[uuid.UUID]*status, len(refs))
	return found, t.Query(o, uids(refs), func(r *sql.Rows) error {
		s := &status{}
		err := s.scan(r)
		if unreadable(err) {
			return nil
		}
		found[s.ref] = s
		return err
	})
}

// opensAt returns the time before which nothing is sent to the endpoint.
func (s *status) opensAt() int64 { return max(micros(s.BlockedUntil), s.rateAt) }

// worthwhile returns the time from which a claim should look at the endpoint again.
func (s *status) worthwhile() int64 {
	return max(micros(s.BlockedUntil), s.limit.Worthwhile(s.rateAt))
}

// updateCells returns the cells of the statement updateStatus.
func (s *status) updateCells() []cell {
	return []cell{
		uid(s.ref), num(s.Version), text(s.State), text(s.reason), num(s.updatedAt), num(s.Failures), at(s.FailingSince),
		at(s.LastFailureAt), at(s.RecoveredAt), at(s.BlockedUntil), flag(s.Circuit), text(s.Status), at(s.Since), text(s.LastClass),
		num(s.LastStatus), num(s.Holds), num(s.Throttles), num(s.limit.Millionths), num(s.limit.Burst), num(s.rateAt),
		text(s.told.String()),
	}
}

// Match implements [webhook.Store].
func (s *Store) Match(ctx context.Context, reqs []webhook.MatchRequest) (matched [][]webhook.EndpointStatus, err error) {
	for i := range reqs {
		if reqs[i].Tenant == "" {
			return nil, paging.NoTenant("MatchRequest.Tenant")
		}
	}
	err = s.read(ctx, func(t *tx) error {
		if matched, err = t.match(reqs, nil); err == nil {
			err = t.matchDormant(reqs, matched)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return matched, nil
}

// match finds the endpoints for each request. If after is given, it returns only endpoints with
// ids behind after[i].
func (t *tx) match(reqs []webhook.MatchRequest, after []string) ([][]webhook.EndpointStatus, error) {
	matched := make([][]webhook.EndpointStatus, len(reqs))
	most := 0
	rows := newTable(4 * len(reqs))
	for i := range reqs {
		r := &reqs[i]
		if r.Limit <= 0 {
			continue
		}
		most = max(most, r.Limit)
		begin := ""
		if after != nil {
			begin = after[i]
		}
		for _, pattern := range r.Patterns {
			rows.Add(num(i), text(r.Tenant), text(pattern), text(""), text(begin))
			if r.Channel != "" {
				rows.Add(num(i), text(r.Tenant), text(pattern), text(r.Channel), text(begin))
			}
		}
	}
	more := slices.ContainsFunc(after, func(id string) bool { return id != "" })
	if err := t.matchRows(rows, most, more, matched); err != nil {
		return nil, err
	}
	for i := range reqs {
		asleep := isMuted(&reqs[i])
		list := slices.DeleteFunc(matched[i], func(s webhook.EndpointStatus) bool {
			return (s.State == webhook.EndpointDisabled) != asleep
		})
		slices.SortFunc(list, func(a, b webhook.EndpointStatus) int { return strings.Compare(a.Key.ID, b.Key.ID) })
		list = slices.CompactFunc(list, func(a, b webhook.EndpointStatus) bool { return a.Key.ID == b.Key.ID })
		matched[i] = list[:min(len(list), max(reqs[i].Limit, 0))]
	}
	return matched, nil
}

// muted is in front of the patterns of disabled endpoints.
const muted = "!"

// matchDormant completes the empty answers to requests for a dormant endpoint.
func (t *tx) matchDormant(reqs []webhook.MatchRequest, matched [][]webhook.EndpointStatus) error {
	var (
		open  []webhook.MatchRequest
		which []int
	)
	for i := range reqs {
		if reqs[i].Dormant && len(matched[i]) == 0 {
			open, which = append(open, dormant(&reqs[i])), append(which, i)
		}
	}
	if len(open) == 0 {
		return nil
	}
	answers, err := t.match(open, nil)
	for n, list := range answers {
		matched[which[n]] = list
	}
	return err
}

// dormant returns a request that matches one disabled endpoint, where r matches others.
func dormant(r *webhook.MatchRequest) webhook.MatchRequest {
	patterns := make([]string, len(r.Patterns))
	for i, pattern := range r.Patterns {
		patterns[i] = muted + pattern
	}
	return webhook.MatchRequest{Tenant: r.Tenant, Channel: r.Channel, Patterns: patterns, Limit: min(r.Limit, 1)}
}

// isMuted reports whether a request matches disabled endpoints.
func isMuted(r *webhook.MatchRequest) bool {
	return len(r.Patterns) > 0 && strings.HasPrefix(r.Patterns[0], muted)
}

// fewMatches is how many rows matchFew reads at most.
const fewMatches = 1000

// matchRows reads up to most endpoints for each row. Rows with a muted pattern match disabled
// endpoints.
//
// A statement with one limit for all rows nearly always suffices, except when a large fan-out
// continues. A statement with a limit for each row costs several times as much.
func (t *tx) matchRows(rows *table, most int, more bool, matched [][]webhook.EndpointStatus) error {
	found := 0
	read := func(r *sql.Rows) error {
		var (
			req int
			s   status
		)
		err := s.scan(r, &req)
		matched[req] = append(matched[req], s.EndpointStatus)
		found++
		return err
	}
	if t.store.dialect.matchesFew && !more && rows.Fits() {
		if err := t.Query(matchFew, rows, read, num(fewMatches)); err != nil || found < fewMatches {
			return err
		}
		clear(matched)
	}
	return t.Query(match, rows, read, num(most))
}

func byRef(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) }

func sortedRefs[V any](m map[uuid.UUID]V) []uuid.UUID {
	refs := make([]uuid.UUID, 0, len(m))
	for ref := range m {
		refs = append(refs, ref)
	}
	slices.SortFunc(refs, byRef)
	return refs
}
