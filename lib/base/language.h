/* SPDX-License-Identifier: BSD-2-Clause */
/* The seven languages of the interface, by GNU gettext. Which one is in use is a fact of the
 * process: one thread at a time translates. Messages of the forum itself are in any language; their
 * tags have nothing to do with this. */
#ifndef BASE_LANGUAGE_H
#define BASE_LANGUAGE_H

#include <libintl.h>
#include <stdbool.h>
#include <stddef.h>

#define _(text) gettext(text)
#define N_(text) text /* for tables: translated where it is used */

enum language { LANGUAGE_EN, LANGUAGE_AR, LANGUAGE_ES, LANGUAGE_FR, LANGUAGE_PT, LANGUAGE_RU, LANGUAGE_ZH, LANGUAGES };

/* Once, at start: the catalogues are in $CONVENE_LOCALEDIR, or where they were installed. The
 * language is then that of the environment (LC_ALL, LC_MESSAGES, LANG, LANGUAGE). */
void language_start(void);
/* All of gettext speaks it from now on. Costs about a microsecond when it was another. */
void language_use(enum language l);
enum language language_now(void);

const char *language_tag(enum language l);  /* "ar" */
const char *language_name(enum language l); /* what its speakers call it */
bool language_rtl(enum language l);
/* By tag, also "pt-BR"; LANGUAGES: none. */
enum language language_by_tag(const char *tag, size_t len);
/* The best for an Accept-Language field (RFC 9110 12.5.4); NULL or nothing known: English. */
enum language language_accepted(const char *field);

#endif
