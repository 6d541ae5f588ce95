/* SPDX-License-Identifier: BSD-2-Clause */
/* An item as people and programs see it. What the author signed is checked here, not taken from the
 * node: the signature, under the item's log and the forum that we know, and the content against its
 * commitment. Who the author is called is the node's word. Main thread. */
#ifndef CLIENT_SHOW_H
#define CLIENT_SHOW_H

#include "client/output.h"
#include "msg/content.h"

/* The AMEND or ERASE that comes with an item. `good`: signed by its signer, about this item (or
 * what it amends), in its log or one that may follow it. Whether that signer might is the node's
 * word, as for authors. */
struct shown_change {
	bool given, good;
	struct header header;
	struct ref target;
	uint8_t id[ID_LEN];
	uint8_t reason; /* of an ERASE */
};

struct shown {
	const Convene__Item *item;
	struct binding binding;
	struct header header; /* meaningful when parsed */
	uint8_t id[ID_LEN];
	bool parsed, signature; /* well-formed; signed by its signer */
	struct shown_change amendment, erasure;
	struct ref target; /* of what is an AMEND or ERASE itself */
	uint32_t state;    /* enum Convene__ContentState */
	bool committed;    /* the content here is the one that was signed, or amended to */
	bool has_content;  /* and could be read */
	struct content content;
	struct buffer fetched; /* of a large one */
};

/* `item` must outlive it. `c`: fetch a content that is too large to come along; NULL: leave it.
 * Clear with shown_clear(). */
void shown_open(struct shown *s, const Convene__Item *item, const uint8_t forum[static HASH_LEN],
    struct client *c);
void shown_clear(struct shown *s);

/* Whether everything here that can be checked is right. */
bool shown_good(const struct shown *s);

/* Append who wrote it: of an archived message who the archive says, and whose archive that is. */
void shown_author(struct buffer *out, const struct shown *s);

/* Heading, marks, text and attachments, indented. `title`: don't repeat this subject; may be empty.
 * `place`: said below the heading, as "answers 1a2b3c4d"; NULL: nothing. An AMEND or ERASE is told
 * in a sentence. */
void shown_print(const struct shown *s, int indent, struct bytes title, const char *place);
json_t *shown_json(const struct shown *s);

/* "alice@isoc.example", or the identity's first digits where there is no prepared handle, or the
 * organisation alone. */
void author_text(
    struct buffer *out, struct bytes handle, struct bytes identity, struct bytes organisation);
/* Whose logs the node doesn't carry: a sentence, or nothing where it carries all; and as JSON, NULL
 * then. */
void without_print(const ProtobufCBinaryData *list, size_t count);
json_t *without_json(const ProtobufCBinaryData *list, size_t count);
/* That the node hides a text, and why it says it does. */
void hidden_text(struct buffer *out, struct bytes reason);
/* What an archive says of an author: isolated, and in quotation marks of ours alone, so that it
 * can't go on as if it were our words, and never looks like a participant. */
void archived_text(struct buffer *out, struct bytes author, size_t columns);

#endif
