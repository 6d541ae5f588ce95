/* SPDX-License-Identifier: BSD-2-Clause */
/* Signed messages on their way: kept here before their first byte leaves, sent again as the same
 * bytes, and kept until other organisations have them (anchored).
 *
 *	waiting -> accepted -> sealed -> anchored		refused: stays until its author looks at it
 *
 * Signing is one tab's at a time, and so is sending: sequences rise, and the node sees them in order. */
import { equal, hex, unhex } from './bytes.js';
import { KIND, commitment, content_seal, header_parse, message_make, message_split, target_body } from './codec.js';
import { CODE, Refused, STATUS, outcomes_of, proof_get, receipt_cosigners, signer_get, submit } from './frames.js';
import { ask } from './gate.js';
import { sign, where_of } from './keys.js';
import { change, changed, locked, read, settled } from './store.js';

const BATCH_BYTES = 1900000, BATCH_COUNT = 50, ANCHORED_KEPT = 50;
/* Refusals that may end by themselves: the message stays, and is sent again. WRONG_LOG: a successor
 * that this page does not know of; keys.js learns of it on the next one that is filled by scripts. */
const PASSING = [CODE.NOT_FIRST, CODE.BUSY, CODE.QUOTA, CODE.TIMEOUT, CODE.READ_ONLY, CODE.SHUTTING_DOWN, CODE.INTERNAL,
	CODE.IN_THE_FUTURE, CODE.WRONG_LOG];

/* ---- keeping ---- */

/* Sign the next message and keep it. `h`: kind, topic, parent, lang…; `content`: null, of an ERASE; `about`: what
 * lists show. */
export async function keep(home_id, h, content, about) {
	return locked(`sign:${home_id}`, async () => {
		const home = await read('homes', home_id), where = where_of(home);
		if (!home.sure)
			await learn(home);
		const sequence = home.sequence + 1, time = Date.now();
		const { salt, fields } = content ? await content_seal(where, home.public, content) : { salt: new Uint8Array(0), fields: {} };
		const { message, id } = await message_make(where, { version: 1, signer: home.public, sequence, time, ...h, ...fields },
			(bytes) => sign(home, bytes));
		const kept = { home: home.id, log: home.log, sequence, id: hex(id), message, salt, content: content ?? salt, state: 'waiting', time,
			about, code: 0, text: '', index: 0, cosigners: [] };
		await change(['homes', 'outbox'], async (homes, outbox) => {
			const now = await settled(homes.get(home.id));
			/* Whoever has signed meanwhile has not held the lock: that is a fault of ours. */
			if (now.sequence !== home.sequence || now.log !== home.log)
				throw new Error('the sequence has changed while a message was signed');
			now.sequence = sequence;
			await settled(homes.put(now));
			await settled(outbox.add(kept));
		});
		changed('outbox');
		return kept;
	});
}

/* The node's word on the highest sequence that it has accepted; offline the one kept here has to do. */
async function learn(home) {
	try {
		const signer = await ask(signer_get(home.public, false));
		if (equal(signer.identity, home.identity))
			await sequence_raise(home, signer.sequence);
	} catch { /* what is refused for it later is signed again */ }
}

async function sequence_raise(home, least) {
	await change(['homes'], async (homes) => {
		const now = await settled(homes.get(home.id));
		Object.assign(now, { sequence: Math.max(now.sequence, least), sure: true });
		await settled(homes.put(now));
		Object.assign(home, { sequence: now.sequence, sure: true });
	});
}

export async function list(home) {
	return (await read('outbox')).filter((kept) => kept.home === home.id);
}

const key_of = (kept) => [kept.home, kept.log, kept.sequence];

/* Write down what became of one that is still there. */
async function note(kept, what) {
	await change(['outbox'], async (outbox) => {
		const now = await settled(outbox.get(key_of(kept)));
		if (now) {
			Object.assign(now, what);
			await settled(outbox.put(now));
			Object.assign(kept, what);
		}
	});
	changed('outbox');
}

export async function forget(kept) {
	await change(['outbox'], (outbox) => settled(outbox.delete(key_of(kept))));
	changed('outbox');
}

/* ---- sending ---- */

/* Under a later sequence, or in the log's successor: another id, so only one that the node has refused
 * for its sequence, or that was signed for another log. It goes on as a new message. */
async function again(home, kept) {
	const h = header_parse(message_split(kept.message).header);
	const { kind, topic, topic_index, parent, parent_index, lang, body } = h;
	const content = kept.content.length > 0 ? kept.content : null;
	const now = await keep(home.id, { kind, topic, topic_index, parent, parent_index, lang, body }, content, kept.about);
	await forget(kept);
	return now;
}

/* The first ones that fit into a frame; one alone always does. */
function batch_of(waiting) {
	let bytes = 0, count = 0;
	while (count < Math.min(waiting.length, BATCH_COUNT)) {
		bytes += waiting[count].message.length + waiting[count].content.length + 200;
		if (count > 0 && bytes > BATCH_BYTES)
			break;
		count++;
	}
	return waiting.slice(0, count);
}

async function settle(home, kept, outcome) {
	const states = { [STATUS.ACCEPTED]: 'accepted', [STATUS.SEALED]: 'sealed', [STATUS.ANCHORED]: 'sealed' };
	if (states[outcome.status])
		return note(kept, { state: states[outcome.status], index: outcome.index, code: 0, text: '' });
	if (outcome.code === CODE.SEQUENCE) {
		const signer = await ask(signer_get(home.public, false));
		await sequence_raise(home, signer.sequence);
		return again(home, kept);
	}
	if (outcome.code === CODE.NOT_FIRST)
		return undefined;
	return note(kept, { state: PASSING.includes(outcome.code) ? 'waiting' : 'refused', code: outcome.code, text: outcome.text });
}

