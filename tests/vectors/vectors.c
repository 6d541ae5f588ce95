/* SPDX-License-Identifier: BSD-2-Clause */
/* A small forum from fixed seeds: one founder, one participant, one message of every kind, byte by
 * byte.
 *
 * Everything in it follows from the seeds, the times and the texts below, so
 * another implementation can make it all again; SPEC.md section 1 quotes it. */
#include "vectors.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/error.h"
#include "log/checkpoint.h"
#include "log/tree.h"
#include "msg/body.h"
#include "msg/content.h"
#include "msg/message.h"
#include "sync/bundle.h"

#define ORGANISATION "isoc.example"
#define TIME_FIRST UINT64_C(1780000000000) /* and a minute later for each further message */
#define ENTRIES_MAX 16

static struct {
	struct key root, log, registrar, cosigner, device, guest;
	uint8_t forum[HASH_LEN], identity[IDENTITY_LEN];
	struct binding binding;
	uint64_t root_sequence, registrar_sequence, device_sequence;
	struct tree_hash leaves[ENTRIES_MAX];
	uint8_t ids[ENTRIES_MAX][ID_LEN];
	struct buffer messages[ENTRIES_MAX], contents[ENTRIES_MAX];
	uint8_t salts[ENTRIES_MAX][SALT_LEN];
	size_t count;
	json_t *out;
} v;

/* Nothing here can fail but for a mistake of ours. */
static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "vectors: %s\n", what);
	abort();
}

#define MUST(call) must((call) == OK, #call)

static void put(json_t *to, const char *name, json_t *value)
{
	must(json_object_set_new(to, name, value) == 0, name);
}

static void put_text(json_t *to, const char *name, struct bytes text)
{
	put(to, name, json_stringn((const char *)text.data, text.len));
}

static void put_number(json_t *to, const char *name, uint64_t number)
{
	put(to, name, json_integer((json_int_t)number));
}

static json_t *hex_of(const void *data, size_t len)
{
	char *hex = malloc(2 * len + 1);
	must(hex != NULL, "memory");
	hex_encode(hex, data, len);
	json_t *text = json_string(hex);
	free(hex);
	return text;
}

static void put_hex(json_t *to, const char *name, struct bytes bytes)
{
	put(to, name, hex_of(bytes.data, bytes.len));
}

/* ---- keys, charter, log name ---- */

static void add_key(
    json_t *to, const char *role, const char *name, uint8_t type, struct key *key, uint8_t fill)
{
	uint8_t seed[32];
	memset(seed, fill, sizeof(seed));
	key_from_seed(key, seed);
	json_t *one = json_object();
	put_hex(one, "seed", bytes_of(seed, sizeof(seed)));
	put_hex(one, "public", bytes_of(key->public, KEY_LEN));
	if (name != NULL) {
		struct verifier verifier;
		char text[VERIFIER_TEXT_MAX + 1];
		MUST(verifier_make(&verifier, bytes_str(name), type, key->public));
		verifier_format(text, &verifier);
		put_text(one, "verifier_key", bytes_str(text));
	}
	put(to, role, one);
}

static void add_keys(void)
{
	json_t *keys = json_object();
	add_key(keys, "root", ORGANISATION, VERIFIER_ED25519, &v.root, 0x01);
	add_key(keys, "log", NULL, 0, &v.log, 0x02); /* its name follows from the forum */
	add_key(keys, "registrar", NULL, 0, &v.registrar, 0x03);
	add_key(
	    keys, "cosigner", ORGANISATION "/cosigner", VERIFIER_COSIGNATURE, &v.cosigner, 0x04);
	add_key(keys, "device", NULL, 0, &v.device, 0x05);
	add_key(keys, "guest_root", "ripe.example", VERIFIER_ED25519, &v.guest, 0x06);
	put(v.out, "keys", keys);
}

