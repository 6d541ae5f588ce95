/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of convenectl share. Main thread. A function that takes a struct trouble fills it
 * when it fails; one that returns an exit code has said already what went wrong. */
#ifndef CLIENT_CTL_H
#define CLIENT_CTL_H

#include <stdio.h>
#include <sys/types.h>

#include "client/block.h"
#include "client/files.h"
#include "client/options.h"
#include "client/output.h"
#include "conf/conf.h"
#include "member/credential.h"

#define CTL_NAME "convenectl"
#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc"
#endif
#define CTL_DIR SYSCONFDIR "/convene"
#define CTL_CONFIG CTL_DIR "/convened.conf"

struct ctl {
	const struct invocation *in;
	const char *config; /* its path, as given */
	struct conf *conf;
	const char *keys; /* the folder of the key files */
	char *root;       /* the root key's file */
};

/* ---- ctl.c: what every command begins with ---- */

/* Load the config that the command line names. Returns EXIT_DONE or what to exit with. */
int ctl_open(struct ctl *c, const struct invocation *in);
/* Returns `code`, so that a command can end with it. */
int ctl_close(struct ctl *c, int code);

/* " -c FILE" for commands that are named to people, "" where the config is that which is taken
 * anyway. */
#define CTL_OPTION_LEN (PATH_LEN + 8)
const char *ctl_option(char out[static CTL_OPTION_LEN], const char *config);

/* Say a trouble as the command line wants it, sentence or JSON. Return the exit code. */
int ctl_fail(const struct invocation *in, const struct trouble *t);

/* The configured charter, checked. ERR_NOTFOUND when there is no such file. Free with
 * charter_free(). */
int ctl_charter(const struct ctl *c, struct charter **out, struct trouble *t);
/* keys/credential, checked against the charter and our name. ERR_NOTFOUND when there is none. Clear
 * it. */
int ctl_credential(
    const struct ctl *c, const struct charter *charter, struct credential *out, struct trouble *t);
/* The same of another file in that folder. */
int ctl_credential_at(const struct ctl *c, const char *name, const struct charter *charter,
    struct credential *out, struct trouble *t);

/* Connect to the daemon as a client. Free with client_close(). */
int ctl_client(const struct ctl *c, struct client **out, struct trouble *t);

/* "3 MANY." on a line, or "1 ONE."; nothing for 0. */
void count_say(FILE *to, uint64_t n, const char *one, const char *many);

/* The text, hex digits, of a forum's id. */
const char *forum_text(char out[static 65], const uint8_t forum[static HASH_LEN]);

/* ---- ctl_files.c ---- */

/* file_read(), "-" being standard input. */
int file_load(struct buffer *out, const char *path, size_t max, struct trouble *t);
/* Write a new file, whole and durable or not at all. ERR_EXISTS. */
int file_create(const char *path, struct bytes content, mode_t mode, struct trouble *t);
/* Write a file in the place of one that may be there, whose mode and owner it keeps; durable.
 * Follows symbolic links. A new one gets mode 0644. ERR_INVALID in the place of a device or folder.
 */
int file_replace(const char *path, struct bytes content, struct trouble *t);
/* Give a file another name, in the place of what has that; durable. Both in one folder. */
int file_rename(const char *from, const char *to, struct trouble *t);
bool file_is_there(const char *path);
/* Keep other runs of this program from changing the file at the same time. Waits. Returns what to
 * close(), or -1 where that is not possible. */
int file_lock(const char *path);

/* ---- ctl_keys.c ---- */

/* Read keys/ROLE.key. */
int key_load(const struct ctl *c, const char *role, struct key *key, struct trouble *t);
/* Read the root key, with its passphrase if it has one: from --passphrase-file, or asked for. */
int root_load(const struct ctl *c, struct key *key, struct trouble *t);
/* The public half alone: of root.key, or else as the credential has it. */
int root_public(const struct ctl *c, struct verifier *out, struct trouble *t);
/* A passphrase for a new key, from --passphrase-file or, with --passphrase, asked for twice; NULL
 * in
 * `*out` when neither is given. Free with passphrase_free(). */
int passphrase_new(const struct invocation *in, char **out, struct trouble *t);
void passphrase_free(char *passphrase);

/* Take the next sequence of the root key, above `seen` (what the daemon knows of; 0: not asked):
 * durably used before it is returned. */
int root_sequence(const struct ctl *c, uint64_t seen, uint64_t *out, struct trouble *t);

/* ---- ctl_credential.c ---- */

/* Make keys/credential for a first log unless it is there; then `*made` is false. */
int credential_ensure(const struct ctl *c, const struct charter *charter, struct credential *out,
    bool *made, struct trouble *t);
/* The same after a charter has come: with the root key not at hand, say what to do. Prints. */
int credential_after_charter(const struct ctl *c, const struct charter *charter);

/* ---- ctl_rotate.c: registrar, cosigner and TLS keys replaced ---- */

