/* SPDX-License-Identifier: MIT */
/*
 * loader - the one place where foreign code enters the process
 *
 * What a plugin may do is not limited afterwards, so everything is settled before: whose file it
 * is, who could have written it, and whether it speaks our ABI.
 *
 * Always true   LD1 the file that was checked is the file that is loaded: it is opened once,
 *                   checked on the descriptor, and loaded through /proc/self/fd/N, which names
 *                   that very inode.
 *               LD2 LD4 a descriptor stays open as long as its object is mapped, and a file is
 *                   mapped by one of them: object.c.
 *               LD3 no byte of the descriptor beyond the symbol's own size is read.
 * The race      1. audit.so is checked  2. somebody renames another file over it  3. dlopen(path)
 *               runs the other one. With LD1 step 3 still loads what was checked.
 * Directories   one that everybody may write to is refused unless it is sticky (/tmp): another
 *               file of the same owner could be renamed into place. A group may write to
 *               directories (a umask of 002 makes them so), but never to the file.
 * Not chosen    refusing symbolic links: versioned files behind a link are usual. The name is
 *               resolved first, and the resolved name opened with O_NOFOLLOW.
 *               "migrations" beside any plugin: a plugin built at the top of a checkout would
 *               take weir's own migrations for its own. The directory must bear its name.
 */
#include "plugin/loader.h"

#include <assert.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/object.h"

enum { NAME_MAX_BYTES = 63, REASON_MAX_BYTES = 200 };
#define WEIR_WORKER_SIZE_1 (offsetof(struct weir_worker, handle_batch) + sizeof(void *))

struct weir_plugin {
        struct weir_worker worker;
        char *path;       /* resolved */
        char *migrations; /* NULL = none */
        struct weir_object *object;
        int fd; /* until the object has it; -1 */
};

/* ---- finding -------------------------------------------------------------------------------- */

/* @ret = @path without links. 0; 1 = there is no such file. */
static int resolve(const char *path, char **ret, struct weir_error *reterr)
{
        char *real = realpath(path, NULL);

        if (real) {
                *ret = real;
                return 0;
        }
        if (errno == ENOENT || errno == ENOTDIR)
                return 1;
        return weir_fail(reterr, WEIR_ESYS, errno, "plugin %s: cannot be resolved: %s", path,
                         strerror(errno));
}

/* DIRECTORY/NAME.so; @tried collects the directories for the error. */
static int look_in(const char *directory, const char *name, char *tried, size_t tried_bytes,
                   char **ret, struct weir_error *reterr)
{
        WEIR_FREE char *path = NULL;
        size_t used = strlen(tried);

        snprintf(tried + used, tried_bytes - used, "%s%s", used ? ", " : "", directory);
        if (asprintf(&path, "%s/%s.so", directory, name) < 0) {
                path = NULL;
                return weir_fail(reterr, WEIR_ENOMEM, 0, "plugin %s", name);
        }
        return resolve(path, ret, reterr);
}

/* The directory of the running program, without a trailing slash; false when /proc does not say. */
static bool program_directory(char ret[PATH_MAX])
{
        ssize_t size = readlink("/proc/self/exe", ret, PATH_MAX - 1);
        char *slash;

        if (size <= 0)
                return false;
        ret[size] = '\0';
        slash = strrchr(ret, '/');
        if (!slash)
                return false;
        *slash = '\0';
        return true;
}

static int find(const char *name, const char *const *directories, size_t count, char **ret,
                struct weir_error *reterr)
{
        static const char *const beside[] = { "../lib/weir/plugins", "plugins" };
        char program[PATH_MAX], directory[PATH_MAX + 32], tried[320] = "";
        int r;

        if (!*name)
                return weir_fail(reterr, WEIR_EUSAGE, 0, "plugin without a name");
        if (strchr(name, '/')) {
                r = resolve(name, ret, reterr);
                if (r > 0)
                        return weir_fail(reterr, WEIR_ESYS, ENOENT,
                                         "plugin %s: there is no such file", name);
                return r;
        }
        for (size_t i = 0; i < count; i++) {
                r = look_in(directories[i], name, tried, sizeof tried, ret, reterr);
                if (r <= 0)
                        return r;
        }
        for (size_t i = 0; program_directory(program) && i < WEIR_COUNT_OF(beside); i++) {
                snprintf(directory, sizeof directory, "%s/%s", program, beside[i]);
                r = look_in(directory, name, tried, sizeof tried, ret, reterr);
                if (r <= 0)
                        return r;
        }
        return weir_fail(
                reterr, WEIR_ESYS, ENOENT,
                "plugin %s: no %s.so in %s; put it there, name its directory in plugin_path, or "
                "give its path with a slash",
                name, name, tried);
}

