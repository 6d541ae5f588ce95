/* SPDX-License-Identifier: BSD-2-Clause */
/* One value, from the text in the file to the field in the struct. */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/text.h"
#include "conf/parse.h"

#define HOST_MAX 253
#define SHOWN 60 /* bytes of a wrong value that a message repeats */

struct value {
	const struct option_schema *option;
	const char *text, *folder;
	unsigned line;
	struct conf_errors *errors;
};

/* Report "section.option: 'value' " and what is wrong with it. Returns false, to be returned. */
static bool wrong(const struct value *v, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static bool wrong(const struct value *v, const char *fmt, ...)
{
	struct buffer b = BUFFER_INIT;
	int shown = (int)strlen(v->text);
	va_list ap;

	if (shown > SHOWN)
		for (shown = SHOWN; shown > 0 && ((unsigned char)v->text[shown] & 0xc0) == 0x80;
		     shown--)
			;
	va_start(ap, fmt);
	buffer_vprintf(&b, fmt, ap);
	va_end(ap);
	error_add(v->errors, v->line, "%s: '%.*s%s' %s", v->option->full, shown, v->text,
	    v->text[shown] ? "..." : "", buffer_str(&b));
	buffer_free(&b);
	return false;
}

static bool keep(const struct value *v, const char *text, char **field)
{
	*field = strdup(text);
	if (!*field)
		v->errors->nomem = true;
	return *field != NULL;
}

static bool parse_org(const struct value *v, char **field)
{
	if (!org_name_valid(bytes_str(v->text)))
		return wrong(v, "is not an organisation's name; messages and keys are bound to it, "
				"so it must be a DNS name of a-z, 0-9, '-' and at least one dot, "
				"at most 100 bytes: write \"isoc.example\"");
	return keep(v, v->text, field);
}

/* A host name as resolvers take it; what looks like an IPv4 address and isn't one is none. */
static bool host_name_valid(const char *host)
{
	size_t label = 0, len = strlen(host);
	bool digits = true;

	if (len == 0 || len > HOST_MAX)
		return false;
	for (size_t i = 0; i <= len; i++) {
		char c = host[i];

		if (c == '.' || c == '\0') {
			if (label == 0 || label > 63 || host[i - 1] == '-' || (c == '\0' && digits))
				return false;
			label = 0;
			digits = true;
			continue;
		}
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-", c) || (c == '-' && label == 0))
			return false;
		digits = digits && c >= '0' && c <= '9';
		label++;
	}
	return true;
}

static void address_format(struct conf_address *a)
{
	snprintf(a->text, sizeof a->text, strchr(a->host, ':') ? "[%s]:%u" : "%s:%u", a->host,
	    (unsigned)a->port);
}

static bool parse_address(const struct value *v, bool listen, struct conf_address *field)
{
	const char *example = v->option->section == SECTION_WEB    ? "127.0.0.1:8080"
			      : v->option->section == SECTION_NNTP ? "[::]:563"
			      : listen                             ? "[::]:7654"
								   : "relay.isoc.example:7654";
	const char *colon = strrchr(v->text, ':'), *host = v->text;
	struct conf_address a = {.port = 0};
	unsigned char ip[16];
	size_t len = colon ? (size_t)(colon - v->text) : 0;
	uint64_t port;
	bool v6;

	if (!colon || colon[1] == '\0' || (host[0] == '[' && (len < 2 || host[len - 1] != ']')))
		return wrong(v,
		    "has no port; nodes and clients cannot guess it: write HOST:PORT or "
		    "[IPV6]:PORT, as \"%s\"",
		    example);
	v6 = host[0] == '[';
	if (v6) {
		host++;
		len -= 2;
	} else if (memchr(host, ':', len)) {
		return wrong(v, "is ambiguous; the colons of an IPv6 address hide the port: write "
				"[IPV6]:PORT, as \"[2001:db8::1]:7654\"");
	}
	if (decimal_parse(&port, colon + 1, strlen(colon + 1), 65535) != OK || port == 0)
		return wrong(v, "has a bad port '%.20s'; ports are 1 to 65535: write \"%s\"",
		    colon + 1, example);
	if (len > HOST_MAX)
		return wrong(v, "has too long a host name; at most %d bytes", HOST_MAX);
	memcpy(a.host, host, len);
	for (size_t i = 0; i < len; i++)
		if (a.host[i] >= 'A' && a.host[i] <= 'Z')
			a.host[i] = (char)(a.host[i] + ('a' - 'A'));
	a.port = (uint16_t)port;
	a.numeric = inet_pton(v6 ? AF_INET6 : AF_INET, a.host, ip) == 1;
	if (v6 && !a.numeric)
		return wrong(v,
		    "has no IPv6 address in its brackets; write \"[2001:db8::1]:7654\"%s",
		    listen ? ", or \"[::]:7654\" for all addresses" : "");
	if (a.numeric)
		inet_ntop(v6 ? AF_INET6 : AF_INET, ip, a.host, sizeof a.host);
	else if (listen && strcmp(a.host, "localhost") == 0)
		return wrong(v,
		    "is a name, and a name would make the start depend on DNS: write "
		    "\"127.0.0.1:%u\", or \"[::1]:%u\" for IPv6",
		    (unsigned)port, (unsigned)port);
	else if (listen)
		return wrong(v,
		    "is not a numeric address; a name would make the start depend on DNS: write "
		    "\"[::]:%u\" for all addresses, or one of this machine's own as "
		    "\"192.0.2.1:%u\"",
		    (unsigned)port, (unsigned)port);
	else if (!host_name_valid(a.host))
		return wrong(
		    v, "has no host name or address before its port; write \"%s\"", example);
	if (!listen && a.numeric && (strcmp(a.host, "::") == 0 || strcmp(a.host, "0.0.0.0") == 0))
		return wrong(v,
		    "is no address to connect to, but a way to say all of one's own; write the "
		    "host's name, as \"%s\"",
		    example);
	address_format(&a);
	*field = a;
	return true;
}

static bool parse_path(const struct value *v, char **field)
{
	const char *text = v->text, *slash = "/";
	char *path = NULL;

	if (*text == '\0')
		return wrong(
		    v, "is empty; write a path, as \"/var/lib/convene\", or leave the option out");
	while (text[0] == '.' && text[1] == '/')
		text += 2 + strspn(text + 2, "/");
	if (text[0] == '\0')
		text = ".";
	if (v->folder[0] == '\0' || v->folder[strlen(v->folder) - 1] == '/')
		slash = "";
	if (text[0] == '/')
		path = strdup(text);
	else if (asprintf(&path, "%s%s%s", v->folder, slash, text) < 0)
		path = NULL;
	if (!path) {
		v->errors->nomem = true;
		return false;
	}
	if (strlen(path) > v->option->max) {
		wrong(v,
		    "is too long a path: %zu bytes with the config file's folder, and at most %u "
		    "fit%s",
		    strlen(path), v->option->max,
		    v->option->max < 200 ? " a socket's name; choose a shorter one, as "
					   "\"/run/convene/convened.sock\""
					 : "");
		free(path);
		return false;
	}
	*field = path;
	return true;
}

static bool parse_user(const struct value *v, char **field)
{
	size_t len = strlen(v->text);

	if (len == 0 || len > 32 ||
	    strspn(v->text, "abcdefghijklmnopqrstuvwxyz0123456789_-") != len ||
	    strchr("0123456789-", v->text[0]))
		return wrong(v, "is not a login name; use a-z, 0-9, '_' and '-', at most 32 bytes, "
				"a letter first: write \"convene\"");
	return keep(v, v->text, field);
}

static bool parse_number(const struct value *v, unsigned *field)
{
	uint64_t n;
	int err = decimal_parse(&n, v->text, strlen(v->text), v->option->max);

	if (err == ERR_MALFORMED)
		return wrong(v, "is not a whole number; write digits only, %u to %u, as %s",
		    v->option->min, v->option->max, v->option->preset);
	if (err != OK || n < v->option->min)
		return wrong(v, "is out of range; write a number from %u to %u (default %s)",
		    v->option->min, v->option->max, v->option->preset);
	*field = (unsigned)n;
	return true;
}

static bool parse_level(const struct value *v, enum log_level *field)
{
	for (int l = LOG_LEVEL_ERROR; l <= LOG_LEVEL_DEBUG; l++) {
		if (strcmp(v->text, level_name((enum log_level)l)) == 0) {
			*field = (enum log_level)l;
			return true;
		}
	}
	return wrong(v, "is not a level; write error, warning, info or debug, each of which "
			"includes those before it");
}

static bool parse_target(const struct value *v, char **field)
{
	if (strcmp(v->text, "stderr") == 0 || strcmp(v->text, "syslog") == 0)
		return keep(v, v->text, field);
	/* A path must show itself, so that a mistyped word does not become a file. */
	if (!strchr(v->text, '/'))
		return wrong(v, "is not a target; write stderr, syslog, or a path with a '/' in "
				"it, as \"/var/log/convened.log\"");
	return parse_path(v, field);
}

static bool parse_text(const struct value *v, char **field)
{
	size_t len = strlen(v->text);

	if (len == 0)
		return wrong(v, "is empty; write a line of text, or leave the option out");
	if (len > v->option->max)
		return wrong(v, "is too long: %zu bytes, and at most %u fit", len, v->option->max);
	return keep(v, v->text, field);
}

static const char *scheme_after(const char *text)
{
	return strncmp(text, "https://", 8) == 0  ? text + 8
	       : strncmp(text, "http://", 7) == 0 ? text + 7
						  : NULL;
}

/* What is likely to be meant by it: its beginning as host and port, or an example. */
static const char *site_meant(char out[static HOST_MAX + 8], const char *text)
{
	size_t host, len = strcspn(text, "/?#");
	uint64_t port;

	snprintf(out, HOST_MAX + 8, "%.*s", (int)(len < HOST_MAX + 7 ? len : HOST_MAX + 7), text);
	for (char *p = out; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + ('a' - 'A'));
	host = strcspn(out, ":");
	if (out[host] == ':' &&
	    decimal_parse(&port, out + host + 1, strlen(out + host + 1), 65535) == OK && port > 0) {
		out[host] = '\0';
		len = host_name_valid(out);
		out[host] = ':';
	} else {
		len = host_name_valid(out);
	}
	if (!len)
		snprintf(out, HOST_MAX + 8, "forum.isoc.example");
	return out;
}

/* Only the host and a port: the pages' paths are the same on every node. */
static bool parse_site(const struct value *v, char **field)
{
	const char *host = scheme_after(v->text), *colon;
	size_t len = strlen(v->text);
	unsigned char ip[16];
	char name[HOST_MAX + 1], meant[HOST_MAX + 8];
	uint64_t port;
	bool ok;

	if (len > v->option->max)
		return wrong(v, "is too long: %zu bytes, and at most %u fit", len, v->option->max);
	if (!host)
		return wrong(
		    v, "is not a web address; write \"https://%s\"", site_meant(meant, v->text));
	len = strlen(host);
	len -= len > 0 && host[len - 1] == '/';
	if (memchr(host, '/', len))
		return wrong(v,
		    "goes on after the host; the pages' paths are the same on every node, so they "
		    "need a host of their own: write \"%.*s%s\"",
		    (int)(host - v->text), v->text, site_meant(meant, host));
	colon = memrchr(host, ':', len);
	if (colon && !memchr(colon, ']', (size_t)(host + len - colon))) {
		ok = decimal_parse(&port, colon + 1, (size_t)(host + len - colon - 1), 65535) ==
			 OK &&
		     port > 0;
		len = (size_t)(colon - host);
	} else {
		ok = true;
	}
	if (ok && len > 2 && host[0] == '[' && host[len - 1] == ']' && len - 2 <= HOST_MAX) {
		memcpy(name, host + 1, len - 2);
		name[len - 2] = '\0';
		ok = inet_pton(AF_INET6, name, ip) == 1;
	} else if (ok && len > 0 && len <= HOST_MAX) {
		memcpy(name, host, len);
		name[len] = '\0';
		ok = inet_pton(AF_INET, name, ip) == 1 || host_name_valid(name);
	} else {
		ok = false;
	}
	if (!ok)
		return wrong(v,
		    "has no good host, in lower case, after its scheme; write \"%.*s%s\", or with "
		    "a port behind it",
		    (int)(host - v->text), v->text, site_meant(meant, host));
	if (!keep(v, v->text, field))
		return false;
	len = strlen(*field);
	if ((*field)[len - 1] == '/')
		(*field)[len - 1] = '\0';
	return true;
}

/* It becomes a link: nothing that a browser would run. */
static bool parse_contact(const struct value *v, char **field)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   "-._~:/?#[]@!$&()*+,;=%'";
	const char *rest = scheme_after(v->text);
	bool mail = strncmp(v->text, "mailto:", 7) == 0;

	if (strlen(v->text) > v->option->max)
		return wrong(v, "is too long: %zu bytes, and at most %u fit", strlen(v->text),
		    v->option->max);
	if (mail)
		rest = strchr(v->text, '@') ? v->text + 7 : NULL;
	if (!rest || !*rest || strspn(v->text, safe) != strlen(v->text)) {
		bool bare = !rest && strchr(v->text, '@') && !strchr(v->text, ':') &&
			    v->text[0] != '@' && strspn(v->text, safe) == strlen(v->text);

		return wrong(v,
		    "is neither a mail nor a web address; write \"mailto:%s\" or "
		    "\"https://isoc.example/contact\"",
		    bare ? v->text : "forum@isoc.example");
	}
	return keep(v, v->text, field);
}

