/* SPDX-License-Identifier: MIT */
/*
 * url - store.url is read as libpq reads it, and only what is understood to the end is accepted
 *
 * A url is printed: by `weir config show`, in every error of a connection, in libpq's own words.
 * Looking for a password in it is a race against spelling ("u%3Apw@h", "pasword=pw", "//u:pw" where
 * the host was forgotten and the password became the port, a dbname that is again a list of
 * settings). So nothing is looked for. The text is taken apart by libpq's grammar, in both of its
 * forms, into pairs of a known option and a decoded value, and each value must be of the kind that
 * its option has. What is left then is a host, a number, a word of a short list, a name or a path.
 *
 * Always true   UR1 an accepted text means to libpq what it meant here: same splitting, same
 *                   decoding. An option that an older libpq does not know is its to refuse
 *                   (weir_conf_checks).
 *               UR2 no answer repeats a byte of the text.
 * Stricter      than libpq: user and database hold no = and no :, the database no / and @ either;
 *               no "://" and no "password=" in any value; hosts are names, addresses or paths.
 * Known weak    a password that is all digits and at most 65535, behind a user without a host
 *               ("postgresql://u:1234"), is a port. Nobody can tell.
 */
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "conf/value.h"

#define URL_BYTES_MAX 1024

static const char password_inside[] =
        "holds a password, which would show up in backups and reviews; put it into "
        "store.password_file or store.password_env and leave it out here";
static const char unknown_option[] =
        "names an option that is none of libpq's, such as host, port, dbname, user, sslmode, "
        "sslrootcert, passfile; a password goes into store.password_file or store.password_env";

/* ---- values -------------------------------------------------------------------------- */

static const char *check_number(const char *value)
{
        if (strspn(value, "0123456789") != strlen(value) || strlen(value) > 9)
                return "holds an option that must be a whole number and is not";
        return NULL;
}

static const char *check_ports(const char *value)
{
        for (const char *p = value;; p++) {
                size_t size = strspn(p, "0123456789");
                long port = 0;

                for (size_t i = 0; i < size && i < 6; i++)
                        port = port * 10 + (p[i] - '0');
                if (size > 5 || (size > 0 && (port < 1 || port > 65535)) ||
                    (p[size] && p[size] != ','))
                        return "holds a port that is not 1..65535; write "
                               "postgresql://user@host:port/database, and put a password into "
                               "store.password_file or store.password_env";
                p += size;
                if (!*p)
                        return NULL;
        }
}

/* Names and addresses, separated by commas; a path (of a socket) begins with a slash. */
static const char *check_hosts(const char *value)
{
        static const char wrong[] = "holds a host that is neither a name, an address nor the "
                                    "path of a socket's directory";

        for (const char *p = value;; p++) {
                size_t size = strcspn(p, ",");

                if (*p != '/' && strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                           "0123456789.-_:%") < size)
                        return wrong;
                /* a colon is part of an address only, and there are two at least */
                if (*p != '/' && memchr(p, ':', size) &&
                    memchr(p, ':', size) == memrchr(p, ':', size))
                        return wrong;
                p += size;
                if (!*p)
                        return NULL;
        }
}

static const char *check_user(const char *value)
{
        return strpbrk(value, ":=") ? password_inside : NULL;
}

/* libpq and psql take a database with = or :// in its name for a whole list of settings. */
static const char *check_database(const char *value)
{
        return strpbrk(value, "=:/@") ? "names a database with =, :, / or @ in it, which is not "
                                        "supported: it may be a password in the wrong place"
                                      : NULL;
}

static const char *check_secret(const char *value)
{
        (void)value;
        return password_inside;
}

#define MODES "disable|allow|prefer|require"
#define SWITCH "0|1"

