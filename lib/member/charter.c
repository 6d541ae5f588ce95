/* SPDX-License-Identifier: BSD-2-Clause */
/* The charter's text (SPEC.md section 3.1), read and written.
 *
 * Every range stands in the reader alone: the writer puts its lines together
 * and has them read again, and a bad line's number tells the field. */
#include "member/charter.h"

#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "msg/content.h"

#define FIRST_LINE "convene charter v"
#define NAME_MAX_LEN 200
#define PURPOSE_MAX_LEN 1000
#define ANCHOR_MAX 1000
#define CONTENT_LIMIT_MIN 65536

/* The shortest that a name and a member line can be: they bound what is allocated for a text. */
#define ORG_NAME_MIN 3
#define MEMBER_LINE_MIN (8 + ORG_NAME_MIN + 1 + 8 + 1 + 44 + 1)

/* Lines of the text, from 1; members stand from the last on. */
enum {
	LINE_FIRST = 1,
	LINE_NAME,
	LINE_PURPOSE,
	LINE_ADMIT,
	LINE_TOPICS,
	LINE_ANCHOR,
	LINE_CONTENT_LIMIT,
	LINE_MEMBER,
};
static const char *const labels[] = {
    [LINE_NAME] = "name",
    [LINE_PURPOSE] = "purpose",
    [LINE_ADMIT] = "admit",
    [LINE_TOPICS] = "topics",
    [LINE_ANCHOR] = "anchor",
    [LINE_CONTENT_LIMIT] = "content-limit",
    [LINE_MEMBER] = "member",
};
static const char *const topic_words[] = {
    [TOPICS_BY_PARTICIPANTS] = "participants",
    [TOPICS_BY_REGISTRARS] = "registrars",
    [TOPICS_BY_ROOTS] = "roots",
};
#define TOPIC_WORDS (sizeof(topic_words) / sizeof(topic_words[0]))

struct reader {
	struct bytes rest;
	unsigned line; /* of what was read last */
};

/* The next line without its newline. */
static int line_next(struct reader *r, struct bytes *out)
{
	r->line++;
	const uint8_t *end = r->rest.len > 0 ? memchr(r->rest.data, '\n', r->rest.len) : NULL;
	if (end == NULL)
		return ERR_MALFORMED;
	*out = bytes_of(r->rest.data, (size_t)(end - r->rest.data));
	r->rest = bytes_of(end + 1, r->rest.len - out->len - 1);
	return OK;
}

/* What follows "label: " on the next line. */
static int field_next(struct reader *r, unsigned label, struct bytes *out)
{
	size_t len = strlen(labels[label]);
	int err = line_next(r, out);
	if (err != OK)
		return err;
	if (out->len < len + 2 || memcmp(out->data, labels[label], len) != 0 ||
	    out->data[len] != ':' || out->data[len + 1] != ' ')
		return ERR_MALFORMED;
	*out = bytes_of(out->data + len + 2, out->len - len - 2);
	return OK;
}

/* UTF-8 without C0, DEL and C1. */
static int text_check(struct bytes text, size_t max)
{
	if (text.len == 0 || text.len > max)
		return ERR_RANGE;
	if (!text_is_utf8(text))
		return ERR_TEXT;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];
		if (c < 0x20 || c == 0x7f || (c == 0xc2 && text.data[i + 1] < 0xa0))
			return ERR_TEXT;
	}
	return OK;
}

static int text_field(struct reader *r, unsigned label, size_t max, char **out)
{
	struct bytes text;
	int err = field_next(r, label, &text);
	if (err == OK)
		err = text_check(text, max);
	if (err != OK)
		return err;
	*out = strndup((const char *)text.data, text.len);
	return *out != NULL ? OK : ERR_NOMEM;
}

