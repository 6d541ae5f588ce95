/* SPDX-License-Identifier: BSD-2-Clause */
/* What is signed, hashed and committed to, byte for byte as SPEC.md has it (sections 2, 4, 5, 6.3
 * and 7): the same vectors hold this file, the library in C and the decoder in Python to it. */
import { Malformed, concat, equal, hex, random, sha256, text, u16be, u64be, unbase64, unhex, utf8 } from './bytes.js';
import { NUMBER_MAX, element, field, fields, unpack } from './wire.js';

export const KIND = { NODE: 1, ADMIT: 2, ENROL: 3, REVOKE: 4, TOPIC: 5, POST: 6, AMEND: 7, ERASE: 8 };
export const TIME_MAX = 253402300799999;
const MESSAGE_MAX = 2048, BODY_MAX = 1536, SIGNATURE = 64, REF = 48, BUCKET_MAX = 24, CONTENT_MAX = 2097152;

/* ---- binding, section 2.4: { forum[32], log } ---- */

export function binding(domain, { forum, log }) {
	const name = utf8(log);
	return concat(utf8(domain + '\0'), forum, u16be(name.length), name);
}

/* NAME/D/N, as its parts. */
export function log_name(name) {
	const found = /^([a-z0-9.-]{3,100})\/([0-9a-f]{32})\/([1-9][0-9]{0,15})$/.exec(name);
	if (!found)
		throw new Malformed('the name of a log');
	return { organisation: found[1], digest: unhex(found[2]), number: Number(found[3]) };
}

export async function log_digest(forum, root_key, log_key, number, organisation) {
	const all = await sha256(utf8('convene/v1/log\0'), forum, root_key, log_key, u64be(number), utf8(organisation));
	return all.subarray(0, 16);
}

/* ---- header, section 5.1 ---- */

const HEADER = [
	['version', 'number'], ['signer', 32], ['sequence', 'number'], ['kind', 'number'], ['topic', REF],
	['topic_index', 'number'], ['parent', REF], ['parent_index', 'number'], ['time', 'number'], ['lang', 'text'],
	['commitment', 32], ['bucket', 'number'], ['body', 'bytes'],
];

export const lang_valid = (tag) => /^[A-Za-z0-9-]{1,35}$/.test(tag);
/* The same of what somebody has typed: "english" would pass, and say nothing to a program. */
export const lang_typed = (tag) => lang_valid(tag) && /^[a-z]{2,3}(?:-[a-z0-9]{1,8})*$/i.test(tag);

const within = (n, least, most) => Number.isSafeInteger(n) && n >= least && n <= most;

/* An absent field is zero or undefined, so presence is part of the ranges. */
function header_in_range(h) {
	const hint = (index, ref) => !index || (ref && within(index, 1, NUMBER_MAX));
	return h.version === 1 && h.signer?.length === 32 && within(h.sequence, 1, NUMBER_MAX) &&
		within(h.kind, 1, 0x7fffffff) && hint(h.topic_index, h.topic) && hint(h.parent_index, h.parent) &&
		(!h.topic || h.topic.length === REF) && (!h.parent || h.parent.length === REF) &&
		within(h.time, 1, TIME_MAX) && (!h.lang || lang_valid(h.lang)) &&
		(!h.commitment || h.commitment.length === 32) &&
		within(h.bucket ?? 0, 0, h.commitment ? BUCKET_MAX : 0) && (h.body?.length ?? 0) <= BODY_MAX;
}

export function header_encode(h) {
	if (!header_in_range(h))
		throw new RangeError('a header that the protocol does not allow');
	return concat(...HEADER.map(([name, form], i) => field(i + 1, form === 'text' ? utf8(h[name] ?? '') : h[name])));
}

