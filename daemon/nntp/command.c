/* SPDX-License-Identifier: BSD-2-Clause */
/* Every command that is understood: what it may be given, what it needs, and what HELP says. */
#include "daemon/nntp/session_inside.h"

const struct command commands[] = {
    {"ARTICLE", "[number|<id>]", 0, 1, false, run_article, "an article, whole"},
    {"BODY", "[number|<id>]", 0, 1, false, run_body, "its text"},
    {"CAPABILITIES", "[keyword]", 0, 1, false, run_capabilities, "what this server can do"},
    {"DATE", "", 0, 0, false, run_date, "the time here, in UTC"},
    {"GROUP", "name", 1, 1, false, run_group, "choose a group: a topic of the forum"},
    {"HDR", "field [range|<id>]", 1, 2, false, run_hdr, "a header field of articles"},
    {"HEAD", "[number|<id>]", 0, 1, false, run_head, "an article's header"},
    {"HELP", "", 0, 0, false, run_help, "this text"},
    {"LAST", "", 0, 0, true, run_last, "go to the article before"},
    {"LIST", "[keyword [wildmat|argument]]", 0, 2, false, run_list,
	"ACTIVE, ACTIVE.TIMES, COUNTS, HEADERS, NEWSGROUPS, OVERVIEW.FMT, SUBSCRIPTIONS"},
    {"LISTGROUP", "[name [range]]", 0, 2, false, run_listgroup, "the numbers of its articles"},
    {"MODE", "READER", 1, 1, false, run_mode, "nothing: this server is for readers"},
    {"NEWGROUPS", "date time [GMT]", 2, 3, false, run_newgroups, "groups that came since"},
    {"NEWNEWS", "wildmat date time [GMT]", 3, 4, false, run_newnews, "articles that came since"},
    {"NEXT", "", 0, 0, true, run_next, "go to the article behind"},
    {"OVER", "[range|<id>]", 0, 1, false, run_over, "the overview of articles"},
    {"POST", "", 0, 0, false, run_post, "says where to write; not here"},
    {"QUIT", "", 0, 0, false, run_quit, "end"},
    {"STAT", "[number|<id>]", 0, 1, false, run_stat, "whether an article is here"},
    {"XHDR", "field [range|<id>]", 1, 2, false, run_xhdr, "HDR, as older readers know it"},
    {"XOVER", "[range]", 0, 1, false, run_xover, "OVER, as older readers know it"},
    {"XPAT", "field range|<id> pattern …", 3, ARGUMENTS_MAX, false, run_xpat,
	"articles of which a header field matches"},
    {0},
};