/* ---- checking the file ---------------------------------------------------------------------- */

static int check_directories(const char *path, struct weir_error *reterr)
{
        WEIR_FREE char *directory = strdup(path);
        struct stat st;

        if (!directory)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "plugin %s", path);
        for (char *slash = strrchr(directory, '/'); slash; slash = strrchr(directory, '/')) {
                slash[slash == directory] = '\0'; /* the root keeps its slash */
                if (stat(directory, &st) < 0)
                        return weir_fail(reterr, WEIR_ESYS, errno, "plugin %s: directory %s: %s",
                                         path, directory, strerror(errno));
                if ((st.st_mode & S_IWOTH) && !(st.st_mode & S_ISVTX))
                        return weir_fail(
                                reterr, WEIR_EABI, 0,
                                "plugin %s: everybody may write to the directory %s (mode %04o), "
                                "so anybody could replace the plugin: chmod o-w %s",
                                path, directory, (unsigned)(st.st_mode & 07777), directory);
                if (slash == directory)
                        break;
        }
        return 0;
}

static int check_file(const char *path, int fd, struct weir_error *reterr)
{
        struct stat st;

        if (fstat(fd, &st) < 0)
                return weir_fail(reterr, WEIR_ESYS, errno, "plugin %s: %s", path, strerror(errno));
        if (!S_ISREG(st.st_mode))
                return weir_fail(reterr, WEIR_EABI, 0, "plugin %s: not a regular file", path);
        if (st.st_uid != 0 && st.st_uid != geteuid())
                return weir_fail(
                        reterr, WEIR_EABI, 0,
                        "plugin %s: belongs to user %u; its code would run as user %u: chown it "
                        "to root or to user %u",
                        path, (unsigned)st.st_uid, (unsigned)geteuid(), (unsigned)geteuid());
        if (st.st_mode & (S_IWGRP | S_IWOTH))
                return weir_fail(
                        reterr, WEIR_EABI, 0,
                        "plugin %s: %s may write to it (mode %04o) and so run code here: chmod "
                        "go-w %s",
                        path, st.st_mode & S_IWOTH ? "everybody" : "its group",
                        (unsigned)(st.st_mode & 07777), path);
        return check_directories(path, reterr);
}

