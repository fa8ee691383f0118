/* SPDX-License-Identifier: MIT */
/*
 * devpg - a PostgreSQL that needs no set-up and leaves nothing
 *
 * Root       initdb and postgres refuse to run as root, so root's children become postgres (else nobody). That
 *            user may not be able to walk to the directory, which can lie below /root. So this process opens the
 *            data directory and the child gets it as a descriptor, -D /proc/self/fd/9: the link leads to
 *            the open directory itself and asks for no right on the way. The same for the password, in a
 *            memfd. Everybody else takes the same way, so that there is only one.
 * Always true  DP1 the server does not outlive this process, whatever ends it: the child asks the kernel for
 *              SIGINT (a fast shutdown) at the death of the thread that forked it, after its change of
 *              user, which would clear that wish, and then looks whether the parent was gone already.
 *              DP2 nothing outside the directory: no Unix socket, no POSIX shared memory.
 *              DP3 whoever can reach the port cannot log in: a random password, in files of mode 0600.
 * The race     A port that was free a moment ago can be taken: the server ends at once, another port is tried.
 * Not chosen   trust on loopback: every user of the machine would be superuser of a server of ours.
 */
#include "devpg.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/pg.h"

enum {
        FD_DATA = 9,
        FD_PASSWORD = 8,
        READY_MS = 30000,
        STOP_MS = 10000,
        PORT_FIRST = 20000,
        PORT_COUNT = 12000
};

struct devpg {
        char *dir;
        char bin[PATH_MAX]; /* directory of initdb and postgres */
        char password[33];
        char url[64];
        int port;
        uid_t uid; /* whom the server runs as */
        gid_t gid;
        pid_t pid; /* 0 = not running */
};

static void pause_ms(long ms)
{
        struct timespec time = { .tv_nsec = ms * 1000000 };

        nanosleep(&time, NULL);
}

int devpg_write(const char *dir, const char *name, bool secret, const char *text,
                struct weir_error *reterr)
{
        char path[PATH_MAX];
        size_t size = strlen(text);
        int fd;

        if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
                return weir_fail(reterr, WEIR_ESYS, ENAMETOOLONG, "%s/%s: path too long", dir,
                                 name);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                  secret ? 0600 : 0644);
        if (fd < 0)
                return weir_fail(reterr, WEIR_ESYS, errno, "%s: %s", path, strerror(errno));
        if ((secret && fchmod(fd, 0600)) || write(fd, text, size) != (ssize_t)size) {
                weir_fail(reterr, WEIR_ESYS, errno, "%s: %s", path, strerror(errno));
                close(fd);
                return WEIR_ESYS;
        }
        close(fd);
        return 0;
}

/* The newest server of the distribution, else the one on the PATH. */
static int find_server(struct devpg *pg, struct weir_error *reterr)
{
        static const char *const patterns[] = { "/usr/lib/postgresql/*/bin/initdb",
                                                "/usr/pgsql-*/bin/initdb" };
        const char *search = getenv("PATH");
        glob_t found = { 0 };
        const char *best = NULL;
        char *slash;

        for (size_t i = 0; i < WEIR_COUNT_OF(patterns); i++)
                glob(patterns[i], i ? GLOB_APPEND : 0, NULL, &found);
        for (size_t i = 0; i < found.gl_pathc; i++)
                if (!best || strverscmp(found.gl_pathv[i], best) > 0)
                        best = found.gl_pathv[i];
        if (best)
                snprintf(pg->bin, sizeof pg->bin, "%s", best);
        globfree(&found);
        while (!pg->bin[0] && search && *search) {
                int size = (int)strcspn(search, ":");
                char path[PATH_MAX];

                /* through the link: the server looks for its files beside itself */
                if (size &&
                    snprintf(path, sizeof path, "%.*s/initdb", size, search) < (int)sizeof path &&
                    access(path, X_OK) == 0 && !realpath(path, pg->bin))
                        pg->bin[0] = '\0';
                search += size + (search[size] == ':');
        }
        slash = strrchr(pg->bin, '/');
        if (!slash)
                return weir_fail(
                        reterr, WEIR_ESYS, ENOENT,
                        "no PostgreSQL server on this machine: install the package postgresql, "
                        "or use --no-postgres and a server of yours");
        *slash = '\0';
        return 0;
}

