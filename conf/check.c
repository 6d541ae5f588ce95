/* SPDX-License-Identifier: BSD-2-Clause */
/* What options say together: the defaults that follow from others, and the contradictions.
 *
 * A check that needs several values is made only when all of them were read well: nobody should
 * have to ask which of two messages about one mistake is the true one. */
#include <string.h>

#include "conf/parse.h"

static size_t option_index(const struct option_schema *option)
{
	return (size_t)(option - option_table);
}

/* The line where an option was set, or its block's. */
static unsigned set_on(const struct builder *b, enum conf_section section, const char *name)
{
	unsigned line = b->single[section].at[option_index(option_find(section, name))];

	return line ? line : b->single[section].block;
}

/* Or was meant to be. */
static bool is_set(const struct builder *b, enum conf_section section, const char *name)
{
	size_t i = option_index(option_find(section, name));

	return b->single[section].at[i] > 0 || b->single[section].meant[i];
}

/* Derived from DATA, in the same form in which a path from the file would arrive. */
static void derive_path(struct builder *b, const char *name, const char *leaf, char **field)
{
	const struct option_schema *option = option_find(SECTION_NODE, name);
	const char *data = b->conf->node.data;

	if (is_set(b, SECTION_NODE, name) || !data || *field)
		return;
	if (asprintf(field, "%s%s%s", data, data[strlen(data) - 1] == '/' ? "" : "/", leaf) < 0) {
		*field = NULL;
		b->errors->nomem = true;
		return;
	}
	if (strlen(*field) > option->max)
		error_add(b->errors, set_on(b, SECTION_NODE, "data"),
		    "%s: its default, DATA/%s, is too long a path: %zu bytes, and at most %u fit; "
		    "add %s = \"/run/convene/%s\" or choose a shorter data",
		    option->full, leaf, strlen(*field), option->max, name, leaf);
}

/* What a signer of its own user has signed, the relay's user must not be able to replace; and that
 * one owns DATA. */
static void derive_signer_data(struct builder *b)
{
	struct conf *conf = b->conf;
	const char *data = conf->node.data;
	size_t len = data ? strlen(data) : 0;

	if (is_set(b, SECTION_NODE, "signer_data") || !data || conf->node.signer_data)
		return;
	while (len > 1 && data[len - 1] == '/')
		len--;
	if (asprintf(&conf->node.signer_data, "%.*s%s", (int)len, data,
		conf->node.signer_user ? "-signer" : "") < 0) {
		conf->node.signer_data = NULL;
		b->errors->nomem = true;
	}
}

static void derive_address(struct builder *b)
{
	struct conf *conf = b->conf;
	struct conf_address *a = &conf->node.address;

	if (is_set(b, SECTION_NODE, "address") || !conf->node.name)
		return;
	snprintf(a->host, sizeof a->host, "%s", conf->node.name);
	a->port = CONF_PORT;
	snprintf(a->text, sizeof a->text, "%s:%u", conf->node.name, (unsigned)CONF_PORT);
	for (size_t i = 0; i < conf->node.listen_count; i++)
		if (conf->node.listen[i].port == CONF_PORT)
			return;
	if (conf->node.listen_count > 0)
		error_add(b->errors, set_on(b, SECTION_NODE, "listen"),
		    "node.address: its default is %s, but listen has no port %d, so nobody would "
		    "get through; add address = \"%s:%u\"",
		    a->text, CONF_PORT, conf->node.name, (unsigned)conf->node.listen[0].port);
}

