-- why       what the probe plugin of the tests writes
-- locks     none that anybody waits for: everything here is new
CREATE SCHEMA probe;
CREATE TABLE probe.event (
    seq       bigint GENERATED ALWAYS AS IDENTITY, -- the order of the effects
    source    text NOT NULL,
    id        text NOT NULL,
    type      text NOT NULL,
    topic     text NOT NULL,
    partition integer NOT NULL,
    "offset"  bigint NOT NULL,
    kkey      text,
    attempt   integer NOT NULL,
    replay    text                               -- NULL: consumed live
);
-- What the option "gate" asks: the answer to events that are listed here.
CREATE TABLE probe.gate (
    id     text PRIMARY KEY,
    answer text NOT NULL DEFAULT 'retry'
);