static int find_user(struct devpg *pg, struct weir_error *reterr)
{
        struct passwd *user;

        pg->uid = geteuid();
        pg->gid = getegid();
        if (pg->uid)
                return 0;
        user = getpwnam("postgres");
        if (!user)
                user = getpwnam("nobody");
        if (!user || !user->pw_uid)
                return weir_fail(
                        reterr, WEIR_ESYS, 0,
                        "PostgreSQL refuses to run as root and there is no user postgres or nobody");
        pg->uid = user->pw_uid;
        pg->gid = user->pw_gid;
        return 0;
}

static int free_port(int former)
{
        for (int i = 0; i < 200; i++) {
                struct sockaddr_in address = { .sin_family = AF_INET,
                                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
                uint32_t chance = 0;
                int fd, r, port;

                if (getrandom(&chance, sizeof chance, 0) != sizeof chance)
                        break;
                port = PORT_FIRST + (int)(chance % PORT_COUNT);
                address.sin_port = htons((uint16_t)port);
                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
                if (fd < 0)
                        break;
                r = bind(fd, (struct sockaddr *)&address, sizeof address);
                close(fd);
                if (r == 0 && port != former)
                        return port;
        }
        return -1;
}

/* In the child: never returns. Only calls that are safe after a fork. */
static void become(const struct devpg *pg, int data_fd, int password_fd, int log_fd, pid_t parent,
                   char *const *argv)
{
        sigset_t none;

        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        signal(SIGPIPE, SIG_DFL);
        /* its own session: Ctrl-C is for weir dev, which then stops the server in order */
        setsid();
        if (dup2(log_fd, STDOUT_FILENO) < 0 || dup2(log_fd, STDERR_FILENO) < 0 ||
            dup2(data_fd, FD_DATA) < 0 || (password_fd >= 0 && dup2(password_fd, FD_PASSWORD) < 0))
                _exit(126);
        close(STDIN_FILENO);
        if (open("/dev/null", O_RDONLY) < 0 || chdir("/"))
                _exit(126);
        if (geteuid() == 0 && (setgroups(0, NULL) || setresgid(pg->gid, pg->gid, pg->gid) ||
                               setresuid(pg->uid, pg->uid, pg->uid)))
                _exit(126);
        umask(077);
        prctl(PR_SET_PDEATHSIG, SIGINT); /* DP1 */
        if (getppid() != parent)
                _exit(126);
        execv(argv[0], argv);
        _exit(127);
}

static int spawn(struct devpg *pg, int password_fd, char *const *argv, pid_t *ret,
                 struct weir_error *reterr)
{
        char path[PATH_MAX];
        int data_fd, log_fd, low, r = 0;
        pid_t parent = getpid();

        snprintf(path, sizeof path, "%s/pgdata", pg->dir);
        data_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (data_fd < 0)
                return weir_fail(reterr, WEIR_ESYS, errno, "%s: %s", path, strerror(errno));
        snprintf(path, sizeof path, "%s/postgres.log", pg->dir);
        log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (log_fd < 0) {
                weir_fail(reterr, WEIR_ESYS, errno, "%s: %s", path, strerror(errno));
                close(data_fd);
                return WEIR_ESYS;
        }
        /* above the numbers that become() hands out, or one dup2 would overwrite the next one's source */
        low = fcntl(data_fd, F_DUPFD_CLOEXEC, FD_DATA + 1);
        close(data_fd);
        data_fd = low;
        low = fcntl(log_fd, F_DUPFD_CLOEXEC, FD_DATA + 1);
        close(log_fd);
        log_fd = low;
        *ret = data_fd < 0 || log_fd < 0 ? -1 : fork();
        if (*ret == 0)
                become(pg, data_fd, password_fd, log_fd, parent, argv);
        if (*ret < 0)
                r = weir_fail(reterr, WEIR_ESYS, errno, "starting %s: %s", argv[0],
                              strerror(errno));
        if (data_fd >= 0)
                close(data_fd);
        if (log_fd >= 0)
                close(log_fd);
        return r;
}

static int make_password(struct devpg *pg, int *ret_fd, struct weir_error *reterr)
{
        unsigned char random[16];
        char line[sizeof pg->password + 1];
        int fd;

        if (getrandom(random, sizeof random, 0) != sizeof random)
                return weir_fail(reterr, WEIR_ESYS, errno, "random bytes: %s", strerror(errno));
        for (size_t i = 0; i < sizeof random; i++)
                snprintf(pg->password + 2 * i, 3, "%02x", random[i]);
        snprintf(line, sizeof line, "%s\n", pg->password);
        fd = memfd_create("password", MFD_CLOEXEC);
        *ret_fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FD_DATA + 1);
        if (fd >= 0)
                close(fd);
        if (*ret_fd < 0 || fchmod(*ret_fd, 0600) || fchown(*ret_fd, pg->uid, pg->gid) ||
            write(*ret_fd, line, strlen(line)) < 0) {
                weir_fail(reterr, WEIR_ESYS, errno, "password in memory: %s", strerror(errno));
                if (*ret_fd >= 0)
                        close(*ret_fd);
                return WEIR_ESYS;
        }
        return devpg_write(pg->dir, "password", true, line, reterr);
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where)
{
        (void)info;
        (void)kind;
        (void)where;
        remove(path);
        return 0;
}

