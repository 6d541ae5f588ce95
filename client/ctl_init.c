/* SPDX-License-Identifier: BSD-2-Clause */
/* A new node: folders, keys, a config. Whatever is there already is left alone, and ends it. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "client/ctl.h"
#include "conf/schema.h"
#include "crypto/keyfile.h"

#define CONFIG_NAME "convened.conf"
#define LISTEN_MAX 64

struct plan {
	const struct invocation *in;
	const char *name, *dir;
	char data[PATH_LEN], keys[PATH_LEN], config[PATH_LEN];
	char address[300]; /* "": the schema's default */
	char *listen[LISTEN_MAX];
	size_t listen_count;
	char listen_default[32];
	char *passphrase;
	struct passwd *user; /* NULL: whoever starts the daemon */
	bool made_dir;
};

/* ---- the config: the schema with this node's values ---- */

static void quoted_add(struct buffer *out, const char *text)
{
	buffer_add_str(out, "\"");
	for (; *text; text++)
		buffer_printf(out, "%s%c", strchr("\"\\$", *text) ? "\\" : "", *text);
	buffer_add_str(out, "\"");
}

static void value_add(struct buffer *out, const struct option_schema *o, const char *value)
{
	if (o->type == TYPE_NUMBER || o->type == TYPE_YESNO) {
		buffer_add_str(out, value);
		return;
	}
	buffer_add_str(out, o->type == TYPE_LISTEN ? "{" : "");
	quoted_add(out, value);
	buffer_add_str(out, o->type == TYPE_LISTEN ? "}" : "");
}

/* What this node sets; NULL: the default is good. */
static const char *chosen(const struct plan *p, const char *full)
{
	if (strcmp(full, "node.name") == 0)
		return p->name;
	if (strcmp(full, "node.address") == 0)
		return p->address[0] ? p->address : NULL;
	if (strcmp(full, "node.data") == 0)
		return option_given(p->in, "data") || strcmp(p->dir, CTL_DIR) == 0 ? p->data
										   : "data";
	if (strcmp(full, "node.keys") == 0)
		return "keys";
	if (strcmp(full, "node.charter") == 0)
		return "forum.charter";
	if (strcmp(full, "node.user") == 0)
		return p->user ? p->user->pw_name : NULL;
	return NULL;
}

static void option_add(struct buffer *out, const struct plan *p, const struct option_schema *o)
{
	const char *value = chosen(p, o->full);

	buffer_printf(out, "\t# %s%s%s%s\n\t", o->doc, o->derived ? "; default " : "",
	    o->derived ? o->derived : "", o->scope == SCOPE_RESTART ? " (restart)" : "");
	if (o->type == TYPE_LISTEN && p->listen_count > 0) {
		buffer_printf(out, "%s = {", o->name);
		for (size_t i = 0; i < p->listen_count; i++) {
			buffer_add_str(out, i ? ", " : "");
			quoted_add(out, p->listen[i]);
		}
		buffer_add_str(out, "}\n\n");
		return;
	}
	buffer_printf(out, "%s%s =%s", value ? "" : "#", o->name, value || o->preset ? " " : "");
	if (value || o->preset)
		value_add(out, o, value ? value : o->preset);
	buffer_add_str(out, "\n\n");
}

static void section_add(struct buffer *out, const struct plan *p, int s)
{
	const struct section_schema *section = &section_table[s];

	buffer_printf(out, "\n# ---- %s ----\n", section->doc);
	if (s == SECTION_ORIGIN)
		buffer_add_str(out, "#origin \"spam.example\" {\n#\tcarry = no\n#}\n");
	else if (s == SECTION_PEER)
		buffer_add_str(out, "# One block each; `convenectl peer FILE` puts them here.\n");
	else if (section->listen)
		buffer_printf(out,
		    "#%s {\n#\tlisten = {\"127.0.0.1:%s\"}\n#}\n# More is in convened.conf(5).\n",
		    section->name, s == SECTION_WEB ? "8080" : "1119");
	if (section->title || section->listen)
		return;
	buffer_printf(out, "%s {\n", section->name);
	for (size_t i = 0; i < option_count; i++)
		if ((int)option_table[i].section == s)
			option_add(out, p, &option_table[i]);
	out->len -= !out->failed; /* the last empty line */
	buffer_add_str(out, "}\n");
}

static void config_add(struct buffer *out, const struct plan *p)
{
	buffer_printf(out,
	    "# The configuration of convened for %s, explained in convened.conf(5).\n#\n"
	    "# Check it with `convened -n`; `convened -nv` prints all options with the values in "
	    "force. After a\n"
	    "# change, `convenectl reload` takes it over; options marked (restart) wait for a "
	    "restart. What is\n"
	    "# commented out shows the default. Relative paths start at this file's folder.\n",
	    p->name);
	for (int i = 0; i < SECTIONS; i++)
		if (i != SECTION_PEER)
			section_add(out, p, i);
	/* Where more are appended. */
	section_add(out, p, SECTION_PEER);
}

/* ---- what the command line says ---- */

