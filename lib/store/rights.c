/* SPDX-License-Identifier: MIT */
/*
 * rights - what the statements of this folder need
 *
 * The list is what a role that was granted one right less would be refused, statement by statement: DELETE and UPDATE
 * with a WHERE read, FOR UPDATE and ON CONFLICT DO UPDATE write. An identity column draws from its sequence without a
 * right of its own, currval() of it (unclaim) needs one.
 * A test takes them away one by one: t7004.
 */
#include "store/rights.h"

int weir_rights_missing(struct weir_pg *pg, struct weir_pg_rows **ret, struct weir_error *reterr)
{
        static const char sql[] =
                "SELECT 'GRANT ' || pg_catalog.string_agg(w.wanted, ', ' ORDER BY w.at) || ' ON '"
                " || CASE c.relkind WHEN 'S' THEN 'SEQUENCE ' ELSE '' END || 'weir.'"
                " || c.relname || ' TO '"
                " || pg_catalog.quote_ident(current_user)"
                " FROM (VALUES"
                " ('^attempt$', 'SELECT INSERT UPDATE DELETE'),"
                " ('^batch$', 'SELECT INSERT UPDATE'),"
                " ('^batch_id_seq$', 'SELECT'),"
                " ('^claim_[0-9]+$', 'SELECT INSERT DELETE'),"
                " ('^claim_dropped$', 'SELECT'),"
                " ('^claim_generation$', 'SELECT'),"
                " ('^claim_state$', 'SELECT'),"
                " ('^dead_letter$', 'SELECT INSERT UPDATE'),"
                " ('^destination$', 'SELECT INSERT UPDATE'),"
                " ('^migration$', 'SELECT'),"
                " ('^outbox$', 'SELECT INSERT UPDATE DELETE'),"
                " ('^outbox_stream$', 'SELECT INSERT UPDATE'),"
                " ('^parked$', 'SELECT INSERT UPDATE DELETE'),"
                " ('^position$', 'SELECT INSERT UPDATE'),"
                " ('^position_change$', 'SELECT INSERT'),"
                " ('^replay$', 'SELECT INSERT UPDATE'),"
                " ('^replay_range$', 'SELECT INSERT UPDATE')) n(name, rights)"
                " JOIN pg_catalog.pg_class c ON c.relname ~ n.name AND c.relkind IN ('r', 'S')"
                " CROSS JOIN LATERAL pg_catalog.regexp_split_to_table(n.rights, ' ')"
                " WITH ORDINALITY w(wanted, at)"
                " WHERE c.relnamespace = 'weir'::pg_catalog.regnamespace"
                " AND NOT CASE c.relkind WHEN 'S'"
                " THEN pg_catalog.has_sequence_privilege(c.oid, 'SELECT, USAGE')"
                " ELSE pg_catalog.has_table_privilege(c.oid, w.wanted) END"
                " GROUP BY c.relname, c.relkind ORDER BY c.relname";

        return weir_pg_query(pg, sql, NULL, 0, ret, reterr);
}

int weir_rights_unused(struct weir_pg *pg, struct weir_pg_rows **ret, struct weir_error *reterr)
{
        static const char sql[] =
                "SELECT 'GRANT EXECUTE ON FUNCTION ' || pg_catalog.string_agg("
                "p.oid::pg_catalog.regprocedure::text, ', ' ORDER BY p.proname)"
                " || ' TO ' || pg_catalog.quote_ident(current_user) FROM pg_catalog.pg_proc p"
                " WHERE p.pronamespace = 'weir'::pg_catalog.regnamespace AND p.oid IN"
                " (pg_catalog.to_regprocedure('weir.claim_switch(int4)'),"
                " pg_catalog.to_regprocedure('weir.claim_drop(int4, int4)'),"
                " pg_catalog.to_regprocedure('weir.claim_sweep()'))"
                " AND NOT pg_catalog.has_function_privilege(p.oid, 'EXECUTE')"
                " HAVING count(*) > 0";

        return weir_pg_query(pg, sql, NULL, 0, ret, reterr);
}