static void add_charter(void)
{
	struct verifier root;
	char root_text[VERIFIER_TEXT_MAX + 1];
	MUST(verifier_make(&root, bytes_str(ORGANISATION), VERIFIER_ED25519, v.root.public));
	verifier_format(root_text, &root);

	struct buffer text = BUFFER_INIT, note = BUFFER_INIT;
	buffer_printf(&text,
	    "convene charter v1\n"
	    "name: Example forum\n"
	    "purpose: To show every byte.\n"
	    "admit: 1\n"
	    "topics: participants\n"
	    "anchor: 0 of all\n"
	    "content-limit: 1048576\n"
	    "member: %s\n",
	    root_text);
	buffer_add(&note, text.data, text.len);
	buffer_add_str(&note, "\n");
	MUST(note_sign(&note, buffer_bytes(&text), bytes_str(ORGANISATION), &v.root));
	hash_of(v.forum, text.data, text.len);

	json_t *charter = json_object();
	put_text(charter, "text", buffer_bytes(&text));
	put_text(charter, "note", buffer_bytes(&note));
	put_hex(charter, "forum", bytes_of(v.forum, HASH_LEN));
	put(v.out, "charter", charter);
	buffer_free(&text);
	buffer_free(&note);
}

static void add_log(void)
{
	char name[VERIFIER_NAME_MAX + 1], text[VERIFIER_TEXT_MAX + 1];
	struct verifier verifier;
	MUST(log_name_make(name, v.forum, v.root.public, v.log.public, bytes_str(ORGANISATION), 1));
	MUST(binding_make(&v.binding, v.forum, bytes_str(name)));
	MUST(verifier_make(&verifier, bytes_str(name), VERIFIER_ED25519, v.log.public));
	verifier_format(text, &verifier);

	json_t *log = json_object();
	put_text(log, "name", bytes_str(name));
	put_hex(log, "digest", bytes_of(v.binding.digest, DIGEST_LEN));
	put_text(log, "verifier_key", bytes_str(text));
	put(v.out, "log", log);

	static const char *const domains[] = {"convene/v1/message", "convene/v1/id",
	    "convene/v1/content", "convene/v1/device", "convene/v1/endorse"};
	json_t *bindings = json_object();
	for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
		struct buffer b = BUFFER_INIT;
		binding_add(&b, &v.binding, domains[i]);
		put_hex(bindings, domains[i], buffer_bytes(&b));
		buffer_free(&b);
	}
	put(v.out, "bindings", bindings);
}

/* ---- messages ---- */

struct draft {
	const char *what;
	uint32_t kind;
	const struct key *signer;
	uint64_t *sequence;
	struct buffer body;
	bool has_topic, has_parent;
	size_t topic, parent; /* entries */
	const char *lang;
	const struct content *content; /* NULL: none */
};

static struct ref ref_to(size_t entry, bool hint)
{
	struct ref ref = {.present = true, .index = hint ? entry : 0};
	memcpy(ref.log, v.binding.digest, DIGEST_LEN);
	memcpy(ref.id, v.ids[entry], ID_LEN);
	return ref;
}

static void put_ref(json_t *to, const char *name, const char *index_name, const struct ref *ref)
{
	if (!ref->present)
		return;
	uint8_t bytes[DIGEST_LEN + ID_LEN];
	memcpy(bytes, ref->log, DIGEST_LEN);
	memcpy(bytes + DIGEST_LEN, ref->id, ID_LEN);
	put_hex(to, name, bytes_of(bytes, sizeof(bytes)));
	put_number(to, index_name, ref->index);
}

static json_t *fields_of(const struct header *h)
{
	json_t *f = json_object();
	put_number(f, "version", h->version);
	put_hex(f, "signer", bytes_of(h->signer, KEY_LEN));
	put_number(f, "sequence", h->sequence);
	put_number(f, "kind", h->kind);
	put_ref(f, "topic", "topic_index", &h->topic);
	put_ref(f, "parent", "parent_index", &h->parent);
	put_number(f, "time", h->time);
	if (h->lang.len > 0)
		put_text(f, "lang", h->lang);
	if (h->has_commitment) {
		put_hex(f, "commitment", bytes_of(h->commitment, HASH_LEN));
		put_number(f, "bucket", h->bucket);
	}
	if (h->body.len > 0)
		put_hex(f, "body", h->body);
	return f;
}

