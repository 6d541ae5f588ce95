/* SPDX-License-Identifier: BSD-2-Clause */
/* When a log of another organisation is cosigned: by all that 11.8 asks for, one at a time, on a
 * worker, since the signer syncs a file before it answers.
 *
 * Crash points: a head that the signer has remembered and whose cosignature was lost is signed
 * again after the start, with another time. */
#include "daemon/relay/cosign.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "daemon/relay/state.h"
#include "daemon/signer/signer.h"
#include "msg/body.h"

#define EACH_MS 2000     /* a log at most this often */
#define TROUBLE_MS 10000 /* after an error */
#define GATHER_MS 20     /* events of so long a time are looked at together */

struct cosigning {
	struct anchor *anchor;
	struct event *timer;
	struct verifier key; /* the signer's: that of the credential that it was started with */
	bool busy;           /* a request to the signer is under way */
	bool vouches;        /* core_vouches(): else nothing is asked of it */
};

/* An entry that tells the signer something: entry 0 of a log, or an ADMIT. */
struct paper {
	uint32_t log;
	bool admits, told;
	struct buffer message;
};

struct ask {
	struct job job;
	struct relay *relay;
	uint32_t log;
	struct binding binding;
	struct buffer entry0;
	bool introduce;
	/* When it does not know that the log's organisation is a member: all that might show it. */
	struct paper *papers;
	struct binding *logs; /* of each paper */
	size_t paper_count;
	/* To cosign. */
	struct buffer note;
	struct tree_hash proof[64];
	size_t proof_count;
	uint64_t size;
	uint8_t root[HASH_LEN];
	int result;
};

/* ---- who cosigns ---- */

static const struct cosigner *io_cosigner(void *ctx, uint32_t no, struct bytes name,
    const uint8_t id[static 4], const struct cosigner *after)
{
	struct relay *r = ctx;
	const struct relay_log *l = log_by_no(r, no);

	if (!l || !r->cosigning)
		return NULL;
	do
		after = anchor_find(r->cosigning->anchor, name, id, after);
	while (after && !anchor_counts(after, l->credential.organisation, l->credential.root_key));
	return after;
}

void cosign_io(struct sync_io *io)
{
	io->cosigner = io_cosigner;
	io->cosign_store = cosign_store;
}

const struct anchor *cosign_anchor(const struct relay *r)
{
	return r->cosigning->anchor;
}

const char *cosign_held(const struct relay *r)
{
	const struct cosigner *c = anchor_of(
	    r->cosigning->anchor, r->node->organisation, r->node->root_key);

	if (c && !verifier_equal(&c->key, &r->cosigning->key))
		return "held: the cosigner key was replaced; restart convened";
	if (!r->cosigning->vouches)
		return "held: signer.cosigned was lost, so what this node has vouched for is not "
		       "known; `convenectl credential --new-key cosigner`, and restart convened";
	return NULL;
}

struct learning {
	struct relay *relay;
	bool news;
};

static int learn_one(void *ctx, uint32_t no, uint64_t position, struct bytes message)
{
	struct learning *learning = ctx;
	const struct relay_log *l = log_by_no(learning->relay, no);
	struct node_body node;
	struct header h;

	(void)position;
	if (l && message_parse(message, &h) == OK && node_body_parse(h.body, &node) == OK &&
	    anchor_learn(learning->relay->cosigning->anchor, l->credential.organisation,
		l->credential.root_key, &node.cosigner, node.serial) == 1)
		learning->news = true;
	return OK;
}

void cosign_learn(struct relay *r, struct relay_log *l)
{
	struct learning learning = {r, false};
	struct buffer node = BUFFER_INIT;
	const struct cosigner *own;

	/* The newest has the highest serial; reading all would cost more with each. */
	if (query_node(r->reader, l->no, &node) == OK)
		learn_one(&learning, l->no, 0, buffer_bytes(&node));
	buffer_free(&node);
	if (!learning.news)
		return;
	log_debug("%s: cosigner key known", l->credential.organisation);
	sync_cosigners_changed(r->sync, clock_mono_ms());
	own = anchor_of(r->cosigning->anchor, r->node->organisation, r->node->root_key);
	if (l->own && own && !verifier_equal(&own->key, &r->cosigning->key))
		log_warning("our cosigner key is another one now: others' logs are cosigned again "
			    "when convened has been restarted");
	cosign_soon(r, NULL);
}