/* O_NONBLOCK: a FIFO of that name must not stop the start; it has no meaning for a regular file. */
static int open_file(struct weir_plugin *plugin, struct weir_error *reterr)
{
        assert(plugin->path);
        plugin->fd = open(plugin->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (plugin->fd < 0)
                return weir_fail(reterr, WEIR_ESYS, errno, "plugin %s: %s", plugin->path,
                                 strerror(errno));
        return check_file(plugin->path, plugin->fd, reterr);
}

/* ---- the object ----------------------------------------------------------------------------- */

static int map(struct weir_plugin *plugin, const struct weir_hash_mark *mark,
               struct weir_error *reterr)
{
        int fd = plugin->fd;

        plugin->fd = -1;
        return weir_object_open(fd, plugin->path, mark, &plugin->object, reterr);
}

/* LD3: address and size of the descriptor as the object's symbol table has them. */
static int find_symbol(const struct weir_plugin *plugin, const void **ret, size_t *ret_size,
                       struct weir_error *reterr)
{
        const void *symbol = dlsym(weir_object_handle(plugin->object), "weir_worker");
        void *extra = NULL;
        const ElfW(Sym) * entry;
        Dl_info info;

        if (!symbol)
                return weir_fail(
                        reterr, WEIR_EABI, 0,
                        "plugin %s: exports no symbol weir_worker; define it with WEIR_WORKER() of "
                        "<weir/worker.h>",
                        plugin->path);
        if (!dladdr1(symbol, &info, &extra, RTLD_DL_SYMENT) || !extra)
                return weir_fail(reterr, WEIR_EABI, 0,
                                 "plugin %s: weir_worker is not in its symbol table", plugin->path);
        entry = extra;
        if (ELF64_ST_TYPE(entry->st_info) != STT_OBJECT)
                return weir_fail(
                        reterr, WEIR_EABI, 0,
                        "plugin %s: weir_worker is not a descriptor; define it with WEIR_WORKER() "
                        "of <weir/worker.h>",
                        plugin->path);
        *ret = symbol;
        *ret_size = entry->st_size;
        return 0;
}

/* Slots that the plugin lacks stay NULL; slots that we lack are ignored. */
static int copy_worker(struct weir_plugin *plugin, struct weir_error *reterr)
{
        struct weir_worker *worker = &plugin->worker;
        uint32_t head[2];
        const void *symbol = NULL;
        size_t size = 0;
        int r;

        r = find_symbol(plugin, &symbol, &size, reterr);
        if (r < 0)
                return r;
        if (size < sizeof head)
                return weir_fail(reterr, WEIR_EABI, 0,
                                 "plugin %s: weir_worker of %zu bytes is no descriptor",
                                 plugin->path, size);
        memcpy(head, symbol, sizeof head);
        if (head[0] != WEIR_WORKER_ABI)
                return weir_fail(
                        reterr, WEIR_EABI, 0,
                        "plugin %s: built for ABI %u, this weir speaks ABI %u: build it anew with "
                        "this weir's include/",
                        plugin->path, head[0], WEIR_WORKER_ABI);
        if (head[1] < WEIR_WORKER_SIZE_1 || head[1] > size)
                return weir_fail(
                        reterr, WEIR_EABI, 0,
                        "plugin %s: its descriptor says %u bytes, its symbol has %zu, ABI %u "
                        "needs at least %zu: define it with WEIR_WORKER()",
                        plugin->path, head[1], size, WEIR_WORKER_ABI, (size_t)WEIR_WORKER_SIZE_1);
        memset(worker, 0, sizeof *worker);
        memcpy(worker, symbol, head[1] < sizeof *worker ? head[1] : sizeof *worker);
        return 0;
}

static bool is_name(const char *text)
{
        size_t size = strnlen(text, NAME_MAX_BYTES + 1);

        if (size == 0 || size > NAME_MAX_BYTES || text[0] < 'a' || text[0] > 'z')
                return false;
        return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == size;
}

static bool is_printable(const char *text, size_t most)
{
        size_t size = strnlen(text, most + 1);

        if (size == 0 || size > most)
                return false;
        for (size_t i = 0; i < size; i++)
                if (text[i] < 0x20 || text[i] > 0x7e)
                        return false;
        return true;
}

static int check_worker(const struct weir_plugin *plugin, struct weir_error *reterr)
{
        const struct weir_worker *worker = &plugin->worker;

        if (!worker->name || !is_name(worker->name))
                return weir_fail(
                        reterr, WEIR_EABI, 0,
                        "plugin %s: its name \"%.64s\" is not usable: lower-case letters, digits "
                        "and _, a letter first, at most %d",
                        plugin->path, worker->name ? worker->name : "", NAME_MAX_BYTES);
        if (!worker->version || !is_printable(worker->version, NAME_MAX_BYTES))
                return weir_fail(
                        reterr, WEIR_EABI, 0,
                        "plugin %s: %s has no usable version: 1 to %d printable ASCII characters",
                        plugin->path, worker->name, NAME_MAX_BYTES);
        if (!worker->handle && !worker->handle_batch)
                return weir_fail(reterr, WEIR_EABI, 0,
                                 "plugin %s: %s has neither .handle nor .handle_batch",
                                 plugin->path, worker->name);
        if (worker->not_replayable && !is_printable(worker->not_replayable, REASON_MAX_BYTES))
                return weir_fail(reterr, WEIR_EABI, 0,
                                 "plugin %s: .not_replayable of %s is no reason that can be shown: "
                                 "1 to %d printable ASCII characters",
                                 plugin->path, worker->name, REASON_MAX_BYTES);
        return 0;
}

/* ---- migrations ----------------------------------------------------------------------------- */

static bool is_directory(const char *path)
{
        struct stat st;

        return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int find_migrations(struct weir_plugin *plugin, struct weir_error *reterr)
{
        const char *name = plugin->worker.name;
        size_t directory_size = (size_t)(strrchr(plugin->path, '/') - plugin->path);
        WEIR_FREE char *directory = strndup(plugin->path, directory_size);
        WEIR_FREE char *path = NULL;
        const char *last;

        assert(name); /* check_worker() */
        if (!directory || asprintf(&path, "%s/%s.migrations", directory, name) < 0) {
                path = NULL;
                return weir_fail(reterr, WEIR_ENOMEM, 0, "plugin %s", plugin->path);
        }
        if (!is_directory(path)) {
                last = strrchr(directory, '/');
                if (!last || strcmp(last + 1, name) != 0)
                        return 0;
                /* shorter than what is in @path now: the name is not empty */
                snprintf(path, strlen(path) + 1, "%s/migrations", directory);
                if (!is_directory(path))
                        return 0;
        }
        plugin->migrations = WEIR_TAKE(path);
        return 0;
}

/* ---- life ----------------------------------------------------------------------------------- */

static int new_plugin(const char *name, struct weir_plugin **ret, struct weir_error *reterr)
{
        struct weir_plugin *plugin = calloc(1, sizeof *plugin);

        if (!plugin)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "plugin %s", name);
        plugin->fd = -1;
        *ret = plugin;
        return 0;
}

/* It has its path and its descriptor. */
static int load(struct weir_plugin *plugin, const struct weir_hash_mark *mark,
                struct weir_error *reterr)
{
        int r = map(plugin, mark, reterr);

        if (r == 0)
                r = copy_worker(plugin, reterr);
        if (r == 0)
                r = check_worker(plugin, reterr);
        return r == 0 ? find_migrations(plugin, reterr) : r;
}

int weir_plugin_load(const char *name, const char *const *directories, size_t count,
                     struct weir_plugin **ret, struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_plugin_unloadp) struct weir_plugin *plugin = NULL;
        int r = new_plugin(name, &plugin, reterr);

        if (r == 0)
                r = find(name, directories, count, &plugin->path, reterr);
        if (r == 0)
                r = open_file(plugin, reterr);
        if (r == 0)
                r = load(plugin, NULL, reterr);
        if (r == 0)
                *ret = WEIR_TAKE(plugin);
        return r;
}

