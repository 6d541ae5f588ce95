/* SPDX-License-Identifier: BSD-2-Clause */
/* Building answers out of rows that do not last. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "daemon/relay/answer.h"

struct block {
	struct block *next;
	uint8_t data[];
};

static void *answer_alloc(struct answer *a, size_t len)
{
	struct block *b = malloc(sizeof *b + len);

	if (!b)
		return NULL;
	b->next = a->blocks;
	a->blocks = b;
	a->bytes += len;
	return b->data;
}

void *answer_room(struct answer *a, size_t len)
{
	return answer_alloc(a, len);
}

ProtobufCBinaryData answer_copy(struct answer *a, const void *data, size_t len)
{
	uint8_t *p = len > 0 ? answer_alloc(a, len) : NULL;

	if (!p) {
		if (len > 0)
			a->err = ERR_NOMEM;
		return (ProtobufCBinaryData){0, NULL};
	}
	memcpy(p, data, len);
	return (ProtobufCBinaryData){len, p};
}

ProtobufCBinaryData answer_str(struct answer *a, const char *text)
{
	return answer_copy(a, text, strlen(text));
}

void *answer_add(struct answer *a, size_t size)
{
	void *m;

	if (a->count == a->cap) {
		size_t cap = a->cap ? 2 * a->cap : 64;
		void **grown = realloc(a->list, cap * sizeof *grown);

		if (!grown)
			return NULL;
		a->list = grown;
		a->cap = cap;
	}
	m = answer_alloc(a, size);
	if (m)
		a->list[a->count++] = m;
	return m;
}

void answer_clear(struct answer *a)
{
	while (a->blocks) {
		struct block *next = a->blocks->next;

		free(a->blocks);
		a->blocks = next;
	}
	a->count = a->bytes = 0;
}

void answer_end(struct answer *a)
{
	answer_clear(a);
	free(a->list);
}

void answer_error(struct session *s, uint32_t stream, int err, const char *what)
{
	char text[128];

	if (err == ERR_NOTFOUND)
		snprintf(text, sizeof text, "no %s begins with that id", what);
	else if (err == ERR_EXISTS)
		snprintf(text, sizeof text, "several ids begin so; give more of it");
	else
		snprintf(text, sizeof text, "%s", error_text(err));
	client_error(
	    s, stream, err == ERR_EXISTS ? CONVENE__CODE__AMBIGUOUS : refusal_code(err), text);
}
