/* SPDX-License-Identifier: MIT */
/* test_emit - an event of a handler becomes a row of the outbox, whole or not at all */
#include "tx_fixture.h"

#include "store/outbox.h"

static struct weir_event base_event(void)
{
        struct weir_event event = event_of("id.1", "{\"n\": 1.0}");

        event.source = view("/orders");
        event.type = view("order.placed");
        event.subject = view("o 7");
        return event;
}

static int count_rows(const char *where)
{
        return (int)fixture_int(pg, "SELECT count(*) FROM weir.outbox WHERE %s", where);
}

static bool header_is(const char *name, const char *value)
{
        return fixture_int(pg,
                           "SELECT count(*) FROM weir.outbox, unnest(header_names, header_values)"
                           " h (n, v) WHERE h.n = '%s' AND h.v = '%s'",
                           name, value) == 1;
}

HANDLER(emit_in_hand)
{
        UNUSED;
        return weir_tx_emit(t, "orders.out", view("k1"), event, reterr);
}

static int call_with(const struct weir_event *event, handle_fn *handle)
{
        handler.worker.handle = handle;
        memset(&said, 0, sizeof said);
        return weir_handler_tx_call(tx, event, &said);
}

START_TEST(the_event_in_hand_is_passed_on_unchanged)
{
        struct weir_event event = base_event();

        begin();
        ck_assert_int_eq(call_with(&event, emit_in_hand), 0);
        commit();
        ck_assert_int_eq(count_rows("kind = 't' AND destination = 'orders.out' AND key = 'k1' AND"
                                    " body = '{\"n\": 1.0}' AND message_id = 'id.1' AND"
                                    " worker = 'test' AND position IS NULL AND attempts = 0"),
                         1);
        ck_assert(header_is("ce_id", "id.1"));
        ck_assert(header_is("ce_source", "/orders"));
        ck_assert(header_is("ce_subject", "o 7"));
        ck_assert(header_is("ce_specversion", "1.0"));
        ck_assert_int_eq(count_rows("'ce_time' = ANY(header_names)"), 0);
}
END_TEST

START_TEST(what_is_rolled_back_was_never_there)
{
        struct weir_event event = base_event();

        begin();
        ck_assert_int_eq(call_with(&event, emit_in_hand), 0);
        OK(weir_handler_tx_flush(tx, reterr));
        ck_assert_int_eq(call_with(&event, emit_in_hand), 0);
        drop();
        begin();
        commit();
        ck_assert_int_eq(count_rows("true"), 0);
}
END_TEST

START_TEST(RP3_what_is_withheld_is_checked_counted_and_does_not_leave)
{
        struct weir_event event = base_event();

        weir_handler_tx_withhold(tx, true);
        begin();
        ck_assert_int_eq(call_with(&event, emit_in_hand), 0);
        ck_assert_int_eq(call_with(&event, emit_in_hand), 0);
        OK(weir_handler_tx_flush(tx, reterr));
        ck_assert_uint_eq(weir_handler_tx_withheld(tx), 2);
        drop();
        begin();
        ck_assert_uint_eq(weir_handler_tx_withheld(tx), 0); /* that transaction never was */
        ck_assert_int_eq(call_with(&event, emit_in_hand), 0);
        ck_assert_uint_eq(weir_handler_tx_withheld(tx), 1);
        commit();
        ck_assert_int_eq(count_rows("true"), 0);
        begin();
        event.type = (struct weir_view){ NULL, 0 };
        ck_assert_int_lt(call_with(&event, emit_in_hand), 0); /* a mistake is one here, too */
        drop();
        weir_handler_tx_withhold(tx, false);
        event = base_event();
        begin();
        ck_assert_int_eq(call_with(&event, emit_in_hand), 0);
        commit();
        ck_assert_int_eq(count_rows("true"), 1);
}
END_TEST

static bool told(struct weir_pg *listener)
{
        struct weir_error error = { 0 };
        int r = weir_outbox_notified(listener, &error);

        ck_assert_msg(r >= 0, "%s", error.text);
        return r == 1;
}

