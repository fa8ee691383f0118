/* SPDX-License-Identifier: MIT */
/*
 * probe - a plugin that misbehaves on demand, for the integration tests
 *
 * Options (all optional; a type matches exactly):
 *   reject_type              REJECT events of this type
 *   write_reject_type        write a row, by a statement and by COPY, then REJECT
 *   skip_type                SKIP them: no row
 *   retry_type, retry_times  RETRY them so often (default 1), counted in memory, then DONE
 *   sql_error_type           run a statement that fails with the SQLSTATE sql_error (default
 *                            "22012") and return what it returned
 *   swallow_type             run the same statement and return DONE all the same
 *   commit_type              COMMIT on the connection, behind weir's back, and return DONE
 *   crash_type               abort() the process
 *   slow_us                  wait so long in each event
 *   gate                     true: ask probe.gate for the event's id: answer retry or reject
 *   calls                    a file: a line "id attempt milliseconds" is appended in each call
 * Every event that is DONE leaves a row in probe.event: seq is the order of the effects.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <weir/worker.h>

enum { COUNTED_MAX = 1024 };

struct counted {
        char id[64];
        int64_t times;
};

struct probe {
        struct weir_table *events;
        const char *reject_type, *skip_type, *retry_type, *sql_error_type, *sql_error,
                *swallow_type;
        const char *commit_type, *crash_type, *write_reject_type;
        const char *calls;
        int64_t retry_times, slow_us;
        bool gate;
        pthread_mutex_t mutex;
        struct counted counted[COUNTED_MAX]; /* @mutex */
        size_t counted_count;                /* @mutex */
};

static int read_options(struct probe *probe, const struct weir_host *host,
                        struct weir_error *reterr)
{
        const struct {
                const char *name;
                const char **to;
        } texts[] = {
                { "reject_type", &probe->reject_type },
                { "write_reject_type", &probe->write_reject_type },
                { "skip_type", &probe->skip_type },
                { "retry_type", &probe->retry_type },
                { "sql_error_type", &probe->sql_error_type },
                { "sql_error", &probe->sql_error },
                { "swallow_type", &probe->swallow_type },
                { "commit_type", &probe->commit_type },
                { "crash_type", &probe->crash_type },
                { "calls", &probe->calls },
        };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < sizeof texts / sizeof texts[0]; i++)
                r = host->option_text(host, texts[i].name, texts[i].to, reterr);
        if (r >= 0)
                r = host->option_int(host, "retry_times", &probe->retry_times, reterr);
        if (r >= 0)
                r = host->option_int(host, "slow_us", &probe->slow_us, reterr);
        if (r >= 0)
                r = host->option_bool(host, "gate", &probe->gate, reterr);
        if (r >= 0 && probe->sql_error && strlen(probe->sql_error) != 5)
                return weir_refuse(WEIR_ECONF, reterr, "%s: options.sql_error: five characters",
                                   host->option_where(host, "sql_error"));
        return r < 0 ? r : 0;
}

static void probe_close(void *self)
{
        struct probe *probe = self;

        pthread_mutex_destroy(&probe->mutex);
        free(probe);
}

static int probe_open(const struct weir_host *host, void **ret_self, struct weir_error *reterr)
{
        static const char *const columns[] = { "source", "id",   "type",    "topic",  "partition",
                                               "offset", "kkey", "attempt", "replay", NULL };
        struct probe *probe = calloc(1, sizeof *probe);
        int r;

        if (!probe)
                return weir_refuse(WEIR_ENOMEM, reterr, "out of memory");
        pthread_mutex_init(&probe->mutex, NULL);
        probe->retry_times = 1;
        probe->sql_error = "22012";
        r = read_options(probe, host, reterr);
        if (r == 0)
                r = weir_host_table(host, "probe.event", columns, &probe->events, reterr);
        if (r < 0)
                probe_close(probe);
        else
                *ret_self = probe;
        return r;
}

static bool is_type(const struct weir_event *event, const char *type)
{
        return type && strcmp(event->type.ptr, type) == 0;
}

/* How often this event was seen before; counts it. More than COUNTED_MAX events: as if never. */
static int64_t seen_before(struct probe *probe, const struct weir_event *event)
{
        int64_t times = 0;
        size_t i;

        pthread_mutex_lock(&probe->mutex);
        for (i = 0; i < probe->counted_count; i++)
                if (strncmp(probe->counted[i].id, event->id.ptr, sizeof probe->counted[i].id - 1) ==
                    0)
                        break;
        if (i == probe->counted_count && i < COUNTED_MAX) {
                snprintf(probe->counted[i].id, sizeof probe->counted[i].id, "%s", event->id.ptr);
                probe->counted[i].times = 0;
                probe->counted_count++;
        }
        if (i < COUNTED_MAX)
                times = probe->counted[i].times++;
        pthread_mutex_unlock(&probe->mutex);
        return times;
}

