/* SPDX-License-Identifier: BSD-2-Clause */
/* What passes the gate (SPEC.md 10, 12 and 14): u8 type ‖ payload, one request, one answer. An
 * answer is the node's word: it is read within bounds, and what is signed in it is checked by whoever
 * uses it. */
import { Malformed, concat, equal, text, utf8 } from './bytes.js';
import { element, field, unpack } from './wire.js';

export const FRAME = { ERROR: 2, SUBMIT: 64, SUBMITTED: 65, THREAD_GET: 70, ITEMS: 71, PROOF_GET: 76, PROOF: 77,
	REDEEM: 79, REDEEMED: 80, SIGNER_GET: 81, SIGNER: 82, CHARTER_GET: 83, CHARTER: 84 };
export const STATUS = { REFUSED: 1, ACCEPTED: 2, SEALED: 3, ANCHORED: 4 };
export const CODE = { WRONG_FORUM: 3, NOT_ENROLLED: 9, REVOKED: 10, SEQUENCE: 11, WRONG_LOG: 12, IN_THE_FUTURE: 13,
	TOO_LARGE: 14, QUOTA: 20, BUSY: 21, NOT_FOUND: 22, INVITE: 24, HANDLE: 25, TIMEOUT: 27, READ_ONLY: 28,
	SHUTTING_DOWN: 29, NOT_FIRST: 30, INTERNAL: 32, SUSPENDED: 33 };
const ANSWER_MAX = 2162688;

const frame = (type, ...pieces) => concat(Uint8Array.of(type), ...pieces);

/* ---- requests ---- */

/* submissions: { message, salt, content } */
export function submit(where, submissions) {
	return frame(FRAME.SUBMIT, field(1, where.forum), field(2, utf8(where.log)), ...submissions.map((s) =>
		element(3, concat(field(1, s.message), field(2, s.salt), field(3, s.content)))));
}

export function redeem_payload(r) {
	return concat(field(1, r.secret ?? ''), field(2, r.identity), field(3, r.device_key), field(4, r.custody ?? 0),
		field(5, r.device_signature), field(6, r.salt ?? ''), field(7, r.content ?? ''), field(8, r.endorser ?? ''),
		field(9, r.endorsement ?? ''));
}

export const redeem = (r) => frame(FRAME.REDEEM, redeem_payload(r));
export const signer_get = (device_key, devices) => frame(FRAME.SIGNER_GET, field(1, device_key), field(2, devices));
export const proof_get = (id) => frame(FRAME.PROOF_GET, field(1, id));
export const thread_get = (id) => frame(FRAME.THREAD_GET, field(1, id), field(2, true));
export const charter_get = () => frame(FRAME.CHARTER_GET);

/* ---- answers ---- */

const ERROR = { 1: ['code', 'number'], 2: ['text', 'bytes', 2000] };
const OUTCOME = { 1: ['id', 'bytes', 32], 2: ['status', 'number'], 3: ['index', 'number'], 4: ['code', 'number'],
	5: ['text', 'bytes', 2000] };
const SUBMITTED = { 1: ['outcomes', 'many message', 1000, OUTCOME] };
const REDEEMED = { 1: ['message', 'bytes', 2048], 2: ['handle', 'bytes', 64], 3: ['status', 'number'], 4: ['index', 'number'] };
const DEVICE = { 1: ['key', 'bytes', 32], 2: ['enrolled', 'number'], 3: ['revoked', 'number'], 4: ['custody', 'number'],
	5: ['time', 'number'], 6: ['recovered', 'number'], 7: ['endorser', 'bytes', 32], 8: ['sequence', 'number'] };
const SIGNER = { 1: ['identity', 'bytes', 16], 2: ['handle', 'bytes', 64], 3: ['name', 'bytes'], 4: ['sequence', 'number'],
	5: ['revoked', 'number'], 6: ['custody', 'number'], 7: ['organisation', 'bytes', 100],
	8: ['devices', 'many message', 256, DEVICE] };
const PROOF = { 1: ['log', 'bytes', 200], 2: ['message', 'bytes', 2048], 3: ['proof', 'bytes'], 4: ['status', 'number'],
	5: ['receipt', 'bytes'] };
const CHARTER = { 1: ['note', 'bytes', 65536] };
const ITEM = { 1: ['log', 'bytes', 200], 2: ['index', 'number'], 3: ['message', 'bytes', 2048], 4: ['salt', 'bytes', 32],
	5: ['content', 'bytes'], 6: ['content_state', 'number'], 7: ['organisation', 'bytes', 100], 8: ['identity', 'bytes', 16],
	9: ['handle', 'bytes', 64], 12: ['thread', 'bytes', 32], 16: ['topic', 'bytes', 32], 17: ['amendment', 'bytes', 2048],
	24: ['hidden', 'bytes'] };
const ITEMS = { 1: ['items', 'many message', 100, ITEM], 2: ['last', 'number'] };

const ANSWER = { [FRAME.SUBMIT]: [FRAME.SUBMITTED, SUBMITTED], [FRAME.REDEEM]: [FRAME.REDEEMED, REDEEMED],
	[FRAME.SIGNER_GET]: [FRAME.SIGNER, SIGNER], [FRAME.PROOF_GET]: [FRAME.PROOF, PROOF],
	[FRAME.CHARTER_GET]: [FRAME.CHARTER, CHARTER], [FRAME.THREAD_GET]: [FRAME.ITEMS, ITEMS] };

/* The node understood, and refuses. */
export class Refused extends Error {
	constructor(code, sentence) {
		super(sentence);
		this.name = 'Refused';
		this.code = code;
	}
}

/* Text for people, whatever was sent. */
const words = (bytes) => new TextDecoder().decode(bytes).replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, ' ');

/* The answer to a request of that type: Refused for an ERROR, Malformed for what can't be one. */
export function answer_read(request_type, bytes) {
	const [type, schema] = ANSWER[request_type];
	if (bytes.length < 1 || bytes.length > ANSWER_MAX)
		throw new Malformed('an answer of a wrong size');
	const payload = bytes.subarray(1);
	if (bytes[0] === FRAME.ERROR) {
		const e = unpack(payload, ERROR);
		throw new Refused(e.code, words(e.text));
	}
	if (bytes[0] !== type)
		throw new Malformed('an answer to something else');
	return unpack(payload, schema);
}

/* SUBMITTED, for just these ids: each once, in order. */
export function outcomes_of(submitted, ids) {
	if (submitted.outcomes.length !== ids.length)
		throw new Malformed('another number of outcomes');
	return submitted.outcomes.map((o, i) => {
		if (!equal(o.id, ids[i]) || o.status < STATUS.REFUSED || o.status > STATUS.ANCHORED)
			throw new Malformed('the outcome of another message');
		return { ...o, text: words(o.text) };
	});
}

/* Who has cosigned, as a receipt says (9.5): names of organisations, ascending, without the log's own. */
export function receipt_cosigners(receipt, log) {
	const names = new Set();
	for (const line of text(receipt).split('\n')) {
		const found = /^\u2014 ([a-z0-9.-]{3,100})\/cosigner [A-Za-z0-9+/]+={0,2}$/.exec(line);
		if (found && found[1] !== log.split('/')[0])
			names.add(found[1]);
	}
	return [...names].sort();
}
