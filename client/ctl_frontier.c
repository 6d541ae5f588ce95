/* SPDX-License-Identifier: BSD-2-Clause */
/* What exports and bundles have in common: frontiers in files, and waiting until what stands at one
 * can be read. */
#include <inttypes.h>
#include <time.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/error.h"
#include "client/archive/frontier_text.h"
#include "client/ctl.h"

#define LAG_WAIT_MS 60000 /* for views that are behind the logs */
#define LAG_PAUSE_MS 200

int frontier_load(struct frontier *out, const char *path, const char *writer, struct trouble *t)
{
	struct buffer text = BUFFER_INIT;
	unsigned line;
	int err = file_load(&text, path, FRONTIER_TEXT_MAX, t);

	if (!err) {
		err = frontier_parse(out, buffer_bytes(&text), &line);
		if (err == ERR_NOMEM) {
			no_memory(t);
		} else if (err) {
			trouble_set(t, ERR_TEXT, "%.300s is not a frontier (line %u)", path, line);
			trouble_hint(t, "`convenectl %s --frontier FILE` writes one.", writer);
			err = t->err;
		}
	}
	buffer_free(&text);
	return err;
}

int frontier_store(const struct frontier *f, const struct invocation *in, struct trouble *t)
{
	const char *path = option_value(in, "frontier");
	struct buffer text = BUFFER_INIT;
	int err = OK;

	if (path) {
		frontier_format(&text, f);
		err = text.failed ? no_memory(t) : file_replace(path, buffer_bytes(&text), t);
		buffer_free(&text);
	}
	return err;
}

int frontier_hex(const struct frontier *f, char out[static 2 * HASH_LEN + 1], struct trouble *t)
{
	uint8_t hash[HASH_LEN];

	if (frontier_hash(f, hash) != OK)
		return no_memory(t);
	hex_encode(out, hash, HASH_LEN);
	return OK;
}

bool views_behind(const Convene__LogInfo *log, uint64_t size)
{
	/* What a successor did not take over is never folded. */
	return log->folded < size && log->folded < log->size &&
	       log->state != CONVENE__LOG_STATE__DISPUTED;
}

int views_wait(const Convene__LogInfo *behind, uint64_t begun, struct trouble *t)
{
	const struct timespec pause = {0, LAG_PAUSE_MS * 1000000};

	if (clock_mono_ms() <= begun + LAG_WAIT_MS) {
		nanosleep(&pause, NULL);
		return OK;
	}
	trouble_set(t, ERR_BUSY,
	    "the views are behind: %" PRIu64 " of %" PRIu64 " entries of %.*s are shown",
	    behind->folded, behind->size, (int)behind->name.len, (const char *)behind->name.data);
	trouble_hint(t, "Try again later; `convenectl status` shows how far it is.");
	t->code = CONVENE__CODE__BUSY;
	return t->err;
}
