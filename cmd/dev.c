/* SPDX-License-Identifier: MIT */
/*
 * dev - somewhere to try things: a broker, a database and a configuration that knows both
 *
 * The broker is librdkafka's mock cluster in this process, in memory: no Java, no installation, and no promise
 * either. It keeps at most 5 MiB a partition, forms groups slowly (3 s for the first member, then a session
 * timeout less a second per change) and refuses sessions of 3 s and less; the configuration written here is
 * made for that. The database is a real PostgreSQL (devpg.c).
 *
 * One directory belongs to one `weir dev`: a lock says so. Under it, what a killed one left is removed at the
 * start, what this one made at the end. PostgreSQL is started before the broker, because a fork is simple only
 * while there is one thread, and because it lives as long as the thread that started it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"
#include "devpg.h"
#include "kafka/cluster.h"

enum { TOPICS_MAX = 64, TEXT_BYTES = 32768 };

static const char help[] =
        "usage: weir dev [--dir DIR] [--topics A,B] [--partitions N] [--no-postgres] [--ready-file FILE]\n\n"
        "Starts a development broker (in memory, 127.0.0.1) and a throwaway PostgreSQL, writes a configuration\n"
        "that uses both, and stays until SIGINT or SIGTERM. Then everything it made is removed.\n\n"
        "  -d, --dir DIR          where its files go (else build/dev in a source tree, else .weir-dev)\n"
        "  -t, --topics A,B       topics to create and to put into the configuration (audit)\n"
        "  -p, --partitions N     partitions of each topic, 1 to 64 (4)\n"
        "      --no-postgres      only the broker; the configuration names postgresql:///weir\n"
        "      --ready-file FILE  write the addresses to FILE when all is up (for scripts)\n"
        "  -h, --help             this text\n\n"
        "The broker is librdkafka's mock: good for trying things, without persistence, transactions and access\n"
        "control, and with at most 5 MiB a partition.\n\n"
        "example:\n"
        "  weir dev --topics audit,orders --partitions 2\n";

struct wanted {
        const char *dir, *ready_file;
        char *topics[TOPICS_MAX];
        size_t topic_count;
        int partitions;
        bool postgres;
};

struct text {
        char bytes[TEXT_BYTES];
        size_t size;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *format, ...)
{
        size_t room = sizeof text->bytes - text->size;
        va_list ap;
        int size;

        va_start(ap, format);
        size = vsnprintf(text->bytes + text->size, room, format, ap);
        va_end(ap);
        text->size += size < 0 ? 0 : (size_t)size < room ? (size_t)size : room - 1;
}

static int split_topics(struct wanted *wanted, char *list)
{
        char *rest = list, *name;

        wanted->topic_count = 0;
        while ((name = strsep(&rest, ","))) {
                size_t size = strlen(name);

                if (!size || size > 249 ||
                    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "0123456789._-") != size)
                        return cmd_say(CMD_USAGE, "dev",
                                       "--topics: '%s' is no topic name (letters, digits, . _ -)",
                                       name);
                if (wanted->topic_count == TOPICS_MAX)
                        return cmd_say(CMD_USAGE, "dev", "--topics: at most %d", TOPICS_MAX);
                wanted->topics[wanted->topic_count++] = name;
        }
        return CMD_DONE;
}

/* CMD_DONE, CMD_USAGE (said why), or -1: the help was printed. */
static int parse(int argc, char **argv, struct wanted *wanted)
{
        static const struct option options[] = { { "dir", required_argument, NULL, 'd' },
                                                 { "topics", required_argument, NULL, 't' },
                                                 { "partitions", required_argument, NULL, 'p' },
                                                 { "no-postgres", no_argument, NULL, 'n' },
                                                 { "ready-file", required_argument, NULL, 'r' },
                                                 { "help", no_argument, NULL, 'h' },
                                                 { 0 } };
        static char audit[] = "audit";
        int64_t number;
        int c;

        *wanted = (struct wanted){
                .topics = { audit }, .topic_count = 1, .partitions = 4, .postgres = true
        };
        while ((c = cmd_option(argc, argv, "d:t:p:h", options)) != -1)
                switch (c) {
                case 'd': wanted->dir = optarg; break;
                case 't':
                        if (split_topics(wanted, optarg) != CMD_DONE)
                                return CMD_USAGE;
                        break;
                case 'p':
                        if (!cmd_read_number(optarg, 1, 64, &number))
                                return cmd_say(CMD_USAGE, "dev",
                                               "--partitions: '%s' is not a number from 1 to 64",
                                               optarg);
                        wanted->partitions = (int)number;
                        break;
                case 'n': wanted->postgres = false; break;
                case 'r': wanted->ready_file = optarg; break;
                case 'h': fputs(help, stdout); return -1;
                default: return cmd_usage("dev");
                }
        if (optind < argc)
                return cmd_say(CMD_USAGE, "dev", "unexpected '%s'", argv[optind]);
        return CMD_DONE;
}

