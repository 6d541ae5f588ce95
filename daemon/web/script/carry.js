/* SPDX-License-Identifier: BSD-2-Clause */
/* What waits in the outbox is sent from whatever page of ours is open. */
import { lacking } from './keys.js';
import { send_on } from './outbox.js';
import { read } from './store.js';

if (!await lacking())
	for (const home of await read('homes'))
		if (home.state === 'enrolled')
			send_on(home);
