/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>
#include <sys/un.h>

#include "conf/schema.h"

const struct section_schema section_table[SECTIONS] = {
    [SECTION_NODE] = {"node", NULL, true, "this node: who it is, where it listens, what it keeps",
	0},
    [SECTION_LIMITS] = {"limits", NULL, false,
	"what one participant, one address and all together may use", 0},
    [SECTION_LOG] = {"log", NULL, false, "what is logged, and where", 0},
    [SECTION_WEB] = {"web", NULL, false, "the forum as web pages",
	offsetof(struct conf, web.listen)},
    [SECTION_NNTP] = {"nntp", NULL, false, "the forum for newsreaders",
	offsetof(struct conf, nntp.listen)},
    [SECTION_PEER] = {"peer", "the peer's organisation", false,
	"a node that we connect to or let connect", 0},
    [SECTION_ORIGIN] = {"origin", "an organisation", false,
	"what to do with an organisation's logs", 0},
};

#define NODE(field) SECTION_NODE, #field, "node." #field
#define IN_NODE(field) offsetof(struct conf, node.field)
#define LIMIT(field, min, max, preset, scope, doc)                                              \
	{                                                                                       \
		SECTION_LIMITS, #field, "limits." #field, TYPE_NUMBER, min, max, false, preset, \
		    NULL, scope, offsetof(struct conf, limits.field), doc                       \
	}
#define WEB(field) SECTION_WEB, #field, "web." #field
#define IN_WEB(field) offsetof(struct conf, web.field)
#define NNTP(field) SECTION_NNTP, #field, "nntp." #field
#define IN_NNTP(field) offsetof(struct conf, nntp.field)
#define PATH_LONGEST 4000
#define TEXT_LONGEST 1000
#define SOCKET_LONGEST (sizeof((struct sockaddr_un *)0)->sun_path - 1)

