/* SPDX-License-Identifier: BSD-2-Clause */
/* The text of a charter, before anybody has signed it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "client/ctl.h"

#define CONTENT_LIMIT "1048576"

const char *const topic_words[] = {"participants", "registrars", "roots"};

int draft_path(const struct ctl *c, char out[static PATH_LEN], struct trouble *t)
{
	if (snprintf(out, PATH_LEN, "%s.draft", c->conf->node.charter) >= PATH_LEN)
		return trouble_set(t, ERR_INVALID, "the path of the charter is too long");
	return OK;
}

/* "2 of all", "1 of a.example b.example". */
static int anchor_read(struct charter *ch, const char *text, struct trouble *t)
{
	size_t digits = strcspn(text, " ");
	uint64_t n;

	if (decimal_parse(&n, text, digits, 1000) != OK || strncmp(text + digits, " of ", 4) != 0)
		return trouble_set(t, ERR_INVALID,
		    "--anchor wants \"N of all\" or \"N of NAME NAME\", \"0 of all\" for nobody, "
		    "not %.100s",
		    text);
	ch->anchor = (uint32_t)n;
	text += digits + 4;
	if (strcmp(text, "all") == 0)
		return OK;
	ch->anchor_names = calloc(strlen(text) / 2 + 1, sizeof *ch->anchor_names);
	if (!ch->anchor_names)
		return no_memory(t);
	while (*(text += strspn(text, " "))) {
		size_t len = strcspn(text, " ");

		if (!org_name_valid(bytes_of(text, len)))
			return trouble_set(t, ERR_INVALID,
			    "--anchor names %.*s, which is not an organisation's name",
			    (int)(len < 100 ? len : 100), text);
		memcpy(ch->anchor_names[ch->anchor_name_count++], text, len);
		text += len;
	}
	return OK;
}

static int number_read(
    const char *option, const char *text, uint64_t max, uint32_t *out, struct trouble *t)
{
	uint64_t n;

	if (decimal_parse(&n, text, strlen(text), max) != OK)
		return trouble_set(t, ERR_INVALID, "--%s wants a number, not %.100s", option, text);
	*out = (uint32_t)n;
	return OK;
}

/* Names and limits from the command line. */
static int terms_read(const struct invocation *in, struct charter *ch, struct trouble *t)
{
	const char *name = option_value(in, "name"), *purpose = option_value(in, "purpose");
	const char *topics = option_value(in, "topics"), *anchor = option_value(in, "anchor");
	const char *admit = option_value(in, "admit"), *limit = option_value(in, "content-limit");
	struct buffer text = BUFFER_INIT;
	int err = OK;
	size_t i = 0;

	if (!name || !purpose)
		return trouble_set(t, ERR_INVALID, "a charter wants --name and --purpose");
	/* Typed text is NFC before it is signed. */
	if (text_nfc(&text, bytes_str(name)) == OK)
		ch->name = strdup(buffer_str(&text));
	buffer_reset(&text);
	if (text_nfc(&text, bytes_str(purpose)) == OK)
		ch->purpose = strdup(buffer_str(&text));
	buffer_free(&text);
	if (!ch->name || !ch->purpose)
		return trouble_set(t, ERR_TEXT, "--name and --purpose must be UTF-8");
	while (topics && i < 3 && strcmp(topics, topic_words[i]) != 0)
		i++;
	if (i == 3)
		return trouble_set(
		    t, ERR_INVALID, "--topics wants participants, registrars or roots");
	ch->topics = (enum charter_topics)i;
	/* More than half, so that no half admits whom the other doesn't want. */
	ch->admit = (uint32_t)(ch->member_count / 2 + 1);
	if (admit)
		err = number_read("admit", admit, UINT32_MAX, &ch->admit, t);
	if (!err)
		err = number_read("content-limit", limit ? limit : CONTENT_LIMIT, UINT32_MAX,
		    &ch->content_limit, t);
	/* The origin doesn't count: a founder alone has nobody to anchor with. */
	ch->anchor = ch->member_count > 1;
	if (!err && anchor)
		err = anchor_read(ch, anchor, t);
	return err;
}

/* What charter_text() finds fault with. */
static int field_wrong(const struct charter *ch, const char *field, struct trouble *t)
{
	static const struct {
		const char *field, *wants;
	} wants[] = {
	    {"name", "one line of 1 to 200 bytes, without control characters"},
	    {"purpose", "one line of 1 to 1000 bytes, without control characters"},
	    {"anchor", "each organisation once, and at least as many as are to cosign"},
	    {"content-limit", "65536 to 2097152 bytes"},
	};

	for (size_t i = 0; i < sizeof wants / sizeof *wants; i++)
		if (strcmp(field, wants[i].field) == 0)
			return trouble_set(t, ERR_INVALID, "--%s wants %s", field, wants[i].wants);
	if (strcmp(field, "admit") == 0 && ch->member_count == 1)
		return trouble_set(t, ERR_INVALID,
		    "--admit can only be 1 where one organisation founds a forum alone; the blocks "
		    "of others make them founders");
	if (strcmp(field, "admit") == 0)
		return trouble_set(t, ERR_INVALID,
		    "--admit wants a number from 1 to %zu, for so many founders there are",
		    ch->member_count);
	return trouble_set(t, ERR_INVALID, "%s is out of its range", field);
}

