/* SPDX-License-Identifier: BSD-2-Clause */
/* gettext of glibc, with the language chosen by the process instead of by its environment.
 *
 * gettext looks for catalogues by $LANGUAGE, at each lookup, unless LC_MESSAGES is the locale "C":
 * then it translates nothing. So LC_MESSAGES is set to some other locale, whatever that is for, and
 * $LANGUAGE says what is meant. C.UTF-8 is in each Debian without being installed; a C library that
 * takes it for "C", as later ones do, wants any other locale, so that is tried first. What gettext
 * has found is good until _nl_msg_cat_cntr moves. */
#include "base/language.h"

#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DOMAIN "convene"
#define FIELD_MAX 1024 /* bytes of an Accept-Language field that are looked at */
#define RANGES_MAX 64  /* and language ranges */
#define Q_ONE 1000

extern int _nl_msg_cat_cntr;

static const struct {
	char tag[3];
	const char *name;
	bool rtl;
} languages[LANGUAGES] = {
    [LANGUAGE_EN] = {"en", "English", false},
    [LANGUAGE_AR] = {"ar", "العربية", true},
    [LANGUAGE_ES] = {"es", "Español", false},
    [LANGUAGE_FR] = {"fr", "Français", false},
    [LANGUAGE_PT] = {"pt", "Português", false},
    [LANGUAGE_RU] = {"ru", "Русский", false},
    [LANGUAGE_ZH] = {"zh", "中文", false},
};

static enum language now;

/* ---- tags ---- */

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Subtags of 1 to 8 letters and digits, the first of letters alone. */
static bool tag_valid(const char *tag, size_t len)
{
	size_t run = 0;
	bool first = true;

	for (size_t i = 0; i < len; i++) {
		if (tag[i] == '-') {
			if (run == 0)
				return false;
			run = 0;
			first = false;
		} else if (is_letter(tag[i]) || (is_digit(tag[i]) && !first)) {
			if (++run > 8)
				return false;
		} else {
			return false;
		}
	}
	return run > 0;
}

enum language language_by_tag(const char *tag, size_t len)
{
	if (!tag_valid(tag, len) || (len > 2 && tag[2] != '-'))
		return LANGUAGES;
	for (unsigned l = 0; l < LANGUAGES; l++)
		if (len >= 2 && strncasecmp(tag, languages[l].tag, 2) == 0)
			return (enum language)l;
	return LANGUAGES;
}

const char *language_tag(enum language l)
{
	return languages[l].tag;
}

const char *language_name(enum language l)
{
	return languages[l].name;
}

bool language_rtl(enum language l)
{
	return languages[l].rtl;
}

/* ---- Accept-Language ---- */

/* What stands before a comma, without the white space around it. */
struct piece {
	const char *at, *end;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct piece trimmed(const char *at, const char *end)
{
	while (at < end && is_blank(*at))
		at++;
	while (end > at && is_blank(end[-1]))
		end--;
	return (struct piece){at, end};
}

/* `0.ddd` or `1.000`, with up to three digits: in thousandths, or -1. */
static int quality_parse(struct piece p)
{
	int value, weight = 100;

	if (p.at == p.end || (*p.at != '0' && *p.at != '1') || p.end - p.at > 5)
		return -1;
	value = *p.at++ == '1' ? Q_ONE : 0;
	if (p.at < p.end && *p.at++ != '.')
		return -1;
	for (; p.at < p.end; p.at++, weight /= 10) {
		if (!is_digit(*p.at))
			return -1;
		value += (*p.at - '0') * weight;
	}
	return value <= Q_ONE ? value : -1;
}

/* `range [; q=value]`: the range into `*p`; its quality, or -1 when it isn't one. */
static int range_parse(struct piece *p)
{
	const char *semicolon = memchr(p->at, ';', (size_t)(p->end - p->at));
	int q = Q_ONE;

	if (semicolon) {
		struct piece weight = trimmed(semicolon + 1, p->end);

		if (weight.end - weight.at < 3 || (*weight.at != 'q' && *weight.at != 'Q') ||
		    weight.at[1] != '=')
			return -1;
		weight.at += 2;
		q = quality_parse(weight);
		*p = trimmed(p->at, semicolon);
	}
	if (p->end - p->at == 1 && *p->at == '*')
		return q;
	return tag_valid(p->at, (size_t)(p->end - p->at)) ? q : -1;
}

enum language language_accepted(const char *field)
{
	int quality[LANGUAGES], others = 0, best = 0, count = 0;
	enum language order[LANGUAGES], answer = LANGUAGE_EN;
	size_t named = 0, len = field ? strnlen(field, FIELD_MAX + 1) : 0;
	const char *at, *end;

