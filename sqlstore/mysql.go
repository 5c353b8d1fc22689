package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gowebhook/webhook/sqlstore/internal/engine"
)

// The lane of waiting deliveries, and the first of the parked lanes.
const (
	mysqlZero   = `x'00000000000000000000000000000000'`
	mysqlParked = `x'80000000000000000000000000000000'`
)

// MariaDB and MySQL have different ways to wait at most a second for another transaction. Each
// takes the other's way for a comment.
//
// MySQL cannot wait for less than a second. MariaDB can. A waiting request keeps others from
// inserting beside it, so the statements that must not wait use mysqlAtOnce.
const (
	mysqlPatience = `/*M! SET STATEMENT innodb_lock_wait_timeout = 1 FOR */ `
	mysqlAtOnce   = `/*M! SET STATEMENT innodb_lock_wait_timeout = 0 FOR */ `
	mysqlHint     = ` /*+ SET_VAR(innodb_lock_wait_timeout = 1) */ `
)

// MariaDB ends a transaction after [goneTimeout] if its process is gone. It ends a wait for
// another transaction after 5 seconds.
//
// Both are settings of the session. The statements that begin a transaction set them, and the
// statements that end it restore them. So the application's own transactions on the connection
// keep their settings. MySQL has no such timeout except wait_timeout, and takes the compound
// statements for comments.
const (
	mysqlBefore = `/*M! BEGIN NOT ATOMIC SET @webhook_idle_write = @@idle_write_transaction_timeout,
		@webhook_idle_read = @@idle_readonly_transaction_timeout, @webhook_net_write = @@net_write_timeout,
		@webhook_lock_wait = @@innodb_lock_wait_timeout, idle_write_transaction_timeout = 15,
		idle_readonly_transaction_timeout = 15, net_write_timeout = 15, innodb_lock_wait_timeout = 5; */
		SET TRANSACTION ISOLATION LEVEL READ COMMITTED /*M! ; END */`
	mysqlEnd = ` /*M! ; SET idle_write_transaction_timeout = @webhook_idle_write,
		idle_readonly_transaction_timeout = @webhook_idle_read, net_write_timeout = @webhook_net_write,
		innodb_lock_wait_timeout = @webhook_lock_wait; END */`
)

// mysqlEvents is the common part of the statements that insert events.
var mysqlEvents = `INTO {events} (` + eventInsert + `)
			VALUES {tuples}`

// mysqlGroup returns the id_group of an event, as the table defines it.
func mysqlGroup(tenant, id string) string {
	return `IF(length(` + id + `) = 36
		AND substr(` + id + `, 9, 1) = x'2D' AND substr(` + id + `, 15, 1) = x'37', x'FF', ` + tenant + `)`
}

// mysqlOfCaller are the statements that also run in the caller's transaction. There they wait
// as long as the caller's settings say.
var mysqlOfCaller = []op{insertEvent, insertNew, sameEvent, insertOutboxRow, insertOutbox, deleteEvent, deleteOutbox}

// mysqlChange matches a statement that changes rows of one table, and captures the table.
var mysqlChange = regexp.MustCompile(`^(?:(UPDATE) ({\w+}) SET|(DELETE) FROM ({\w+}) WHERE)`)

// mysqlByKey makes a statement that changes rows of one table find them by the primary key.
// Otherwise the server reads the whole table if the table is small, or if the keys are many of
// its rows. Then it waits for rows of other transactions for as long as these are open.
func mysqlByKey(sql string) string {
	return mysqlChange.ReplaceAllStringFunc(sql, func(head string) string {
		m := mysqlChange.FindStringSubmatch(head)
		if m[1] != "" {
			return "UPDATE " + m[2] + " FORCE INDEX (PRIMARY) SET"
		}
		return "DELETE " + m[4] + " FROM " + m[4] + " FORCE INDEX (PRIMARY) WHERE"
	})
}

// mysqlBounded makes a statement that changes rows wait at most 5 seconds on MySQL. On MariaDB
// the session's setting does this.
func mysqlBounded(o op, sql string) string {
	if slices.Contains(mysqlOfCaller, o) {
		return sql
	}
	for _, verb := range []string{"INSERT ", "UPDATE ", "DELETE "} {
		if rest, found := strings.CutPrefix(sql, verb); found {
			return verb + "/*+ SET_VAR(innodb_lock_wait_timeout = 5) */ " + rest
		}
	}
	return sql
}

