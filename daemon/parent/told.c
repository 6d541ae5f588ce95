/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/parent/told.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

struct teller {
	_Atomic uint32_t state, read;
	char trouble[TOLD_TEXT];
};

struct told {
	_Atomic uint64_t said; /* what the log has last, as a number; 0: nothing */
	char barred[TOLD_TEXT];
	struct teller tellers[TOLD_PROCESSES_MAX];
};

struct told *told_new(void)
{
	void *at = mmap(
	    NULL, sizeof(struct told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

void told_leave(struct told *t)
{
	if (t)
		munmap(t, sizeof *t);
}

static struct teller *teller_of(struct told *t, unsigned number)
{
	return t && number < TOLD_PROCESSES_MAX ? &t->tellers[number] : NULL;
}

void told_tell(struct told *t, unsigned number, enum told_state state, const char *trouble)
{
	struct teller *p = teller_of(t, number);

	if (!p)
		return;
	snprintf(p->trouble, sizeof p->trouble, "%s", trouble ? trouble : "");
	atomic_store(&p->state, state);
}

void told_read(struct told *t, unsigned number)
{
	struct teller *p = teller_of(t, number);

	if (p)
		atomic_fetch_add(&p->read, 1);
}

void told_gone(struct told *t, unsigned number)
{
	struct teller *p = teller_of(t, number);

	if (p)
		atomic_store(&p->state, TOLD_NONE);
}

void told_barred(struct told *t, const char *trouble)
{
	if (t)
		snprintf(t->barred, sizeof t->barred, "%s", trouble ? trouble : "");
}

bool told_news(struct told *t, const char *trouble)
{
	uint64_t sum = trouble ? 0xcbf29ce484222325 : 0;

	for (const char *p = trouble; p && *p; p++)
		sum = (sum ^ (unsigned char)*p) * 0x100000001b3;
	return !t || atomic_exchange(&t->said, sum) != sum;
}

/* It may change while it is read. */
static void text_take(char out[static TOLD_TEXT], const char text[static TOLD_TEXT])
{
	memcpy(out, text, TOLD_TEXT);
	out[TOLD_TEXT - 1] = '\0';
}

void told_sum(const struct told *t, struct told_sum *out)
{
	*out = (struct told_sum){.serving = 0};
	if (!t)
		return;
	for (unsigned i = 0; i < TOLD_PROCESSES_MAX; i++) {
		const struct teller *p = &t->tellers[i];

		out->serving += atomic_load(&p->state) == TOLD_SERVES;
		out->read += atomic_load(&p->read);
		if (!out->trouble[0])
			text_take(out->trouble, p->trouble);
	}
	if (!out->trouble[0])
		text_take(out->trouble, t->barred);
}
