/* SPDX-License-Identifier: BSD-2-Clause */
/* /join and /you: how this browser comes to speak for somebody, and lets another device in
 * (script/join.js, you.js). */
#include "base/error.h"
#include "daemon/web/shell.h"

#define PLAIN "autocapitalize=\"none\" autocorrect=\"off\" spellcheck=\"false\" "

static void trust_link(struct html h, struct request *q)
{
	html(h, "<p class=\"fine\">%s",
	    _("Your key is made in this browser, and nobody else ever gets it."));
	html(h, " <a");
	page_href(h, q, "/help#trust");
	html(h, ">%s", _("What you trust when you write here"));
	html(h, "</a></p>\n");
}

static void profile_add(struct html h)
{
	html(h, "<details id=\"more\">");
	html(h, "<summary>%s</summary>\n", _("More about you, if you like"));
	html(h, "<p class=\"hint\">%s</p>\n",
	    _("Everybody can read it. You may leave out any of it."));
	shell_input_add(
	    h, "name", _("Name"), NULL, "type=\"text\" dir=\"auto\" autocomplete=\"name\"");
	shell_input_add(h, "group", _("Stakeholder group"),
	    _("As in: civil society, technical community, government"),
	    "type=\"text\" dir=\"auto\" autocomplete=\"off\"");
	shell_input_add(
	    h, "region", _("Region"), NULL, "type=\"text\" dir=\"auto\" autocomplete=\"off\"");
	shell_input_add(h, "languages", _("Languages"), _("Tags, as in: en fr ar"),
	    "type=\"text\" dir=\"ltr\" " PLAIN "autocomplete=\"off\"");
	html(h, "</details>\n");
}

static void join_form(struct html h, struct request *q)
{
	struct html_piece from = {bytes_str(web_node(q->web)->conf->node.name)}; /* a host name */

	html(h, "<form id=\"join\" hidden novalidate>\n<p id=\"invite-here\" hidden>");
	html_sentence(h, _("You have an invite from %s."), &from, 1);
	html(h, "</p>\n");
	shell_input_add(h, "invite", _("Invite"),
	    _("A line that begins with convene://, or a link with it. Nothing of it is sent before "
	      "you press the button."),
	    "type=\"text\" dir=\"ltr\" autocomplete=\"off\" " PLAIN);
	html(h, "<p class=\"fine\" id=\"no-invite\">");
	shell_ask(q, h);
	html(h, "</p>\n");
	shell_input_add(h, "handle", _("Handle"),
	    _("The short name that others will see, as in: alice"),
	    "type=\"text\" dir=\"auto\" maxlength=\"64\" autocomplete=\"username\" " PLAIN);
	html(h, "<p class=\"fine\"><bdi id=\"handle-shown\"></bdi></p>\n");
	profile_add(h);
	html(h,
	    "<p class=\"buttons\"><button type=\"submit\" id=\"join-button\" class=\"primary\">%s",
	    _("Join"));
	html(h, "</button></p>\n");
	trust_link(h, q);
	html(h, "</form>\n");
}

/* For who has taken part before: their key is gone, or elsewhere. */
static void again_add(struct html h)
{
	html(h, "<details id=\"again\" hidden>");
	html(h, "<summary>%s</summary>\n",
	    _("You have taken part before, elsewhere or until this browser lost the key?"));
	html(h, "<p>%s</p>\n",
	    _("With another device that still has a key: open “You” there, or use convene "
	      "devices add, and open here "
	      "the link that it shows. Your posts go on under the same name."));
	html(h, "<p>%s</p>\n",
	    _("Without one: ask the organisation to recover you. It makes a line (convenectl "
	      "recover participant), which "
	      "you paste above as an invite. What you write from then on is marked as by a "
	      "recovered key, for ever."));
	html(h, "</details>\n");
}

