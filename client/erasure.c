/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/erasure.h"

#include <stdio.h>

#include "base/error.h"

int erasure_ask(
    struct session *s, const uint8_t *id, size_t len, Convene__Erasure **out, struct trouble *t)
{
	Convene__ErasureGet get = CONVENE__ERASURE_GET__INIT;
	ProtobufCMessage *m = NULL;
	int err;

	*out = NULL;
	if (!s->client) {
		*t = s->unreachable;
		if (!t->err)
			trouble_set(t, ERR_CLOSED, "only the node knows who has confirmed");
		trouble_hint(t, "Ask again when the node can be reached.");
		return t->err;
	}
	get.id = pb_of(bytes_of(id, len));
	err = client_call(s->client, FRAME_ERASURE_GET, &get.base, FRAME_ERASURE, &m, t);
	if (!err)
		*out = (Convene__Erasure *)m;
	return err;
}

/* "Confirmed by: a.example, b.example"; nothing when nobody is meant. */
static void line_print(const Convene__Erasure *e, int indent, bool erased, const char *label)
{
	struct buffer line = BUFFER_INIT;

	for (size_t i = 0; i < e->n_members; i++) {
		const Convene__Confirmation *c = e->members[i];

		if (c->erased != erased)
			continue;
		buffer_add_str(&line, line.len > 0 ? ", " : "");
		text_cut(&line, bytes_of_pb(c->organisation), 100);
		if (i == 0)
			buffer_add_str(&line, " (your node)");
		else if (!erased && !c->linked)
			buffer_add_str(&line, " (no link to it)");
		else if (c->cosigned)
			buffer_add_str(&line, " (by its cosignature)");
	}
	if (line.failed)
		out_of_memory();
	if (line.len > 0) {
		printf("%*s", indent, "");
		print_sentence(indent + 4, "%s %s", label, buffer_str(&line));
	}
	buffer_free(&line);
}

void erasure_print(const Convene__Erasure *e, int indent)
{
	line_print(e, indent, true, "Gone from the files, as they say, of:");
	line_print(e, indent, false, "Not confirmed yet by:");
}

json_t *erasure_json(const Convene__Erasure *e)
{
	json_t *o = json_object(), *list = json_array();

	for (size_t i = 0; i < e->n_members; i++) {
		const Convene__Confirmation *c = e->members[i];
		json_t *m = json_object();

		json_put(m, "organisation", json_bytes(bytes_of_pb(c->organisation)));
		json_put(m, "erased", json_boolean(c->erased));
		json_put(m, "cosigned", json_boolean(c->cosigned));
		json_put(m, "linked", json_boolean(c->linked || i == 0));
		json_array_append_new(list, m);
	}
	json_put(o, "id", json_hex(e->id.data, e->id.len));
	json_put(o, "log", json_bytes(bytes_of_pb(e->log)));
	json_put(o, "index", json_integer((json_int_t)e->index));
	json_put(o, "erase", json_hex(e->erase.data, e->erase.len));
	json_put(o, "members", list);
	return o;
}

void erasure_limits_print(void)
{
	print_sentence(0,
	    "It can't reach copies that people made, what they quoted or photographed, exports, "
	    "nodes "
	    "that are away (until they return) or not honest, nor backups and bundles that are "
	    "written already; those lose it when a node reads them. It can't be undone.");
}