/* Encode and commit to the content; `salt` is the entry's index plus 0x80, 32 times. */
static void add_content(json_t *one, struct header *h, const struct content *content)
{
	uint8_t salt[SALT_LEN], be[8];
	struct buffer bytes = BUFFER_INIT, input = BUFFER_INIT;
	memset(salt, 0x80 + (int)v.count, sizeof(salt));
	MUST(content_encode(&bytes, content));
	commitment_make(h->commitment, &v.binding, h->signer, salt, buffer_bytes(&bytes));
	h->has_commitment = true;
	h->bucket = bucket_of(bytes.len);
	MUST(content_check(h, &v.binding, salt, buffer_bytes(&bytes)));

	put_u64(be, bytes.len);
	binding_add(&input, &v.binding, "convene/v1/content");
	buffer_add(&input, h->signer, KEY_LEN);
	buffer_add(&input, salt, sizeof(salt));
	buffer_add(&input, be, sizeof(be));
	buffer_add(&input, bytes.data, bytes.len);
	put_hex(one, "salt", bytes_of(salt, sizeof(salt)));
	put_hex(one, "content", buffer_bytes(&bytes));
	put_hex(one, "committed", buffer_bytes(&input));
	memcpy(v.salts[v.count], salt, SALT_LEN);
	v.contents[v.count] = bytes;
	buffer_free(&input);
}

static void add_message(json_t *messages, struct draft *d)
{
	struct header h = {.version = 1, .sequence = ++*d->sequence, .kind = d->kind};
	struct buffer input = BUFFER_INIT, *m = &v.messages[v.count];
	json_t *one = json_object();
	must(v.count < ENTRIES_MAX, "too many entries");
	put_number(one, "index", v.count);
	put_text(one, "what", bytes_str(d->what));

	memcpy(h.signer, d->signer->public, KEY_LEN);
	if (d->has_topic)
		h.topic = ref_to(d->topic, true);
	if (d->has_parent)
		h.parent = ref_to(d->parent, true);
	h.time = TIME_FIRST + v.count * 60000;
	if (d->lang != NULL)
		h.lang = bytes_str(d->lang);
	h.body = buffer_bytes(&d->body);
	if (d->content != NULL)
		add_content(one, &h, d->content);
	MUST(message_sign(m, &v.binding, &h, d->signer));
	MUST(message_verify(buffer_bytes(m), &v.binding, h.signer));
	message_id(v.ids[v.count], buffer_bytes(m), &v.binding);
	leaf_hash(&v.leaves[v.count], buffer_bytes(m));

	struct bytes header = bytes_of(m->data, m->len - SIG_LEN);
	binding_add(&input, &v.binding, "convene/v1/message");
	buffer_add(&input, header.data, header.len);
	put(one, "fields", fields_of(&h));
	put_hex(one, "header", header);
	put_hex(one, "signed", buffer_bytes(&input));
	put_hex(one, "signature", bytes_of(m->data + header.len, SIG_LEN));
	put_hex(one, "id", bytes_of(v.ids[v.count], ID_LEN));
	put_hex(one, "leaf_hash", bytes_of(v.leaves[v.count].bytes, HASH_LEN));
	must(json_array_append_new(messages, one) == 0, "memory");
	v.count++;
	buffer_free(&input);
	buffer_free(&d->body);
}

static void add_node(json_t *messages)
{
	struct draft d = {.what = "NODE: the credential",
	    .kind = KIND_NODE,
	    .signer = &v.root,
	    .sequence = &v.root_sequence,
	    .body = BUFFER_INIT};
	struct node_body b = {.serial = 1, .tls_pin_count = 1};
	memcpy(b.log_key, v.log.public, KEY_LEN);
	memcpy(b.registrar_key, v.registrar.public, KEY_LEN);
	MUST(verifier_make(&b.cosigner, bytes_str(ORGANISATION "/cosigner"), VERIFIER_COSIGNATURE,
	    v.cosigner.public));
	hash_of(b.tls_pins[0], "tls", 3);
	MUST(node_body_encode(&d.body, &b));
	add_message(messages, &d);
}