static void derive(struct builder *b)
{
	struct conf *conf = b->conf;
	const struct option_schema *each = option_find(SECTION_LIMITS, "clients_per_address");

	derive_path(b, "keys", "keys", &conf->node.keys);
	derive_path(b, "control", "convened.sock", &conf->node.control);
	derive_signer_data(b);
	derive_address(b);
	if (conf->limits.clients_per_address <= conf->limits.clients || conf->limits.clients == 0)
		return;
	if (is_set(b, SECTION_LIMITS, each->name))
		error_add(b->errors, set_on(b, SECTION_LIMITS, each->name),
		    "%s: %u is more than limits.clients, which is %u, and would never be reached; "
		    "write %u or less, or raise clients",
		    each->full, conf->limits.clients_per_address, conf->limits.clients,
		    conf->limits.clients);
	else
		conf->limits.clients_per_address = conf->limits.clients;
}

static void check_peer(struct builder *b, size_t i)
{
	const struct conf *conf = b->conf;
	const struct conf_peer *peer = &conf->peers[i];
	const struct peer_lines *at = &b->peer_lines[i];

	if (conf->node.name && strcmp(peer->name, conf->node.name) == 0)
		error_add(b->errors, at->block,
		    "peer \"%s\" is this node itself (node.name); a node does not peer with "
		    "itself: remove the block",
		    peer->name);
	else if (at->key && peer->name[0] && strcmp(peer->root.name, peer->name) != 0)
		error_add(b->errors, at->key,
		    "peer.key: the key is that of '%s', but the block's title is '%s'; both name "
		    "the organisation: correct the one that is wrong",
		    peer->root.name, peer->name);
	if (at->address && strcmp(peer->address.text, conf->node.address.text) == 0)
		error_add(b->errors, at->address,
		    "peer.address: %s is this node's own (node.address); it would connect to "
		    "itself: write the peer's",
		    peer->address.text);
	for (size_t j = 0; j < i; j++) {
		const struct conf_peer *other = &conf->peers[j];
		const struct peer_lines *before = &b->peer_lines[j];

		if (peer->name[0] && strcmp(peer->name, other->name) == 0) {
			error_add(b->errors, at->block,
			    "peer \"%s\" stands twice, first on line %u; remove one", peer->name,
			    before->block);
			return; /* a block that was copied has the rest in common too */
		}
		if (at->key && before->key &&
		    memcmp(peer->root.public, other->root.public, KEY_LEN) == 0)
			error_add(b->errors, at->key,
			    "peer.key: the same key as on line %u, of '%s'; two organisations do "
			    "not share a root key: copy each from its own block",
			    before->key, other->name);
		if (at->address && before->address &&
		    strcmp(peer->address.text, other->address.text) == 0)
			error_add(b->errors, at->address,
			    "peer.address: %s is also that of the peer on line %u; a node speaks "
			    "for one organisation: correct one of them",
			    peer->address.text, before->block);
	}
}

static void check_peers(struct builder *b)
{
	const struct conf *conf = b->conf;

	for (size_t i = 0; i < conf->peer_count && !errors_full(b->errors); i++)
		check_peer(b, i);
	if (conf->limits.peers > 0 && conf->peer_count > conf->limits.peers)
		error_add(b->errors,
		    is_set(b, SECTION_LIMITS, "peers") ? set_on(b, SECTION_LIMITS, "peers")
						       : b->peer_lines[conf->limits.peers].block,
		    "limits.peers: %u is less than the %zu peer blocks of this file; some would "
		    "never be connected: write peers = %zu or more in limits",
		    conf->limits.peers, conf->peer_count, conf->peer_count);
}

static void check_origins(struct builder *b)
{
	const struct conf *conf = b->conf;

	for (size_t i = 0; i < conf->origin_count && !errors_full(b->errors); i++) {
		const struct conf_origin *origin = &conf->origins[i];
		size_t j = 0;

		if (origin->name[0] == '\0')
			continue;
		while (strcmp(conf->origins[j].name, origin->name) != 0)
			j++;
		if (j < i)
			error_add(b->errors, b->origin_lines[i],
			    "origin \"%s\" stands twice, first on line %u; remove one",
			    origin->name, b->origin_lines[j]);
		if (!origin->carry && conf->node.name && strcmp(origin->name, conf->node.name) == 0)
			error_add(b->errors, b->origin_lines[i],
			    "origin \"%s\" is this node itself (node.name), whose own logs are "
			    "always carried; remove the block",
			    origin->name);
	}
}

