/* SPDX-License-Identifier: MIT */
#ifndef WEIR_STORE_VACUUM_H
#define WEIR_STORE_VACUUM_H
/*
 * vacuum - weir.outbox, on a connection of its own, while its owner does other things
 *
 * Thread   one owner. Only begin() waits, for the connection.
 */
#include "store/pg.h"

struct weir_vacuum;

int weir_vacuum_new(struct weir_vacuum **ret, struct weir_error *reterr);
void weir_vacuum_free(struct weir_vacuum *vacuum);
/* 0 = under way; 1 = this role may not. @shrink: also give pages at the end back to the file system. */
int weir_vacuum_begin(struct weir_vacuum *vacuum, const struct weir_pg_conf *conf,
                      struct weir_latch *interrupt, bool shrink, struct weir_error *reterr);
/* To wait on; -1 = nothing is under way. */
int weir_vacuum_socket(const struct weir_vacuum *vacuum);
/* 1 = still under way; 0 = done, or nothing was begun; < 0 = failed, the connection is closed. Never waits. */
int weir_vacuum_poll(struct weir_vacuum *vacuum, struct weir_error *reterr);
/* Close the connection, whatever it does: vacuum may be interrupted at any moment. */
void weir_vacuum_close(struct weir_vacuum *vacuum);

#endif
