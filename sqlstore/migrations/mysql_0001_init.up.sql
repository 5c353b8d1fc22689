-- Every statement may be repeated. MySQL commits each, and a migration that was interrupted begins
-- again.
CREATE TABLE IF NOT EXISTS {schema} (
	version    bigint PRIMARY KEY,
	name       varbinary(255) NOT NULL,
	applied_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS {tenants} (
	tenant    varbinary(255) PRIMARY KEY,
	endpoints bigint NOT NULL
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS {endpoints} (
	ref           binary(16) PRIMARY KEY,
	tenant        varbinary(255) NOT NULL,
	id            varbinary(255) NOT NULL,
	created_at    bigint NOT NULL,
	url           varbinary(8192) NOT NULL,
	description   blob NOT NULL,
	events        mediumblob NOT NULL,
	channel       varbinary(255) NOT NULL,
	profile       varbinary(255) NOT NULL,
	metadata      mediumblob NOT NULL,
	header        mediumblob NOT NULL,
	secrets       mediumblob NOT NULL,
	timeout_us    bigint NOT NULL,
	max_in_flight bigint NOT NULL,
	secret_expires_at bigint NOT NULL DEFAULT 0,
	-- An endpoint is found by its id, and a tenant's endpoints are listed by id.
	UNIQUE KEY tenant_id (tenant, id),
	-- Prune finds the endpoints with expired secrets.
	KEY endpoints_secret (secret_expires_at)
) ENGINE = InnoDB;

-- The part of an endpoint that dispatch reads. It is apart from the wide row, because failures
-- change it often. parked says whether the endpoint's parked lane has deliveries: 0 no; 1 maybe,
-- and claims pass it by; 2 maybe, and claims visit it.
--
-- health, health_since, last_class, last_status, holds and throttles are columns of Health. told has
-- the times of the latest operational events about the endpoint.
--
-- rate is Endpoint.Rate, as requests in a million seconds. rate_at is the time from which the rate
-- allows the next request. Before opens_at nothing is sent to an endpoint.
CREATE TABLE IF NOT EXISTS {status} (
	ref             binary(16) PRIMARY KEY,
	tenant          varbinary(255) NOT NULL,
	id              varbinary(255) NOT NULL,
	version         bigint NOT NULL,
	state           varbinary(255) NOT NULL,
	reason          varbinary(255) NOT NULL,
	updated_at      bigint NOT NULL,
	failures        bigint NOT NULL,
	failing_since   bigint NOT NULL,
	last_failure_at bigint NOT NULL,
	recovered_at    bigint NOT NULL,
	blocked_until   bigint NOT NULL,
	circuit         bigint NOT NULL,
	health          varbinary(255) NOT NULL DEFAULT '',
	health_since    bigint NOT NULL DEFAULT 0,
	last_class      varbinary(255) NOT NULL DEFAULT '',
	last_status     bigint NOT NULL DEFAULT 0,
	holds           bigint NOT NULL DEFAULT 0,
	throttles       bigint NOT NULL DEFAULT 0,
	rate            bigint NOT NULL DEFAULT 0,
	burst           bigint NOT NULL DEFAULT 0,
	rate_at         bigint NOT NULL DEFAULT 0,
	opens_at        bigint AS (greatest(blocked_until, rate_at)) STORED,
	told            varbinary(255) NOT NULL DEFAULT '',
	parked          bigint NOT NULL DEFAULT 0,
	-- A claim finds the parked lanes whose endpoints are not held any more, the longest free first.
	KEY status_parked (parked, state, opens_at),
	-- A round of claims visits the parked lanes that are open, in their order.
	KEY status_open (parked, ref),
	-- Failing endpoints are listed, those that have been failing longest first.
	KEY status_failing (failing_since, ref)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS {versions} (
	ref           binary(16)   NOT NULL,
	version       bigint NOT NULL,
	url           varbinary(8192) NOT NULL,
	profile       varbinary(255) NOT NULL,
	metadata      mediumblob NOT NULL,
	superseded_at bigint NOT NULL,
	PRIMARY KEY (ref, version)
) ENGINE = InnoDB;

-- The subscriptions of endpoints. The primary key is in the order in which Match and the expansion of
-- the outbox read them. While an endpoint is disabled its patterns begin with "!", which no event
-- type contains. So Match reads none of them, except to see whether a disabled endpoint would match.
CREATE TABLE IF NOT EXISTS {subscriptions} (
	tenant      varbinary(255) NOT NULL,
	pattern     varbinary(256) NOT NULL,
	channel     varbinary(255) NOT NULL,
	endpoint_id varbinary(255) NOT NULL,
	ref         binary(16) NOT NULL,
	PRIMARY KEY (tenant, pattern, channel, endpoint_id),
	-- An update of an endpoint replaces its subscriptions.
	KEY subscriptions_ref (ref)
) ENGINE = InnoDB;

-- id_group keeps ids with the form of a UUIDv7, as new ids have it, behind all others in the index
-- events_id, by time. A transaction that emits an id again locks the gap in front of that id. New
-- ids never go into such a gap.
CREATE TABLE IF NOT EXISTS {events} (
	uid          binary(16) PRIMARY KEY,
	tenant       varbinary(255) NOT NULL,
	id           varbinary(255) NOT NULL,
	type         varbinary(255) NOT NULL,
	channel      varbinary(255) NOT NULL,
	header       mediumblob NOT NULL,
	time         bigint NOT NULL,
	not_before   bigint NOT NULL,
	created_at   bigint NOT NULL,
	keep         bigint NOT NULL,
	fanout       bigint NOT NULL,
	test         bigint NOT NULL,
	dup          bigint NOT NULL DEFAULT 0,
	about        varbinary(255) NOT NULL DEFAULT '',
	content_hash binary(32) NOT NULL,
	data         longblob NOT NULL,
	id_group     varbinary(255)
		AS (IF(length(id) = 36 AND substr(id, 9, 1) = x'2D' AND substr(id, 15, 1) = x'37', x'FF', tenant)) STORED,
	-- An event is found by its id, and a repeated id is recognized.
	UNIQUE KEY events_id (id_group, id, tenant),
	-- A tenant's events are listed by time, the newest first. Erase starts at the oldest.
	KEY events_tenant_uid (tenant, uid)
) ENGINE = InnoDB;

-- Events whose deliveries are not made yet. Nearly always empty.
CREATE TABLE IF NOT EXISTS {outbox} (
	event_uid      binary(16) PRIMARY KEY,
	due_at         bigint NOT NULL,
	after_endpoint varbinary(255) NOT NULL DEFAULT '',
	-- A claim takes the events that have been due the longest.
	KEY outbox_due (due_at)
) ENGINE = InnoDB;

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
CREATE TABLE IF NOT EXISTS {queue} (
	event_uid   binary(16)   NOT NULL,
	endpoint_id varbinary(255) NOT NULL,
	ref         binary(16)   NOT NULL,
	lane        binary(16)   NOT NULL,
	due_at      bigint NOT NULL,
	lease_no    bigint NOT NULL,
	leased_until bigint NOT NULL,
	settled_no  bigint NOT NULL,
	version     bigint NOT NULL,
	attempts    bigint NOT NULL,
	failures    bigint NOT NULL,
	pruned      bigint NOT NULL,
	since       bigint NOT NULL,
	waited_us   bigint NOT NULL DEFAULT 0,
	size        bigint NOT NULL,
	fanout      bigint NOT NULL,
	reason      varbinary(255) NOT NULL,
	last_status bigint NOT NULL DEFAULT 0,
	last_class  varbinary(255) NOT NULL DEFAULT '',
	PRIMARY KEY (event_uid, endpoint_id),
	-- A claim finds due deliveries in lane zero, the next ready lanes, and the oldest of a lane.
	KEY queue_lane_due (lane, due_at),
	-- An endpoint's deliveries are listed by event. Prune finds those of deleted endpoints.
	KEY queue_ref_event (ref, event_uid)
) ENGINE = InnoDB;

-- Finished deliveries. They are apart from the queue, so its indexes stay small.
CREATE TABLE IF NOT EXISTS {deliveries} (
	event_uid   binary(16)   NOT NULL,
	endpoint_id varbinary(255) NOT NULL,
	ref         binary(16)   NOT NULL,
	version     bigint NOT NULL,
	state       varbinary(255) NOT NULL,
	reason      varbinary(255) NOT NULL,
	lease_no    bigint NOT NULL,
	settled_no  bigint NOT NULL,
	attempts    bigint NOT NULL,
	failures    bigint NOT NULL,
	pruned      bigint NOT NULL,
	finished_at bigint NOT NULL,
	last_status bigint NOT NULL DEFAULT 0,
	last_class  varbinary(255) NOT NULL DEFAULT '',
	PRIMARY KEY (event_uid, endpoint_id),
	-- An endpoint's deliveries of a state are listed by event.
	KEY deliveries_ref_state (ref, state, event_uid)
) ENGINE = InnoDB;

-- The delivery log. fanout is 1 for an event with more than one delivery.
CREATE TABLE IF NOT EXISTS {attempts} (
	event_uid   binary(16)   NOT NULL,
	endpoint_id varbinary(255) NOT NULL,
	lease_no    bigint NOT NULL,
	ref         binary(16)   NOT NULL,
	started_at  bigint NOT NULL,
	duration_us bigint NOT NULL,
	status      bigint NOT NULL,
	class       varbinary(255) NOT NULL,
	error       blob NOT NULL,
	truncated   bigint NOT NULL,
	next_at     bigint NOT NULL,
	late        bigint NOT NULL,
	test        bigint NOT NULL,
	fanout      bigint NOT NULL,
	-- started_at of a failed attempt. It takes no space in the row of a success.
	failed_at   bigint GENERATED ALWAYS AS (CASE WHEN class <> '' THEN started_at END) STORED,
	PRIMARY KEY (event_uid, endpoint_id, lease_no),
	-- An endpoint's attempts are listed by time.
	KEY attempts_ref_started (ref, started_at, event_uid, lease_no),
	-- The attempts of an event with many deliveries are listed by time.
	KEY attempts_event_started (event_uid, started_at, endpoint_id, lease_no),
	-- The failed attempts of all tenants are listed by time.
	KEY attempts_failed (failed_at, event_uid, endpoint_id, lease_no)
) ENGINE = InnoDB;

-- Response bodies that are not empty. They are apart from the attempts, which are kept longer.
CREATE TABLE IF NOT EXISTS {bodies} (
	event_uid   binary(16)   NOT NULL,
	endpoint_id varbinary(255) NOT NULL,
	lease_no    bigint NOT NULL,
	body        longblob NOT NULL,
	PRIMARY KEY (event_uid, endpoint_id, lease_no)
) ENGINE = InnoDB;

-- Events that are being removed in pieces. Their rows in events are gone, so no read shows their
-- remaining rows.
CREATE TABLE IF NOT EXISTS {removals} (
	event_uid binary(16) PRIMARY KEY,
	tenant    varbinary(255) NOT NULL
) ENGINE = InnoDB;

-- The replays. While one is unfinished, due_at is the time of its next step, and request_key is
-- the key of its request. Afterwards due_at is the time when it ended, and request_key is its id,
-- so that the request may come again. Its next step goes on at the endpoint, the state and the
-- event of at_….
CREATE TABLE IF NOT EXISTS {replays} (
	id          binary(16) PRIMARY KEY,
	tenant      varbinary(255) NOT NULL,
	request_key varbinary(80) NOT NULL,
	request     mediumblob NOT NULL,
	cancels     bigint NOT NULL,
	state       varbinary(255) NOT NULL,
	reason      varbinary(255) NOT NULL,
	matched     bigint NOT NULL,
	exact       bigint NOT NULL,
	changed     bigint NOT NULL,
	skipped     bigint NOT NULL,
	created_at  bigint NOT NULL,
	finished_at bigint NOT NULL,
	due_at      bigint NOT NULL,
	at_tenant   varbinary(255) NOT NULL,
	at_endpoint varbinary(255) NOT NULL,
	at_state    varbinary(255) NOT NULL,
	at_event    binary(16) NOT NULL,
	UNIQUE KEY request_key (request_key),
	-- A tenant's replays are listed by time, the newest first.
	KEY replays_tenant (tenant, id),
	-- A step takes the unfinished replay that has been due the longest. Prune finds the oldest ended
	-- ones.
	KEY replays_due (state, due_at)
) ENGINE = InnoDB;

-- The process that does the housekeeping locks the row prune. used_by names the last such process,
-- and used_at is when it began its last step. A call that creates a replay locks the row replay.
CREATE TABLE IF NOT EXISTS {locks} (
	name    varbinary(255) PRIMARY KEY,
	used_by binary(16) NOT NULL,
	used_at bigint NOT NULL
) ENGINE = InnoDB;
INSERT IGNORE INTO {locks} (name, used_by, used_at)
	VALUES ('prune', x'00000000000000000000000000000000', 0), ('replay', x'00000000000000000000000000000000', 0);

INSERT IGNORE INTO {schema} (version, name) VALUES (1, 'init');