static void add_enrol(json_t *messages)
{
	const struct bytes languages[] = {bytes_str("en"), bytes_str("fr")};
	struct content profile = {.profile = {.present = true,
				      .handle = bytes_str("alice"),
				      .name = bytes_str("Alice Example"),
				      .group = bytes_str("civil society"),
				      .region = bytes_str("Africa"),
				      .languages = languages,
				      .language_count = 2}};
	struct draft d = {.what = "ENROL: alice's device, with her profile",
	    .kind = KIND_ENROL,
	    .signer = &v.registrar,
	    .sequence = &v.registrar_sequence,
	    .body = BUFFER_INIT,
	    .content = &profile};
	struct enrol_body b = {0};
	memcpy(b.identity, v.identity, IDENTITY_LEN);
	memcpy(b.device_key, v.device.public, KEY_LEN);
	device_sign(
	    b.device_signature, DEVICE_DOMAIN, &v.binding, b.identity, b.device_key, 0, &v.device);
	MUST(enrol_body_encode(&d.body, &b));
	add_message(messages, &d);
}

static void add_post(json_t *messages, const char *what, uint32_t kind,
    const struct content *content, const char *lang, int topic, int parent)
{
	struct draft d = {.what = what,
	    .kind = kind,
	    .signer = &v.device,
	    .sequence = &v.device_sequence,
	    .body = BUFFER_INIT,
	    .lang = lang,
	    .content = content,
	    .has_topic = topic >= 0,
	    .has_parent = parent >= 0,
	    .topic = (size_t)topic,
	    .parent = (size_t)parent};
	add_message(messages, &d);
}

static void add_amend(json_t *messages, size_t target, const struct content *content)
{
	struct draft d = {.what = "AMEND: the post, corrected",
	    .kind = KIND_AMEND,
	    .signer = &v.device,
	    .sequence = &v.device_sequence,
	    .body = BUFFER_INIT,
	    .lang = "en",
	    .content = content};
	struct target_body b = {.target = ref_to(target, false)};
	MUST(amend_body_encode(&d.body, &b));
	add_message(messages, &d);
}

static void add_erase(json_t *messages, size_t target)
{
	struct draft d = {.what = "ERASE: the reply, by its author",
	    .kind = KIND_ERASE,
	    .signer = &v.device,
	    .sequence = &v.device_sequence,
	    .body = BUFFER_INIT};
	struct target_body b = {.target = ref_to(target, false), .reason = 1};
	MUST(erase_body_encode(&d.body, &b));
	add_message(messages, &d);
}

static void add_admit(json_t *messages)
{
	struct draft d = {.what = "ADMIT: ripe.example",
	    .kind = KIND_ADMIT,
	    .signer = &v.root,
	    .sequence = &v.root_sequence,
	    .body = BUFFER_INIT};
	struct admit_body b = {.name = bytes_str("ripe.example")};
	memcpy(b.root_key, v.guest.public, KEY_LEN);
	MUST(admit_body_encode(&d.body, &b));
	add_message(messages, &d);
}

static void add_revoke(json_t *messages)
{
	struct draft d = {.what = "REVOKE: alice's device, replaced",
	    .kind = KIND_REVOKE,
	    .signer = &v.registrar,
	    .sequence = &v.registrar_sequence,
	    .body = BUFFER_INIT};
	struct revoke_body b = {.reason = 3};
	memcpy(b.device_key, v.device.public, KEY_LEN);
	MUST(revoke_body_encode(&d.body, &b));
	add_message(messages, &d);
}