/* Make the directory, resolve it, hold its lock until the process ends. Returns the lock or -1. */
static int take_directory(const char *dir, char ret_path[PATH_MAX])
{
        char lock[PATH_MAX];
        int fd;

        if (!dir)
                dir = access("build", W_OK) == 0 ? "build/dev" : ".weir-dev";
        if ((mkdir(dir, 0700) && errno != EEXIST) || !realpath(dir, ret_path)) {
                cmd_say(CMD_FAILED, "dev", "%s: %s", dir, strerror(errno));
                return -1;
        }
        if (strpbrk(ret_path, "\"\\\n") || strlen(ret_path) > PATH_MAX - 64) {
                cmd_say(CMD_FAILED, "dev",
                        "%s: a path without quotes, backslashes and newlines is needed", ret_path);
                return -1;
        }
        snprintf(lock, sizeof lock, "%.*s/lock", PATH_MAX - 64, ret_path);
        fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0) {
                cmd_say(CMD_FAILED, "dev", "%s: %s", lock, strerror(errno));
        } else if (flock(fd, LOCK_EX | LOCK_NB)) {
                cmd_say(CMD_FAILED, "dev",
                        "%s: another 'weir dev' works here; end it or choose another --dir",
                        ret_path);
                close(fd);
                return -1;
        }
        return fd;
}

static void leave_directory(const char *dir, int lock)
{
        static const char *const names[] = { "weir.cfg", "lock" };
        char path[PATH_MAX];

        for (size_t i = 0; i < WEIR_COUNT_OF(names); i++)
                if (snprintf(path, sizeof path, "%s/%s", dir, names[i]) < (int)sizeof path)
                        unlink(path);
        rmdir(dir); /* stays when there is something in it that is not ours */
        close(lock);
}

static int write_config(const char *dir, const struct wanted *wanted, const char *brokers,
                        const struct devpg *pg, struct weir_error *reterr)
{
        struct text text = { .size = 0 };

        add(&text,
            "# made by 'weir dev', gone when it ends; copy it to keep it\n"
            "kafka = {\n"
            "  brokers = \"%s\";\n"
            "  # what the development broker needs: it forms no group below 3.5 s, and an empty\n"
            "  # fetch waits its whole time\n"
            "  properties = [ \"session.timeout.ms=4000\", \"heartbeat.interval.ms=500\",\n"
            "                 \"fetch.wait.max.ms=10\" ];\n"
            "};\n",
            brokers);
        add(&text, "store = {\n  url = \"%s\";\n%s};\n", pg ? devpg_url(pg) : "postgresql:///weir",
            pg ? "  password_file = \"password\";\n" : "");
        add(&text, "workers = ( {\n"
                   "  name = \"audit\";\n"
                   "  plugin = \"audit\";\n"
                   "  group = \"audit\";\n"
                   "  topics = [");
        for (size_t i = 0; i < wanted->topic_count; i++)
                add(&text, "%s \"%s\"", i ? "," : "", wanted->topics[i]);
        add(&text, " ];\n} );\n");
        return devpg_write(dir, "weir.cfg", false, text.bytes, reterr);
}

/* The parts of a path that would mean something else inside a URI. */
static void add_escaped(struct text *text, const char *path)
{
        for (; *path; path++)
                if (strchr("%?&#+ '", *path))
                        add(text, "%%%02X", (unsigned char)*path);
                else
                        add(text, "%c", *path);
}

static const char *shorten(const char *path)
{
        static char here[PATH_MAX];
        size_t size;

        if (!getcwd(here, sizeof here))
                return path;
        size = strlen(here);
        return !strncmp(path, here, size) && path[size] == '/' ? path + size + 1 : path;
}

