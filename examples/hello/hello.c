/* SPDX-License-Identifier: MIT */
/*
 * hello - the smallest useful plugin: one row for each event, exactly once
 *
 * Everything around it (the group, the decoding, the transaction, duplicates, crashes) is weir's.
 * Build it at the top of the checkout:
 *   cc -shared -fPIC -Iinclude -o examples/hello/hello.so examples/hello/hello.c
 */
#include <weir/worker.h>

static int hello(void *self, struct weir_tx *tx, const struct weir_event *event,
                 struct weir_error *reterr)
{
        (void)self;
        return weir_tx_exec(tx, "INSERT INTO hello.greeting (name) VALUES ('hello, ' || $1)",
                            reterr, weir_text(event->id));
}

WEIR_WORKER(.name = "hello", .version = "1.0", .handle = hello)
