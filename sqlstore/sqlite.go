package sqlstore

import (
	"context"
	"database/sql"

	"github.com/gowebhook/webhook/sqlstore/internal/engine"
)

// The lane of waiting deliveries, and the first of the parked lanes.
const (
	sqliteZero   = `x'00000000000000000000000000000000'`
	sqliteParked = `x'80000000000000000000000000000000'`
)

// sqliteWaited counts the wait of a delivery that is leased, as queueRow.wait does. $2 is now.
const sqliteWaited = `waited_us = waited_us + max($2 - max(due_at, leased_until), 0)`

// sqlite is the SQL of SQLite. There is one writer at a time, so no statement locks single
// rows.
var sqlite = dialect{
	Dialect: engine.Dialect{
		Name:         "sqlite",
		Renderer:     engine.Parameters,
		Begin:        `BEGIN IMMEDIATE`,
		Commit:       `COMMIT`,
		Rollback:     `ROLLBACK`,
		OneWriter:    true,
		MissingTable: "no such table",
	},
	quote:      `"`,
	returning:  true,
	matchesFew: true,

	identity: `SELECT sqlite_version()`,
	is:       func(string) bool { return true },
	hasTable: func(_, table string) (string, []any) {
		return `SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?`, []any{table}
	},
	lockSchema: lockSQLiteSchema,
	statements: joined(sqliteReplay, map[op]string{
		insertEvents: `INSERT INTO {events} (` + eventInsert + `)
			VALUES {tuples} ON CONFLICT DO NOTHING RETURNING uid`,
		findEvents: `SELECT e.uid, e.tenant, e.id, e.content_hash, e.dup FROM {events} e
			WHERE (e.tenant, e.id) IN (VALUES {tuples})`,
		deleteEvents:     `DELETE FROM {events} WHERE uid IN (VALUES {tuples})`,
		insertOutbox:     `INSERT INTO {outbox} (event_uid, due_at) VALUES {tuples}`,
		insertQueue:      `INSERT INTO {queue} (` + queueColumns + `) VALUES {tuples}`,
		insertDeliveries: `INSERT INTO {deliveries} (` + deliveryColumns + `) VALUES {tuples}`,
		insertAttempts: `INSERT INTO {attempts} (` + attemptColumns + `) VALUES {tuples}
			ON CONFLICT DO NOTHING`,
		insertBodies: `INSERT INTO {bodies} (event_uid, endpoint_id, lease_no, body) VALUES {tuples}
			ON CONFLICT DO NOTHING`,
		match: `{each}SELECT * FROM (
				SELECT @1 AS req, ` + statusColumns + `
				FROM {subscriptions} p CROSS JOIN {status} s ON s.ref = p.ref
				WHERE p.tenant = @2 AND p.pattern = @3 AND p.channel = @4 AND p.endpoint_id > @5
				ORDER BY p.endpoint_id LIMIT $1){end}`,
		matchFew: `WITH v (req, tenant, pattern, channel, after) AS (VALUES {tuples})
			SELECT v.req, ` + statusColumns + `
			FROM v CROSS JOIN {subscriptions} p CROSS JOIN {status} s ON s.ref = p.ref
			WHERE p.tenant = v.tenant AND p.pattern = v.pattern AND p.channel = v.channel
				AND p.endpoint_id > v.after LIMIT $1`,

		insertNew: `INSERT INTO {events} (` + eventInsert + `)
			VALUES {tuples}`,
		insertEvent: `INSERT INTO {events} (` + eventInsert + `)
			VALUES (` + parametersOf(eventFields) + `) ON CONFLICT DO NOTHING`,

		anythingDue: `SELECT (SELECT due_at FROM {outbox} WHERE due_at >= $2 ORDER BY due_at LIMIT 1),
			(SELECT due_at FROM {queue} WHERE lane = ` + sqliteZero + ` AND due_at >= $1
				ORDER BY due_at LIMIT 1),
			(SELECT lane FROM {queue} WHERE lane > ` + sqliteZero + ` AND lane < ` + sqliteParked + `
				ORDER BY lane LIMIT 1) IS NOT NULL,
			(SELECT ref FROM {status} WHERE parked = 2 ORDER BY ref LIMIT 1) IS NOT NULL,
			(SELECT opens_at FROM {status} WHERE parked = 1 AND state = 'active'
				ORDER BY opens_at LIMIT 1)`,
		dueAfter: `SELECT (SELECT due_at FROM {outbox} WHERE due_at > $1 ORDER BY due_at LIMIT 1),
			(SELECT due_at FROM {queue} WHERE lane = ` + sqliteZero + ` AND due_at > $1
				ORDER BY due_at LIMIT 1),
			(SELECT opens_at FROM {status} WHERE parked = 1 AND state = 'active' AND opens_at > $1
				ORDER BY opens_at LIMIT 1)`,
		dueOutbox: `SELECT event_uid, after_endpoint FROM {outbox} WHERE due_at <= $1 AND due_at >= $3
			ORDER BY due_at LIMIT $2`,
		eventsOfOutbox: `SELECT e.uid, e.tenant, e.type, e.channel, e.keep, e.created_at, e.not_before,
			length(e.data), e.about
			FROM {events} e WHERE e.uid IN (VALUES {tuples})`,
		dueDeliveries: `SELECT event_uid, endpoint_id FROM {queue}
			WHERE lane = ` + sqliteZero + ` AND due_at <= $1 AND due_at >= $3
			ORDER BY due_at LIMIT $2`,
		wakeDeliveries: `UPDATE {queue} SET lane = ref WHERE (event_uid, endpoint_id) IN (VALUES {tuples})`,
		readyLanes: `WITH RECURSIVE l (lane, n) AS (
				SELECT (SELECT min(lane) FROM {queue} WHERE lane > $1 AND lane <= $2), 1
				UNION ALL
				SELECT (SELECT min(q.lane) FROM {queue} q WHERE q.lane > l.lane AND q.lane <= $2), l.n + 1
				FROM l WHERE l.lane IS NOT NULL AND l.n < $3
			) SELECT lane FROM l WHERE lane IS NOT NULL`,
		readStatus: `SELECT ` + statusColumns + ` FROM {status} s WHERE s.ref IN (VALUES {tuples})`,
		readLanes:  `SELECT s.parked, ` + statusColumns + ` FROM {status} s WHERE s.ref IN (VALUES {tuples})`,
		lockLanes: `SELECT s.ref, s.state, s.opens_at, s.parked FROM {status} s
			WHERE s.ref IN (VALUES {tuples})`,
		markLanes: `UPDATE {status} SET parked = $1 WHERE ref IN (VALUES {tuples})`,
		readyInLanes: `{each}SELECT * FROM (
				SELECT q.event_uid, q.endpoint_id, q.ref FROM {queue} q WHERE q.lane = @1
				ORDER BY q.due_at LIMIT @2){end}`,
		filledLanes: `{each}SELECT * FROM (
				SELECT q.lane FROM {queue} q WHERE q.lane = @1 ORDER BY q.due_at LIMIT 1){end}`,
		moveDeliveries: `UPDATE {queue} AS q SET lane = v.lane
			FROM {v event_uid uuid, endpoint_id text, lane uuid}
			WHERE q.event_uid = v.event_uid AND q.endpoint_id = v.endpoint_id`,
		freeLanes: `SELECT ref FROM {status} WHERE parked = 1 AND state = 'active' AND opens_at <= $1
			ORDER BY opens_at LIMIT $2`,
		freeProbes: `SELECT s.ref FROM {status} s WHERE s.ref IN (VALUES {tuples}) AND s.circuit = 1
			AND s.blocked_until <= $1`,
		takeProbes: `UPDATE {status} SET blocked_until = $1 WHERE ref IN (VALUES {tuples})`,
		takeRates: `UPDATE {status} AS s SET rate_at = v.rate_at FROM {v ref uuid, rate_at int}
			WHERE s.ref = v.ref`,
		pickDeliveries: `{each}SELECT * FROM (
				SELECT @3 AS n, ` + pickColumns + ` FROM {queue} q
				WHERE q.lane = @1 AND q.due_at <= $3 AND q.leased_until <= $1
				ORDER BY q.due_at LIMIT @2){end} LIMIT $2`,
		leaseDeliveries: `UPDATE {queue}
			SET lane = ` + sqliteZero + `, due_at = $1, lease_no = lease_no + 1, leased_until = $1,
				` + sqliteWaited + `
			WHERE (event_uid, endpoint_id) IN (VALUES {tuples})`,
		leaseInLane: `UPDATE {queue} SET lease_no = lease_no + 1, leased_until = $1, ` + sqliteWaited + `
			WHERE (event_uid, endpoint_id) IN (VALUES {tuples})`,
		rebindDeliveries: `UPDATE {queue} AS q SET version = v.version
			FROM {v event_uid uuid, endpoint_id text, version int}
			WHERE q.event_uid = v.event_uid AND q.endpoint_id = v.endpoint_id`,
		readEvents: `SELECT ` + eventColumns + ` FROM {events} e WHERE e.uid IN (VALUES {tuples})`,
		readEndpoints: `SELECT ` + endpointColumns + ` FROM {endpoints} e JOIN {status} s ON s.ref = e.ref
			WHERE e.ref IN (VALUES {tuples})`,
		readVersions: `SELECT r.ref, r.version, r.url, r.profile, r.metadata FROM {versions} r
			WHERE (r.ref, r.version) IN (VALUES {tuples})`,

		lockQueue: `SELECT ` + queueRead + ` FROM {queue} q
			WHERE (q.event_uid, q.endpoint_id) IN (VALUES {tuples})`,
		lockDeliveries: `SELECT ` + deliveryRead + ` FROM {deliveries} d
			WHERE (d.event_uid, d.endpoint_id) IN (VALUES {tuples})`,
		lockFreeQueue: `SELECT ` + queueRead + ` FROM {queue} q
			WHERE (q.event_uid, q.endpoint_id) IN (VALUES {tuples})`,
		lockFreeDeliveries: `SELECT ` + deliveryRead + ` FROM {deliveries} d
			WHERE (d.event_uid, d.endpoint_id) IN (VALUES {tuples})`,
		lockFreeStatus: `SELECT ` + statusColumns + ` FROM {status} s WHERE s.ref IN (VALUES {tuples})`,
		findRows: `SELECT event_uid, endpoint_id, ref FROM {queue}
			WHERE (event_uid, endpoint_id) IN (VALUES {tuples})
			UNION ALL
			SELECT event_uid, endpoint_id, ref FROM {deliveries}
			WHERE (event_uid, endpoint_id) IN (VALUES {tuples})`,
		findAttempts: `SELECT event_uid, endpoint_id, lease_no, late FROM {attempts}
			WHERE (event_uid, endpoint_id, lease_no) IN (VALUES {tuples})`,
		deleteQueue:      `DELETE FROM {queue} WHERE (event_uid, endpoint_id) IN (VALUES {tuples})`,
		deleteDeliveries: `DELETE FROM {deliveries} WHERE (event_uid, endpoint_id) IN (VALUES {tuples})`,
		requeue: `UPDATE {queue} AS q
			SET lane = v.lane, due_at = v.due_at, lease_no = v.lease_no, leased_until = 0,
				settled_no = v.settled_no, attempts = v.attempts, failures = v.failures, since = v.since,
				waited_us = v.waited_us, reason = v.reason, last_status = v.last_status,
				last_class = v.last_class
			FROM {v ` + requeueFields + `}
			WHERE q.event_uid = v.event_uid AND q.endpoint_id = v.endpoint_id`,
		updateStatus: `UPDATE {status} AS s
			SET version = v.version, state = v.state, reason = v.reason, updated_at = v.updated_at,
				failures = v.failures, failing_since = v.failing_since, last_failure_at = v.last_failure_at,
				recovered_at = v.recovered_at, blocked_until = v.blocked_until, circuit = v.circuit,
				health = v.health, health_since = v.health_since, last_class = v.last_class,
				last_status = v.last_status, holds = v.holds, throttles = v.throttles, rate = v.rate,
				burst = v.burst, rate_at = v.rate_at, told = v.told
			FROM {v ` + statusFields + `} WHERE s.ref = v.ref`,
		insertVersions: `INSERT INTO {versions} (ref, version, url, profile, metadata, superseded_at)
			SELECT e.ref, v.version, e.url, e.profile, e.metadata, v.superseded_at
			FROM {v ref uuid, version int, superseded_at int} CROSS JOIN {endpoints} e ON e.ref = v.ref
			WHERE true ON CONFLICT DO NOTHING`,

		countEndpoint: `INSERT INTO {tenants} (tenant, endpoints) VALUES ($1, 1)
			ON CONFLICT (tenant) DO UPDATE SET endpoints = endpoints + 1`,
		insertSubscriptions: `INSERT INTO {subscriptions} (tenant, pattern, channel, endpoint_id, ref)
			VALUES {tuples} ON CONFLICT DO NOTHING`,
		muteSubscriptions: `UPDATE {subscriptions} SET pattern = '!' || pattern
			WHERE ref IN (VALUES {tuples})`,
		deleteSubscriptions: `DELETE FROM {subscriptions} WHERE ref IN (VALUES {tuples})`,
		lockEndpoint:        `SELECT version, rate_at FROM {status} WHERE ref = $1`,

		eventHeads: `SELECT ` + headColumns + ` FROM {events} e WHERE e.uid IN (VALUES {tuples})`,
		eventSizes: `SELECT ` + headColumns + `, length(e.data) FROM {events} e
			WHERE e.uid IN (VALUES {tuples})`,
		eventBriefs: `SELECT ` + briefColumns + ` FROM {events} e WHERE e.uid IN (VALUES {tuples})`,
		deliveriesOf: `{each}SELECT * FROM (
				SELECT ` + viewQueue + ` FROM {queue} q
				WHERE q.event_uid = @1 AND q.endpoint_id > @2 ORDER BY q.endpoint_id LIMIT $1)
			UNION ALL SELECT * FROM (
				SELECT ` + viewDeliveries + ` FROM {deliveries} d
				WHERE d.event_uid = @1 AND d.endpoint_id > @2 ORDER BY d.endpoint_id LIMIT $1){end}`,
		deliveriesOfSingles: `SELECT ` + viewQueue + ` FROM {queue} q
			WHERE q.event_uid IN (VALUES {tuples})
			UNION ALL
			SELECT ` + viewDeliveries + ` FROM {deliveries} d
			WHERE d.event_uid IN (VALUES {tuples})`,
		// The queue names its index. Otherwise the planner may read all events of the range by the
		// primary key.
		deliveriesBy: `SELECT * FROM (
				SELECT ` + viewQueue + ` FROM {queue} q INDEXED BY {prefix}queue_ref_event
				WHERE q.ref = $1 AND q.event_uid < $2 AND q.event_uid >= $3
					ORDER BY q.event_uid DESC LIMIT $4)
			UNION ALL SELECT * FROM (
				SELECT ` + viewDeliveries + ` FROM {deliveries} d
				WHERE d.ref = $1 AND d.state = 'succeeded' AND d.event_uid < $2 AND d.event_uid >= $3
					ORDER BY d.event_uid DESC LIMIT $4)
			UNION ALL SELECT * FROM (
				SELECT ` + viewDeliveries + ` FROM {deliveries} d
				WHERE d.ref = $1 AND d.state = 'failed' AND d.event_uid < $2 AND d.event_uid >= $3
					ORDER BY d.event_uid DESC LIMIT $4)
			UNION ALL SELECT * FROM (
				SELECT ` + viewDeliveries + ` FROM {deliveries} d
				WHERE d.ref = $1 AND d.state = 'canceled' AND d.event_uid < $2 AND d.event_uid >= $3
					ORDER BY d.event_uid DESC LIMIT $4)`,
		attemptDetails: `SELECT ` + detailColumns + ` FROM {attempts} a
			WHERE (a.event_uid, a.endpoint_id, a.lease_no) IN (VALUES {tuples})`,
		bodySizes: `SELECT ` + bodyColumns + `, length(b.body)
			FROM {v event_uid uuid, endpoint_id text, lease_no int}
			CROSS JOIN {bodies} b ON b.event_uid = v.event_uid AND b.endpoint_id = v.endpoint_id
				AND b.lease_no = v.lease_no`,
		attemptBodies: `SELECT ` + bodyColumns + `, b.body
			FROM {v event_uid uuid, endpoint_id text, lease_no int}
			CROSS JOIN {bodies} b ON b.event_uid = v.event_uid AND b.endpoint_id = v.endpoint_id
				AND b.lease_no = v.lease_no`,
		countStats:   statsSQL,
		countBacklog: backlogSQL,

		lockPruner: `SELECT used_by, used_at FROM {locks} WHERE name = 'prune'`,
		pruneRefs: `WITH RECURSIVE l (ref, n) AS (
				SELECT (SELECT min(ref) FROM {queue} WHERE ref > $1), 1
				UNION ALL
				SELECT (SELECT min(q.ref) FROM {queue} q WHERE q.ref > l.ref), l.n + 1
				FROM l WHERE l.ref IS NOT NULL AND l.n < $2
			) SELECT ref FROM l WHERE ref IS NOT NULL`,
		pruneQueue: `SELECT ` + queueRead + ` FROM {queue} q WHERE q.ref = $1 AND q.leased_until <= $2
			ORDER BY q.event_uid LIMIT $3`,
		lockDisabled: `SELECT reason FROM {status} WHERE ref = $1 AND state = 'disabled'`,
		lockEvents:   `SELECT e.uid FROM {events} e WHERE e.uid IN (VALUES {tuples})`,
		shareEvents:  `SELECT e.uid FROM {events} e WHERE e.uid IN (VALUES {tuples})`,
		openEvents: `SELECT event_uid FROM {queue} WHERE event_uid IN (VALUES {tuples})
			UNION SELECT event_uid FROM {outbox} WHERE event_uid IN (VALUES {tuples})`,
		deleteDeliveriesOf: `DELETE FROM {deliveries} WHERE event_uid IN (VALUES {tuples})`,
		deleteAttemptsOf:   `DELETE FROM {attempts} WHERE event_uid IN (VALUES {tuples})`,
		deleteBodiesOf:     `DELETE FROM {bodies} WHERE event_uid IN (VALUES {tuples})`,
		deleteOutboxOf:     `DELETE FROM {outbox} WHERE event_uid IN (VALUES {tuples})`,
		deleteAttempts: `DELETE FROM {attempts}
			WHERE (event_uid, endpoint_id, lease_no) IN (VALUES {tuples})`,
		deleteBodies: `DELETE FROM {bodies}
			WHERE (event_uid, endpoint_id, lease_no) IN (VALUES {tuples})`,
		insertRemovals: `INSERT INTO {removals} (event_uid, tenant) VALUES {tuples}`,
		freeRemovals: `SELECT event_uid FROM {removals} WHERE event_uid > $1
			ORDER BY event_uid LIMIT $2`,
		removalsOfTenant: `SELECT event_uid FROM {removals} WHERE tenant = $1
			ORDER BY event_uid LIMIT $2`,
		freeDeliveriesOf: `SELECT event_uid, endpoint_id FROM {deliveries}
			WHERE event_uid IN (VALUES {tuples}) LIMIT $1`,
		deliveriesOfRemovals: `SELECT event_uid, endpoint_id FROM {deliveries}
			WHERE event_uid IN (VALUES {tuples}) LIMIT $1`,
		freeAttemptsOf: `SELECT event_uid, endpoint_id, lease_no FROM {attempts}
			WHERE event_uid IN (VALUES {tuples}) LIMIT $1`,
		freeBodiesOf: `SELECT event_uid, endpoint_id, lease_no FROM {bodies}
			WHERE event_uid IN (VALUES {tuples}) LIMIT $1`,
		bodiesOf: `SELECT event_uid, endpoint_id, lease_no FROM {bodies}
			WHERE event_uid IN (VALUES {tuples}) LIMIT $1`,
		withAttempts: `SELECT DISTINCT event_uid FROM {attempts}
			WHERE event_uid IN (VALUES {tuples})`,
		withBodies: `SELECT DISTINCT event_uid FROM {bodies} WHERE event_uid IN (VALUES {tuples})`,
		withDeliveries: `SELECT DISTINCT event_uid FROM {deliveries}
			WHERE event_uid IN (VALUES {tuples})`,
		attemptsOf: `SELECT event_uid, endpoint_id, lease_no FROM {attempts}
			WHERE event_uid IN (VALUES {tuples}) LIMIT $1`,
		queueOf: `SELECT event_uid, endpoint_id FROM {queue}
			WHERE event_uid IN (VALUES {tuples}) LIMIT $1`,
		deleteRemovals: `DELETE FROM {removals} WHERE event_uid IN (VALUES {tuples})`,
		addPruned: `UPDATE {deliveries} AS d SET pruned = d.pruned + v.pruned
			FROM {v event_uid uuid, endpoint_id text, pruned int}
			WHERE d.event_uid = v.event_uid AND d.endpoint_id = v.endpoint_id`,
		eventsOfTenant: `SELECT uid FROM {events} WHERE tenant = $1 ORDER BY uid LIMIT $2`,
		expiredSecrets: `SELECT ref, secrets FROM {endpoints}
			WHERE secret_expires_at > 0 AND secret_expires_at <= $1
			ORDER BY secret_expires_at LIMIT $2`,
		updateSecrets: `UPDATE {endpoints} AS e SET secrets = v.secrets, secret_expires_at = v.expires_at
			FROM {v ref uuid, secrets text, expires_at int} WHERE e.ref = v.ref`,
		freeVersions: `SELECT ref, version FROM {versions} WHERE (ref, version) IN (VALUES {tuples})`,
		dropVersions: `DELETE FROM {versions} WHERE (ref, version) IN (VALUES {tuples})`,
	}),
}

// lockSQLiteSchema begins a transaction, so a migration happens wholly or not at all.
func lockSQLiteSchema(ctx context.Context, db *engine.DB, conn *sql.Conn, _ string) (unlockSchema, error) {
	if _, _, err := db.Begin(ctx, conn, txOptions{}); err != nil {
		return nil, err
	}
	return unlockInTransaction(db, conn), nil
}
