/* SPDX-License-Identifier: BSD-2-Clause */
/* Founding a forum: one founder drafts the text (ctl_draft.c), each signs it, and what all have
 * signed is the charter. Signed drafts are put together from valid founders' signatures alone: one
 * bad line would spoil the note for everyone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "client/ctl.h"

struct signed_draft {
	struct charter *charter; /* its text; `note` is empty */
	struct buffer file;      /* as read */
	struct bytes text;       /* in `file` */
};

static void draft_clear(struct signed_draft *d)
{
	charter_free(d->charter);
	buffer_free(&d->file);
	*d = (struct signed_draft){.charter = NULL};
}

static int draft_load(struct signed_draft *d, const char *path, struct trouble *t)
{
	struct note note;
	unsigned line;
	int err;

	*d = (struct signed_draft){.charter = NULL};
	err = file_load(&d->file, path, NOTE_MAX, t);
	if (err)
		return err;
	d->text = buffer_bytes(&d->file);
	if (note_parse(&note, d->text) == OK)
		d->text = note.text;
	err = charter_parse_text(&d->charter, d->text, &line);
	if (err)
		trouble_set(
		    t, err, "%.200s is not a charter: line %u: %s", path, line, error_text(err));
	return err;
}

/* Append the signature line of a founder, if this file has it. OK, ERR_UNSIGNED, ERR_SIGNATURE. */
static int line_take(struct buffer *out, const struct signed_draft *d, size_t founder)
{
	const struct verifier *v = &d->charter->members[founder];
	struct note_signature s;
	struct note note;
	int err;

	if (note_parse(&note, buffer_bytes(&d->file)) != OK)
		return ERR_UNSIGNED;
	err = note_verify(&note, v, NULL);
	for (size_t i = 0; !err && i < note.count; i++) {
		if (note_signature(&note, i, &s) != OK ||
		    !bytes_equal(s.name, bytes_str(v->name)) || memcmp(s.id, v->id, 4) != 0)
			continue;
		buffer_add(out, s.line.data, s.line.len);
		return OK;
	}
	return err ? err : ERR_UNSIGNED;
}

/* Put together the founders' signatures of several copies, and make our own if `root` is given.
 * `*missing` gets how many are not there yet. */
static int note_join(struct buffer *out, const struct signed_draft *drafts, char *const *paths,
    size_t count, const struct key *root, size_t *missing, struct trouble *t)
{
	const struct charter *ch = drafts[0].charter;
	int err = OK;

	*missing = 0;
	buffer_add(out, drafts[0].text.data, drafts[0].text.len);
	buffer_add_str(out, "\n");
	for (size_t f = 0; f < ch->member_count && !err; f++) {
		bool found = false;

		for (size_t i = 0; i < count && !found && !err; i++) {
			err = line_take(out, &drafts[i], f);
			found = !err;
			if (err == ERR_SIGNATURE)
				trouble_set(t, err, "%.200s has a wrong signature of %s", paths[i],
				    ch->members[f].name);
			else if (err && err != ERR_UNSIGNED)
				trouble_set(t, err, "%.200s can't be checked: %s", paths[i],
				    error_text(err));
			if (err == ERR_UNSIGNED)
				err = OK;
		}
		if (err || found)
			continue;
		if (root && memcmp(root->public, ch->members[f].public, KEY_LEN) == 0) {
			err = note_sign(out, drafts[0].text, bytes_str(ch->members[f].name), root);
			if (err)
				trouble_set(
				    t, err, "the charter can't be signed: %s", error_text(err));
		} else {
			(*missing)++;
		}
	}
	if (!err && out->failed)
		err = no_memory(t);
	return err;
}

static const char *signed_text(const struct charter *ch, struct bytes note, size_t founder)
{
	switch (charter_signed_by(ch, note, founder)) {
	case OK:
		return "has signed";
	case ERR_SIGNATURE:
		return "SIGNATURE WRONG";
	default:
		return "has not signed";
	}
}

static void charter_print(const struct charter *ch, struct bytes note)
{
	char hex[65];

	printf("  Name           ");
	print_isolate(bytes_str(ch->name));
	printf("\n  Purpose        ");
	print_isolate(bytes_str(ch->purpose));
	printf("\n  Forum          %s\n", forum_text(hex, ch->forum));
	printf("  Admission      by %u member%s\n", ch->admit, ch->admit == 1 ? "" : "s");
	printf("  Topics         opened by %s\n", topic_words[ch->topics]);
	printf("  Anchoring      %u of", ch->anchor);
	for (size_t i = 0; i < ch->anchor_name_count; i++)
		printf(" %s", ch->anchor_names[i]);
	printf("%s\n  Content limit  %u bytes\n  Founders       ", ch->anchor_names ? "" : " all",
	    ch->content_limit);
	for (size_t i = 0; i < ch->member_count; i++) {
		const struct verifier *v = &ch->members[i];

		printf("%s%s (%02x%02x%02x%02x), %s\n", i ? "                 " : "", v->name,
		    v->id[0], v->id[1], v->id[2], v->id[3], signed_text(ch, note, i));
	}
}

