/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/block.h"

#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"

#define CHARTER_MARK "#charter:"
#define LINE_LEN 76
#define WORD_MAX 300

struct reader {
	const char *at, *end;
	unsigned line;
	struct buffer base64; /* of the charter, as far as it was met */
	bool line_start;      /* nothing but blanks since the line began */
	const char *why;
};

static int wrong(struct reader *r, int err, const char *why)
{
	r->why = why;
	return err;
}

/* A comment, up to its newline: text, or a piece of the charter. */
static int comment_read(struct reader *r, bool whole_line)
{
	const char *end = memchr(r->at, '\n', (size_t)(r->end - r->at));
	size_t mark = strlen(CHARTER_MARK);

	if (!end)
		end = r->end;
	if (whole_line && (size_t)(end - r->at) > mark && memcmp(r->at, CHARTER_MARK, mark) == 0) {
		const char *from = r->at + mark, *to = end;

		while (from < to && *from == ' ')
			from++;
		while (to > from && (to[-1] == '\r' || to[-1] == ' '))
			to--;
		if (r->base64.len + (size_t)(to - from) > BASE64_LEN(NOTE_MAX))
			return wrong(
			    r, ERR_TOO_LARGE, "the charter is longer than a charter can be");
		buffer_add(&r->base64, from, (size_t)(to - from));
	}
	r->at = end;
	return OK;
}

/* Go to the next token. */
static int skip(struct reader *r)
{
	for (; r->at < r->end; r->at++) {
		char c = *r->at;

		if (c == '\n') {
			r->line++;
			r->line_start = true;
		} else if (c == '#' || (c == '/' && r->end - r->at > 1 && r->at[1] == '/')) {
			int err = comment_read(r, r->line_start);

			if (err)
				return err;
			r->at--; /* the loop's step leads to the newline */
		} else if (c != ' ' && c != '\t' && c != '\r') {
			break;
		}
	}
	return OK;
}

static bool is_bare(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("._-:", c));
}

/* A word, bare or quoted; `out` gets it with a NUL. */
static int word_read(struct reader *r, char out[static WORD_MAX + 1], const char *expected)
{
	size_t len = 0;
	int err = skip(r);
	bool quoted = false;

	if (err)
		return err;
	r->line_start = false;
	if (r->at < r->end && *r->at == '"') {
		quoted = true;
		r->at++;
	}
	for (; r->at < r->end && (quoted ? *r->at != '"' : is_bare(*r->at)); r->at++) {
		/* What would mean something in a config: escapes, the environment, other lines. */
		if (*r->at < 0x20 || *r->at > 0x7e || *r->at == '\\' || *r->at == '$')
			return wrong(r, ERR_MALFORMED, "there is a sign that no block has");
		if (len == WORD_MAX)
			return wrong(r, ERR_TOO_LARGE, "a word is too long");
		out[len++] = *r->at;
	}
	out[len] = '\0';
	if (quoted && r->at == r->end)
		return wrong(r, ERR_MALFORMED, "a quote is not closed");
	r->at += quoted;
	return len > 0 ? OK : wrong(r, ERR_MALFORMED, expected);
}

static int sign_read(struct reader *r, char sign, const char *expected)
{
	int err = skip(r);

	if (err)
		return err;
	if (r->at == r->end || *r->at != sign)
		return wrong(r, ERR_MALFORMED, expected);
	r->at++;
	r->line_start = false;
	return OK;
}

/* HOST:PORT as far as a reader must care: signs and port. */
static bool address_fits(const char *text)
{
	const char *port = strrchr(text, ':');
	uint64_t number;

	if (!port || port == text || strlen(text) > BLOCK_ADDRESS_MAX)
		return false;
	for (const char *p = text; *p; p++)
		if (!is_bare(*p) && *p != '[' && *p != ']')
			return false;
	return decimal_parse(&number, port + 1, strlen(port + 1), 65535) == OK && number > 0;
}

static int option_read(struct reader *r, struct block *b)
{
	static const char expected[] =
	    "`address = \"HOST:PORT\"`, `key = \"…\"` or `}` is expected";
	char name[WORD_MAX + 1], value[WORD_MAX + 1];
	int err = word_read(r, name, expected);

	if (!err && strcmp(name, "address") != 0 && strcmp(name, "key") != 0)
		err = wrong(r, ERR_MALFORMED, expected);
	if (!err)
		err = sign_read(r, '=', "`=` is expected");
	if (!err)
		err = word_read(r, value, "a value is expected");
	if (err)
		return err;
	if (strcmp(name, "address") == 0) {
		if (b->address[0])
			return wrong(r, ERR_MALFORMED, "the address stands twice");
		if (!address_fits(value))
			return wrong(r, ERR_MALFORMED, "the address is not of the form HOST:PORT");
		memcpy(b->address, value, strlen(value) + 1);
		return OK;
	}
	if (b->root.name[0])
		return wrong(r, ERR_MALFORMED, "the key stands twice");
	err = verifier_parse(&b->root, bytes_str(value));
	if (err == ERR_KEY || (!err && b->root.type != VERIFIER_ED25519))
		return wrong(
		    r, ERR_KEY, "the key is not a usable one, or its digits don't belong to it");
	return err ? wrong(r, err, "the key is not a verifier key, NAME+DIGITS+BASE64") : OK;
}

