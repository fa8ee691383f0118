-- why       what the hostile plugin of the tests writes when it behaves
-- locks     none that anybody waits for: everything here is new
CREATE SCHEMA hostile;
CREATE TABLE hostile.event (
    seq       bigint GENERATED ALWAYS AS IDENTITY, -- the order of the effects
    id        text NOT NULL,
    topic     text NOT NULL,
    partition integer NOT NULL,
    "offset"  bigint NOT NULL,
    attempt   integer NOT NULL
);