static int number_field(struct reader *r, unsigned label, uint32_t min, uint32_t max, uint32_t *out)
{
	struct bytes text;
	uint64_t n = 0;
	int err = field_next(r, label, &text);
	if (err == OK)
		err = decimal_parse(&n, (const char *)text.data, text.len, max);
	if (err != OK)
		return err;
	*out = (uint32_t)n;
	return n >= min ? OK : ERR_RANGE;
}

static int topics_field(struct reader *r, enum charter_topics *out)
{
	struct bytes word;
	int err = field_next(r, LINE_TOPICS, &word);
	if (err != OK)
		return err;
	for (size_t i = 0; i < TOPIC_WORDS; i++) {
		if (bytes_equal(word, bytes_str(topic_words[i]))) {
			*out = (enum charter_topics)i;
			return OK;
		}
	}
	return ERR_MALFORMED;
}

/* Cut `in` at its first space. */
static struct bytes word_next(struct bytes *in)
{
	const uint8_t *space = in->len > 0 ? memchr(in->data, ' ', in->len) : NULL;
	size_t len = space != NULL ? (size_t)(space - in->data) : in->len;
	struct bytes word = bytes_of(in->data, len);
	/* A space at the end is followed by an empty word, which is no name. */
	*in = space != NULL ? bytes_of(space + 1, in->len - len - 1) : bytes_of(NULL, 0);
	return word;
}

static int anchor_field(struct reader *r, struct charter *c)
{
	struct bytes rest;
	uint64_t n;
	int err = field_next(r, LINE_ANCHOR, &rest);
	if (err != OK)
		return err;
	struct bytes word = word_next(&rest);
	err = decimal_parse(&n, (const char *)word.data, word.len, ANCHOR_MAX);
	if (err != OK)
		return err;
	c->anchor = (uint32_t)n;
	if (!bytes_equal(word_next(&rest), bytes_str("of")) || rest.data == NULL)
		return ERR_MALFORMED;
	if (bytes_equal(rest, bytes_str("all")))
		return OK;

	size_t cap = rest.len / (ORG_NAME_MIN + 1) + 1;
	c->anchor_names = calloc(cap, sizeof(*c->anchor_names));
	if (c->anchor_names == NULL)
		return ERR_NOMEM;
	while (rest.data != NULL) {
		word = word_next(&rest);
		if (!org_name_valid(word))
			return ERR_MALFORMED;
		size_t i = c->anchor_name_count++;
		memcpy(c->anchor_names[i], word.data, word.len);
		if (i > 0 && strcmp(c->anchor_names[i - 1], c->anchor_names[i]) >= 0)
			return ERR_NOT_CANONICAL;
	}
	return n <= c->anchor_name_count ? OK : ERR_RANGE;
}

static int member_field(struct reader *r, struct charter *c, struct bytes *last)
{
	struct bytes text;
	struct verifier *v = &c->members[c->member_count];
	char again[VERIFIER_TEXT_MAX + 1];
	int err = field_next(r, LINE_MEMBER, &text);
	if (err == OK)
		err = verifier_parse(v, text);
	if (err != OK)
		return err;
	if (v->type != VERIFIER_ED25519)
		return ERR_KEY;
	if (!org_name_valid(bytes_str(v->name)))
		return ERR_MALFORMED;
	if (!bytes_equal(text, bytes_of(again, verifier_format(again, v))))
		return ERR_NOT_CANONICAL;
	/* '+' sorts below all that a name may hold, so lines of one name stand together. */
	if (c->member_count > 0) {
		size_t shorter = text.len < last->len ? text.len : last->len;
		int order = memcmp(last->data, text.data, shorter);
		if (order > 0 || (order == 0 && last->len >= text.len) ||
		    strcmp(v[-1].name, v->name) == 0)
			return ERR_NOT_CANONICAL;
	}
	for (size_t i = 0; i < c->member_count; i++)
		if (memcmp(c->members[i].public, v->public, KEY_LEN) == 0)
			return ERR_KEY;
	*last = text;
	c->member_count++;
	return OK;
}

