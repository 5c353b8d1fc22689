package sqlstore

// The lane of waiting deliveries, and the first of the parked lanes.
const (
	mysqlZero   = `x'00000000000000000000000000000000'`
	mysqlParked = `x'80000000000000000000000000000000'`
)

// mysqlEvents is the common part of the statements that insert events.
var mysqlEvents = `INTO {events} (` + eventInsert + `)
			VALUES {tuples}`

// mysqlWaited counts the wait of a delivery that is leased, as queueRow.wait does. $2 is
// now. It comes first in its statement, because the server assigns the columns in their
// order.
const mysqlWaited = `waited_us = waited_us + greatest($2 - greatest(due_at, leased_until), 0)`

// mysqlQueue has the statements that publish, claim and settle. Joins with a list force
// their order.
//
// Each statement that locks or changes rows names the index that finds them; see
// mysqlByKey. Statements that lock or delete the rows of several keys join them with a
// list. For a list of keys in IN, the server may read the whole table although the index
// is named.
var mysqlQueue = map[op]string{
	insertEvents: mysqlAtOnce + `INSERT` + mysqlHint + mysqlEvents + `
		ON DUPLICATE KEY UPDATE dup = dup + 1`,
	insertNewAtOnce: mysqlAtOnce + `INSERT` + mysqlHint + mysqlEvents,

	findEvents: `SELECT e.uid, e.tenant, e.id, e.content_hash, e.dup
		FROM {v tenant text, id text} STRAIGHT_JOIN {events} e FORCE INDEX (events_id)
		ON e.id_group = ` + mysqlGroup("v.tenant", "v.id") + `
			AND e.id = v.id AND e.tenant = v.tenant`,
	deleteEvents: `DELETE e FROM {v uid uuid} STRAIGHT_JOIN {events} e
		FORCE INDEX (PRIMARY) ON e.uid = v.uid`,
	insertOutbox:     `INSERT INTO {outbox} (event_uid, due_at) VALUES {tuples}`,
	insertQueue:      `INSERT INTO {queue} (` + queueColumns + `) VALUES {tuples}`,
	insertDeliveries: `INSERT INTO {deliveries} (` + deliveryColumns + `) VALUES {tuples}`,
	insertAttempts: `INSERT INTO {attempts} (` + attemptColumns + `) VALUES {tuples}
		ON DUPLICATE KEY UPDATE lease_no = {attempts}.lease_no`,
	insertBodies: `INSERT INTO {bodies} (event_uid, endpoint_id, lease_no, body) VALUES {tuples}
		ON DUPLICATE KEY UPDATE lease_no = {bodies}.lease_no`,
	match: `{each}(SELECT @1 AS req, ` + statusColumns + ` FROM {subscriptions} p
		STRAIGHT_JOIN {status} s ON s.ref = p.ref
		WHERE p.tenant = @2 AND p.pattern = @3 AND p.channel = @4 AND p.endpoint_id > @5
		ORDER BY p.endpoint_id LIMIT $1){end}`,

	insertNew: `INSERT ` + mysqlEvents,
	insertEvent: `INSERT INTO {events} (` + eventInsert + `)
		VALUES (` + parametersOf(eventFields) + `) ON DUPLICATE KEY UPDATE dup = dup + 1`,

	insertOutboxRow: `INSERT INTO {outbox} (event_uid, due_at) VALUES ($1, $2)
		ON DUPLICATE KEY UPDATE due_at = due_at + 1`,

	anythingDue: `SELECT (SELECT due_at FROM {outbox} WHERE due_at >= $2 ORDER BY due_at LIMIT 1),
		(SELECT due_at FROM {queue} WHERE lane = ` + mysqlZero + ` AND due_at >= $1
			ORDER BY due_at LIMIT 1),
		(SELECT lane FROM {queue} WHERE lane > ` + mysqlZero + ` AND lane < ` + mysqlParked + `
			ORDER BY lane LIMIT 1) IS NOT NULL,
		(SELECT ref FROM {status} FORCE INDEX (status_open) WHERE parked = 2
			ORDER BY ref LIMIT 1) IS NOT NULL,
		(SELECT opens_at FROM {status} WHERE parked = 1 AND state = 'active'
			ORDER BY opens_at LIMIT 1)`,
	dueAfter: `SELECT (SELECT due_at FROM {outbox} WHERE due_at > $1 ORDER BY due_at LIMIT 1),
		(SELECT due_at FROM {queue} WHERE lane = ` + mysqlZero + ` AND due_at > $1
			ORDER BY due_at LIMIT 1),
		(SELECT opens_at FROM {status} WHERE parked = 1 AND state = 'active' AND opens_at > $1
			ORDER BY opens_at LIMIT 1)`,
	dueOutbox: `SELECT event_uid, after_endpoint FROM {outbox} FORCE INDEX (outbox_due)
		WHERE due_at <= $1 AND due_at >= $3 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED`,
	eventsOfOutbox: `SELECT e.uid, e.tenant, e.type, e.channel, e.keep, e.created_at, e.not_before,
		length(e.data), e.about
		FROM {events} e WHERE e.uid IN ({keys})`,
	dueDeliveries: `SELECT event_uid, endpoint_id FROM {queue} FORCE INDEX (queue_lane_due)
		WHERE lane = ` + mysqlZero + ` AND due_at <= $1 AND due_at >= $3
		ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED`,
	wakeDeliveries: `UPDATE {queue} SET lane = ref WHERE (event_uid, endpoint_id) IN ({keys})`,
	readyLanes:     `SELECT lane FROM {queue} WHERE lane > $1 AND lane <= $2 GROUP BY lane LIMIT $3`,
	readStatus:     `SELECT ` + statusColumns + ` FROM {status} s WHERE s.ref IN ({keys})`,
	readLanes:      `SELECT s.parked, ` + statusColumns + ` FROM {status} s WHERE s.ref IN ({keys})`,
	lockLanes: `SELECT s.ref, s.state, s.opens_at, s.parked FROM {v ref uuid}
		STRAIGHT_JOIN {status} s FORCE INDEX (PRIMARY) ON s.ref = v.ref FOR UPDATE SKIP LOCKED`,
	markLanes: `UPDATE {status} FORCE INDEX (PRIMARY) SET parked = $1 WHERE ref IN ({keys})`,
	readyInLanes: `{each}(SELECT q.event_uid, q.endpoint_id, q.ref FROM {queue} q
		FORCE INDEX (queue_lane_due) WHERE q.lane = @1
		ORDER BY q.due_at LIMIT @2 FOR UPDATE SKIP LOCKED){end}`,
	filledLanes: `{each}(SELECT q.lane FROM {queue} q WHERE q.lane = @1 ORDER BY q.due_at LIMIT 1){end}`,
	moveDeliveries: `UPDATE {v event_uid uuid, endpoint_id text, lane uuid} STRAIGHT_JOIN {queue} q
		FORCE INDEX (PRIMARY)
		ON q.event_uid = v.event_uid AND q.endpoint_id = v.endpoint_id
		SET q.lane = v.lane`,
	openLanes: `SELECT ref FROM {status} FORCE INDEX (status_open)
		WHERE parked = 2 AND ref > $1 AND ref <= $2 ORDER BY ref LIMIT $3`,
	freeLanes: `SELECT ref FROM {status} FORCE INDEX (status_parked)
		WHERE parked = 1 AND state = 'active' AND opens_at <= $1
		ORDER BY opens_at LIMIT $2 FOR UPDATE SKIP LOCKED`,
	freeProbes: `SELECT s.ref FROM {v ref uuid} STRAIGHT_JOIN {status} s
		FORCE INDEX (PRIMARY) ON s.ref = v.ref
		WHERE s.circuit = 1 AND s.blocked_until <= $1
		FOR UPDATE SKIP LOCKED`,
	takeProbes: `UPDATE {status} SET blocked_until = $1 WHERE ref IN ({keys})`,
	takeRates: `UPDATE {v ref uuid, rate_at int} STRAIGHT_JOIN {status} s FORCE INDEX (PRIMARY)
		ON s.ref = v.ref SET s.rate_at = v.rate_at`,
	pickDeliveries: `{each}(SELECT @3 AS n, ` + pickColumns + ` FROM {queue} q FORCE INDEX (queue_lane_due)
		WHERE q.lane = @1 AND q.due_at <= $3 AND q.leased_until <= $1
		ORDER BY q.due_at LIMIT @2 FOR UPDATE SKIP LOCKED){end} LIMIT $2`,
	leaseDeliveries: `UPDATE {queue}
		SET ` + mysqlWaited + `, lane = ` + mysqlZero + `, due_at = $1,
			lease_no = lease_no + 1, leased_until = $1
		WHERE (event_uid, endpoint_id) IN ({keys})`,
	leaseInLane: `UPDATE {queue}
		SET ` + mysqlWaited + `, lease_no = lease_no + 1, leased_until = $1
		WHERE (event_uid, endpoint_id) IN ({keys})`,
	rebindDeliveries: `UPDATE {v event_uid uuid, endpoint_id text, version int} STRAIGHT_JOIN {queue} q
		FORCE INDEX (PRIMARY)
		ON q.event_uid = v.event_uid AND q.endpoint_id = v.endpoint_id
		SET q.version = v.version`,
	readEvents: `SELECT ` + eventColumns + ` FROM {events} e WHERE e.uid IN ({keys})`,
	readEndpoints: `SELECT ` + endpointColumns + ` FROM {endpoints} e
		STRAIGHT_JOIN {status} s ON s.ref = e.ref WHERE e.ref IN ({keys})`,
	readVersions: `SELECT r.ref, r.version, r.url, r.profile, r.metadata FROM {versions} r
		WHERE (r.ref, r.version) IN ({keys})`,

	lockQueue: mysqlPatience + `SELECT` + mysqlHint + queueRead + `
		FROM {v event_uid uuid, endpoint_id text} STRAIGHT_JOIN {queue} q
		FORCE INDEX (PRIMARY) ON q.event_uid = v.event_uid AND q.endpoint_id = v.endpoint_id FOR UPDATE`,
	lockDeliveries: mysqlPatience + `SELECT` + mysqlHint + deliveryRead + `
		FROM {v event_uid uuid, endpoint_id text} STRAIGHT_JOIN {deliveries} d
		FORCE INDEX (PRIMARY) ON d.event_uid = v.event_uid AND d.endpoint_id = v.endpoint_id FOR UPDATE`,
	lockFreeQueue: `SELECT ` + queueRead + `
		FROM {v event_uid uuid, endpoint_id text} STRAIGHT_JOIN {queue} q FORCE INDEX (PRIMARY)
		ON q.event_uid = v.event_uid AND q.endpoint_id = v.endpoint_id
		FOR UPDATE SKIP LOCKED`,
	lockFreeDeliveries: `SELECT ` + deliveryRead + `
		FROM {v event_uid uuid, endpoint_id text} STRAIGHT_JOIN {deliveries} d FORCE INDEX (PRIMARY)
		ON d.event_uid = v.event_uid AND d.endpoint_id = v.endpoint_id
		FOR UPDATE SKIP LOCKED`,
	lockFreeStatus: `SELECT ` + statusColumns + ` FROM {v ref uuid}
		STRAIGHT_JOIN {status} s FORCE INDEX (PRIMARY) ON s.ref = v.ref FOR UPDATE SKIP LOCKED`,
	findRows: `SELECT event_uid, endpoint_id, ref FROM {queue} WHERE (event_uid, endpoint_id) IN ({keys})
		UNION ALL
		SELECT event_uid, endpoint_id, ref FROM {deliveries} WHERE (event_uid, endpoint_id) IN ({keys})`,
	findAttempts: `SELECT event_uid, endpoint_id, lease_no, late FROM {attempts}
		WHERE (event_uid, endpoint_id, lease_no) IN ({keys})`,
	// The other index of tenants would lock the place of a tenant's next events.
	sameEvent: `UPDATE {events} FORCE INDEX (events_id) SET dup = dup + 1
		WHERE id_group = ` + mysqlGroup("$1", "$2") + `
			AND id = $2 AND tenant = $1 AND content_hash = $3`,

	deleteQueue: `DELETE q FROM {v event_uid uuid, endpoint_id text} STRAIGHT_JOIN {queue} q
		FORCE INDEX (PRIMARY)
		ON q.event_uid = v.event_uid AND q.endpoint_id = v.endpoint_id`,
	deleteDeliveries: `DELETE d FROM {v event_uid uuid, endpoint_id text} STRAIGHT_JOIN {deliveries} d
		FORCE INDEX (PRIMARY)
		ON d.event_uid = v.event_uid AND d.endpoint_id = v.endpoint_id`,
	requeue: `UPDATE {v ` + requeueFields + `}
		STRAIGHT_JOIN {queue} q FORCE INDEX (PRIMARY)
		ON q.event_uid = v.event_uid AND q.endpoint_id = v.endpoint_id
		SET q.lane = v.lane, q.due_at = v.due_at, q.lease_no = v.lease_no, q.leased_until = 0,
			q.settled_no = v.settled_no, q.attempts = v.attempts, q.failures = v.failures,
				q.since = v.since,
			q.waited_us = v.waited_us, q.reason = v.reason, q.last_status = v.last_status,
			q.last_class = v.last_class`,
	updateStatus: `UPDATE {v ` + statusFields + `}
		STRAIGHT_JOIN {status} s FORCE INDEX (PRIMARY) ON s.ref = v.ref
		SET s.version = v.version, s.state = v.state, s.reason = v.reason, s.updated_at = v.updated_at,
			s.failures = v.failures, s.failing_since = v.failing_since,
			s.last_failure_at = v.last_failure_at, s.recovered_at = v.recovered_at,
			s.blocked_until = v.blocked_until, s.circuit = v.circuit, s.health = v.health,
			s.health_since = v.health_since, s.last_class = v.last_class, s.last_status = v.last_status,
			s.holds = v.holds, s.throttles = v.throttles, s.rate = v.rate, s.burst = v.burst,
			s.rate_at = v.rate_at, s.told = v.told`,
	insertVersions: `INSERT INTO {versions} (ref, version, url, profile, metadata, superseded_at)
		SELECT e.ref, v.version, e.url, e.profile, e.metadata, v.superseded_at
		FROM {v ref uuid, version int, superseded_at int} STRAIGHT_JOIN {endpoints} e ON e.ref = v.ref
		ON DUPLICATE KEY UPDATE superseded_at = {versions}.superseded_at`,
}
