/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/verify.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/text.h"
#include "client/cmd.h"

void check(struct verifying *v, const char *name, enum result result, const char *fmt, ...)
{
	struct check *c = &v->checks[v->count];
	va_list ap;

	if (v->count == CHECKS_MAX)
		return;
	v->count++;
	c->name = name;
	c->result = result;
	va_start(ap, fmt);
	vsnprintf(c->text, sizeof c->text, fmt, ap);
	va_end(ap);
}

void verify_cosigners(struct buffer *out, const struct receipt *r)
{
	for (size_t i = 0; i < r->count; i++)
		buffer_printf(out, "%s%s", i ? ", " : "", r->cosigners[i].organisation);
}

static const char *const result_names[] = {
    [CHECK_GOOD] = "good", [CHECK_BAD] = "bad", [CHECK_NOT] = "unchecked"};

static void programs_print(const struct verifying *v, bool good)
{
	json_t *o = json_object(), *list = json_array();
	const char *kind = kind_name(v->header.kind);

	for (size_t i = 0; i < v->count; i++) {
		json_t *c = json_object();

		json_put(c, "name", json_string(v->checks[i].name));
		json_put(c, "result", json_string(result_names[v->checks[i].result]));
		json_put(c, "text", json_bytes(bytes_str(v->checks[i].text)));
		json_array_append_new(list, c);
	}
	json_put(o, "id", json_hex(v->id, ID_LEN));
	json_put(o, "log", json_string(v->binding.log_name));
	json_put(o, "index", json_integer((json_int_t)v->index));
	json_put(o, "size", json_integer((json_int_t)v->head.size));
	json_put(o, "kind", kind ? json_string(kind) : json_integer(v->header.kind));
	json_put(o, "signer", json_hex(v->header.signer, KEY_LEN));
	json_put(o, "cosigned", json_integer((json_int_t)v->cosigned));
	json_put(o, "result", json_string(good ? "good" : "bad"));
	json_put(o, "checks", list);
	json_print(o);
}

static void list_print(
    const struct verifying *v, enum result result, const char *title, const char *mark)
{
	struct buffer text = BUFFER_INIT;
	bool first = true;

	for (size_t i = 0; i < v->count; i++) {
		if (v->checks[i].result != result)
			continue;
		if (first)
			printf("\n%s\n", title);
		first = false;
		buffer_reset(&text);
		text_isolate(&text, bytes_str(v->checks[i].text));
		printf("  %s ", mark);
		print_sentence(4, "%s", buffer_str(&text));
	}
	buffer_free(&text);
}

static void people_print(const struct verifying *v, bool good)
{
	const char *kind = kind_name(v->header.kind);
	char hex[2 * ID_LEN + 1];

	hex_encode(hex, v->id, ID_LEN);
	if (v->binding.log_name[0])
		printf("%s\n%s in %s\n", hex, kind ? kind : "a message", v->binding.log_name);
	list_print(v, CHECK_BAD, "WRONG:", "✗");
	list_print(v, CHECK_GOOD, "Checked here, and right:", "✓");
	list_print(v, CHECK_NOT, "Not checked:", "·");
	printf("\n%s\n", good ? "Nothing is wrong with it." : "Do not rely on this message.");
}

int verify_tell(const struct verifying *v, bool json)
{
	bool good = true;

	for (size_t i = 0; i < v->count; i++)
		good &= v->checks[i].result != CHECK_BAD;
	(json ? programs_print : people_print)(v, good);
	return good ? EXIT_DONE : EXIT_UNVERIFIED;
}