static void add_messages(void)
{
	const struct content topic = {.subject = bytes_str("Between the meetings"),
	    .text = bytes_str("What can't wait a year.\n")};
	const struct content_part part = {
	    bytes_str("draft.txt"), bytes_str("text/plain; charset=utf-8"), bytes_str("Draft.\n"), 0};
	const struct content post = {.subject = bytes_str("A first draft"),
	    .text = bytes_str("Please read the draft by Friday.\n"),
	    .parts = &part,
	    .part_count = 1};
	const struct content amended = {.subject = bytes_str("A first draft"),
	    .text = bytes_str("Please read the draft by Monday.\n"),
	    .parts = &part,
	    .part_count = 1};
	struct content_mention mention = {.name = bytes_str("@alice")};
	struct content reply = {.text = bytes_str("D'accord, @alice. \xc3\x80 lundi\xc2\xa0!\n"),
	    .mentions = &mention,
	    .mention_count = 1};
	memcpy(mention.log, v.binding.digest, DIGEST_LEN);
	memcpy(mention.identity, v.identity, IDENTITY_LEN);

	json_t *messages = json_array();
	add_node(messages);
	add_enrol(messages);
	add_post(messages, "TOPIC", KIND_TOPIC, &topic, "en", -1, -1);
	add_post(messages, "POST: starts a thread", KIND_POST, &post, "en", 2, -1);
	add_post(messages, "POST: a reply", KIND_POST, &reply, "fr", 2, 3);
	add_amend(messages, 3, &amended);
	add_erase(messages, 4);
	add_admit(messages);
	add_revoke(messages);
	put(v.out, "messages", messages);
}

/* ---- tree ---- */

/* Straight from the definition in 9.1, so that lib/log is checked by it rather than quoted. */
static void root_of(uint8_t out[static HASH_LEN], const struct tree_hash *leaves, size_t count)
{
	if (count == 1) {
		memcpy(out, leaves[0].bytes, HASH_LEN);
		return;
	}
	size_t split = 1;
	while (split * 2 < count)
		split *= 2;
	uint8_t node[1 + 2 * HASH_LEN] = {1};
	root_of(node + 1, leaves, split);
	root_of(node + 1 + HASH_LEN, leaves + split, count - split);
	hash_of(out, node, sizeof(node));
}

/* Straight from 9.3: the hashes of what lies outside [a, b), left to right. */
static void range_proof(json_t *to, size_t first, size_t count, size_t a, size_t b)
{
	if (first >= a && first + count <= b)
		return;
	if (first >= b || first + count <= a) {
		uint8_t hash[HASH_LEN];
		root_of(hash, v.leaves + first, count);
		must(json_array_append_new(to, hex_of(hash, HASH_LEN)) == 0, "memory");
		return;
	}
	size_t split = 1;
	while (split * 2 < count)
		split *= 2;
	range_proof(to, first, split, a, b);
	range_proof(to, first + split, count - split, a, b);
}

static void add_tree(void)
{
	json_t *roots = json_object();
	for (size_t size = 1; size <= v.count; size++) {
		uint8_t root[HASH_LEN];
		char name[24];
		root_of(root, v.leaves, size);
		snprintf(name, sizeof(name), "%zu", size);
		put_hex(roots, name, bytes_of(root, HASH_LEN));
	}
	put(v.out, "roots", roots);

	json_t *proof = json_object(), *hashes = json_array();
	range_proof(hashes, 0, v.count, 2, 4);
	put_number(proof, "first", 2);
	put_number(proof, "end", 4);
	put_number(proof, "size", v.count);
	put(proof, "hashes", hashes);
	put(v.out, "range_proof", proof);
}

