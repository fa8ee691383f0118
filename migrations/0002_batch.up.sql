-- why       one row per transaction: from a claim (position, offset) to when and by which plugin version
--           it was applied, and a chain of offsets without a hole that a query can check
-- lock      none on existing tables (creates a new one)
-- duration  milliseconds
-- old/new   safe with both
-- No foreign key to weir.position: it would lock the position row once more in every transaction.
CREATE TABLE weir.batch (
        id             int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        first_offset   int8 NOT NULL,
        next_offset    int8 NOT NULL,
        epoch          int8 NOT NULL,
        at             timestamptz NOT NULL DEFAULT now(),
        position       int4 NOT NULL,
        records        int4 NOT NULL,    -- 0: offsets without a record (transaction markers) were passed
        events         int4 NOT NULL,    -- duplicates included
        fresh          int4 NOT NULL,    -- claimed, so handled, in this transaction
        dead           int4 NOT NULL,    -- put into weir.dead_letter
        plugin_version text NOT NULL
);
CREATE INDEX batch_position_first_offset ON weir.batch (position, first_offset);