const struct option_schema option_table[] = {
    {NODE(name), TYPE_ORG, 0, 0, true, NULL, NULL, SCOPE_RESTART, IN_NODE(name),
	"the organisation that this node speaks for"},
    {NODE(listen), TYPE_LISTEN, 1, 64, false, "[::]:7654", NULL, SCOPE_RESTART, IN_NODE(listen),
	"where to wait for peers and clients, which share a port"},
    {NODE(address), TYPE_ADDRESS, 0, 0, false, NULL, "NAME:7654", SCOPE_RELOAD, IN_NODE(address),
	"the public address that goes into blocks for peers and into invites"},
    {NODE(data), TYPE_PATH, 1, PATH_LONGEST, false, "/var/lib/convene", NULL, SCOPE_RESTART,
	IN_NODE(data), "directory of the store and the control socket"},
    {NODE(keys), TYPE_PATH, 1, PATH_LONGEST, false, NULL, "DATA/keys", SCOPE_RESTART, IN_NODE(keys),
	"directory of the key files"},
    {NODE(charter), TYPE_PATH, 1, PATH_LONGEST, true, NULL, NULL, SCOPE_RESTART, IN_NODE(charter),
	"file of the forum's charter, signed by all founders"},
    {NODE(control), TYPE_PATH, 1, SOCKET_LONGEST, false, NULL, "DATA/convened.sock", SCOPE_RESTART,
	IN_NODE(control), "socket through which convenectl speaks to the daemon"},
    {NODE(user), TYPE_USER, 0, 0, false, NULL, "stay", SCOPE_RESTART, IN_NODE(user),
	"user to become when started as root"},
    {NODE(signer_user), TYPE_USER, 0, 0, false, NULL, "user", SCOPE_RESTART, IN_NODE(signer_user),
	"user that the signer becomes instead"},
    {NODE(signer_data), TYPE_PATH, 1, PATH_LONGEST, false, NULL, "DATA", SCOPE_RESTART,
	IN_NODE(signer_data), "directory of the signer's files"},
    {NODE(search), TYPE_YESNO, 0, 0, false, "yes", NULL, SCOPE_RESTART, IN_NODE(search),
	"whether there is an index to search in"},

    LIMIT(clients, 1, 1000000, "10000", SCOPE_RELOAD, "connections of participants at once"),
    LIMIT(clients_per_address, 1, 1000000, "64", SCOPE_RELOAD,
	"connections of participants from one IPv4 address or IPv6 /64 at once"),
    LIMIT(peers, 1, CONF_PEERS_MAX, "256", SCOPE_RELOAD,
	"links to other nodes at once, in both directions"),
    LIMIT(handshake_seconds, 1, 300, "10", SCOPE_RELOAD,
	"seconds until a new connection must have shown who it is"),
    LIMIT(
	posts_per_hour, 1, 1000000, "120", SCOPE_RELOAD, "messages of one participant in an hour"),
    LIMIT(inbox, 16, 1000000, "10000", SCOPE_RELOAD, "messages that may wait to be sealed"),
    LIMIT(workers, 0, 256, "0", SCOPE_RESTART,
	"threads that verify signatures; 0 is one per processor core"),
    LIMIT(batch_ms, 10, 10000, "200", SCOPE_RELOAD,
	"milliseconds between two batches of sealing at most, however long the first took"),
    LIMIT(free_mib, 16, 1000000, "256", SCOPE_RELOAD,
	"MiB to leave free on the disk of the data directory; with less, posts are refused"),

    {SECTION_LOG, "level", "log.level", TYPE_LEVEL, 0, 0, false, "info", NULL, SCOPE_RELOAD,
	offsetof(struct conf, log.level), "the least important lines that are still written"},
    {SECTION_LOG, "target", "log.target", TYPE_TARGET, 1, PATH_LONGEST, false, "stderr", NULL,
	SCOPE_RESTART, offsetof(struct conf, log.target), "where lines go"},

    {WEB(listen), TYPE_LISTEN, 1, 64, true, NULL, NULL, SCOPE_RESTART, IN_WEB(listen),
	"where to wait for browsers"},
    {WEB(certificate), TYPE_PATH, 1, PATH_LONGEST, false, NULL, "none: plain HTTP, on loopback",
	SCOPE_RELOAD, IN_WEB(certificate), "file of the TLS certificate and its chain"},
    {WEB(key), TYPE_PATH, 1, PATH_LONGEST, false, NULL, "none", SCOPE_RELOAD, IN_WEB(key),
	"file of the certificate's key"},
    {WEB(user), TYPE_USER, 0, 0, false, NULL, "node.user", SCOPE_RESTART, IN_WEB(user),
	"user to become when started as root"},
    {WEB(url), TYPE_SITE, 1, TEXT_LONGEST, false, NULL, "links have no host", SCOPE_RELOAD,
	IN_WEB(url), "address under which the public reaches these pages"},
    {WEB(operator), TYPE_TEXT, 1, TEXT_LONGEST, false, NULL, "NAME", SCOPE_RELOAD, IN_WEB(operator),
	"who runs this node, shown to readers"},
    {WEB(contact), TYPE_CONTACT, 1, TEXT_LONGEST, false, NULL, "none", SCOPE_RELOAD,
	IN_WEB(contact), "how readers reach them"},
    {WEB(processes), TYPE_NUMBER, 0, 64, false, "0", NULL, SCOPE_RESTART, IN_WEB(processes),
	"processes that make pages; 0 is one per processor core"},
    {WEB(connections), TYPE_NUMBER, 1, 1000000, false, "4000", NULL, SCOPE_RELOAD,
	IN_WEB(connections), "connections of browsers at once"},
    {WEB(connections_per_address), TYPE_NUMBER, 1, 1000000, false, "64", NULL, SCOPE_RELOAD,
	IN_WEB(connections_per_address),
	"connections from one IPv4 address or IPv6 /64 at once, where TLS is spoken; the processes "
	"share them, but each takes at least 16, or all if they are fewer"},
    {WEB(listeners), TYPE_NUMBER, 0, 1000000, false, "2000", NULL, SCOPE_RELOAD, IN_WEB(listeners),
	"of those, how many may wait for news"},
    {WEB(cache_mib), TYPE_NUMBER, 1, 65536, false, "64", NULL, SCOPE_RELOAD, IN_WEB(cache_mib),
	"MiB that each process may fill with pages it has made"},

    {NNTP(listen), TYPE_LISTEN, 1, 64, true, NULL, NULL, SCOPE_RESTART, IN_NNTP(listen),
	"where to wait for newsreaders"},
    {NNTP(certificate), TYPE_PATH, 1, PATH_LONGEST, false, NULL, "none: plain, on loopback",
	SCOPE_RELOAD, IN_NNTP(certificate), "file of the TLS certificate and its chain"},
    {NNTP(key), TYPE_PATH, 1, PATH_LONGEST, false, NULL, "none", SCOPE_RELOAD, IN_NNTP(key),
	"file of the certificate's key"},
    {NNTP(user), TYPE_USER, 0, 0, false, NULL, "node.user", SCOPE_RESTART, IN_NNTP(user),
	"user to become when started as root"},
    {NNTP(connections), TYPE_NUMBER, 1, 1000000, false, "1000", NULL, SCOPE_RELOAD,
	IN_NNTP(connections), "connections of newsreaders at once"},
    {NNTP(connections_per_address), TYPE_NUMBER, 1, 1000000, false, "16", NULL, SCOPE_RELOAD,
	IN_NNTP(connections_per_address),
	"connections from one IPv4 address or IPv6 /64 at once, where TLS is spoken"},

    {SECTION_PEER, "address", "peer.address", TYPE_ADDRESS, 0, 0, false, NULL,
	"none: it connects to us", SCOPE_RELOAD, offsetof(struct conf_peer, address),
	"where to connect to"},
    {SECTION_PEER, "key", "peer.key", TYPE_KEY, 0, 0, true, NULL, NULL, SCOPE_RELOAD,
	offsetof(struct conf_peer, root), "the organisation's root key, as a C2SP verifier key"},
    {SECTION_PEER, "compress", "peer.compress", TYPE_YESNO, 0, 0, false, "no", NULL, SCOPE_RELOAD,
	offsetof(struct conf_peer, compress), "whether it is asked to compress what it sends"},

    {SECTION_ORIGIN, "carry", "origin.carry", TYPE_YESNO, 0, 0, false, "yes", NULL, SCOPE_RELOAD,
	offsetof(struct conf_origin, carry), "whether its logs are stored and relayed here"},
};
const size_t option_count = sizeof option_table / sizeof *option_table;