async function anchored(kept, where) {
	const proof = await ask(proof_get(unhex(kept.id)));
	if (!equal(proof.message, kept.message))
		throw new Error('the proof of another message');
	const cosigners = proof.receipt.length > 0 ? receipt_cosigners(proof.receipt, where.log) : [];
	if (proof.status === STATUS.ANCHORED)
		await note(kept, { state: 'anchored', cosigners });
}

/* Of what is safe elsewhere the newest stay, to be looked at. */
async function tidy(all) {
	for (const kept of all.filter((one) => one.state === 'anchored').sort((a, b) => b.time - a.time).slice(ANCHORED_KEPT))
		await forget(kept);
}

/* Send these, as few frames as they fit into, and write down what the node says. */
async function submit_all(home, unsealed) {
	while (unsealed.length > 0) {
		const batch = batch_of(unsealed);
		unsealed.splice(0, batch.length);
		const outcomes = outcomes_of(await ask(submit(where_of(home), batch)), batch.map((kept) => unhex(kept.id)));
		for (const [i, kept] of batch.entries())
			await settle(home, kept, outcomes[i]);
		if (outcomes.some((o) => o.status === STATUS.REFUSED))
			break;
	}
}

async function round(home) {
	const all = await list(home);
	for (const kept of all.filter((one) => one.log !== home.log && ['waiting', 'accepted'].includes(one.state)))
		await again(home, kept);
	await tidy(all);
	const where = where_of(home), here = all.filter((one) => one.log === home.log);
	await submit_all(home, here.filter((one) => one.state === 'waiting' || one.state === 'accepted'));
	for (const kept of here.filter((one) => one.state === 'sealed'))
		await anchored(kept, where).catch((e) => {
			if (!(e instanceof Refused))
				throw e;
		});
}

/* One round: send what waits, and ask after what is on its way. Returns what is not anchored yet;
 * Unreachable when there is no connection. */
export async function send(home) {
	await locked(`send:${home.id}`, () => round(home));
	return (await list(home)).filter((one) => !['anchored', 'refused'].includes(one.state));
}

/* From a page that is read: what the node has never answered is sent, and no more is asked. Every
 * request of the outbox tells the node who reads here, so there is none for what it has answered. */
export const unanswered = (all) => (all.some((one) => one.state === 'waiting' && one.code) ? []
	: all.filter((one) => one.state === 'waiting'));

export function carry(home) {
	return locked(`send:${home.id}`, async () => submit_all(home, unanswered((await list(home)).filter((one) => one.log === home.log))));
}

/* Rounds until all is anchored, at growing intervals, and at once when there is a connection again.
 * `told` is called after each with whether the node could be reached. One loop for each page, however
 * often this is called. */
let loop = null;

function loop_make(home) {
	const listeners = new Set();
	let timer = 0, pause = 500, busy = false, more = false;
	async function go() {
		clearTimeout(timer);
		if (busy) {
			more = true;
			return;
		}
		busy = true;
		let reached = true;
		try {
			const left = await send(home);
			pause = left.length === 0 ? 0 : Math.min(pause * 1.5, left.every((one) => one.state === 'sealed') ? 60000 : 5000);
		} catch (e) {
			/* An answer that can't be one is as good as none. */
			reached = !['Unreachable', 'Malformed'].includes(e.name);
			if (reached)
				console.warn(e);
			pause = Math.min(Math.max(pause, 500) * 2, 30000);
		}
		busy = false;
		for (const told of listeners)
			told(reached);
		if (more || pause)
			timer = setTimeout(go, more ? 0 : pause);
		more = false;
	}
	const now = () => {
		pause = 500;
		return go();
	};
	addEventListener('online', now);
	document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && now());
	return { listeners, now };
}

export function send_on(home, told = () => {}) {
	loop ??= loop_make(home);
	loop.listeners.add(told);
	loop.now();
}

/* ---- what is written ---- */

/* Fields of the header for a new topic (no topic), a thread (no parent), or an answer. */
export function place_of(topic, parent, lang) {
	const ref = (one) => (one ? new Uint8Array([...unhex(one.log), ...unhex(one.id)]) : undefined);
	return { kind: topic ? KIND.POST : KIND.TOPIC, topic: ref(topic), topic_index: topic?.index || undefined,
		parent: ref(parent), parent_index: parent?.index || undefined, lang: lang || undefined };
}

/* Of an amendment, or an erasure by its author's wish, of a message of one's own. */
export const change_of = (target, erase, lang) => ({ kind: erase ? KIND.ERASE : KIND.AMEND, lang: (!erase && lang) || undefined,
	body: target_body(unhex(target.log), unhex(target.id), erase ? 1 : 0) });

/* Once a message is erased, what is kept here of it and its amendments goes as well. */
export async function erased(home, target) {
	const body = target_body(unhex(target.log), unhex(target.id));
	for (const kept of await list(home)) {
		const h = header_parse(message_split(kept.message).header);
		if (kept.id === target.id || (h.kind === KIND.AMEND && equal(h.body, body)))
			await forget(kept);
	}
}

/* Whether the bytes kept are still what was committed to; a disk may forget. */
export async function whole(kept) {
	const h = header_parse(message_split(kept.message).header);
	if (!h.commitment)
		return kept.content.length === 0;
	const where = { forum: unhex(kept.home.slice(0, 64)), log: kept.log };
	return equal(h.commitment, await commitment(where, h.signer, kept.salt, kept.content));
}
