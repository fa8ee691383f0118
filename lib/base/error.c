/* SPDX-License-Identifier: MIT */
/*
 * error - one line that says what failed, where, and of which class
 *
 * Texts carry foreign words (server messages, file names, header values). Control characters are
 * replaced here, once, so that no caller can forget it and no input can forge a line of the log.
 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/shortage.h"

static void make_one_line(char *text)
{
        size_t length = strlen(text);

        while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == ' '))
                text[--length] = '\0';
        for (char *p = text; *p; p++)
                if ((unsigned char)*p < 0x20 || *p == 0x7f)
                        *p = *p == '\n' || *p == '\t' ? ' ' : '?';
}

int weir_error_raise(struct weir_error *reterr, int code, int sys, const char *origin,
                     const char *format, ...)
{
        va_list ap;

        if (code == WEIR_ENOMEM)
                weir_shortage_note();
        if (!reterr)
                return code;
        reterr->code = code;
        reterr->sys = sys;
        reterr->sqlstate[0] = '\0';
        reterr->origin = origin;
        va_start(ap, format);
        vsnprintf(reterr->text, sizeof reterr->text, format, ap);
        va_end(ap);
        make_one_line(reterr->text);
        return code;
}

int weir_error_prefix(struct weir_error *error, const char *format, ...)
{
        char rest[WEIR_ERROR_TEXT_BYTES];
        va_list ap;
        int used;

        if (!error)
                return 0;
        memcpy(rest, error->text, sizeof rest);
        va_start(ap, format);
        used = vsnprintf(error->text, sizeof error->text, format, ap);
        va_end(ap);
        if (used >= 0 && (size_t)used < sizeof error->text)
                snprintf(error->text + used, sizeof error->text - (size_t)used, "%.*s",
                         (int)(sizeof error->text - (size_t)used - 1), rest);
        make_one_line(error->text);
        return error->code;
}

enum error_class { TRANSIENT, PERMANENT };

static const struct {
        int code;
        enum error_class klass;
        const char *name;
} errors[] = {
#define ROW(name, value, klass, text) { name, klass, #name },
        WEIR_ERRORS(ROW)
#undef ROW
};

const char *weir_error_name(int code)
{
        for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
                if (errors[i].code == code)
                        return errors[i].name;
        return "WEIR_E?";
}

bool weir_error_transient(int code)
{
        for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
                if (errors[i].code == code)
                        return errors[i].klass == TRANSIENT;
        return false;
}
