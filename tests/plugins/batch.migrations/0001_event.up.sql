-- why       what the batch plugin of the tests writes
-- locks     none that anybody waits for: everything here is new
CREATE SCHEMA batch;
CREATE TABLE batch.event (
    seq       bigint GENERATED ALWAYS AS IDENTITY, -- the order of the effects
    source    text NOT NULL,
    id        text NOT NULL,
    type      text NOT NULL,
    topic     text NOT NULL,
    partition integer NOT NULL,
    "offset"  bigint NOT NULL,
    together  integer NOT NULL                     -- events of the call
);