static void request_add(struct html h)
{
	html(h,
	    "<section id=\"request\" aria-labelledby=\"request-title\" hidden><h2 "
	    "id=\"request-title\">%s",
	    _("Let this browser in"));
	html(h, "</h2>\n");
	html(h, "<p>%s</p>\n",
	    _("This browser has made its key. Now take this request to your other device, or to "
	      "the organisation:"));
	shell_area_add(
	    h, "request-line", _("Request"), NULL, "readonly rows=\"3\" dir=\"ltr\" " PLAIN);
	shell_copy(h, "request-line");
	html(h, "<p>%s</p>\n", _("Whoever lets it in compares these digits with you:"));
	html(h, "<p class=\"digits\"><code id=\"request-digits\" dir=\"ltr\"></code></p>\n");
	html(h, "<p role=\"status\">%s</p>\n",
	    _("This page goes on by itself when that is done. You may close it, and come back."));
	html(h, "</section>\n");
}

void page_join(struct request *q, struct answer *a)
{
	json_t *data = json_object();
	struct page page = PAGE_INIT;
	struct html h;
	int err;

	page.title = _("Join");
	page.script = "join.js";
	page.here = "/join";
	h = page_begin(q, a, &page);
	shell_begin(h, q, _("Join"), "join-title",
	    _("To take part you need a key, and it is made in your browser, so that nobody else "
	      "has it: so the page needs "
	      "scripts."));
	shell_open(h);
	html(h, "<div id=\"known\" class=\"note\" hidden></div>\n");
	join_form(h, q);
	again_add(h);
	request_add(h);
	html(h,
	    "<section id=\"welcome\" aria-labelledby=\"welcome-title\" hidden><h2 "
	    "id=\"welcome-title\">%s",
	    _("Welcome"));
	html(h, "</h2><p id=\"welcome-who\"></p><p id=\"kept\" class=\"fine\"></p>\n");
	html(h, "<p>%s</p>\n", _("Here is your first message, if you like to write one now."));
	html(h, "</section>\n");
	err = data ? shell_form_add(h, q, data, FORM_CHOOSE) : ERR_NOMEM;
	shell_close(h);
	shell_data_add(h, q, "join", data);
	page_end(h, q, &page);
	if (err)
		page_failed(q, a, err);
}

/* ---- /you ---- */

static void devices_add(struct html h)
{
	html(h, "<section aria-labelledby=\"devices-title\"><h2 id=\"devices-title\">%s",
	    _("Your devices"));
	html(h,
	    "</h2><p id=\"devices-error\" role=\"status\"></p>\n<div class=\"wide\" tabindex=\"0\" "
	    "role=\"region\" aria-labelledby=\"devices-title\"><table><thead><tr>");
	html(h, "<th scope=\"col\">%s</th>\n", _("Key"));
	html(h, "<th scope=\"col\">%s</th>\n", _("Added on"));
	html(h, "<th scope=\"col\">%s</th>\n", _("How added"));
	html(h, "<th scope=\"col\">%s</th>\n", _("State"));
	html(h, "</tr></thead><tbody id=\"devices\"></tbody></table></div></section>\n");
}

