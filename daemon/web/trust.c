/* SPDX-License-Identifier: BSD-2-Clause */
/* What it means to trust a page that was served: /help#trust. */
#include "daemon/web/write.h"

const char *const trust_paragraphs[] = {
    N_("When you write here, your key is made in your browser and stays in it. The node never "
       "gets it, and nobody can read it out, not even the scripts of these pages: they can only "
       "have it sign. What you write is signed in your browser before it is sent."),
    N_("But these pages and their scripts come from the node. Whoever runs it, or breaks into it, "
       "could send you other ones, which show you one text and sign another, or sign something "
       "that you never wrote, for as long as you have the page open. So when you write in the "
       "browser you trust the organisation whose page this is, as you do with any web site that "
       "you log in to. It can't do so unseen for long: what is signed with your key stands in a "
       "public log, and every node shows it."),
    N_("The same holds for reading: a node could leave something out of its pages, or show you a "
       "page "
       "that others don't get. It can't change or invent what others have signed without "
       "being found out: read the same message at another node, whose address differs and whose "
       "path is the same, or check the signed message and its proof, which each message's page "
       "links to."),
    N_("If you would rather not trust pages, use the program convene in a terminal. It comes "
       "from your system's packages and not from the node, keeps its key in a file of yours, and "
       "checks everything that it shows. It can be a second device of yours, beside this "
       "browser."),
    N_("No page here loads anything from elsewhere, sets a cookie, or is told who you are while "
       "you read. If you take part, this browser keeps your key, your drafts and what you "
       "have signed until it is safe with others; nothing else."),
    N_("What you signed without a connection is sent from the next page that you open, whichever "
       "that is. With it the node sees that its author reads that page."),
    NULL,
};