static json_t *charter_json(const struct charter *ch, struct bytes note, const char *path)
{
	json_t *o = json_object(), *founders = json_array(), *names = json_array();
	size_t missing = 0;
	char hex[65];

	json_put(o, "file", json_bytes(bytes_str(path)));
	json_put(o, "forum", json_string(forum_text(hex, ch->forum)));
	json_put(o, "name", json_bytes(bytes_str(ch->name)));
	json_put(o, "purpose", json_bytes(bytes_str(ch->purpose)));
	json_put(o, "admit", json_integer(ch->admit));
	json_put(o, "topics", json_string(topic_words[ch->topics]));
	json_put(o, "anchor", json_integer(ch->anchor));
	for (size_t i = 0; i < ch->anchor_name_count; i++)
		json_array_append_new(names, json_string(ch->anchor_names[i]));
	json_put(o, "anchor_names", names);
	json_put(o, "content_limit", json_integer(ch->content_limit));
	for (size_t i = 0; i < ch->member_count; i++) {
		json_t *f = json_object();
		char key[VERIFIER_TEXT_MAX + 1];
		int err;

		verifier_format(key, &ch->members[i]);
		json_put(f, "name", json_string(ch->members[i].name));
		json_put(f, "key", json_string(key));
		err = charter_signed_by(ch, note, i);
		json_put(f, "signed", json_boolean(err == OK));
		if (err == ERR_SIGNATURE)
			json_put(f, "error", json_string(error_name(err)));
		missing += err != OK;
		json_array_append_new(founders, f);
	}
	json_put(o, "founders", founders);
	json_put(o, "complete", json_boolean(missing == 0));
	return o;
}

/* A charter that all have signed becomes ours. */
static int install(const struct ctl *c, struct bytes note, struct trouble *t)
{
	const char *path = c->conf->node.charter;
	struct charter *ours = NULL, *new;
	unsigned line;
	const char *who = "";
	bool among = false;
	int err = charter_open(&new, note, &line, &who);

	if (err)
		return trouble_set(
		    t, err, "the charter is not valid: %s %s", error_text(err), who ? who : "");
	for (size_t i = 0; i < new->member_count; i++)
		among |= strcmp(new->members[i].name, c->conf->node.name) == 0;
	err = ctl_charter(c, &ours, t);
	if (err == ERR_NOTFOUND)
		err = file_create(path, note, 0644, t);
	else if (!err && memcmp(ours->forum, new->forum, HASH_LEN) != 0)
		err = trouble_set(t, ERR_OTHER_FORUM,
		    "this node belongs to another forum already (%.300s)", path);
	charter_free(ours);
	charter_free(new);
	if (!err && !c->in->json) {
		print_sentence(
		    0, "All founders have signed: this is the charter now, in %s.", path);
		if (!among)
			printf("%s is not among them.\n", c->conf->node.name);
	}
	return err;
}

/* After a signature or a merge: write the file, say who is missing, install what is complete. */
static int note_finish(const struct ctl *c, const struct signed_draft *first, struct bytes note,
    const char *path, bool standard, size_t missing, struct trouble *t)
{
	const struct charter *ch = first->charter;
	char option[CTL_OPTION_LEN];
	struct charter *installed;
	int err = OK, code = EXIT_DONE;

	if (strcmp(path, "-") == 0)
		fwrite(note.data, 1, note.len, stdout);
	else if (!bytes_equal(note, buffer_bytes(&first->file)))
		err = file_replace(path, note, t);
	if (err)
		return ctl_fail(c->in, t);
	if (strcmp(path, "-") == 0)
		return EXIT_DONE;
	if (!c->in->json)
		charter_print(ch, note);
	if (missing > 0 && !c->in->json)
		printf("\n");
	if (missing > 0 && !c->in->json)
		print_sentence(0,
		    "The signed draft is in %s. It wants %zu more signature%s: send it to who has "
		    "not "
		    "signed.",
		    path, missing, missing == 1 ? "" : "s");
	if (missing == 0) {
		if (!c->in->json)
			printf("\n");
		err = install(c, note, t);
		/* What the default name holds is the charter now; other files are their owner's. */
		if (!err && standard)
			unlink(path);
		if (!err)
			err = ctl_charter(c, &installed, t);
		if (err)
			return ctl_fail(c->in, t);
		code = credential_after_charter(c, installed);
		if (!code && !c->in->json && installed->member_count > 1)
			print_sentence(0,
			    "Next: send %s to the other founders, for `convenectl charter merge`; "
			    "exchange blocks, for `convenectl peer`; start convened.",
			    standard ? c->conf->node.charter : path);
		else if (!code && !c->in->json)
			print_sentence(0, "Next: `convened%s`.", ctl_option(option, c->config));
		charter_free(installed);
	}
	if (!code && c->in->json)
		json_print(charter_json(ch, note, missing == 0 ? c->conf->node.charter : path));
	return code;
}

