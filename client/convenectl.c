/* SPDX-License-Identifier: BSD-2-Clause */
/* convenectl: what an operator does. The table below is the whole program: it checks the words of a
 * command line, runs them and writes the help; convenectl(8) explains. */
#include <locale.h>
#include <stdio.h>

#include "base/error.h"
#include "client/ctl.h"

static const struct option_spec everywhere[] = {
    {"config", 'c', "FILE", "the node's configuration; default " CTL_CONFIG},
    {"keys", 0, "DIR", "where the key files are; default as the configuration says"},
    {"root", 0, "FILE", "the root key, when it is kept elsewhere; default KEYS/root.key"},
    {NULL, 0, NULL, NULL},
};

/* clang-format off */
#define PASSPHRASE_FILE \
	{"passphrase-file", 0, "FILE", "the root key's passphrase is its first line; else it is asked for"}
/* clang-format on */

static const struct option_spec init_options[] = {
    {"dir", 0, "DIR", "where to make it; default " CTL_DIR},
    {"data", 0, "DIR",
	"where the store goes; default /var/lib/convene, or DIR/data when DIR is given"},
    {"address", 0, "HOST:PORT", "how others reach this node; default NAME:7654"},
    {"listen", 0, "ADDRESS",
	"where to listen, may be repeated; default [::]:7654, or the address's port"},
    {"user", 0, "LOGIN", "the user that the daemon becomes when started as root"},
    {"passphrase", 0, NULL, "keep the root key under a passphrase, asked for twice"},
    {"passphrase-file", 0, "FILE", "the same, the passphrase being the file's first line"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec draft_options[] = {
    {"name", 0, "NAME", "the forum's name"},
    {"purpose", 0, "TEXT", "what it is for, in a sentence"},
    {"admit", 0, "K", "how many members admit a new one; default more than half of the founders"},
    {"topics", 0, "participants|registrars|roots", "who opens topics; default participants"},
    {"anchor", 0, "POLICY",
	"\"N of all\" or \"N of NAME NAME\": whose cosignatures anchor a message"},
    {"content-limit", 0, "BYTES", "of one message's text and parts together; default 1048576"},
    {"out", 0, "FILE", "where to write it; default CHARTER.draft"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec root_options[] = {
    PASSPHRASE_FILE,
    {NULL, 0, NULL, NULL},
};

static const struct option_spec credential_options[] = {
    {"renew", 0, NULL, "sign a newer one after registrar, cosigner or TLS keys have changed"},
    {"new-key", 0, "registrar|cosigner|tls", "make that key anew, and renew; may be repeated"},
    {"sequence", 0, "N", "sign with this sequence, if root.sequence was lost"},
    PASSPHRASE_FILE,
    {NULL, 0, NULL, NULL},
};

static const struct option_spec admit_options[] = {
    {"peer", 0, NULL, "make it a peer as well, as `peer` does"},
    {"out", 0, "FILE", "write the signed message there, for `submit`; for where no daemon is"},
    {"sequence", 0, "N", "sign with this sequence, if root.sequence was lost"},
    PASSPHRASE_FILE,
    {NULL, 0, NULL, NULL},
};

static const struct option_spec invite_options[] = {
    {"handle", 0, "HANDLE", "the handle that is kept for them; default: they choose"},
    {"days", 0, "N", "how long it is good; default: 14"},
    {NULL, 0, NULL, NULL},
};

/* clang-format off */
#define YES {"yes", 'y', NULL, "don't ask on the terminal whether it is meant"}
/* clang-format on */

static const struct option_spec revoke_options[] = {
    YES,
    {"device", 0, "DIGITS",
	"of the handle's devices the one whose key begins so, 8 digits or more"},
    {"reason", 0, "lost|stolen|replaced|left", "shown to everybody"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec person_options[] = {
    {"fingerprint", 0, "DIGITS", "the digits that the new computer shows"},
    YES,
    {NULL, 0, NULL, NULL},
};

static const struct option_spec reason_options[] = {
    {"reason", 0, "TEXT", "why; readers are shown it"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec end_options[] = {
    {"reason", 0, "TEXT", "why; kept in the list of what was done"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec hidden_options[] = {
    {"log", 0, NULL, "also what was done, when and why"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec erase_options[] = {
    YES,
    {"reason", 0, "wish|law|error", "the author's wish, a law, an error; shown to everybody"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec dump_options[] = {
    {"text", 0, NULL, "the text as well"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec export_options[] = {
    {"topic", 't', "TOPIC", "only that topic: its id, or its whole title"},
    {"at", 0, "FILE", "at the frontier in FILE, as --frontier wrote it; default: now"},
    {"frontier", 0, "FILE", "write the frontier of this export to FILE"},
    {"output", 'o', "FILE", "where it goes; default, and for -: standard output"},
    {"partial", 0, NULL, "export also when contents are missing, without them"},
    {NULL, 0, NULL, NULL},
};

/* clang-format off */
#define IMPORT_OPTIONS \
	{"topic", 't', "TOPIC", "the topic that it goes into: its id, or its title"}, \
	{"home", 0, "DIR", "of the participant who signs; default as `convene` finds it"}, \
	{"source", 0, "NAME", "what the archive is called; default the file's name"}, \
	{"lang", 0, "TAG", "the language that it is written in"}, \
	{"charset", 0, "NAME", "of text that declares none and isn't UTF-8; default windows-1252"}, \
	{"dry-run", 'n', NULL, "read all, and report; nothing is signed or sent"}, \
	{"remote", 0, NULL, "over the network as a participant, with their quota"}, \
	{"patience", 0, "SECONDS", "how long to wait for a node that has gone; default 60"}, \
	{"report", 0, "FILE", "write there what was refused, a line for each mail"}
/* clang-format on */

static const struct option_spec import_options[] = {
    IMPORT_OPTIONS,
    {NULL, 0, NULL, NULL},
};

static const struct option_spec import_text_options[] = {
    IMPORT_OPTIONS,
    {"author", 0, "NAME", "who wrote the texts"},
    {"date", 0, "DATE", "when, as 2014-03-31; default when each file was last changed"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec bundle_export_options[] = {
    {"output", 0, "FILE", "where it goes"},
    {"log", 0, "NAME", "only logs of this name or organisation; may be repeated"},
    {"since", 0, "FILE", "only what is new since the frontier in FILE"},
    {"contents", 0, NULL, "with the texts and parts; so it is unless --no-contents is given"},
    {"no-contents", 0, NULL, "the entries alone"},
    {"frontier", 0, "FILE", "write the frontier that this bundle reaches to FILE"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec bundle_import_options[] = {
    {"frontier", 0, "FILE",
	"write what the node then holds to FILE, for the next export's --since"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec publish_options[] = {
    {"log", 0, "NAME", "only logs of this name or organisation; may be repeated"},
    {"follow", 0, NULL, "go on, and keep them up to date"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec recover_options[] = {
    {"without", 0, "PEER", "a peer that will not answer: don't wait for it; may be repeated"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec prove_options[] = {
    {"output", 'o', "FILE", "where it goes; default: standard output"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec verify_options[] = {
    {"key", 0, "KEY", "the log's verifier key; then nothing of a node is needed"},
    {"charter", 0, "FILE", "the forum's charter; default: this node's"},
    {"credential", 0, "FILE", "the log's credential; default: as this node holds the log"},
    {NULL, 0, NULL, NULL},
};

static const struct option_spec successor_options[] = {
    YES,
    {"size", 0, "N", "how many entries of the old log stand; default: all that are held here"},
    {"sequence", 0, "N", "sign with this sequence, if root.sequence was lost"},
    PASSPHRASE_FILE,
    {NULL, 0, NULL, NULL},
};

static const struct command commands[] = {
    {"init", "NAME", 1, 1, "make a node: keys, configuration, and its block for peers",
	"NAME is a DNS name of your organisation, in lower case. Nothing is ever overwritten.\n"
	"-c, --keys and --root are for a node that is there; init takes --dir.",
	init_options, ctl_init},
    {"block", "", 0, 0, "print this node's block, for another node's operator",
	"With the forum's charter, when there is one.", NULL, ctl_block},
    {"peer", "BLOCK", 1, 1, "take another node's block: connect to it",
	"BLOCK is a file, or - for standard input. A charter that comes with it is checked and "
	"kept if this node has none.",
	root_options, ctl_peer},
    {"admit", "BLOCK", 1, 1,
	"admit the organisation of a block to the forum; signed by the root key",
	"BLOCK is a file, or - for standard input.", admit_options, ctl_admit},
    {"submit", "FILE", 1, 1, "send a message that was signed where no daemon is", NULL, NULL,
	ctl_submit},
    {"charter draft", "[BLOCK]...", 0, -1,
	"write a forum's charter; founders are we and those of the blocks", NULL, draft_options,
	ctl_charter_draft},
    {"charter sign", "[FILE]", 0, 1,
	"sign a draft with the root key; the last signature makes the charter",
	"Without FILE: the draft that `charter draft` wrote.", root_options, ctl_charter_sign},
    {"charter merge", "FILE...", 1, -1, "put several founders' signed copies together",
	"Into this node's own draft, or else into the first FILE.", root_options,
	ctl_charter_merge},
    {"charter show", "[FILE]", 0, 1, "show a charter, and who has signed it", NULL, NULL,
	ctl_charter_show},
    {"credential", "", 0, 0, "make this node's credential, or show it; signed by the root key",
	NULL, credential_options, ctl_credential_make},
    {"status", "", 0, 0, "how the node is", NULL, NULL, ctl_status},
    {"peers", "", 0, 0, "the links, and what has passed over them", NULL, NULL, ctl_peers},
    {"people", "", 0, 0, "who is enrolled here", NULL, NULL, ctl_people},
    {"invite", "", 0, 0, "make an invite for one participant", NULL, invite_options, ctl_invite},
    {"address", "", 0, 0, "print this node's address line, for `convene join --offline`",
	"It holds no secret. Who joins with it needs `enrol`.", NULL, ctl_address},
    {"enrol", "REQUEST", 1, 1,
	"enrol by hand the participant whose `convene join --offline` printed REQUEST",
	"REQUEST is the line, or - for standard input.", NULL, ctl_enrol},
    {"revoke", "HANDLE|KEY", 1, 1, "end a participant's device keys, or one of them, from now on",
	NULL, revoke_options, ctl_revoke},
    {"recover participant", "HANDLE [REQUEST]", 1, 2,
	"enrol a new key for somebody who has lost all of theirs; shown for ever",
	"Without REQUEST: print a line for their new computer, where `convene join LINE` "
	"makes\nthe "
	"REQUEST.",
	person_options, ctl_recover_participant},
    {"hide", "ID", 1, 1, "show a post or topic to this node's readers no more",
	"ID: 8 digits or more, as `convene read --json` shows them. --reason is needed. Nothing "
	"is\n"
	"removed, and other nodes get it as before.",
	reason_options, ctl_hide},
    {"unhide", "ID", 1, 1, "show it again", NULL, end_options, ctl_unhide},
    {"suspend", "PARTICIPANT", 1, 1, "take no more posts of one of ours, or show none of another's",
	"PARTICIPANT is HANDLE or HANDLE@ORGANISATION, or an identity instead of the handle.\n"
	"--reason is needed.",
	reason_options, ctl_suspend},
    {"unsuspend", "PARTICIPANT", 1, 1, "end that", NULL, end_options, ctl_unsuspend},
    {"hidden", "", 0, 0, "what is hidden, who is suspended, whose logs are not carried", NULL,
	hidden_options, ctl_hidden},
    {"erase", "ID", 1, 1, "erase a message of one of ours on every node, as the registrar",
	"It can't be undone. That the registrar erased it is shown to everybody.", erase_options,
	ctl_erase},
    {"rebuild", "", 0, 0, "fold the views anew from the logs", NULL, NULL, ctl_rebuild},
    {"dump", "", 0, 0, "a hash of all that is shown; the same on nodes that hold the same", NULL,
	dump_options, ctl_dump},
    {"export mbox", "", 0, 0, "write all that is shown as mails",
	"The same frontier gives the same bytes on every node that holds the same.", export_options,
	ctl_export_mbox},
    {"export ndjson", "", 0, 0, "write all that is shown as lines of JSON",
	"The same frontier gives the same bytes on every node that holds the same.", export_options,
	ctl_export_ndjson},
    {"import mbox", "FILE...", 1, -1, "put mail archives into a topic, thread by thread",
	"What is there already is left as it is: the same command goes on after an interruption.",
	import_options, ctl_import_mbox},
    {"import mail", "DIR...", 1, -1, "the same for folders with a mail in each file",
	"Maildirs, and what other programs write. Links are not followed.", import_options,
	ctl_import_mail},
    {"import text", "DIR...", 1, -1, "put texts into a topic: *.txt, *.text, *.md, a thread each",
	"A text's first line is its subject.", import_text_options, ctl_import_text},
    {"bundle export", "", 0, 0, "write logs into a file, for a node that no network reaches",
	"Whatever was erased is not in it.", bundle_export_options, ctl_bundle_export},
    {"bundle import", "FILE", 1, 1, "take in the logs of such a file",
	"Everything in it is checked as from a peer. What is there already is left as it is: the "
	"same command goes on after an interruption.",
	bundle_import_options, ctl_bundle_import},
    {"bundle look", "FILE", 1, 1, "show what is in such a file, and whether it is whole",
	"Also in what a node kept of a log that was cut back (DATA/cut). No node is needed.", NULL,
	ctl_bundle_look},
    {"prove-fork", "LOG", 1, 1, "write the proof that a log has forked, for whoever would judge",
	"LOG is its name or digest, or its organisation. Reads the node's store; no daemon is "
	"needed.",
	prove_options, ctl_prove_fork},
    {"verify-fork", "FILE", 1, 1, "judge such a proof; the exit status is 0 if it proves a fork",
	"FILE may be - for standard input.", verify_options, ctl_verify_fork},
    {"recover successor", "", 0, 0,
	"begin another log in the place of ours: its key is lost or stolen, or it is disputed",
	"convened must not be running. The root key signs. See Forks and successors in "
	"convenectl(8).",
	successor_options, ctl_recover_successor},
    {"publish", "DIR", 1, 1, "keep logs as files, for a web server or an object store",
	"DIR is a folder that is empty, does not exist, or was made so. Only what is new is "
	"written,\nand whatever was erased is removed. Reads the node's store; no daemon is "
	"needed.",
	publish_options, ctl_publish},
    {"backup", "FILE", 1, 1, "copy the store, whole and consistent, while the daemon runs or not",
	"Keys are not in it, nor what the signer remembers, which belongs in no backup.", NULL,
	ctl_backup},
    {"recover restored", "", 0, 0,
	"say that the store, or the whole machine, was put back to an earlier state",
	"Before the daemon is started, or now. Nothing is sealed until every peer has told "
	"what\nit "
	"holds of this node's log; what is missing here comes from them.",
	recover_options, ctl_recover_restored},
    {"recover log", "", 0, 0, "get this node's whole log from its peers, after the disk was lost",
	"The keys must be there.", recover_options, ctl_recover_log},
    {"reload", "", 0, 0, "have the daemon read its configuration again", NULL, NULL, ctl_reload},
    {"stop", "", 0, 0, "stop the daemon", NULL, NULL, ctl_stop},
    {NULL, NULL, 0, 0, NULL, NULL, NULL, NULL},
};

static const struct program program = {
    .name = CTL_NAME,
    .purpose = "operate a node",
    .commands = commands,
    .options = everywhere,
    .footer = "The manual page is convenectl(8).",
};

int main(int argc, char **argv)
{
	setlocale(LC_CTYPE, "");
	if (crypto_start() != OK) {
		fprintf(stderr, CTL_NAME ": this machine has no source of randomness.\n");
		return EXIT_LOCAL;
	}
	return program_run(&program, argc, argv);
}
