/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_WIRE_H
#define WEIR_STORE_WIRE_H
/*
 * wire - what the files of lib/store/ share about a connection; nobody else includes this
 *
 * Every function that waits returns 0 or < 0 with @reterr filled; after < 0 from a wait the
 * connection is broken (it stopped in mid-command). @sql is only quoted in error texts.
 */
#include <libpq-fe.h>

#include "store/bytes.h"
#include "store/pg.h"

enum {
        WEIR_OID_BOOL = 16,
        WEIR_OID_BYTEA = 17,
        WEIR_OID_CHAR = 18,
        WEIR_OID_NAME = 19,
        WEIR_OID_INT8 = 20,
        WEIR_OID_INT2 = 21,
        WEIR_OID_INT4 = 23,
        WEIR_OID_TEXT = 25,
        WEIR_OID_TID = 27,
        WEIR_OID_JSON = 114,
        WEIR_OID_FLOAT4 = 700,
        WEIR_OID_FLOAT8 = 701,
        WEIR_OID_BYTEA_ARRAY = 1001,
        WEIR_OID_TEXT_ARRAY = 1009,
        WEIR_OID_TID_ARRAY = 1010,
        WEIR_OID_INT8_ARRAY = 1016,
        WEIR_OID_BPCHAR = 1042,
        WEIR_OID_VARCHAR = 1043,
        WEIR_OID_TIMESTAMP = 1114,
        WEIR_OID_TIMESTAMPTZ = 1184,
        WEIR_OID_UUID = 2950,
        WEIR_OID_UUID_ARRAY = 2951,
        WEIR_OID_JSONB = 3802,
};

/* PostgreSQL counts microseconds from 2000-01-01. */
#define WEIR_PG_EPOCH_US INT64_C(946684800000000)

/* The first byte of a lock's two keys: "weir". Advisory locks are per database. */
#define WEIR_LOCK_SPACE 2003134834
#define WEIR_LOCK_CLAIMS 1
#define WEIR_LOCK_SCHEMA 2
#define WEIR_LOCK_CLAIM_SET                                                                        \
        3 /* held by the functions of 0008_claims: who changes the set of generations */
#define WEIR_LOCK_JANITOR 4 /* of the session that looks after the claims */
/* A relay's own lock has one key of 64 bits: the space, and a number that it drew. What sinks a relay knows is told
 * by shared locks of the two keys (this, hash of the name). pg_locks shows both, so relays see each other. */
#define WEIR_LOCK_SINKS (WEIR_LOCK_SPACE + 1)
/* Of two keys (this, position): of a replay that writes letters there. */
#define WEIR_LOCK_LETTERS (WEIR_LOCK_SPACE + 2)

#define WEIR_STATEMENTS_MAX 64

struct weir_statement {
        char *sql;
        size_t count;
        Oid *types;
};

/* What apply.c knows about the claim generations on this connection. */
struct weir_claim_cache {
        int64_t version;        /* of weir.claim_state that the statement was made for; 0 = none */
        int64_t generation;     /* the newest, which claims go into */
        bool prepared[3];       /* the statement of each form exists (apply.c) */
        bool repeating;         /* most keys of the last careful batch were there */
        uint32_t careful_left;  /* batches until hope is tried again */
        uint32_t penalty;       /* how many there were the last time that hope was wrong */
        uint32_t hopeful_count; /* in a row, good */
        struct weir_bytes arrays;
        void *order; /* struct claim_order[], sorted keys */
        size_t order_count;
};

struct weir_pg {
        PGconn *conn; /* NULL: a plugin finished it, and libpq takes NULL for a connection that is lost */
        dev_t socket_device; /* of the socket, as weir knows it (weir_pg_robbed) */
        ino_t socket_inode;
        struct weir_latch *interrupt;
        bool broken;
        char where[320]; /* "host:port/database as user" */
        struct weir_statement statements[WEIR_STATEMENTS_MAX];
        size_t statement_count;
        struct weir_bytes scratch; /* parameters of the query in hand */
        struct weir_claim_cache claims;
};

/* Parameters in the form libpq wants. Arrays of @count; formats all binary. */
struct weir_params {
        size_t count;
        const Oid *types;
        const char *const *values;
        const int *lengths;
        const int *formats;
};

/* Wait until the socket is ready for @events (POLLIN, POLLOUT), the latch is set (WEIR_ESTOP) or
 * @deadline_us has passed (WEIR_EDB); INT64_MAX = no deadline. */
int weir_wire_wait(struct weir_pg *pg, short events, int64_t deadline_us, const char *sql,
                   struct weir_error *reterr);
/* Send everything that libpq holds back, reading meanwhile so that neither side waits for the other. */
int weir_wire_flush(struct weir_pg *pg, const char *sql, struct weir_error *reterr);
/* The next result; *ret NULL = the command is over. A failed command is a result, not an error here. */
int weir_wire_next(struct weir_pg *pg, PGresult **ret, const char *sql, struct weir_error *reterr);
/* All results of the command; *ret (may be NULL) the last good one. First failure wins. */
int weir_wire_finish(struct weir_pg *pg, PGresult **ret, const char *sql,
                     struct weir_error *reterr);
/* Say what @result (NULL: the connection) reports, with class and sqlstate. */
int weir_wire_fail(struct weir_pg *pg, const PGresult *result, const char *sql,
                   struct weir_error *reterr);

/* Name of a statement prepared for @types (0 = as the server infers). 1 = the cache is full, send it
 * unprepared. */
int weir_wire_prepare(struct weir_pg *pg, const char *sql, size_t count, const Oid *types,
                      unsigned *ret_index, struct weir_error *reterr);
void weir_wire_statement_name(unsigned index, char ret_name[24]);
int weir_wire_query(struct weir_pg *pg, const char *sql, const struct weir_params *params,
                    PGresult **ret, struct weir_error *reterr);
/* The same with rows in binary. */
int weir_wire_query_binary(struct weir_pg *pg, const char *sql, const struct weir_params *params,
                           PGresult **ret, struct weir_error *reterr);
/* Run COPY ... FROM STDIN (FORMAT binary) with these rows, header and trailer are added. A failure before the
 * server's own answer breaks the connection. */
int weir_wire_copy(struct weir_pg *pg, const char *sql, const void *rows, size_t size,
                   struct weir_error *reterr);
void weir_wire_forget(struct weir_pg *pg); /* frees the caches; for close */

static inline void weir_pgresult_clearp(PGresult **result)
{
        PQclear(*result);
}

#endif
