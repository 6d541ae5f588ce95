/* SPDX-License-Identifier: BSD-2-Clause */
/* The store may be an older copy, says the operator: to the daemon, or by a note in the data
 * folder, which it finds when it is started. */
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "client/ctl.h"
#include "store/recovery.h"

/* The peers that are not to be waited for, each on a line. */
static int names_collect(const struct ctl *c, struct buffer *out, struct trouble *t)
{
	const char *name;
	int pos = 0;

	while ((name = option_next(c->in, "without", &pos)) != NULL) {
		size_t i = 0;

		while (i < c->conf->peer_count && strcmp(c->conf->peers[i].name, name) != 0)
			i++;
		if (i == c->conf->peer_count) {
			trouble_set(t, ERR_NOTFOUND, "no peer block of %.200s names %.150s",
			    c->config, name);
			trouble_hint(t, "`convenectl status` shows the peers, and who has not "
					"told yet.");
			return t->err;
		}
		buffer_printf(out, "%s\n", name);
	}
	return out->failed ? trouble_set(t, ERR_NOMEM, "%s", error_text(ERR_NOMEM)) : OK;
}

static int call(const struct ctl *c, const char *kind, const struct buffer *names, json_t **out,
    struct trouble *t)
{
	const char *argv[] = {"learn", kind};

	return daemon_call(c, 2, argv, buffer_bytes(names), out, t);
}

/* ---- no daemon runs ---- */

/* It went with the disk; as the daemon makes it. */
static int folder_ensure(const struct ctl *c, struct trouble *t)
{
	const char *path = c->conf->node.data, *user = c->conf->node.user;
	struct passwd *pw = user && geteuid() == 0 ? getpwnam(user) : NULL;

	if (mkdir(path, 0750) != 0)
		return errno == EEXIST
			   ? OK
			   : trouble_errno(t, "the data folder %.300s can't be made", path);
	if (pw && chown(path, pw->pw_uid, pw->pw_gid) != 0)
		return trouble_errno(t, "the data folder %.300s can't be given to %s", path, user);
	return OK;
}

static int note_write(const struct ctl *c, enum recovery_kind kind, struct trouble *t)
{
	const char *data = c->conf->node.data, *name;
	struct recovery note;
	int pos = 0, err = recovery_load(&note, data);

	note.kind = kind;
	while (!err && (name = option_next(c->in, "without", &pos)) != NULL)
		err = recovery_without(&note, bytes_str(name));
	if (!err)
		err = recovery_save(&note, data);
	recovery_clear(&note);
	if (!err)
		return OK;
	trouble_set(t, err, "%.300s/recover can't be written: %s", data, error_text(err));
	trouble_hint(t, "Run this as root, or as the user that convened runs as.");
	return err;
}

/* ---- saying it ---- */

static void say_names(const char *what, const json_t *names)
{
	struct buffer line = BUFFER_INIT;
	const json_t *one;
	size_t i;

	if (json_array_size(names) == 0)
		return;
	buffer_add_str(&line, what);
	json_array_foreach(names, i, one)
	{
		const json_t *name = json_is_object(one) ? json_object_get(one, "name") : one;
		struct bytes why = text_at(one, "why");

		buffer_add_str(&line, i ? ", " : " ");
		text_isolate(&line, bytes_of(json_string_value(name), json_string_length(name)));
		if (why.len == 0)
			continue;
		buffer_add_str(&line, " (");
		text_isolate(&line, why);
		buffer_add_str(&line, ")");
	}
	print_sentence(2, "%s", buffer_str(&line));
	buffer_free(&line);
}

static void say(const json_t *a)
{
	const json_t *r = json_object_get(a, "recovery");

	if (!json_is_object(r)) {
		print_sentence(0, "This node holds all of its log that is known, and seals.");
		return;
	}
	print_sentence(0,
	    "Nothing is sealed until every peer has told what it holds of this node's log, and "
	    "that is here. Posts are accepted meanwhile, and come after it.");
	say_names("Waited for:", json_object_get(r, "missing"));
	say_names("Told:", json_object_get(r, "answered"));
	say_names("Not waited for:", json_object_get(r, "without"));
	if (json_is_false(json_object_get(a, "running")))
		print_sentence(0, "No daemon runs now: it does so when it is started.");
	print_sentence(0, "`convenectl status` shows how it goes. For a peer that will never "
			  "answer, give this command again with `--without PEER`.");
}

static json_t *answer_offline(const struct ctl *c, enum recovery_kind kind)
{
	json_t *missing = json_array(), *without = json_array();
	struct recovery note;

	if (recovery_load(&note, c->conf->node.data) != OK)
		note = (struct recovery){kind, NULL, 0};
	for (size_t i = 0; i < note.without_count; i++)
		json_array_append_new(without, json_string(note.without[i]));
	for (size_t i = 0; i < c->conf->peer_count; i++) {
		if (!recovery_has(&note, c->conf->peers[i].name))
			json_array_append_new(
			    missing, json_pack("{s:s}", "name", c->conf->peers[i].name));
	}
	recovery_clear(&note);
	return json_pack("{s:b, s:{s:s, s:o, s:o}}", "running", 0, "recovery", "kind",
	    recovery_word(kind), "missing", missing, "without", without);
}

static int recover(const struct invocation *in, enum recovery_kind kind)
{
	struct buffer names = BUFFER_INIT;
	json_t *answer = NULL;
	struct trouble t, none;
	struct ctl c;
	int code = ctl_open(&c, in), err;

	if (code)
		return code;
	err = names_collect(&c, &names, &t);
	if (!err)
		err = call(&c, recovery_word(kind), &names, &answer, &t);
	if (err == ERR_CLOSED) {
		err = folder_ensure(&c, &t);
		if (!err)
			err = note_write(&c, kind, &t);
		/* It may have been started in between, before the note was there. */
		if (!err && call(&c, recovery_word(kind), &names, &answer, &none) != OK)
			answer = answer_offline(&c, kind);
	}
	if (!err && in->json)
		json_print(json_incref(answer));
	else if (!err)
		say(answer);
	json_decref(answer);
	buffer_free(&names);
	return ctl_close(&c, err ? ctl_fail(in, &t) : EXIT_DONE);
}

int ctl_recover_restored(const struct invocation *in)
{
	return recover(in, RECOVERY_RESTORED);
}

int ctl_recover_log(const struct invocation *in)
{
	return recover(in, RECOVERY_LOG);
}
