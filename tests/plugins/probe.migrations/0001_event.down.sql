DROP TABLE probe.gate;
DROP TABLE probe.event;
DROP SCHEMA probe;
