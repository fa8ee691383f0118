-- why       weir.position is the authority on where each partition stands; every transaction of a worker
--           moves its row by compare-and-set. Few rows, updated all the time: half of each page is kept
--           free so that updates stay on their page (HOT), and vacuum comes early.
-- lock      none on existing tables (creates new ones)
-- duration  milliseconds
-- old/new   safe with both: older programs do not know the tables
CREATE TABLE weir.position (
        id               int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        worker           text NOT NULL,
        topic            text NOT NULL,
        partition        int4 NOT NULL CHECK (partition >= 0),
        epoch            int8 NOT NULL,                       -- + 1 at each taking: the fence
        next_offset      int8 CHECK (next_offset >= 0),       -- NULL: never started
        last_offset      int8,                                -- the record by which a recreated topic
        last_time_ms     int8,                                -- is recognised
        last_fingerprint int8,
        owner            text NOT NULL,
        since            timestamptz NOT NULL DEFAULT now(),  -- of the epoch
        updated_at       timestamptz NOT NULL DEFAULT now(),
        UNIQUE (worker, topic, partition)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- Who moved a position other than by handling records, and why: first starts and operators.
CREATE TABLE weir.position_change (
        id       int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        position int4 NOT NULL REFERENCES weir.position (id),
        epoch    int8 NOT NULL,
        before   int8,
        after    int8 NOT NULL,
        reason   text NOT NULL CHECK (reason <> ''),
        by       text NOT NULL,
        at       timestamptz NOT NULL DEFAULT now()
);