static int members_read(struct reader *r, struct charter *c)
{
	c->members = calloc(r->rest.len / MEMBER_LINE_MIN + 1, sizeof(*c->members));
	if (c->members == NULL)
		return ERR_NOMEM;
	struct bytes last = {NULL, 0};
	do {
		int err = member_field(r, c, &last);
		if (err != OK)
			return err;
	} while (r->rest.len > 0);
	if (c->admit <= c->member_count)
		return OK;
	r->line = LINE_ADMIT;
	return ERR_RANGE;
}

static int first_line(struct reader *r)
{
	struct bytes line;
	size_t len = strlen(FIRST_LINE);
	int err = line_next(r, &line);
	if (err != OK)
		return err;
	if (line.len < len || memcmp(line.data, FIRST_LINE, len) != 0)
		return ERR_MALFORMED;
	return line.len == len + 1 && line.data[len] == '1' ? OK : ERR_VERSION;
}

static int charter_read(struct reader *r, struct charter *c)
{
	int err = first_line(r);
	if (err == OK)
		err = text_field(r, LINE_NAME, NAME_MAX_LEN, &c->name);
	if (err == OK)
		err = text_field(r, LINE_PURPOSE, PURPOSE_MAX_LEN, &c->purpose);
	if (err == OK)
		err = number_field(r, LINE_ADMIT, 1, UINT32_MAX, &c->admit);
	if (err == OK)
		err = topics_field(r, &c->topics);
	if (err == OK)
		err = anchor_field(r, c);
	if (err == OK)
		err = number_field(
		    r, LINE_CONTENT_LIMIT, CONTENT_LIMIT_MIN, CONTENT_MAX, &c->content_limit);
	if (err == OK)
		err = members_read(r, c);
	return err;
}

int charter_parse_text(struct charter **out, struct bytes text, unsigned *line)
{
	struct reader r = {.rest = text};
	*out = NULL;
	if (line != NULL)
		*line = 0;
	if (text.len > CHARTER_TEXT_MAX)
		return ERR_TOO_LARGE;
	struct charter *c = calloc(1, sizeof(*c));
	if (c == NULL)
		return ERR_NOMEM;
	int err = charter_read(&r, c);
	if (err != OK) {
		charter_free(c);
		if (line != NULL)
			*line = r.line;
		return err;
	}
	hash_of(c->forum, text.data, text.len);
	*out = c;
	return OK;
}

void charter_free(struct charter *c)
{
	if (c == NULL)
		return;
	free(c->name);
	free(c->purpose);
	free(c->anchor_names);
	free(c->members);
	buffer_free(&c->note);
	free(c);
}

/* ---- writing ---- */

