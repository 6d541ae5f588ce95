/* SPDX-License-Identifier: BSD-2-Clause */
/* Cosignatures on their way to the disk, and back at the start. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "daemon/relay/cosign.h"
#include "daemon/relay/state.h"

/* Where two organisations share a seat, both may have a row. */
#define SPARE 8

struct keep_job {
	struct store_job job;
	struct store_cosignature row;
	uint32_t seat;
	size_t keep;
	struct buffer note;
};

static int keep_run(struct store_job *job, struct store *writer, struct forum *forum)
{
	struct keep_job *k = (struct keep_job *)job;
	int err = writer->ops->cosignature_put(writer, &k->row, k->keep);

	(void)forum;
	return err;
}

static void keep_done(struct store_job *job)
{
	struct keep_job *k = (struct keep_job *)job;
	struct relay *r = job->relay;
	struct relay_log *l;

	sync_cosign_stored(r->sync, k->row.log, k->seat, k->row.size, job->result, clock_mono_ms());
	/* Of others it is asked for again; ours nobody else has. */
	l = log_by_no(r, k->row.log);
	if (job->result && l && memcmp(k->row.root, r->node->root_key, KEY_LEN) == 0) {
		l->cosign.mine = 0;
		cosign_soon(r, l);
	}
	buffer_free(&k->note);
	free(k);
	tick_soon(r);
}

void cosign_store(void *ctx, uint32_t log, const struct cosigner *who, uint64_t size,
    uint64_t seconds, struct bytes note)
{
	struct relay *r = ctx;
	struct keep_job *k = calloc(1, sizeof *k);

	if (k)
		buffer_add(&k->note, note.data, note.len);
	if (!k || k->note.failed)
		abort(); /* sync counts on an answer */
	k->row = (struct store_cosignature){.log = log, .size = size, .seconds = seconds};
	memcpy(k->row.root, who->root_key, KEY_LEN);
	k->row.note = buffer_bytes(&k->note);
	k->seat = who->seat;
	k->keep = anchor_needed(cosign_anchor(r)) + SPARE;
	k->job.run = keep_run;
	k->job.done = keep_done;
	storage_submit(r, &k->job);
}

/* It was checked when it was taken. One of an organisation that has no seat now is passed over. */
static int load_one(void *ctx, const struct store_cosignature *row)
{
	struct relay *r = ctx;
	struct relay_log *l = log_by_no(r, row->log);
	const struct cosigner *who = NULL;
	struct note_signature sig;
	char name[ORG_NAME_MAX + 1];
	struct note note;
	int err;

	if (note_parse(&note, row->note) == OK &&
	    note_signature(&note, note.count - 1, &sig) == OK &&
	    cosigner_organisation(sig.name, name))
		who = anchor_of(cosign_anchor(r), name, row->root);
	if (!l || !l->carried || !who ||
	    !anchor_counts(who, l->credential.organisation, l->credential.root_key))
		return OK;
	err = sync_cosign_load(r->sync, row->log, who->seat, row->size, row->seconds, row->note);
	if (!err && memcmp(row->root, r->node->root_key, KEY_LEN) == 0 &&
	    memcmp(sig.id, r->node->node.cosigner.id, sizeof sig.id) == 0)
		l->cosign.mine = row->size;
	return err == ERR_NOMEM ? err : OK;
}

int cosign_load(struct relay *r)
{
	return r->reader->ops->cosignature_each(r->reader, load_one, r);
}
