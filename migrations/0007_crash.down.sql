-- why       takes back 0007_crash; suspicions are lost, attempts are not
-- lock      ACCESS EXCLUSIVE on the three tables: stop the workers first
-- duration  milliseconds
-- old/new   only for programs before 0007
ALTER TABLE weir.dead_letter DROP COLUMN death, DROP COLUMN deaths;
ALTER TABLE weir.parked DROP COLUMN death, DROP COLUMN deaths;
DELETE FROM weir.attempt WHERE attempts = 0;
ALTER TABLE weir.attempt
        DROP CONSTRAINT attempt_counts,
        DROP COLUMN death,
        DROP COLUMN deaths,
        ADD CONSTRAINT attempt_attempts_check CHECK (attempts > 0);
