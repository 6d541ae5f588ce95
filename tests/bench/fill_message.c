/* SPDX-License-Identifier: BSD-2-Clause */
/* Posts as people would write them: words in the proportions of a language, some replies, some new
 * threads, several authors of whom few write much, times that rise with a little disorder. */
#include "fill.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "msg/content.h"

#define WORDS 8192 /* of each language */
#define RANKS 65536
#define WORD_MAX 40

/* Words are made of these. How often each comes is Zipf's law, so that a packer finds about as much
 * to save as in people's text. */
static const struct {
	const char *tag, *between;
	unsigned share; /* of 100 authors */
	const char *syllables[24];
} languages[] = {
    {"en", " ", 45,
	{"the", "in", "ter", "net", "gov", "er", "nan", "ce", "ment", "pol", "i", "cy", "o", "pen",
	    "ing", "re", "st", "al", "ly", "s", "con", "sen", "sus", "tion"}},
    {"fr", " ", 12,
	{"le", "la", "gou", "ver", "nan", "ce", "de", "l'é", "té", "ment", "ré", "seau", "que",
	    "tion", "li", "bre", "ou", "à", "é", "con", "sen", "sus", "pour", "les"}},
    {"es", " ", 12,
	{"el", "la", "go", "ber", "nan", "za", "de", "in", "ter", "net", "ción", "mun", "dial", "a",
	    "bier", "to", "los", "que", "par", "ti", "ci", "ñ", "o", "res"}},
    {"pt", " ", 8,
	{"o", "a", "go", "ver", "nan", "ça", "da", "in", "ter", "net", "ção", "mun", "di", "al",
	    "a", "ber", "to", "os", "que", "par", "ti", "ci", "pan", "tes"}},
    {"ru", " ", 8,
	{"у", "прав", "ле", "ни", "е", "ин", "тер", "не", "том", "се", "ть", "от", "кры", "то",
	    "сть", "об", "ще", "ство", "и", "на", "по", "ли", "ти", "ка"}},
    {"ar", " ", 7,
	{"ال", "حو", "كم", "ة", "إن", "تر", "نت", "مج", "تمع", "مف", "تو", "ح", "سيا", "سة", "في",
	    "من", "على", "مشا", "رك", "ون", "قرا", "ر", "عا", "لم"}},
    {"zh", "", 8,
	{"互", "联", "网", "治", "理", "的", "参", "与", "者", "开", "放", "政", "策", "社", "会",
	    "共", "识", "是", "在", "我", "们", "，", "对", "话"}},
};
#define LANGUAGES (sizeof languages / sizeof *languages)

static char words[LANGUAGES][WORDS][WORD_MAX];
static uint16_t ranks[RANKS];

/* splitmix64 */
uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint64_t random_at(uint64_t seed, uint64_t what, uint64_t index)
{
	uint64_t state = seed * 3 + what;

	state = random_next(&state) ^ index;
	return random_next(&state);
}

void words_make(uint64_t seed)
{
	for (size_t l = 0; l < LANGUAGES; l++) {
		uint64_t random = random_at(seed, l, 1);

		for (size_t w = 0; w < WORDS; w++) {
			/* The frequent ones are short. */
			unsigned n = 1 + (w > 20) + (w > 200) +
				     (unsigned)(random_next(&random) % 2);

			words[l][w][0] = '\0';
			for (; n > 0; n--)
				strcat(
				    words[l][w], languages[l].syllables[random_next(&random) % 24]);
		}
	}
	for (size_t i = 0; i < RANKS; i++)
		ranks[i] = (uint16_t)(exp((double)i / RANKS * log(WORDS)) - 1);
}

const char *language_tag(unsigned language)
{
	return languages[language].tag;
}

unsigned language_pick(uint64_t random)
{
	unsigned at = (unsigned)(random % 100), language = 0;

	while (language + 1 < LANGUAGES && at >= languages[language].share)
		at -= languages[language++].share;
	return language;
}

void text_add(struct buffer *out, uint64_t *random, unsigned language, size_t len)
{
	const char *between = languages[language].between;
	char *at = (char *)buffer_reserve(out, len), *end = at + len;
	uint64_t bits = 0;

	if (!at)
		return;
	for (unsigned n = 0;; n++) {
		const char *word;
		size_t size, gap = n > 0 ? strlen(between) : 0;

		bits = n % 4 == 0 ? random_next(random) : bits >> 16;
		word = words[language][ranks[bits % RANKS]];
		size = strlen(word);
		if (gap + size + 1 > (size_t)(end - at))
			break;
		memcpy(at, between, gap);
		memcpy(at + gap, word, size);
		at += gap + size;
		if (n % 13 == 12 && end - at > 1)
			*at++ = '.';
	}
	memset(at, '.', (size_t)(end - at));
	out->len += len;
}

size_t author_of(const struct world *w, uint64_t index)
{
	double x = (double)(random_at(w->seed, 101, index) >> 11) / 9007199254740992.0;

	/* Some write ten times as much as others. */
	return (size_t)(x * x * (double)w->author_count);
}

