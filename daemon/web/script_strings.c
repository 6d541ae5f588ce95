/* SPDX-License-Identifier: BSD-2-Clause */
/* What scripts say, by the key that they know it by: they get it in the page, in its language.
 * tests/script/test_strings.mjs compares the keys with those that the scripts use. */
#include "daemon/web/write.h"

static const struct {
	const char *key, *text;
} strings[] = {
    /* why this browser can't */
    {"lacks-secure", N_("Keys can only be made on pages that came over HTTPS, and this one did "
			"not. Tell whoever runs this node.")},
    {"lacks-storage",
	N_("This browser can't keep a key here, perhaps since this is a private window. Use an "
	   "ordinary window, or another browser.")},
    {"lacks-ed25519",
	N_("This browser can't make Ed25519 keys. Current versions of Firefox, Chrome, Edge and "
	   "Safari can; so can the program convene.")},
    /* what went wrong */
    {"unreachable", N_("The node can't be reached at the moment.")},
    {"refused", N_("The node says: %s.")},
    {"failed", N_("That did not work: %s.")},
    {"text-is-kept", N_("Your text is kept in this browser.")},
    /* joining */
    {"invite-wanted", N_("Paste the invite that you were given.")},
    {"invite-broken", N_("This is not a whole invite. It is one line that begins with convene://, "
			 "or a link with that in it.")},
    {"invite-elsewhere",
	N_("This invite is from %1$s, for another node. This page belongs to the node of %2$s.")},
    {"invite-used", N_("This invite has been used, or its time is over. Ask the organisation for "
		       "another invite.")},
    {"invite-of", N_("This invite is for %s.")},
    {"join-again", N_("Try again with the same invite: nothing is lost.")},
    {"handle-wanted", N_("Choose the name that others will see.")},
    {"handle-broken", N_("Use no spaces, “@”, “/” or “:”, and not so many letters.")},
    {"handle-taken", N_("%1$s is taken at %2$s, or looks like a name that is. Choose another.")},
    {"languages-broken", N_("These are no language tags. As in: en, fr-CA, zh-Hant, ar")},
    {"too-long", N_("This is too long.")},
    {"welcome", N_("You are %s now.")},
    {"known-here", N_("This browser already speaks for %s.")},
    {"read-on", N_("Read on")},
    {"you", N_("Your key and devices")},
    {"key-persists", N_("Your key is kept in this browser, which has promised to keep it until "
			"you delete it.")},
    /* Translators: %s is the link "add a second device". */
    {"key-may-go", N_("Your key is kept in this browser, which may delete it when space runs out: "
		      "%s soon.")},
    {"add-device", N_("add a second device")},
    {"copied", N_("Copied")},
    {"copy-failed", N_("It could not be copied: it is marked, so copy it by hand.")},
    /* writing */
    {"writing-as", N_("You write as %s.")},
    {"draft-kept", N_("Draft kept in this browser, %s")},
    {"draft-found", N_("This is your draft of %s.")},
    {"draft-not-kept", N_("The draft can't be kept: %s")},
    {"wrote", N_("On %1$s, %2$s wrote:")},
    {"topic-wanted", N_("Choose a topic.")},
    {"title-wanted", N_("A topic needs a title.")},
    {"text-wanted", N_("There is no text yet.")},
    {"only-quoted", N_("There is nothing but the quotation yet.")},
    {"too-large", N_("Text and files together may have %s at most.")},
    {"file-large", N_("%1$s is too large: all together may have %2$s at most.")},
    {"room-left", N_("Room left: %s")},
    {"room-over", N_("Too much by %s")},
    {"remove", N_("Remove")},
    {"remove-part", N_("Remove %s")},
    /* what became of it */
    {"step-waiting", N_("Signed and kept in this browser")},
    {"step-accepted", N_("Accepted by the node")},
    {"step-sealed", N_("Sealed in its log")},
    {"step-anchored", N_("Anchored by other organisations")},
    {"step-anchored-by", N_("Anchored by %s")},
    {"step-done", N_("(done)")},
    {"state-waiting", N_("It is signed and kept in this browser, and on its way.")},
    {"state-offline",
	N_("It is signed and kept in this browser. It will be sent when there is a connection.")},
    {"state-later", N_("It is kept in this browser and will be sent again. The node says: %s.")},
    {"state-accepted", N_("The node has accepted it: it will not be lost there.")},
    {"state-sealed",
	N_("It is sealed: it stands in the node's log for good. This browser keeps a copy "
	   "until other organisations have it.")},
    {"state-anchored", N_("It is anchored, as the charter wants it.")},
    {"state-anchored-by", N_("It is anchored: held, and signed for, by %s as well.")},
    {"state-refused", N_("The node has refused it: %s.")},
    {"advice-enrolled",
	N_("The node doesn't know this browser's key. Ask the organisation for an invite.")},
    {"advice-revoked",
	N_("This browser's key was revoked. Let this browser in anew from another of your "
	   "devices, or ask the organisation.")},
    {"advice-large", N_("Shorten it, or remove files.")},
    {"advice-clock", N_("Set this device's clock right.")},
    {"advice-quota", N_("You have sent much in a short time; it goes on in a while.")},
    {"advice-suspended", N_("Ask the organisation that runs this node.")},
    {"advice-later", N_("Nothing needs to be done.")},
    {"see-message", N_("See the message")},
    {"see-thread", N_("Back to the thread")},
    {"see-topic", N_("Back to the topic")},
    {"see-outbox", N_("Your outbox")},
    {"untitled", N_("(without a title)")},
    {"reply", N_("A reply")},
    /* Translators: %s is the subject of a thread. */
    {"reply-in", N_("Reply in: %s")},
    {"write-again", N_("Make it a draft again")},
    {"drop-refused", N_("Delete it here")},
    {"text", N_("Text")},
    {"drop-draft", N_("Delete the draft")},
    {"damaged", N_("“%s” is damaged in this browser's storage, and can't be sent.")},
    /* devices */
    {"speaks-for", N_("This browser speaks for %s.")},
    {"this-browser", N_("this browser")},
    {"in-force", N_("valid")},
    {"revoked", N_("revoked")},
    {"way-invite", N_("by an invite")},
    {"way-device", N_("by another device of yours")},
    {"way-recovered", N_("recovered by the organisation")},
    {"request-broken",
	N_("This is no device's request. It is one line that begins with convene-device:")},
    {"request-of-another", N_("That device asks to speak for somebody else. Begin again with the "
			      "link above.")},
    {"request-of-this", N_("That is the request of this very browser.")},
    {"compare-wanted", N_("Compare the digits first, and say so here.")},
};

json_t *script_strings(void)
{
	json_t *all = json_object();

	for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
		json_object_set_new(all, strings[i].key, json_string(_(strings[i].text)));
	return all;
}
