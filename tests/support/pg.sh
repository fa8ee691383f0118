#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# pg - a throwaway PostgreSQL in one directory
#
#   pg.sh start DIR [durable]         prints the url; starts again what was stopped, on its old port
#   pg.sh stop DIR [fast|immediate]   immediate = as if killed: the next start recovers from the WAL
#   pg.sh restart DIR [fast|immediate]
#   pg.sh standby DIR PRIMARY         a standby of the server in PRIMARY, streaming; `select pg_promote()` makes it a primary
#   pg.sh kill DIR                    SIGKILL of the postmaster; its children notice, and start waits for them
#
# In DIR: url port pid password pgpass log data/. The url names the password file, it holds no secret.
#
# Root     initdb and postgres refuse to run as root, so root becomes postgres (else nobody). That user may
#          not be able to walk to DIR (a clone below /root): root opens the data directory, and they get it
#          as an inherited descriptor, -D /proc/self/fd/9. They need no path of ours, and write none.
# fsync    is off unless "durable" is asked for. A process that is killed, also by SIGKILL, loses nothing by
#          that: the pages are the kernel's. Only power loss would, and no test cuts the power.
# /dev/shm stays empty: dynamic shared memory is kept in the data directory.
set -euo pipefail
# shellcheck source=tests/support/common.sh
. "$(dirname "$0")/common.sh"

usage() { die "usage: pg.sh start DIR [durable] | stop DIR [fast|immediate] | restart DIR [fast|immediate] | kill DIR | standby DIR PRIMARY"; }

find_bin() {
        local found
        found=$(find /usr/lib/postgresql /usr/pgsql-* -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1)
        [ -n "$found" ] || found=$(command -v initdb) || found=$(pg_config --bindir 2>/dev/null)/initdb
        [ -x "$found" ] || die "no PostgreSQL server found: install the package postgresql (make deps)"
        dirname "$(readlink -f "$found")"
}

sql() { PGPASSFILE=$dir/pgpass "$bin/psql" -XqAt -h 127.0.0.1 -p "$port" -U weir -d "$1" -c "$2"; }
ready() { gone "$pid" || sql postgres 'select 1' >/dev/null 2>&1; }

initialise() {
        local secret
        secret=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
        (umask 077 && printf '%s\n' "$secret" >"$dir/password")
        chown "$user" "$dir/password"
        mkdir "$dir/data"
        chmod 0700 "$dir/data"
        chown "$user" "$dir/data"
        (
                exec 8<"$dir/password" 9<"$dir/data"
                cd /
                "${as_server[@]}" "$bin/initdb" -D "$data" -U weir --pwfile="$password" -A scram-sha-256 \
                        -E UTF8 --locale=C.UTF-8 --no-sync --no-instructions
        ) >"$dir/log" 2>&1 || { tail -n 20 "$dir/log" >&2; rm -rf "$dir/data"; die "initdb failed, see above"; }
        chown "$(id -u)" "$dir/password"
}

launch() { # starts the server on $port; sets pid
        local fsync=off
        [ "$durable" = 0 ] || fsync=on
        (umask 077 && printf '127.0.0.1:%s:*:weir:%s\n' "$port" "$(cat "$dir/password")" >"$dir/pgpass")
        (
                exec 9<"$dir/data" </dev/null >>"$dir/log" 2>&1
                cd /
                exec "${as_server[@]}" setsid "$bin/postgres" -D "$data" \
                        -c listen_addresses=127.0.0.1 -c port="$port" -c unix_socket_directories= \
                        -c dynamic_shared_memory_type=mmap -c max_connections=200 \
                        -c shared_buffers=128MB -c max_wal_size=2GB -c fsync=$fsync \
                        -c full_page_writes=$fsync -c synchronous_commit=on \
                        -c log_line_prefix='%m [%p] %a '
        ) &
        pid=$!
        printf '%s\n' "$pid" >"$dir/pid"
}

