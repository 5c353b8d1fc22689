package sqlstore

import (
	"strconv"
	"strings"
)

// The statements of the dialects.
const (
	// Publishing.
	insertEvents    op = iota // only events that are not stored yet
	insertNewAtOnce           // insertNew without waiting for other transactions; MySQL only
	publishNew                // new events with rows of the queue; PostgreSQL only
	findEvents
	deleteEvents
	insertOutbox
	insertQueue
	insertDeliveries
	insertAttempts
	insertBodies
	match
	matchFew // also returns disabled endpoints; complete if it returns fewer rows than its limit; not MySQL

	// In the caller's transaction.
	insertEvent // with its outbox row; MySQL and SQLite: without
	insertNew   // the same for many new events
	sameEvent
	insertNotice // an operational event
	insertOutboxRow
	deleteEvent
	deleteOutbox

	// Claiming.
	anythingDue
	dueAfter
	dueOutbox
	moveOutbox
	widen // makes the next deliveries of one event; PostgreSQL only
	eventsOfOutbox
	wakeDue       // moves due deliveries to their lanes; PostgreSQL only
	dueDeliveries // with wakeDeliveries, the same in two statements; not PostgreSQL
	wakeDeliveries
	readyLanes
	openLanes // parked lanes that rounds visit
	freeLanes // parked lanes that are not closed any more
	readLanes // readStatus with the mark of the parked lane
	lockLanes
	markLanes
	readyInLanes
	filledLanes
	moveDeliveries
	readStatus
	freeProbes
	takeProbes
	dropProbe
	takeRates
	pickDeliveries
	leaseDeliveries // moves them out of their lanes
	leaseInLane     // leaves them in their lanes
	rebindDeliveries
	readEvents
	readEndpoints
	readVersions

	// Settling.
	settleDelivered // settles plain successes completely; PostgreSQL only
	lockQueue
	lockDeliveries
	lockFreeQueue      // rows that no other transaction holds
	lockFreeDeliveries // likewise
	lockFreeStatus     // likewise
	findRows           // deliveries, in either table
	findAttempts
	deleteQueue
	deleteDeliveries
	requeue
	updateStatus
	insertVersions

	// Endpoints.
	countEndpoint
	uncountEndpoint
	forgetTenant
	tenantEndpoints
	endpointUsed
	insertEndpoint
	insertStatus
	insertSubscriptions
	muteSubscriptions // of endpoints that are disabled
	deleteSubscriptions
	updateEndpoint
	deleteEndpoint
	deleteStatus
	deleteVersions
	lockEndpoint
	listEndpoints
	listAllEndpoints
	listFailing
	countEndpoints

	// Lists.
	eventByID
	listEvents
	listAllEvents
	eventHeads
	eventSizes  // eventHeads with the size of the data
	eventBriefs // readEvents without header and data
	deliveriesOf
	deliveriesOfSingles // of events with one delivery each
	deliveriesBy
	deliveryOf
	attemptsOfEndpoint
	attemptsOfFanout
	attemptsOfEvent
	attemptsOfDelivery
	failedAttempts
	attemptDetails
	bodySizes
	attemptBodies
	countStats
	countBacklog

	// Housekeeping.
	lockPruner
	usePruner
	pruneRefs
	pruneQueue
	lockDisabled
	statusOfRef
	oldEvents
	oldAttempts
	oldBodies
	lockEvents
	openEvents
	countDeliveries
	countAttempts
	deleteDeliveriesOf // without waiting for other transactions, see pruner.plain
	deleteAttemptsOf   // likewise
	deleteBodiesOf     // likewise
	freeAttempts       // not held by another transaction; not SQLite
	freeBodies         // likewise
	deleteAttempts
	deleteBodies
	insertRemovals
	freeRemovals
	removalsOfTenant
	freeDeliveriesOf // not held by another transaction
	freeAttemptsOf   // likewise
	freeBodiesOf     // likewise
	deliveriesOfRemovals
	attemptsOf
	bodiesOf
	withDeliveries
	withAttempts
	withBodies
	deleteRemovals
	addPruned
	oldVersions
	oldestOfLane
	expiredSecrets // of endpoints that no other transaction holds
	updateSecrets
	freeVersions // not held by another transaction
	dropVersions
	eventsOfTenant
	refsOfTenant
	queueOf
	deleteOutboxOf
	shareEvents
	deleteTenant

	// Replays.
	lockReplays // so that one call at a time creates a replay
	openReplays
	insertReplay
	updateReplay
	postponeReplay
	replayByID
	lockReplay
	dueReplay
	takeReplay // that no other transaction holds
	listReplays
	listAllReplays
	endedReplays // that no other transaction holds
	replaysOfTenant
	deleteReplays
	replayEndpoints
	replayAllEndpoints
	replayableEndpoints // with finished deliveries of a state
	cancelableEndpoints // with pending deliveries
	replayFinished
	replayPending
	replayMissed
	holdEvents // that no other transaction changes
	fanEvents  // marks events that get a second delivery
	fanQueue
	fanAttempts

	schemaVersion
	opCount
)