static void further_add(struct html h)
{
	html(h, "<section aria-labelledby=\"further-title\"><h2 id=\"further-title\">%s",
	    _("Let another device in"));
	html(h, "</h2>\n<ol class=\"how\">\n<li>");
	html(h, "<p>%s</p>\n",
	    _("Open this link in the other browser, or give the other line to convene in a "
	      "terminal. They hold no secret."));
	shell_input_add(h, "device-link", _("Link for a browser"), NULL,
	    "type=\"text\" readonly dir=\"ltr\" " PLAIN);
	shell_copy(h, "device-link");
	shell_input_add(h, "device-line", _("Line for a terminal"), NULL,
	    "type=\"text\" readonly dir=\"ltr\" " PLAIN);
	shell_copy(h, "device-line");
	html(h, "</li>\n<li>");
	shell_area_add(h, "device-request", _("Paste here the request that it shows"),
	    _("A line that begins with convene-device:"),
	    "form=\"device-form\" rows=\"3\" dir=\"ltr\" autocomplete=\"off\" " PLAIN);
	html(h, "</li>\n<li><form id=\"device-form\" novalidate>\n");
	html(h, "<p>%s</p>\n", _("Compare the digits, and let it in."));
	html(h, "<div id=\"device-compare\" hidden>");
	html(h, "<p>%s</p>\n",
	    _("The other device will speak for you. The key in its request begins with"));
	html(h, "<p class=\"digits\"><code id=\"device-digits\" dir=\"ltr\"></code></p>\n<div "
		"class=\"field\">"
		"<p class=\"error\" id=\"device-same-error\" role=\"alert\" hidden></p>"
		"<input type=\"checkbox\" id=\"device-same\" "
		"aria-describedby=\"device-same-error\"> <label for=\"device-same\">");
	html_text(h, _("The other device shows these digits"));
	html(h,
	    "</label></div></div>\n<p class=\"buttons\"><button type=\"submit\" "
	    "id=\"device-in\">%s",
	    _("Let it in"));
	html(h, "</button></p>\n</form>\n</li>\n</ol>\n");
	html(h, "<p id=\"device-done\" role=\"status\" hidden>%s</p>\n",
	    _("It is let in, and finds out by itself."));
	html(h, "</section>\n");
}

static void leave_add(struct html h)
{
	html(h, "<section aria-labelledby=\"leave-title\"><h2 id=\"leave-title\">%s",
	    _("Delete the key"));
	html(h, "</h2>\n");
	html(h, "<p>%s</p>\n",
	    _("On a computer that isn't yours, delete the key when you go. It stays valid; if "
	      "somebody may have used it, "
	      "have it revoked by another device of yours, or by the organisation."));
	html(h, "<p><button type=\"button\" class=\"plain\" id=\"leave\">%s",
	    _("Delete this browser's key"));
	html(h,
	    "</button></p>\n<dialog id=\"leave-dialog\" aria-labelledby=\"leave-question\"><h2 "
	    "id=\"leave-question\">%s",
	    _("Delete the key for good?"));
	html(h, "</h2>");
	html(h, "<p>%s</p>\n",
	    _("Nobody can bring it back. Without another device only the organisation can let you "
	      "in again."));
	html(h, "<p>%s</p>\n",
	    _("Your drafts, and all else that this browser keeps of what you wrote, go with it."));
	html(h, "<p id=\"leave-left\" class=\"error\" hidden>%s</p>\n",
	    _("Some of what you wrote is not safe elsewhere yet; see your outbox."));
	html(h, "<p class=\"buttons\"><button type=\"button\" id=\"leave-no\">%s", _("Keep it"));
	html(h, "</button> <button type=\"button\" class=\"plain\" id=\"leave-yes\">%s",
	    _("Delete it"));
	html(h, "</button></p></dialog></section>\n");
}

void page_keys(struct request *q, struct answer *a)
{
	struct page page = PAGE_INIT;
	struct html h;

	page.title = _("You");
	page.script = "you.js";
	page.here = "/you";
	page.unlisted = true;
	h = page_begin(q, a, &page);
	shell_begin(h, q, _("You"), "you-title",
	    _("Your key is in your browser and in no other place: so the page needs scripts."));
	shell_open(h);
	shell_no_key(q, h);
	html(h, "<div id=\"you\" hidden>\n<p id=\"who\"></p>\n");
	html(h, "<p>%s</p>\n", _("This browser's key begins with"));
	html(h, "<p class=\"digits\"><code id=\"digits\" dir=\"ltr\"></code></p>\n<p "
		"id=\"persists\" class=\"fine\"></p>\n");
	devices_add(h);
	further_add(h);
	leave_add(h);
	html(h, "</div>\n");
	shell_close(h);
	shell_data_add(h, q, "you", NULL);
	page_end(h, q, &page);
}