/* Malformed for whatever is not the one encoding; what is absent is undefined. */
export function header_parse(bytes) {
	const h = {};
	for (const [number, value] of fields(bytes, true)) {
		const [name, form] = HEADER[number - 1] ?? [];
		if (!name || (form === 'number') !== (typeof value === 'number'))
			throw new Malformed('a field that no header has');
		if (typeof form === 'number' && value.length !== form)
			throw new Malformed(`${name} of another length`);
		h[name] = form === 'text' ? text(value) : value;
	}
	if (!header_in_range(h))
		throw new Malformed('a header that the protocol does not allow');
	return h;
}

export const ref = (log_digest, id) => concat(log_digest, id);

/* ---- message, section 5 ---- */

export const message_signed = (where, header) => concat(binding('convene/v1/message', where), header);
export const message_id = (where, header) => sha256(binding('convene/v1/id', where), header);

export function message_split(message) {
	if (message.length <= SIGNATURE || message.length > MESSAGE_MAX)
		throw new Malformed('a message of a wrong size');
	const cut = message.length - SIGNATURE;
	return { header: message.subarray(0, cut), signature: message.subarray(cut) };
}

/* `sign`: bytes -> promise of the signature. */
export async function message_make(where, h, sign) {
	const header = header_encode(h);
	const message = concat(header, await sign(message_signed(where, header)));
	if (message.length > MESSAGE_MAX)
		throw new RangeError('a message of more than 2,048 bytes');
	return { message, id: await message_id(where, header) };
}

export async function verify(public_key, signature, bytes) {
	try {
		const key = await crypto.subtle.importKey('raw', public_key, 'Ed25519', false, ['verify']);
		return await crypto.subtle.verify('Ed25519', key, signature, bytes);
	} catch {
		return false;
	}
}

/* The header of a message that its signer has signed for that log; else Malformed. */
export async function message_open(where, message) {
	const { header, signature } = message_split(message);
	const h = header_parse(header);
	if (!await verify(h.signer, signature, message_signed(where, header)))
		throw new Malformed('a signature that does not verify');
	return h;
}

/* ---- content, section 7 ---- */

export function bucket_of(length) {
	let b = 0;
	while (2 ** b < length)
		b++;
	return b;
}

export const committed = (where, signer, salt, content) =>
	concat(binding('convene/v1/content', where), signer, salt, u64be(content.length), content);
export const commitment = (where, signer, salt, content) => sha256(committed(where, signer, salt, content));

const PROFILE = { 1: ['handle', 'bytes'], 2: ['name', 'bytes'], 3: ['group', 'bytes'], 4: ['region', 'bytes'],
	5: ['languages', 'many bytes', 32] };
const PART = { 1: ['name', 'bytes'], 2: ['media_type', 'bytes'], 3: ['data', 'bytes'], 4: ['omitted', 'number'] };
const MENTION = { 1: ['name', 'bytes'], 2: ['log', 'bytes'], 3: ['identity', 'bytes'] };
const CONTENT = { 1: ['subject', 'bytes'], 2: ['text', 'bytes'], 3: ['mentions', 'many message', 1024, MENTION],
	4: ['parts', 'many message', 256, PART], 6: ['profile', 'message', 1, PROFILE] };

/* { subject, text, parts: [{ name, media_type, data }], profile }; texts are strings, in NFC. */
export function content_encode(c) {
	const line = (number, value) => field(number, utf8(value ?? ''));
	const pieces = [line(1, c.subject), line(2, c.text)];
	for (const part of c.parts ?? [])
		pieces.push(element(4, concat(line(1, part.name), line(2, part.media_type), field(3, part.data))));
	if (c.profile) {
		const p = c.profile;
		pieces.push(element(6, concat(line(1, p.handle), line(2, p.name), line(3, p.group), line(4, p.region),
			...(p.languages ?? []).map((tag) => element(5, utf8(tag))))));
	}
	return concat(...pieces);
}