/* Ours from a run that was killed, or from this one. */
static void remove_files(const struct devpg *pg)
{
        static const char *const names[] = { "pgdata", "password", "pgpass", "postgres.log" };
        char path[PATH_MAX];

        for (size_t i = 0; i < WEIR_COUNT_OF(names); i++)
                if (snprintf(path, sizeof path, "%s/%s", pg->dir, names[i]) < (int)sizeof path)
                        nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* The log is about to be removed with the rest, so its end goes into the error. */
static int fail_with_log(const struct devpg *pg, int code, const char *what,
                         struct weir_error *reterr)
{
        char path[PATH_MAX], text[257] = "";
        ssize_t size = 0;
        int fd;

        snprintf(path, sizeof path, "%s/postgres.log", pg->dir);
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0) {
                if (lseek(fd, -(off_t)(sizeof text - 1), SEEK_END) < 0)
                        lseek(fd, 0, SEEK_SET);
                size = read(fd, text, sizeof text - 1);
                close(fd);
        }
        while (size > 0 && text[size - 1] == '\n')
                size--;
        text[size > 0 ? size : 0] = '\0';
        return weir_fail(reterr, code, 0, "%s; the end of its log: %s", what, text);
}

static int make_cluster(struct devpg *pg, struct weir_error *reterr)
{
        char program[PATH_MAX + 8], data[32], password[48], path[PATH_MAX];
        char *argv[] = { program,
                         (char[]){ "-D" },
                         data,
                         (char[]){ "-U" },
                         (char[]){ "weir" },
                         password,
                         (char[]){ "--auth=scram-sha-256" },
                         (char[]){ "--encoding=UTF8" },
                         (char[]){ "--locale=C.UTF-8" },
                         (char[]){ "--no-sync" },
                         (char[]){ "--no-instructions" },
                         NULL };
        int password_fd = -1, status = 0, r;
        pid_t pid;

        snprintf(program, sizeof program, "%s/initdb", pg->bin);
        snprintf(data, sizeof data, "/proc/self/fd/%d", FD_DATA);
        snprintf(password, sizeof password, "--pwfile=/proc/self/fd/%d", FD_PASSWORD);
        snprintf(path, sizeof path, "%s/pgdata", pg->dir);
        if (mkdir(path, 0700) || chown(path, pg->uid, pg->gid))
                return weir_fail(reterr, WEIR_ESYS, errno, "%s: %s", path, strerror(errno));
        r = make_password(pg, &password_fd, reterr);
        if (r < 0)
                return r;
        r = spawn(pg, password_fd, argv, &pid, reterr);
        close(password_fd);
        if (r < 0)
                return r;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (!WIFEXITED(status) || WEXITSTATUS(status))
                return fail_with_log(pg, WEIR_ESYS, "initdb failed", reterr);
        return 0;
}

