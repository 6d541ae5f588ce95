/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks given and taken. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "client/ctl.h"

int block_load(struct block *out, const char *path, struct trouble *t)
{
	struct buffer text = BUFFER_INIT;
	unsigned line;
	const char *why;
	int err = file_load(&text, path, BLOCK_MAX, t);

	*out = (struct block){.charter = BUFFER_INIT};
	if (!err) {
		err = block_parse(out, buffer_bytes(&text), &line, &why);
		if (err && line)
			trouble_set(t, err, "%.200s is not a block: line %u: %s", path, line, why);
		else if (err)
			trouble_set(t, err, "%.200s is not a block: %s", path, why);
		if (err && err != ERR_NOMEM)
			trouble_hint(t, "A block is what `convenectl block` prints at the other "
					"node, unchanged.");
	}
	buffer_free(&text);
	return err;
}

int ctl_block(const struct invocation *in)
{
	struct block block = {.charter = BUFFER_INIT};
	struct buffer text = BUFFER_INIT;
	struct charter *charter = NULL;
	struct trouble t;
	struct ctl c;
	int code = ctl_open(&c, in), err;

	if (code)
		return code;
	err = root_public(&c, &block.root, &t);
	if (!err) {
		memcpy(block.address, c.conf->node.address.text,
		    strlen(c.conf->node.address.text) + 1);
		err = ctl_charter(&c, &charter, &t);
		if (!err)
			buffer_add(&block.charter, charter->note.data, charter->note.len);
		else if (err == ERR_NOTFOUND)
			err = OK;
	}
	if (!err) {
		block_add(&text, &block);
		if (text.failed)
			err = no_memory(&t);
	}
	if (!err && in->json) {
		json_t *o = json_object();
		char hex[65], key[VERIFIER_TEXT_MAX + 1];

		verifier_format(key, &block.root);
		json_put(o, "name", json_string(block.root.name));
		json_put(o, "address", json_string(block.address));
		json_put(o, "key", json_string(key));
		json_put(o, "forum",
		    charter ? json_string(forum_text(hex, charter->forum)) : json_null());
		json_put(o, "block", json_bytes(buffer_bytes(&text)));
		json_print(o);
	} else if (!err) {
		fwrite(text.data, 1, text.len, stdout);
	}
	buffer_free(&text);
	charter_free(charter);
	block_clear(&block);
	return ctl_close(&c, err ? ctl_fail(in, &t) : EXIT_DONE);
}

/* ---- a peer's block into the config ---- */

static int peer_check(const struct ctl *c, const struct block *block, struct trouble *t)
{
	if (strcmp(block->root.name, c->conf->node.name) == 0)
		return trouble_set(
		    t, ERR_INVALID, "this is %s's own block; send it to others", block->root.name);
	for (size_t i = 0; i < c->conf->peer_count; i++) {
		const struct conf_peer *p = &c->conf->peers[i];

		if (strcmp(p->name, block->root.name) != 0)
			continue;
		if (!verifier_equal(&p->root, &block->root)) {
			trouble_set(t, ERR_EXISTS,
			    "%s is a peer already, with another key: %02x%02x%02x%02x in %.200s, "
			    "and"
			    " %02x%02x%02x%02x in the block",
			    p->name, p->root.id[0], p->root.id[1], p->root.id[2], p->root.id[3],
			    c->config, block->root.id[0], block->root.id[1], block->root.id[2],
			    block->root.id[3]);
			trouble_hint(
			    t, "Ask by telephone which one is right, and change the file by hand.");
		} else if (strcmp(p->address.text, block->address) != 0) {
			trouble_set(t, ERR_EXISTS, "%s is a peer already, at %s; the block says %s",
			    p->name, p->address.text[0] ? p->address.text : "no address",
			    block->address[0] ? block->address : "none");
			trouble_hint(
			    t, "If it has moved, change its address in %.200s.", c->config);
		} else {
			trouble_set(t, ERR_EXISTS,
			    "%s is a peer already, with this key and address; %.200s is unchanged",
			    p->name, c->config);
		}
		return ERR_EXISTS;
	}
	return OK;
}

int block_append(const struct ctl *c, const struct block *block, struct trouble *t)
{
	struct conf_errors errors = CONF_ERRORS_INIT;
	struct buffer text = BUFFER_INIT;
	struct conf *checked = NULL;
	int err = peer_check(c, block, t), lock;

	if (err)
		return err;
	lock = file_lock(c->config);
	err = file_read(c->config, CONF_FILE_MAX, &text, t);
	if (!err) {
		buffer_add_str(
		    &text, text.len > 0 && text.data[text.len - 1] == '\n' ? "\n" : "\n\n");
		block_add_peer(&text, block);
		err = text.failed ? ERR_NOMEM
				  : conf_parse(&checked, c->config, buffer_bytes(&text), &errors);
		if (err == ERR_NOMEM)
			no_memory(t);
		else if (err)
			trouble_set(t, err, "the block does not go into %.200s: %s", c->config,
			    errors.count ? errors.list[0].message : error_text(err));
		conf_errors_free(&errors);
	}
	if (!err)
		err = file_replace(c->config, buffer_bytes(&text), t);
	if (lock >= 0)
		close(lock);
	conf_free(checked);
	buffer_free(&text);
	return err;
}

int reload_told(const struct ctl *c, const char **said, struct trouble *t)
{
	static const char *const argv[] = {"reload"};
	json_t *answer = NULL;
	int err = daemon_call(c, 1, argv, bytes_of(NULL, 0), &answer, t);

	json_decref(answer);
	if (err && t->code) {
		trouble_hint(t,
		    "The file %.200s is changed, the daemon is not: `convenectl reload` tries "
		    "again.",
		    c->config);
		return err;
	}
	*said = err ? "No daemon was told: convened reads the file when it starts."
		    : "The daemon knows already.";
	return OK;
}

