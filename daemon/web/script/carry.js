/* SPDX-License-Identifier: BSD-2-Clause */
/* A message that was signed and could not be sent goes from whatever page of ours is open; what
 * became of it is asked on the pages where one writes. */
import { lacking } from './keys.js';
import { carry } from './outbox.js';
import { read } from './store.js';

async function carry_all() {
	for (const home of await read('homes'))
		if (home.state === 'enrolled')
			await carry(home);
}

const go = () => carry_all().catch(() => {}); /* it stays here, for the next page */

if (!await lacking()) {
	addEventListener('online', go);
	go();
}