static int peer_read(struct reader *r, struct block *b)
{
	static const char expected[] = "`peer \"NAME\" {` is expected";
	char word[WORD_MAX + 1], name[WORD_MAX + 1];
	int err = word_read(r, word, expected);

	if (!err && strcmp(word, "peer") != 0)
		err = wrong(r, ERR_MALFORMED, expected);
	if (!err)
		err = word_read(r, name, expected);
	if (!err && !org_name_valid(bytes_str(name)))
		err = wrong(
		    r, ERR_MALFORMED, "the organisation's name is not a DNS name in lower case");
	if (!err)
		err = sign_read(r, '{', expected);
	while (!err && !(err = skip(r)) && (r->at == r->end || *r->at != '}'))
		err = option_read(r, b);
	if (!err)
		err = sign_read(r, '}', "`}` is expected");
	if (err)
		return err;
	if (!b->root.name[0])
		return wrong(r, ERR_MALFORMED, "there is no key");
	if (strcmp(b->root.name, name) != 0)
		return wrong(
		    r, ERR_KEY, "the key is that of another organisation than the block's");
	err = skip(r);
	if (!err && r->at < r->end)
		err = wrong(
		    r, ERR_MALFORMED, "a block is one peer and comment lines, and nothing else");
	return err;
}

static int charter_read(struct reader *r, struct block *b)
{
	size_t len = BASE64_LEN(NOTE_MAX);
	uint8_t *room;
	int err;

	if (r->base64.len == 0)
		return OK;
	room = buffer_reserve(&b->charter, len);
	if (r->base64.failed || !room)
		return ERR_NOMEM;
	err = base64_decode(room, &len, (const char *)r->base64.data, r->base64.len);
	r->line = 0;
	if (err || len > NOTE_MAX)
		return wrong(r, err ? err : ERR_TOO_LARGE, "the charter in it is damaged");
	b->charter.len = len;
	return OK;
}

int block_parse(struct block *out, struct bytes text, unsigned *line, const char **why)
{
	const char *start = text.len ? (const char *)text.data : "";
	struct reader r = {start, start, 1, BUFFER_INIT, true, ""};
	int err;

	*out = (struct block){.charter = BUFFER_INIT};
	if (text.len > BLOCK_MAX) {
		r.line = 0;
		err = wrong(&r, ERR_TOO_LARGE, "it is larger than a block can be");
	} else {
		r.end += text.len;
		err = peer_read(&r, out);
		if (!err)
			err = charter_read(&r, out);
	}
	buffer_free(&r.base64);
	*line = r.line;
	*why = err == ERR_NOMEM ? error_text(err) : r.why;
	return err;
}

void block_add_peer(struct buffer *out, const struct block *block)
{
	char key[VERIFIER_TEXT_MAX + 1];

	verifier_format(key, &block->root);
	buffer_printf(out, "peer \"%s\" {\n", block->root.name);
	if (block->address[0])
		buffer_printf(out, "\taddress = \"%s\"\n", block->address);
	buffer_printf(out, "\tkey = \"%s\"\n}\n", key);
}

static void charter_add(struct buffer *out, struct bytes note)
{
	struct buffer text = BUFFER_INIT;
	char *at = (char *)buffer_reserve(&text, BASE64_LEN(note.len) + 1);
	size_t len = at ? base64_encode(at, note.data, note.len) : 0;

	out->failed |= !at;
	for (size_t i = 0; i < len; i += LINE_LEN)
		buffer_printf(out, CHARTER_MARK " %.*s\n",
		    (int)(len - i < LINE_LEN ? len - i : LINE_LEN), at + i);
	buffer_free(&text);
}

void block_add(struct buffer *out, const struct block *block)
{
	buffer_printf(out,
	    "# The block of %s for its peers. `convenectl peer FILE` puts it into your\n"
	    "# convened.conf. Compare the eight digits of the key, %02x%02x%02x%02x, by "
	    "telephone.\n",
	    block->root.name, block->root.id[0], block->root.id[1], block->root.id[2],
	    block->root.id[3]);
	block_add_peer(out, block);
	if (block->charter.len == 0)
		return;
	buffer_add_str(out, "# The charter of the forum, signed by its founders. `convenectl peer` "
			    "checks it, and keeps\n"
			    "# it if your node has none yet.\n");
	charter_add(out, buffer_bytes(&block->charter));
}

void block_clear(struct block *block)
{
	buffer_free(&block->charter);
	memset(block, 0, sizeof *block);
}
