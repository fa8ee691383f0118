-- why       where the audit plugin keeps events
-- locks     none that anybody waits for: everything here is new
-- lasts     milliseconds
-- binaries  an older audit does not know the table, a newer one needs it

CREATE SCHEMA audit;

-- No unique index on (source, id): weir's claims make each event count once, and an index that swallowed
-- a second effect would hide the day when they did not. No index at all: it would cost more than the
-- row. Who looks events up by id adds one: CREATE INDEX CONCURRENTLY ON audit.event (id).
CREATE TABLE audit.event (
    source          text COLLATE "C" NOT NULL,
    id              text COLLATE "C" NOT NULL,
    type            text COLLATE "C" NOT NULL,
    subject         text,
    "time"          timestamptz,        -- to the microsecond; finer digits are cut
    datacontenttype text,
    dataschema      text,
    extensions      jsonb,              -- {"name": value}; null where the event has none
    data            bytea,              -- as it came, byte for byte; null where the event has none
    topic           text NOT NULL,
    partition       integer NOT NULL,
    "offset"        bigint NOT NULL,
    record_time     timestamptz         -- Kafka's
);

COMMENT ON TABLE audit.event IS
    'Every event once. Rows of one transaction share xmin; per partition, offsets ascend with it.';

-- Bytes as jsonb, or null where they are none: data that claims to be JSON may be anything.
CREATE FUNCTION audit.json_of(data bytea) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path = pg_catalog
AS $$
BEGIN
    RETURN convert_from(data, 'UTF8')::jsonb;
EXCEPTION
    WHEN data_exception OR program_limit_exceeded THEN
        RETURN NULL;
END
$$;

-- For people and ad-hoc questions; reads data only where it is said to be JSON.
CREATE VIEW audit.event_json AS
SELECT source, id, type, subject, "time", datacontenttype, dataschema, extensions,
       CASE WHEN datacontenttype IS NULL OR datacontenttype ~* '^[^;]*[/+]json\s*(;|$)'
            THEN audit.json_of(data) END AS data,
       topic, partition, "offset", record_time
  FROM audit.event;