START_TEST(a_transaction_that_wrote_wakes_the_relays_with_its_commit)
{
        struct weir_event event = base_event();
        struct weir_pg *listener = fixture_connect();

        OK(weir_pg_run(listener, "LISTEN " WEIR_OUTBOX_CHANNEL, reterr));
        begin();
        ck_assert_int_eq(call_with(&event, emit_in_hand), 0);
        OK(weir_handler_tx_flush(tx, reterr));
        OK(weir_pg_run(listener, "SELECT 1", reterr));
        ck_assert(!told(listener));
        commit();
        OK(weir_pg_run(listener, "SELECT 1", reterr));
        ck_assert(told(listener));
        ck_assert(!told(listener));
        do { /* not each one; but soon another, while there is work */
                begin();
                ck_assert_int_eq(call_with(&event, emit_in_hand), 0);
                commit();
                OK(weir_pg_run(listener, "SELECT 1", reterr));
        } while (!told(listener));
        weir_pg_close(listener);
}
END_TEST

HANDLER(emit_two_without_ids)
{
        struct weir_event made = { .size = sizeof made,
                                   .source = view("/me"),
                                   .type = view("made") };
        int r;

        UNUSED;
        r = weir_tx_emit(t, "out", (struct weir_view){ NULL, 0 }, &made, reterr);
        return r < 0 ? r : weir_tx_emit(t, "out", (struct weir_view){ NULL, 0 }, &made, reterr);
}

START_TEST(a_missing_id_is_made_the_same_each_time)
{
        struct weir_event event = base_event(), other = base_event();

        other.id = view("id.2");
        for (int i = 0; i < 2; i++) {
                begin();
                ck_assert_int_eq(call_with(&event, emit_two_without_ids), 0);
                commit();
        }
        begin();
        ck_assert_int_eq(call_with(&other, emit_two_without_ids), 0);
        commit();
        ck_assert_int_eq(count_rows("true"), 6);
        ck_assert_int_eq(fixture_int(pg, "SELECT count(DISTINCT message_id) FROM weir.outbox"), 4);
        ck_assert_int_eq(count_rows("convert_to(message_id, 'UTF8') = ANY(header_values)"), 6);
        ck_assert_int_eq(count_rows("key IS NULL AND body IS NULL"), 6);
}
END_TEST

HANDLER(emit_to_no_topic)
{
        UNUSED;
        return weir_tx_emit(t, "a topic", (struct weir_view){ NULL, 0 }, event, reterr);
}

HANDLER(emit_without_source)
{
        struct weir_event made = { .size = sizeof made, .type = view("made") };

        UNUSED;
        return weir_tx_emit(t, "out", (struct weir_view){ NULL, 0 }, &made, reterr);
}

HANDLER(emit_data_of_no_kind)
{
        struct weir_event made = *event;

        UNUSED;
        made.data_kind = WEIR_DATA_NONE;
        return weir_tx_emit(t, "out", (struct weir_view){ NULL, 0 }, &made, reterr);
}

HANDLER(deliver_to_hook)
{
        UNUSED;
        return weir_tx_deliver(t, "hook", event, reterr);
}

HANDLER(swallow_a_refused_emit)
{
        UNUSED;
        weir_tx_emit(t, "a topic", (struct weir_view){ NULL, 0 }, event, reterr);
        return WEIR_DONE;
}

START_TEST(what_cannot_be_an_event_rejects_the_event_in_hand)
{
        struct weir_event event = base_event();
        const struct {
                handle_fn *handle;
                const char *words;
        } list[] = { { emit_to_no_topic, "a topic: not a name of a topic" },
                     { emit_without_source, "missing-attribute" },
                     { emit_data_of_no_kind, "data_kind" },
                     { deliver_to_hook, "no such sink" },
                     { swallow_a_refused_emit, "not a name of a topic" } };

        for (size_t i = 0; i < WEIR_COUNT_OF(list); i++) {
                begin();
                ck_assert_int_eq(call_with(&event, list[i].handle), WEIR_EUSAGE);
                says(list[i].words);
                drop();
        }
        ck_assert_int_eq(count_rows("true"), 0);
}
END_TEST

