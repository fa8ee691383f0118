/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_POOL_H
#define WEIR_STORE_POOL_H
/*
 * pool - a bounded number of connections shared by all lanes of a worker
 *
 * A lane holds one only while it has a transaction to run, so 64 idle partitions need none. Fair:
 * first come, first served. Any thread. No lock is held while connecting.
 */
#include "store/pg.h"

struct weir_pool;

int weir_pool_new(const struct weir_pg_conf *conf, uint32_t max, struct weir_pool **ret,
                  struct weir_error *reterr);
void weir_pool_free(struct weir_pool *pool); /* all connections must be back */
WEIR_DEFINE_FREEP(struct weir_pool, weir_pool_free)
/* Wait for a free connection, or make one. WEIR_ESTOP when @interrupt was set meanwhile; WEIR_EDB when a
 * new one cannot be opened: back off and ask again. Idle connections that the server closed meanwhile
 * are noticed and replaced. */
int weir_pool_acquire(struct weir_pool *pool, struct weir_latch *interrupt, struct weir_pg **ret,
                      struct weir_error *reterr);
/* Give back; broken ones are closed, ones left in a transaction are rolled back first. */
void weir_pool_release(struct weir_pool *pool, struct weir_pg *pg);

#endif
