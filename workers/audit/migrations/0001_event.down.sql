-- Drops every event that was kept.
DROP VIEW audit.event_json;
DROP FUNCTION audit.json_of(bytea);
DROP TABLE audit.event;
DROP SCHEMA audit;