static int launch(struct devpg *pg, struct weir_error *reterr)
{
        char program[PATH_MAX + 16], data[32], port[24], line[96];
        char *argv[] = {
                program, (char[]){ "-D" }, data, port, (char[]){ "--listen_addresses=127.0.0.1" },
                (char[]){ "--unix_socket_directories=" },
                (char[]){ "--dynamic_shared_memory_type=mmap" },
                (char[]){ "--max_connections=200" }, (char[]){ "--shared_buffers=128MB" },
                (char[]){ "--max_wal_size=2GB" },
                /* of a throwaway: a killed process loses nothing by that, only power loss would */
                (char[]){ "--fsync=off" }, (char[]){ "--full_page_writes=off" }, NULL
        };
        int r;

        pg->port = free_port(pg->port);
        if (pg->port < 0)
                return weir_fail(reterr, WEIR_ESYS, errno, "no free port between %d and %d",
                                 PORT_FIRST, PORT_FIRST + PORT_COUNT - 1);
        snprintf(program, sizeof program, "%s/postgres", pg->bin);
        snprintf(data, sizeof data, "/proc/self/fd/%d", FD_DATA);
        snprintf(port, sizeof port, "--port=%d", pg->port);
        snprintf(pg->url, sizeof pg->url, "postgresql://weir@127.0.0.1:%d/weir", pg->port);
        snprintf(line, sizeof line, "127.0.0.1:%d:*:weir:%s\n", pg->port, pg->password);
        r = devpg_write(pg->dir, "pgpass", true, line, reterr);
        return r < 0 ? r : spawn(pg, -1, argv, &pg->pid, reterr);
}

static bool ended(struct devpg *pg)
{
        pid_t r = pg->pid ? waitpid(pg->pid, NULL, WNOHANG) : -1;

        if (r == pg->pid || (r < 0 && errno == ECHILD))
                pg->pid = 0; /* reaped: the number may be a stranger's from now on */
        return pg->pid == 0;
}

/* 0 ready; 1 it ended by itself (its port, most likely); < 0 failure */
static int wait_ready(struct devpg *pg, struct weir_pg **ret, struct weir_error *reterr)
{
        int64_t deadline_ms = weir_clock_ms() + READY_MS;
        char url[64];
        struct weir_pg_conf conf = { .url = url,
                                     .password = pg->password,
                                     .application_name = "weir dev" };

        snprintf(url, sizeof url, "postgresql://weir@127.0.0.1:%d/postgres", pg->port);
        for (;;) {
                if (ended(pg))
                        return 1;
                if (weir_pg_open(&conf, NULL, ret, reterr) == 0)
                        return 0;
                if (weir_clock_ms() > deadline_ms)
                        return weir_error_prefix(reterr, "PostgreSQL is not ready after %d s: ",
                                                 READY_MS / 1000);
                pause_ms(20);
        }
}

int devpg_start(const char *dir, struct devpg **ret, struct weir_error *reterr)
{
        WEIR_CLEANUP(devpg_stopp) struct devpg *pg = calloc(1, sizeof *pg);
        WEIR_CLEANUP(weir_pg_closep) struct weir_pg *connection = NULL;
        int r;

        if (!pg || !(pg->dir = strdup(dir)))
                return weir_fail(reterr, WEIR_ENOMEM, 0, "PostgreSQL in %s", dir);
        remove_files(pg);
        if ((r = find_server(pg, reterr)) < 0 || (r = find_user(pg, reterr)) < 0 ||
            (r = make_cluster(pg, reterr)) < 0)
                return r;
        r = 1;
        for (int attempt = 0; r > 0 && attempt < 5; attempt++)
                if ((r = launch(pg, reterr)) < 0 || (r = wait_ready(pg, &connection, reterr)) < 0)
                        return r;
        if (r > 0)
                return fail_with_log(pg, WEIR_EDB, "PostgreSQL ends at once", reterr);
        r = weir_pg_run(connection, "CREATE DATABASE weir", reterr);
        if (r < 0)
                return r;
        *ret = WEIR_TAKE(pg);
        return 0;
}

const char *devpg_url(const struct devpg *pg)
{
        return pg->url;
}

pid_t devpg_pid(const struct devpg *pg)
{
        return pg->pid;
}

static void end_server(struct devpg *pg)
{
        static const int signals[] = { SIGINT, SIGQUIT, SIGKILL }; /* fast, immediate, never mind */

        for (size_t i = 0; i < WEIR_COUNT_OF(signals) && !ended(pg); i++) {
                int64_t deadline_ms = weir_clock_ms() + STOP_MS;

                kill(pg->pid, signals[i]);
                while (!ended(pg) && weir_clock_ms() < deadline_ms)
                        pause_ms(10);
        }
}

void devpg_stop(struct devpg *pg)
{
        if (!pg)
                return;
        end_server(pg);
        if (pg->dir)
                remove_files(pg);
        free(pg->dir);
        free(pg);
}
