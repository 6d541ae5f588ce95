/* SPDX-License-Identifier: BSD-2-Clause */
#include "client/screen/list.h"

static void fit(struct list *l)
{
	if (l->height == 0)
		l->height = 1;
	if (l->selected >= l->count)
		l->selected = l->count > 0 ? l->count - 1 : 0;
	if (l->top > l->selected)
		l->top = l->selected;
	if (l->selected - l->top >= l->height)
		l->top = l->selected - l->height + 1;
	/* No blank lines below while there are some above. */
	if (l->count > l->height && l->top > l->count - l->height)
		l->top = l->count - l->height;
	if (l->count <= l->height)
		l->top = 0;
}

void list_resize(struct list *l, size_t count, size_t height)
{
	l->count = count;
	l->height = height;
	fit(l);
}

void list_select(struct list *l, size_t at)
{
	l->selected = at;
	fit(l);
}

bool list_move(struct list *l, long by)
{
	size_t before = l->selected, last = l->count > 0 ? l->count - 1 : 0;

	if (by < 0)
		l->selected -= (size_t)-by < l->selected ? (size_t)-by : l->selected;
	else
		l->selected += (size_t)by < last - l->selected ? (size_t)by : last - l->selected;
	fit(l);
	return l->selected != before;
}

void list_inserted(struct list *l, size_t at)
{
	bool first = l->count == 0, above = l->top > 0 || l->selected > 0;

	l->count++;
	/* Who looks at the first line of a list wants to see what comes there. */
	if (!first && at <= l->selected && above) {
		l->selected++;
		l->top++;
	}
	fit(l);
}

bool list_scroll(struct list *l, long by)
{
	size_t before = l->top, most = l->count > l->height ? l->count - l->height : 0;

	if (by < 0)
		l->top -= (size_t)-by < l->top ? (size_t)-by : l->top;
	else if (l->top < most)
		l->top += (size_t)by < most - l->top ? (size_t)by : most - l->top;
	return l->top != before;
}

bool list_at_end(const struct list *l)
{
	return l->top + l->height >= l->count;
}