static bool parse_yesno(const struct value *v, bool *field)
{
	static const char *const yes[] = {"yes", "true", "on"}, *const no[] = {
								    "no", "false", "off"};

	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
		if (strcasecmp(v->text, yes[i]) == 0 || strcasecmp(v->text, no[i]) == 0) {
			*field = strcasecmp(v->text, yes[i]) == 0;
			return true;
		}
	}
	return wrong(v, "is neither yes nor no; write one of them");
}

/* verifier_parse() knows whether a key is good; this takes it apart to say why one isn't. */
static bool parse_key(const struct value *v, struct verifier *field)
{
	const char *id = strchr(v->text, '+'), *key = id ? strchr(id + 1, '+') : NULL;
	uint8_t raw[1 + KEY_LEN], given[4];
	size_t len = sizeof raw;
	char hex[9];
	struct verifier made;
	int err;

	if (!key)
		return wrong(v, "is not a verifier key; copy it whole from the peer's block, "
				"NAME+8 HEX DIGITS+BASE64, and put it in double quotes");
	if (hex_decode(given, sizeof given, id + 1, (size_t)(key - id - 1)) != OK)
		return wrong(v,
		    "has a bad key id '%.*s' between its first two '+'; it must be 8 lower-case "
		    "hexadecimal digits: copy the key whole from the peer's block",
		    (int)(key - id - 1 > 20 ? 20 : key - id - 1), id + 1);
	err = base64_decode(raw, &len, key + 1, strlen(key + 1));
	if (err != OK || len != sizeof raw)
		return wrong(v,
		    "has %s after its second '+', where base64 of 33 bytes must stand (44 "
		    "characters): was it cut off? Copy the key whole from the peer's block",
		    err == ERR_MALFORMED || err == ERR_NOT_CANONICAL ? "no base64"
								     : "base64 of another length");
	if (raw[0] != VERIFIER_ED25519)
		return wrong(v, "is not a root key: its type is %02x, and a root key has 01%s",
		    raw[0],
		    raw[0] == VERIFIER_COSIGNATURE
			? " (this is a cosigner's key); copy the root key from the peer's block"
			: "; copy the root key from the peer's block");
	err = verifier_parse(field, bytes_str(v->text));
	if (err == OK)
		return true;
	if (verifier_make(&made, bytes_of(v->text, (size_t)(id - v->text)), raw[0], raw + 1) ==
		OK &&
	    memcmp(made.id, given, sizeof given) != 0) {
		hex_encode(hex, made.id, sizeof made.id);
		return wrong(v,
		    "has the key id %.8s, but its name and key give %s: one of them was mistyped; "
		    "copy the key whole from the peer's block",
		    id + 1, hex);
	}
	return wrong(v, "is not a usable key (%s); copy the key whole from the peer's block",
	    error_text(err));
}

