-- why       what the ledger plugin of the chaos runs writes
-- locks     none that anybody waits for: everything here is new
CREATE SCHEMA ledger;
-- No unique index: it would swallow the second effect that the checker looks for.
CREATE TABLE ledger.effect (
    seq       bigint GENERATED ALWAYS AS IDENTITY, -- the order of the effects, within a partition
    xid       xid8 NOT NULL DEFAULT pg_current_xact_id(), -- of the transaction, also below a savepoint
    source    text NOT NULL,
    id        text NOT NULL,
    type      text NOT NULL,
    topic     text NOT NULL,
    partition integer NOT NULL,
    "offset"  bigint NOT NULL,
    attempt   integer NOT NULL,
    data      bytea NOT NULL
);
