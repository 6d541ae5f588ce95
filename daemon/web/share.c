/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/web/share.h"

#define FULL 1000000 /* what isn't used adds up to that */
#define OWED (-FULL) /* and what took too long is paid back no longer than from that */

bool share_may(struct share *s, uint64_t now)
{
	uint64_t passed = s->at ? now - s->at : UINT64_MAX;

	if (passed > 100u * FULL)
		s->left = FULL;
	else
		s->left += (int64_t)(passed * s->percent / 100);
	if (s->left > FULL)
		s->left = FULL;
	s->at = now;
	return s->left > 0;
}

void share_took(struct share *s, uint64_t us)
{
	s->left = us > FULL - OWED ? OWED : s->left - (int64_t)us;
	if (s->left < OWED)
		s->left = OWED;
}
