-- why       what must leave the database is a row of the transaction that decided it; a relay sends it after
--           COMMIT and removes it. A stream is what must stay in order: one destination, one shard of keys.
-- lock      ACCESS EXCLUSIVE on weir.dead_letter for an ADD COLUMN without a default (no rewrite)
-- duration  milliseconds
-- old/new   safe with both
-- Rows live for milliseconds and are removed in sets: vacuum comes early and often.
CREATE TABLE weir.outbox (
        id            int8 GENERATED ALWAYS AS IDENTITY,
        kind          "char" NOT NULL CHECK (kind IN ('t', 's')), -- t topic, s sink
        destination   text NOT NULL,                              -- name of the topic or of the sink
        shard         int2 NOT NULL CHECK (shard BETWEEN 0 AND 63), -- by key; without one, spread
        key           bytea,
        header_names  bytea[] NOT NULL,
        header_values bytea[] NOT NULL,
        body          bytea,
        message_id    text NOT NULL,          -- ce_id, webhook-id: the same in every repetition
        worker        text NOT NULL,
        position      int4,                   -- whose event made it: for the dead letter, and for people
        "offset"      int8,
        attempts      int4 NOT NULL DEFAULT 0,
        round         int4 NOT NULL DEFAULT 1, -- + 1 each time that an operator sends it again
        next_try_at   timestamptz,            -- NULL: at once
        error         text,                   -- of the last try
        refused_us    int8 NOT NULL DEFAULT 0, -- for how long its receiver has answered, and failed at it
        refused_at    timestamptz,            -- of the last try, where it was answered
        made_at       timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (kind, destination, shard, id), -- the one index: what is written and removed so often pays for each
        CHECK (cardinality(header_names) = cardinality(header_values))
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
        autovacuum_vacuum_insert_threshold = 100000, autovacuum_vacuum_cost_delay = 0);

-- Who sends a stream: a lease that lasts as long as the owner's session (owner = key of an advisory lock that the
-- session holds), taken by FOR UPDATE SKIP LOCKED. Rows are made by relays when they first meet a stream.
CREATE TABLE weir.outbox_stream (
        kind        "char" NOT NULL,
        destination text NOT NULL,
        shard       int2 NOT NULL,
        owner       int8,                     -- NULL: free
        since       timestamptz,
        PRIMARY KEY (kind, destination, shard)
) WITH (fillfactor = 50);

-- How a destination stands, shared by all relays.
CREATE TABLE weir.destination (
        kind          "char" NOT NULL,
        name          text NOT NULL,
        state         text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'waiting', 'retired')),
        target        text NOT NULL DEFAULT '', -- hash of the address that it was seen at; '': any
        failures      int4 NOT NULL DEFAULT 0, -- in a row
        not_before    timestamptz,             -- waiting: until then (backoff, Retry-After)
        probe_until   timestamptz,             -- one relay asks whether it is back: the others leave it alone
        taken_until   timestamptz,             -- a rate: moments up to here belong to some relay
        allowed_for   text,                    -- webhook: hash of name, url and origin that consent was given to
        allowed_until timestamptz,             -- consent of the OPTIONS handshake; NULL: none, or refused
        allowed_rate  int4,                    -- a minute; NULL: no limit
        error         text,
        changed_at    timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (kind, name)
) WITH (fillfactor = 50);

-- A message that its receiver has refused keeps its name: sent again, it is the same message (O3).
ALTER TABLE weir.dead_letter ADD COLUMN message_id text; -- class deliver
