/* SPDX-License-Identifier: MIT */
/*
 * migration - read a directory of numbered files, and refuse every doubtful one
 *
 * The rule for names is strict because the silent alternative is worse: a file that is skipped for a
 * typing error is a table that is missing at run time. What does not look like a migration and does
 * not end in .sql (a README) is left alone.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "store/schema.h"
#include "store/wire.h"

enum { FILE_MAX_BYTES = 4 * 1024 * 1024 };

static bool is_name(const char *name, size_t size, bool digit_first)
{
        if (size == 0 || size > 63 || (!digit_first && name[0] >= '0' && name[0] <= '9'))
                return false;
        for (size_t i = 0; i < size; i++)
                if (!(name[i] >= 'a' && name[i] <= 'z') && !(name[i] >= '0' && name[i] <= '9') &&
                    name[i] != '_')
                        return false;
        return true;
}

/* "0012_what.up.sql" into its parts. */
static bool split(const char *file, int32_t *ret_version, const char **ret_name,
                  size_t *ret_name_size, bool *ret_up)
{
        size_t size = strlen(file);
        const char *tail;

        for (int i = 0; i < 4; i++)
                if (file[i] < '0' || file[i] > '9')
                        return false;
        if (file[4] != '_')
                return false;
        *ret_version = (file[0] - '0') * 1000 + (file[1] - '0') * 100 + (file[2] - '0') * 10 +
                       (file[3] - '0');
        tail = strchr(file, '.');
        if (!tail || (strcmp(tail, ".up.sql") != 0 && strcmp(tail, ".down.sql") != 0))
                return false;
        *ret_up = tail[1] == 'u';
        *ret_name = file + 5;
        *ret_name_size = size - 5 - strlen(tail);
        return *ret_version > 0 && is_name(*ret_name, *ret_name_size, true);
}

static int read_text(int directory, const char *set, const char *file, char **ret,
                     struct weir_error *reterr)
{
        struct stat status;
        char *text;
        size_t used = 0, size;
        int fd = openat(directory, file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

        if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
                int error = fd < 0 ? errno : EINVAL;

                if (fd >= 0)
                        close(fd);
                return weir_fail(reterr, WEIR_ESCHEMA, error, "%s: %s: %s", set, file,
                                 strerror(error));
        }
        size = status.st_size > FILE_MAX_BYTES ? 0 : (size_t)status.st_size;
        text = malloc(size + 1);
        while (text && used < size) {
                ssize_t n = read(fd, text + used, size - used);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        break;
                used += (size_t)n;
        }
        close(fd);
        if (!text)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%s: %s", set, file);
        text[used] = '\0';
        if (used == 0 || used != (size_t)status.st_size || strlen(text) != used) {
                free(text);
                return weir_fail(reterr, WEIR_ESCHEMA, 0,
                                 "%s: %s is empty, larger than 4 MiB, or holds a NUL byte", set,
                                 file);
        }
        *ret = text;
        return 0;
}

static int checksum(const char *text, char ret[65])
{
        const struct weir_hash_part part = { text, strlen(text) };
        uint8_t digest[32];

        if (weir_hash_parts(&part, 1, digest) < 0)
                return -1;
        for (size_t i = 0; i < sizeof digest; i++)
                snprintf(ret + 2 * i, 3, "%02x", digest[i]);
        return 0;
}

static struct weir_migration *find_or_add(struct weir_migrations *migrations, int32_t version)
{
        struct weir_migration *list;

        for (size_t i = 0; i < migrations->count; i++)
                if (migrations->list[i].version == version)
                        return &migrations->list[i];
        list = realloc(migrations->list, (migrations->count + 1) * sizeof *list);
        if (!list)
                return NULL;
        migrations->list = list;
        list[migrations->count] = (struct weir_migration){ .version = version };
        return &list[migrations->count++];
}

static int take_file(struct weir_migrations *migrations, int directory, const char *file,
                     struct weir_error *reterr)
{
        const char *set = migrations->set, *name;
        struct weir_migration *migration;
        size_t name_size;
        int32_t version;
        char **text;
        bool up;
        int r;

