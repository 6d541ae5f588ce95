/* SPDX-License-Identifier: BSD-2-Clause */
/* The control socket: an operator's commands, one table. Answers are JSON; convenectl makes pages
 * of them. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/error.h"
#include "daemon/relay/control.h"
#include "daemon/relay/report.h"

#define MISSING_MAX 4096

/* A command under way: some wait for the disk. */
struct request {
	struct relay *relay;
	struct session *session; /* NULL: gone */
	uint32_t stream;
	struct request *next;
};

static void request_free(struct request *q)
{
	struct request **at = &q->relay->requests;

	while (*at && *at != q)
		at = &(*at)->next;
	if (*at)
		*at = q->next;
	free(q);
}

void control_closed(struct session *s)
{
	for (struct request *q = s->relay->requests; q; q = q->next) {
		if (q->session == s)
			q->session = NULL;
	}
}

static void reply_raw(struct request *q, uint32_t code, const char *text, const char *json)
{
	Convene__ControlReply m = CONVENE__CONTROL_REPLY__INIT;

	if (strlen(json) > frame_limit(FRAME_CONTROL_REPLY) - 1024) {
		code = CONVENE__CODE__TOO_LARGE;
		text = "the answer is too long for one frame";
		json = "";
	}
	m.code = code;
	m.text = pb_of(bytes_str(text));
	m.json = pb_of(bytes_str(json));
	if (q->session)
		channel_send(q->session->channel, FRAME_CONTROL_REPLY, q->stream, &m.base);
	request_free(q);
}

static void reply(struct request *q, json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	if (text)
		reply_raw(q, 0, "", text);
	else
		reply_raw(q, CONVENE__CODE__INTERNAL, "out of memory", "");
	free(text);
}

static void refuse(struct request *q, uint32_t code, const char *text)
{
	reply_raw(q, code, text, "");
}

struct relay *request_relay(const struct request *q)
{
	return q->relay;
}

void request_reply(struct request *q, json_t *json)
{
	reply(q, json);
}

void request_refuse(struct request *q, uint32_t code, const char *text)
{
	refuse(q, code, text);
}

static void do_status(struct request *q, int argc, char **argv, struct bytes input)
{
	(void)argc;
	(void)argv;
	(void)input;
	reply(q, report_status(q->relay));
}

static void do_peers(struct request *q, int argc, char **argv, struct bytes input)
{
	(void)argc;
	(void)argv;
	(void)input;
	reply(q, report_peers(q->relay));
}

static void do_people(struct request *q, int argc, char **argv, struct bytes input)
{
	int err;
	json_t *people = report_people(q->relay, &err);

	(void)argc;
	(void)argv;
	(void)input;
	if (err) {
		json_decref(people);
		refuse(q, refusal_code(err), error_text(err));
	} else {
		reply(q, people);
	}
}

/* ---- messages taken in ---- */

void request_ingested(
    void *ctx, int err, uint32_t code, const char *text, const uint8_t id[static ID_LEN])
{
	struct request *q = ctx;
	uint64_t index;
	int status;

	if (err) {
		refuse(q, code, text);
		return;
	}
	status = inbox_status(q->relay, id, &index);
	reply(q, json_pack("{s:o, s:s, s:I}", "message_id", report_hex(id, ID_LEN), "status",
		     status == CONVENE__STATUS__ANCHORED ? "anchored"
		     : status == CONVENE__STATUS__SEALED ? "sealed"
							 : "accepted",
		     "index", (json_int_t)index));
}

static void do_submit(struct request *q, int argc, char **argv, struct bytes input)
{
	static const uint8_t none[SALT_LEN];
	ProtobufCMessage *m = NULL;
	const Convene__Submission *s;

	(void)argc;
	(void)argv;
	if (message_unpack(&m, &convene__submission__descriptor, input) != OK) {
		refuse(q, CONVENE__CODE__MALFORMED, "submit takes a Submission as input");
		return;
	}
	s = (const Convene__Submission *)m;
	ingest_own(q->relay, bytes_of_pb(s->message), s->salt.len == SALT_LEN ? s->salt.data : none,
	    bytes_of_pb(s->content), request_ingested, q);
	message_free(m);
}

/* ---- the rest ---- */