/* Those of libpq (up to 18) that a worker has a use for; @choices: the words that a value can be. */
static const struct option {
        const char *name;
        const char *(*check)(const char *value);
        const char *choices;
} options[] = {
        { "host", check_hosts, NULL },
        { "hostaddr", check_hosts, NULL },
        { "port", check_ports, NULL },
        { "dbname", check_database, NULL },
        { "user", check_user, NULL },
        { "password", check_secret, NULL },
        { "sslpassword", check_secret, NULL },
        { "oauth_client_secret", check_secret, NULL },
        { "scram_client_key", check_secret, NULL },
        { "scram_server_key", check_secret, NULL },
        { "passfile", NULL, NULL },
        { "service", NULL, NULL },
        { "servicefile", NULL, NULL },
        { "options", NULL, NULL },
        { "application_name", NULL, NULL },
        { "fallback_application_name", NULL, NULL },
        { "client_encoding", NULL, NULL },
        { "connect_timeout", check_number, NULL },
        { "keepalives", NULL, SWITCH },
        { "keepalives_idle", check_number, NULL },
        { "keepalives_interval", check_number, NULL },
        { "keepalives_count", check_number, NULL },
        { "tcp_user_timeout", check_number, NULL },
        { "sslmode", NULL, MODES "|verify-ca|verify-full" },
        { "sslnegotiation", NULL, "postgres|direct" },
        { "sslcompression", NULL, SWITCH },
        { "sslcert", NULL, NULL },
        { "sslkey", NULL, NULL },
        { "sslcertmode", NULL, "disable|allow|require" },
        { "sslrootcert", NULL, NULL },
        { "sslcrl", NULL, NULL },
        { "sslcrldir", NULL, NULL },
        { "sslsni", NULL, SWITCH },
        { "ssl_min_protocol_version", NULL, "TLSv1|TLSv1.1|TLSv1.2|TLSv1.3" },
        { "ssl_max_protocol_version", NULL, "TLSv1|TLSv1.1|TLSv1.2|TLSv1.3" },
        { "channel_binding", NULL, "disable|prefer|require" },
        { "require_auth", NULL, NULL },
        { "requirepeer", NULL, NULL },
        { "krbsrvname", NULL, NULL },
        { "gssencmode", NULL, "disable|prefer|require" },
        { "gsslib", NULL, "gssapi|sspi" },
        { "gssdelegation", NULL, SWITCH },
        { "target_session_attrs", NULL, "any|read-write|read-only|primary|standby|prefer-standby" },
        { "load_balance_hosts", NULL, "disable|random" },
        { "min_protocol_version", NULL, "3.0|3.2|latest" },
        { "max_protocol_version", NULL, "3.0|3.2|latest" },
};

static bool is_choice(const char *choices, const char *value)
{
        size_t size = strlen(value);

        for (const char *p = choices; *p; p += strcspn(p, "|"), p += *p == '|')
                if (strcspn(p, "|") == size && !strncmp(p, value, size))
                        return true;
        return false;
}

/* Another list of settings or another url, inside of a value that could be anything? */
static bool names_a_password(const char *value)
{
        for (const char *p = value; (p = strcasestr(p, "password")); p++) {
                const char *behind = p + strlen("password");

                if (behind[strspn(behind, " ")] == '=')
                        return true;
        }
        return strstr(value, "://") != NULL;
}

static const char *check_pair(const char *name, const char *value)
{
        for (size_t i = 0; i < WEIR_COUNT_OF(options); i++) {
                const struct option *option = &options[i];

                if (strcmp(option->name, name) != 0)
                        continue;
                if (option->check == check_secret || names_a_password(value))
                        return password_inside;
                if (option->choices && *value && !is_choice(option->choices, value))
                        return "holds an option with a value that libpq does not have for it";
                return option->check ? option->check(value) : NULL;
        }
        return unknown_option;
}

/* ---- key=value ------------------------------------------------------------------------ */

/* A value at @p, quoted or not, into @ret. Returns what follows; NULL = a quote is not closed. */
static const char *read_value(const char *p, char *ret)
{
        bool quoted = *p == '\'';

        for (p += quoted; *p && *p != (quoted ? '\'' : ' '); p++) {
                if (*p == '\\' && !*++p)
                        break;
                *ret++ = *p;
        }
        *ret = '\0';
        if (quoted && !*p)
                return NULL;
        return *p ? p + 1 : p;
}