static int fail_statement(struct probe *probe, struct weir_tx *tx, struct weir_error *reterr)
{
        char sql[160];

        if (strcmp(probe->sql_error, "22012") == 0)
                return weir_tx_exec(tx, "SELECT 1 / $1", reterr, weir_int4(0));
        snprintf(sql, sizeof sql,
                 "DO $$BEGIN RAISE EXCEPTION 'probe' USING ERRCODE = '%.5s'; END$$",
                 probe->sql_error);
        return weir_tx_exec_values(tx, sql, NULL, 0, NULL, reterr);
}

/* Any bytes of a key that are no plain text would fail in a column of type text. */
static struct weir_value key_of(const struct weir_event *event)
{
        for (size_t i = 0; i < event->key.size; i++)
                if (event->key.ptr[i] < 0x20 || event->key.ptr[i] > 0x7e)
                        return weir_null();
        return weir_text(event->key);
}

static void wait_us(int64_t us)
{
        struct timespec rest = { .tv_sec = (time_t)(us / 1000000),
                                 .tv_nsec = (long)(us % 1000000) * 1000 };

        while (us > 0 && nanosleep(&rest, &rest) != 0)
                continue;
}

/* With the libpq that weir's process has: a test plugin is linked with nothing. */
static void commit(void *conn)
{
        void *pq = dlopen("libpq.so.5", RTLD_LAZY | RTLD_NOLOAD);
        void *(*exec)(void *, const char *) = NULL;
        void (*clear)(void *) = NULL;

        if (!pq)
                return;
        *(void **)&exec = dlsym(pq, "PQexec");
        *(void **)&clear = dlsym(pq, "PQclear");
        if (exec && clear)
                clear(exec(conn, "COMMIT"));
        dlclose(pq);
}

/* A line is one write, so that lines of several processes do not mix. */
static void note_call(const char *file, const struct weir_event *event)
{
        struct timespec now;
        char line[160];
        int size, fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

        clock_gettime(CLOCK_REALTIME, &now);
        size = snprintf(line, sizeof line, "%.100s %d %lld\n", event->id.ptr, event->attempt,
                        (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000);
        if (fd >= 0 && write(fd, line, (size_t)size) != size)
                abort();
        if (fd >= 0)
                close(fd);
}

/* What the gate says of this event: WEIR_DONE where it says nothing. */
static int ask_gate(struct weir_tx *tx, const struct weir_event *event, struct weir_error *reterr)
{
        const struct weir_rows *rows = NULL;
        struct weir_view answer;
        int r = weir_tx_query(tx, "SELECT answer FROM probe.gate WHERE id = $1", &rows, reterr,
                              weir_text(event->id));

        if (r < 0 || weir_rows_count(tx, rows) == 0)
                return r;
        answer = weir_rows_text(tx, rows, 0, 0);
        if (strcmp(answer.ptr, "reject") == 0)
                return weir_reject(reterr, "the gate rejects %s", event->id.ptr);
        return weir_retry(reterr, "the gate is closed for %s", event->id.ptr);
}

static int probe_handle(void *self, struct weir_tx *tx, const struct weir_event *event,
                        struct weir_error *reterr)
{
        struct probe *probe = self;

        wait_us(probe->slow_us);
        if (probe->calls)
                note_call(probe->calls, event);
        if (probe->gate) {
                int r = ask_gate(tx, event, reterr);

                if (r != WEIR_DONE)
                        return r;
        }
        if (is_type(event, probe->crash_type))
                abort();
        if (is_type(event, probe->reject_type))
                return weir_reject(reterr, "probe rejects %s", event->id.ptr);
        if (is_type(event, probe->skip_type))
                return WEIR_SKIP;
        if (is_type(event, probe->retry_type) && seen_before(probe, event) < probe->retry_times)
                return weir_retry(reterr, "probe wants %s again", event->id.ptr);
        if (is_type(event, probe->sql_error_type))
                return fail_statement(probe, tx, reterr);
        if (is_type(event, probe->swallow_type)) {
                fail_statement(probe, tx, reterr);
                return WEIR_DONE;
        }
        if (weir_tx_append(tx, probe->events, reterr, weir_text(event->source),
                           weir_text(event->id), weir_text(event->type), weir_text_z(event->topic),
                           weir_int4(event->partition), weir_int8(event->offset), key_of(event),
                           weir_int4(event->attempt),
                           event->replay ? weir_text_z(event->replay) : weir_null()) < 0)
                return reterr->code;
        if (is_type(event, probe->write_reject_type)) {
                int r = weir_tx_exec(tx,
                                     "INSERT INTO probe.gate (id, answer) VALUES ($1, 'written')",
                                     reterr, weir_text(event->id));

                return r < 0 ? r : weir_reject(reterr, "written, then rejected: %s", event->id.ptr);
        }
        if (is_type(event, probe->commit_type)) {
                void *conn = weir_tx_connection(tx);

                if (conn)
                        commit(conn);
        }
        return WEIR_DONE;
}

WEIR_WORKER(.name = "probe", .version = "1.0", .open = probe_open, .handle = probe_handle,
            .close = probe_close)