enum conf_section section_find(const char *name)
{
	int s = 0;

	while (s < SECTIONS && strcmp(section_table[s].name, name) != 0)
		s++;
	return (enum conf_section)s;
}

const struct option_schema *option_find(enum conf_section section, const char *name)
{
	for (size_t i = 0; name && i < option_count; i++)
		if (option_table[i].section == section && strcmp(option_table[i].name, name) == 0)
			return &option_table[i];
	return NULL;
}

#define GUESS_MAX 32

/* Edits from one to the other, a swap of neighbours being one (optimal string alignment). */
static unsigned distance(const char *a, const char *b)
{
	unsigned d[GUESS_MAX + 1][GUESS_MAX + 1];
	size_t la = strlen(a), lb = strlen(b);

	if (la > GUESS_MAX || lb > GUESS_MAX)
		return GUESS_MAX;
	for (size_t i = 0; i <= la; i++)
		d[i][0] = (unsigned)i;
	for (size_t j = 0; j <= lb; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		for (size_t j = 1; j <= lb; j++) {
			unsigned best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	}
	return d[la][lb];
}

/* At most two edits, and fewer than half the letters: "x" is near to nothing. */
static bool is_near(const char *name, const char *known, unsigned *best)
{
	unsigned d = distance(name, known);

	if (d > 2 || d * 2 >= strlen(known) || d >= *best)
		return false;
	*best = d;
	return true;
}

const char *option_guess(enum conf_section section, const char *name)
{
	const char *guess = NULL;
	unsigned best = GUESS_MAX;

	for (size_t i = 0; i < option_count; i++)
		if (option_table[i].section == section &&
		    is_near(name, option_table[i].name, &best))
			guess = option_table[i].name;
	return guess;
}

const char *section_guess(const char *name)
{
	const char *guess = NULL;
	unsigned best = GUESS_MAX;

	for (int s = 0; s < SECTIONS; s++)
		if (is_near(name, section_table[s].name, &best))
			guess = section_table[s].name;
	return guess;
}

bool type_is_string(enum conf_type type)
{
	switch (type) {
	case TYPE_ORG:
	case TYPE_PATH:
	case TYPE_USER:
	case TYPE_TARGET:
	case TYPE_TEXT:
	case TYPE_SITE:
	case TYPE_CONTACT:
		return true;
	default:
		return false;
	}
}

/* That a count stands right behind its list. */
enum { BEHIND = sizeof(struct conf_address *) };
_Static_assert(
    offsetof(struct conf, node.listen_count) == offsetof(struct conf, node.listen) + BEHIND,
    "node");
_Static_assert(
    offsetof(struct conf, web.listen_count) == offsetof(struct conf, web.listen) + BEHIND, "web");
_Static_assert(
    offsetof(struct conf, nntp.listen_count) == offsetof(struct conf, nntp.listen) + BEHIND,
    "nntp");

struct conf_address **listen_of(
    struct conf *conf, const struct option_schema *option, size_t **count)
{
	char *at = (char *)conf + option->offset;

	if (count)
		*count = (size_t *)(void *)(at + sizeof(struct conf_address *));
	return (struct conf_address **)(void *)at;
}

bool section_present(const struct conf *conf, enum conf_section section)
{
	size_t at = section_table[section].listen;

	return at == 0 || *(struct conf_address *const *)(const void *)((const char *)conf + at);
}

const char *level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error";
	case LOG_LEVEL_WARNING:
		return "warning";
	case LOG_LEVEL_INFO:
		return "info";
	case LOG_LEVEL_DEBUG:
		return "debug";
	}
	return "info";
}
