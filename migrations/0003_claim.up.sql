-- why       the keys of events that were handled, in generations that can be dropped whole. A key is unique
--           inside a generation by its index and across generations by an anti-join, which holds because
--           claimers keep a shared advisory lock to the end of their transaction and the switch takes the
--           exclusive one: nobody claims in two generations at a time.
-- lock      none on existing tables (creates new ones)
-- duration  milliseconds
-- old/new   safe with both
-- Lean on purpose: one index, no timestamps (weir.batch has them), 56 bytes of heap a claim.
CREATE TABLE weir.claim_1 (
        key      uuid PRIMARY KEY,
        position int4 NOT NULL,
        "offset" int8 NOT NULL
);

CREATE TABLE weir.claim_generation (
        generation int4 PRIMARY KEY,
        since      timestamptz NOT NULL DEFAULT now()
);
INSERT INTO weir.claim_generation (generation) VALUES (1);

-- One row. Its version changes with the set of generations; a worker's statement is made for a version.
CREATE TABLE weir.claim_state (
        only_row bool PRIMARY KEY DEFAULT true CHECK (only_row),
        version  int8 NOT NULL
);
INSERT INTO weir.claim_state (version) VALUES (1);

-- All live generations, for people and for checks.
CREATE VIEW weir.claim AS SELECT 1 AS generation, key, position, "offset" FROM weir.claim_1;

-- Make the next generation and direct claims to it. Returns its number. Run by its owner's rights, so that
-- a worker's role needs EXECUTE and not the right to create tables. New claimers queue behind the exclusive lock, so
-- the waiting for old ones is bounded.
CREATE FUNCTION weir.claim_switch() RETURNS int4
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' AS $$
DECLARE
        old_generation int4;
        new_generation int4;
        acl            record;
        members        text;
BEGIN
        PERFORM pg_advisory_xact_lock(2003134834, 1);
        SELECT max(generation) INTO STRICT old_generation FROM weir.claim_generation;
        new_generation := old_generation + 1;
        EXECUTE format('CREATE TABLE weir.claim_%s (LIKE weir.claim_%s INCLUDING ALL)',
                       new_generation, old_generation);
        -- LIKE copies everything but the rights.
        FOR acl IN
                SELECT a.privilege_type, a.grantee FROM pg_class c, aclexplode(c.relacl) a
                WHERE c.oid = format('weir.claim_%s', old_generation)::regclass
                      AND a.grantee <> c.relowner
        LOOP
                EXECUTE format('GRANT %s ON weir.claim_%s TO %s', acl.privilege_type, new_generation,
                               CASE WHEN acl.grantee = 0 THEN 'PUBLIC'
                                    ELSE acl.grantee::regrole::text END);
        END LOOP;
        INSERT INTO weir.claim_generation (generation) VALUES (new_generation);
        UPDATE weir.claim_state SET version = version + 1;
        SELECT string_agg(format('SELECT %s AS generation, key, position, "offset" FROM weir.claim_%s',
                                 generation, generation), ' UNION ALL ' ORDER BY generation)
                INTO STRICT members FROM weir.claim_generation;
        EXECUTE 'CREATE OR REPLACE VIEW weir.claim AS ' || members;
        RETURN new_generation;
END $$;
REVOKE ALL ON FUNCTION weir.claim_switch() FROM PUBLIC;
