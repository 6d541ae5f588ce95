/* SPDX-License-Identifier: BSD-2-Clause */
/* To our own node and back: POST /gate. */
import { Malformed } from './bytes.js';
import { answer_read } from './frames.js';

/* There was no answer, or none that can be read: nothing is known of what became of the request. */
export class Unreachable extends Error {
	constructor(why) {
		super(why);
		this.name = 'Unreachable';
	}
}

const TIMEOUT_MS = 30000;

/* The answer, unpacked. Refused (frames.js): the node says no. Unreachable: try again later. */
export async function ask(request) {
	let answer;
	try {
		const response = await fetch('/gate', { method: 'POST', body: request, cache: 'no-store', redirect: 'error',
			headers: { 'Content-Type': 'application/x-convene' }, signal: AbortSignal.timeout(TIMEOUT_MS) });
		if (!response.ok || response.headers.get('Content-Type') !== 'application/x-convene')
			throw new Unreachable(`HTTP ${response.status}`);
		answer = new Uint8Array(await response.arrayBuffer());
	} catch (e) {
		throw e instanceof Unreachable ? e : new Unreachable(e.name);
	}
	try {
		return answer_read(request[0], answer);
	} catch (e) {
		if (e instanceof Malformed)
			throw new Unreachable(e.message);
		throw e;
	}
}
