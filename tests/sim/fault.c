/* SPDX-License-Identifier: MIT */
/*
 * fault - what comes true is counted, so that a seed can be run again with less of it; and what the seed says is told
 *
 * Every fault that comes true has a number. A smaller run leaves some of them out, by number; the draw is made all the
 * same, so what comes before is as it was.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "plan.h"
#include "sim.h"

static const char *const names[] = {
#define SIM_FAULT_NAME(tag, name) name,
        SIM_FAULTS_LIST(SIM_FAULT_NAME)
#undef SIM_FAULT_NAME
};

static bool is_dropped(uint64_t number)
{
        if (sim.options.faults >= 0 && number >= (uint64_t)sim.options.faults)
                return true;
        for (size_t i = 0; i < sim.options.dropped_count; i++)
                if ((uint64_t)sim.options.dropped[i] == number)
                        return true;
        return false;
}

bool sim_fault_now(enum sim_fault fault)
{
        uint64_t number = sim.faults++;

        if (is_dropped(number))
                return false;
        sim_trace("fault %llu: %s", (unsigned long long)number, names[fault]);
        return true;
}

bool sim_fault(enum sim_fault fault)
{
        return !sim.healed && sim.plan->per_million[fault] &&
               sim_chance(&sim.random[SIM_FAULTS], sim.plan->per_million[fault]) &&
               sim_fault_now(fault);
}

/* ---- telling -------------------------------------------------------------------------------- */

void sim_trace_line(const char *format, ...)
{
        va_list args;

        printf("%11lld %-12s ", (long long)sim.now_us, sim_fiber_name());
        va_start(args, format);
        vprintf(format, args);
        va_end(args);
        putchar('\n');
}

void sim_fail(const char *check, const char *format, ...)
{
        va_list args;

        if (sim.result && !sim.result->failed) {
                sim.result->failed = true;
                snprintf(sim.result->check, sizeof sim.result->check, "%s", check);
                va_start(args, format);
                vsnprintf(sim.result->text, sizeof sim.result->text, format, args);
                va_end(args);
                sim_trace("FAILED %s: %s", check, sim.result->text);
        }
        sim_fibers_leave();
}

/* An assert() of lib's. */
__attribute__((noreturn)) void __wrap___assert_fail(const char *text, const char *file,
                                                    unsigned line, const char *function);
void __wrap___assert_fail(const char *text, const char *file, unsigned line, const char *function)
{
        sim_fail("assert", "%s:%u: %s: %s", file, line, function, text);
}

/* ---- lib/base/log.h -------------------------------------------------------------------------- */

bool weir_log_wants(int level)
{
        return sim.options.trace && level <= WEIR_LOG_DEBUG;
}

void weir_log_write(int level, const char *event, const struct weir_log_field *fields, size_t count)
{
        char line[1200] = "";
        size_t used = 0;

        (void)level;
        for (size_t i = 0; i < count && used < sizeof line; i++) {
                const struct weir_log_field *f = &fields[i];

                used += (size_t)(f->text ? snprintf(line + used, sizeof line - used, " %s=%s",
                                                    f->key, f->text)
                                         : snprintf(line + used, sizeof line - used, " %s=%lld",
                                                    f->key, (long long)f->number));
        }
        sim_trace_line("log %s%s", event, line);
}

void weir_log_setup(int level, int form)
{
        (void)level;
        (void)form;
}

/* Of a process: counts those of all others here. */
int __wrap_weir_lane_count(void);
int __wrap_weir_lane_count(void)
{
        return 0;
}

/* Seeds hash tables: any number will do. */
long __wrap_getrandom(void *bytes, size_t size, unsigned flags);
long __wrap_getrandom(void *bytes, size_t size, unsigned flags)
{
        (void)flags;
        memset(bytes, 0x5a, size);
        return (long)size;
}