// everywhere has the statements that are the same in every dialect.
var everywhere = map[op]string{
	sameEvent:       `UPDATE {events} SET dup = dup + 1 WHERE tenant = $1 AND id = $2 AND content_hash = $3`,
	insertNotice:    `INSERT INTO {events} (` + eventInsert + `, about) VALUES (` + parametersOf(eventFields) + `, $15)`,
	insertOutboxRow: `INSERT INTO {outbox} (event_uid, due_at) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
	deleteEvent:     `DELETE FROM {events} WHERE uid = $1`,
	deleteOutbox:    `DELETE FROM {outbox} WHERE event_uid = $1`,
	moveOutbox:      `UPDATE {outbox} SET after_endpoint = $2, due_at = $3 WHERE event_uid = $1`,

	dropProbe: `UPDATE {status} SET blocked_until = $2 WHERE ref = $1`,

	uncountEndpoint: `UPDATE {tenants} SET endpoints = endpoints - 1 WHERE tenant = $1`,
	forgetTenant:    `DELETE FROM {tenants} WHERE tenant = $1 AND endpoints <= 0`,
	tenantEndpoints: `SELECT endpoints FROM {tenants} WHERE tenant = $1`,
	endpointUsed: `SELECT EXISTS (SELECT 1 FROM {queue} WHERE ref = $1),
		EXISTS (SELECT 1 FROM {deliveries} WHERE ref = $1),
		EXISTS (SELECT 1 FROM {endpoints} WHERE ref = $1)`,
	insertEndpoint: `INSERT INTO {endpoints} (ref, tenant, id, created_at, url, description, events, channel,
		profile,
			metadata, header, secrets, timeout_us, max_in_flight, secret_expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)`,
	insertStatus: `INSERT INTO {status} (ref, tenant, id, version, state, reason, updated_at, failures,
		failing_since,
			last_failure_at, recovered_at, blocked_until, circuit, health, health_since, last_class,
			last_status, holds, throttles, rate, burst, rate_at, told)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
			$21, $22, $23)`,
	updateEndpoint: `UPDATE {endpoints} SET url = $2, description = $3, events = $4, channel = $5,
		profile = $6,
			metadata = $7, header = $8, secrets = $9, timeout_us = $10, max_in_flight = $11,
			secret_expires_at = $12
		WHERE ref = $1`,
	deleteEndpoint: `DELETE FROM {endpoints} WHERE ref = $1`,
	deleteStatus:   `DELETE FROM {status} WHERE ref = $1`,
	deleteVersions: `DELETE FROM {versions} WHERE ref = $1`,
	lockEndpoint:   `SELECT version, rate_at FROM {status} WHERE ref = $1 FOR UPDATE`,
	listEndpoints: `SELECT ` + endpointColumns + ` FROM {endpoints} e JOIN {status} s ON s.ref = e.ref
		WHERE e.tenant = $1 AND e.id > $2 ORDER BY e.id LIMIT $3`,
	listAllEndpoints: `SELECT ` + endpointColumns + ` FROM {endpoints} e JOIN {status} s ON s.ref = e.ref
		WHERE e.tenant >= $1 AND (e.tenant > $1 OR e.id > $2) ORDER BY e.tenant, e.id LIMIT $3`,

	listFailing: `SELECT ` + endpointColumns + ` FROM {status} s JOIN {endpoints} e ON e.ref = s.ref
		WHERE s.failing_since > 0 AND s.failing_since >= $1 AND (s.failing_since > $1 OR s.ref > $2)
			AND s.health <> '' AND s.state <> 'disabled'
		ORDER BY s.failing_since, s.ref LIMIT $3`,
	countEndpoints: `SELECT state, CASE WHEN health = '' THEN 0 ELSE 1 END AS failing, count(*)
		FROM {status} GROUP BY 1, 2`,

	eventByID: `SELECT ` + headColumns + ` FROM {events} e WHERE e.tenant = $1 AND e.id = $2`,
	listEvents: `SELECT ` + headColumns + ` FROM {events} e WHERE e.tenant = $1 AND e.uid < $2 AND e.uid >= $3
		ORDER BY e.uid DESC LIMIT $4`,
	listAllEvents: `SELECT ` + headColumns + ` FROM {events} e WHERE e.uid < $1 AND e.uid >= $2
		ORDER BY e.uid DESC LIMIT $3`,
	deliveryOf: `SELECT ` + viewQueue + ` FROM {queue} q
		WHERE q.event_uid = $1 AND q.endpoint_id = $2
		UNION ALL
		SELECT ` + viewDeliveries + ` FROM {deliveries} d
		WHERE d.event_uid = $1 AND d.endpoint_id = $2`,
	attemptsOfEndpoint: `SELECT ` + attemptKeys + ` FROM {attempts}
		WHERE ref = $1 AND started_at <= $2 AND started_at >= $3
			AND (started_at < $2 OR event_uid < $4 OR event_uid = $4 AND lease_no < $5)
		ORDER BY started_at DESC, event_uid DESC, lease_no DESC LIMIT $6`,
	attemptsOfFanout: `SELECT ` + attemptKeys + ` FROM {attempts}
		WHERE event_uid = $1 AND fanout = 1 AND started_at <= $2 AND started_at >= $3
			AND (started_at < $2 OR endpoint_id < $4 OR endpoint_id = $4 AND lease_no < $5)
		ORDER BY started_at DESC, endpoint_id DESC, lease_no DESC LIMIT $6`,
	attemptsOfEvent: `SELECT ` + attemptKeys + ` FROM {attempts}
		WHERE event_uid = $1 AND started_at <= $2 AND started_at >= $3
			AND (started_at < $2 OR endpoint_id < $4 OR endpoint_id = $4 AND lease_no < $5)
		ORDER BY started_at DESC, endpoint_id DESC, lease_no DESC LIMIT $6`,
	attemptsOfDelivery: `SELECT ` + attemptKeys + ` FROM {attempts}
		WHERE event_uid = $1 AND endpoint_id = $4 AND started_at <= $2 AND started_at >= $3
			AND (started_at < $2 OR lease_no < $5)
		ORDER BY started_at DESC, lease_no DESC LIMIT $6`,
	failedAttempts: `SELECT ` + attemptKeys + ` FROM {attempts}
		WHERE class <> '' AND started_at <= $1 AND started_at >= $2
			AND (started_at < $1 OR event_uid < $3
				OR event_uid = $3 AND (endpoint_id < $4 OR endpoint_id = $4 AND lease_no < $5))
		ORDER BY started_at DESC, event_uid DESC, endpoint_id DESC, lease_no DESC LIMIT $6`,

	openLanes: `SELECT ref FROM {status} WHERE parked = 2 AND ref > $1 AND ref <= $2 ORDER BY ref LIMIT $3`,
	freeLanes: `SELECT ref FROM {status} WHERE parked = 1 AND state = 'active' AND opens_at <= $1
		ORDER BY opens_at LIMIT $2 FOR UPDATE SKIP LOCKED`,

	lockPruner: `SELECT used_by, used_at FROM {locks} WHERE name = 'prune' FOR UPDATE SKIP LOCKED`,
	usePruner:  `UPDATE {locks} SET used_by = $1, used_at = $2 WHERE name = 'prune'`,
	lockDisabled: `SELECT reason FROM {status} WHERE ref = $1 AND state = 'disabled'
		FOR UPDATE SKIP LOCKED`,
	statusOfRef: `SELECT ref FROM {status} WHERE ref = $1`,
	oldEvents:   `SELECT uid FROM {events} WHERE uid >= $1 AND uid < $2 ORDER BY uid LIMIT $3`,
	oldAttempts: `SELECT event_uid, endpoint_id, lease_no FROM {attempts}
		WHERE event_uid >= $1 AND event_uid < $2 ORDER BY event_uid, endpoint_id, lease_no LIMIT $3`,
	oldBodies: `SELECT event_uid, endpoint_id, lease_no FROM {bodies}
		WHERE event_uid >= $1 AND event_uid < $2 ORDER BY event_uid, endpoint_id, lease_no LIMIT $3`,
	countDeliveries: `SELECT event_uid, count(*) FROM (
			SELECT event_uid FROM {deliveries}
			WHERE event_uid >= $1 AND event_uid < $2 ORDER BY event_uid LIMIT $3) counted
		GROUP BY event_uid`,
	countAttempts: `SELECT event_uid, count(*) FROM (
			SELECT event_uid FROM {attempts}
			WHERE event_uid >= $1 AND event_uid < $2 ORDER BY event_uid LIMIT $3) counted
		GROUP BY event_uid`,
	freeRemovals: `SELECT event_uid FROM {removals} WHERE event_uid > $1 ORDER BY event_uid LIMIT $2
		FOR UPDATE SKIP LOCKED`,
	removalsOfTenant: `SELECT event_uid FROM {removals} WHERE tenant = $1 ORDER BY event_uid LIMIT $2
		FOR UPDATE`,
	oldVersions: `SELECT ref, version, superseded_at FROM {versions}
		WHERE ref >= $1 AND (ref > $1 OR version > $2) ORDER BY ref, version LIMIT $3`,
	eventsOfTenant: `SELECT uid FROM {events} WHERE tenant = $1 ORDER BY uid LIMIT $2 FOR UPDATE`,
	refsOfTenant:   `SELECT ref FROM {endpoints} WHERE tenant = $1 ORDER BY id LIMIT $2`,
	oldestOfLane:   `SELECT event_uid FROM {queue} WHERE ref = $1 ORDER BY event_uid LIMIT 1`,
	deleteTenant:   `DELETE FROM {tenants} WHERE tenant = $1`,

	lockReplays: `SELECT used_at FROM {locks} WHERE name = 'replay' FOR UPDATE`,
	openReplays: `SELECT id, tenant, request_key FROM {replays} WHERE state = 'running' ORDER BY due_at`,
	insertReplay: `INSERT INTO {replays} (` + columnsOf(replayFields) + `)
		VALUES (` + parametersOf(replayFields) + `)`,
	updateReplay: `UPDATE {replays} SET request_key = $2, state = $3, reason = $4, changed = $5,
			skipped = $6, finished_at = $7, due_at = $8, at_tenant = $9, at_endpoint = $10, at_state = $11,
			at_event = $12
		WHERE id = $1`,
	postponeReplay: `UPDATE {replays} SET due_at = $2 WHERE id = $1 AND state = 'running' AND due_at < $2`,
	replayByID:     `SELECT ` + columnsOf(replayFields) + ` FROM {replays} WHERE id = $1`,
	lockReplay:     `SELECT ` + columnsOf(replayFields) + ` FROM {replays} WHERE id = $1 FOR UPDATE`,
	dueReplay:      `SELECT due_at FROM {replays} WHERE state = 'running' ORDER BY due_at LIMIT 1`,
	takeReplay: `SELECT ` + columnsOf(replayFields) + ` FROM {replays}
		WHERE state = 'running' AND due_at <= $1 ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED`,
	listReplays: `SELECT ` + columnsOf(replayFields) + ` FROM {replays} WHERE tenant = $1 AND id < $2
		ORDER BY id DESC LIMIT $3`,
	listAllReplays: `SELECT ` + columnsOf(replayFields) + ` FROM {replays} WHERE id < $1
		ORDER BY id DESC LIMIT $2`,
	endedReplays: `SELECT id FROM {replays} WHERE state = $1 AND due_at < $2 ORDER BY due_at LIMIT $3
		FOR UPDATE SKIP LOCKED`,
	replaysOfTenant: `SELECT id FROM {replays} WHERE tenant = $1 ORDER BY id LIMIT $2 FOR UPDATE`,
	replayEndpoints: `SELECT e.ref, e.tenant, e.id, s.state FROM {endpoints} e JOIN {status} s ON s.ref = e.ref
		WHERE e.tenant = $1 AND e.id >= $2 ORDER BY e.id LIMIT $3`,
	replayAllEndpoints: `SELECT e.ref, e.tenant, e.id, s.state
		FROM {endpoints} e JOIN {status} s ON s.ref = e.ref
		WHERE e.tenant >= $1 AND (e.tenant > $1 OR e.id >= $2) ORDER BY e.tenant, e.id LIMIT $3`,
	replayFinished: `SELECT d.event_uid, d.finished_at, COALESCE(e.id, ''), COALESCE(e.type, ''),
			COALESCE(e.created_at, 0)
		FROM (SELECT event_uid, finished_at FROM {deliveries}
			WHERE ref = $1 AND state = $2 AND event_uid >= $3 AND event_uid < $4
			ORDER BY event_uid LIMIT $5) d
		LEFT JOIN {events} e ON e.uid = d.event_uid`,
	replayPending: `SELECT q.event_uid, q.since, COALESCE(e.id, ''), COALESCE(e.type, ''),
			COALESCE(e.created_at, 0)
		FROM (SELECT event_uid, since FROM {queue}
			WHERE ref = $1 AND event_uid >= $2 AND event_uid < $3 ORDER BY event_uid LIMIT $4) q
		LEFT JOIN {events} e ON e.uid = q.event_uid`,
	replayMissed: `SELECT e.uid, e.id, e.type, e.channel, e.created_at, e.test,
			CASE WHEN (SELECT 1 FROM {queue} q
					WHERE q.event_uid = e.uid AND q.endpoint_id = $2 LIMIT 1) IS NOT NULL
				OR (SELECT 1 FROM {deliveries} d
					WHERE d.event_uid = e.uid AND d.endpoint_id = $2 LIMIT 1) IS NOT NULL
				OR (SELECT 1 FROM {outbox} o WHERE o.event_uid = e.uid LIMIT 1) IS NOT NULL
			THEN 1 ELSE 0 END
		FROM (SELECT uid, id, type, channel, created_at, test FROM {events}
			WHERE tenant = $1 AND uid >= $3 AND uid < $4 ORDER BY uid LIMIT $5) e`,
	schemaVersion: `SELECT max(version) FROM {schema}`,
}

// The columns of the rows that are inserted, with the types of their values. The methods cells of
// the rows return the values in this order.
const (
	eventFields = `uid uuid, tenant text, id text, type text, channel text, header text, time int,
		not_before int, created_at int, keep int, fanout int, test int, content_hash bytes, data bytes`
	queueFields = `event_uid uuid, endpoint_id text, ref uuid, lane uuid, due_at int, lease_no int,
		leased_until int, settled_no int, version int, attempts int, failures int, pruned int, since int,
		waited_us int, size int, fanout int, reason text, last_status int, last_class text`
	deliveryFields = `event_uid uuid, endpoint_id text, ref uuid, version int, state text, reason text,
		lease_no int, settled_no int, attempts int, failures int, pruned int, finished_at int,
		last_status int, last_class text`
	attemptFields = `event_uid uuid, endpoint_id text, lease_no int, ref uuid, started_at int,
		duration_us int, status int, class text, error text, truncated int, next_at int, late int, test int,
		fanout int`
)

// The columns of a replay.
const replayFields = `id uuid, tenant text, request_key bytes, request text, cancels int, state text,
	reason text, matched int, exact int, changed int, skipped int, created_at int, finished_at int,
	due_at int, at_tenant text, at_endpoint text, at_state text, at_event uuid`

// The values of the statements requeue and updateStatus. The methods requeueCells and updateCells
// return them in this order.
const (
	requeueFields = `event_uid uuid, endpoint_id text, lane uuid, due_at int, lease_no int, settled_no int,
		attempts int, failures int, since int, waited_us int, reason text, last_status int,
		last_class text`
	statusFields = `ref uuid, version int, state text, reason text, updated_at int, failures int,
		failing_since int, last_failure_at int, recovered_at int, blocked_until int, circuit int,
		health text, health_since int, last_class text, last_status int, holds int, throttles int,
		rate int, burst int, rate_at int, told text`
)

// The same columns without the types, for INSERT.
var (
	eventInsert     = columnsOf(eventFields)
	queueColumns    = columnsOf(queueFields)
	deliveryColumns = columnsOf(deliveryFields)
	attemptColumns  = columnsOf(attemptFields)
)

// columnsOf returns the names of the columns in a list of fields.
func columnsOf(fields string) string {
	var names []string
	for field := range strings.SplitSeq(fields, ",") {
		name, _, _ := strings.Cut(strings.TrimSpace(field), " ")
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// parametersOf returns $1, $2 and so on, one for each field.
func parametersOf(fields string) string {
	list := make([]string, strings.Count(fields, ",")+1)
	for i := range list {
		list[i] = "$" + strconv.Itoa(i+1)
	}
	return strings.Join(list, ", ")
}

// Column lists of SELECT. Each is read in one place of the code.
const (
	statusColumns = `s.ref, s.tenant, s.id, s.version, s.state, s.reason, s.updated_at, s.failures,
		s.failing_since, s.last_failure_at, s.recovered_at, s.blocked_until, s.circuit, s.health,
		s.health_since, s.last_class, s.last_status, s.holds, s.throttles, s.rate, s.burst, s.rate_at,
		s.told`
	endpointColumns = statusColumns + `, e.created_at, e.url, e.description, e.events, e.channel, e.profile,
		e.metadata, e.header, e.secrets, e.timeout_us, e.max_in_flight`
	eventColumns = `e.uid, e.tenant, e.id, e.type, e.channel, e.header, e.time, e.not_before, e.created_at,
		e.keep, e.data`
	briefColumns = `e.uid, e.tenant, e.id, e.type, e.channel, '' AS header, e.time, e.not_before,
		e.created_at, e.keep, NULL AS data`
	queueRead = `q.event_uid, q.endpoint_id, q.ref, q.due_at, q.lease_no, q.leased_until, q.settled_no,
		q.version, q.attempts, q.failures, q.pruned, q.since, q.waited_us, q.size, q.fanout, q.last_status,
		q.last_class`
	deliveryRead = `d.event_uid, d.endpoint_id, d.ref, d.version, d.state, d.lease_no, d.settled_no,
		d.attempts, d.pruned, d.finished_at, d.last_status, d.last_class`
	pickColumns = `q.event_uid, q.lease_no, q.leased_until, q.version, q.attempts, q.failures, q.since,
		q.waited_us, q.size, q.due_at`

	headColumns = `e.uid, e.tenant, e.id, e.type, e.created_at, e.test, e.fanout`
	attemptKeys = `event_uid, endpoint_id, lease_no, started_at, class, status`

	// viewQueue and viewDeliveries have the same columns of a delivery, one list for each
	// table.
	viewQueue = `q.event_uid, q.endpoint_id, q.ref, 'pending' AS state, q.reason, q.attempts, q.failures,
		q.due_at, q.leased_until, 0 AS finished_at, q.last_status, q.last_class`
	viewDeliveries = `d.event_uid, d.endpoint_id, d.ref, d.state, d.reason, d.attempts, d.failures,
		0 AS due_at, 0 AS leased_until, d.finished_at, d.last_status, d.last_class`
	detailColumns = `a.event_uid, a.endpoint_id, a.lease_no, a.duration_us, a.error, a.truncated, a.next_at,
		a.late, a.test,
		(SELECT count(*) FROM {attempts} b
			WHERE b.event_uid = a.event_uid AND b.endpoint_id = a.endpoint_id AND b.lease_no <= a.lease_no)
		+ COALESCE(
			(SELECT q.pruned FROM {queue} q
				WHERE q.event_uid = a.event_uid AND q.endpoint_id = a.endpoint_id),
			(SELECT d.pruned FROM {deliveries} d
				WHERE d.event_uid = a.event_uid AND d.endpoint_id = a.endpoint_id),
			0)`
	bodyColumns = `b.event_uid, b.endpoint_id, b.lease_no`
)

// backlogSQL counts the queue of the endpoint $3, up to $4 rows. $1 and $2 are those of statsSQL.
const backlogSQL = `SELECT count(*), COALESCE(SUM(x.flight), 0), COALESCE(SUM(x.later), 0),
	MIN(CASE WHEN x.flight = 0 AND x.later = 0 THEN x.due END),
	MIN(CASE WHEN x.later = 1 THEN x.due END)
	FROM (SELECT CASE WHEN q.leased_until > $2 THEN 1 ELSE 0 END AS flight,
		CASE WHEN q.leased_until = 0 AND q.due_at > $1 THEN 1 ELSE 0 END AS later,
		CASE WHEN q.leased_until > 0 THEN q.leased_until - $2 + $1 ELSE q.due_at END AS due
		FROM {queue} q WHERE q.ref = $3 ORDER BY q.ref, q.event_uid LIMIT $4) x`

// statsSQL counts the queue. $1 is now. $2 is now plus leaseGrace, the time for which an ended
// lease still belongs to its owner.
const statsSQL = `SELECT count(*),
	COALESCE(SUM(CASE WHEN x.flight = 1 THEN 1 ELSE 0 END), 0),
	COALESCE(SUM(CASE WHEN x.flight = 0 AND x.later = 1 THEN 1 ELSE 0 END), 0),
	COALESCE(SUM(CASE WHEN x.flight = 0 AND x.later = 0 AND x.closed = 1 THEN 1 ELSE 0 END), 0),
	MIN(CASE WHEN x.flight = 0 AND x.later = 0 AND x.closed = 0 THEN x.due END),
	(SELECT count(*) FROM {outbox})
	FROM (SELECT CASE WHEN q.leased_until > $2 THEN 1 ELSE 0 END AS flight,
		CASE WHEN q.leased_until = 0 AND q.due_at > $1 THEN 1 ELSE 0 END AS later,
		CASE WHEN s.ref IS NULL OR s.state <> 'active' OR s.opens_at > $1 THEN 1 ELSE 0 END AS closed,
		CASE WHEN q.leased_until > 0 THEN q.leased_until - $2 + $1 ELSE q.due_at END AS due
		FROM {queue} q LEFT JOIN {status} s ON s.ref = q.ref) x`
