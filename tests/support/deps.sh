#!/bin/sh
# SPDX-License-Identifier: MIT
# deps - install what is missing, or say exactly what to install
#
#   deps.sh build|demo|unit|kafka|lint...
#
# A machine that has everything is left alone: what is needed is looked for as a file or a command, so a
# JDK or a compiler that did not come from the distribution counts too. Only apt is driven; other systems
# get the names. Installing PostgreSQL on Debian would create and start a cluster "main": that is switched
# off for the time of our installation, because all we want is the programs.
set -eu

# group  looked for                 Debian, Ubuntu           Fedora             Alpine              macOS (brew)
table='
build  command:gcc                  gcc                      gcc                build-base          gcc
build  header:stdio.h               libc6-dev                glibc-devel        musl-dev            -
build  header:linux/seccomp.h       linux-libc-dev           kernel-headers     linux-headers       -
build  header:librdkafka/rdkafka.h  librdkafka-dev           librdkafka-devel   librdkafka-dev      librdkafka
build  header:cjson/cJSON.h         libcjson-dev             cjson-devel        cjson-dev           cjson
build  header:libconfig.h           libconfig-dev            libconfig-devel    libconfig-dev       libconfig
build  header:libpq-fe.h            libpq-dev                libpq-devel        libpq-dev           libpq
build  header:openssl/evp.h         libssl-dev               openssl-devel      openssl-dev         openssl
build  header:curl/curl.h          libcurl4-openssl-dev     libcurl-devel      curl-dev            curl
demo   server:initdb                postgresql               postgresql-server  postgresql          postgresql
demo   command:bash                 bash                     bash               bash                bash
demo   command:psql                 postgresql-client        postgresql         postgresql-client   postgresql
unit   header:check.h               check                    check-devel        check-dev           check
unit   command:g++                  g++                      gcc-c++            g++                 gcc
kafka  command:java                 default-jre-headless     java-17-openjdk-headless  openjdk17-jre-headless  openjdk
kafka  command:mvn                  maven                    maven              maven               maven
kafka  command:python3              python3                  python3            python3             python3
kafka  command:kcat                 kcat                     kcat               kcat                kcat
kafka  command:openssl              openssl                  openssl            openssl             openssl
kafka  command:jq                   jq                       jq                 jq                  jq
lint   command:g++                  g++                      gcc-c++            g++                 gcc
lint   command:readelf              binutils                 binutils           binutils            binutils
lint   command:clang-14             clang-14                 clang              clang               llvm
lint   command:clang-format-14      clang-format-14          clang-tools-extra  clang-extra-tools   clang-format
lint   command:clang-tidy-14        clang-tidy-14            clang-tools-extra  clang-extra-tools   llvm
lint   command:shellcheck           shellcheck               ShellCheck         shellcheck          shellcheck
lint   command:systemd-analyze      systemd                  systemd            -                   -
lint   command:ps                   procps                   procps-ng          procps              -
'

present() {
        case $1 in
                command:*) command -v "${1#*:}" >/dev/null 2>&1 ;;
                header:*)
                        for dir in /usr/include /usr/include/*-linux-* /usr/include/postgresql \
                                /usr/local/include /opt/homebrew/include; do
                                [ ! -e "$dir/${1#*:}" ] || return 0
                        done
                        return 1
                        ;;
                server:*)
                        command -v "${1#*:}" >/dev/null 2>&1 && return 0
                        for dir in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin; do
                                [ ! -x "$dir/${1#*:}" ] || return 0
                        done
                        return 1
                        ;;
        esac
}

missing() { # column of the table that holds the wanted names
        printf '%s\n' "$table" | while read -r group what debian fedora alpine brew; do
                case " $groups " in *" $group "*) ;; *) continue ;; esac
                present "$what" && continue
                case $1 in
                        debian) echo "$debian" ;;
                        fedora) echo "$fedora" ;;
                        alpine) [ "$alpine" = - ] || echo "$alpine" ;;
                        brew) [ "$brew" = - ] || echo "$brew" ;;
                esac
        done | sort -u | tr '\n' ' ' | sed 's/ $//'
}

groups=$*
packages=$(missing debian)
[ -n "$packages" ] || exit 0

if [ "$(id -u)" = 0 ]; then
        as_root=
elif command -v sudo >/dev/null 2>&1 && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        as_root=sudo
else
        as_root=none
fi
if [ "$as_root" = none ] || ! command -v apt-get >/dev/null 2>&1; then
        cat >&2 <<TXT
weir needs packages that are not installed, and this user cannot install them. Please install:
  Debian, Ubuntu   apt-get install $packages
  Fedora           dnf install $(missing fedora)
  Alpine           apk add $(missing alpine)
  macOS            brew install $(missing brew)
TXT
        exit 1
fi

# two at a time (make -j) would meet at apt's own lock; the second finds the work done
mkdir -p "${B:-build}"
exec 9>"${B:-build}/.deps.lock"
flock 9
packages=$(missing debian)
[ -n "$packages" ] || exit 0
echo "installing: $packages" >&2
no_cluster=/etc/postgresql-common/createcluster.d/zz-weir-no-cluster.conf
cleanup() { $as_root rm -f "$no_cluster" "${B:-build}/.deps.lock"; }
trap cleanup EXIT
trap 'exit 130' INT TERM
case " $packages " in
        *" postgresql "*)
                $as_root mkdir -p "${no_cluster%/*}"
                echo 'create_main_cluster = false' | $as_root tee "$no_cluster" >/dev/null
                ;;
esac
$as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of names
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >&2
left=$(missing debian)
[ -z "$left" ] || { echo "deps: installed, but still not found: $left" >&2; exit 1; }
