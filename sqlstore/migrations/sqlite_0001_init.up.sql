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
	rate          INTEGER NOT NULL DEFAULT 0,
	secret_expires_at INTEGER NOT NULL DEFAULT 0,
	UNIQUE (tenant, id)
);
CREATE INDEX {prefix}endpoints_secret ON {endpoints} (secret_expires_at) WHERE secret_expires_at > 0;

-- What dispatch must know of an endpoint. Apart from the wide row, because failures change it often.
-- parked says whether deliveries of it are in its parked lane: 0 no; 1 maybe, and claims pass it by; 2 maybe, and claims visit it.
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
	rate_tat        INTEGER NOT NULL DEFAULT 0,
	parked          INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX {prefix}status_parked ON {status} (parked, state, blocked_until);
CREATE INDEX {prefix}status_open ON {status} (parked, ref);

CREATE TABLE {versions} (
	ref           BLOB   NOT NULL,
	version       INTEGER NOT NULL,
	url           TEXT   NOT NULL,
	profile       TEXT   NOT NULL,
	metadata      TEXT   NOT NULL,
	superseded_at INTEGER NOT NULL,
	PRIMARY KEY (ref, version)
) WITHOUT ROWID;

-- Of endpoints that are not disabled.
CREATE TABLE {subscriptions} (
	tenant      TEXT NOT NULL,
	pattern     TEXT NOT NULL,
	channel     TEXT NOT NULL,
	endpoint_id TEXT NOT NULL,
	ref         BLOB NOT NULL,
	PRIMARY KEY (tenant, pattern, channel, endpoint_id)
) WITHOUT ROWID;
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
	content_hash BLOB  NOT NULL,
	data         BLOB  NOT NULL,
	UNIQUE (tenant, id)
);
CREATE INDEX {prefix}events_tenant_uid ON {events} (tenant, uid);

-- Events whose deliveries are not made yet. Nearly always empty.
CREATE TABLE {outbox} (
	event_uid      BLOB PRIMARY KEY,
	due_at         INTEGER NOT NULL,
	after_endpoint TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX {prefix}outbox_due ON {outbox} (due_at);

-- Unfinished deliveries. lane is zero while a delivery waits for due_at, and the endpoint's ref once it is ready; with the first
-- bit set, which no ref has, it is the endpoint's parked lane. leased_until, if
-- it is not zero, is when others than its holder may take it. A delivery that is leased waits for that time in lane zero; or it stays
-- in its lane, where there are many.
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
	size        INTEGER NOT NULL,
	fanout      INTEGER NOT NULL,
	reason      TEXT   NOT NULL,
	PRIMARY KEY (event_uid, endpoint_id)
) WITHOUT ROWID;
CREATE INDEX {prefix}queue_lane_due ON {queue} (lane, due_at);
CREATE INDEX {prefix}queue_ref_event ON {queue} (ref, event_uid);

-- Finished deliveries.
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
	PRIMARY KEY (event_uid, endpoint_id)
) WITHOUT ROWID;
CREATE INDEX {prefix}deliveries_ref_event ON {deliveries} (ref, event_uid);

-- fanout: of an event with more than one delivery. The few attempts of any other need no index by time.
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
CREATE INDEX {prefix}attempts_ref_started ON {attempts} (ref, started_at, event_uid, lease_no);
CREATE INDEX {prefix}attempts_event_started ON {attempts} (event_uid, started_at, endpoint_id, lease_no) WHERE fanout = 1;

-- Response bodies that are not empty.
CREATE TABLE {bodies} (
	event_uid   BLOB   NOT NULL,
	endpoint_id TEXT NOT NULL,
	lease_no    INTEGER NOT NULL,
	body        BLOB  NOT NULL,
	PRIMARY KEY (event_uid, endpoint_id, lease_no)
);

-- Events that are being removed in pieces. Their rows in events are gone, and no read shows what is left of them.
CREATE TABLE {removals} (
	event_uid BLOB PRIMARY KEY,
	tenant    TEXT NOT NULL
);

-- The row is locked by the process that does the housekeeping, and names the last one and when it began its last step.
CREATE TABLE {locks} (
	name    TEXT PRIMARY KEY,
	used_by BLOB NOT NULL,
	used_at INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO {locks} (name, used_by, used_at) VALUES ('prune', x'00000000000000000000000000000000', 0);

INSERT INTO {schema} (version, name) VALUES (1, 'init');
