/* SPDX-License-Identifier: MIT */
#ifndef WEIR_TEST_TX_FIXTURE_H
#define WEIR_TEST_TX_FIXTURE_H
/*
 * tx_fixture - a handler made of a test's own functions, in a real transaction
 *
 * struct weir_handler is replaced at link time by one that holds a struct weir_worker and two
 * tables. Each test opens and ends the transaction itself, as flow does.
 */
#include "store_fixture.h"

#include "plugin/tx.h"

struct weir_handler {
        struct weir_worker worker;
        struct weir_table *tables[2];
        size_t table_count;
        struct weir_conf_sink sink; /* the only one; name NULL = none */
};

const struct weir_worker *weir_handler_worker(const struct weir_handler *handler)
{
        return &handler->worker;
}
void *weir_handler_self(const struct weir_handler *handler)
{
        return (void *)handler;
}
const char *weir_handler_name(const struct weir_handler *handler)
{
        return handler->worker.name;
}
const struct weir_conf_sink *weir_handler_sink(const struct weir_handler *handler, const char *name)
{
        return handler->sink.name && strcmp(handler->sink.name, name) == 0 ? &handler->sink : NULL;
}
const char *weir_handler_version(const struct weir_handler *handler)
{
        return handler->worker.version;
}
size_t weir_handler_table_count(const struct weir_handler *handler)
{
        return handler->table_count;
}
struct weir_table *weir_handler_table(const struct weir_handler *handler, size_t index)
{
        return handler->tables[index];
}

typedef int handle_fn(void *self, struct weir_tx *tx, const struct weir_event *event,
                      struct weir_error *reterr);
typedef int batch_fn(void *self, struct weir_tx *tx, const struct weir_event *const *events,
                     size_t count, int *outcomes, struct weir_error *reterr);

static struct weir_pg *pg;
static struct weir_handler handler;
static struct weir_handler_tx *tx;
static struct weir_error said;

static inline struct weir_view view(const char *text)
{
        return (struct weir_view){ text, text ? strlen(text) : 0 };
}

static inline struct weir_event event_of(const char *id, const char *data)
{
        return (struct weir_event){ .size = sizeof(struct weir_event),
                                    .id = view(id),
                                    .source = view("test"),
                                    .type = view("t"),
                                    .data = view(data),
                                    .topic = "t",
                                    .data_kind = data ? WEIR_DATA_JSON : WEIR_DATA_NONE };
}

static inline void open_tables(void)
{
        static const char *const parent[] = { "id", NULL };
        static const char *const child[] = { "id", "parent", NULL };

        pg = fixture_connect();
        OK(weir_pg_run(pg,
                       "DROP TABLE IF EXISTS public.child, public.parent;"
                       "CREATE TABLE public.parent (id text PRIMARY KEY);"
                       "CREATE TABLE public.child (id text, parent text NOT NULL"
                       " REFERENCES public.parent)",
                       reterr));
        OK(weir_table_open(pg, "public.parent", parent, &handler.tables[0], reterr));
        OK(weir_table_open(pg, "public.child", child, &handler.tables[1], reterr));
        handler.table_count = 2;
        handler.worker = (struct weir_worker){ .name = "test", .version = "1" };
        tx = weir_handler_tx_new(&handler, NULL);
        ck_assert_ptr_nonnull(tx);
        memset(&said, 0, sizeof said);
}

static inline void close_tables(void)
{
        weir_handler_tx_free(tx);
        weir_table_free(handler.tables[0]);
        weir_table_free(handler.tables[1]);
        weir_pg_close(pg);
}

static inline void begin(void)
{
        OK(weir_pg_begin(pg, reterr));
        weir_handler_tx_attach(tx, pg, 0);
}

/* As flow ends a transaction: send, detach, commit. */
static inline void commit(void)
{
        OK(weir_handler_tx_flush(tx, reterr));
        weir_handler_tx_detach(tx);
        OK(weir_pg_commit(pg, reterr));
}

static inline void drop(void)
{
        weir_handler_tx_detach(tx);
        weir_pg_rollback(pg);
}

static inline int call(handle_fn *handle)
{
        struct weir_event event = event_of("e1", NULL);

        handler.worker.handle = handle;
        memset(&said, 0, sizeof said);
        return weir_handler_tx_call(tx, &event, &said);
}

/* Call @handle in a transaction of its own and roll back. */
static inline int call_alone(handle_fn *handle)
{
        int r;

        begin();
        r = call(handle);
        drop();
        return r;
}

static inline void says(const char *words)
{
        ck_assert_msg(strstr(said.text, words) != NULL, "\"%s\" is not in: %s", words, said.text);
}

#define HANDLER(name)                                                                              \
        static int name(void *self, struct weir_tx *t, const struct weir_event *event,             \
                        struct weir_error *reterr)
#define UNUSED (void)self, (void)t, (void)event, (void)reterr

static inline int append_parent(struct weir_tx *t, const char *id, struct weir_error *reterr)
{
        return weir_tx_append(t, handler.tables[0], reterr, weir_text_z(id));
}

static inline int append_child(struct weir_tx *t, const char *id, const char *parent,
                               struct weir_error *reterr)
{
        return weir_tx_append(t, handler.tables[1], reterr, weir_text_z(id), weir_text_z(parent));
}

#endif
