package sqlstore

// postgresRecords has the statements of endpoints, lists and housekeeping. They are
// planned anew each time.
var postgresRecords = map[op]string{
	countEndpoint: `INSERT INTO {tenants} AS t (tenant, endpoints) VALUES ($1, 1)
		ON CONFLICT (tenant) DO UPDATE SET endpoints = t.endpoints + 1`,
	insertSubscriptions: `INSERT INTO {subscriptions} (tenant, pattern, channel, endpoint_id, ref)
		SELECT tenant, pattern, channel, endpoint_id, ref
		FROM {v tenant text, pattern text, channel text, endpoint_id text, ref uuid}
			ON CONFLICT DO NOTHING`,
	muteSubscriptions: `UPDATE {subscriptions} p SET pattern = '!' || p.pattern
		WHERE p.ctid = ANY (ARRAY(SELECT k.at FROM {v ref uuid} CROSS JOIN LATERAL (
			SELECT p.ctid AS at FROM {subscriptions} p WHERE p.ref = v.ref OFFSET 0) k))`,
	deleteSubscriptions: `DELETE FROM {subscriptions} p WHERE p.ctid = ANY (ARRAY(
			SELECT k.at FROM {v ref uuid} CROSS JOIN LATERAL (
				SELECT p.ctid AS at FROM {subscriptions} p WHERE p.ref = v.ref OFFSET 0) k))`,

	eventHeads: `SELECT ` + headColumns + ` FROM {v uid uuid} JOIN {events} e ON e.uid = v.uid`,
	eventSizes: `SELECT ` + headColumns + `, octet_length(e.data) FROM {v uid uuid}
		JOIN {events} e ON e.uid = v.uid`,
	eventBriefs: `SELECT ` + briefColumns + ` FROM {v uid uuid} JOIN {events} e ON e.uid = v.uid`,
	deliveriesOf: `SELECT x.* FROM {v event_uid uuid, after text} CROSS JOIN LATERAL (
			(SELECT ` + viewQueue + ` FROM {queue} q
				WHERE q.event_uid = v.event_uid AND q.endpoint_id > v.after
					ORDER BY q.endpoint_id LIMIT $1)
		UNION ALL (SELECT ` + viewDeliveries + ` FROM {deliveries} d
				WHERE d.event_uid = v.event_uid AND d.endpoint_id > v.after
					ORDER BY d.endpoint_id LIMIT $1)) x`,
	deliveriesOfSingles: `SELECT x.* FROM {v event_uid uuid} CROSS JOIN LATERAL (
			(SELECT ` + viewQueue + ` FROM {queue} q WHERE q.event_uid = v.event_uid LIMIT 1)
			UNION ALL
			(SELECT ` + viewDeliveries + ` FROM {deliveries} d
				WHERE d.event_uid = v.event_uid LIMIT 1)) x`,
	deliveriesBy: `(SELECT ` + viewQueue + ` FROM {queue} q
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
	attemptDetails: `SELECT ` + detailColumns + ` FROM {v event_uid uuid, endpoint_id text, lease_no int}
		JOIN {attempts} a
			ON a.event_uid = v.event_uid AND a.endpoint_id = v.endpoint_id AND a.lease_no = v.lease_no`,
	bodySizes: `SELECT ` + bodyColumns + `, octet_length(b.body)
		FROM {v event_uid uuid, endpoint_id text, lease_no int}
		JOIN {bodies} b
			ON b.event_uid = v.event_uid AND b.endpoint_id = v.endpoint_id AND b.lease_no = v.lease_no`,
	attemptBodies: `SELECT ` + bodyColumns + `, b.body
		FROM {v event_uid uuid, endpoint_id text, lease_no int}
		JOIN {bodies} b
			ON b.event_uid = v.event_uid AND b.endpoint_id = v.endpoint_id AND b.lease_no = v.lease_no`,
	countStats:   statsSQL,
	countBacklog: backlogSQL,

	pruneRefs: `WITH RECURSIVE l AS (
			(SELECT ref, 1 AS n FROM {queue} WHERE ref > $1 ORDER BY ref LIMIT 1)
			UNION ALL
			SELECT x.ref, l.n + 1 FROM l CROSS JOIN LATERAL (
				SELECT q.ref FROM {queue} q WHERE q.ref > l.ref ORDER BY q.ref LIMIT 1) x
			WHERE l.n < $2
		) SELECT ref FROM l`,
	pruneQueue: `SELECT ` + queueRead + ` FROM {queue} q WHERE q.ref = $1 AND q.leased_until <= $2
		ORDER BY q.event_uid LIMIT $3 FOR UPDATE SKIP LOCKED`,
	lockEvents: `SELECT e.uid FROM {v uid uuid} JOIN {events} e ON e.uid = v.uid
		FOR UPDATE OF e SKIP LOCKED`,
	shareEvents: `SELECT e.uid FROM {v uid uuid} JOIN {events} e ON e.uid = v.uid ORDER BY e.uid
		FOR KEY SHARE OF e`,
	openEvents: `SELECT v.uid FROM {v uid uuid} CROSS JOIN LATERAL (
		(SELECT 1 FROM {queue} q WHERE q.event_uid = v.uid LIMIT 1)
		UNION ALL (SELECT 1 FROM {outbox} o WHERE o.event_uid = v.uid LIMIT 1)) x`,
	deleteDeliveriesOf: `DELETE FROM {deliveries} d USING {v uid uuid} WHERE d.event_uid = v.uid`,
	deleteAttemptsOf:   `DELETE FROM {attempts} a USING {v uid uuid} WHERE a.event_uid = v.uid`,
	deleteBodiesOf:     `DELETE FROM {bodies} b USING {v uid uuid} WHERE b.event_uid = v.uid`,
	freeAttempts: `SELECT a.event_uid, a.endpoint_id, a.lease_no
		FROM {v event_uid uuid, endpoint_id text, lease_no int}
		JOIN {attempts} a
			ON a.event_uid = v.event_uid AND a.endpoint_id = v.endpoint_id AND a.lease_no = v.lease_no
		FOR UPDATE OF a SKIP LOCKED`,
	freeBodies: `SELECT b.event_uid, b.endpoint_id, b.lease_no
		FROM {v event_uid uuid, endpoint_id text, lease_no int}
		JOIN {bodies} b
			ON b.event_uid = v.event_uid AND b.endpoint_id = v.endpoint_id AND b.lease_no = v.lease_no
		FOR UPDATE OF b SKIP LOCKED`,
	deleteOutboxOf: `DELETE FROM {outbox} o USING {v uid uuid} WHERE o.event_uid = v.uid`,
	deleteAttempts: `DELETE FROM {attempts} a USING {v event_uid uuid, endpoint_id text, lease_no int}
		WHERE a.event_uid = v.event_uid AND a.endpoint_id = v.endpoint_id AND a.lease_no = v.lease_no`,
	deleteBodies: `DELETE FROM {bodies} b USING {v event_uid uuid, endpoint_id text, lease_no int}
		WHERE b.event_uid = v.event_uid AND b.endpoint_id = v.endpoint_id AND b.lease_no = v.lease_no`,
	insertRemovals: `INSERT INTO {removals} (event_uid, tenant)
		SELECT event_uid, tenant FROM {v event_uid uuid, tenant text}`,
	freeDeliveriesOf: `SELECT d.event_uid, d.endpoint_id FROM {v uid uuid}
		JOIN {deliveries} d ON d.event_uid = v.uid LIMIT $1 FOR UPDATE OF d SKIP LOCKED`,
	freeAttemptsOf: `SELECT a.event_uid, a.endpoint_id, a.lease_no FROM {v uid uuid}
		JOIN {attempts} a ON a.event_uid = v.uid LIMIT $1 FOR UPDATE OF a SKIP LOCKED`,
	freeBodiesOf: `SELECT b.event_uid, b.endpoint_id, b.lease_no FROM {v uid uuid}
		JOIN {bodies} b ON b.event_uid = v.uid LIMIT $1 FOR UPDATE OF b SKIP LOCKED`,
	deliveriesOfRemovals: `SELECT d.event_uid, d.endpoint_id FROM {v uid uuid}
		JOIN {deliveries} d ON d.event_uid = v.uid LIMIT $1`,
	withDeliveries: `SELECT v.uid FROM {v uid uuid} CROSS JOIN LATERAL (
			SELECT 1 FROM {deliveries} d WHERE d.event_uid = v.uid LIMIT 1) x`,
	withAttempts: `SELECT v.uid FROM {v uid uuid} CROSS JOIN LATERAL (
			SELECT 1 FROM {attempts} a WHERE a.event_uid = v.uid LIMIT 1) x`,
	withBodies: `SELECT v.uid FROM {v uid uuid} CROSS JOIN LATERAL (
			SELECT 1 FROM {bodies} b WHERE b.event_uid = v.uid LIMIT 1) x`,
	bodiesOf: `SELECT b.event_uid, b.endpoint_id, b.lease_no FROM {v uid uuid}
		JOIN {bodies} b ON b.event_uid = v.uid LIMIT $1`,
	attemptsOf: `SELECT a.event_uid, a.endpoint_id, a.lease_no FROM {v uid uuid}
		JOIN {attempts} a ON a.event_uid = v.uid LIMIT $1`,
	queueOf: `SELECT q.event_uid, q.endpoint_id FROM {v uid uuid}
		JOIN {queue} q ON q.event_uid = v.uid LIMIT $1`,
	deleteRemovals: `DELETE FROM {removals} r USING {v uid uuid} WHERE r.event_uid = v.uid`,
	addPruned: `UPDATE {deliveries} d SET pruned = d.pruned + v.pruned
		FROM {v event_uid uuid, endpoint_id text, pruned int}
		WHERE d.event_uid = v.event_uid AND d.endpoint_id = v.endpoint_id`,
	expiredSecrets: `SELECT e.ref, e.secrets FROM {endpoints} e JOIN {status} s ON s.ref = e.ref
		WHERE e.secret_expires_at > 0 AND e.secret_expires_at <= $1
		ORDER BY e.secret_expires_at LIMIT $2 FOR UPDATE OF e, s SKIP LOCKED`,
	updateSecrets: `UPDATE {endpoints} e SET secrets = v.secrets, secret_expires_at = v.expires_at
		FROM {v ref uuid, secrets text, expires_at int} WHERE e.ref = v.ref`,
	freeVersions: `SELECT r.ref, r.version FROM {v ref uuid, version int}
		JOIN {versions} r ON r.ref = v.ref AND r.version = v.version FOR UPDATE OF r SKIP LOCKED`,
	dropVersions: `DELETE FROM {versions} r USING {v ref uuid, version int}
		WHERE r.ref = v.ref AND r.version = v.version`,
}
