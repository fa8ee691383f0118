/* SPDX-License-Identifier: MIT */
#ifndef WEIR_CMD_DEVPG_H
#define WEIR_CMD_DEVPG_H
/* devpg - the throwaway PostgreSQL of `weir dev`: one directory, one port on 127.0.0.1, gone afterwards */
#include <sys/types.h>

#include "base/cleanup.h"
#include "base/error.h"

struct devpg;

/* Make a cluster in @dir (which exists; files password, pgpass, postgres.log, pgdata/) and start it, with an
 * empty database "weir" owned by its superuser "weir". Main thread: the server ends with the thread that
 * started it. WEIR_ESYS, WEIR_EDB. */
int devpg_start(const char *dir, struct devpg **ret, struct weir_error *reterr);
const char *devpg_url(const struct devpg *pg); /* without the password */
pid_t devpg_pid(const struct devpg *pg);
/* Stop the server and remove all that it and devpg_start made. */
void devpg_stop(struct devpg *pg);
WEIR_DEFINE_FREEP(struct devpg, devpg_stop)

/* Write @text to @dir/@name, readable by the owner only where @secret. */
int devpg_write(const char *dir, const char *name, bool secret, const char *text,
                struct weir_error *reterr);

#endif