static bool is_loopback(const struct conf_address *a)
{
	return strncmp(a->host, "127.", 4) == 0 || strcmp(a->host, "::1") == 0;
}

/* What readers connect to: encrypted, or not beyond this machine. */
static void check_service(struct builder *b, enum conf_section section)
{
	const struct option_schema *listen = option_find(section, "listen");
	size_t *count;
	struct conf_address *const *list = listen_of(b->conf, listen, &count);
	bool certified = is_set(b, section, "certificate"), keyed = is_set(b, section, "key");
	const char *name = section_table[section].name;

	if (b->single[section].block == 0 || b->single[section].broken)
		return;
	if (certified && !keyed)
		error_add(b->errors, set_on(b, section, "certificate"),
		    "%s.certificate: a certificate is of no use without its key; add key = "
		    "\"/etc/...\"",
		    name);
	else if (keyed && !certified)
		error_add(b->errors, set_on(b, section, "key"),
		    "%s.key: a key is of no use without its certificate; add certificate = "
		    "\"/etc/...\"",
		    name);
	for (size_t i = 0; !certified && !keyed && i < *count; i++)
		if (!is_loopback(&(*list)[i]))
			error_add(b->errors, b->listen_lines[section][i],
			    "%s.listen: %s could be reached from outside, and without a "
			    "certificate all that is read could be read along: add certificate "
			    "and key, or listen on 127.0.0.1 and [::1] alone",
			    name, (*list)[i].text);
}

/* Two processes can't listen on one address. (That [::]:443 holds 192.0.2.1:443 too, depends on
 * the machine.) */
static void check_listen_apart(struct builder *b)
{
	static const enum conf_section all[] = {SECTION_NODE, SECTION_WEB, SECTION_NNTP};

	for (size_t s = 1; s < sizeof all / sizeof *all; s++) {
		for (size_t t = 0; t < s; t++) {
			size_t *m, *n;
			struct conf_address *const *x = listen_of(
			    b->conf, option_find(all[s], "listen"), &m);
			struct conf_address *const *y = listen_of(
			    b->conf, option_find(all[t], "listen"), &n);

			for (size_t k = 0; k < *m * *n; k++)
				if (strcmp((*x)[k / *n].text, (*y)[k % *n].text) == 0)
					error_add(b->errors, b->listen_lines[all[s]][k / *n],
					    "%s.listen: %s is also in %s.listen; each wants a port "
					    "of its own",
					    section_table[all[s]].name, (*x)[k / *n].text,
					    section_table[all[t]].name);
		}
	}
}

/* As with limits.clients: one that could never be reached is a mistake, a default follows. */
static void check_each(
    struct builder *b, enum conf_section section, const char *name, unsigned *each, unsigned all)
{
	if (*each <= all || all == 0)
		return;
	if (is_set(b, section, name))
		error_add(b->errors, set_on(b, section, name),
		    "%s.%s: %u is more than %s.connections, which is %u, and would never be "
		    "reached; write %u or less, or raise connections",
		    section_table[section].name, name, *each, section_table[section].name, all,
		    all);
	else
		*each = all;
}

static void check_services(struct builder *b)
{
	struct conf *conf = b->conf;

	check_service(b, SECTION_WEB);
	check_service(b, SECTION_NNTP);
	check_listen_apart(b);
	check_each(b, SECTION_WEB, "connections_per_address", &conf->web.connections_per_address,
	    conf->web.connections);
	check_each(b, SECTION_WEB, "listeners", &conf->web.listeners, conf->web.connections);
	check_each(b, SECTION_NNTP, "connections_per_address", &conf->nntp.connections_per_address,
	    conf->nntp.connections);
}

void check_together(struct builder *b)
{
	derive(b);
	check_services(b);
	check_peers(b);
	check_origins(b);
}