export function content_parse(bytes) {
	if (bytes.length === 0 || bytes.length > CONTENT_MAX)
		throw new Malformed('content of a wrong size');
	const c = unpack(bytes, CONTENT), p = c.profile;
	return {
		subject: text(c.subject), text: text(c.text), mentions: c.mentions,
		parts: c.parts.map((part) => ({ ...part, name: text(part.name), media_type: text(part.media_type) })),
		profile: p && { handle: text(p.handle), name: text(p.name), group: text(p.group), region: text(p.region),
			languages: p.languages.map(text) },
	};
}

/* A content, with the fields of the header that commit to it. */
export async function content_seal(where, signer, content, salt = random(32)) {
	return { salt, content, fields: { commitment: await commitment(where, signer, salt, content),
		bucket: bucket_of(content.length) } };
}

/* ---- enrolment, section 6.3 ---- */

export const device_signed = (where, identity, device_key, custody = 0) =>
	concat(binding('convene/v1/device', where), identity, device_key, Uint8Array.of(custody));
export const endorse_signed = (where, identity, device_key, custody = 0) =>
	concat(binding('convene/v1/endorse', where), identity, device_key, Uint8Array.of(custody));

const ENROL = [['identity', 16], ['device_key', 32], ['custody', 0], ['device_signature', 64], ['endorser', 32],
	['endorsement', 64], ['recovery', 0]];

export function enrol_parse(body) {
	const out = {};
	for (const [number, value] of fields(body, true)) {
		const [name, length] = ENROL[number - 1] ?? [];
		if (!name || (length ? value.length !== length : value !== 1))
			throw new Malformed('a field that no enrolment has');
		out[name] = value;
	}
	if (!out.identity || !out.device_key || !out.device_signature || !out.endorser !== !out.endorsement ||
	    (out.endorser && out.recovery))
		throw new Malformed('an enrolment that lacks something');
	return out;
}

/* Whether the message is an ENROL of just this key and identity, and signed. By the registrar: that
 * is for whoever has the log to say. */
export async function enrol_is(where, message, identity, device_key) {
	const h = await message_open(where, message);
	if (h.kind !== KIND.ENROL || !h.body)
		return false;
	const body = enrol_parse(h.body);
	return equal(body.identity, identity) && equal(body.device_key, device_key);
}

/* ---- what amends and erases, section 6.2 ---- */

/* `reason` of an ERASE: 1 is the author's wish. */
export const target_body = (log_digest, id, reason = 0) => concat(field(1, ref(log_digest, id)), field(2, reason));

/* The id in a reference: that of a header's topic or parent, or of what such a body is about. */
export const ref_id = (bytes) => hex(bytes.subarray(REF - 32, REF));
export const target_id = (body) => ref_id([...fields(body, true)][0][1]);

/* ---- charter, section 3, and verifier keys, 4.2 ---- */

export async function verifier_parse(key) {
	const [name, id, letters] = [...key.split('+', 2), key.split('+').slice(2).join('+')];
	const raw = unbase64(letters ?? '');
	if (!name || raw.length !== 33 || hex((await sha256(utf8(name + '\n'), raw)).subarray(0, 4)) !== id)
		throw new Malformed('a verifier key');
	return { name, id, type: raw[0], key: raw.subarray(1) };
}

/* The forum id, and what a participant must know; signatures are not looked at. */
export async function charter_open(note) {
	const whole = text(note), cut = whole.lastIndexOf('\n\n');
	if (cut < 0 || !whole.startsWith('convene charter v1\n'))
		throw new Malformed('a charter');
	const body = whole.slice(0, cut + 1), out = { members: [] };
	for (const line of body.trimEnd().split('\n').slice(1)) {
		const at = line.indexOf(': '), name = line.slice(0, at), value = line.slice(at + 2);
		if (name === 'member')
			out.members.push(value.split('+')[0]);
		else
			out[name] = value;
	}
	return { forum: await sha256(utf8(body)), name: out.name, topics: out.topics, anchor: out.anchor,
		content_limit: Number(out['content-limit']), members: out.members };
}
