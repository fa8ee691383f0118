/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_RIGHTS_H
#define WEIR_STORE_RIGHTS_H
/*
 * rights - what the role of a connection may not do with weir's tables and would have to
 *
 * A migration's role is often another one than the worker's. One thread.
 */
#include "store/pg.h"

/* One row per table that lacks something, by name: the GRANT that mends it. No row = all is granted. What PostgreSQL wants
 * for each statement: https://www.postgresql.org/docs/current/ddl-priv.html */
int weir_rights_missing(struct weir_pg *pg, struct weir_pg_rows **ret, struct weir_error *reterr);
/* What weir does without, and says so: the claims are looked after by another role then, or by nobody (weir.claim_switch,
 * weir.claim_drop, weir.claim_sweep). At most a row. */
int weir_rights_unused(struct weir_pg *pg, struct weir_pg_rows **ret, struct weir_error *reterr);

#endif
