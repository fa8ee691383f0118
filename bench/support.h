/* SPDX-License-Identifier: MIT */
#ifndef WEIR_BENCH_SUPPORT_H
#define WEIR_BENCH_SUPPORT_H
/*
 * support - what the programs of the bench share: dying, clocks, the CPU time of other processes
 *
 * The CPU time of a server is that of all processes of its tree that live at both looks, in clock ticks (10 ms):
 * good to a percent over a second of work. Background work that a server does meanwhile is in it, as it should be.
 */
#include <dirent.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static inline _Noreturn __attribute__((format(printf, 1, 2))) void die(const char *format, ...)
{
        va_list args;

        fprintf(stderr, "%s: ", program_invocation_short_name);
        va_start(args, format);
        vfprintf(stderr, format, args);
        va_end(args);
        fputc('\n', stderr);
        exit(1);
}

static inline double seconds_of(clockid_t clock)
{
        struct timespec now;

        if (clock_gettime(clock, &now))
                die("clock %d: %m", (int)clock);
        return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static inline long number_of(const char *text)
{
        char *end;
        long value = strtol(text, &end, 10);

        if (!*text || *end || value <= 0)
                die("%s: a number from 1 is wanted", text);
        return value;
}

/* CPU seconds of @pid; *ret_parent its parent. 0 when there is no such process. */
static inline double cpu_of_process(long pid, long *ret_parent)
{
        char path[64], line[1024], *behind;
        unsigned long user = 0, system = 0;
        long parent = 0;
        FILE *file;

        snprintf(path, sizeof path, "/proc/%ld/stat", pid);
        file = fopen(path, "r");
        if (file && fgets(line, sizeof line, file) && (behind = strrchr(line, ')')))
                if (sscanf(behind + 1, " %*c %ld %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                           &parent, &user, &system) != 3)
                        user = system = 0;
        if (file)
                fclose(file);
        if (ret_parent)
                *ret_parent = parent;
        return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* A server and its children: PostgreSQL has a process per connection, a broker none. */
static inline double cpu_of_server(long pid)
{
        double sum = cpu_of_process(pid, NULL);
        DIR *processes = opendir("/proc");
        struct dirent *entry;

        if (!processes)
                die("/proc: %m");
        while ((entry = readdir(processes))) {
                long child = strtol(entry->d_name, NULL, 10), parent = 0;
                double seconds = child > 0 ? cpu_of_process(child, &parent) : 0;

                if (parent == pid)
                        sum += seconds;
        }
        closedir(processes);
        return sum;
}

#endif
