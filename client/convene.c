/* SPDX-License-Identifier: BSD-2-Clause */
/* convene: the participants' program. The table below is all of it: it finds the command, checks
 * its words and writes the help. */
#include <locale.h>
#include <stdio.h>
#include <time.h>

#include "base/error.h"
#include "client/cmd.h"
#include "base/language.h"
#include "client/output.h"
#include "client/screen/reader.h"

#define END                         \
	{                           \
		NULL, 0, NULL, NULL \
	}

#define DRAFT_OPTION                                                                \
	{                                                                           \
		"draft", 'd', NULL, "keep it as a draft, and sign and send nothing" \
	}

#define TEXT_OPTIONS                                                                           \
	{"file", 'f', "FILE", "the text from a file; - is standard input"},                    \
	    {"lang", 'l', "TAG", "language of the text, as en or zh-Hant"},                    \
	    {"raw", 0, NULL,                                                                   \
		"keep the text's form (not put into NFC), as for what was written elsewhere"}, \
	    DRAFT_OPTION

#define ATTACH_OPTION                                                                 \
	{                                                                             \
		"attach", 'a', "FILE[:TYPE]",                                         \
		    "send a file along, perhaps with its media type; may be repeated" \
	}

static const struct option_spec join_options[] = {
    {"handle", 'H', "HANDLE", "the name that others see, as alice"},
    {"name", 'n', "NAME", "your name in full"},
    {"group", 'g', "GROUP", "your stakeholder group"},
    {"region", 'r', "REGION", "where you are from"},
    {"language", 'l', "TAG", "a language that you read, as fr; may be repeated"},
    {"passphrase", 'p', NULL, "keep the key under a passphrase"},
    {"offline", 0, NULL, "print a request for the operator instead of redeeming"},
    END,
};

static const struct option_spec threads_options[] = {
    {"limit", 0, "N", "so many threads, at most 1000 (50)"},
    {"skip", 0, "N", "leave out the newest N"},
    END,
};

static const struct option_spec read_options[] = {
    {"all", 'a', NULL, "the whole thread, also when a post in it was named"},
    {"save", 's', "FOLDER", "save the attachments into this folder"},
    END,
};

static const struct option_spec follow_options[] = {
    {"after", 0, "N", "begin behind this arrival number (--json shows them)"},
    END,
};

static const struct option_spec sync_options[] = {
    {"list", 0, NULL, "show what is kept, as of when, and its size"},
    {"drop", 0, "TOPIC", "keep it no longer, and erase what is here of it; may be repeated"},
    {"anew", 0, NULL, "throw the copy away first, and fetch it again"},
    END,
};

static const struct option_spec search_options[] = {
    {"topic", 't', "TOPIC", "in this topic alone"},
    {"limit", 0, "N", "so many posts, at most 10000 (20)"},
    END,
};

static const struct option_spec topic_options[] = {
    {"file", 'f', "FILE", "a description: from a file; - is standard input"},
    {"lang", 'l', "TAG", "language, as en or zh-Hant"},
    {"raw", 0, NULL, "keep the text's form (not put into NFC)"},
    DRAFT_OPTION,
    END,
};

static const struct option_spec post_options[] = {
    {"subject", 's', "SUBJECT", "the thread's title; it is asked for on a terminal"},
    ATTACH_OPTION,
    TEXT_OPTIONS,
    END,
};

static const struct option_spec reply_options[] = {
    {"subject", 's', "SUBJECT", "a subject of its own"},
    ATTACH_OPTION,
    TEXT_OPTIONS,
    {"quote", 'q', NULL, "set the quoted post before a text that comes from a file or a pipe"},
    {"no-quote", 0, NULL, "begin with an empty text in the editor"},
    END,
};

static const struct option_spec amend_options[] = {
    {"subject", 's', "SUBJECT", "another subject, or a topic's title"},
    ATTACH_OPTION,
    {"keep-attachments", 'k', NULL, "with --attach: beside those that are there, not instead"},
    {"no-attachments", 0, NULL, "leave the attachments out"},
    TEXT_OPTIONS,
    END,
};

