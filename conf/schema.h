/* SPDX-License-Identifier: BSD-2-Clause */
/* The schema: every section and option that a config file may hold, in one table each.
 *
 * The table is the only place that knows an option's type, limits, default, reload scope and
 * meaning; loading, checking, printing, comparing and the tests of the sample and the manual page
 * walk it. To add an option: a field in conf.h, a row in schema.c, a paragraph in convened.conf.5
 * and the sample. Static data; any thread. */
#ifndef CONF_SCHEMA_H
#define CONF_SCHEMA_H

#include "conf/conf.h"

enum conf_section {
	SECTION_NODE,
	SECTION_LIMITS,
	SECTION_LOG,
	SECTION_WEB,
	SECTION_NNTP,
	SECTION_PEER,
	SECTION_ORIGIN,
	SECTIONS
};

/* The field that each fills is given in parentheses. */
enum conf_type {
	TYPE_ORG,    /* an organisation's name (char *) */
	TYPE_LISTEN, /* a list of numeric addresses (struct conf_address *, and size_t right behind)
		      */
	TYPE_ADDRESS, /* (struct conf_address) */
	TYPE_PATH,    /* relative ones are put behind the config file's folder (char *) */
	TYPE_USER,    /* a login name (char *) */
	TYPE_NUMBER,  /* min to max (unsigned) */
	TYPE_LEVEL,   /* error, warning, info or debug (enum log_level) */
	TYPE_TARGET,  /* stderr, syslog or a path (char *) */
	TYPE_KEY,     /* a root key (struct verifier) */
	TYPE_YESNO,   /* (bool) */
	TYPE_TEXT,    /* for people, one line (char *) */
	TYPE_SITE,    /* http:// or https://, a host, perhaps a port (char *) */
	TYPE_CONTACT, /* mailto:, http:// or https:// (char *) */
};

enum conf_scope { SCOPE_RELOAD, SCOPE_RESTART };

struct section_schema {
	const char *name;
	const char *title; /* what its title is, for people; NULL: it has none and stands once */
	bool required;
	const char *doc;
	size_t listen; /* of a section that stands for a process: offset of its `listen`; 0: none */
};

struct option_schema {
	enum conf_section section;
	const char *name;
	const char *full; /* "section.name" */
	enum conf_type type;
	unsigned min, max; /* a number's value, a list's length, a path's length */
	bool required;
	const char *preset;  /* the default as one would write it; NULL: none, or see `derived` */
	const char *derived; /* the default in words, when it follows from other options */
	enum conf_scope scope;
	size_t offset; /* of the field, in struct conf, conf_peer or conf_origin */
	const char *doc;
};

extern const struct section_schema section_table[SECTIONS];
extern const struct option_schema option_table[];
extern const size_t option_count;

/* The section of that name, or SECTIONS. */
enum conf_section section_find(const char *name);

/* NULL if the section has no such option, or `name` is NULL. */
const struct option_schema *option_find(enum conf_section section, const char *name);

/* The option or section name nearest to a mistyped one, or NULL when nothing is near. */
const char *option_guess(enum conf_section section, const char *name);
const char *section_guess(const char *name);

const char *level_name(enum log_level level);

/* Is the field a string on the heap? */
bool type_is_string(enum conf_type type);

/* A list of addresses in `conf`; `count` may be NULL. */
struct conf_address **listen_of(
    struct conf *conf, const struct option_schema *option, size_t **count);
/* Does the config have this section? One that has defaults alone is always there. */
bool section_present(const struct conf *conf, enum conf_section section);

#endif