static bool is_loopback(const char *address)
{
	return strncmp(address, "[::1]:", 6) == 0 ||
	       (strncmp(address, "127.", 4) == 0 && !address[strspn(address, "0123456789.:")]);
}

static int address_plan(struct plan *p, struct trouble *t)
{
	const char *address = option_value(p->in, "address"), *listen, *port;
	int pos = 0;

	while ((listen = option_next(p->in, "listen", &pos))) {
		if (p->listen_count == LISTEN_MAX)
			return trouble_set(
			    t, ERR_INVALID, "more than %d addresses to listen at", LISTEN_MAX);
		p->listen[p->listen_count++] = (char *)(uintptr_t)listen;
	}
	if (address &&
	    snprintf(p->address, sizeof p->address, "%s", address) >= (int)sizeof p->address)
		return trouble_set(t, ERR_INVALID, "the address is too long");
	port = strrchr(address ? address : p->listen_count ? p->listen[0] : "", ':');
	if (port && strlen(port) > 6)
		port = NULL; /* conf_parse() says what is wrong with it */
	/* One port is given: it is meant for both. And nobody else reaches loopback: it need not be
	 * open to all who reach this machine. */
	if (port && address && p->listen_count == 0 &&
	    (strcmp(port, ":7654") != 0 || is_loopback(address))) {
		if (is_loopback(address))
			snprintf(p->listen_default, sizeof p->listen_default, "%s", address);
		else
			snprintf(p->listen_default, sizeof p->listen_default, "[::]%s", port);
		p->listen[p->listen_count++] = p->listen_default;
	} else if (port && !address && strcmp(port, ":7654") != 0) {
		snprintf(p->address, sizeof p->address, "%s%s", p->name, port);
	}
	return OK;
}

static int plan_make(struct plan *p, struct trouble *t)
{
	static const char *const elsewhere[] = {"config", "keys", "root"};
	const char *data = option_value(p->in, "data"), *user = option_value(p->in, "user");
	int err;

	/* Those say where a node is that is there already. */
	for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) {
		if (!option_given(p->in, elsewhere[i]))
			continue;
		trouble_set(t, ERR_INVALID, "init takes no --%s", elsewhere[i]);
		trouble_hint(t, "It makes configuration and keys in the folder of --dir DIR.");
		return ERR_INVALID;
	}
	p->name = p->in->operands[0];
	p->dir = option_given(p->in, "dir") ? option_value(p->in, "dir") : CTL_DIR;
	if (!org_name_valid(bytes_str(p->name))) {
		trouble_set(t, ERR_INVALID, "%.100s is not an organisation's name", p->name);
		trouble_hint(
		    t, "It is a DNS name of yours, in lower case and with a dot: isoc.example.");
		return ERR_INVALID;
	}
	if (user && !(p->user = getpwnam(user)))
		return trouble_set(
		    t, ERR_NOTFOUND, "there is no user %.100s on this machine", user);
	err = address_plan(p, t);
	if (!err)
		err = path_join(p->keys, p->dir, "keys", t);
	if (!err)
		err = path_join(p->config, p->dir, CONFIG_NAME, t);
	/* As the person means it: from where they stand, not from the folder of the config. */
	char *here = data && *data != '/' ? getcwd(NULL, 0) : NULL;
	if (!err && data &&
	    snprintf(p->data, sizeof p->data, "%s%s%s", here ? here : "", here ? "/" : "", data) >=
		(int)sizeof p->data)
		err = trouble_set(t, ERR_INVALID, "the path %.200s… is too long", data);
	else if (!err && !data && strcmp(p->dir, CTL_DIR) == 0)
		snprintf(p->data, sizeof p->data, "%s", option_find(SECTION_NODE, "data")->preset);
	else if (!err && !data)
		err = path_join(p->data, p->dir, "data", t);
	free(here);
	return err;
}

/* ---- making it ---- */

static int there(const char *path, struct trouble *t)
{
	trouble_set(t, ERR_EXISTS, "%.300s is there already", path);
	trouble_hint(t, "Nothing was changed, and nothing is ever overwritten. `--dir DIR` makes a "
			"node elsewhere.");
	return ERR_EXISTS;
}

/* The text must be a config before anything is made. */
static int config_check(
    const struct plan *p, struct bytes text, struct conf **out, struct trouble *t)
{
	struct conf_errors errors = CONF_ERRORS_INIT;
	int err = conf_parse(out, p->config, text, &errors);

	if (err) {
		trouble_set(
		    t, ERR_INVALID, "%s", errors.count ? errors.list[0].message : error_text(err));
		trouble_hint(t, "Nothing was made.");
	}
	conf_errors_free(&errors);
	return err ? ERR_INVALID : OK;
}

static int folder_new(
    const struct plan *p, const char *path, mode_t mode, bool for_user, struct trouble *t)
{
	if (mkdir(path, mode) != 0 && errno != EEXIST)
		return trouble_errno(t, "the folder %.300s can't be made", path);
	if (for_user && p->user && geteuid() == 0 &&
	    chown(path, p->user->pw_uid, p->user->pw_gid) != 0)
		return trouble_errno(
		    t, "the folder %.300s can't be given to %s", path, p->user->pw_name);
	return OK;
}