static const struct option_spec erase_options[] = {
    {"reason", 'r', "wish|law|error", "why: your wish, a law, an error; published"},
    {"yes", 'y', NULL, "don't ask"},
    {"status", 0, NULL, "erase nothing: show which organisations have confirmed an erasure"},
    END,
};

static const struct option_spec outbox_options[] = {
    {"again", 0, "NUMBER|all", "sign a refused message anew, and send it; all: each of them"},
    {"drop", 0, "NUMBER", "throw a refused message away"},
    END,
};

static const struct option_spec verify_options[] = {
    {"receipt", 0, "FILE", "write a receipt that anybody can check, if it is anchored"},
    {"charter", 0, "FILE", "check a receipt by this charter; default: of the forum you are in"},
    END,
};

static const struct option_spec approve_options[] = {
    {"fingerprint", 0, "DIGITS", "those that the new computer shows; nothing is asked then"},
    {"yes", 'y', NULL, "don't ask, and don't compare"},
    END,
};

static const struct option_spec revoke_options[] = {
    {"reason", 'r', "lost|stolen|replaced|left", "why; published"},
    {"yes", 'y', NULL, "don't ask"},
    END,
};

static const struct option_spec audit_options[] = {
    {"accept", 0, "DEVICE", "this device is yours, too: its first 8 digits or more"},
    END,
};

#define WRITING                                                                                    \
	"The text comes from --file, else from standard input, else from your editor ($VISUAL, "   \
	"$EDITOR). It must be UTF-8. While the node is away it is signed and kept all the same, "  \
	"and sent when it can be. A text that can't be sent stays as a draft; an empty one sends " \
	"nothing."

static const char reply_details[] =
    "POST is an id, also of a post that waits in the outbox. The editor begins with the post, "
    "quoted.\n" WRITING;

static const char amend_details[] =
    "OWN-POST is one of your own, or a topic. Attachments stay, unless others are given or "
    "--no-attachments is.\n" WRITING;

static const char erase_details[] =
    "OWN-POST is one of your own posts, topics or amendments; erasing an amendment brings back the "
    "text before it. Every node drops the text; --status, of any post that was erased, shows which "
    "have. "
    "Copies that people made, nodes that are away, backups and exports are out of reach.";

