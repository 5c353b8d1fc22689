package sqlstore

// mysqlRecords has the statements of endpoints, lists and housekeeping. The rules of
// mysqlQueue are also its own.
var mysqlRecords = map[op]string{
	countEndpoint: `INSERT INTO {tenants} (tenant, endpoints) VALUES ($1, 1)
		ON DUPLICATE KEY UPDATE endpoints = endpoints + 1`,
	insertSubscriptions: `INSERT INTO {subscriptions} (tenant, pattern, channel, endpoint_id, ref)
		VALUES {tuples}
		ON DUPLICATE KEY UPDATE ref = {subscriptions}.ref`,
	muteSubscriptions: `UPDATE {v ref uuid} STRAIGHT_JOIN {subscriptions} p
		FORCE INDEX (subscriptions_ref) ON p.ref = v.ref SET p.pattern = CONCAT('!', p.pattern)`,
	deleteSubscriptions: `DELETE p FROM {v ref uuid} STRAIGHT_JOIN {subscriptions} p
		FORCE INDEX (subscriptions_ref) ON p.ref = v.ref`,
	lockEndpoint: mysqlPatience + `SELECT` + mysqlHint + `version, rate_at FROM {status} WHERE ref = $1
		FOR UPDATE`,

	eventByID: `SELECT ` + headColumns + ` FROM {events} e
		WHERE e.id_group = ` + mysqlGroup("$1", "$2") + ` AND e.id = $2 AND e.tenant = $1`,
	eventHeads:  `SELECT ` + headColumns + ` FROM {events} e WHERE e.uid IN ({keys})`,
	eventSizes:  `SELECT ` + headColumns + `, length(e.data) FROM {events} e WHERE e.uid IN ({keys})`,
	eventBriefs: `SELECT ` + briefColumns + ` FROM {events} e WHERE e.uid IN ({keys})`,
	deliveriesOf: `{each}(SELECT ` + viewQueue + ` FROM {queue} q
			WHERE q.event_uid = @1 AND q.endpoint_id > @2 ORDER BY q.endpoint_id LIMIT $1)
		UNION ALL (SELECT ` + viewDeliveries + ` FROM {deliveries} d
			WHERE d.event_uid = @1 AND d.endpoint_id > @2 ORDER BY d.endpoint_id LIMIT $1){end}`,
	deliveriesOfSingles: `SELECT ` + viewQueue + ` FROM {queue} q WHERE q.event_uid IN ({keys})
		UNION ALL SELECT ` + viewDeliveries + ` FROM {deliveries} d WHERE d.event_uid IN ({keys})`,
	deliveriesBy: `(SELECT ` + viewQueue + ` FROM {queue} q FORCE INDEX (queue_ref_event)
			WHERE q.ref = $1 AND q.event_uid < $2 AND q.event_uid >= $3
				ORDER BY q.event_uid DESC LIMIT $4)
		UNION ALL (SELECT ` + viewDeliveries + ` FROM {deliveries} d
			WHERE d.ref = $1 AND d.state = 'succeeded' AND d.event_uid < $2 AND d.event_uid >= $3
				ORDER BY d.event_uid DESC LIMIT $4)
		UNION ALL (SELECT ` + viewDeliveries + ` FROM {deliveries} d
			WHERE d.ref = $1 AND d.state = 'failed' AND d.event_uid < $2 AND d.event_uid >= $3
				ORDER BY d.event_uid DESC LIMIT $4)
		UNION ALL (SELECT ` + viewDeliveries + ` FROM {deliveries} d
			WHERE d.ref = $1 AND d.state = 'canceled' AND d.event_uid < $2 AND d.event_uid >= $3
				ORDER BY d.event_uid DESC LIMIT $4)`,
	failedAttempts: `SELECT ` + attemptKeys + ` FROM {attempts} FORCE INDEX (attempts_failed)
		WHERE failed_at <= $1 AND failed_at >= $2
			AND (failed_at < $1 OR event_uid < $3
				OR event_uid = $3 AND (endpoint_id < $4 OR endpoint_id = $4 AND lease_no < $5))
		ORDER BY failed_at DESC, event_uid DESC, endpoint_id DESC, lease_no DESC LIMIT $6`,
	attemptDetails: `SELECT ` + detailColumns + ` FROM {attempts} a
		WHERE (a.event_uid, a.endpoint_id, a.lease_no) IN ({keys})`,
	bodySizes: `SELECT ` + bodyColumns + `, length(b.body) FROM {bodies} b
		WHERE (b.event_uid, b.endpoint_id, b.lease_no) IN ({keys})`,
	attemptBodies: `SELECT ` + bodyColumns + `, b.body FROM {bodies} b
		WHERE (b.event_uid, b.endpoint_id, b.lease_no) IN ({keys})`,
	countStats:   statsSQL,
	countBacklog: backlogSQL,

	oldAttempts: `SELECT event_uid, endpoint_id, lease_no FROM {attempts} FORCE INDEX (PRIMARY)
		WHERE event_uid >= $1 AND event_uid < $2 ORDER BY event_uid, endpoint_id, lease_no LIMIT $3`,
	pruneRefs: `SELECT ref FROM {queue} WHERE ref > $1 GROUP BY ref LIMIT $2`,
	pruneQueue: `SELECT ` + queueRead + ` FROM {queue} q FORCE INDEX (queue_ref_event)
		WHERE q.ref = $1 AND q.leased_until <= $2
		ORDER BY q.event_uid LIMIT $3 FOR UPDATE SKIP LOCKED`,
	lockEvents: `SELECT e.uid FROM {v uid uuid} STRAIGHT_JOIN {events} e
		FORCE INDEX (PRIMARY) ON e.uid = v.uid FOR UPDATE SKIP LOCKED`,
	shareEvents: mysqlPatience + `SELECT` + mysqlHint + `e.uid FROM {v uid uuid}
		STRAIGHT_JOIN {events} e FORCE INDEX (PRIMARY) ON e.uid = v.uid LOCK IN SHARE MODE`,
	openEvents: `SELECT DISTINCT event_uid FROM {queue} WHERE event_uid IN ({keys})
		UNION SELECT event_uid FROM {outbox} WHERE event_uid IN ({keys})`,
	deleteDeliveriesOf: mysqlAtOnce + `DELETE` + mysqlHint + `d FROM {v uid uuid}
		STRAIGHT_JOIN {deliveries} d FORCE INDEX (PRIMARY) ON d.event_uid = v.uid`,
	deleteAttemptsOf: mysqlAtOnce + `DELETE` + mysqlHint + `a FROM {v uid uuid}
		STRAIGHT_JOIN {attempts} a FORCE INDEX (PRIMARY) ON a.event_uid = v.uid`,
	deleteBodiesOf: mysqlAtOnce + `DELETE` + mysqlHint + `b FROM {v uid uuid} STRAIGHT_JOIN {bodies} b
		FORCE INDEX (PRIMARY) ON b.event_uid = v.uid`,
	freeAttempts: `SELECT a.event_uid, a.endpoint_id, a.lease_no
		FROM {v event_uid uuid, endpoint_id text, lease_no int} STRAIGHT_JOIN {attempts} a
			FORCE INDEX (PRIMARY)
		ON a.event_uid = v.event_uid AND a.endpoint_id = v.endpoint_id AND a.lease_no = v.lease_no
		FOR UPDATE SKIP LOCKED`,
	freeBodies: `SELECT b.event_uid, b.endpoint_id, b.lease_no
		FROM {v event_uid uuid, endpoint_id text, lease_no int} STRAIGHT_JOIN {bodies} b
			FORCE INDEX (PRIMARY)
		ON b.event_uid = v.event_uid AND b.endpoint_id = v.endpoint_id AND b.lease_no = v.lease_no
		FOR UPDATE SKIP LOCKED`,
	deleteOutboxOf: `DELETE o FROM {v uid uuid} STRAIGHT_JOIN {outbox} o
		FORCE INDEX (PRIMARY) ON o.event_uid = v.uid`,
	deleteAttempts: `DELETE a FROM {v event_uid uuid, endpoint_id text, lease_no int}
		STRAIGHT_JOIN {attempts} a FORCE INDEX (PRIMARY)
		ON a.event_uid = v.event_uid AND a.endpoint_id = v.endpoint_id AND a.lease_no = v.lease_no`,
	deleteBodies: `DELETE b FROM {v event_uid uuid, endpoint_id text, lease_no int}
		STRAIGHT_JOIN {bodies} b FORCE INDEX (PRIMARY)
		ON b.event_uid = v.event_uid AND b.endpoint_id = v.endpoint_id AND b.lease_no = v.lease_no`,
	insertRemovals: `INSERT INTO {removals} (event_uid, tenant) VALUES {tuples}`,
	freeDeliveriesOf: `SELECT d.event_uid, d.endpoint_id FROM {v uid uuid} STRAIGHT_JOIN {deliveries} d
		FORCE INDEX (PRIMARY) ON d.event_uid = v.uid LIMIT $1
		FOR UPDATE SKIP LOCKED`,
	freeAttemptsOf: `SELECT a.event_uid, a.endpoint_id, a.lease_no FROM {v uid uuid}
		STRAIGHT_JOIN {attempts} a FORCE INDEX (PRIMARY) ON a.event_uid = v.uid LIMIT $1
		FOR UPDATE SKIP LOCKED`,
	freeBodiesOf: `SELECT b.event_uid, b.endpoint_id, b.lease_no FROM {v uid uuid}
		STRAIGHT_JOIN {bodies} b FORCE INDEX (PRIMARY) ON b.event_uid = v.uid LIMIT $1
		FOR UPDATE SKIP LOCKED`,
	deliveriesOfRemovals: `SELECT d.event_uid, d.endpoint_id FROM {v uid uuid}
		STRAIGHT_JOIN {deliveries} d FORCE INDEX (PRIMARY) ON d.event_uid = v.uid LIMIT $1`,
	withDeliveries: `SELECT DISTINCT v.uid FROM {v uid uuid} STRAIGHT_JOIN {deliveries} d
		FORCE INDEX (PRIMARY) ON d.event_uid = v.uid`,
	withAttempts: `SELECT DISTINCT v.uid FROM {v uid uuid} STRAIGHT_JOIN {attempts} a
		FORCE INDEX (PRIMARY) ON a.event_uid = v.uid`,
	withBodies: `SELECT DISTINCT v.uid FROM {v uid uuid} STRAIGHT_JOIN {bodies} b
		FORCE INDEX (PRIMARY) ON b.event_uid = v.uid`,
	bodiesOf: `SELECT b.event_uid, b.endpoint_id, b.lease_no FROM {v uid uuid}
		STRAIGHT_JOIN {bodies} b FORCE INDEX (PRIMARY) ON b.event_uid = v.uid LIMIT $1`,
	attemptsOf: `SELECT a.event_uid, a.endpoint_id, a.lease_no FROM {v uid uuid}
		STRAIGHT_JOIN {attempts} a FORCE INDEX (PRIMARY) ON a.event_uid = v.uid LIMIT $1`,
	queueOf: `SELECT q.event_uid, q.endpoint_id FROM {v uid uuid} STRAIGHT_JOIN {queue} q
		FORCE INDEX (PRIMARY) ON q.event_uid = v.uid LIMIT $1`,
	deleteRemovals: `DELETE r FROM {v uid uuid} STRAIGHT_JOIN {removals} r
		FORCE INDEX (PRIMARY) ON r.event_uid = v.uid`,
	addPruned: `UPDATE {v event_uid uuid, endpoint_id text, pruned int}
		STRAIGHT_JOIN {deliveries} d FORCE INDEX (PRIMARY)
		ON d.event_uid = v.event_uid AND d.endpoint_id = v.endpoint_id
		SET d.pruned = d.pruned + v.pruned`,
	eventsOfTenant: mysqlPatience + `SELECT` + mysqlHint + `uid FROM {events}
		FORCE INDEX (events_tenant_uid)
		WHERE tenant = $1 ORDER BY uid LIMIT $2 FOR UPDATE`,
	expiredSecrets: `SELECT e.ref, e.secrets FROM {endpoints} e FORCE INDEX (endpoints_secret)
		STRAIGHT_JOIN {status} s FORCE INDEX (PRIMARY) ON s.ref = e.ref
		WHERE e.secret_expires_at > 0 AND e.secret_expires_at <= $1
		ORDER BY e.secret_expires_at LIMIT $2 FOR UPDATE SKIP LOCKED`,
	updateSecrets: `UPDATE {v ref uuid, secrets text, expires_at int} STRAIGHT_JOIN {endpoints} e
		FORCE INDEX (PRIMARY) ON e.ref = v.ref
		SET e.secrets = v.secrets, e.secret_expires_at = v.expires_at`,
	freeVersions: `SELECT r.ref, r.version FROM {v ref uuid, version int}
		STRAIGHT_JOIN {versions} r FORCE INDEX (PRIMARY) ON r.ref = v.ref AND r.version = v.version
		FOR UPDATE SKIP LOCKED`,
	dropVersions: `DELETE r FROM {v ref uuid, version int} STRAIGHT_JOIN {versions} r
		FORCE INDEX (PRIMARY) ON r.ref = v.ref AND r.version = v.version`,
}