static void deliver(const struct weir_conf_sink *sink)
{
        struct weir_event event = base_event();

        handler.sink = *sink;
        event.key = view("customer");
        begin();
        ck_assert_int_eq(call_with(&event, deliver_to_hook), 0);
        commit();
}

START_TEST(a_sink_gets_the_form_it_wants)
{
        static const struct {
                struct weir_conf_sink sink;
                const char *body, *header;
        } list[] = {
                { { .name = "hook", .url = "https://x" }, "{\"n\": 1.0}", "ce-id" },
                { { .name = "hook", .url = "https://x", .structured = true },
                  "{\"specversion\":%",
                  "content-type" },
                { { .name = "hook", .file = "/x" }, "{\"specversion\":%", "content-type" },
                { { .name = "hook", .topic = "x" }, "{\"n\": 1.0}", "ce_id" },
                { { .name = "hook", .topic = "x", .structured = true },
                  "{\"specversion\":%",
                  "content-type" },
        };

        for (size_t i = 0; i < WEIR_COUNT_OF(list); i++) {
                char where[256];

                deliver(&list[i].sink);
                snprintf(where, sizeof where,
                         "kind = 's' AND destination = 'hook' AND key = 'customer' AND"
                         " convert_from(body, 'UTF8') LIKE '%s' AND '%s' = ANY(header_names)",
                         list[i].body, list[i].header);
                ck_assert_msg(count_rows(where) == 1, "%s", where);
                /* webhook-id: constant, and without the full stop of the event's id */
                ck_assert_int_eq(count_rows("message_id ~ '^[0-9a-f]{32}$'"), 1);
                OK(weir_pg_run(pg, "DELETE FROM weir.outbox", reterr));
        }
}
END_TEST

START_TEST(a_webhook_gets_what_has_no_body_or_content_type_as_a_structured_event)
{
        static const struct weir_conf_sink sink = { .name = "hook", .url = "https://x" };
        struct weir_event event = base_event();
        struct weir_event list[4] = { event, event, event, event };

        list[0].data = view(NULL);
        list[0].data_kind = WEIR_DATA_NONE;
        list[1].data = view("");
        list[1].data_kind = WEIR_DATA_BINARY;
        list[1].datacontenttype = view("application/octet-stream");
        list[2].data = view("\xff\x01");
        list[2].data_kind = WEIR_DATA_BINARY;
        list[2].datacontenttype = view(NULL);
        list[3].datacontenttype = view(NULL); /* JSON needs no word for it */
        handler.sink = sink;
        for (size_t i = 0; i < WEIR_COUNT_OF(list); i++) {
                begin();
                ck_assert_int_eq(call_with(&list[i], deliver_to_hook), 0);
                commit();
                ck_assert_int_eq(count_rows("octet_length(body) > 0"), 1);
                ck_assert_msg(header_is("content-type", i < 3 ? "application/cloudevents+json"
                                                              : "application/json"),
                              "event %zu", i);
                OK(weir_pg_run(pg, "DELETE FROM weir.outbox", reterr));
        }
}
END_TEST