void cosign_members(struct relay *r)
{
	for (struct relay_log *l = r->logs; l; l = l->next)
		l->cosign.refused = false;
	cosign_soon(r, NULL);
}

/* Who we are by the policy, for this log; NULL: nobody. */
static const struct cosigner *self(const struct relay *r, const struct relay_log *l)
{
	const struct cosigner *c = anchor_of(
	    r->cosigning->anchor, r->node->organisation, r->node->root_key);

	/* After it was replaced nobody would take what the signer makes, until it is started anew.
	 */
	return c && r->cosigning->vouches && verifier_equal(&c->key, &r->cosigning->key) &&
		       anchor_counts(c, l->credential.organisation, l->credential.root_key)
		   ? c
		   : NULL;
}

/* ---- when ---- */

/* Whether every content is here that entries of this log commit to, and what others erase is gone
 * from the files. The views have dropped from the list of the missing what is erased, or invalid.
 */
static bool is_whole(struct relay *r, const struct relay_log *l)
{
	uint64_t missing;
	size_t count = 1;

	return l->folded == replica_held(l->replica) && !l->folding &&
	       r->reader->ops->wanted(r->reader, l->no, 0, &missing, &count) == OK && count == 0 &&
	       !storage_erased(r);
}

static bool is_ready(struct relay *r, const struct relay_log *l)
{
	uint64_t held = replica_held(l->replica);

	return l->carried && !l->own && !l->cutting && l->state == LOG_LIVE && !l->cosign.refused &&
	       held > 0 && held > l->cosign.mine && held == replica_note_size(l->replica) &&
	       held == replica_staged(l->replica) && sync_anchored(r->sync, l->no) < held &&
	       self(r, l) && is_whole(r, l);
}

static void timer_set(struct relay *r, uint64_t ms)
{
	struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};

	event_add(r->cosigning->timer, &tv);
}

void cosign_soon(struct relay *r, struct relay_log *l)
{
	if (!r->cosigning || r->stopping)
		return;
	if (l)
		l->cosign.due = true;
	for (struct relay_log *all = r->logs; !l && all; all = all->next)
		all->cosign.due = true;
	if (!event_pending(r->cosigning->timer, EV_TIMEOUT, NULL))
		timer_set(r, GATHER_MS);
}

/* ---- asking the signer ---- */

static void ask_free(struct ask *q)
{
	for (size_t i = 0; i < q->paper_count; i++)
		buffer_free(&q->papers[i].message);
	free(q->papers);
	free(q->logs);
	buffer_free(&q->entry0);
	buffer_free(&q->note);
	free(q);
}

/* Entries that a root key has signed, in whatever order they came: what one of them shows lets the
 * signer take others. */
static void papers_tell(struct ask *q)
{
	struct signer_link *signer = q->relay->signer;
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < q->paper_count; i++) {
			struct paper *p = &q->papers[i];
			struct bytes message = buffer_bytes(&p->message);
			uint8_t root[HASH_LEN];
			uint64_t size;
			int err;

			if (p->told)
				continue;
			err = p->admits ? signer_admit(signer, q->logs[i].digest, message)
					: signer_introduce(signer, bytes_str(q->logs[i].log_name),
					      message, &size, root);
			p->told = err == OK;
			more |= p->told;
		}
	}
}

static void ask_work(struct job *job)
{
	struct ask *q = (struct ask *)job;
	struct signer_link *signer = q->relay->signer;

	papers_tell(q);
	if (q->introduce)
		q->result = signer_introduce(signer, bytes_str(q->binding.log_name),
		    buffer_bytes(&q->entry0), &q->size, q->root);
	else
		q->result = signer_cosign(
		    signer, buffer_bytes(&q->note), q->proof, q->proof_count, &q->note);
}

static int paper_add(struct ask *q, const struct relay_log *l, bool admits, struct bytes message)
{
	struct paper *papers = realloc(q->papers, (q->paper_count + 1) * sizeof *papers);
	struct binding *logs = NULL;

	if (papers) {
		q->papers = papers;
		logs = realloc(q->logs, (q->paper_count + 1) * sizeof *logs);
	}
	if (!logs)
		return ERR_NOMEM;
	q->logs = logs;
	logs[q->paper_count] = l->credential.binding;
	papers[q->paper_count] = (struct paper){.log = l->no, .admits = admits};
	buffer_add(&papers[q->paper_count].message, message.data, message.len);
	return papers[q->paper_count++].message.failed ? ERR_NOMEM : OK;
}

