/* SPDX-License-Identifier: MIT */
/*
 * requeue - the way back, that can be interrupted anywhere and begun again
 *
 * Always true   X1 X2 X3 of the header. The mark (or the message) and the end of 'kept' are one transaction; what is
 *               not committed has not happened, so nothing needs to be remembered for a second run.
 * Into effect once   in place: lib/flow/rerun.c claims the key in the transaction of the effect. To a topic: it comes
 *               back as a record, and is claimed like any other. Whatever else carries the same source and id (the
 *               producer's duplicate, a letter of the same event) meets the same claim.
 * The race      1. SIGKILL between the message and COMMIT  2. neither is there: the letter is still kept.
 *               1. SIGKILL after COMMIT  2. both are there; the next run does not find the letter.
 *               1. the connection breaks in COMMIT  2. nobody needs to know: the next run sees what is kept.
 * Why by id     the state alone would do for the resumption, but a letter that is marked, run and kept again while the
 *               run still goes on would be taken again, until X2 stops it (X3).
 * Not chosen    deliveries with attempts that go on: the receiver has refused for good, so it is a round of its own.
 */
#include "flow/requeue.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/failpoint.h"
#include "flow/dead.h"

#define CHUNK_BYTES (8u * 1024 * 1024)

void weir_requeue_fini(struct weir_requeue *requeue)
{
        weir_outbox_writer_free(requeue->writer);
        requeue->writer = NULL;
}

/* ---- messages ------------------------------------------------------------------------------- */

/* The message that was refused, with its name, for where it was going. */
static int again(const struct weir_deadletter_sendable *sendable, struct weir_arena *arena,
                 struct weir_outbox_message *ret, struct weir_error *reterr)
{
        const struct weir_deadletter *letter = &sendable->letter;
        const char *space = sendable->destination ? strchr(sendable->destination, ' ') : NULL;
        const char *message_id = sendable->message_id;
        char name[40];

        if (!space)
                return weir_fail(reterr, WEIR_EUSAGE, 0,
                                 "dead letter %" PRId64
                                 " does not say where it was going (\"%s\"); drop it, or set its "
                                 "column destination to 'topic NAME' or 'sink NAME'",
                                 sendable->id, sendable->destination ? sendable->destination : "");
        if (!message_id)
                message_id = weir_arena_copy(arena, name,
                                             (size_t)snprintf(name, sizeof name,
                                                              "weir-dead-%" PRId64, sendable->id));
        if (!message_id)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "dead letter %" PRId64, sendable->id);
        *ret = (struct weir_outbox_message){
                .kind = sendable->destination[0] == WEIR_OUTBOX_TOPIC ? WEIR_OUTBOX_TOPIC
                                                                      : WEIR_OUTBOX_SINK,
                .destination = space + 1,
                .key = letter->key,
                .body = letter->value,
                .headers = letter->headers,
                .header_count = letter->header_count,
                .message_id = { message_id, strlen(message_id) },
                .worker = letter->worker,
                .position = letter->position,
                .offset = letter->offset,
                .round = letter->round < WEIR_ROUND_MAX ? letter->round + 1 : WEIR_ROUND_MAX,
        };
        return 0;
}

static int send(void *context, const struct weir_deadletter_sendable *sendable,
                struct weir_arena *arena, struct weir_error *reterr)
{
        struct weir_requeue *requeue = context;
        struct weir_outbox_message message;
        int r = 0;

        if (!requeue->topic)
                r = again(sendable, arena, &message, reterr);
        else if (weir_dead_message(&sendable->letter, sendable->id, requeue->topic, arena,
                                   &message) < 0)
                r = weir_fail(reterr, WEIR_ENOMEM, 0, "message of dead letter %" PRId64,
                              sendable->id);
        return r < 0 ? r : weir_outbox_add(requeue->writer, &message, reterr);
}

/* ---- a chunk -------------------------------------------------------------------------------- */

static int send_chunk(struct weir_requeue *requeue, size_t limit,
                      struct weir_deadletter_chunk *chunk, struct weir_error *reterr)
{
        int r = requeue->writer ? 0 : weir_outbox_writer_new(requeue->pg, &requeue->writer, reterr);

        if (r < 0)
                return r;
        weir_outbox_reset(requeue->writer);
        r = weir_deadletter_send(requeue->pg, &requeue->filter, !requeue->topic, limit, CHUNK_BYTES,
                                 &requeue->mark, send, requeue, chunk, reterr);
        return r < 0 ? r : weir_outbox_send(requeue->writer, requeue->pg, reterr);
}

static int run_chunk(struct weir_requeue *requeue, size_t limit,
                     struct weir_deadletter_chunk *chunk, struct weir_error *reterr)
{
        int r = weir_pg_begin(requeue->pg, reterr);

        if (r < 0)
                return r;
        r = requeue->marking_over ? send_chunk(requeue, limit, chunk, reterr)
                                  : weir_deadletter_requeue(requeue->pg, &requeue->filter, limit,
                                                            &requeue->mark, chunk, reterr);
        if (r < 0) {
                if (!weir_pg_broken(requeue->pg))
                        weir_pg_rollback(requeue->pg);
                return r;
        }
        WEIR_FAILPOINT("requeue.marked");
        r = weir_pg_commit(requeue->pg, reterr); /* X1 */
        if (r == WEIR_ECOMMIT)
                weir_error_prefix(reterr, "whether the last chunk was taken is not known here, and "
                                          "need not be: run it again, it takes what is kept: ");
        if (r == 0)
                WEIR_FAILPOINT("requeue.committed");
        return r;
}

int weir_requeue_chunk(struct weir_requeue *requeue, size_t limit, struct weir_error *reterr)
{
        struct weir_deadletter_chunk chunk = { .count = 0 };
        int r;

        if (!requeue->begun) {
                requeue->begun = true;
                requeue->begin_id = requeue->filter.above_id;
                requeue->marking_over = requeue->topic != NULL;
        }
        r = run_chunk(requeue, limit, &chunk, reterr);
        if (r < 0)
                return r;
        if (chunk.count == 0) {
                bool over = requeue->marking_over;

                requeue->marking_over = true;
                requeue->filter.above_id = requeue->begin_id;
                return over ? 1 : 0;
        }
        requeue->filter.above_id = chunk.last_id; /* X3 */
        if (requeue->marking_over) {
                requeue->sent += chunk.count;
                return 0;
        }
        if (!requeue->marked)
                requeue->first_id = chunk.first_id;
        requeue->last_id = chunk.last_id;
        requeue->marked += chunk.count;
        return 0;
}
