package sqlstore

// postgresReplay has the statements of replays. They are planned anew each time.
var postgresReplay = map[op]string{
	deleteReplays: `DELETE FROM {replays} r USING {v id uuid} WHERE r.id = v.id`,
	replayableEndpoints: `SELECT v.ref FROM {v ref uuid} CROSS JOIN LATERAL (
			SELECT 1 FROM {deliveries} d
			WHERE d.ref = v.ref AND d.state = $1 AND d.event_uid >= $2 AND d.event_uid < $3
			ORDER BY d.event_uid LIMIT 1) x`,
	cancelableEndpoints: `SELECT v.ref FROM {v ref uuid} CROSS JOIN LATERAL (
			SELECT 1 FROM {queue} q WHERE q.ref = v.ref AND q.event_uid >= $1 AND q.event_uid < $2
			ORDER BY q.event_uid LIMIT 1) x`,
	holdEvents: `SELECT e.uid FROM {v uid uuid} JOIN {events} e ON e.uid = v.uid
		FOR KEY SHARE OF e SKIP LOCKED`,
	fanEvents:   `UPDATE {events} e SET fanout = 1 FROM {v uid uuid} WHERE e.uid = v.uid`,
	fanQueue:    `UPDATE {queue} q SET fanout = 1 FROM {v uid uuid} WHERE q.event_uid = v.uid`,
	fanAttempts: `UPDATE {attempts} a SET fanout = 1 FROM {v uid uuid} WHERE a.event_uid = v.uid`,
}
