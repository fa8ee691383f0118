-- why       what a failed event needs to keep over a crash and a move: how often it was tried, what waits
--           behind it, and how often a dead letter was sent round again
-- lock      ACCESS EXCLUSIVE on weir.dead_letter and weir.batch for an ADD COLUMN with a constant default (no rewrite);
--           SHARE on weir.position_change for an index (a row for each first start and each operator's word)
-- duration  milliseconds
-- old/new   safe with both: older programs do not know the tables and leave the new columns alone
-- Written in a transaction of its own before the wait, so that a kill or a move does not give the event its
-- attempts anew; gone in the transaction that passes the offset.
CREATE TABLE weir.attempt (
        position        int4 NOT NULL,
        "offset"        int8 NOT NULL,
        item            int4 NOT NULL,           -- which event of the record (JSON batch), from 0
        attempts        int4 NOT NULL CHECK (attempts > 0),
        reason          text NOT NULL,
        text            text NOT NULL,
        first_failed_at timestamptz NOT NULL DEFAULT now(),
        failed_at       timestamptz NOT NULL DEFAULT now(),
        next_try_at     timestamptz NOT NULL,
        PRIMARY KEY (position, "offset", item)
);

-- retry.order = "park": events that wait outside the partition's way, and those of the same key behind them.
-- The first of a key (least id) is tried, the others wait for it. A record without a key waits alone.
CREATE TABLE weir.parked (
        id              int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        position        int4 NOT NULL,
        topic           text NOT NULL,
        partition       int4 NOT NULL,
        "offset"        int8 NOT NULL,
        item            int4 NOT NULL,
        record_time     timestamptz,
        key             bytea,
        value           bytea,
        header_names    bytea[] NOT NULL,
        header_values   bytea[] NOT NULL,
        source          text NOT NULL,
        event_id        text NOT NULL,
        attempts        int4 NOT NULL,           -- 0: has not been tried, waits for one before it
        reason          text NOT NULL,
        text            text NOT NULL,
        parked_at       timestamptz NOT NULL DEFAULT now(),
        first_failed_at timestamptz,
        next_try_at     timestamptz NOT NULL,
        UNIQUE (position, "offset", item),
        CHECK (cardinality(header_names) = cardinality(header_values))
);
CREATE INDEX parked_position_next_try ON weir.parked (position, next_try_at);

ALTER TABLE weir.dead_letter
        ADD COLUMN item       int4 NOT NULL DEFAULT 0, -- which event; -1: all of a record that was refused once
        ADD COLUMN round      int4 NOT NULL DEFAULT 1, -- how often it went through the plugin's attempts
        ADD COLUMN marked_at  timestamptz,             -- last change of state
        ADD COLUMN marked_by  text,
        ADD COLUMN note       text,                    -- the operator's --reason, or where it was sent
        ADD COLUMN destination text,                   -- class deliver: "sink NAME" or "topic NAME"
        ADD CONSTRAINT dead_letter_state CHECK (state IN
                ('kept',      -- waits for a person
                 'requeue',   -- marked: the live worker runs it again
                 'applied',   -- it was, and its effects are committed
                 'duplicate', -- it was, and its key had been claimed meanwhile
                 'sent',      -- to a topic or back into the outbox
                 'dropped'));
-- Lanes look for what is marked; nearly nothing is.
CREATE INDEX dead_letter_requeue ON weir.dead_letter (position, id) WHERE state = 'requeue';
-- Those that wait for their next try: later ones of the same key wait for them. A key is as long as it likes.
CREATE INDEX dead_letter_again ON weir.dead_letter (position, sha256(key), id)
        WHERE state = 'requeue' AND attempts > 0;
CREATE INDEX dead_letter_kept ON weir.dead_letter (id) WHERE state = 'kept';
-- The last word of an operator about a position: from there on its failures are counted (dead.max_share).
CREATE INDEX position_change_position ON weir.position_change (position, id);

-- Records that were not decided but parked: the share of the condemned is reckoned without them.
ALTER TABLE weir.batch ADD COLUMN parked int4 NOT NULL DEFAULT 0;
