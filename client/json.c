/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON for programs: ASCII with escapes, so exact and harmless. */
#include <stdio.h>
#include <stdlib.h>

#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "base/text.h"
#include "client/output.h"

json_t *json_hex(const uint8_t *data, size_t len)
{
	char *text = malloc(2 * len + 1);
	json_t *value;

	if (!text)
		out_of_memory();
	hex_encode(text, data, len);
	value = json_string(text);
	free(text);
	return value;
}

json_t *json_bytes(struct bytes text)
{
	json_t *value = json_stringn(text.len ? (const char *)text.data : "", text.len);
	struct buffer out = BUFFER_INIT;

	if (!value) {
		text_block(&out, text);
		value = json_stringn(buffer_str(&out), out.len);
		buffer_free(&out);
	}
	return value;
}

void json_put(json_t *object, const char *key, json_t *value)
{
	if (value && json_object_set_new(object, key, value) != 0)
		out_of_memory();
}

/* Of control bytes jansson leaves DEL as it is. */
static int escaped_write(const char *p, size_t len, void *to)
{
	const char *end = p + len, *del;

	for (; (del = memchr(p, 0x7f, (size_t)(end - p))) != NULL; p = del + 1) {
		fwrite(p, 1, (size_t)(del - p), to);
		fputs("\\u007f", to);
	}
	fwrite(p, 1, (size_t)(end - p), to);
	return ferror(to) ? -1 : 0;
}

static void json_write(json_t *value, size_t flags)
{
	if (json_dump_callback(value, escaped_write, stdout, flags | JSON_ENSURE_ASCII) != 0 &&
	    !ferror(stdout))
		out_of_memory();
	putchar('\n');
	json_decref(value);
}

void json_print(json_t *value)
{
	json_write(value, output_terminal() ? JSON_INDENT(2) : JSON_COMPACT);
}

void json_print_line(json_t *value)
{
	json_write(value, JSON_COMPACT);
	fflush(stdout);
}

json_t *json_trouble(const struct trouble *t)
{
	json_t *object = json_object(), *error = json_object();

	json_put(error, "name", json_string(error_name(t->err)));
	if (t->code)
		json_put(error, "code", json_integer(t->code));
	json_put(error, "text", json_bytes(bytes_str(t->text)));
	if (t->hint[0])
		json_put(error, "hint", json_bytes(bytes_str(t->hint)));
	json_put(object, "error", error);
	return object;
}
