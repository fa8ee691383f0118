ALTER TABLE weir.dead_letter DROP COLUMN message_id;
DROP TABLE weir.destination;
DROP TABLE weir.outbox_stream;
DROP TABLE weir.outbox;