static int admit_add(void *ctx, uint32_t no, uint64_t index)
{
	struct ask *q = ctx;
	const struct relay_log *l = log_by_no(q->relay, no);
	struct buffer entry = BUFFER_INIT;
	struct bytes leaf;
	int err = l ? log_entry(q->relay, no, index, &entry, &leaf) : OK;

	if (l && !err)
		err = paper_add(q, l, true, leaf);
	buffer_free(&entry);
	return err;
}

static int papers_add(struct ask *q, const struct relay_log *of)
{
	struct relay *r = q->relay;
	int err = OK;

	for (const struct relay_log *l = r->logs; l && !err; l = l->next)
		err = paper_add(q, l, false, buffer_bytes(&l->credential.message));
	if (!err)
		err = admissions_of(r, of, admit_add, q);
	/* Then the signer does not know it either. */
	return err == ERR_NOT_MEMBER || err == ERR_TOO_LARGE ? OK : err;
}

static void ask_done(struct job *job);

static struct ask *ask_new(struct relay *r, const struct relay_log *l)
{
	struct ask *q = calloc(1, sizeof *q);

	if (!q)
		return NULL;
	q->job.work = ask_work;
	q->job.done = ask_done;
	q->relay = r;
	q->log = l->no;
	q->binding = l->credential.binding;
	return q;
}

static void ask_start(struct ask *q)
{
	q->relay->cosigning->busy = true;
	pool_submit(q->relay->workers, &q->job);
}

static void introduce(struct relay *r, struct relay_log *l, bool papers)
{
	struct ask *q = ask_new(r, l);

	if (!q)
		return;
	q->introduce = true;
	buffer_add(&q->entry0, l->credential.message.data, l->credential.message.len);
	if (q->entry0.failed || (papers && papers_add(q, l) != OK)) {
		ask_free(q);
		l->cosign.again_at = clock_mono_ms() + TROUBLE_MS;
		cosign_soon(r, l);
		return;
	}
	ask_start(q);
}

static void cosign(struct relay *r, struct relay_log *l)
{
	struct ask *q = ask_new(r, l);
	struct bytes note = replica_note(l->replica);
	uint64_t held = replica_held(l->replica);
	int err = q ? OK : ERR_NOMEM;

	if (!err && l->cosign.size > 0 && l->cosign.size < held)
		err = replica_prove_growth(l->replica, l->cosign.size, q->proof, &q->proof_count);
	if (!err) {
		q->size = held;
		memcpy(q->root, replica_held_root(l->replica), HASH_LEN);
		buffer_add(&q->note, note.data, note.len);
		err = q->note.failed ? ERR_NOMEM : OK;
	}
	if (err) {
		if (q)
			ask_free(q);
		l->cosign.again_at = clock_mono_ms() + TROUBLE_MS;
		cosign_soon(r, l);
		return;
	}
	l->cosign.again_at = clock_mono_ms() + EACH_MS;
	ask_start(q);
}

/* ---- its answers ---- */

static void introduced(struct relay *r, struct relay_log *l, const struct ask *q)
{
	if (q->result == ERR_NOT_MEMBER && q->paper_count == 0) {
		introduce(r, l, true);
		return;
	}
	if (q->result) {
		/* Comes again when there are more members, or with the next start. */
		l->cosign.refused = true;
		log_warning("log %s is not cosigned here: %s", l->credential.binding.log_name,
		    error_text(q->result));
		return;
	}
	l->cosign.introduced = true;
	l->cosign.size = q->size;
	memcpy(l->cosign.root, q->root, HASH_LEN);
}