static const struct command commands[] = {
    {"join", "INVITE", 1, 1, "become a participant with an invite",
	"INVITE may be the line of `convene devices add`, for a further computer.\n"
	"With --offline, INVITE is a node's address line, and a line to give to the operator is "
	"printed.\n"
	"Tried again after trouble, it goes on with the same key.",
	join_options, cmd_join},
    {"whoami", "", 0, 0, "show who you are here, and whether the node knows you", NULL, NULL,
	cmd_whoami},
    {"topics", "", 0, 0, "list the topics", NULL, NULL, cmd_topics},
    {"threads", "TOPIC", 1, 1, "list the threads of a topic, newest activity first",
	"TOPIC is an id, its first 8 digits or more, or the whole title.", threads_options,
	cmd_threads},
    {"read", "THREAD|POST", 1, 1, "show a thread, or a post and what answers it",
	"Authors' signatures are checked; what fails is marked, not shown, and ends in exit code "
	"4.",
	read_options, cmd_read},
    {"follow", "[TOPIC]", 0, 1, "show what comes, as it comes",
	"After an interruption it goes on where it was. Ctrl-C ends it.", follow_options,
	cmd_follow},
    {"sync", "[TOPIC...]", 0, -1, "keep topics here, to be read and searched without a connection",
	"Without TOPIC, what is kept is brought up to date; if nothing is kept yet, all topics "
	"that "
	"there are now will be.",
	sync_options, cmd_sync},
    {"search", "WORD...", 1, -1, "find posts in what sync keeps, or else at the node",
	"Every WORD must occur, in the subject, text or names of attachments; case doesn't matter, "
	"and accents only where you write them. Several words in quotes are a phrase, -WORD must "
	"not occur; by:HANDLE@ORG, lang:TAG, since:2026-01-31 and until:2026-02-28 say more.",
	search_options, cmd_search},
    {"topic", "TITLE", 1, 1, "open a topic, where the charter lets you", NULL, topic_options,
	cmd_topic},
    {"post", "TOPIC", 1, 1, "begin a thread", WRITING, post_options, cmd_post},
    {"reply", "POST", 1, 1, "answer a post", reply_details, reply_options, cmd_reply},
    {"amend", "OWN-POST", 1, 1, "change what you wrote", amend_details, amend_options, cmd_amend},
    {"erase", "OWN-POST", 1, 1, "erase what you wrote", erase_details, erase_options, cmd_erase},
    {"drafts", "", 0, 0, "list what was written and not sent", NULL, NULL, cmd_drafts},
    {"drafts show", "DRAFT", 1, 1, "show a draft", NULL, NULL, cmd_drafts_show},
    {"drafts edit", "DRAFT", 1, 1, "go on writing a draft in the editor", NULL, NULL,
	cmd_drafts_edit},
    {"drafts send", "DRAFT", 1, 1, "sign a draft, and send it", NULL, NULL, cmd_drafts_send},
    {"drafts drop", "DRAFT", 1, 1, "throw a draft away", NULL, NULL, cmd_drafts_drop},
    {"outbox", "", 0, 0, "send and list what waits, and list what was refused", NULL,
	outbox_options, cmd_outbox},
    {"devices", "", 0, 0, "list your devices: the keys that speak for you", NULL, NULL,
	cmd_devices},
    {"devices add", "", 0, 0, "print a line for a new computer of yours",
	"There, `convene join LINE` makes a key and a request. The line holds no secret.", NULL,
	cmd_devices_add},
    {"devices approve", "REQUEST", 1, 1, "let the computer in that made this request",
	"REQUEST is the line that `convene join LINE` printed there, or - for standard input. "
	"Compare\nthe digits of the key on both: whoever has it speaks for you.",
	approve_options, cmd_devices_approve},
    {"devices revoke", "[DEVICE]", 0, 1, "end the key of this computer, for good",
	"DEVICE may name it, for certainty. One that is lost only the operator can end.",
	revoke_options, cmd_devices_revoke},
    {"audit", "[IDENTITY]", 0, 1, "read your log, and say what is odd about your keys and messages",
	"IDENTITY is somebody else's at your organisation, 32 digits. Exit code 4 says that\n"
	"something is wrong.",
	audit_options, cmd_audit},
    {"verify", "POST|FILE", 1, 1,
	"check a message without trusting the node, and say what was checked",
	"A FILE is a receipt that --receipt wrote: it is checked by the charter alone, and nobody "
	"is "
	"asked.",
	verify_options, cmd_verify},
    {NULL, NULL, 0, 0, NULL, NULL, NULL, NULL},
};

static const struct option_spec everywhere[] = {
    {"offline", 0, NULL, "don't connect: read what sync keeps"},
    END,
};

static const struct program program = {
    .name = "convene",
    .purpose = "take part in a forum that no single party controls",
    .commands = commands,
    .options = everywhere,
    .offer = convene_offer,
    .alone_fit = reader_fit,
    .alone = reader_run,
    .footer =
	"Alone, on a terminal, convene opens a full-screen reader.\n"
	"Exit codes: 0 done, 1 command line, 2 refused by the node, 3 node not reached, 4 not "
	"verified, 5 not found or ambiguous, 6 trouble with files or keys here, 7 text that "
	"can't be sent.",
};

int main(int argc, char **argv)
{
	setlocale(LC_ALL, "");
	setlocale(LC_NUMERIC, "C"); /* JSON's numbers have points */
	tzset();
	language_start();
	if (crypto_start() != OK) {
		fprintf(stderr, "convene: this system gives no random numbers.\n");
		return EXIT_LOCAL;
	}
	return program_run(&program, argc, argv);
}