static void add_checkpoint(void)
{
	struct checkpoint c = {.size = v.count};
	struct buffer text = BUFFER_INIT, note = BUFFER_INIT, line = BUFFER_INIT,
		      frontier = BUFFER_INIT;
	const uint64_t seconds = 1780000000;
	strcpy(c.origin, v.binding.log_name);
	root_of(c.root, v.leaves, v.count);
	MUST(checkpoint_text(&text, &c));
	MUST(checkpoint_sign(&note, &c, &v.log));
	MUST(note_cosign(
	    &line, buffer_bytes(&text), bytes_str(ORGANISATION "/cosigner"), &v.cosigner, seconds));
	put_text(v.out, "checkpoint", buffer_bytes(&note));

	json_t *cosignature = json_object();
	buffer_reset(&note);
	buffer_printf(
	    &note, "cosignature/v1\ntime %llu\n%s", (unsigned long long)seconds, buffer_str(&text));
	put_number(cosignature, "time", seconds);
	put_text(cosignature, "signed", buffer_bytes(&note));
	put_text(cosignature, "line", buffer_bytes(&line));
	put(v.out, "cosignature", cosignature);

	uint8_t hash[HASH_LEN];
	buffer_add(&frontier, "convene/v1/frontier", 20); /* with its NUL */
	buffer_add(&frontier, v.binding.digest, DIGEST_LEN);
	buffer_add_u64(&frontier, c.size);
	buffer_add(&frontier, c.root, HASH_LEN);
	hash_of(hash, frontier.data, frontier.len);
	put_hex(v.out, "frontier", bytes_of(hash, HASH_LEN));
	buffer_free(&text);
	buffer_free(&note);
	buffer_free(&line);
	buffer_free(&frontier);
}

/* ---- a bundle of all of it ---- */

static struct buffer bundle_leaves;

static int bundle_data(
    void *ctx, size_t part, uint64_t first, size_t count, const Convene__Data **out)
{
	static Convene__Data m = CONVENE__DATA__INIT;

	must(part == 0 && first == 0 && count == v.count, "one DATA");
	buffer_reset(&bundle_leaves);
	for (size_t i = 0; i < v.count; i++)
		leaves_add(&bundle_leaves, buffer_bytes(&v.messages[i]));
	m.leaves = pb_of(buffer_bytes(&bundle_leaves));
	m.checkpoint = pb_of(buffer_bytes(ctx));
	*out = &m;
	return OK;
}

/* The reply was erased. */
static int bundle_content(
    void *ctx, size_t part, uint64_t index, uint8_t salt[static SALT_LEN], struct buffer *out)
{
	(void)ctx;
	(void)part;
	if (index == 4)
		return ERR_REFUSED;
	memcpy(salt, v.salts[index], SALT_LEN);
	buffer_add(out, v.contents[index].data, v.contents[index].len);
	return OK;
}

static struct buffer bundle_bytes;

static int bundle_take(void *ctx, struct bytes bytes)
{
	(void)ctx;
	buffer_add(&bundle_bytes, bytes.data, bytes.len);
	return OK;
}

static void add_bundle(void)
{
	struct checkpoint c = {.size = v.count};
	struct verifier key;
	struct buffer note = BUFFER_INIT;
	struct bundle_part part = {
	    &v.binding, &key, buffer_bytes(&v.messages[0]), 0, v.count, {0}};
	const struct bundle_source source = {&note, bundle_data, bundle_content, bundle_take};
	struct bundle_counts counts;

	strcpy(c.origin, v.binding.log_name);
	root_of(c.root, v.leaves, v.count);
	memcpy(part.root, c.root, HASH_LEN);
	MUST(checkpoint_sign(&note, &c, &v.log));
	MUST(verifier_make(
	    &key, bytes_str(v.binding.log_name), VERIFIER_ED25519, v.log.public));
	MUST(bundle_write(&source, v.forum, "", &part, 1, true, &counts));
	put_hex(v.out, "bundle", buffer_bytes(&bundle_bytes));
	buffer_free(&bundle_bytes);
	buffer_free(&bundle_leaves);
	buffer_free(&note);
}

/* ---- packed contents ---- */