# A process that was killed and that nobody has waited for yet still has its number, and PostgreSQL takes its lock file for one in force
reaped() { ! kill -0 "$1" 2>/dev/null; }

start() {
        local try before
        bin=$(find_bin)
        if [ -e "$dir/pid" ] && alive "$(cat "$dir/pid")"; then
                die "$dir: a server runs already, process $(cat "$dir/pid")"
        fi
        [ -e "$dir/data/PG_VERSION" ] || initialise
        before=$(head -n 1 "$dir/data/postmaster.pid" 2>/dev/null || true)
        [ -z "$before" ] || within 20s reaped "$before" || true
        for try in 1 2 3 4 5; do
                port=$(cat "$dir/port" 2>/dev/null || free_port)
                launch
                within 60s ready || { kill -QUIT "$pid"; die "not ready after 60 s, see $dir/log"; }
                alive "$pid" && break
                # its port was taken in between: a new cluster takes another, an old one must keep its own
                if [ -e "$dir/port" ] || [ "$try" = 5 ] || ! tail -n 5 "$dir/log" | grep -q 'could not bind'; then
                        tail -n 20 "$dir/log" >&2
                        die "PostgreSQL ended at once, see above and $dir/log"
                fi
        done
        printf '%s\n' "$port" >"$dir/port"
        [ -e "$dir/url" ] || sql postgres 'create database weir'
        printf 'postgresql://weir@127.0.0.1:%s/weir?passfile=%s\n' "$port" "$(escape "$dir/pgpass")" >"$dir/url"
        cat "$dir/url"
}

standby() { # PRIMARY
        bin=$(find_bin)
        rm -rf "$dir/data"
        cp "$1/password" "$dir/password"
        mkdir "$dir/data"
        chmod 0700 "$dir/data"
        chown "$user" "$dir/data"
        (
                exec 9<"$dir/data"
                cd /
                PGPASSWORD=$(cat "$dir/password") "${as_server[@]}" "$bin/pg_basebackup" -D "$data" -R -X stream -c fast \
                        -h 127.0.0.1 -p "$(cat "$1/port")" -U weir
        ) >>"$dir/log" 2>&1 || { tail -n 20 "$dir/log" >&2; die "pg_basebackup failed, see above"; }
        touch "$dir/url" # its databases are the primary's
        start
}

escape() { printf '%s' "$1" | sed 's/%/%25/g; s/ /%20/g; s/?/%3F/g; s/&/%26/g; s/#/%23/g; s/+/%2B/g'; }

stop() {
        local pid signal
        case $1 in fast) signal=INT ;; immediate) signal=QUIT ;; kill) signal=KILL ;; *) usage ;; esac
        [ -e "$dir/pid" ] || return 0
        pid=$(cat "$dir/pid")
        # a recycled number must not cost a stranger its life: only a postgres is signalled
        if alive "$pid" && grep -qs '^postgres$' "/proc/$pid/comm"; then
                kill -"$signal" "$pid"
                within 60s gone "$pid" || kill -KILL "$pid"
        fi
        rm -f "$dir/pid"
}

[ $# -ge 2 ] || usage
what=$1
dir=$(directory "$2")
durable=0
user=$(id -un)
data=$dir/data
password=$dir/password
as_server=(env) # becomes the user that may run a server
if [ "$(id -u)" = 0 ]; then
        user=postgres
        id "$user" >/dev/null 2>&1 || user=nobody
        as_server=(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups)
        command -v setpriv >/dev/null || as_server=(runuser -u "$user" --)
        data=/proc/self/fd/9
        password=/proc/self/fd/8
fi
case $what in
        start)
                [ "${3:-}" != durable ] || durable=1
                start
                ;;
        stop) stop "${3:-fast}" ;;
        kill) stop kill ;;
        standby) standby "$(directory "${3:?}")" ;;
        restart)
                stop "${3:-fast}"
                start
                ;;
        *) usage ;;
esac
