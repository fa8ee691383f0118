-- why       an event during which its process died is suspected; the count must be where the next process looks
-- lock      ACCESS EXCLUSIVE on three tables for an ADD COLUMN with a constant default (no rewrite), and on
--           weir.attempt for a CHECK that reads the few rows it has
-- duration  milliseconds
-- old/new   an older program counts such a row as an event of no attempts, and runs it as any other
ALTER TABLE weir.attempt
        DROP CONSTRAINT attempt_attempts_check,
        ADD COLUMN deaths int4 NOT NULL DEFAULT 0, -- of the process, with this event inside the handler
        ADD COLUMN death  text,                    -- the last one: signal, and where it was
        ADD CONSTRAINT attempt_counts CHECK (attempts >= 0 AND deaths >= 0 AND attempts + deaths > 0);
-- item -1: the death fell into a call for several events of one record, or of many
ALTER TABLE weir.parked
        ADD COLUMN deaths int4 NOT NULL DEFAULT 0,
        ADD COLUMN death  text;
ALTER TABLE weir.dead_letter
        ADD COLUMN deaths int4 NOT NULL DEFAULT 0,
        ADD COLUMN death  text;