static int string_order(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Append strings of `size` bytes each, ascending, between `before` and `after`. ERR_NOMEM. */
static int sorted_add(struct buffer *out, const char *before, const void *strings, size_t count,
    size_t size, const char *after)
{
	if (count == 0)
		return OK;
	char *sorted = calloc(count, size);
	if (sorted == NULL)
		return ERR_NOMEM;
	memcpy(sorted, strings, count * size);
	qsort(sorted, count, size, string_order);
	for (size_t i = 0; i < count; i++) {
		buffer_add_str(out, before);
		buffer_add_str(out, sorted + i * size);
		buffer_add_str(out, after);
	}
	free(sorted);
	return OK;
}

static int members_add(struct buffer *out, const struct charter *c)
{
	char(*texts)[VERIFIER_TEXT_MAX + 1] = calloc(c->member_count + 1, sizeof(*texts));
	if (texts == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < c->member_count; i++)
		verifier_format(texts[i], &c->members[i]);
	int err = sorted_add(out, "member: ", texts, c->member_count, sizeof(*texts), "\n");
	free(texts);
	return err;
}

static int lines_add(struct buffer *out, const struct charter *c)
{
	buffer_printf(out,
	    FIRST_LINE "1\nname: %s\npurpose: %s\nadmit: %u\ntopics: %s\nanchor: %u of", c->name,
	    c->purpose, c->admit, topic_words[c->topics], c->anchor);
	int err = OK;
	if (c->anchor_names == NULL)
		buffer_add_str(out, " all");
	else
		err = sorted_add(
		    out, " ", c->anchor_names, c->anchor_name_count, sizeof(*c->anchor_names), "");
	buffer_printf(out, "\ncontent-limit: %u\n", c->content_limit);
	return err == OK ? members_add(out, c) : err;
}

int charter_text(struct buffer *out, const struct charter *c, const char **field)
{
	unsigned line = 0;
	/* These could bring lines of their own, and so move the others. */
	if (c->name == NULL || text_check(bytes_str(c->name), NAME_MAX_LEN) != OK)
		line = LINE_NAME;
	else if (c->purpose == NULL || text_check(bytes_str(c->purpose), PURPOSE_MAX_LEN) != OK)
		line = LINE_PURPOSE;
	else if ((size_t)c->topics >= TOPIC_WORDS)
		line = LINE_TOPICS;

	size_t start = out->len;
	int err = line != 0 ? ERR_INVALID : lines_add(out, c);
	if (err == OK && out->failed)
		err = ERR_NOMEM;
	if (err == OK) {
		struct charter *again;
		struct bytes made = bytes_of(out->data + start, out->len - start);
		err = charter_parse_text(&again, made, &line);
		charter_free(again);
		if (err != OK && err != ERR_NOMEM)
			err = ERR_INVALID;
	}
	if (err != OK)
		out->len = start;
	/* Line 0: too long as a whole, which only members can make it. */
	if (err == ERR_INVALID && field != NULL)
		*field = labels[line == 0 || line > LINE_MEMBER ? LINE_MEMBER : line];
	return err;
}

/* ---- signatures ---- */

static _Thread_local char founder_name[VERIFIER_NAME_MAX + 1];

static int signatures_check(const struct charter *c, const struct note *note, const char **who)
{
	/* Who has signed wrongly is told before who hasn't signed yet. */
	size_t missing = c->member_count;
	for (size_t i = 0; i < c->member_count; i++) {
		int err = note_verify(note, &c->members[i], NULL);
		if (err == ERR_UNSIGNED && missing == c->member_count)
			missing = i;
		if (err == OK || err == ERR_UNSIGNED)
			continue;
		strcpy(founder_name, c->members[i].name);
		if (who != NULL && err == ERR_SIGNATURE)
			*who = founder_name;
		return err;
	}
	if (missing == c->member_count)
		return OK;
	strcpy(founder_name, c->members[missing].name);
	if (who != NULL)
		*who = founder_name;
	return ERR_NOT_COMPLETE;
}

int charter_open(struct charter **out, struct bytes in, unsigned *line, const char **who)
{
	struct note note;
	struct charter *c;
	*out = NULL;
	if (line != NULL)
		*line = 0;
	if (who != NULL)
		*who = NULL;
	int err = note_parse(&note, in);
	if (err == OK)
		err = charter_parse_text(&c, note.text, line);
	if (err != OK)
		return err;
	err = signatures_check(c, &note, who);
	if (err == OK) {
		buffer_add(&c->note, in.data, in.len);
		err = c->note.failed ? ERR_NOMEM : OK;
	}
	if (err != OK) {
		charter_free(c);
		return err;
	}
	*out = c;
	return OK;
}

int charter_signed_by(const struct charter *c, struct bytes in, size_t founder)
{
	struct note note;
	uint8_t forum[HASH_LEN];
	if (founder >= c->member_count)
		return ERR_INVALID;
	int err = note_parse(&note, in);
	if (err != OK)
		return err;
	hash_of(forum, note.text.data, note.text.len);
	if (memcmp(forum, c->forum, HASH_LEN) != 0)
		return ERR_OTHER_FORUM;
	return note_verify(&note, &c->members[founder], NULL);
}