static int deliver_batch(void *self, struct weir_tx *t, const struct weir_event *const *events,
                         size_t count, int *outcomes, struct weir_error *reterr)
{
        (void)self;
        (void)outcomes;
        for (size_t i = 0; i < count; i++) {
                struct weir_event copy = *events[i];
                int r = weir_tx_deliver(t, "hook", events[i], reterr);

                copy.id = view("made");
                copy.source = events[i]->id;
                if (r == 0)
                        r = weir_tx_deliver(t, "hook", &copy, reterr); /* none of the batch */
                if (r == 0)
                        r = weir_tx_emit(t, "out", view("other"), events[i], reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

START_TEST(what_is_passed_on_of_a_batch_keeps_its_own_key_and_offset)
{
        struct weir_event a = base_event(), b = base_event(), c = base_event();
        const struct weir_event *list[] = { &a, &b, &c };
        int outcomes[3];

        handler.sink = (struct weir_conf_sink){ .name = "hook", .url = "https://x" };
        a.key = view("ka"), b.key = view("kb"), c.key = view("kc");
        a.offset = 10, b.offset = 11, c.offset = 12;
        b.id = view("id.2");
        c.id = view("id.3");
        handler.worker.handle_batch = deliver_batch;
        memset(&said, 0, sizeof said);
        OK(weir_pg_begin(pg, reterr));
        weir_handler_tx_attach(tx, pg, 7);
        ck_assert_int_eq(weir_handler_tx_call_batch(tx, list, 3, outcomes, &said), 0);
        commit();
        for (int i = 0; i < 3; i++) {
                char where[200];

                snprintf(where, sizeof where,
                         "kind = 's' AND key = 'k%c' AND \"offset\" = %d AND position = 7", 'a' + i,
                         10 + i);
                ck_assert_int_eq(count_rows(where), i == 0 ? 1 + 3 : 1);
                snprintf(where, sizeof where, "kind = 't' AND key = 'other' AND \"offset\" = %d",
                         10 + i);
                ck_assert_int_eq(count_rows(where), 1);
        }
}
END_TEST

START_TEST(a_key_has_one_shard_and_what_has_none_is_spread)
{
        struct weir_outbox_writer *writer;
        struct weir_outbox_message message = { .kind = WEIR_OUTBOX_TOPIC,
                                               .destination = "t",
                                               .worker = "w" };

        OK(weir_outbox_writer_new(pg, &writer, reterr));
        for (int i = 0; i < 512; i++) {
                char id[16];

                snprintf(id, sizeof id, "%d", i);
                message.message_id = view(id);
                message.key = i % 2 ? view("key") : (struct weir_view){ NULL, 0 };
                message.round = i % 4;
                OK(weir_outbox_add(writer, &message, reterr));
        }
        OK(weir_pg_begin(pg, reterr));
        OK(weir_outbox_send(writer, pg, reterr));
        OK(weir_pg_commit(pg, reterr));
        weir_outbox_writer_free(writer);
        ck_assert_int_eq(
                fixture_int(pg, "SELECT count(DISTINCT shard) FROM weir.outbox WHERE key = 'key'"),
                1);
        ck_assert_int_ge(
                fixture_int(pg, "SELECT count(DISTINCT shard) FROM weir.outbox WHERE key IS NULL"),
                48);
        ck_assert_int_eq(fixture_int(pg, "SELECT count(*) FROM weir.outbox WHERE round ="
                                         " greatest(1, mod(message_id::int, 4))"),
                         512);
}
END_TEST

static void set_up(void)
{
        open_tables();
        OK(weir_pg_run(pg, "TRUNCATE weir.outbox", reterr));
}

int main(void)
{
        Suite *suite = suite_create("emit");
        TCase *tcase = tcase_create("emit");

        fixture_start("emit", true);
        tcase_add_checked_fixture(tcase, set_up, close_tables);
        tcase_add_test(tcase, RP3_what_is_withheld_is_checked_counted_and_does_not_leave);
        tcase_add_test(tcase, the_event_in_hand_is_passed_on_unchanged);
        tcase_add_test(tcase, what_is_rolled_back_was_never_there);
        tcase_add_test(tcase, a_transaction_that_wrote_wakes_the_relays_with_its_commit);
        tcase_add_test(tcase, a_missing_id_is_made_the_same_each_time);
        tcase_add_test(tcase, what_cannot_be_an_event_rejects_the_event_in_hand);
        tcase_add_test(tcase, a_sink_gets_the_form_it_wants);
        tcase_add_test(tcase,
                       a_webhook_gets_what_has_no_body_or_content_type_as_a_structured_event);
        tcase_add_test(tcase, what_is_passed_on_of_a_batch_keeps_its_own_key_and_offset);
        tcase_add_test(tcase, a_key_has_one_shard_and_what_has_none_is_spread);
        suite_add_tcase(suite, tcase);
        return fixture_end(suite);
}
