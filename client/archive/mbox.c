/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/archive/mbox.h"

#include <string.h>

#include "client/archive/inside.h"

/* A separator's words from the weekday on: at most seven. Longer lines have an address in front, of
 * any number of words. */
enum { DATE_WORDS = 7 };

/* ---- a separator's date ---- */

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* A decimal number of `min` to `max` digits that is the whole of `word`; -1 if it isn't. */
static int number(struct bytes word, size_t min, size_t max)
{
	int value = 0;
	if (word.len < min || word.len > max)
		return -1;
	for (size_t i = 0; i < word.len; i++) {
		if (!is_digit(word.data[i]))
			return -1;
		value = value * 10 + (word.data[i] - '0');
	}
	return value;
}

/* The place of a three-letter name among `names`; -1 if it isn't there. */
static int name_index(struct bytes word, const char *names)
{
	for (int i = 0; word.len == 3 && names[3 * i] != '\0'; i++)
		if (memcmp(word.data, names + 3 * i, 3) == 0)
			return i;
	return -1;
}

/* HH:MM or HH:MM:SS, as seconds; -1 if it isn't that. -2: it is, but no time of a day. */
static int clock_time(struct bytes word)
{
	int part[3] = {0, 0, 0};
	size_t n = 0;
	for (size_t from = 0; from <= word.len; n++) {
		const uint8_t *colon = memchr(word.data + from, ':', word.len - from);
		size_t end = colon != NULL ? (size_t)(colon - word.data) : word.len;
		if (n == 3 ||
		    (part[n] = number(bytes_of(word.data + from, end - from), n ? 2 : 1, 2)) < 0)
			return -1;
		from = end + 1;
	}
	if (n < 2)
		return -1;
	if (part[0] > 23 || part[1] > 59 || part[2] > 60)
		return -2;
	return part[0] * 3600 + part[1] * 60 + part[2];
}

/* Whether `word` can be a zone; of a numeric one the seconds east of Greenwich. Names are all taken
 * for UTC: those that aren't mean different things in different countries. */
static bool zone_read(struct bytes word, int *east)
{
	if (word.len == 5 && (word.data[0] == '+' || word.data[0] == '-')) {
		int n = number(bytes_of(word.data + 1, 4), 4, 4);
		if (n < 0)
			return false;
		*east = (n / 100 * 3600 + n % 100 * 60) * (word.data[0] == '-' ? -1 : 1);
		return true;
	}
	if (word.len == 0 || word.len > 6)
		return false;
	for (size_t i = 0; i < word.len; i++)
		if ((word.data[i] | 0x20) < 'a' || (word.data[i] | 0x20) > 'z')
			return false;
	return true;
}

/* Days from 1970-01-01 to a day of the Gregorian calendar; the month from 0. */
static int64_t days_from_civil(int year, int month, int day)
{
	/* Years that begin in March have their leap day at the end. */
	int64_t y = month < 2 ? year - 1 : year, m = (month + 10) % 12;
	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static int64_t date_value(int year, int month, int day, int seconds, int east)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	if (seconds < 0 || day < 1 || day > days[month] + (month == 1 && leap))
		return INT64_MIN;
	return (days_from_civil(year, month, day) * 86400 + seconds - east) * 1000;
}

/* Whether the words from the weekday on are a date as a separator has it. */
static bool date_read(const struct bytes *word, size_t count, int64_t *date)
{
	if (count < 5 || name_index(word[0], "MonTueWedThuFriSatSun") < 0)
		return false;
	int month = name_index(word[1], "JanFebMarAprMayJunJulAugSepOctNovDec");
	int day = number(word[2], 1, 2), seconds = clock_time(word[3]), east = 0;
	if (month < 0 || day < 0 || seconds == -1)
		return false;
	size_t at = 4;
	if (number(word[at], 4, 4) < 0 && !zone_read(word[at++], &east))
		return false;
	int year = at < count ? number(word[at++], 4, 4) : -1;
	if (year < 0 || (at < count && !zone_read(word[at++], &east)) || at != count)
		return false;
	*date = date_value(year, month, day, seconds, east);
	return true;
}

/* ---- separators ---- */

/* Whether a line (without its line end) is a separator, but for what follows it. */
static bool separator_read(struct bytes line, int64_t *date)
{
	struct bytes word[DATE_WORDS]; /* the last ones, filled from the end */
	size_t end = line.len, first = DATE_WORDS;
	if (line.len < 5 || memcmp(line.data, "From ", 5) != 0)
		return false;
	while (first > 0) {
		while (end > 5 && is_space(line.data[end - 1]))
			end--;
		if (end == 5)
			return false; /* nothing left for the sender */
		size_t begin = end;
		while (begin > 5 && !is_space(line.data[begin - 1]))
			begin--;
		word[--first] = bytes_of(line.data + begin, end - begin);
		end = begin;
		if (DATE_WORDS - first >= 5 && date_read(word + first, DATE_WORDS - first, date))
			break;
		if (first == 0)
			return false;
	}
	while (end > 5 && is_space(line.data[end - 1]))
		end--;
	return end > 5;
}

/* The line at `pos`, without its LF or CRLF; `*next` gets where the one after it begins. */
static struct bytes line_at(struct bytes file, size_t pos, size_t *next)
{
	const uint8_t *lf = memchr(file.data + pos, '\n', file.len - pos);
	size_t end = lf != NULL ? (size_t)(lf - file.data) : file.len;
	*next = lf != NULL ? end + 1 : end;
	if (end > pos && file.data[end - 1] == '\r')
		end--;
	return bytes_of(file.data + pos, end - pos);
}

static bool separator_at(struct bytes file, size_t pos, size_t *header, int64_t *date)
{
	if (file.len - pos < 5 || memcmp(file.data + pos, "From ", 5) != 0)
		return false;
	size_t after;
	struct bytes line = line_at(file, pos, header);
	return separator_read(line, date) && *header < file.len &&
	       field_name_len(line_at(file, *header, &after)) > 0;
}

/* Where the next separator stands, from the beginning of a line on; the file's end if there is
 * none. Counts the lines that it passes. */
static size_t separator_find(struct bytes file, size_t pos, uint64_t *line)
{
	size_t header;
	int64_t date;
	while (pos < file.len && !separator_at(file, pos, &header, &date)) {
		const uint8_t *lf = memchr(file.data + pos, '\n', file.len - pos);
		pos = lf != NULL ? (size_t)(lf - file.data) + 1 : file.len;
		++*line;
	}
	return pos;
}

void mbox_open(struct mbox *m, struct bytes file, size_t *before)
{
	/* Editors put U+FEFF there; it hides no line. */
	size_t begin = file.len >= 3 && memcmp(file.data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	*m = (struct mbox){.file = file, .line = 1};
	m->pos = separator_find(file, begin, &m->line);
	*before = m->pos - begin;
}

bool mbox_next(struct mbox *m, struct mbox_mail *out)
{
	struct bytes file = m->file;
	size_t header = 0;
	if (m->pos >= file.len || !separator_at(file, m->pos, &header, &out->date))
		return false;
	out->line = m->line++;
	size_t end = separator_find(file, header, &m->line);
	m->pos = end;
	/* The file's own empty line, also behind its last mail. */
	if (end - header >= 2 && file.data[end - 1] == '\n') {
		size_t cut = end - 1;
		if (file.data[cut - 1] == '\r')
			cut--;
		if (cut > header && file.data[cut - 1] == '\n')
			end = cut;
	}
	out->raw = bytes_of(file.data + header, end - header);
	return true;
}