// mysql is the common SQL of MariaDB and MySQL. Joins with a list force their order.
//
// Each statement that locks or changes rows names the index that finds them; see mysqlByKey.
// Statements that lock or delete the rows of several keys join them with a list. For a list of
// keys in IN, the server may read the whole table although the index is named.
var mysql = dialect{
	Dialect: engine.Dialect{
		Name:     "mysql",
		Renderer: engine.Literals,
		Prepare:  mysqlBefore,
		Begin:    `START TRANSACTION`,
		Commit:   `/*M! BEGIN NOT ATOMIC */ COMMIT` + mysqlEnd,
		Rollback: `/*M! BEGIN NOT ATOMIC */ ROLLBACK` + mysqlEnd,
	},
	adapt: func(o op, sql string) string { return mysqlBounded(o, mysqlByKey(sql)) },
	quote: "`",
	// Local time would repeat an hour a year.
	clock:       `SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))`,
	packetLimit: `SELECT @@max_allowed_packet`,
	locksGaps:   true,
	logsWait:    true,

	identity: `SELECT version()`,
	is:       func(version string) bool { return !strings.Contains(version, "PostgreSQL") },
	hasTable: func(_, table string) (string, []any) {
		return `SELECT 1 FROM information_schema.tables
			WHERE table_schema = DATABASE() AND table_name = '` + table + `'`, nil
	},
	lockSchema: lockMySQLSchema,
	statements: map[op]string{
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
			(SELECT blocked_until FROM {status} WHERE parked = 1 AND state = 'active'
				ORDER BY blocked_until LIMIT 1)`,
		dueAfter: `SELECT (SELECT due_at FROM {outbox} WHERE due_at > $1 ORDER BY due_at LIMIT 1),
			(SELECT due_at FROM {queue} WHERE lane = ` + mysqlZero + ` AND due_at > $1
				ORDER BY due_at LIMIT 1),
			(SELECT blocked_until FROM {status} WHERE parked = 1 AND state = 'active' AND blocked_until > $1
				ORDER BY blocked_until LIMIT 1)`,
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
		lockLanes: `SELECT s.ref, s.state, s.blocked_until, s.parked FROM {v ref uuid}
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
			WHERE parked = 1 AND state = 'active' AND blocked_until <= $1
			ORDER BY blocked_until LIMIT $2 FOR UPDATE SKIP LOCKED`,
		freeProbes: `SELECT s.ref FROM {v ref uuid} STRAIGHT_JOIN {status} s
			FORCE INDEX (PRIMARY) ON s.ref = v.ref
			WHERE s.circuit = 1 AND s.blocked_until <= $1
			FOR UPDATE SKIP LOCKED`,
		takeProbes: `UPDATE {status} SET blocked_until = $1 WHERE ref IN ({keys})`,
		pickDeliveries: `{each}(SELECT @3 AS n, ` + pickColumns + ` FROM {queue} q FORCE INDEX (queue_lane_due)
			WHERE q.lane = @1 AND q.due_at <= $3 AND q.leased_until <= $1
			ORDER BY q.due_at LIMIT @2 FOR UPDATE SKIP LOCKED){end} LIMIT $2`,
		leaseDeliveries: `UPDATE {queue}
			SET lane = ` + mysqlZero + `, due_at = $1, lease_no = lease_no + 1, leased_until = $1
			WHERE (event_uid, endpoint_id) IN ({keys})`,
		leaseInLane: `UPDATE {queue} SET lease_no = lease_no + 1, leased_until = $1
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
		lockEndpoint: mysqlPatience + `SELECT` + mysqlHint + `version FROM {status} WHERE ref = $1
			FOR UPDATE`,
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
				q.reason = v.reason`,
		updateStatus: `UPDATE {v ` + statusFields + `}
			STRAIGHT_JOIN {status} s FORCE INDEX (PRIMARY) ON s.ref = v.ref
			SET s.version = v.version, s.state = v.state, s.reason = v.reason, s.updated_at = v.updated_at,
				s.failures = v.failures, s.failing_since = v.failing_since,
				s.last_failure_at = v.last_failure_at, s.recovered_at = v.recovered_at,
				s.blocked_until = v.blocked_until, s.circuit = v.circuit, s.health = v.health,
				s.health_since = v.health_since, s.last_class = v.last_class, s.last_status = v.last_status,
				s.holds = v.holds, s.throttles = v.throttles, s.told = v.told`,
		insertVersions: `INSERT INTO {versions} (ref, version, url, profile, metadata, superseded_at)
			SELECT e.ref, v.version, e.url, e.profile, e.metadata, v.superseded_at
			FROM {v ref uuid, version int, superseded_at int} STRAIGHT_JOIN {endpoints} e ON e.ref = v.ref
			ON DUPLICATE KEY UPDATE superseded_at = {versions}.superseded_at`,

		countEndpoint: `INSERT INTO {tenants} (tenant, endpoints) VALUES ($1, 1)
			ON DUPLICATE KEY UPDATE endpoints = endpoints + 1`,
		insertSubscriptions: `INSERT INTO {subscriptions} (tenant, pattern, channel, endpoint_id, ref)
			VALUES {tuples}
			ON DUPLICATE KEY UPDATE ref = {subscriptions}.ref`,
		muteSubscriptions: `UPDATE {v ref uuid} STRAIGHT_JOIN {subscriptions} p
			FORCE INDEX (subscriptions_ref) ON p.ref = v.ref SET p.pattern = CONCAT('!', p.pattern)`,
		deleteSubscriptions: `DELETE p FROM {v ref uuid} STRAIGHT_JOIN {subscriptions} p
			FORCE INDEX (subscriptions_ref) ON p.ref = v.ref`,

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
		deliveriesBy: `(SELECT ` + viewQueue + ` FROM {queue} q
				WHERE q.ref = $1 AND q.event_uid < $2 AND q.event_uid >= $3
					ORDER BY q.event_uid DESC LIMIT $4)
			UNION ALL (SELECT ` + viewDeliveries + ` FROM {deliveries} d
				WHERE d.ref = $1 AND d.event_uid < $2 AND d.event_uid >= $3
					ORDER BY d.event_uid DESC LIMIT $4)`,
		attemptDetails: `SELECT ` + detailColumns + ` FROM {attempts} a
			WHERE (a.event_uid, a.endpoint_id, a.lease_no) IN ({keys})`,
		bodySizes: `SELECT ` + bodyColumns + `, length(b.body) FROM {bodies} b
			WHERE (b.event_uid, b.endpoint_id, b.lease_no) IN ({keys})`,
		attemptBodies: `SELECT ` + bodyColumns + `, b.body FROM {bodies} b
			WHERE (b.event_uid, b.endpoint_id, b.lease_no) IN ({keys})`,
		countStats: statsSQL,

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
	},
}

// lockMySQLSchema takes a lock that the session holds. MySQL commits after each statement that
// changes the schema. The server ends the session if this process is gone.
func lockMySQLSchema(ctx context.Context, _ *engine.DB, conn *sql.Conn, name string) (unlockSchema, error) {
	lock := fmt.Sprintf("x'%x'", name[:min(len(name), 64)])
	wait := fmt.Sprintf("SET @webhook_wait = @@wait_timeout, wait_timeout = %d", int(goneTimeout.Seconds()))
	if _, err := conn.ExecContext(ctx, wait); err != nil {
		return nil, err
	}
	restore := func(ctx context.Context, err error) error {
		if _, failed := conn.ExecContext(ctx, "SET wait_timeout = @webhook_wait"); err != nil || failed != nil {
			engine.Abandon(conn)
		}
		return err
	}
	var got sql.NullInt64
	query := "SELECT GET_LOCK(" + lock + ", " + strconv.Itoa(int(migrateTimeout.Seconds())) + ")"
	if err := conn.QueryRowContext(ctx, query).Scan(&got); err != nil {
		return nil, restore(ctx, err)
	}
	if got.Int64 != 1 {
		return nil, restore(ctx, fmt.Errorf("another process has been migrating for %v", migrateTimeout))
	}
	return func(ctx context.Context, _ bool) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unlockTimeout)
		defer cancel()
		return restore(ctx, conn.QueryRowContext(ctx, "SELECT RELEASE_LOCK("+lock+")").Scan(&got))
	}, nil
}
