-- why       takes back 0008_claims; claims are kept for ever, from where the set stands now
-- lock      ACCESS EXCLUSIVE on tables of generations that were taken out of the set
-- duration  milliseconds
-- old/new   a program of 0008 makes no generation without it and drops none; an older one never did
DO $$
BEGIN
        WHILE weir.claim_sweep() IS NOT NULL LOOP
        END LOOP;
END $$;
-- Make the next generation and direct claims to it. Returns its number. Run by its owner's rights, so that
-- a worker's role needs EXECUTE and not the right to create tables. New claimers queue behind the exclusive lock, so
-- the waiting for old ones is bounded.
CREATE OR REPLACE FUNCTION weir.claim_switch() RETURNS int4
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
DROP FUNCTION weir.claim_switch(int4);
DROP FUNCTION weir.claim_drop(int4, int4);
DROP FUNCTION weir.claim_sweep();
DROP FUNCTION weir.claim_change(int4, int4, int4);
DROP FUNCTION weir.claim_key(text, text, text);
DROP TABLE weir.claim_dropped;