/* The charter that the block brings: check it, and keep it if there is none. */
static int charter_take(const struct ctl *c, const struct block *block, struct charter **out,
    bool *kept, struct trouble *t)
{
	struct charter *ours = NULL;
	unsigned line;
	const char *who;
	int err;

	*out = NULL;
	*kept = false;
	if (block->charter.len == 0)
		return OK;
	err = charter_open(out, buffer_bytes(&block->charter), &line, &who);
	if (err) {
		if (err == ERR_SIGNATURE || err == ERR_NOT_COMPLETE)
			trouble_set(
			    t, err, "the charter in the block is not validly signed by %s", who);
		else
			trouble_set(t, err, "the charter in the block is not valid (line %u: %s)",
			    line, error_text(err));
		trouble_hint(
		    t, "Nothing was changed. Ask %s for its block again.", block->root.name);
		return err;
	}
	err = ctl_charter(c, &ours, t);
	if (err == ERR_NOTFOUND) {
		err = file_create(c->conf->node.charter, buffer_bytes(&block->charter), 0644, t);
		*kept = !err;
	} else if (!err && memcmp(ours->forum, (*out)->forum, HASH_LEN) != 0) {
		err = trouble_set(t, ERR_OTHER_FORUM, "%s belongs to another forum than this node",
		    block->root.name);
		trouble_hint(t, "A node carries one forum. Nothing was changed.");
	}
	charter_free(ours);
	return err;
}

static void founders_print(const struct charter *charter, const char *self)
{
	bool member = false;
	char hex[65];

	printf("The forum's charter came with it and is kept. All its founders have signed it.\n  "
	       "Name      ");
	print_isolate(bytes_str(charter->name));
	printf("\n  Forum     %s\n  Founders  ", forum_text(hex, charter->forum));
	for (size_t i = 0; i < charter->member_count; i++) {
		const struct verifier *v = &charter->members[i];

		printf("%s%s (%02x%02x%02x%02x)\n", i ? "            " : "", v->name, v->id[0],
		    v->id[1], v->id[2], v->id[3]);
		member |= strcmp(v->name, self) == 0;
	}
	if (!member)
		print_sentence(0,
		    "To be a member, %s must be admitted by %u member%s of the forum: send them "
		    "your "
		    "block (`convenectl block`).",
		    self, charter->admit, charter->admit == 1 ? "" : "s");
}

int ctl_peer(const struct invocation *in)
{
	struct block block = {.charter = BUFFER_INIT};
	struct charter *charter = NULL;
	const char *told = NULL;
	struct trouble t;
	struct ctl c;
	bool kept = false;
	int code = ctl_open(&c, in), err;

	if (code)
		return code;
	err = block_load(&block, in->operands[0], &t);
	if (!err && strcmp(block.root.name, c.conf->node.name) == 0)
		err = peer_check(&c, &block, &t);
	/* A charter first: it may come later than the peer did, in a second block. */
	if (!err)
		err = charter_take(&c, &block, &charter, &kept, &t);
	if (!err && kept && !in->json)
		founders_print(charter, c.conf->node.name);
	if (!err && kept)
		code = credential_after_charter(&c, charter);
	if (!err && !code)
		err = block_append(&c, &block, &t);
	if (!err && !code)
		err = reload_told(&c, &told, &t);
	if (!err && !code && in->json) {
		json_t *o = json_object();
		char hex[65];

		json_put(o, "peer", json_string(block.root.name));
		json_put(o, "address", block.address[0] ? json_string(block.address) : json_null());
		json_put(o, "key_id", json_hex(block.root.id, 4));
		json_put(o, "charter_kept", json_boolean(kept));
		json_put(o, "forum",
		    charter ? json_string(forum_text(hex, charter->forum)) : json_null());
		json_print(o);
	} else if (!err && !code) {
		print_sentence(0, "%s is a peer now, with the key %02x%02x%02x%02x. %s",
		    block.root.name, block.root.id[0], block.root.id[1], block.root.id[2],
		    block.root.id[3], told);
	}
	charter_free(charter);
	block_clear(&block);
	return ctl_close(&c, err ? ctl_fail(in, &t) : code);
}

/* ---- for participants ---- */

int ctl_address(const struct invocation *in)
{
	struct node_address node = {.serial = 0};
	struct buffer line = BUFFER_INIT;
	struct charter *charter = NULL;
	struct credential credential;
	struct trouble t;
	struct ctl c;
	int code = ctl_open(&c, in), err;

	if (code)
		return code;
	err = ctl_charter(&c, &charter, &t);
	if (!err)
		err = ctl_credential(&c, charter, &credential, &t);
	if (!err) {
		snprintf(node.address, sizeof node.address, "%s", c.conf->node.address.text);
		snprintf(
		    node.organisation, sizeof node.organisation, "%s", credential.organisation);
		memcpy(node.root_key, credential.root_key, KEY_LEN);
		memcpy(node.forum, charter->forum, HASH_LEN);
		node_line_format(&line, &node, credential.binding.log_name);
		credential_clear(&credential);
		if (line.failed)
			err = no_memory(&t);
	}
	if (!err && in->json) {
		json_t *o = json_object();

		json_put(o, "address", json_bytes(buffer_bytes(&line)));
		json_print(o);
	} else if (!err) {
		printf("%s\n", buffer_str(&line));
	}
	buffer_free(&line);
	charter_free(charter);
	return ctl_close(&c, err ? ctl_fail(in, &t) : EXIT_DONE);
}