/* As one packer made them (libzstd 1.5.4): another's are as good, and all unpack these. */
static void add_packed(void)
{
	static const struct {
		const char *data, *packed;
	} pieces[] = {
	    {"Who keeps the record between two meetings? All of us do.",
		"28b52ffd0038c0010057686f206b6565707320746865207265636f726420626574776565"
		"6e2074776f206d656574696e67733f20416c6c206f6620757320646f2e"},
	    {"All of us keep the record between the meetings.",
		"cc0000806b6565706865206d656574696e67732e020040f804db0402"},
	    {"The record, then, is kept by all of us between two meetings.",
		"0c0100b0542c207468656e2c206973206b65707420627920612e03007c50e0099a47a1ae"},
	};
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
		json_t *one = json_object();

		put_text(one, "data", bytes_str(pieces[i].data));
		put_text(one, "packed", bytes_str(pieces[i].packed));
		must(json_array_append_new(list, one) == 0, "memory");
	}
	put(v.out, "packed", list);
}

/* ---- what must be refused ---- */

/* Headers that differ from a well-formed one in one thing, all of it behind the kind. */
#define TIME "\x48\x01"
#define LANG       \
	"\x52\x02" \
	"en"
#define TAIL(why, bytes)                      \
	{                                     \
		why, bytes, sizeof(bytes) - 1 \
	}

static void add_refused(void)
{
	static const struct {
		const char *why, *tail;
		size_t len;
	} cases[] = {
	    TAIL(NULL, TIME LANG), /* the well-formed one */
	    TAIL("field 14 is not in the schema", TIME LANG "\x70\x01"),
	    TAIL("field 13 is there and empty", TIME LANG "\x6a\x00"),
	    TAIL("field 10 repeats", TIME LANG LANG),
	    TAIL("field 9 comes after field 10", LANG TIME),
	    TAIL("a topic_index without a topic", "\x30\x02" TIME LANG),
	    TAIL("a bucket without a commitment", TIME LANG "\x60\x01"),
	    TAIL("an underscore in the language", TIME "\x52\x02"
						       "e_"),
	    TAIL("the varint of the time is longer than needed", "\x48\x81\x00" LANG),
	    TAIL("the time has wire type 1", "\x49\x01\x00\x00\x00\x00\x00\x00\x00" LANG),
	    TAIL("the time is zero", "\x48\x00" LANG),
	    TAIL("the time is missing", LANG),
	    TAIL("the language is cut off", TIME "\x52\x03"
						 "en"),
	};
	json_t *refused = json_array();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buffer header = BUFFER_INIT;
		buffer_add(&header, "\x08\x01\x12\x20", 4);
		buffer_add(&header, v.device.public, KEY_LEN);
		buffer_add(&header, "\x18\x07\x20\x06", 4);
		buffer_add(&header, cases[i].tail, cases[i].len);
		if (cases[i].why == NULL) {
			put_hex(v.out, "well_formed_header", buffer_bytes(&header));
		} else {
			json_t *one = json_object();
			put_text(one, "why", bytes_str(cases[i].why));
			put_hex(one, "header", buffer_bytes(&header));
			must(json_array_append_new(refused, one) == 0, "memory");
		}
		buffer_free(&header);
	}
	put(v.out, "malformed_headers", refused);
}

char *vectors_make(void)
{
	memset(&v, 0, sizeof(v));
	MUST(crypto_start());
	v.out = json_object();
	memset(v.identity, 0x0a, IDENTITY_LEN);
	put_text(v.out, "about",
	    bytes_str("convene protocol version 1; bytes are hexadecimal; see README and SPEC.md"));
	add_keys();
	add_charter();
	add_log();
	add_messages();
	add_tree();
	add_checkpoint();
	add_refused();
	add_bundle();
	add_packed();

	char *dump = json_dumps(v.out, JSON_INDENT(1) | JSON_PRESERVE_ORDER | JSON_ENSURE_ASCII);
	must(dump != NULL, "memory");
	size_t len = strlen(dump);
	char *text = realloc(dump, len + 2);
	must(text != NULL, "memory");
	memcpy(text + len, "\n", 2);
	json_decref(v.out);
	for (size_t i = 0; i < v.count; i++) {
		buffer_free(&v.messages[i]);
		buffer_free(&v.contents[i]);
	}
	return text;
}