static void do_rebuild(struct request *q, int argc, char **argv, struct bytes input)
{
	uint64_t entries;
	int err = views_rebuild(q->relay, &entries);

	(void)argc;
	(void)argv;
	(void)input;
	if (!err)
		searching_reset(q->relay);
	if (err)
		refuse(q, CONVENE__CODE__BUSY,
		    err == ERR_BUSY ? "the views are being rebuilt already" : error_text(err));
	else
		reply(q, json_pack("{s:b, s:I}", "rebuilding", 1, "entries", (json_int_t)entries));
}

static void do_dump(struct request *q, int argc, char **argv, struct bytes input)
{
	struct buffer text = BUFFER_INIT;
	uint8_t hash[HASH_LEN];
	int err = query_dump(q->relay->reader, &text);

	(void)input;
	if (err || text.failed) {
		refuse(q, CONVENE__CODE__INTERNAL, error_text(err ? err : ERR_NOMEM));
	} else {
		hash_of(hash, text.data, text.len);
		/* The text alone may be larger than a frame; the hash is what is compared. */
		reply(q,
		    json_pack("{s:o, s:I, s:o}", "hash", report_hex(hash, HASH_LEN), "bytes",
			(json_int_t)text.len, "dump",
			argc == 2 && strcmp(argv[1], "--text") == 0 ? json_string(buffer_str(&text))
								    : json_null()));
	}
	buffer_free(&text);
}

/* The contents of a log that are still to come, from an index on: so many that the answer fits. */
static void do_missing(struct request *q, int argc, char **argv, struct bytes input)
{
	struct relay *r = q->relay;
	uint64_t from = 0, index[MISSING_MAX];
	uint8_t digest[DIGEST_LEN];
	size_t n = MISSING_MAX;
	struct relay_log *l = NULL;
	json_t *list;
	int err;

	(void)input;
	if (hex_decode(digest, DIGEST_LEN, argv[1], strlen(argv[1])) == OK)
		l = log_by_digest(r, digest, DIGEST_LEN);
	if (!l || (argc == 3 &&
		      decimal_parse(&from, argv[2], strlen(argv[2]), (uint64_t)INT64_MAX) != OK)) {
		refuse(q, CONVENE__CODE__NOT_FOUND,
		    "missing takes the digest of a log that is held, and an index");
		return;
	}
	err = r->reader->ops->wanted(r->reader, l->no, from, index, &n);
	if (err) {
		refuse(q, CONVENE__CODE__INTERNAL, error_text(err));
		return;
	}
	list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_integer((json_int_t)index[i]));
	reply(q, json_pack("{s:o, s:b}", "missing", list, "more", n == MISSING_MAX));
}

/* The input names peers that are not to be waited for, each on a line. */
static void do_learn(struct request *q, int argc, char **argv, struct bytes input)
{
	char why[300] = "";
	int err = recover_command(q->relay, argv[1], input, why, sizeof why);

	(void)argc;
	if (err)
		refuse(q, err == ERR_NOTFOUND ? CONVENE__CODE__NOT_FOUND : CONVENE__CODE__MALFORMED,
		    why);
	else
		reply(q, json_pack("{s:o}", "recovery", recover_report(q->relay)));
}

static void do_reload(struct request *q, int argc, char **argv, struct bytes input)
{
	pid_t parent = q->relay->parent;
	char why[512] = "";

	(void)argc;
	(void)argv;
	(void)input;
	relay_reload(q->relay, why, sizeof why);
	if (why[0])
		refuse(q, CONVENE__CODE__MALFORMED, why);
	else
		reply(q, json_pack("{s:b}", "reloaded", 1));
	if (!why[0] && parent > 0)
		kill(parent, SIGUSR1); /* for those who aren't ours to tell */
}

static void do_stop(struct request *q, int argc, char **argv, struct bytes input)
{
	struct relay *r = q->relay;

	(void)argc;
	(void)argv;
	(void)input;
	reply(q, json_pack("{s:b}", "stopping", 1));
	kill(getppid(),
	    SIGTERM); /* the parent, which stops us in turn and does not start us again */
	(void)r;
}

