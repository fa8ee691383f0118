/* SPDX-License-Identifier: MIT */
/* runtime: until when all is over that is told to stop, whenever that is said. Groups and connections are fakes. */
#include "base/clock.h"
#include "conf_fixture.h"
#include "flow/member.h"
#include "plugin_fixture.h"
#include "runtime.h"
#include "store/pool.h"

#define HURRY_MS 1000
#define DEADLINE_MS 60000 /* stop.deadline */

static struct weir_runtime *runtime;
static void (*meanwhile)(void); /* while it starts */
static int64_t stop_at_us;      /* what the member was told last; 0 = nothing */
static enum weir_member_end state;

/* ---- fakes ---------------------------------------------------------------------------------- */

int weir_pool_new(const struct weir_pg_conf *conf, uint32_t max, struct weir_pool **ret,
                  struct weir_error *reterr)
{
        (void)conf, (void)max, (void)reterr;
        *ret = (void *)&runtime;
        return 0;
}
void weir_pool_free(struct weir_pool *pool)
{
        (void)pool;
}
int weir_pool_acquire(struct weir_pool *pool, struct weir_latch *interrupt, struct weir_pg **ret,
                      struct weir_error *reterr)
{
        (void)pool, (void)interrupt, (void)reterr;
        *ret = (void *)&runtime;
        meanwhile();
        return 0;
}
void weir_pool_release(struct weir_pool *pool, struct weir_pg *pg)
{
        (void)pool, (void)pg;
}
int weir_member_new(const struct weir_conf *conf, const struct weir_lane_env *env,
                    struct weir_member **ret, struct weir_error *reterr)
{
        (void)conf, (void)env, (void)reterr;
        *ret = (void *)&runtime;
        return 0;
}
int weir_member_start(struct weir_member *member, struct weir_error *reterr)
{
        (void)member, (void)reterr;
        return 0;
}
void weir_member_reload(struct weir_member *member, const struct weir_conf *conf,
                        const struct weir_lane_env *env)
{
        (void)member, (void)conf, (void)env;
}
bool weir_member_reloaded(struct weir_member *member)
{
        (void)member;
        return true;
}
void weir_member_stop(struct weir_member *member, int64_t deadline_us)
{
        (void)member;
        stop_at_us = deadline_us;
}
int weir_member_wait(struct weir_member *member, int timeout_ms, struct weir_error *reterr)
{
        (void)member, (void)timeout_ms;
        if (state == WEIR_MEMBER_FAILED)
                *reterr = (struct weir_error){ .code = WEIR_EFATAL };
        return state;
}
void weir_member_free(struct weir_member *member)
{
        (void)member;
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void nothing(void) {}
static void stop(void)
{
        weir_runtime_stop(runtime, 0);
}
static void hurry(void)
{
        weir_runtime_stop(runtime, HURRY_MS);
}
static void stop_then_hurry(void)
{
        stop();
        hurry();
}
static void hurry_then_stop(void)
{
        hurry();
        stop();
}
static void hurry_and_fail(void)
{
        struct weir_error error = { 0 };

        hurry();
        state = WEIR_MEMBER_FAILED;
        ck_assert_int_eq(weir_runtime_wait(runtime, 0, &error), WEIR_EFATAL);
}

static const struct {
        void (*meanwhile)(void), (*then)(void);
        int64_t within_ms; /* 0 = nobody is told */
} orders[] = {
        { nothing, nothing, 0 },
        { nothing, stop, DEADLINE_MS },
        { nothing, hurry, HURRY_MS },
        { nothing, stop_then_hurry, HURRY_MS },
        { stop, nothing, DEADLINE_MS },
        { hurry, nothing, HURRY_MS },
        { stop, hurry, HURRY_MS },
        { stop_then_hurry, nothing, HURRY_MS },
        { hurry_then_stop, stop, HURRY_MS },
        { nothing, hurry_and_fail, HURRY_MS },
};

START_TEST(the_earliest_deadline_counts_whenever_it_was_said)
{
        const struct weir_runtime_options options = { .size = sizeof options };
        const struct weir_runtime_role role = { .parts = WEIR_RUNTIME_WORKERS };
        int64_t begun_us = weir_clock_us(), within_us = orders[_i].within_ms * 1000;
        char text[PATH_MAX + 512];
        struct reading reading;
        struct weir_error error;

        snprintf(text, sizeof text,
                 KAFKA STORE "plugin_path = [ \"%s\" ];\nstop = { deadline = \"60s\"; };\n"
                             "workers = ( { name = \"a\"; plugin = \"opener\"; group = \"g\"; "
                             "topics = [ \"t\" ]; } );\n",
                 plugin_directory());
        reading = parse(text);
        ck_assert_msg(reading.r == 0, "%s", reading.error.text);
        meanwhile = orders[_i].meanwhile;
        state = WEIR_MEMBER_RUNS;
        ck_assert_int_eq(weir_runtime_with(reading.conf, &options, role, &runtime, &error), 0);
        ck_assert_int_eq(weir_runtime_start(runtime, &error), 0);
        orders[_i].then();
        if (!within_us) {
                ck_assert_int_eq(stop_at_us, 0);
        } else {
                ck_assert_int_ge(stop_at_us, begun_us + within_us);
                ck_assert_int_le(stop_at_us, weir_clock_us() + within_us);
        }
        weir_runtime_free(runtime);
}
END_TEST

int main(void)
{
        Suite *suite = suite_create("runtime_stop");
        TCase *tcase = tcase_create("runtime_stop");
        SRunner *runner = srunner_create(suite);
        int failed;

        tcase_add_loop_test(tcase, the_earliest_deadline_counts_whenever_it_was_said, 0,
                            WEIR_COUNT_OF(orders));
        suite_add_tcase(suite, tcase);
        srunner_run_all(runner, CK_NORMAL);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
