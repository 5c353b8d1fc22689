CREATE TABLE {schema} (
	version    INTEGER PRIMARY KEY,
	name       TEXT   NOT NULL,
	applied_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);

CREATE TABLE {tenants} (
	tenant    TEXT PRIMARY KEY,
	endpoints INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE {endpoints} (
	ref           BLOB PRIMARY KEY,
	tenant        TEXT NOT NULL,
	id            TEXT NOT NULL,
	created_at    INTEGER NOT NULL,
	url           TEXT   NOT NULL,
	description   TEXT   NOT NULL,
	events        TEXT   NOT NULL,
	channel       TEXT NOT NULL,
	profile       TEXT   NOT NULL,
	metadata      TEXT   NOT NULL,
	header        TEXT   NOT NULL,
	secrets       TEXT   NOT NULL,
	timeout_us    INTEGER NOT NULL,
	max_in_flight INTEGER NOT NULL,
	secret_expires_at INTEGER NOT NULL DEFAULT 0,
	-- An endpoint is found by its id, and a tenant's endpoints are listed by id.
	UNIQUE (tenant, id)
);
-- Prune finds the endpoints with expired secrets.
CREATE INDEX {prefix}endpoints_secret ON {endpoints} (secret_expires_at) WHERE secret_expires_at > 0;

-- The part of an endpoint that dispatch reads. It is apart from the wide row, because failures
-- change it often. parked says whether the endpoint's parked lane has deliveries: 0 no; 1 maybe,
-- and claims pass it by; 2 maybe, and claims visit it.
--
-- health, health_since, last_class, last_status, holds and throttles are columns of Health. told has
-- the times of the latest operational events about the endpoint.
--
-- rate is Endpoint.Rate, as requests in a million seconds. rate_at is the time from which the rate
-- allows the next request. Before opens_at nothing is sent to an endpoint.
CREATE TABLE {status} (
	ref             BLOB PRIMARY KEY,
	tenant          TEXT NOT NULL,
	id              TEXT NOT NULL,
	version         INTEGER NOT NULL,
	state           TEXT   NOT NULL,
	reason          TEXT   NOT NULL,
	updated_at      INTEGER NOT NULL,
	failures        INTEGER NOT NULL,
	failing_since   INTEGER NOT NULL,
	last_failure_at INTEGER NOT NULL,
	recovered_at    INTEGER NOT NULL,
	blocked_until   INTEGER NOT NULL,
	circuit         INTEGER NOT NULL,
	health          TEXT NOT NULL DEFAULT '',
	health_since    INTEGER NOT NULL DEFAULT 0,
	last_class      TEXT NOT NULL DEFAULT '',
	last_status     INTEGER NOT NULL DEFAULT 0,
	holds           INTEGER NOT NULL DEFAULT 0,
	throttles       INTEGER NOT NULL DEFAULT 0,
	rate            INTEGER NOT NULL DEFAULT 0,
	burst           INTEGER NOT NULL DEFAULT 0,
	rate_at         INTEGER NOT NULL DEFAULT 0,
	opens_at        INTEGER GENERATED ALWAYS AS (max(blocked_until, rate_at)) STORED,
	told            TEXT NOT NULL DEFAULT '',
	parked          INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
-- A claim finds the parked lanes whose endpoints are not held any more, the longest free first.
CREATE INDEX {prefix}status_parked ON {status} (parked, state, opens_at);
-- A round of claims visits the parked lanes that are open, in their order.
CREATE INDEX {prefix}status_open ON {status} (parked, ref);
-- Failing endpoints are listed, those that have been failing longest first.
CREATE INDEX {prefix}status_failing ON {status} (failing_since, ref) WHERE failing_since > 0;

CREATE TABLE {versions} (
	ref           BLOB   NOT NULL,
	version       INTEGER NOT NULL,
	url           TEXT   NOT NULL,
	profile       TEXT   NOT NULL,
	metadata      TEXT   NOT NULL,
	superseded_at INTEGER NOT NULL,
	PRIMARY KEY (ref, version)
) WITHOUT ROWID;

-- The subscriptions of endpoints. The primary key is in the order in which Match and the expansion of
-- the outbox read them. While an endpoint is disabled its patterns begin with "!", which no event
-- type contains. So Match reads none of them, except to see whether a disabled endpoint would match.
CREATE TABLE {subscriptions} (
	tenant      TEXT NOT NULL,
	pattern     TEXT NOT NULL,
	channel     TEXT NOT NULL,
	endpoint_id TEXT NOT NULL,
	ref         BLOB NOT NULL,
	PRIMARY KEY (tenant, pattern, channel, endpoint_id)
) WITHOUT ROWID;
-- An update of an endpoint replaces its subscriptions.
CREATE INDEX {prefix}subscriptions_ref ON {subscriptions} (ref);

CREATE TABLE {events} (
	uid          BLOB PRIMARY KEY,
	tenant       TEXT NOT NULL,
	id           TEXT NOT NULL,
	type         TEXT NOT NULL,
	channel      TEXT NOT NULL,
	header       TEXT   NOT NULL,
	time         INTEGER NOT NULL,
	not_before   INTEGER NOT NULL,
	created_at   INTEGER NOT NULL,
	keep         INTEGER NOT NULL,
	fanout       INTEGER NOT NULL,
	test         INTEGER NOT NULL,
	dup          INTEGER NOT NULL DEFAULT 0,
	about        TEXT    NOT NULL DEFAULT '',
	content_hash BLOB  NOT NULL,
	data         BLOB  NOT NULL,
	-- An event is found by its id, and a repeated id is recognized.
	UNIQUE (tenant, id)
);
-- A tenant's events are listed by time, the newest first. Erase starts at the oldest.
CREATE INDEX {prefix}events_tenant_uid ON {events} (tenant, uid);

-- Events whose deliveries are not made yet. Nearly always empty.
CREATE TABLE {outbox} (
	event_uid      BLOB PRIMARY KEY,
	due_at         INTEGER NOT NULL,
	after_endpoint TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
-- A claim takes the events that have been due the longest.
CREATE INDEX {prefix}outbox_due ON {outbox} (due_at);

-- Unfinished deliveries. lane is
--
--   zero                      while a delivery waits for due_at
--   the ref of its endpoint   while it is ready
--   that ref with bit 1 set   while it is parked; no ref has that bit
--
-- leased_until is zero for a delivery that is not leased. Otherwise it is the time from which
-- another process may take the delivery. A leased delivery waits in lane zero, due at that time,
-- or it stays in a lane that has many. waited_us is the time for which the delivery was due
-- and not leased. last_status and last_class are of the last attempt that is not late.
CREATE TABLE {queue} (
	event_uid   BLOB   NOT NULL,
	endpoint_id TEXT NOT NULL,
	ref         BLOB   NOT NULL,
	lane        BLOB   NOT NULL,
	due_at      INTEGER NOT NULL,
	lease_no    INTEGER NOT NULL,
	leased_until INTEGER NOT NULL,
	settled_no  INTEGER NOT NULL,
	version     INTEGER NOT NULL,
	attempts    INTEGER NOT NULL,
	failures    INTEGER NOT NULL,
	pruned      INTEGER NOT NULL,
	since       INTEGER NOT NULL,
	waited_us   INTEGER NOT NULL DEFAULT 0,
	size        INTEGER NOT NULL,
	fanout      INTEGER NOT NULL,
	reason      TEXT   NOT NULL,
	last_status INTEGER NOT NULL DEFAULT 0,
	last_class  TEXT NOT NULL DEFAULT '',
	PRIMARY KEY (event_uid, endpoint_id)
) WITHOUT ROWID;
-- A claim finds due deliveries in lane zero, the next ready lanes, and the oldest of a lane.
CREATE INDEX {prefix}queue_lane_due ON {queue} (lane, due_at);
-- An endpoint's deliveries are listed by event. Prune finds those of deleted endpoints.
CREATE INDEX {prefix}queue_ref_event ON {queue} (ref, event_uid);

-- Finished deliveries. They are apart from the queue, so its indexes stay small.
CREATE TABLE {deliveries} (
	event_uid   BLOB   NOT NULL,
	endpoint_id TEXT NOT NULL,
	ref         BLOB   NOT NULL,
	version     INTEGER NOT NULL,
	state       TEXT   NOT NULL,
	reason      TEXT   NOT NULL,
	lease_no    INTEGER NOT NULL,
	settled_no  INTEGER NOT NULL,
	attempts    INTEGER NOT NULL,
	failures    INTEGER NOT NULL,
	pruned      INTEGER NOT NULL,
	finished_at INTEGER NOT NULL,
	last_status INTEGER NOT NULL DEFAULT 0,
	last_class  TEXT NOT NULL DEFAULT '',
	PRIMARY KEY (event_uid, endpoint_id)
) WITHOUT ROWID;
-- An endpoint's deliveries of a state are listed by event.
CREATE INDEX {prefix}deliveries_ref_state ON {deliveries} (ref, state, event_uid);

-- The delivery log. fanout is 1 for an event with more than one delivery.
CREATE TABLE {attempts} (
	event_uid   BLOB   NOT NULL,
	endpoint_id TEXT NOT NULL,
	lease_no    INTEGER NOT NULL,
	ref         BLOB   NOT NULL,
	started_at  INTEGER NOT NULL,
	duration_us INTEGER NOT NULL,
	status      INTEGER NOT NULL,
	class       TEXT   NOT NULL,
	error       TEXT   NOT NULL,
	truncated   INTEGER NOT NULL,
	next_at     INTEGER NOT NULL,
	late        INTEGER NOT NULL,
	test        INTEGER NOT NULL,
	fanout      INTEGER NOT NULL,
	PRIMARY KEY (event_uid, endpoint_id, lease_no)
) WITHOUT ROWID;
-- An endpoint's attempts are listed by time.
CREATE INDEX {prefix}attempts_ref_started ON {attempts} (ref, started_at, event_uid, lease_no);
-- The attempts of an event with many deliveries are listed by time.
CREATE INDEX {prefix}attempts_event_started ON {attempts} (event_uid, started_at, endpoint_id, lease_no)
	WHERE fanout = 1;
-- The failed attempts of all tenants are listed by time.
CREATE INDEX {prefix}attempts_failed ON {attempts} (started_at, event_uid, endpoint_id, lease_no)
	WHERE class <> '';

-- Response bodies that are not empty. They are apart from the attempts, which are kept longer.
CREATE TABLE {bodies} (
	event_uid   BLOB   NOT NULL,
	endpoint_id TEXT NOT NULL,
	lease_no    INTEGER NOT NULL,
	body        BLOB  NOT NULL,
	PRIMARY KEY (event_uid, endpoint_id, lease_no)
);

-- Events that are being removed in pieces. Their rows in events are gone, so no read shows their
-- remaining rows.
CREATE TABLE {removals} (
	event_uid BLOB PRIMARY KEY,
	tenant    TEXT NOT NULL
);

-- The replays. While one is unfinished, due_at is the time of its next step, and request_key is
-- the key of its request. Afterwards due_at is the time when it ended, and request_key is its id,
-- so that the request may come again. Its next step goes on at the endpoint, the state and the
-- event of at_….
CREATE TABLE {replays} (
	id          BLOB PRIMARY KEY,
	tenant      TEXT NOT NULL,
	request_key BLOB  NOT NULL UNIQUE,
	request     TEXT   NOT NULL,
	cancels     INTEGER NOT NULL,
	state       TEXT   NOT NULL,
	reason      TEXT   NOT NULL,
	matched     INTEGER NOT NULL,
	exact       INTEGER NOT NULL,
	changed     INTEGER NOT NULL,
	skipped     INTEGER NOT NULL,
	created_at  INTEGER NOT NULL,
	finished_at INTEGER NOT NULL,
	due_at      INTEGER NOT NULL,
	at_tenant   TEXT NOT NULL,
	at_endpoint TEXT NOT NULL,
	at_state    TEXT   NOT NULL,
	at_event    BLOB   NOT NULL
);
-- A tenant's replays are listed by time, the newest first.
CREATE INDEX {prefix}replays_tenant ON {replays} (tenant, id);
-- A step takes the unfinished replay that has been due the longest. Prune finds the oldest ended
-- ones.
CREATE INDEX {prefix}replays_due ON {replays} (state, due_at);

-- The process that does the housekeeping locks the row prune. used_by names the last such process,
-- and used_at is when it began its last step. A call that creates a replay locks the row replay.
CREATE TABLE {locks} (
	name    TEXT PRIMARY KEY,
	used_by BLOB NOT NULL,
	used_at INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO {locks} (name, used_by, used_at)
	VALUES ('prune', x'00000000000000000000000000000000', 0), ('replay', x'00000000000000000000000000000000', 0);

INSERT INTO {schema} (version, name) VALUES (1, 'init');
