package sqlstore

// mysqlReplay has the statements of replays.
var mysqlReplay = map[op]string{
	listReplays: `SELECT ` + columnsOf(replayFields) + ` FROM {replays} FORCE INDEX (replays_tenant)
		WHERE tenant = $1 AND id < $2 ORDER BY id DESC LIMIT $3`,
	deleteReplays: `DELETE r FROM {v id uuid} STRAIGHT_JOIN {replays} r
		FORCE INDEX (PRIMARY) ON r.id = v.id`,
	lockReplays: mysqlPatience + `SELECT` + mysqlHint + `used_at FROM {locks} FORCE INDEX (PRIMARY)
		WHERE name = 'replay' FOR UPDATE`,
	lockReplay: mysqlPatience + `SELECT` + mysqlHint + columnsOf(replayFields) + `
		FROM {replays} FORCE INDEX (PRIMARY) WHERE id = $1 FOR UPDATE`,
	takeReplay: `SELECT ` + columnsOf(replayFields) + ` FROM {replays} FORCE INDEX (replays_due)
		WHERE state = 'running' AND due_at <= $1 ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED`,
	endedReplays: `SELECT id FROM {replays} FORCE INDEX (replays_due)
		WHERE state = $1 AND due_at < $2 ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED`,
	replaysOfTenant: mysqlPatience + `SELECT` + mysqlHint + `id
		FROM {replays} FORCE INDEX (replays_tenant)
		WHERE tenant = $1 ORDER BY id LIMIT $2 FOR UPDATE`,
	replayableEndpoints: `{each}(SELECT d.ref FROM {deliveries} d FORCE INDEX (deliveries_ref_state)
		WHERE d.ref = @1 AND d.state = $1 AND d.event_uid >= $2 AND d.event_uid < $3
		ORDER BY d.event_uid LIMIT 1){end}`,
	cancelableEndpoints: `{each}(SELECT q.ref FROM {queue} q FORCE INDEX (queue_ref_event)
		WHERE q.ref = @1 AND q.event_uid >= $1 AND q.event_uid < $2 ORDER BY q.event_uid LIMIT 1){end}`,
	replayFinished: `SELECT d.event_uid, d.finished_at, COALESCE(e.id, ''), COALESCE(e.type, ''),
			COALESCE(e.created_at, 0)
		FROM (SELECT event_uid, finished_at FROM {deliveries} FORCE INDEX (deliveries_ref_state)
			WHERE ref = $1 AND state = $2 AND event_uid >= $3 AND event_uid < $4
			ORDER BY event_uid LIMIT $5) d
		LEFT JOIN {events} e FORCE INDEX (PRIMARY) ON e.uid = d.event_uid`,
	replayPending: `SELECT q.event_uid, q.since, COALESCE(e.id, ''), COALESCE(e.type, ''),
			COALESCE(e.created_at, 0)
		FROM (SELECT event_uid, since FROM {queue} FORCE INDEX (queue_ref_event)
			WHERE ref = $1 AND event_uid >= $2 AND event_uid < $3 ORDER BY event_uid LIMIT $4) q
		LEFT JOIN {events} e FORCE INDEX (PRIMARY) ON e.uid = q.event_uid`,
	replayMissed: `SELECT e.uid, e.id, e.type, e.channel, e.created_at, e.test,
			CASE WHEN (SELECT 1 FROM {queue} q FORCE INDEX (PRIMARY)
					WHERE q.event_uid = e.uid AND q.endpoint_id = $2 LIMIT 1) IS NOT NULL
				OR (SELECT 1 FROM {deliveries} d FORCE INDEX (PRIMARY)
					WHERE d.event_uid = e.uid AND d.endpoint_id = $2 LIMIT 1) IS NOT NULL
				OR (SELECT 1 FROM {outbox} o FORCE INDEX (PRIMARY)
					WHERE o.event_uid = e.uid LIMIT 1) IS NOT NULL
			THEN 1 ELSE 0 END
		FROM (SELECT uid, id, type, channel, created_at, test FROM {events} FORCE INDEX (events_tenant_uid)
			WHERE tenant = $1 AND uid >= $3 AND uid < $4 ORDER BY uid LIMIT $5) e`,
	holdEvents: `SELECT e.uid FROM {v uid uuid} STRAIGHT_JOIN {events} e
		FORCE INDEX (PRIMARY) ON e.uid = v.uid FOR UPDATE SKIP LOCKED`,
	fanEvents: `UPDATE {v uid uuid} STRAIGHT_JOIN {events} e FORCE INDEX (PRIMARY)
		ON e.uid = v.uid SET e.fanout = 1`,
	fanQueue: `UPDATE {v uid uuid} STRAIGHT_JOIN {queue} q FORCE INDEX (PRIMARY)
		ON q.event_uid = v.uid SET q.fanout = 1`,
	fanAttempts: `UPDATE {v uid uuid} STRAIGHT_JOIN {attempts} a FORCE INDEX (PRIMARY)
		ON a.event_uid = v.uid SET a.fanout = 1`,
}
