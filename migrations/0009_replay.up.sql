-- why       a replay is planned, bounded and resumed by what stands here; where it is stands in weir.position, under a
--           worker called NAME@ID, with the same fence and trail as live consumption
-- lock      ACCESS EXCLUSIVE on weir.dead_letter for an ADD COLUMN with a constant default (no rewrite)
-- duration  milliseconds
-- old/new   safe with both: older programs do not know the tables and leave the new column alone
CREATE TABLE weir.replay (
        id             int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        worker         text NOT NULL,
        policy         text NOT NULL CHECK (policy IN
                ('missing',  -- events without a claim are run
                 'again',    -- every event is run once more, once in its epoch
                 'live')),   -- the live position was set back; there is nothing else to run
        epoch          text,                     -- name of the claims of 'again'
        types          text[] NOT NULL,          -- the filter; empty: all
        sources        text[] NOT NULL,
        subjects       text[] NOT NULL,
        ids            text[] NOT NULL,
        effects        bool NOT NULL,            -- what handlers emit leaves
        if_missing     text NOT NULL CHECK (if_missing IN ('fail', 'skip')),
        rate_per_s     int4 NOT NULL,            -- records; 0: no bound
        max_lag        int8,                     -- of the live worker, in records: beyond it the replay waits; NULL: no bound
        asked_from     text NOT NULL,            -- in the operator's words
        asked_to       text NOT NULL,
        plugin_version text NOT NULL,
        state          text NOT NULL CHECK (state IN ('running', 'stopping', 'stopped', 'done', 'failed')),
        owner          text NOT NULL,            -- host:pid of the process that runs it, as in weir.position
        text           text NOT NULL DEFAULT '', -- why it failed
        by             text NOT NULL,
        reason         text NOT NULL DEFAULT '',
        created_at     timestamptz NOT NULL DEFAULT now(),
        started_at     timestamptz NOT NULL DEFAULT now(), -- or resumed
        ended_at       timestamptz,
        CHECK ((policy = 'again') = (epoch IS NOT NULL))
);
CREATE TABLE weir.replay_range (
        replay        int8 NOT NULL REFERENCES weir.replay (id),
        topic         text NOT NULL,
        partition     int4 NOT NULL,
        position      int4 NOT NULL,             -- of the replay; of the live worker where the policy is 'live'
        live_position int4 NOT NULL,
        from_offset   int8 NOT NULL,
        until_offset  int8 NOT NULL,             -- the first that is not part of it
        missing       int8 NOT NULL DEFAULT 0,   -- offsets of the range that retention took before they were read
        withheld      int8 NOT NULL DEFAULT 0,   -- emits and deliveries that did not leave
        PRIMARY KEY (replay, topic, partition),
        CHECK (from_offset <= until_offset)
);
CREATE UNIQUE INDEX replay_range_position ON weir.replay_range (position) WHERE position <> live_position;

-- In which epoch a letter's event failed, and is to be claimed when it is run again; NULL: in live consumption.
-- And whether what it emits is withheld then, as it was.
ALTER TABLE weir.dead_letter ADD COLUMN epoch text, ADD COLUMN withhold bool NOT NULL DEFAULT false;
