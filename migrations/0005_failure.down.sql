ALTER TABLE weir.batch DROP COLUMN parked;
DROP INDEX weir.position_change_position;
DROP INDEX weir.dead_letter_kept;
DROP INDEX weir.dead_letter_again;
DROP INDEX weir.dead_letter_requeue;
ALTER TABLE weir.dead_letter
        DROP CONSTRAINT dead_letter_state,
        DROP COLUMN destination,
        DROP COLUMN note,
        DROP COLUMN marked_by,
        DROP COLUMN marked_at,
        DROP COLUMN round,
        DROP COLUMN item;
DROP TABLE weir.parked;
DROP TABLE weir.attempt;
