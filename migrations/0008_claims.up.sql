-- why       claims grow by an event's key each; what no log holds any more, and no letter waits for, need not be kept. A
--           generation is taken out of the set by the protocol of 0003 and its table is dropped afterwards, when no claimer
--           looks at it: the set changes in milliseconds, whatever reads the table meanwhile.
-- lock      none on existing tables (creates new ones, replaces a function)
-- duration  milliseconds
-- old/new   safe with both: older programs find a set of generations, as before
-- Taken out of the set, by whom and when. Its table may be there for a while longer: weir.claim_sweep().
CREATE TABLE weir.claim_dropped (
        generation int4 PRIMARY KEY,
        since      timestamptz NOT NULL,
        until      timestamptz NOT NULL,               -- no claim was made in it afterwards
        dropped_at timestamptz NOT NULL DEFAULT now(),
        dropped_by text NOT NULL
);

-- The key under which weir claims an event: 16 bytes of SHA-256 over worker, source and id, each behind its length. For
-- people, and to find the claims of what is kept by its words.
CREATE FUNCTION weir.claim_key(worker text, source text, id text) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        SELECT pg_catalog.encode(pg_catalog.substr(pg_catalog.sha256(
                pg_catalog.int8send(pg_catalog.octet_length(pg_catalog.convert_to(worker, 'UTF8'))::int8)
                || pg_catalog.convert_to(worker, 'UTF8')
                || pg_catalog.int8send(pg_catalog.octet_length(pg_catalog.convert_to(source, 'UTF8'))::int8)
                || pg_catalog.convert_to(source, 'UTF8')
                || pg_catalog.int8send(pg_catalog.octet_length(pg_catalog.convert_to(id, 'UTF8'))::int8)
                || pg_catalog.convert_to(id, 'UTF8')), 1, 16), 'hex')::uuid
$$;

-- Change the set of generations, by one that comes or one that goes. Claimers hold the shared lock to their COMMIT and new
-- ones queue behind the exclusive one, as readers of the view do behind its replacement: so nothing here waits for longer
-- than patience_ms, and the caller tries again, with a pause in which everybody claims. Not for itself: the functions below
-- have looked at what they do.
CREATE FUNCTION weir.claim_change(added int4, removed int4, patience_ms int4) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' AS $$
DECLARE
        members text;
BEGIN
        SELECT string_agg(format('SELECT %s AS generation, key, position, "offset" FROM weir.claim_%s',
                                 g.generation, g.generation), ' UNION ALL ' ORDER BY g.generation)
                INTO STRICT members
                FROM (SELECT generation FROM weir.claim_generation WHERE generation IS DISTINCT FROM removed
                      UNION ALL SELECT added WHERE added IS NOT NULL) g;
        PERFORM set_config('lock_timeout', greatest(patience_ms, 1)::text, true);
        EXECUTE 'CREATE OR REPLACE VIEW weir.claim AS ' || members;
        PERFORM pg_advisory_xact_lock(2003134834, 1);
        -- From here to COMMIT nobody claims, and whoever waits reads the new version.
        IF added IS NOT NULL THEN
                INSERT INTO weir.claim_generation (generation, since) VALUES (added, clock_timestamp());
        END IF;
        DELETE FROM weir.claim_generation WHERE generation = removed;
        UPDATE weir.claim_state SET version = version + 1;
END $$;

-- Make the next generation and direct claims to it. Returns its number. Run by its owner's rights, so that
-- a worker's role needs EXECUTE and not the right to create tables. One at a time, by a lock that no claimer knows.
CREATE FUNCTION weir.claim_switch(patience_ms int4) RETURNS int4
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' AS $$
DECLARE
        old_generation int4;
        new_generation int4;
        acl            record;
BEGIN
        PERFORM pg_advisory_xact_lock(2003134834, 3);
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
        PERFORM weir.claim_change(new_generation, NULL, patience_ms);
        RETURN new_generation;
END $$;

CREATE OR REPLACE FUNCTION weir.claim_switch() RETURNS int4
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        SELECT weir.claim_switch(1280)
$$;

-- Take a generation out of the set: from the COMMIT on, its claims are forgotten. Whether they may be is for the caller to
-- know (weir claims). Never the newest: claims go there. Its table stays for weir.claim_sweep().
CREATE FUNCTION weir.claim_drop(dropped int4, patience_ms int4 DEFAULT 1280) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' AS $$
DECLARE
        began timestamptz;
        ended timestamptz;
BEGIN
        PERFORM pg_advisory_xact_lock(2003134834, 3);
        SELECT g.since, g.until INTO began, ended
                FROM (SELECT generation, since, lead(since) OVER (ORDER BY generation) AS until
                      FROM weir.claim_generation) g
                WHERE g.generation = dropped;
        IF NOT FOUND THEN
                RAISE no_data_found USING MESSAGE = format('there is no generation %s of claims', dropped);
        ELSIF ended IS NULL THEN
                RAISE object_in_use USING MESSAGE = format(
                        'generation %s is the newest: claims go there until weir.claim_switch()', dropped);
        END IF;
        PERFORM weir.claim_change(NULL, dropped, patience_ms);
        INSERT INTO weir.claim_dropped (generation, since, until, dropped_by)
                VALUES (dropped, began, ended, session_user);
END $$;

-- Remove the table of a generation that was taken out. Returns its number; NULL: none is left. In a transaction of its own:
-- no claimer knows the table any more, so whoever still reads it (a dump) is waited for by nobody else, two seconds here.
CREATE FUNCTION weir.claim_sweep() RETURNS int4
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
        swept int4;
BEGIN
        PERFORM pg_advisory_xact_lock(2003134834, 3);
        SELECT d.generation INTO swept FROM weir.claim_dropped d
                WHERE to_regclass(format('weir.claim_%s', d.generation)) IS NOT NULL
                ORDER BY d.generation LIMIT 1;
        IF FOUND THEN
                EXECUTE format('DROP TABLE weir.claim_%s', swept);
        END IF;
        RETURN swept;
END $$;

-- Who may switch may do the rest of it, and nobody else.
REVOKE ALL ON FUNCTION weir.claim_change(int4, int4, int4), weir.claim_switch(int4), weir.claim_drop(int4, int4),
        weir.claim_sweep() FROM PUBLIC;
DO $$
DECLARE
        acl record;
BEGIN
        FOR acl IN
                SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee
                FROM pg_proc p, aclexplode(p.proacl) a
                WHERE p.oid = 'weir.claim_switch()'::regprocedure AND a.grantee <> p.proowner
        LOOP
                EXECUTE format('GRANT EXECUTE ON FUNCTION weir.claim_switch(int4), weir.claim_drop(int4, int4),'
                               ' weir.claim_sweep() TO %s', acl.grantee);
        END LOOP;
END $$;