static void cosigned(struct relay *r, struct relay_log *l, struct ask *q)
{
	const struct cosigner *c = self(r, l);
	struct note note;
	struct note_signature sig;
	uint64_t seconds = 0;

	l->cosign.size = q->size;
	memcpy(l->cosign.root, q->root, HASH_LEN);
	if (!c || note_parse(&note, buffer_bytes(&q->note)) != OK ||
	    note_signature(&note, note.count - 1, &sig) != OK ||
	    note_verify(&note, &c->key, &seconds) != OK) {
		log_error("log %s: the signer gave no cosignature", l->credential.binding.log_name);
		return;
	}
	if (sync_cosign(r->sync, l->no, c, buffer_bytes(&q->note), seconds) == OK)
		l->cosign.mine = q->size;
	else
		l->cosign.due = true;
	tick_soon(r);
}

static void not_cosigned(struct relay_log *l, int err)
{
	l->cosign.again_at = clock_mono_ms() + TROUBLE_MS;
	l->cosign.due = true;
	if (err == ERR_FORK || err == ERR_PROOF) {
		l->cosign.refused = true;
		log_error("log %s shows another history than the one cosigned here before; no "
			  "more of it is cosigned",
		    l->credential.binding.log_name);
	} else if (err != ERR_STALE) {
		log_error("log %s could not be cosigned: %s", l->credential.binding.log_name,
		    error_text(err));
	}
	l->cosign.introduced = false; /* what it has cosigned is asked for anew */
}

static void ask_done(struct job *job)
{
	struct ask *q = (struct ask *)job;
	struct relay *r = q->relay;
	struct relay_log *l = log_by_no(r, q->log);

	r->cosigning->busy = false;
	if (q->result == ERR_CLOSED && !r->stopping) {
		log_error("the signer is gone; nothing can be cosigned");
		relay_fail(r);
	} else if (l && q->introduce) {
		introduced(r, l, q);
	} else if (l && q->result == OK) {
		cosigned(r, l, q);
	} else if (l) {
		not_cosigned(l, q->result);
	}
	ask_free(q);
	if (!r->stopping)
		timer_set(r, 0);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct relay *r = arg;
	uint64_t now = clock_mono_ms(), next = UINT64_MAX;

	(void)fd;
	(void)what;
	if (r->cosigning->busy || r->stopping)
		return;
	for (struct relay_log *l = r->logs; l; l = l->next) {
		if (!l->cosign.due)
			continue;
		if (now < l->cosign.again_at) {
			next = l->cosign.again_at < next ? l->cosign.again_at : next;
			continue;
		}
		if (l->cosign.introduced && l->cosign.size > replica_held(l->replica)) {
			l->cosign.due = false; /* more comes, and then it is due */
			continue;
		}
		l->cosign.due = false;
		if (!is_ready(r, l))
			continue;
		l->cosign.due = true;
		if (!l->cosign.introduced) {
			introduce(r, l, false);
		} else {
			l->cosign.due = false;
			cosign(r, l);
		}
		return;
	}
	if (next != UINT64_MAX)
		timer_set(r, next - now);
}

void cosign_watch(struct relay *r)
{
	uint64_t now = clock_mono_ms();

	for (struct relay_log *l = r->logs; l; l = l->next) {
		uint64_t anchored = sync_anchored(r->sync, l->no);

		if (anchored >= replica_held(l->replica))
			l->cosign.stuck_since = 0;
		else if (l->cosign.stuck_since == 0 || anchored > l->cosign.anchored)
			l->cosign.stuck_since = now;
		l->cosign.anchored = anchored;
	}
	cosign_soon(r, NULL);
}

/* ---- start and end ---- */

int cosign_start(struct relay *r, bool vouches)
{
	struct learning learning = {r, false};
	struct cosigning *c = calloc(1, sizeof *c);
	int err;

	if (!c)
		return ERR_NOMEM;
	r->cosigning = c;
	c->anchor = anchor_new(r->charter);
	c->timer = event_new(r->base, -1, 0, on_timer, r);
	c->key = r->node->node.cosigner;
	c->vouches = vouches;
	if (!c->anchor || !c->timer)
		return ERR_NOMEM;
	sync_anchor_needed(r->sync, anchor_needed(c->anchor));
	err = query_nodes(r->reader, 0, learn_one, &learning);
	if (!err)
		err = cosign_load(r);
	cosign_soon(r, NULL);
	return err;
}

void cosign_free(struct relay *r)
{
	if (!r->cosigning)
		return;
	anchor_free(r->cosigning->anchor);
	if (r->cosigning->timer)
		event_free(r->cosigning->timer);
	free(r->cosigning);
	r->cosigning = NULL;
}