/* Whether --new-key names what can be replaced. */
int rotate_check(const struct ctl *c, struct trouble *t);
/* Make those of --new-key, beside the ones in use, unless an earlier try did. */
int rotate_make(const struct ctl *c, struct trouble *t);
/* key_load(), or the new one where --new-key names the role. */
int rotate_load(const struct ctl *c, const char *role, struct key *key, struct trouble *t);
/* New keys that the credential names take the place of the old ones. */
int rotate_finish(const struct ctl *c, const struct credential *credential, struct trouble *t);

/* ---- ctl_block.c ---- */

/* Read FILE or "-". */
int block_load(struct block *out, const char *path, struct trouble *t);
/* Append the peer to the config. ERR_EXISTS when it has this peer, ERR_MALFORMED (said in `t`) when
 * it would not parse any more. */
int block_append(const struct ctl *c, const struct block *block, struct trouble *t);
/* Tell a daemon that runs of a changed config; what came of it, in a sentence. */
int reload_told(const struct ctl *c, const char **said, struct trouble *t);

/* ---- ctl_draft.c ---- */

extern const char *const topic_words[]; /* by enum charter_topics */
/* Where a draft is unless somebody says otherwise. */
int draft_path(const struct ctl *c, char out[static PATH_LEN], struct trouble *t);

/* ---- ctl_daemon.c ---- */

/* Send a command to the daemon; its answer as JSON, for json_decref(). */
int daemon_call(const struct ctl *c, int argc, const char *const *argv, struct bytes input,
    json_t **out, struct trouble *t);
/* A whole command: call, then print the answer, as JSON or by `say`. Returns an exit code. */
int daemon_run(const struct invocation *in, int argc, const char *const *argv,
    void (*say)(const json_t *answer));

/* Whether the operator means it: asked on a terminal, unless --yes or --json is given. Elsewhere
 * it goes without saying. When not, that nothing was done is said. */
bool ctl_sure(const struct invocation *in, const char *question);

/* Read an answer without trusting its form: what is missing, or something else, is empty or 0. */
struct bytes text_at(const json_t *o, const char *key);
uint64_t number_at(const json_t *o, const char *key);

/* ---- ctl_services.c: what readers connect to, as rows of the status ---- */
void services_print(const json_t *status);

/* ---- ctl_frontier.c: what exports and bundles have in common ---- */

struct frontier;
/* Read the frontier in a file, or on standard input ("-"); `writer` is the command that writes
 * such, for the hint. Free it in any case. */
int frontier_load(struct frontier *out, const char *path, const char *writer, struct trouble *t);
/* Write it to the file of option --frontier; nothing to do where that isn't given. */
int frontier_store(const struct frontier *f, const struct invocation *in, struct trouble *t);
/* Its hash, as digits. */
int frontier_hex(const struct frontier *f, char out[static 2 * HASH_LEN + 1], struct trouble *t);

/* Contents are found by the views' help: do these lack entries of the log that are below `size`? */
bool views_behind(const Convene__LogInfo *log, uint64_t size);
/* Wait a moment for views that are behind. ERR_BUSY a minute after `begun` (clock_mono_ms()). */
int views_wait(const Convene__LogInfo *behind, uint64_t begun, struct trouble *t);

/* ---- the commands; each returns an exit code ---- */

int ctl_init(const struct invocation *in);
int ctl_block(const struct invocation *in);
int ctl_peer(const struct invocation *in);
int ctl_address(const struct invocation *in);
int ctl_charter_draft(const struct invocation *in);
int ctl_charter_sign(const struct invocation *in);
int ctl_charter_merge(const struct invocation *in);
int ctl_charter_show(const struct invocation *in);
int ctl_credential_make(const struct invocation *in);
int ctl_admit(const struct invocation *in);
int ctl_submit(const struct invocation *in);
int ctl_status(const struct invocation *in);
int ctl_peers(const struct invocation *in);
int ctl_people(const struct invocation *in);
int ctl_invite(const struct invocation *in);
int ctl_enrol(const struct invocation *in);
int ctl_revoke(const struct invocation *in);
int ctl_recover_participant(const struct invocation *in);
int ctl_hide(const struct invocation *in);
int ctl_unhide(const struct invocation *in);
int ctl_suspend(const struct invocation *in);
int ctl_unsuspend(const struct invocation *in);
int ctl_hidden(const struct invocation *in);
int ctl_erase(const struct invocation *in);
int ctl_rebuild(const struct invocation *in);
int ctl_reload(const struct invocation *in);
int ctl_stop(const struct invocation *in);
int ctl_dump(const struct invocation *in);
int ctl_export_mbox(const struct invocation *in);
int ctl_export_ndjson(const struct invocation *in);
int ctl_import_mbox(const struct invocation *in);
int ctl_import_mail(const struct invocation *in);
int ctl_import_text(const struct invocation *in);
int ctl_bundle_export(const struct invocation *in);
int ctl_bundle_import(const struct invocation *in);
int ctl_bundle_look(const struct invocation *in);
int ctl_prove_fork(const struct invocation *in);
int ctl_verify_fork(const struct invocation *in);
int ctl_recover_successor(const struct invocation *in);
int ctl_publish(const struct invocation *in);
int ctl_backup(const struct invocation *in);
int ctl_recover_restored(const struct invocation *in);
int ctl_recover_log(const struct invocation *in);

#endif