        if (!split(file, &version, &name, &name_size, &up))
                return weir_fail(reterr, WEIR_ESCHEMA, 0,
                                 "%s: %s is not named NNNN_what.up.sql or "
                                 "NNNN_what.down.sql (four digits from 0001, then a-z 0-9 _)",
                                 set, file);
        migration = find_or_add(migrations, version);
        if (!migration)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "%s: %s", set, file);
        if (!migration->name) {
                migration->name = strndup(name, name_size);
                if (!migration->name)
                        return weir_fail(reterr, WEIR_ENOMEM, 0, "%s: %s", set, file);
        }
        text = up ? &migration->up_sql : &migration->down_sql;
        if (*text || strlen(migration->name) != name_size ||
            strncmp(migration->name, name, name_size) != 0)
                return weir_fail(reterr, WEIR_ESCHEMA, 0,
                                 "%s: two migrations have the number %04d (%s and %s)", set,
                                 version, migration->name, file);
        r = read_text(directory, set, file, text, reterr);
        if (r < 0 || !up)
                return r;
        return checksum(*text, migration->checksum) < 0
                       ? weir_fail(reterr, WEIR_ENOMEM, 0, "%s: checksum of %s", set, file)
                       : 0;
}

static int by_version(const void *a, const void *b)
{
        return ((const struct weir_migration *)a)->version -
               ((const struct weir_migration *)b)->version;
}

int weir_migrations_read(const char *set, const char *directory, struct weir_migrations *ret,
                         struct weir_error *reterr)
{
        WEIR_CLEANUP(weir_migrations_fini) struct weir_migrations migrations = { NULL, NULL, 0 };
        const struct dirent *entry;
        DIR *dir;
        int r = 0;

        if (!is_name(set, strlen(set), false))
                return weir_fail(reterr, WEIR_ESCHEMA, 0,
                                 "set of migrations '%s': a name is a-z 0-9 _", set);
        migrations.set = strdup(set);
        if (!migrations.set)
                return weir_fail(reterr, WEIR_ENOMEM, 0, "migrations of %s", set);
        dir = opendir(directory);
        if (!dir)
                return weir_fail(reterr, WEIR_ESCHEMA, errno, "%s: %s: %m", set, directory);
        while (r == 0 && (entry = readdir(dir))) {
                size_t size = strlen(entry->d_name);

                if (entry->d_name[0] == '.' || size < 4 ||
                    strcmp(entry->d_name + size - 4, ".sql") != 0)
                        continue;
                r = take_file(&migrations, dirfd(dir), entry->d_name, reterr);
        }
        closedir(dir);
        if (r == 0 && migrations.count == 0)
                r = weir_fail(reterr, WEIR_ESCHEMA, 0, "%s: %s holds no migrations", set,
                              directory);
        if (r < 0) {
                weir_error_prefix(reterr, "%s: ", directory);
                return r;
        }
        qsort(migrations.list, migrations.count, sizeof *migrations.list, by_version);
        for (size_t i = 0; i < migrations.count; i++) {
                const struct weir_migration *m = &migrations.list[i];

                if (m->version != (int32_t)i + 1)
                        return weir_fail(reterr, WEIR_ESCHEMA, 0,
                                         "%s: %s: number %04zu is missing, the next file "
                                         "is %04d_%s",
                                         set, directory, i + 1, m->version, m->name);
                if (!m->up_sql)
                        return weir_fail(reterr, WEIR_ESCHEMA, 0,
                                         "%s: %s: %04d_%s.up.sql is missing", set, directory,
                                         m->version, m->name);
        }
        *ret = migrations;
        migrations = (struct weir_migrations){ NULL, NULL, 0 };
        return 0;
}

void weir_migrations_fini(struct weir_migrations *migrations)
{
        for (size_t i = 0; i < migrations->count; i++) {
                free(migrations->list[i].name);
                free(migrations->list[i].up_sql);
                free(migrations->list[i].down_sql);
        }
        free(migrations->list);
        free(migrations->set);
        *migrations = (struct weir_migrations){ NULL, NULL, 0 };
}