static bool is_founder(const struct charter *ch, const char *name)
{
	for (size_t i = 0; i < ch->member_count; i++)
		if (strcmp(ch->members[i].name, name) == 0)
			return true;
	return false;
}

/* What may be meant, or be a mistake that can never be mended. */
static void anchor_note(const struct charter *ch)
{
	if (ch->anchor == 0)
		print_sentence(0,
		    "Note: by this charter nobody has to cosign, so nothing is ever anchored, and "
		    "there are no receipts. `--anchor \"1 of all\"` would have one other member "
		    "cosign.");
	for (size_t i = 0; i < ch->anchor_name_count; i++)
		if (!is_founder(ch, ch->anchor_names[i]))
			print_sentence(0,
			    "Note: %s, which --anchor names, is not among the founders.",
			    ch->anchor_names[i]);
	if (!ch->anchor_names && ch->anchor >= ch->member_count && ch->anchor > 1)
		print_sentence(0,
		    "Note: %u others must cosign a message to anchor it, so nothing is anchored "
		    "until the forum has %u members.",
		    ch->anchor, ch->anchor + 1);
	else if (!ch->anchor_names && ch->anchor >= ch->member_count && ch->anchor > 0)
		print_sentence(0,
		    "Note: another member must cosign a message to anchor it, so nothing is "
		    "anchored until the forum has two.");
}

/* Ourselves and those whose blocks are given. */
static int founders_read(const struct ctl *c, struct charter *ch, struct trouble *t)
{
	int err;

	ch->members = calloc((size_t)c->in->count + 1, sizeof *ch->members);
	if (!ch->members)
		return no_memory(t);
	err = root_public(c, &ch->members[ch->member_count++], t);
	for (int i = 0; i < c->in->count && !err; i++) {
		struct block block;

		err = block_load(&block, c->in->operands[i], t);
		for (size_t j = 0; j < ch->member_count && !err; j++)
			if (strcmp(ch->members[j].name, block.root.name) == 0 ||
			    memcmp(ch->members[j].public, block.root.public, KEY_LEN) == 0)
				err = trouble_set(t, ERR_INVALID,
				    "%.200s: %s is a founder already, or its key is another "
				    "founder's",
				    c->in->operands[i], block.root.name);
		if (!err)
			ch->members[ch->member_count++] = block.root;
		block_clear(&block);
	}
	return err;
}

int ctl_charter_draft(const struct invocation *in)
{
	struct charter *ch = calloc(1, sizeof *ch);
	struct buffer text = BUFFER_INIT;
	const char *out = option_value(in, "out"), *field = NULL;
	char path[PATH_LEN], option[CTL_OPTION_LEN];
	struct trouble t;
	struct ctl c;
	int code = ctl_open(&c, in), err = OK;

	if (code) {
		free(ch);
		return code;
	}
	if (!ch)
		err = no_memory(&t);
	if (!err && file_is_there(c.conf->node.charter) && !out) {
		err = trouble_set(&t, ERR_EXISTS, "this node has a charter already (%.300s)",
		    c.conf->node.charter);
		trouble_hint(&t, "It never changes. `--out FILE` drafts one for another node.");
	}
	if (!err)
		err = founders_read(&c, ch, &t);
	if (!err)
		err = terms_read(in, ch, &t);
	if (!err) {
		err = charter_text(&text, ch, &field);
		if (err == ERR_INVALID)
			err = field_wrong(ch, field ? field : "the charter", &t);
		else if (err)
			trouble_set(&t, err, "there is not enough memory for the charter");
	}
	if (!err)
		err = draft_path(&c, path, &t);
	if (!err)
		err = file_create(out ? out : path, buffer_bytes(&text), 0644, &t);
	if (err == ERR_EXISTS && !t.hint[0])
		trouble_hint(&t, "Remove it if it was a mistake, or give --out FILE.");
	if (!err && in->json) {
		json_t *o = json_object();

		json_put(o, "file", json_bytes(bytes_str(out ? out : path)));
		json_put(o, "text", json_bytes(buffer_bytes(&text)));
		json_print(o);
	} else if (!err) {
		print_block(buffer_bytes(&text), 2);
		printf("\n");
		anchor_note(ch);
		print_sentence(0, "The draft is in %s. Once it is signed it can't be changed.",
		    out ? out : path);
		if (ch->member_count == 1)
			print_sentence(0, "Next: `convenectl%s charter sign%s%s`.",
			    ctl_option(option, c.config), out ? " " : "", out ? out : "");
		else
			print_sentence(0,
			    "Next: `convenectl%s charter sign%s%s`, and send the file to the other "
			    "founders, who do the same with it; `convenectl charter merge` puts "
			    "their "
			    "copies together.",
			    ctl_option(option, c.config), out ? " " : "", out ? out : "");
	}
	buffer_free(&text);
	charter_free(ch);
	return ctl_close(&c, err ? ctl_fail(in, &t) : EXIT_DONE);
}
