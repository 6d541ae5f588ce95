/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/ctl.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "member/credential_text.h"

#define CLIENT_TIMEOUT_MS 60000

int ctl_fail(const struct invocation *in, const struct trouble *t)
{
	int code;

	if (in->json)
		json_print(json_trouble(t));
	code = in->json ? exit_of(t) : complain(CTL_NAME, t);
	/* What is there already was not done again: that is no. */
	return t->err == ERR_EXISTS ? EXIT_REFUSED : code;
}

static int config_wrong(const struct ctl *c, int err, struct conf_errors *errors)
{
	struct trouble t;

	if (c->in->json) {
		const struct conf_error *first = errors->count ? &errors->list[0] : NULL;

		trouble_set(&t, err, "%.200s:%u: %s", c->config, first ? first->line : 0,
		    first ? first->message : error_text(err));
		json_print(json_trouble(&t));
		conf_errors_free(errors);
		return EXIT_LOCAL;
	}
	conf_errors_print(stderr, errors);
	trouble_set(&t, ERR_IO, "the configuration %.300s can't be used", c->config);
	if (err == ERR_IO && !option_given(c->in, "config"))
		trouble_hint(&t, "`convenectl init NAME` makes one; `-c FILE` names another.");
	else if (err != ERR_IO)
		trouble_hint(&t, "`convened -n -c %.150s` checks it.", c->config);
	conf_errors_free(errors);
	complain(CTL_NAME, &t);
	return EXIT_LOCAL;
}

int ctl_open(struct ctl *c, const struct invocation *in)
{
	const char *keys = option_value(in, "keys"), *root = option_value(in, "root");
	struct conf_errors errors = CONF_ERRORS_INIT;
	int err;

	*c = (struct ctl){.in = in};
	c->config = option_given(in, "config") ? option_value(in, "config") : CTL_CONFIG;
	err = conf_load(&c->conf, c->config, &errors);
	if (err)
		return config_wrong(c, err, &errors);
	c->keys = keys ? keys : c->conf->node.keys;
	if (root)
		c->root = strdup(root);
	else if (asprintf(&c->root, "%s/root.key", c->keys) < 0)
		c->root = NULL;
	if (c->root)
		return EXIT_DONE;
	conf_free(c->conf);
	fprintf(stderr, CTL_NAME ": there is not enough memory.\n");
	return EXIT_LOCAL;
}

int ctl_close(struct ctl *c, int code)
{
	conf_free(c->conf);
	free(c->root);
	return code;
}

const char *ctl_option(char out[static CTL_OPTION_LEN], const char *config)
{
	bool standard = strcmp(config, CTL_CONFIG) == 0;

	snprintf(
	    out, CTL_OPTION_LEN, "%s%.*s", standard ? "" : " -c ", standard ? 0 : PATH_LEN, config);
	return out;
}

int ctl_client(const struct ctl *c, struct client **out, struct trouble *t)
{
	return client_open_local(out, c->conf->node.control, CLIENT_TIMEOUT_MS, t);
}

void count_say(FILE *to, uint64_t n, const char *one, const char *many)
{
	if (n > 0)
		fprintf(to, "%" PRIu64 " %s.\n", n, n == 1 ? one : many);
}

const char *forum_text(char out[static 65], const uint8_t forum[static HASH_LEN])
{
	hex_encode(out, forum, HASH_LEN);
	return out;
}

int ctl_charter(const struct ctl *c, struct charter **out, struct trouble *t)
{
	const char *path = c->conf->node.charter, *who;
	struct buffer note = BUFFER_INIT;
	unsigned line;
	int err = file_load(&note, path, NOTE_MAX, t);

	*out = NULL;
	if (err == ERR_NOTFOUND) {
		trouble_set(t, err, "this node has no charter yet (%.300s)", path);
		trouble_hint(t, "Found a forum with `convenectl charter draft`, or take a peer's "
				"block that brings one.");
	} else if (!err) {
		err = charter_open(out, buffer_bytes(&note), &line, &who);
		if (err == ERR_NOT_COMPLETE)
			trouble_set(
			    t, err, "the charter %.300s lacks the signature of %s", path, who);
		else if (err == ERR_SIGNATURE)
			trouble_set(
			    t, err, "the charter %.300s has a wrong signature of %s", path, who);
		else if (err)
			trouble_set(t, err, "%.300s is not a charter (line %u: %s)", path, line,
			    error_text(err));
	}
	buffer_free(&note);
	return err;
}

int ctl_credential(
    const struct ctl *c, const struct charter *charter, struct credential *out, struct trouble *t)
{
	return ctl_credential_at(c, "credential", charter, out, t);
}

int ctl_credential_at(const struct ctl *c, const char *name, const struct charter *charter,
    struct credential *out, struct trouble *t)
{
	struct buffer text = BUFFER_INIT, message = BUFFER_INIT;
	char path[4200], log_name[VERIFIER_NAME_MAX + 1];
	int err;

	*out = (struct credential){.number = 0};
	snprintf(path, sizeof path, "%s/%s", c->keys, name);
	err = file_load(&text, path, 16384, t);
	if (err) {
		if (err == ERR_NOTFOUND)
			trouble_hint(
			    t, "`convenectl credential` makes it, once there is a charter.");
		buffer_free(&text);
		return err;
	}
	err = credential_text_parse(buffer_bytes(&text), log_name, &message);
	if (!err)
		err = credential_open_newer(
		    out, charter->forum, bytes_str(log_name), buffer_bytes(&message));
	if (!err && strcmp(out->organisation, c->conf->node.name) != 0) {
		credential_clear(out);
		err = ERR_INVALID;
	}
	if (err == ERR_OTHER_FORUM)
		trouble_set(t, err, "%.300s was made for another forum than the charter's", path);
	else if (err == ERR_INVALID)
		trouble_set(t, err = ERR_WRONG_ROOT, "%.300s is another organisation's", path);
	else if (err)
		trouble_set(t, err, "%.300s is not a credential: %s", path, error_text(err));
	buffer_free(&text);
	buffer_free(&message);
	return err;
}
