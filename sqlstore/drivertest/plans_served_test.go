package drivertest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A service says which indexes serve a statement.
type service struct {
	name      string
	statement *regexp.Regexp
	by        []string // the beginnings of accesses; one of those with a | between them
	ordered   bool     // the index has the order, so that no more rows are read than are wanted
}

func serve(name, statement string, by ...string) service {
	return service{name: name, statement: regexp.MustCompile(statement), by: by}
}

func inOrder(name, statement string, by ...string) service {
	s := serve(name, statement, by...)
	s.ordered = true
	return s
}

// problem returns the problem of a plan, or "" for a good plan.
func (s *service) problem(p *plan) string {
	if s.ordered && p.sorted {
		return "it sorts"
	}
	var missing []string
	for _, wanted := range s.by {
		if !slices.ContainsFunc(p.uses, func(a access) bool { return a.begins(wanted) }) {
			missing = append(missing, wanted)
		}
	}
	// MariaDB looks whether there are rows while it plans, and says no more of a branch in
	// which there are none.
	empty := 0
	for _, b := range p.branches {
		if b.empty {
			empty++
		}
	}
	if len(missing) > empty && (empty == 0 || empty < len(p.branches)) {
		return fmt.Sprintf("it does not use %s", missing[0])
	}
	if empty == 0 {
		return ""
	}
	for _, b := range p.branches {
		for _, a := range b.uses {
			if !slices.ContainsFunc(s.by, a.begins) {
				return fmt.Sprintf("a branch of it uses %s", a)
			}
		}
	}
	return ""
}

// begins reports whether an access begins with one of those in a list, which are separated by |.
func (a access) begins(list string) bool {
	return slices.ContainsFunc(strings.Split(list, "|"), func(one string) bool { return strings.HasPrefix(a.String(), one) })
}

const (
	queueKey      = "queue.primary(event_uid"
	deliveriesKey = "deliveries.primary(event_uid"
	attemptsOf    = "attempts.primary(event_uid|attempts.event_started(event_uid"
)