void content_commit(struct header *h, const struct world *w, const uint8_t salt[static SALT_LEN],
    struct bytes content)
{
	h->has_commitment = true;
	h->bucket = bucket_of(content.len);
	commitment_make(h->commitment, &w->binding, h->signer, salt, content);
}

int run_add(struct run *r, const struct header *h, const struct key *key, struct bytes message,
    struct bytes content, const uint8_t salt[static SALT_LEN])
{
	struct made *m = &r->made[r->count];
	size_t length = r->leaves.len;
	int err = OK;

	buffer_add_u16(&r->leaves, 0);
	m->message = r->leaves.len;
	if (key)
		err = message_sign(&r->leaves, &r->world->binding, h, key);
	else
		buffer_add(&r->leaves, message.data, message.len);
	if (err || r->leaves.failed)
		return err ? err : ERR_NOMEM;
	m->message_len = r->leaves.len - m->message;
	put_u16(r->leaves.data + length, (uint16_t)m->message_len);
	message_id(
	    m->id, bytes_of(r->leaves.data + m->message, m->message_len), &r->world->binding);
	memcpy(m->salt, salt, SALT_LEN);
	m->content = r->contents.len;
	m->content_len = content.len;
	buffer_add(&r->contents, content.data, content.len);
	r->count++;
	return r->contents.failed ? ERR_NOMEM : OK;
}

/* The content of a post: `len` bytes in all, however much of it is the subject. */
static int content_make(
    struct buffer *out, uint64_t *random, unsigned language, bool subject, size_t len)
{
	struct buffer text = BUFFER_INIT, title = BUFFER_INIT;
	struct content c = {.memory = NULL};
	size_t over = (len > 127 + 2 ? 3 : 2), title_len = 0;
	int err;

	if (subject) {
		title_len = 20 + random_next(random) % 40;
		over += 2 + title_len;
		text_add(&title, random, language, title_len);
	}
	text_add(&text, random, language, len > over ? len - over : 1);
	c.subject = buffer_bytes(&title);
	c.text = buffer_bytes(&text);
	err = content_encode(out, &c);
	buffer_free(&text);
	buffer_free(&title);
	return err;
}

static const struct open_post *to_answer(const struct run *r, uint64_t random)
{
	size_t near = r->opens_count < 64 ? r->opens_count : 64;

	/* Most answers are to what is new. */
	if (near > 0 && random % 4 != 0)
		return &r->opens[r->opens_count - 1 - (random >> 8) % near];
	if (r->open_count > 0)
		return &r->open[(random >> 8) % r->open_count];
	return NULL;
}

static int post_make(struct run *r, uint64_t index, struct buffer *content)
{
	const struct world *w = r->world;
	size_t who = author_of(w, index);
	const struct author *author = &w->authors[who];
	uint64_t random = random_at(w->seed, 102, index), salt[SALT_LEN / 8];
	unsigned language = random % 10 == 0 ? language_pick(random >> 8) : author->language;
	const struct open_post *to = (random >> 20) % 4 != 0 ? to_answer(r, random >> 24) : NULL;
	uint8_t topic = to ? to->topic : (uint8_t)((random >> 40) % FILL_TOPICS);
	struct header h = {.version = 1,
	    .kind = KIND_POST,
	    .sequence = ++r->sequences[who],
	    .topic = w->topics[topic],
	    .time = w->first_time + index * w->step_ms + random % (1 + 4 * w->step_ms),
	    .lang = bytes_str(language_tag(language))};
	int err;

	memcpy(h.signer, author->key.public, KEY_LEN);
	if (to)
		h.parent = to->ref;
	for (size_t i = 0; i < SALT_LEN / 8; i++)
		salt[i] = random_next(&random);
	buffer_reset(content);
	err = content_make(content, &random, language, !to, w->content_len);
	if (err)
		return err;
	content_commit(&h, w, (const uint8_t *)salt, buffer_bytes(content));
	err = run_add(
	    r, &h, &author->key, bytes_of(NULL, 0), buffer_bytes(content), (const uint8_t *)salt);
	if (!err && r->opens_count < FILL_OPEN) {
		struct open_post *o = &r->opens[r->opens_count++];

		o->topic = topic;
		o->ref = (struct ref){.present = true, .index = index};
		memcpy(o->ref.log, w->binding.digest, DIGEST_LEN);
		memcpy(o->ref.id, r->made[r->count - 1].id, ID_LEN);
	}
	return err;
}

int run_make(struct run *r)
{
	struct buffer content = BUFFER_INIT;
	size_t count = r->count;
	int err = OK;

	r->count = 0;
	for (size_t i = 0; i < count && !err; i++)
		err = post_make(r, r->first + i, &content);
	/* Their place is fixed only now. */
	for (size_t i = 0; i < r->count && !err; i++)
		err = message_parse(
		    bytes_of(r->leaves.data + r->made[i].message, r->made[i].message_len),
		    &r->made[i].header);
	buffer_free(&content);
	return err;
}
