CREATE TABLE {schema} (
	version    bigint PRIMARY KEY,
	name       text   NOT NULL,
	applied_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE {tenants} (
	tenant    text COLLATE "C" PRIMARY KEY,
	endpoints bigint NOT NULL
);

CREATE TABLE {endpoints} (
	ref           uuid PRIMARY KEY,
	tenant        text COLLATE "C" NOT NULL,
	id            text COLLATE "C" NOT NULL,
	created_at    bigint NOT NULL,
	url           text   NOT NULL,
	description   text   NOT NULL,
	events        text   NOT NULL,
	channel       text COLLATE "C" NOT NULL,
	profile       text   NOT NULL,
	metadata      text   NOT NULL,
	header        text   NOT NULL,
	secrets       text   NOT NULL,
	timeout_us    bigint NOT NULL,
	max_in_flight bigint NOT NULL,
	secret_expires_at bigint NOT NULL DEFAULT 0,
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
	ref             uuid PRIMARY KEY,
	tenant          text COLLATE "C" NOT NULL,
	id              text COLLATE "C" NOT NULL,
	version         bigint NOT NULL,
	state           text   NOT NULL,
	reason          text   NOT NULL,
	updated_at      bigint NOT NULL,
	failures        bigint NOT NULL,
	failing_since   bigint NOT NULL,
	last_failure_at bigint NOT NULL,
	recovered_at    bigint NOT NULL,
	blocked_until   bigint NOT NULL,
	circuit         bigint NOT NULL,
	health          text COLLATE "C" NOT NULL DEFAULT '',
	health_since    bigint NOT NULL DEFAULT 0,
	last_class      text NOT NULL DEFAULT '',
	last_status     bigint NOT NULL DEFAULT 0,
	holds           bigint NOT NULL DEFAULT 0,
	throttles       bigint NOT NULL DEFAULT 0,
	rate            bigint NOT NULL DEFAULT 0,
	burst           bigint NOT NULL DEFAULT 0,
	rate_at         bigint NOT NULL DEFAULT 0,
	opens_at        bigint GENERATED ALWAYS AS (greatest(blocked_until, rate_at)) STORED,
	told            text NOT NULL DEFAULT '',
	parked          bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
-- A claim finds the parked lanes whose endpoints are not held any more, the longest free first.
CREATE INDEX {prefix}status_parked ON {status} (parked, state, opens_at) WHERE parked > 0;
-- A round of claims visits the parked lanes that are open, in their order.
CREATE INDEX {prefix}status_open ON {status} (parked, ref) WHERE parked > 0;
-- Failing endpoints are listed, those that have been failing longest first.
CREATE INDEX {prefix}status_failing ON {status} (failing_since, ref) WHERE failing_since > 0;

CREATE TABLE {versions} (
	ref           uuid   NOT NULL,
	version       bigint NOT NULL,
	url           text   NOT NULL,
	profile       text   NOT NULL,
	metadata      text   NOT NULL,
	superseded_at bigint NOT NULL,
	PRIMARY KEY (ref, version)
);

-- The subscriptions of endpoints. The primary key is in the order in which Match and the expansion of
-- the outbox read them. While an endpoint is disabled its patterns begin with "!", which no event
-- type contains. So Match reads none of them, except to see whether a disabled endpoint would match.
CREATE TABLE {subscriptions} (
	tenant      text COLLATE "C" NOT NULL,
	pattern     text COLLATE "C" NOT NULL,
	channel     text COLLATE "C" NOT NULL,
	endpoint_id text COLLATE "C" NOT NULL,
	ref         uuid NOT NULL,
	PRIMARY KEY (tenant, pattern, channel, endpoint_id)
);
-- An update of an endpoint replaces its subscriptions.
CREATE INDEX {prefix}subscriptions_ref ON {subscriptions} (ref);

CREATE TABLE {events} (
	uid          uuid PRIMARY KEY,
	tenant       text COLLATE "C" NOT NULL,
	id           text COLLATE "C" NOT NULL,
	type         text COLLATE "C" NOT NULL,
	channel      text COLLATE "C" NOT NULL,
	header       text   NOT NULL,
	time         bigint NOT NULL,
	not_before   bigint NOT NULL,
	created_at   bigint NOT NULL,
	keep         bigint NOT NULL,
	fanout       bigint NOT NULL,
	test         bigint NOT NULL,
	dup          bigint NOT NULL DEFAULT 0,
	about        text COLLATE "C" NOT NULL DEFAULT '',
	content_hash bytea  NOT NULL,
	data         bytea  NOT NULL,
	-- An event is found by its id, and a repeated id is recognized.
	UNIQUE (tenant, id)
);
-- A tenant's events are listed by time, the newest first. Erase starts at the oldest.
CREATE INDEX {prefix}events_tenant_uid ON {events} (tenant, uid);

-- Events whose deliveries are not made yet. Nearly always empty.
CREATE TABLE {outbox} (
	event_uid      uuid PRIMARY KEY,
	due_at         bigint NOT NULL,
	after_endpoint text COLLATE "C" NOT NULL DEFAULT ''
);
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
	event_uid   uuid   NOT NULL,
	endpoint_id text COLLATE "C" NOT NULL,
	ref         uuid   NOT NULL,
	lane        uuid   NOT NULL,
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
	reason      text   NOT NULL,
	last_status bigint NOT NULL DEFAULT 0,
	last_class  text NOT NULL DEFAULT '',
	PRIMARY KEY (event_uid, endpoint_id)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
	autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000,
	autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
-- A claim finds due deliveries in lane zero, the next ready lanes, and the oldest of a lane.
CREATE INDEX {prefix}queue_lane_due ON {queue} (lane, due_at);
-- An endpoint's deliveries are listed by event. Prune finds those of deleted endpoints.
CREATE INDEX {prefix}queue_ref_event ON {queue} (ref, event_uid);

-- Finished deliveries. They are apart from the queue, so its indexes stay small.
CREATE TABLE {deliveries} (
	event_uid   uuid   NOT NULL,
	endpoint_id text COLLATE "C" NOT NULL,
	ref         uuid   NOT NULL,
	version     bigint NOT NULL,
	state       text   NOT NULL,
	reason      text   NOT NULL,
	lease_no    bigint NOT NULL,
	settled_no  bigint NOT NULL,
	attempts    bigint NOT NULL,
	failures    bigint NOT NULL,
	pruned      bigint NOT NULL,
	finished_at bigint NOT NULL,
	last_status bigint NOT NULL DEFAULT 0,
	last_class  text NOT NULL DEFAULT '',
	PRIMARY KEY (event_uid, endpoint_id)
);
-- An endpoint's deliveries of a state are listed by event.
CREATE INDEX {prefix}deliveries_ref_state ON {deliveries} (ref, state, event_uid);

-- The delivery log. fanout is 1 for an event with more than one delivery.
CREATE TABLE {attempts} (
	event_uid   uuid   NOT NULL,
	endpoint_id text COLLATE "C" NOT NULL,
	lease_no    bigint NOT NULL,
	ref         uuid   NOT NULL,
	started_at  bigint NOT NULL,
	duration_us bigint NOT NULL,
	status      bigint NOT NULL,
	class       text   NOT NULL,
	error       text   NOT NULL,
	truncated   bigint NOT NULL,
	next_at     bigint NOT NULL,
	late        bigint NOT NULL,
	test        bigint NOT NULL,
	fanout      bigint NOT NULL,
	PRIMARY KEY (event_uid, endpoint_id, lease_no)
);
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
	event_uid   uuid   NOT NULL,
	endpoint_id text COLLATE "C" NOT NULL,
	lease_no    bigint NOT NULL,
	body        bytea  NOT NULL,
	PRIMARY KEY (event_uid, endpoint_id, lease_no)
);

-- Events that are being removed in pieces. Their rows in events are gone, so no read shows their
-- remaining rows.
CREATE TABLE {removals} (
	event_uid uuid PRIMARY KEY,
	tenant    text COLLATE "C" NOT NULL
);

-- The replays. While one is unfinished, due_at is the time of its next step, and request_key is
-- the key of its request. Afterwards due_at is the time when it ended, and request_key is its id,
-- so that the request may come again. Its next step goes on at the endpoint, the state and the
-- event of at_….
CREATE TABLE {replays} (
	id          uuid PRIMARY KEY,
	tenant      text COLLATE "C" NOT NULL,
	request_key bytea  NOT NULL UNIQUE,
	request     text   NOT NULL,
	cancels     bigint NOT NULL,
	state       text   NOT NULL,
	reason      text   NOT NULL,
	matched     bigint NOT NULL,
	exact       bigint NOT NULL,
	changed     bigint NOT NULL,
	skipped     bigint NOT NULL,
	created_at  bigint NOT NULL,
	finished_at bigint NOT NULL,
	due_at      bigint NOT NULL,
	at_tenant   text COLLATE "C" NOT NULL,
	at_endpoint text COLLATE "C" NOT NULL,
	at_state    text   NOT NULL,
	at_event    uuid   NOT NULL
);
-- A tenant's replays are listed by time, the newest first.
CREATE INDEX {prefix}replays_tenant ON {replays} (tenant, id);
-- A step takes the unfinished replay that has been due the longest. Prune finds the oldest ended
-- ones.
CREATE INDEX {prefix}replays_due ON {replays} (state, due_at);

-- The process that does the housekeeping locks the row prune. used_by names the last such process,
-- and used_at is when it began its last step. A call that creates a replay locks the row replay.
CREATE TABLE {locks} (
	name    text COLLATE "C" PRIMARY KEY,
	used_by uuid   NOT NULL,
	used_at bigint NOT NULL
);
INSERT INTO {locks} (name, used_by, used_at)
	VALUES ('prune', '00000000-0000-0000-0000-000000000000', 0), ('replay', '00000000-0000-0000-0000-000000000000', 0);

INSERT INTO {schema} (version, name) VALUES (1, 'init');