var served = []service{
	inOrder("what is due", `^SELECT .*SELECT due_at FROM queue WHERE lane = \S+ AND due_at >= \S+ ORDER BY due_at LIMIT 1`, "queue.lane_due(lane,due_at)"),
	inOrder("due rows of the outbox", `^SELECT event_uid, after_endpoint FROM outbox WHERE due_at`, "outbox.due(due_at"),
	inOrder("which lanes are open", `SELECT ref FROM status WHERE parked = 2`, "status.open(parked"),
	inOrder("which lanes may be opened", `^SELECT ref FROM status (FORCE INDEX \(\S+\) )?WHERE parked = 1`, "status.parked(parked,state,opens_at)"),
	serve("lock lanes", `SELECT s\.ref, s\.state, s\.opens_at, s\.parked FROM`, "status.primary(ref)"),
	serve("mark lanes", `^UPDATE status .*SET parked = `, "status.primary(ref)"),
	inOrder("what is parked", `SELECT q\.event_uid, q\.endpoint_id, q\.ref FROM queue q .*WHERE q\.lane = `, "queue.lane_due(lane"),
	inOrder("which parked lanes are filled", `SELECT q\.lane FROM queue q WHERE q\.lane = `, "queue.lane_due(lane"),
	serve("park", `^UPDATE .*SET (q\.)?lane = v\.lane( FROM|$)`, queueKey),
	serve("events of the outbox", `^SELECT e\.uid, e\.tenant, e\.type, e\.channel, e\.keep, .* FROM`, "events.primary(uid)"),
	serve("a part of a fan-out", `^UPDATE outbox SET after_endpoint`, "outbox.primary(event_uid)"),
	serve("take out of the outbox", `^DELETE FROM outbox`, "outbox.primary(event_uid"),
	inOrder("what wakes up", `SELECT (event_uid, endpoint_id|q\.ctid) FROM queue (q )?WHERE (q\.)?lane = `, "queue.lane_due(lane,due_at)"),
	serve("settled", `^WITH g AS \( DELETE FROM queue|FROM queue q WHERE \(q\.event_uid, q\.endpoint_id\) IN|STRAIGHT_JOIN queue q ON .* FOR UPDATE`, queueKey+"|queue.ref_event(ref,event_uid"),
	serve("wake", `^UPDATE queue (q )?SET lane = (q\.)?ref`, queueKey+"|queue.lane_due(lane,due_at)"),
	inOrder("ready lanes", `^SELECT lane FROM queue|SELECT min\(lane\) FROM queue|SELECT lane, 1 AS n FROM queue`, "queue.lane_due(lane"),
	inOrder("pick", `WHERE q\.lane = \S+ AND q\.due_at <= `, "queue.lane_due(lane,due_at)"),
	serve("lease", `^UPDATE queue .*lease_no = (q\.)?lease_no \+ 1`, queueKey),
	serve("rebind", `^UPDATE .*version = v\.version (FROM|WHERE)|SET q\.version = v\.version$`, queueKey),
	serve("probe", `^UPDATE status SET blocked_until`, "status.primary(ref)"),
	serve("take rates", `^UPDATE .*SET (s\.)?rate_at = v\.rate_at( FROM|$)`, "status.primary(ref)"),
	serve("events", `^SELECT .*e\.not_before, e\.created_at, e\.keep, e\.data FROM`, "events.primary(uid)"),
	serve("endpoints", `SELECT s\.ref, .*e\.max_in_flight FROM .*e\.ref (IN|=)`, "endpoints.primary(ref)", "status.primary(ref)"),
	serve("versions", `^SELECT r\.ref, r\.version`, "versions.primary(ref,version)|versions.primary(ref"),
	serve("status", `SELECT (s\.parked, )?s\.ref,.*s\.told FROM (status|\()`, "status.primary(ref)"),

	serve("lock unfinished", `SELECT q\.event_uid.*q\.size, q\.fanout, q\.last_status, q\.last_class FROM .*q\.endpoint_id( =| >=|\) IN)`, queueKey),
	serve("lock finished", `SELECT d\.event_uid.*d\.pruned, d\.finished_at, d\.last_status, d\.last_class FROM`, deliveriesKey),
	serve("attempts of leases", `SELECT (a\.)?event_uid, (a\.)?endpoint_id, (a\.)?lease_no, (a\.)?late FROM`, attemptsOf),
	serve("take off the queue", `^DELETE FROM queue .*endpoint_id`, queueKey),
	serve("take back from the record", `^DELETE FROM deliveries .*endpoint_id`, deliveriesKey),
	serve("requeue", `^UPDATE .*settled_no = v\.settled_no`, queueKey),
	serve("update status", `^UPDATE .*circuit = v\.circuit`, "status.primary(ref)"),

	// Without the settings of a transaction PostgreSQL may sort the rows it has found, because
	// nearly all of a tenant's subscriptions are wanted.
	serve("match", `(FROM|JOIN) subscriptions p .*(FROM|JOIN) status`, "subscriptions.primary(tenant,pattern,channel", "status.primary(ref)"),
	serve("duplicates", `e\.content_hash, e\.dup FROM`, "events.tenant_id(tenant,id)|events.id(id_group,id,tenant)"),
	serve("the event of a duplicate", `^UPDATE events .*SET dup`, "events.tenant_id(tenant,id)|events.id(id_group,id,tenant)"),
	serve("create endpoint", `^SELECT EXISTS \(SELECT 1 FROM queue WHERE ref`, "queue.ref_event(ref", "deliveries.ref_state(ref"),
	serve("unsubscribe", `^DELETE FROM subscriptions`, "subscriptions.ref(ref)"),
	inOrder("a tenant's endpoints", `e\.max_in_flight FROM .*e\.tenant = \S+ AND e\.id > `, "endpoints.tenant_id(tenant,id)"),
	inOrder("all endpoints", `e\.max_in_flight FROM .*e\.tenant >= `, "endpoints.tenant_id(tenant"),

	serve("an event", `e\.fanout FROM events e WHERE (e\.tenant = \S+ AND e\.id|e\.id_group) = `, "events.tenant_id(tenant,id)|events.id(id_group,id,tenant)"),
	inOrder("a tenant's events", `e\.fanout FROM events e WHERE e\.tenant = \S+ AND e\.uid < `, "events.tenant_uid(tenant,uid)"),
	inOrder("all events", `e\.fanout FROM events e WHERE e\.uid < `, "events.primary(uid)"),
	serve("heads of events", `e\.fanout, (octet_)?length\(e\.data\) FROM`, "events.primary(uid)"),
	inOrder("an endpoint's deliveries", `q\.ref = \S+ AND q\.event_uid < `, "queue.ref_event(ref,event_uid)", "deliveries.ref_state(ref,state,event_uid)"),
	inOrder("events' deliveries", `q\.endpoint_id > .* ORDER BY q\.endpoint_id`, "queue.primary(event_uid,endpoint_id)", "deliveries.primary(event_uid,endpoint_id)"),
	serve("a delivery", `FROM queue q WHERE q\.event_uid = \S+ AND q\.endpoint_id = \S+ UNION ALL`, "queue.primary(event_uid,endpoint_id)", "deliveries.primary(event_uid,endpoint_id)"),
	inOrder("an endpoint's attempts", `FROM attempts WHERE ref = `, "attempts.ref_started(ref,started_at"),
	inOrder("failed attempts of all tenants", `FROM attempts WHERE (class <> '' AND started_at|failed_at) <= `, "attempts.failed(started_at|attempts.failed(failed_at"),
	inOrder("a fan-out's attempts", `FROM attempts WHERE event_uid = \S+ AND fanout = 1`, "attempts.event_started(event_uid,started_at"),
	serve("an event's attempts", `FROM attempts WHERE event_uid = \S+ AND started_at`, attemptsOf),
	serve("a delivery's attempts", `FROM attempts WHERE event_uid = \S+ AND endpoint_id = `, "attempts.primary(event_uid,endpoint_id|attempts.event_started(event_uid"),
	serve("all of attempts", `^SELECT a\.event_uid.*a\.duration_us`, attemptsOf, queueKey, deliveriesKey),
	serve("bodies of attempts", `^SELECT b\.event_uid, b\.endpoint_id, b\.lease_no, `, "bodies.primary(event_uid,endpoint_id,lease_no)"),

	inOrder("endpoints with unfinished deliveries", `^SELECT ref FROM queue|SELECT min\(ref\) FROM queue|SELECT ref, 1 AS n FROM queue`, "queue.ref_event(ref"),
	inOrder("a dead endpoint's deliveries", `q\.ref = \S+ AND q\.leased_until <= `, "queue.ref_event(ref"),
	inOrder("old events", `^SELECT uid FROM events WHERE uid >= `, "events.primary(uid)"),
	inOrder("old attempts", `^SELECT event_uid, endpoint_id, lease_no FROM attempts (FORCE INDEX \(\S+\) )?WHERE event_uid >= `, "attempts.primary(event_uid"),
	inOrder("old bodies", `^SELECT event_uid, endpoint_id, lease_no FROM bodies WHERE event_uid >= `, "bodies.primary(event_uid"),
	serve("lock events", `^SELECT e\.uid FROM`, "events.primary(uid)"),
	serve("unfinished events", `SELECT .*FROM queue .*FROM outbox (o )?WHERE (o\.)?event_uid`, queueKey, "outbox.primary(event_uid"),
	serve("delete events", `^DELETE FROM events (e )?(USING|WHERE uid)`, "events.primary(uid)"),
	serve("free deliveries of events", `^SELECT (d\.)?event_uid, (d\.)?endpoint_id FROM .*deliveries`, deliveriesKey),
	serve("free attempts of events", `^SELECT (a\.)?event_uid, (a\.)?endpoint_id, (a\.)?lease_no FROM .*attempts .*uid.* LIMIT`, attemptsOf),
	serve("free bodies of events", `^SELECT (b\.)?event_uid, (b\.)?endpoint_id, (b\.)?lease_no FROM .*bodies .*uid.* LIMIT`, "bodies.primary(event_uid"),
	serve("events with attempts", `^SELECT (DISTINCT )?(v\.uid|event_uid) FROM .*attempts`, attemptsOf),
	serve("events with bodies", `^SELECT (DISTINCT )?(v\.uid|event_uid) FROM .*bodies`, "bodies.primary(event_uid"),
	serve("delete attempts", `^DELETE FROM attempts`, attemptsOf),
	serve("delete bodies", `^DELETE FROM bodies`, "bodies.primary(event_uid"),
	serve("count attempts", `count\(\*\) FROM .*attempts .*GROUP BY`, attemptsOf),
	serve("attempts that are gone", `^UPDATE .*pruned = d\.pruned \+ v\.pruned`, deliveriesKey),
	inOrder("old versions", `^SELECT ref, version, superseded_at FROM versions`, "versions.primary(ref"),
	inOrder("expired secrets", `secret_expires_at > 0 AND (e\.)?secret_expires_at <= `, "endpoints.secret(secret_expires_at)|endpoints.endpoints_secret(secret_expires_at)"),
	serve("lock versions", `^SELECT (r\.)?ref, (r\.)?version FROM .*versions`, "versions.primary(ref,version)|versions.primary(ref"),
	serve("forget versions", `^DELETE FROM versions (r USING|WHERE \(ref, version|USING)|^DELETE r FROM`, "versions.primary(ref,version)|versions.primary(ref"),
	// At most 100 replays are unfinished, so a planner may read and sort the few rows here.
	serve("the next replay", `FROM replays (FORCE INDEX \(\S+\) )?WHERE state = 'running' (AND due_at <= \S+ )?ORDER BY due_at LIMIT 1`),
	inOrder("replays that have ended", `^SELECT id FROM replays (FORCE INDEX \(\S+\) )?WHERE state = `, "replays.due(state,due_at)"),
	inOrder("a tenant's replays", `FROM replays (FORCE INDEX \(\S+\) )?WHERE tenant = \S+ AND id < `, "replays.tenant(tenant,id)"),
	serve("update a replay", `^UPDATE replays .*at_event = `, "replays.primary(id)"),
	inOrder("finished deliveries to replay", `FROM \(SELECT event_uid, finished_at FROM deliveries`, "deliveries.ref_state(ref,state,event_uid)", "events.primary(uid)"),
	inOrder("pending deliveries to replay", `FROM \(SELECT event_uid, since FROM queue`, "queue.ref_event(ref,event_uid)", "events.primary(uid)"),
	inOrder("events that were missed", `e\.test, CASE WHEN \(SELECT 1 FROM queue`, "events.tenant_uid(tenant,uid)", queueKey+"|queue.ref_event(", deliveriesKey+"|deliveries.ref_state("),
	inOrder("endpoints with deliveries to replay", `SELECT 1 FROM deliveries d WHERE d\.ref = |SELECT d\.ref FROM deliveries`, "deliveries.ref_state(ref,state"),

	inOrder("oldest unfinished", `^SELECT event_uid FROM queue WHERE ref = `, "queue.ref_event(ref"),
}