static const char *check_pairs(const char *p)
{
        char name[URL_BYTES_MAX + 1], value[URL_BYTES_MAX + 1];
        const char *wrong = NULL;

        for (p += strspn(p, " "); !wrong && *p; p += strspn(p, " ")) {
                size_t size = strcspn(p, "= ");

                memcpy(name, p, size);
                name[size] = '\0';
                p += size;
                p += strspn(p, " ");
                if (*p != '=')
                        return "is neither postgresql://… nor key=value pairs";
                p++;
                p += strspn(p, " ");
                p = read_value(p, value);
                if (!p)
                        return "holds a quote that is not closed";
                wrong = check_pair(name, value);
        }
        return wrong;
}

/* ---- postgresql:// -------------------------------------------------------------------- */

static int hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* [p, p + size) with its %XX decoded. False = a % that is none, or a control character behind it. */
static bool decode(const char *p, size_t size, char *ret)
{
        const char *end = p + size;

        for (; p < end; p++) {
                int c = (unsigned char)*p;

                if (c == '%') {
                        if (end - p < 3 || hex_digit(p[1]) < 0 || hex_digit(p[2]) < 0)
                                return false;
                        c = hex_digit(p[1]) * 16 + hex_digit(p[2]);
                        p += 2;
                        if (c < 0x20 || c == 0x7f)
                                return false;
                }
                *ret++ = (char)c;
        }
        *ret = '\0';
        return true;
}

static const char *check_part(const char *name, const char *p, size_t size)
{
        char value[URL_BYTES_MAX + 1];

        if (!decode(p, size, value))
                return "holds a % that is not followed by the two hex digits of a character";
        return check_pair(name, value);
}

static const char *check_query(const char *p)
{
        char name[URL_BYTES_MAX + 1];
        const char *wrong = NULL;

        for (; !wrong && *p; p += *p == '&') {
                size_t size = strcspn(p, "&");
                const char *equals = memchr(p, '=', size);

                if (!equals || memchr(equals + 1, '=', (size_t)(p + size - equals - 1)))
                        return "holds a query that is not name=value, several separated by &";
                if (!decode(p, (size_t)(equals - p), name))
                        return unknown_option;
                wrong = check_part(name, equals + 1, (size_t)(p + size - equals - 1));
                p += size;
        }
        return wrong;
}

/* host[:port],… up to a / or a ?; *@ret is what follows. */
static const char *check_places(const char *p, const char **ret)
{
        char hosts[URL_BYTES_MAX + 1], ports[URL_BYTES_MAX + 1];
        size_t host_size = 0, port_size = 0, size;
        const char *wrong;

        for (;; p++) {
                bool bracket = *p == '[';

                p += bracket;
                size = strcspn(p, bracket ? "]" : ":/?,");
                if (bracket && (size == 0 || !p[size] || !strchr(":/?,", p[size + 1])))
                        return "holds an address in brackets that is not [address] or "
                               "[address]:port";
                memcpy(hosts + host_size, p, size);
                host_size += size;
                p += size + bracket;
                if (*p == ':') {
                        p++;
                        size = strcspn(p, "/?,");
                        memcpy(ports + port_size, p, size);
                        port_size += size;
                        p += size;
                }
                if (*p != ',')
                        break;
                hosts[host_size++] = ports[port_size++] = ',';
        }
        *ret = p;
        wrong = check_part("port", ports, port_size);
        return wrong ? wrong : check_part("host", hosts, host_size);
}

static const char *check_uri(const char *p)
{
        /* a user is what stands before an @ that comes before any slash */
        size_t size = strcspn(p, "@/");
        const char *wrong = NULL;

        if (p[size] == '@') {
                wrong = check_part("user", p, size);
                p += size + 1;
        }
        if (!wrong)
                wrong = check_places(p, &p);
        if (!wrong && *p == '/') {
                p++;
                size = strcspn(p, "?");
                wrong = check_part("dbname", p, size);
                p += size;
        }
        return !wrong && *p == '?' ? check_query(p + 1) : wrong;
}

const char *weir_check_store_url(const char *text)
{
        const char *wrong = weir_check_plain(text);

        if (wrong)
                return wrong;
        if (strlen(text) > URL_BYTES_MAX)
                return "is longer than 1024 bytes";
        if (!strncmp(text, "postgresql://", 13))
                return check_uri(text + 13);
        if (!strncmp(text, "postgres://", 11))
                return check_uri(text + 11);
        if (!strchr(text, '='))
                return "is neither postgresql://… nor key=value pairs";
        return check_pairs(text);
}
