package sqlstore

// sqliteReplay has the statements of replays.
var sqliteReplay = map[op]string{
	deleteReplays: `DELETE FROM {replays} WHERE id IN (VALUES {tuples})`,
	lockReplays:   `SELECT used_at FROM {locks} WHERE name = 'replay'`,
	lockReplay:    `SELECT ` + columnsOf(replayFields) + ` FROM {replays} WHERE id = $1`,
	takeReplay: `SELECT ` + columnsOf(replayFields) + ` FROM {replays}
		WHERE state = 'running' AND due_at <= $1 ORDER BY due_at LIMIT 1`,
	endedReplays:    `SELECT id FROM {replays} WHERE state = $1 AND due_at < $2 ORDER BY due_at LIMIT $3`,
	replaysOfTenant: `SELECT id FROM {replays} WHERE tenant = $1 ORDER BY id LIMIT $2`,
	replayableEndpoints: `{each}SELECT * FROM (
			SELECT d.ref FROM {deliveries} d
			WHERE d.ref = @1 AND d.state = $1 AND d.event_uid >= $2 AND d.event_uid < $3
			ORDER BY d.event_uid LIMIT 1){end}`,
	cancelableEndpoints: `{each}SELECT * FROM (
			SELECT q.ref FROM {queue} q WHERE q.ref = @1 AND q.event_uid >= $1 AND q.event_uid < $2
			ORDER BY q.event_uid LIMIT 1){end}`,
	holdEvents:  `SELECT e.uid FROM {events} e WHERE e.uid IN (VALUES {tuples})`,
	fanEvents:   `UPDATE {events} SET fanout = 1 WHERE uid IN (VALUES {tuples})`,
	fanQueue:    `UPDATE {queue} SET fanout = 1 WHERE event_uid IN (VALUES {tuples})`,
	fanAttempts: `UPDATE {attempts} SET fanout = 1 WHERE event_uid IN (VALUES {tuples})`,
}