int weir_plugin_image(const char *name, const char *const *directories, size_t count,
                      struct weir_image **ret, struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_plugin_unloadp) struct weir_plugin *plugin = NULL;
        int r = new_plugin(name, &plugin, reterr);

        if (r == 0)
                r = find(name, directories, count, &plugin->path, reterr);
        if (r == 0)
                r = open_file(plugin, reterr);
        return r < 0 ? r
                     : weir_image_copy(plugin->fd, plugin->path, WEIR_IMAGE_BYTES_MAX, ret, reterr);
}

int weir_plugin_load_image(const struct weir_image *image, struct weir_plugin **ret,
                           struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_plugin_unloadp) struct weir_plugin *plugin = NULL;
        int r = new_plugin(image->path, &plugin, reterr);

        if (r < 0)
                return r;
        plugin->path = strdup(image->path);
        plugin->fd = plugin->path ? fcntl(image->fd, F_DUPFD_CLOEXEC, 3) : -1;
        if (plugin->fd < 0)
                return weir_fail(reterr, WEIR_ESYS, errno, "plugin %s: %s", image->path,
                                 strerror(errno));
        r = load(plugin, &image->mark, reterr);
        if (r == 0)
                *ret = WEIR_TAKE(plugin);
        return r;
}

const struct weir_worker *weir_plugin_worker(const struct weir_plugin *plugin)
{
        return &plugin->worker;
}

const char *weir_plugin_path(const struct weir_plugin *plugin)
{
        return plugin->path;
}

const char *weir_plugin_migrations(const struct weir_plugin *plugin)
{
        return plugin->migrations;
}

void weir_plugin_unload(struct weir_plugin *plugin)
{
        if (!plugin)
                return;
        weir_object_close(plugin->object);
        if (plugin->fd >= 0) /* refused before it was mapped */
                close(plugin->fd);
        free(plugin->path);
        free(plugin->migrations);
        free(plugin);
}