static int founder_find(
    const struct charter *ch, const struct ctl *c, const struct key *root, struct trouble *t)
{
	for (size_t i = 0; i < ch->member_count; i++) {
		if (memcmp(ch->members[i].public, root->public, KEY_LEN) != 0)
			continue;
		if (strcmp(ch->members[i].name, c->conf->node.name) == 0)
			return OK;
		return trouble_set(t, ERR_KEY, "the draft names this root key as %s's, not %s's",
		    ch->members[i].name, c->conf->node.name);
	}
	trouble_set(t, ERR_KEY, "%s, with this root key, is not among the founders of this draft",
	    c->conf->node.name);
	trouble_hint(t, "Send your block (`convenectl block`) to whoever drafts.");
	return ERR_KEY;
}

int ctl_charter_sign(const struct invocation *in)
{
	struct signed_draft draft = {.charter = NULL};
	struct buffer note = BUFFER_INIT;
	char path[PATH_LEN], *paths[1] = {path};
	struct key root = {{0}, {0}};
	bool standard = in->count == 0;
	struct trouble t;
	struct ctl c;
	size_t missing;
	int code = ctl_open(&c, in), err;

	if (code)
		return code;
	err = draft_path(&c, path, &t);
	if (!standard)
		paths[0] = in->operands[0];
	if (!err && standard && !file_is_there(path)) {
		err = trouble_set(&t, ERR_NOTFOUND, "there is no draft to sign (%.300s)", path);
		trouble_hint(&t, "`convenectl charter draft` makes one; or name the file that a "
				 "founder sent you.");
	}
	if (!err)
		err = draft_load(&draft, paths[0], &t);
	if (!err)
		err = root_load(&c, &root, &t);
	if (!err)
		err = founder_find(draft.charter, &c, &root, &t);
	if (!err)
		err = note_join(&note, &draft, paths, 1, &root, &missing, &t);
	key_wipe(&root);
	code = err ? ctl_fail(in, &t)
		   : note_finish(&c, &draft, buffer_bytes(&note), paths[0], standard, missing, &t);
	buffer_free(&note);
	draft_clear(&draft);
	return ctl_close(&c, code);
}

int ctl_charter_merge(const struct invocation *in)
{
	size_t count = 0, max = (size_t)in->count + 1, missing = 0;
	struct signed_draft *drafts = calloc(max, sizeof *drafts);
	char path[PATH_LEN], **paths = calloc(max, sizeof *paths);
	struct buffer note = BUFFER_INIT;
	bool standard = false;
	struct trouble t;
	struct ctl c;
	int code = ctl_open(&c, in), err = OK;

	if (code) {
		free(drafts);
		free(paths);
		return code;
	}
	if (!drafts || !paths)
		err = no_memory(&t);
	if (!err)
		err = draft_path(&c, path, &t);
	/* Into our own draft if we have one, else into the first file given. */
	if (!err && (standard = file_is_there(path)))
		paths[count++] = path;
	for (int i = 0; i < in->count && !err; i++)
		paths[count++] = in->operands[i];
	for (size_t i = 0; i < count && !err; i++) {
		err = draft_load(&drafts[i], paths[i], &t);
		if (!err && i > 0 &&
		    memcmp(drafts[i].charter->forum, drafts[0].charter->forum, HASH_LEN) != 0)
			err = trouble_set(&t, ERR_OTHER_FORUM,
			    "%.200s and %.200s are copies of different drafts", paths[0], paths[i]);
	}
	if (!err)
		err = note_join(&note, drafts, paths, count, NULL, &missing, &t);
	if (!err && missing == drafts[0].charter->member_count)
		err = trouble_set(&t, ERR_UNSIGNED, "nobody has signed these drafts yet");
	code = err ? ctl_fail(in, &t)
		   : note_finish(
			 &c, &drafts[0], buffer_bytes(&note), paths[0], standard, missing, &t);
	for (size_t i = 0; drafts && i < max; i++)
		draft_clear(&drafts[i]);
	buffer_free(&note);
	free(drafts);
	free(paths);
	return ctl_close(&c, code);
}

int ctl_charter_show(const struct invocation *in)
{
	struct signed_draft draft = {.charter = NULL};
	char path[PATH_LEN];
	const char *shown = in->count ? in->operands[0] : NULL;
	struct trouble t;
	struct ctl c;
	int code = ctl_open(&c, in), err;

	if (code)
		return code;
	err = draft_path(&c, path, &t);
	if (!shown)
		shown = err || file_is_there(c.conf->node.charter) || !file_is_there(path)
			    ? c.conf->node.charter
			    : path;
	if (!err)
		err = draft_load(&draft, shown, &t);
	if (err == ERR_NOTFOUND && in->count == 0)
		trouble_hint(&t, "This node has no charter yet.");
	if (!err && in->json) {
		json_print(charter_json(draft.charter, buffer_bytes(&draft.file), shown));
	} else if (!err) {
		printf("%s\n", shown);
		charter_print(draft.charter, buffer_bytes(&draft.file));
	}
	draft_clear(&draft);
	return ctl_close(&c, err ? ctl_fail(in, &t) : EXIT_DONE);
}