static const struct command {
	const char *name;
	int min, max; /* words with the name */
	void (*run)(struct request *q, int argc, char **argv, struct bytes input);
	const char *help;
} commands[] = {
    {"status", 1, 1, do_status, "who this node is, its logs, peers and members"},
    {"peers", 1, 1, do_peers, "each link in detail"},
    {"people", 1, 1, do_people, "who is enrolled"},
    {"invite", 1, 5, control_invite, "make an invite [--handle HANDLE] [--days N]"},
    {"enrol", 2, 2, control_enrol, "enrol from a request line"},
    {"identity", 2, 2, control_identity, "a line for a new computer of somebody enrolled: HANDLE"},
    {"recover-person", 3, 3, control_recover_person,
	"enrol a key for somebody who lost all of theirs: HANDLE REQUEST"},
    {"revoke", 2, 6, control_revoke,
	"end the devices of a handle, or one of them, or one key [--device DIGITS] "
	"[--reason lost|stolen|replaced|left]"},
    {"submit", 1, 1, do_submit, "take in a message signed elsewhere"},
    {"rebuild", 1, 1, do_rebuild, "make the views anew from the logs"},
    {"dump", 1, 2, do_dump, "hash of everything shown [--text]"},
    {"missing", 2, 3, do_missing, "contents of a log that are still to come: DIGEST [FROM]"},
    {"learn", 2, 2, do_learn,
	"ask all peers for our own log before anything is sealed: restored | log"},
    {"hide", 4, 4, control_hide, "show readers no more of a message: ID --reason TEXT"},
    {"unhide", 2, 4, control_unhide, "show it again: ID [--reason TEXT]"},
    {"suspend", 4, 4, control_suspend,
	"take no more posts of a participant, or show none of another organisation's: HANDLE[@ORG] "
	"--reason TEXT"},
    {"unsuspend", 2, 4, control_unsuspend, "end that: HANDLE[@ORG] [--reason TEXT]"},
    {"hidden", 1, 2, control_hidden, "what is hidden, who is suspended [--log]"},
    {"erase", 2, 4, control_erase,
	"erase a message of ours, as the registrar: ID [--reason wish|law|error]"},
    {"reload", 1, 1, do_reload, "read the config file again"},
    {"stop", 1, 1, do_stop, "stop the daemon"},
};

static void do_help(struct request *q)
{
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		json_object_set_new(o, commands[i].name, json_string(commands[i].help));
	reply(q, o);
}

void control_frame(struct session *s, const struct frame *frame)
{
	const Convene__Control *m;
	ProtobufCMessage *any;
	struct request *q;
	char *argv[8] = {NULL};
	int argc = 0;

	if (message_unpack(&any, frame_descriptor(FRAME_CONTROL), frame->payload) != OK) {
		channel_fail(s->channel, ERR_MALFORMED, "a CONTROL frame does not parse");
		return;
	}
	m = (const Convene__Control *)any;
	q = calloc(1, sizeof *q);
	if (!q)
		goto out;
	q->relay = s->relay;
	q->session = s;
	q->stream = frame->stream;
	q->next = s->relay->requests;
	s->relay->requests = q;
	for (; argc < (int)m->n_args && argc < 8; argc++)
		argv[argc] = strndup((const char *)m->args[argc].data, m->args[argc].len);
	if (argc == 0 || m->n_args > 8 || !argv[0]) {
		refuse(q, CONVENE__CODE__MALFORMED, "a command is expected");
		goto out;
	}
	if (strcmp(argv[0], "help") == 0) {
		do_help(q);
		goto out;
	}
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		if (strcmp(argv[0], commands[i].name) != 0)
			continue;
		if (argc < commands[i].min || argc > commands[i].max)
			refuse(q, CONVENE__CODE__MALFORMED, commands[i].help);
		else
			commands[i].run(q, argc, argv, bytes_of_pb(m->input));
		goto out;
	}
	refuse(q, CONVENE__CODE__NOT_FOUND, "no such command; `help` lists them");
out:
	for (int i = 0; i < 8; i++)
		free(argv[i]);
	message_free(any);
}

/* ---- the socket ---- */

static void on_control(
    struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
	(void)listener;
	(void)sa;
	(void)len;
	session_accept(arg, fd, false);
}

int control_start(struct relay *r, int fd)
{
	r->control = evconnlistener_new(
	    r->base, on_control, r, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	return r->control ? OK : ERR_NOMEM;
}
