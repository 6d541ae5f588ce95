/* SPDX-License-Identifier: BSD-2-Clause */
/* The config file of convened, read whole, checked whole, and from then on never changed.
 *
 * conf_load() reads one file and builds a fresh `struct conf`, or refuses and says everything that
 * is wrong with it at once, each mistake with its line. The daemon keeps a `const struct conf *`
 * and swaps it whole when the file is loaded again; what a running daemon cannot take over without
 * a restart, conf_reloadable() names. Nothing here looks at the machine (does the charter exist?
 * may this user bind the port?): the same file gives the same answer everywhere, so `convened -n`
 * can check it on another computer. The daemon finds out the rest when it starts.
 *
 * One thread at a time may be in conf_load() (libconfuse keeps its lexer in static memory); a
 * `struct conf` itself may be read by any thread. Only programs use this room; libraries below lib/
 * are given plain values. The language is documented in convened.conf(5). */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/log.h"
#include "crypto/verifier.h"

#define CONF_PORT 7654          /* of every default address */
#define CONF_PEERS_MAX 4096     /* peer and origin blocks, each */
#define CONF_FILE_MAX (1 << 20) /* bytes */

/* HOST:PORT or [IPv6]:PORT, in one spelling: names in lower case, IPv6 in its shortest form. */
struct conf_address {
	char text[264]; /* as it is printed; "" when there is none */
	char host[256]; /* without brackets */
	uint16_t port;
	bool numeric; /* `host` is an IPv4 or IPv6 address, not a name */
};

struct conf_peer {
	char *name;                  /* the organisation, equal to root.name */
	struct conf_address address; /* text "" : it only connects to us */
	struct verifier root;        /* its root key */
	bool compress;               /* ask it to send contents packed */
};

struct conf_origin {
	char *name;
	bool carry; /* false: do not store or relay this organisation's logs */
};

/* Every string is set unless its comment says NULL; every path is absolute if the file's own path
 * was, or could be made so. */
struct conf {
	char *file; /* what conf_load() was given */
	struct {
		char *name;
		struct conf_address *listen; /* distinct, at least one, all numeric */
		size_t listen_count;
		struct conf_address address; /* public; always set */
		char *data;                  /* directory */
		char *keys;                  /* directory */
		char *charter;               /* file */
		char *control;               /* Unix socket; fits in sun_path */
		char *user;                  /* NULL: stay who we are */
		char *signer_user;           /* NULL: as `user` */
		char *signer_data;           /* directory */
		bool search;                 /* keep an index to search in: DATA/search */
	} node;
	struct {
		unsigned clients;             /* participants' connections at once */
		unsigned clients_per_address; /* the same from one IPv4 address or IPv6 /64 */
		unsigned peers;               /* links to other nodes at once, both directions */
		unsigned handshake_seconds;   /* until a new connection must have said who it is */
		unsigned posts_per_hour;      /* of one participant */
		unsigned inbox;               /* accepted messages not yet sealed */
		unsigned workers;  /* verification threads; 0: as many as processor cores */
		unsigned batch_ms; /* longest pause between two batches of sealing */
		unsigned free_mib; /* room on the disk of `data` below which posts are refused */
	} limits;
	struct {
		enum log_level level;
		char *target; /* as log_open() takes it */
	} log;
	/* Processes that readers connect to; listen_count 0: there is none. Without a certificate
	 * all addresses are loopback, with one all speak TLS. */
	struct conf_web {
		struct conf_address *listen; /* distinct, also from the others', all numeric */
		size_t listen_count;
		char *certificate, *key; /* files, PEM; both or neither NULL */
		char *user;              /* NULL: as node.user */
		char *url;            /* "https://forum.isoc.example", no slash at the end; NULL */
		char *operator;       /* who runs this node, for people; NULL */
		char *contact;        /* "mailto:…" or "https://…"; NULL */
		unsigned processes;   /* 0: as many as processor cores */
		unsigned connections; /* at once, all processes together */
		unsigned connections_per_address; /* as limits.clients_per_address */
		unsigned listeners;               /* of those connections, waiting for news */
		unsigned cache_mib;               /* of each process, for pages */
	} web;
	struct conf_nntp {
		struct conf_address *listen;
		size_t listen_count;
		char *certificate, *key;
		char *user;
		unsigned connections;
		unsigned connections_per_address;
	} nntp;
	struct conf_peer
	    *peers; /* in the file's order, distinct in name and key, none of them ourselves */
	size_t peer_count;
	struct conf_origin *origins; /* in the file's order, distinct */
	size_t origin_count;
};

struct conf_error {
	unsigned line; /* 0: the file as a whole */
	char *message; /* one sentence, fit for a terminal */
};

/* Everything that is wrong with one file, by line. Start with CONF_ERRORS_INIT; a load that
 * succeeds leaves it empty, one that fails leaves it for conf_errors_free(). */
struct conf_errors {
	char *file;
	struct conf_error *list;
	size_t count;
	bool cut;   /* there were more */
	bool nomem; /* memory ran out while collecting */
};

#define CONF_ERRORS_INIT                    \
	{                                   \
		NULL, NULL, 0, false, false \
	}

/* Read the file at `path` into `*out`, for the caller to conf_free(). Otherwise `*out` is NULL, at
 * least one entry has been added to `errors`, and the return value says of what sort: ERR_IO (not
 * readable, errno tells), ERR_TOO_LARGE, ERR_MALFORMED (mistakes in it), ERR_NOMEM. */
int conf_load(struct conf **out, const char *path, struct conf_errors *errors);

/* The same for a text in memory; `path` names it and gives the folder of its relative paths. */
int conf_parse(struct conf **out, const char *path, struct bytes text, struct conf_errors *errors);

void conf_free(struct conf *conf);

/* Write every option with its value in force, defaults too, as a config file that parses to the
 * same. Returns OK or ERR_IO. */
int conf_print(FILE *to, const struct conf *conf);

/* May a daemon that runs on `old` take over `new`? If not, `*what` (may be NULL) is the first
 * option that needs a restart, as "section.option"; static. */
bool conf_reloadable(const struct conf *old, const struct conf *new, const char **what);

/* Does this organisation's log get stored and relayed here? True unless an origin block says no. */
bool conf_carries(const struct conf *conf, const char *org);

/* One line `file:line: message` each. */
void conf_errors_print(FILE *to, const struct conf_errors *errors);
void conf_errors_free(struct conf_errors *errors); /* and empty, usable again */

#endif