static int key_new(const struct plan *p, const char *role, struct verifier *root, struct trouble *t)
{
	bool is_root = strcmp(role, "root") == 0;
	char path[PATH_LEN], name[64];
	struct key key;
	int err;

	snprintf(name, sizeof name, "%s.key", role);
	err = path_join(path, p->keys, name, t);
	if (err)
		return err;
	key_generate(&key);
	err = keyfile_save(path, role, &key, is_root ? p->passphrase : NULL);
	if (!err && is_root)
		err = verifier_make(root, bytes_str(p->name), VERIFIER_ED25519, key.public);
	key_wipe(&key);
	if (err == ERR_IO)
		return trouble_errno(t, "the key %.300s can't be written", path);
	return err ? trouble_set(t, err, "the key %.300s can't be made: %s", path, error_text(err))
		   : OK;
}

static int make(
    struct plan *p, struct bytes text, struct conf **conf, struct verifier *root, struct trouble *t)
{
	static const char *const roles[] = {"root", "log", "registrar", "cosigner", "tls"};
	int err;

	if (file_is_there(p->config))
		return there(p->config, t);
	if (file_is_there(p->keys))
		return there(p->keys, t);
	/* Whatever the umask: the daemon reads the config again when it has become another user. */
	p->made_dir = mkdir(p->dir, 0755) == 0 && chmod(p->dir, 0755) == 0;
	if (!p->made_dir && errno != EEXIST) {
		trouble_errno(t, "the folder %.300s can't be made", p->dir);
		trouble_hint(t, "`--dir DIR` makes a node where you may.");
		return t->err;
	}
	err = config_check(p, text, conf, t);
	if (err) {
		if (p->made_dir)
			rmdir(p->dir);
		return err;
	}
	err = folder_new(p, p->data, 0750, true, t);
	if (!err)
		err = folder_new(p, p->keys, 0700, false, t);
	for (size_t i = 0; i < sizeof roles / sizeof *roles && !err; i++)
		err = key_new(p, roles[i], root, t);
	/* The config last: with it, the node is set up. */
	if (!err)
		err = file_create(p->config, text, 0644, t);
	return err;
}

static void say(const struct plan *p, const struct conf *conf, const struct block *block)
{
	struct buffer text = BUFFER_INIT;
	char option[CTL_OPTION_LEN];

	ctl_option(option, p->config);
	block_add(&text, block);
	if (p->in->json) {
		json_t *o = json_object();
		char key[VERIFIER_TEXT_MAX + 1];

		verifier_format(key, &block->root);
		json_put(o, "name", json_string(p->name));
		json_put(o, "config", json_bytes(bytes_str(p->config)));
		json_put(o, "keys", json_bytes(bytes_str(conf->node.keys)));
		json_put(o, "data", json_bytes(bytes_str(conf->node.data)));
		json_put(o, "address", json_string(block->address));
		json_put(o, "key", json_string(key));
		json_put(o, "block", json_bytes(buffer_bytes(&text)));
		json_print(o);
		buffer_free(&text);
		return;
	}
	printf("%s is set up.\n\n", p->name);
	printf("  %s  the configuration\n", p->config);
	printf("  %s/root.key  the organisation itself%s\n", p->keys,
	    p->passphrase ? ", under the passphrase" : "");
	printf("  %s/…  the keys that the daemon works with\n", p->keys);
	printf("  %s  the store\n\n", p->data);
	printf("root.key belongs offline, in two places: whoever has it is %s, and without it\n"
	       "nothing can ever be replaced. The daemon never needs it. Until it has made this "
	       "node's\n"
	       "credential it is convenient to have here.\n\n",
	    p->name);
	printf(
	    "This is the block for your peers (`convenectl%s block` prints it again):\n\n", option);
	fwrite(text.data, 1, text.len, stdout);
	printf("\nNext, one of:\n"
	       "  convenectl%s charter draft --name … --purpose …   found a forum\n"
	       "  convenectl%s peer FILE                            join one, by a member's block\n"
	       "and then:\n"
	       "  convened -c %s\n",
	    option, option, p->config);
	buffer_free(&text);
}

int ctl_init(const struct invocation *in)
{
	struct plan p = {.in = in};
	struct block block = {.charter = BUFFER_INIT};
	struct buffer text = BUFFER_INIT;
	struct conf *conf = NULL;
	struct trouble t;
	int err = plan_make(&p, &t), code;

	if (!err)
		err = passphrase_new(in, &p.passphrase, &t);
	if (!err) {
		config_add(&text, &p);
		err = text.failed ? no_memory(&t)
				  : make(&p, buffer_bytes(&text), &conf, &block.root, &t);
	}
	if (!err) {
		memcpy(block.address, conf->node.address.text, sizeof block.address);
		say(&p, conf, &block);
	}
	code = err ? ctl_fail(in, &t) : EXIT_DONE;
	passphrase_free(p.passphrase);
	conf_free(conf);
	buffer_free(&text);
	return code;
}