	if (len == 0 || len > FIELD_MAX)
		return LANGUAGE_EN;
	at = field;
	end = field + len;
	for (unsigned l = 0; l < LANGUAGES; l++)
		quality[l] = -1;
	/* What is malformed counts for nothing, and takes nothing else along. */
	for (; at < end && count < RANGES_MAX; count++) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		struct piece p = trimmed(at, comma ? comma : end);
		int q = range_parse(&p);
		enum language l;

		at = comma ? comma + 1 : end;
		if (q < 0)
			continue;
		if (*p.at == '*') {
			others = q;
			continue;
		}
		l = language_by_tag(p.at, (size_t)(p.end - p.at));
		if (l == LANGUAGES)
			continue;
		if (quality[l] < 0)
			order[named++] = l;
		/* "pt-BR;q=0.9, pt;q=0.2": whichever they like best. */
		if (q > quality[l])
			quality[l] = q;
	}
	for (unsigned l = 0; l < LANGUAGES; l++) {
		if (quality[l] >= 0)
			continue;
		quality[l] = others;
		order[named++] = (enum language)l;
	}
	for (size_t i = 0; i < named; i++) {
		if (quality[order[i]] > best) {
			best = quality[order[i]];
			answer = order[i];
		}
	}
	return answer;
}

/* ---- the process ---- */

/* "pt_BR.UTF-8", "zh_Hant", "ar@latin": by what stands first. */
static enum language by_locale(const char *name)
{
	return language_by_tag(name, strcspn(name, "_.@:"));
}

static bool is_c(const char *locale)
{
	return !locale || !*locale || strcmp(locale, "C") == 0 || strcmp(locale, "POSIX") == 0;
}

/* As gettext would choose: of $LANGUAGE the first that there is, or else the locale's. */
static enum language wished(bool *listed)
{
	static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
	const char *locale = NULL, *list = getenv("LANGUAGE");
	enum language l;

	for (size_t i = 0; i < 3 && (!locale || !*locale); i++)
		locale = getenv(names[i]);
	*listed = false;
	if (is_c(locale))
		return LANGUAGE_EN;
	while (list && *list) {
		l = by_locale(list);
		*listed = l < LANGUAGES;
		if (*listed)
			return l;
		list += strcspn(list, ":");
		list += *list == ':';
	}
	l = by_locale(locale);
	return l < LANGUAGES ? l : LANGUAGE_EN;
}

static void choose(enum language l)
{
	now = l;
	setenv("LANGUAGE", languages[l].tag, 1);
	_nl_msg_cat_cntr++;
}

void language_start(void)
{
	static const char *const some[] = {"en_US.UTF-8", "en_GB.UTF-8", "ar_EG.UTF-8",
	    "es_ES.UTF-8", "fr_FR.UTF-8", "pt_BR.UTF-8", "ru_RU.UTF-8", "zh_CN.UTF-8", "C.UTF-8"};
	const char *folder = getenv("CONVENE_LOCALEDIR"), *locale = setlocale(LC_MESSAGES, "");
	bool own = locale && !is_c(locale) && strncmp(locale, "C.", 2) != 0, listed;

	bindtextdomain(DOMAIN, folder && *folder ? folder : LOCALEDIR);
	bind_textdomain_codeset(DOMAIN, "UTF-8");
	textdomain(DOMAIN);
	now = wished(&listed);
	/* With a locale of their own gettext finds what they wish by itself, and so do the programs
	 * that we start, for whom $LANGUAGE stays as it is; but for English in the list, of which
	 * there is no catalogue, so that gettext would take the next. */
	if (own && (now != LANGUAGE_EN || !listed))
		return;
	for (size_t i = 0; !own && i < sizeof some / sizeof *some; i++)
		if (setlocale(LC_MESSAGES, some[i]))
			break;
	choose(now);
}

void language_use(enum language l)
{
	if (l != now)
		choose(l);
}

enum language language_now(void)
{
	return now;
}
