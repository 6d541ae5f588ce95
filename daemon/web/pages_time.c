/* SPDX-License-Identifier: BSD-2-Clause */
/* Days and times, as each language writes them. */
#include <stdio.h>
#include <string.h>

#include <unicode/udat.h>
#include <unicode/ustring.h>

#include "daemon/web/pages.h"

enum { TIME_ROOM = 64 };

/* Of each language, once it is asked for. */
static UDateFormat *formats[LANGUAGES];

/* To format a day takes 5 µs, and messages of a thread are of few days. */
enum { DAYS = 256 };
static struct day {
	uint64_t day;
	enum language language;
	uint8_t len; /* 0: none */
	char text[TIME_ROOM];
} days_made[DAYS];

/* Days before months where English is read by most; digits as they stand on the rest of the page.
 */
static const char *const locales[LANGUAGES] = {
    [LANGUAGE_EN] = "en_GB",
    [LANGUAGE_AR] = "ar@numbers=latn",
    [LANGUAGE_ES] = "es",
    [LANGUAGE_FR] = "fr",
    [LANGUAGE_PT] = "pt",
    [LANGUAGE_RU] = "ru",
    [LANGUAGE_ZH] = "zh",
};

/* What stands between a day and a time. */
static const char *const joins[LANGUAGES] = {
    [LANGUAGE_EN] = ", ",
    [LANGUAGE_AR] = "، ",
    [LANGUAGE_ES] = ", ",
    [LANGUAGE_FR] = ", ",
    [LANGUAGE_PT] = ", ",
    [LANGUAGE_RU] = ", ",
    [LANGUAGE_ZH] = " ",
};

void page_time_end(void)
{
	for (size_t l = 0; l < LANGUAGES; l++) {
		if (formats[l])
			udat_close(formats[l]);
		formats[l] = NULL;
	}
	memset(days_made, 0, sizeof days_made);
}

static bool day_make(struct day *d)
{
	static const UChar utc[] = {'U', 'T', 'C'};
	UErrorCode status = U_ZERO_ERROR;
	UDateFormat **format = &formats[d->language];
	UChar wide[TIME_ROOM];
	int32_t len, bytes = 0;

	if (!*format)
		*format = udat_open(
		    UDAT_NONE, UDAT_MEDIUM, locales[d->language], utc, 3, NULL, 0, &status);
	if (!*format)
		return false;
	len = udat_format(*format, (UDate)d->day * 86400000, wide, TIME_ROOM, NULL, &status);
	if (U_SUCCESS(status) && len <= TIME_ROOM)
		u_strToUTF8(d->text, sizeof d->text, &bytes, wide, len, &status);
	if (U_FAILURE(status) || bytes <= 0 || bytes > (int32_t)sizeof d->text)
		return false;
	d->len = (uint8_t)bytes;
	return true;
}

/* NULL: by numbers, then. */
static const struct day *day_of(enum language l, uint64_t day)
{
	struct day *d = &days_made[(day * LANGUAGES + l) % DAYS];

	if (d->len > 0 && d->day == day && d->language == l)
		return d;
	*d = (struct day){.day = day, .language = l};
	return day_make(d) ? d : NULL;
}

/* In numbers, for programs. `out` takes 25 bytes; no time is beyond the year 9999. */
static void iso_time(char *out, uint64_t ms, bool day)
{
	uint64_t days = ms / 86400000, s = ms / 1000 % 86400;
	/* Years that begin in March have their leap day at the end. */
	uint64_t z = days + 719468, era = z / 146097, d = z % 146097;
	uint64_t y = (d - d / 1460 + d / 36524 - d / 146096) / 365;
	uint64_t in_year = d - (365 * y + y / 4 - y / 100), m = (5 * in_year + 2) / 153;
	unsigned date = (unsigned)(in_year - (153 * m + 2) / 5 + 1),
		 month = (unsigned)(m < 10 ? m + 3 : m - 9),
		 year = (unsigned)(y + era * 400 + (month <= 2));

	if (day)
		snprintf(out, 25, "%04u-%02u-%02u", year % 10000, month % 100, date % 100);
	else
		snprintf(out, 25, "%04u-%02u-%02uT%02u:%02u:%02uZ", year % 10000, month % 100,
		    date % 100, (unsigned)(s / 3600) % 100, (unsigned)(s / 60 % 60),
		    (unsigned)(s % 60));
}

static void add_time(struct html h, enum language l, uint64_t ms, bool day)
{
	char iso[25];

	if (ms > TIME_MAX)
		ms = TIME_MAX;
	iso_time(iso, ms, day);
	const struct day *d = day_of(l, ms / 86400000);

	html(h, "<time datetime=\"%s\">", iso);
	html(h, "%.*s", d ? (int)d->len : 10, d ? d->text : iso);
	if (!day) {
		unsigned minutes = (unsigned)(ms / 60000 % 1440);

		html(h, "%s%u%u:%u%u", d ? joins[l] : " ", minutes / 600, minutes / 60 % 10,
		    minutes % 60 / 10, minutes % 10);
	}
	html(h, "</time>");
}

void page_time(struct html h, enum language l, uint64_t ms)
{
	add_time(h, l, ms, false);
}

void page_day(struct html h, enum language l, uint64_t ms)
{
	add_time(h, l, ms, true);
}

void page_iso(char out[static 25], uint64_t ms)
{
	iso_time(out, ms <= TIME_MAX ? ms : TIME_MAX, false);
}
