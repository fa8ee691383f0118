DROP TABLE probe.event;
DROP SCHEMA probe;