bool value_parse(const struct option_schema *option, const char *text, unsigned line,
    const char *folder, void *field, struct conf_errors *errors)
{
	struct value v = {option, text, folder, line, errors};

	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return wrong(&v, "holds a control character, which no option takes; remove "
					 "the escape that makes it");
	if (!text_is_utf8(bytes_str(text)))
		return wrong(&v, "is not UTF-8; remove the escape that makes it so");
	switch (option->type) {
	case TYPE_ORG:
		return parse_org(&v, field);
	case TYPE_LISTEN:
		return parse_address(&v, true, field);
	case TYPE_ADDRESS:
		return parse_address(&v, false, field);
	case TYPE_PATH:
		return parse_path(&v, field);
	case TYPE_USER:
		return parse_user(&v, field);
	case TYPE_NUMBER:
		return parse_number(&v, field);
	case TYPE_LEVEL:
		return parse_level(&v, field);
	case TYPE_TARGET:
		return parse_target(&v, field);
	case TYPE_KEY:
		return parse_key(&v, field);
	case TYPE_YESNO:
		return parse_yesno(&v, field);
	case TYPE_TEXT:
		return parse_text(&v, field);
	case TYPE_SITE:
		return parse_site(&v, field);
	case TYPE_CONTACT:
		return parse_contact(&v, field);
	}
	return false;
}
