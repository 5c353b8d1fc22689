package sqlstore

// The lane of waiting deliveries, and the first of the parked lanes.
const (
	postgresZero   = `'00000000-0000-0000-0000-000000000000'`
	postgresParked = `'80000000-0000-0000-0000-000000000000'`
)

// Lookups of the row q of the queue, and of other rows, by the keys of a table v.
const (
	postgresInQueue = `q.event_uid = v.event_uid
			AND q.endpoint_id >= v.endpoint_id AND q.endpoint_id <= v.endpoint_id`
	postgresAt = `CROSS JOIN LATERAL (
			SELECT q.ctid AS at FROM {queue} q WHERE ` + postgresInQueue + `
			ORDER BY q.endpoint_id LIMIT 1) k`
	postgresStatusAt = `s.ctid = ANY (ARRAY(SELECT k.at FROM {v ref uuid} CROSS JOIN LATERAL (
			SELECT s.ctid AS at FROM {status} s WHERE s.ref = v.ref LIMIT 1) k))`
)

// postgresWaited counts the wait of a delivery that is leased, as queueRow.wait does. $2 is now.
const postgresWaited = `waited_us = q.waited_us + greatest($2 - greatest(q.due_at, q.leased_until), 0)`

// postgresQueue has the statements that publish, claim and settle. Their transactions run
// often and keep their plans, so these statements leave the planner no choice: see
// postgresOldPlans.
var postgresQueue = map[op]string{
	insertEvents: `INSERT INTO {events} (` + eventInsert + `)
		SELECT ` + eventInsert + ` FROM {v ` + eventFields + `}
		ON CONFLICT DO NOTHING RETURNING uid`,
	publishNew: `WITH e AS (
			INSERT INTO {events} (` + eventInsert + `)
			SELECT ` + eventInsert + ` FROM {v ` + eventFields + `}
		)
		INSERT INTO {queue} (` + queueColumns + `)
		SELECT ` + queueColumns + ` FROM {w ` + queueFields + `}`,
	findEvents: `SELECT x.* FROM {v tenant text, id text} CROSS JOIN LATERAL (
		SELECT e.uid, e.tenant, e.id, e.content_hash, e.dup FROM {events} e
		WHERE e.tenant = v.tenant AND e.id >= v.id AND e.id <= v.id ORDER BY e.id LIMIT 1) x`,
	deleteEvents: `DELETE FROM {events} e USING {v uid uuid} WHERE e.uid = v.uid`,
	insertOutbox: `INSERT INTO {outbox} (event_uid, due_at)
		SELECT v.event_uid, v.due_at FROM {v event_uid uuid, due_at int}`,
	insertQueue: `INSERT INTO {queue} (` + queueColumns + `)
		SELECT ` + queueColumns + ` FROM {v ` + queueFields + `}`,
	insertDeliveries: `INSERT INTO {deliveries} (` + deliveryColumns + `)
		SELECT ` + deliveryColumns + ` FROM {v ` + deliveryFields + `}`,
	insertAttempts: `INSERT INTO {attempts} (` + attemptColumns + `)
		SELECT ` + attemptColumns + ` FROM {v ` + attemptFields + `}
		ON CONFLICT DO NOTHING`,
	insertBodies: `INSERT INTO {bodies} (event_uid, endpoint_id, lease_no, body)
		SELECT event_uid, endpoint_id, lease_no, body
		FROM {v event_uid uuid, endpoint_id text, lease_no int, body bytes}
		ON CONFLICT DO NOTHING`,
	match: `SELECT v.req, x.*
		FROM {v req int, tenant text, pattern text, channel text, after text} CROSS JOIN LATERAL (
			SELECT ` + statusColumns + ` FROM {subscriptions} p JOIN {status} s ON s.ref = p.ref
			WHERE p.tenant = v.tenant AND p.pattern = v.pattern AND p.channel = v.channel
				AND p.endpoint_id > v.after
			ORDER BY p.endpoint_id LIMIT $1) x`,
	// The result needs no order. ORDER BY makes the planner use the index. Without it,
	// the planner expects a scan of all subscriptions to find enough of them soon.
	matchFew: `SELECT v.req, y.*
		FROM {v req int, tenant text, pattern text, channel text, after text} CROSS JOIN LATERAL (
			SELECT p.ref FROM {subscriptions} p
			WHERE p.tenant = v.tenant AND p.pattern = v.pattern AND p.channel = v.channel
				AND p.endpoint_id > v.after
			ORDER BY p.endpoint_id LIMIT $1) x
		CROSS JOIN LATERAL (
			SELECT ` + statusColumns + ` FROM {status} s WHERE s.ref = x.ref LIMIT 1) y LIMIT $1`,

	insertEvent: `WITH e AS (
			INSERT INTO {events} (` + eventInsert + `) VALUES (` + parametersOf(eventFields) + `)
			ON CONFLICT DO NOTHING RETURNING uid, not_before, created_at
		)
		INSERT INTO {outbox} (event_uid, due_at)
		SELECT e.uid, greatest(e.not_before, e.created_at) FROM e`,
	insertNew: `WITH e AS (
			INSERT INTO {events} (` + eventInsert + `)
			SELECT ` + eventInsert + ` FROM {v ` + eventFields + `}
			ON CONFLICT DO NOTHING RETURNING uid, not_before, created_at
		)
		INSERT INTO {outbox} (event_uid, due_at)
		SELECT e.uid, greatest(e.not_before, e.created_at) FROM e`,

	anythingDue: `SELECT (SELECT due_at FROM {outbox} WHERE due_at >= $2 ORDER BY due_at LIMIT 1),
		(SELECT due_at FROM {queue} WHERE lane = ` + postgresZero + ` AND due_at >= $1
			ORDER BY due_at LIMIT 1),
		(SELECT lane FROM {queue} WHERE lane > ` + postgresZero + ` AND lane < ` + postgresParked + `
			ORDER BY lane LIMIT 1) IS NOT NULL,
		(SELECT ref FROM {status} WHERE parked = 2 ORDER BY ref LIMIT 1) IS NOT NULL,
		(SELECT opens_at FROM {status} WHERE parked = 1 AND state = 'active'
			ORDER BY opens_at LIMIT 1)`,
	dueAfter: `SELECT (SELECT due_at FROM {outbox} WHERE due_at > $1 ORDER BY due_at LIMIT 1),
		(SELECT due_at FROM {queue} WHERE lane = ` + postgresZero + ` AND due_at > $1
			ORDER BY due_at LIMIT 1),
		(SELECT opens_at FROM {status} WHERE parked = 1 AND state = 'active' AND opens_at > $1
			ORDER BY opens_at LIMIT 1)`,
	dueOutbox: `SELECT event_uid, after_endpoint FROM {outbox} WHERE due_at <= $1 AND due_at >= $3
		ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED`,
	widen: `WITH p AS (
			SELECT DISTINCT x.endpoint_id, x.ref
			FROM {v tenant text, pattern text, channel text, after text} CROSS JOIN LATERAL (
				SELECT p.endpoint_id, p.ref FROM {subscriptions} p
				WHERE p.tenant = v.tenant AND p.pattern = v.pattern AND p.channel = v.channel
					AND p.endpoint_id > v.after
				ORDER BY p.endpoint_id LIMIT $1) x
			ORDER BY x.endpoint_id LIMIT $1
		), i AS (
			INSERT INTO {queue} (` + queueColumns + `)
			SELECT CAST($2 AS uuid), p.endpoint_id, p.ref, p.ref, CAST($3 AS bigint), 0, 0, 0, y.version,
				0, 0, 0, CAST($3 AS bigint), 0, CAST($4 AS bigint), 1, '', 0, ''
			FROM p CROSS JOIN LATERAL (
				SELECT s.version FROM {status} s WHERE s.ref = p.ref AND s.state <> 'disabled' LIMIT 1) y
		) SELECT count(*), coalesce(max(p.endpoint_id), '') FROM p`,
	eventsOfOutbox: `SELECT e.uid, e.tenant, e.type, e.channel, e.keep, e.created_at, e.not_before,
			octet_length(e.data), e.about
		FROM {v uid uuid} JOIN {events} e ON e.uid = v.uid`,
	wakeDue: `UPDATE {queue} q SET lane = q.ref WHERE q.ctid = ANY (ARRAY(
		SELECT q.ctid FROM {queue} q WHERE q.lane = ` + postgresZero + ` AND q.due_at <= $1
			AND q.due_at >= $3
		ORDER BY q.due_at LIMIT $2 FOR UPDATE SKIP LOCKED))`,
	readyLanes: `WITH RECURSIVE l AS (
			(SELECT lane, 1 AS n FROM {queue} WHERE lane > $1 AND lane <= $2 ORDER BY lane LIMIT 1)
			UNION ALL
			SELECT x.lane, l.n + 1 FROM l CROSS JOIN LATERAL (
				SELECT q.lane FROM {queue} q WHERE q.lane > l.lane AND q.lane <= $2
				ORDER BY q.lane LIMIT 1) x
			WHERE l.n < $3
		) SELECT lane FROM l`,
	readStatus: `SELECT x.* FROM {v ref uuid} CROSS JOIN LATERAL (
		SELECT ` + statusColumns + ` FROM {status} s WHERE s.ref = v.ref LIMIT 1) x`,
	readLanes: `SELECT x.* FROM {v ref uuid} CROSS JOIN LATERAL (
		SELECT s.parked, ` + statusColumns + ` FROM {status} s WHERE s.ref = v.ref LIMIT 1) x`,
	lockLanes: `SELECT x.* FROM {v ref uuid} CROSS JOIN LATERAL (
			SELECT s.ref, s.state, s.opens_at, s.parked FROM {status} s
			WHERE s.ref = v.ref LIMIT 1 FOR UPDATE SKIP LOCKED) x`,
	markLanes: `UPDATE {status} s SET parked = $1 WHERE ` + postgresStatusAt + ``,
	// All columns of the index are in its order. So no plan reads the primary key
	// instead, which has the endpoints in the same order.
	openLanes: `SELECT ref FROM {status} WHERE parked >= 2 AND parked <= 2 AND ref > $1 AND ref <= $2
		ORDER BY parked, ref LIMIT $3`,
	readyInLanes: `SELECT d.* FROM {v lane uuid, most int} CROSS JOIN LATERAL (
		SELECT q.event_uid, q.endpoint_id, q.ref FROM {queue} q WHERE q.lane = v.lane
		ORDER BY q.due_at LIMIT v.most FOR UPDATE SKIP LOCKED) d`,
	filledLanes: `SELECT x.lane FROM {v lane uuid} CROSS JOIN LATERAL (
		SELECT q.lane FROM {queue} q WHERE q.lane = v.lane ORDER BY q.due_at LIMIT 1) x`,
	moveDeliveries: `UPDATE {queue} q SET lane = v.lane
		FROM {v event_uid uuid, endpoint_id text, lane uuid}
		` + postgresAt + ` WHERE q.ctid = k.at`,
	freeProbes: `SELECT x.* FROM {v ref uuid} CROSS JOIN LATERAL (
		SELECT s.ref FROM {status} s WHERE s.ref = v.ref AND s.circuit = 1 AND s.blocked_until <= $1
		LIMIT 1 FOR UPDATE SKIP LOCKED) x`,
	takeProbes: `UPDATE {status} s SET blocked_until = $1 WHERE ` + postgresStatusAt + ``,
	takeRates: `UPDATE {status} s SET rate_at = v.rate_at
		FROM {v ref uuid, rate_at int} CROSS JOIN LATERAL (
			SELECT s.ctid AS at FROM {status} s WHERE s.ref = v.ref LIMIT 1) k
		WHERE s.ctid = k.at`,
	pickDeliveries: `SELECT v.n, d.* FROM {v lane uuid, room int, n int} CROSS JOIN LATERAL (
		SELECT ` + pickColumns + ` FROM {queue} q
		WHERE q.lane = v.lane AND q.due_at <= $3 AND q.leased_until <= $1
		ORDER BY q.due_at LIMIT v.room FOR UPDATE SKIP LOCKED) d LIMIT $2`,
	leaseDeliveries: `UPDATE {queue} q SET lane = ` + postgresZero + `, due_at = $1,
		lease_no = q.lease_no + 1, leased_until = $1, ` + postgresWaited + `
		FROM {v event_uid uuid, endpoint_id text} ` + postgresAt + ` WHERE q.ctid = k.at`,
	leaseInLane: `UPDATE {queue} q
		SET lease_no = q.lease_no + 1, leased_until = $1, ` + postgresWaited + `
		FROM {v event_uid uuid, endpoint_id text} ` + postgresAt + ` WHERE q.ctid = k.at`,
	rebindDeliveries: `UPDATE {queue} q SET version = v.version
		FROM {v event_uid uuid, endpoint_id text, version int}
		` + postgresAt + ` WHERE q.ctid = k.at`,
	readEvents: `SELECT x.* FROM {v uid uuid} CROSS JOIN LATERAL (
			SELECT ` + eventColumns + ` FROM {events} e
			WHERE e.uid >= v.uid AND e.uid <= v.uid ORDER BY e.uid LIMIT 1) x`,
	readEndpoints: `SELECT x.* FROM {v ref uuid} CROSS JOIN LATERAL (
			SELECT ` + endpointColumns + ` FROM {endpoints} e JOIN {status} s ON s.ref = e.ref
			WHERE e.ref = v.ref LIMIT 1) x`,
	readVersions: `SELECT x.* FROM {v ref uuid, version int} CROSS JOIN LATERAL (
		SELECT r.ref, r.version, r.url, r.profile, r.metadata FROM {versions} r
		WHERE r.ref = v.ref AND r.version = v.version LIMIT 1) x`,

	settleDelivered: `WITH g AS (
			DELETE FROM {queue} q
			USING {v n int, event_uid uuid, endpoint_id text, ref uuid, lease_no int, failures int,
				started_at int, duration_us int, status int, truncated int, body bytes}
			CROSS JOIN LATERAL (
				SELECT q.ctid AS at FROM {queue} q
				WHERE ` + postgresInQueue + ` AND q.ref = v.ref ORDER BY q.endpoint_id LIMIT 1) k
			WHERE q.ctid = k.at AND q.lease_no = v.lease_no AND q.leased_until > 0
				AND (SELECT s.failures + s.circuit FROM {status} s WHERE s.ref = v.ref) = 0
			RETURNING v.*, q.version, q.attempts, q.pruned, q.fanout
		), d AS (
			INSERT INTO {deliveries} (` + deliveryColumns + `)
			SELECT g.event_uid, g.endpoint_id, g.ref, g.version, 'succeeded', '', g.lease_no, g.lease_no,
				g.attempts + 1, g.failures, g.pruned, $1, g.status, '' FROM g
		), a AS (
			INSERT INTO {attempts} (` + attemptColumns + `)
			SELECT g.event_uid, g.endpoint_id, g.lease_no, g.ref, g.started_at, g.duration_us, g.status,
				'', '', g.truncated, 0, 0, 0, g.fanout FROM g
		), b AS (
			INSERT INTO {bodies} (event_uid, endpoint_id, lease_no, body)
			SELECT g.event_uid, g.endpoint_id, g.lease_no, g.body FROM g WHERE octet_length(g.body) > 0
		)
		SELECT x.items, y.*
		FROM (SELECT g.ref, string_agg(CAST(g.n AS text), ',') AS items FROM g GROUP BY g.ref) x
		CROSS JOIN LATERAL (
			SELECT ` + statusColumns + ` FROM {status} s WHERE s.ref = x.ref LIMIT 1) y`,
	lockQueue: `SELECT ` + queueRead + ` FROM {v event_uid uuid, endpoint_id text}
		JOIN {queue} q ON q.event_uid = v.event_uid AND q.endpoint_id = v.endpoint_id
		ORDER BY q.event_uid, q.endpoint_id FOR UPDATE OF q`,
	lockDeliveries: `SELECT ` + deliveryRead + ` FROM {v event_uid uuid, endpoint_id text}
		JOIN {deliveries} d ON d.event_uid = v.event_uid AND d.endpoint_id = v.endpoint_id
		ORDER BY d.event_uid, d.endpoint_id FOR UPDATE OF d`,
	lockFreeQueue: `SELECT x.* FROM {v event_uid uuid, endpoint_id text} CROSS JOIN LATERAL (
		SELECT ` + queueRead + ` FROM {queue} q WHERE ` + postgresInQueue + `
		ORDER BY q.endpoint_id LIMIT 1 FOR UPDATE SKIP LOCKED) x`,
	lockFreeDeliveries: `SELECT x.* FROM {v event_uid uuid, endpoint_id text} CROSS JOIN LATERAL (
		SELECT ` + deliveryRead + ` FROM {deliveries} d
		WHERE d.event_uid = v.event_uid AND d.endpoint_id >= v.endpoint_id
			AND d.endpoint_id <= v.endpoint_id
		ORDER BY d.endpoint_id LIMIT 1 FOR UPDATE SKIP LOCKED) x`,
	lockFreeStatus: `SELECT x.* FROM {v ref uuid} CROSS JOIN LATERAL (
		SELECT ` + statusColumns + ` FROM {status} s WHERE s.ref = v.ref LIMIT 1
			FOR UPDATE SKIP LOCKED) x`,
	findRows: `SELECT x.* FROM {v event_uid uuid, endpoint_id text} CROSS JOIN LATERAL (
		(SELECT q.event_uid, q.endpoint_id, q.ref FROM {queue} q WHERE ` + postgresInQueue + `
			ORDER BY q.endpoint_id LIMIT 1)
		UNION ALL (SELECT d.event_uid, d.endpoint_id, d.ref FROM {deliveries} d
			WHERE d.event_uid = v.event_uid AND d.endpoint_id >= v.endpoint_id
				AND d.endpoint_id <= v.endpoint_id
			ORDER BY d.endpoint_id LIMIT 1)) x`,
	findAttempts: `SELECT x.* FROM {v event_uid uuid, endpoint_id text, lease_no int} CROSS JOIN LATERAL (
		SELECT a.event_uid, a.endpoint_id, a.lease_no, a.late FROM {attempts} a
			WHERE a.event_uid = v.event_uid
			AND a.endpoint_id = v.endpoint_id AND a.lease_no >= v.lease_no AND a.lease_no <= v.lease_no
		ORDER BY a.lease_no LIMIT 1) x`,
	deleteQueue: `DELETE FROM {queue} q USING {v event_uid uuid, endpoint_id text}
		` + postgresAt + ` WHERE q.ctid = k.at`,
	deleteDeliveries: `DELETE FROM {deliveries} d USING {v event_uid uuid, endpoint_id text}
		WHERE d.event_uid = v.event_uid AND d.endpoint_id = v.endpoint_id`,
	requeue: `UPDATE {queue} q
		SET lane = v.lane, due_at = v.due_at, lease_no = v.lease_no, leased_until = 0,
			settled_no = v.settled_no, attempts = v.attempts, failures = v.failures, since = v.since,
			waited_us = v.waited_us, reason = v.reason, last_status = v.last_status,
			last_class = v.last_class
		FROM {v ` + requeueFields + `}
		` + postgresAt + ` WHERE q.ctid = k.at`,
	updateStatus: `UPDATE {status} s
		SET version = v.version, state = v.state, reason = v.reason, updated_at = v.updated_at,
			failures = v.failures, failing_since = v.failing_since, last_failure_at = v.last_failure_at,
			recovered_at = v.recovered_at, blocked_until = v.blocked_until, circuit = v.circuit,
			health = v.health, health_since = v.health_since, last_class = v.last_class,
			last_status = v.last_status, holds = v.holds, throttles = v.throttles, rate = v.rate,
			burst = v.burst, rate_at = v.rate_at, told = v.told
		FROM {v ` + statusFields + `} CROSS JOIN LATERAL (
			SELECT s.ctid AS at FROM {status} s WHERE s.ref = v.ref LIMIT 1) k
		WHERE s.ctid = k.at`,
	insertVersions: `INSERT INTO {versions} (ref, version, url, profile, metadata, superseded_at)
		SELECT e.ref, v.version, e.url, e.profile, e.metadata, v.superseded_at
		FROM {v ref uuid, version int, superseded_at int} CROSS JOIN LATERAL (
			SELECT * FROM {endpoints} e WHERE e.ref = v.ref LIMIT 1) e
		ON CONFLICT DO NOTHING`,
}
