DROP TABLE weir.destination;
DROP TABLE weir.outbox_stream;
DROP TABLE weir.outbox;
