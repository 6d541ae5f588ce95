/* SPDX-License-Identifier: BSD-2-Clause */
/* Which parts of a mail are its text. */
#include <string.h>

#include "base/error.h"
#include "client/archive/inside.h"

struct job {
	struct leaves *leaves;
	bool *taken;
	struct mail_losses *losses;
	const char *fallback;
};

static bool is_type(const struct leaf *leaf, const char *type)
{
	return strcmp(leaf->type, type) == 0;
}

static bool is_blank(struct bytes in)
{
	for (size_t i = 0; i < in.len; i++)
		if (in.data[i] > ' ')
			return false;
	return true;
}

/* An empty line between two texts. */
static void add_gap(struct buffer *out)
{
	if (out->len > 0)
		buffer_add_str(out, out->data[out->len - 1] == '\n' ? "\n" : "\n\n");
}

/* ---- plain ---- */

/* Append a leaf's text. Returns whether it has words. */
static bool add_plain(struct job *j, struct buffer *out, const struct leaf *leaf)
{
	struct buffer raw = BUFFER_INIT, text = BUFFER_INIT;
	struct bytes in = leaf->raw;
	if (leaf->transfer != TRANSFER_NONE) {
		transfer_decode(&raw, in, leaf->transfer);
		in = buffer_bytes(&raw);
	}
	j->losses->guessed += text_decode(&text, in, leaf->charset, j->fallback);
	bool words = !is_blank(buffer_bytes(&text));
	if (text.len > 0 && out->len == 0 && !out->failed) {
		buffer_free(out);
		*out = text;
		text = (struct buffer)BUFFER_INIT;
	} else if (text.len > 0) {
		add_gap(out);
		buffer_add(out, text.data, text.len);
	}
	out->failed |= raw.failed || text.failed;
	buffer_free(&raw);
	buffer_free(&text);
	return words;
}

/* HTML that is shown as the mail, and not a file that came with it. */
static bool is_html(const struct leaves *l, const struct leaf *leaf)
{
	return is_type(leaf, "text/html") && (l->count == 1 || !leaf->attachment);
}

static bool any_html(const struct leaves *l)
{
	for (size_t i = 0; i < l->count; i++)
		if (is_html(l, &l->leaf[i]))
			return true;
	return false;
}

/* Whether a leaf is read as text, and not as a file: of those with a name only what stands first,
 * or where nothing else is there to be read. */
static bool is_plain(const struct leaves *l, const struct leaf *leaf, bool first)
{
	if (!is_type(leaf, "text/plain"))
		return false;
	if (l->count == 1)
		return true;
	if (leaf->direct && l->alternative[leaf->alternative].plain)
		return false;
	bool named = leaf->name.len > 0;
	return !leaf->attachment && (!named || (first && (leaf == l->leaf || !any_html(l))));
}

/* Append all plain text, and return which leaf is the first one of it; the count if there is none.
 */
static size_t read_plain(struct job *j, struct buffer *out)
{
	struct leaves *l = j->leaves;
	size_t first = l->count;
	for (size_t i = 0; i < l->count; i++) {
		struct leaf *leaf = &l->leaf[i];
		if (!is_plain(l, leaf, first == l->count))
			continue;
		j->taken[i] = true;
		if (!add_plain(j, out, leaf))
			continue;
		if (first == l->count)
			first = i;
		for (int a = leaf->alternative; a >= 0; a = l->alternative[a].outer)
			l->alternative[a].plain = true;
	}
	return first;
}

/* ---- HTML ---- */

static int add_html(struct job *j, struct buffer *out, const struct leaf *leaf)
{
	struct buffer raw = BUFFER_INIT, html = BUFFER_INIT;
	char named[64];
	transfer_decode(&raw, leaf->raw, leaf->transfer);
	if (leaf->charset[0] == '\0')
		html_charset(named, buffer_bytes(&raw));
	j->losses->guessed += text_decode(&html, buffer_bytes(&raw),
	    leaf->charset[0] != '\0' ? leaf->charset : named, j->fallback);
	int err = raw.failed || html.failed ? ERR_NOMEM : html_words(out, buffer_bytes(&html));
	buffer_free(&raw);
	buffer_free(&html);
	return err;
}

/* Whether HTML says what a plain text beside it says. */
static bool is_alternative(const struct leaves *l, const struct leaf *leaf)
{
	for (int a = leaf->alternative; a >= 0; a = l->alternative[a].outer)
		if (l->alternative[a].plain)
			return true;
	return false;
}

int text_read(struct buffer *out, struct leaves *l, bool *taken, struct mail_losses *losses,
    const char *fallback)
{
	struct job j = {.leaves = l, .taken = taken, .losses = losses, .fallback = fallback};
	struct buffer words = BUFFER_INIT;
	size_t first = read_plain(&j, out);
	int err = OK;
	for (size_t i = 0; i < l->count && err == OK; i++) {
		const struct leaf *leaf = &l->leaf[i];
		if (!is_html(l, leaf))
			continue;
		if (is_alternative(l, leaf)) {
			taken[i] = true;
			losses->alternatives++;
		} else if (i < first && words.len == 0) /* else a footer would be all the text */
			err = add_html(&j, &words, leaf);
	}
	if (err == OK && words.len > 0) {
		/* What is before it has no words. */
		if (first < l->count) {
			add_gap(&words);
			buffer_add(&words, out->data, out->len);
		}
		buffer_free(out);
		*out = words;
		words = (struct buffer)BUFFER_INIT;
	}
	buffer_free(&words);
	return err == OK && out->failed ? ERR_NOMEM : err;
}
