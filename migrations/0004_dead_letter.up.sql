-- why       records that could not be handled, whole, written in the transaction that passes their offset.
--           What came from outside is bytea, also header names: nothing about such a record may be trusted to
--           be text.
-- lock      none on existing tables (creates a new one)
-- duration  milliseconds
-- old/new   safe with both
CREATE TABLE weir.dead_letter (
        id              int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        position        int4 NOT NULL,
        worker          text NOT NULL,
        topic           text NOT NULL,
        partition       int4 NOT NULL,
        "offset"        int8 NOT NULL,
        record_time     timestamptz,             -- NULL: none, or beyond what PostgreSQL can hold
        key             bytea,
        value           bytea,
        header_names    bytea[] NOT NULL,        -- same index, same length
        header_values   bytea[] NOT NULL,        -- NULL element: null header
        class           text NOT NULL,           -- decode | reject
        reason          text NOT NULL,           -- class of the refusal, SQLSTATE, or handler
        text            text NOT NULL,
        at_byte         int8,                    -- NULL: does not apply
        attempts        int4 NOT NULL,
        plugin_version  text NOT NULL,
        source          text,                    -- of the event, where it was decoded
        event_id        text,
        state           text NOT NULL DEFAULT 'kept',
        first_failed_at timestamptz NOT NULL,
        failed_at       timestamptz NOT NULL DEFAULT now(),
        CHECK (cardinality(header_names) = cardinality(header_values))
);
CREATE INDEX dead_letter_position_offset ON weir.dead_letter (position, "offset");