static void show(const char *dir, const struct wanted *wanted, const char *brokers,
                 const struct devpg *pg)
{
        struct text text = { .size = 0 };
        char exe[PATH_MAX] = "weir";
        const char *config = shorten(dir), *weir;
        ssize_t size = readlink("/proc/self/exe", exe, sizeof exe - 1);

        exe[size > 0 ? size : 4] = '\0';
        weir = shorten(exe);
        add(&text, "broker      %s   topic%s", brokers, wanted->topic_count > 1 ? "s" : "");
        for (size_t i = 0; i < wanted->topic_count; i++)
                add(&text, " %s", wanted->topics[i]);
        add(&text, ", %d partition%s each\n", wanted->partitions,
            wanted->partitions > 1 ? "s" : "");
        if (pg) {
                add(&text, "PostgreSQL  psql '%s?passfile=", devpg_url(pg));
                add_escaped(&text, dir);
                add(&text, "/pgpass'\n");
        }
        add(&text, "config      %s/weir.cfg\n\nNext, in another terminal:\n", config);
        add(&text, "  %s migrate up -c '%s/weir.cfg'\n", weir, config);
        add(&text, "  %s run -c '%s/weir.cfg'\n", weir, config);
        add(&text, "and in a third:\n");
        add(&text,
            "  %s emit -c '%s/weir.cfg' --topic %s --type user.created --source /me --data '{\"name\":\"Ada\"}'\n",
            weir, config, wanted->topics[0]);
        add(&text, "  %s tail -c '%s/weir.cfg' %s --from earliest\n\n", weir, config,
            wanted->topics[0]);
        add(&text, "Ctrl-C ends both servers and removes what they wrote.\n");
        fputs(text.bytes, stdout);
        fflush(stdout);
}

/* Written aside and renamed: whoever sees the file sees all of it. */
static int tell_ready(const char *dir, const char *file, const char *brokers,
                      const struct devpg *pg, struct weir_error *reterr)
{
        struct text text = { .size = 0 };
        char path[PATH_MAX];
        int r;

        add(&text, "brokers=%s\nconfig=%s/weir.cfg\n", brokers, dir);
        if (pg) {
                add(&text, "url=%s?passfile=", devpg_url(pg));
                add_escaped(&text, dir);
                add(&text, "/pgpass\nserver_pid=%d\n", (int)devpg_pid(pg));
        }
        r = devpg_write(dir, "ready", false, text.bytes, reterr);
        snprintf(path, sizeof path, "%.*s/ready", PATH_MAX - 64, dir);
        if (r == 0 && rename(path, file))
                r = weir_fail(reterr, WEIR_ESYS, errno, "%s: %s", file, strerror(errno));
        return r;
}

/* Until an order to end, or the death of PostgreSQL. */
static int stay(const sigset_t *signals, const struct devpg *pg)
{
        for (;;) {
                int number = sigwaitinfo(signals, NULL), status = 0;

                if (number == SIGINT || number == SIGTERM || number == SIGHUP)
                        return CMD_DONE;
                if (number == SIGCHLD && pg &&
                    waitpid(devpg_pid(pg), &status, WNOHANG) == devpg_pid(pg))
                        return cmd_say(CMD_FAILED, "dev", "PostgreSQL ended by itself (status %d)",
                                       status);
        }
}

static int work(const struct wanted *wanted, const char *dir, const sigset_t *signals)
{
        WEIR_CLEANUP(devpg_stopp) struct devpg *pg = NULL;
        WEIR_CLEANUP(weir_devbroker_stopp) struct weir_devbroker *broker = NULL;
        const char *brokers;
        struct weir_error error;
        int code;

        if (wanted->postgres && devpg_start(dir, &pg, &error) < 0)
                return cmd_fail("dev", &error);
        if (weir_devbroker_start((const char *const *)wanted->topics, wanted->topic_count,
                                 wanted->partitions, &broker, &error) < 0)
                return cmd_fail("dev", &error);
        brokers = weir_devbroker_address(broker);
        if (write_config(dir, wanted, brokers, pg, &error) < 0)
                return cmd_fail("dev", &error);
        show(dir, wanted, brokers, pg);
        if (wanted->ready_file && tell_ready(dir, wanted->ready_file, brokers, pg, &error) < 0)
                return cmd_fail("dev", &error);
        code = stay(signals, pg);
        if (wanted->ready_file)
                unlink(wanted->ready_file);
        return code;
}

int cmd_dev(int argc, char **argv)
{
        struct wanted wanted;
        char dir[PATH_MAX];
        sigset_t signals;
        int code = parse(argc, argv, &wanted), lock;

        if (code != CMD_DONE)
                return code < 0 ? CMD_DONE : code;
        /* blocked before anything starts: an order that comes early is obeyed when all is up */
        sigemptyset(&signals);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGHUP);
        sigaddset(&signals, SIGCHLD);
        sigprocmask(SIG_BLOCK, &signals, NULL);
        lock = take_directory(wanted.dir, dir);
        if (lock < 0)
                return CMD_FAILED;
        code = work(&wanted, dir, &signals);
        leave_directory(dir, lock);
        return code;
}
