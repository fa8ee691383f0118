/* SPDX-License-Identifier: MIT */
/*
 * secret - refuse a password that others can read, at the start, where somebody is looking
 *
 * Checked on the open file, not on its name: regular, no symbolic link at the end of the path,
 * owned by root or by us, of mode 600 or 400. Root could read it whatever the mode says; any other
 * mode was hardly meant. A link is refused because its target can be swapped by whoever owns the
 * directory; mounted secrets that are links (Kubernetes) come through the environment.
 *
 * Credentials of systemd (LoadCredential=) are files of root whose mode reads 440: systemd lets the
 * service in by an ACL, and an ACL's mask is shown as the group's bits. Below the directory that
 * systemd names, which it has made for this service alone, 440 of root:root is therefore taken too.
 *
 * The one newline at the end is the editor's, not the password's; anything more belongs to it.
 */
#include "conf/secret.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/file.h"

#define SECRET_BYTES_MAX ((size_t)64 * 1024)

static bool is_credential(const char *path, const struct stat *st)
{
        const char *directory = getenv("CREDENTIALS_DIRECTORY");
        size_t size = directory ? strlen(directory) : 0;

        return size > 1 && *directory == '/' && !strncmp(path, directory, size) &&
               path[size] == '/' && !strchr(path + size + 1, '/') && st->st_uid == 0 &&
               st->st_gid == 0 && (st->st_mode & 07777) == 0440;
}

static int check(const struct stat *st, const char *text, size_t size, bool credential,
                 struct weir_error *reterr)
{
        if (st->st_uid != 0 && st->st_uid != geteuid())
                return weir_fail(reterr, WEIR_ECONF, 0,
                                 "belongs to user %u, must belong to root or to user %u "
                                 "who runs weir (chown)",
                                 (unsigned)st->st_uid, (unsigned)geteuid());
        if (!credential && (st->st_mode & 077))
                return weir_fail(reterr, WEIR_ECONF, 0,
                                 "has mode %04o, others must have no access: chmod 600",
                                 (unsigned)st->st_mode & 07777);
        if (!credential && (st->st_mode & 07777) != 0600 && (st->st_mode & 07777) != 0400)
                return weir_fail(reterr, WEIR_ECONF, 0,
                                 "has mode %04o, must have 600 or 400: chmod 600",
                                 (unsigned)st->st_mode & 07777);
        if (size == 0)
                return weir_fail(reterr, WEIR_ECONF, 0, "is empty; write the secret into it");
        if (memchr(text, '\0', size))
                return weir_fail(reterr, WEIR_ECONF, 0, "holds a NUL byte, must be text");
        return 0;
}

int weir_secret_file(const char *path, struct weir_arena *arena, const char **ret,
                     struct weir_error *reterr)
{
        struct stat st;
        char *text;
        size_t size, length;
        int r;

        r = weir_file_read(path, SECRET_BYTES_MAX, O_NOFOLLOW, &text, &size, &st, reterr);
        if (r == 0) {
                length = size;
                if (length > 0 && text[length - 1] == '\n')
                        length--;
                if (length > 0 && text[length - 1] == '\r')
                        length--;
                r = check(&st, text, length, is_credential(path, &st), reterr);
                if (r == 0) {
                        *ret = weir_arena_copy(arena, text, length);
                        if (!*ret)
                                r = weir_fail(reterr, WEIR_ENOMEM, 0, "secret");
                }
                weir_file_free(text, size);
        }
        return r < 0 ? weir_error_prefix(reterr, "%s ", path) : 0;
}

int weir_secret_env(const char *name, struct weir_arena *arena, const char **ret,
                    struct weir_error *reterr)
{
        const char *value = getenv(name);

        if (!value || !*value)
                return weir_fail(
                        reterr, WEIR_ECONF, 0,
                        "the environment variable that it names is %s; it must hold the secret",
                        value ? "empty" : "not set");
        *ret = weir_arena_copy(arena, value, strlen(value));
        return *ret ? 0 : weir_fail(reterr, WEIR_ENOMEM, 0, "secret");
}
