DROP TABLE batch.event;
DROP SCHEMA batch;
