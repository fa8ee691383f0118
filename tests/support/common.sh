# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# common - what the scripts that start servers share; sourced, never run
#
# Everything is on 127.0.0.1 and on a port that was free a moment ago. Ports are taken from below the
# range that the kernel hands out by itself, so no client socket can sit on one while a server is down.
# Nothing here sleeps for a time: every wait is for a condition, looked at 20 times a second.

die() {
        printf '%s: %s\n' "${0##*/}" "$*" >&2
        exit 1
}

# within SECONDS COMMAND...: run it until it succeeds; 1 when the time is over. TIMEOUT_FACTOR
# stretches every limit, for slow machines and sanitizers.
within() {
        local limit=${1%s} end
        shift
        end=$((SECONDS + limit * ${TIMEOUT_FACTOR:-1} + 1))
        until "$@"; do
                [ "$SECONDS" -lt "$end" ] || return 1
                sleep 0.05
        done
}

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() {
        local port try
        for ((try = 0; try < 200; try++)); do
                port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
                answers "$port" || { printf '%s\n' "$port"; return 0; }
        done
        die 'no free port between 20000 and 32000'
}

alive() { [ -n "${1:-}" ] && kill -0 "$1" 2>/dev/null && ! zombie "$1"; }
zombie() { [ -r "/proc/$1/stat" ] && grep -q '^[0-9]* (.*) Z' "/proc/$1/stat" 2>/dev/null; }
gone() { ! alive "$1"; }

# absolute path of a directory, made if it is not there
directory() { mkdir -p -- "$1" && (cd -- "$1" && pwd -P); }
