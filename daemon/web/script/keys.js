/* SPDX-License-Identifier: BSD-2-Clause */
/* A home: this browser's key at one organisation of one forum. The key is made here, can't be read
 * out, by us as by anybody, and signs nothing but what this file hands it. */
import { Malformed, base64url, equal, hex, random, unbase64url, unhex } from './bytes.js';
import { device_signed, endorse_signed, enrol_is, log_name } from './codec.js';
import { redeem, redeem_payload, signer_get, CODE, Refused } from './frames.js';
import { ask } from './gate.js';
import { unpack } from './wire.js';
import { change, changed, locked, put, read, settled } from './store.js';

/* What is lacking here, as the key of a string; null: nothing. */
export async function lacking() {
	if (!globalThis.isSecureContext || !globalThis.crypto?.subtle)
		return 'lacks-secure';
	if (!globalThis.indexedDB || !navigator.locks)
		return 'lacks-storage';
	try {
		await crypto.subtle.generateKey('Ed25519', false, ['sign']);
	} catch {
		return 'lacks-ed25519';
	}
	return null;
}

/* By its key too: whoever has the next one here gets nothing of what was kept for this one. */
export const home_id = (node, key) => `${node.forum}/${node.organisation}/${hex(key)}`;
export const where_of = (home) => ({ forum: unhex(home.forum), log: home.log });

/* node: what the page says of its node: { forum, organisation, log, root, address }, in hexadecimal.
 * The home at it; undefined: none. There is one at most. One whose log has a successor goes on in that (SPEC 4.4),
 * where sequences begin anew; what waits for the old one is for the outbox to sign again. */
export async function home_here(node) {
	const home = (await read('homes')).find((one) => one.forum === node.forum && one.organisation === node.organisation);
	if (!home || home.log === node.log)
		return home;
	if (home.root !== node.root || log_name(node.log).number <= log_name(home.log).number)
		throw new Malformed('a node with another root key, or an older log, than this key was enrolled in');
	return change(['homes'], async (homes) => {
		const now = await settled(homes.get(home.id));
		Object.assign(now, { log: node.log, sequence: 0, sure: false });
		await settled(homes.put(now));
		return now;
	});
}

export const sign = async (home, bytes) =>
	new Uint8Array(await crypto.subtle.sign('Ed25519', home.key, bytes));

/* Ask the browser not to throw the key away; it may refuse, and then says so. */
export async function keep() {
	try {
		return await navigator.storage.persisted() || await navigator.storage.persist();
	} catch {
		return false;
	}
}

/* A key and an identity that are durable: those of an earlier try, or new ones. */
async function home_make(node, state, identity) {
	return locked('join', async () => {
		const earlier = await home_here(node);
		if (earlier && (earlier.state === 'enrolled' || !identity || equal(earlier.identity, identity))) {
			if (earlier.state !== 'enrolled' && earlier.state !== state)
				await put('homes', Object.assign(earlier, { state }));
			return earlier;
		}
		const pair = await crypto.subtle.generateKey('Ed25519', false, ['sign', 'verify']);
		const key = new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey));
		const home = { id: home_id(node, key), forum: node.forum, organisation: node.organisation, root: node.root,
			log: node.log, state, identity: identity ?? random(16), key: pair.privateKey, public: key,
			handle: '', sequence: 0, sure: true };
		await change(['homes'], async (homes) => {
			if (earlier)
				await settled(homes.delete(earlier.id));
			await settled(homes.put(home));
		});
		return home;
	});
}

/* ---- invites and device lines, SPEC 12.3 and 12.4 ---- */

const PLACE = /^convene:\/\/([A-Za-z0-9.\-:[\]%_]{1,299})\/([a-z0-9.-]{3,100})\/([A-Za-z0-9_-]{43})\/([A-Za-z0-9_-]{43})\/(.+)$/;

/* { organisation, root, forum } and either { secret, handle } or { log, identity }. A link's `;handle=`
 * says for whom the invite is. */
export function invite_parse(line) {
	const [place, ...more] = line.trim().split(';'), found = PLACE.exec(place);
	if (!found)
		throw new Malformed('an invite');
	const out = { address: found[1], organisation: found[2], root: hex(unbase64url(found[3])), forum: hex(unbase64url(found[4])) };
	const rest = found[5].split('/');
	if (rest.length === 1 && rest[0].length === 22) {
		out.secret = unbase64url(rest[0]);
		const handle = more.find((word) => word.startsWith('handle='));
		if (handle)
			out.handle = decodeURIComponent(handle.slice(7));
	} else if (rest.length === 3 && rest[2].length === 22) {
		out.log = `${out.organisation}/${rest[0]}/${rest[1]}`;
		log_name(out.log);
		out.identity = unbase64url(rest[2]);
	} else {
		throw new Malformed('an invite');
	}
	return out;
}

/* Whether it is for the node that this page is of. */
export const invite_is_here = (invite, node) => invite.forum === node.forum && invite.root === node.root &&
	invite.organisation === node.organisation;

export function device_line(home, node) {
	const { digest, number } = log_name(home.log);
	return `convene://${node.address}/${home.organisation}/${base64url(unhex(home.root))}/${base64url(unhex(home.forum))}` +
		`/${hex(digest)}/${number}/${base64url(home.identity)}`;
}

/* ---- enrolment ---- */

/* Another tab may have noted it before, and signed since. */
function enrolled_note(home, handle) {
	return change(['homes'], async (homes) => {
		const now = await settled(homes.get(home.id));
		if (!now || !equal(now.public, home.public))
			throw new Error('the key is gone from this browser');
		Object.assign(now, { state: 'enrolled', handle: new TextDecoder().decode(handle) });
		await settled(homes.put(now));
		localStorage.setItem('convene', `${now.handle}@${now.organisation}`); /* live.js looks for it on pages that are read */
		return now;
	});
}

async function enrolled(home, answer) {
	if (!await enrol_is(where_of(home), answer.message, home.identity, home.public))
		throw new Malformed('an enrolment of another key');
	return enrolled_note(home, answer.handle);
}

/* With an invite. The key is durable before the secret is sent, and stays the same however often this
 * is tried: the node answers the same key the same way. `content`: the profile, encoded. */
export async function join(node, invite, content) {
	const home = await home_make(node, 'joining');
	if (home.state === 'enrolled')
		return home;
	return enrolled(home, await ask(redeem({ secret: invite.secret, identity: home.identity, device_key: home.public,
		device_signature: await sign(home, device_signed(where_of(home), home.identity, home.public)),
		salt: random(32), content })));
}

/* As a further device, or one that is recovered: the request that somebody else takes. */
export async function request_make(node, identity) {
	const home = await home_make(node, 'requested', identity);
	const payload = redeem_payload({ identity: home.identity, device_key: home.public,
		device_signature: await sign(home, device_signed(where_of(home), home.identity, home.public)) });
	return { home, line: `convene-device:${base64url(payload)}` };
}

/* Whether what was asked for has been done: the home, enrolled; null: not yet. */
export async function request_look(home) {
	try {
		const signer = await ask(signer_get(home.public, false));
		if (!equal(signer.identity, home.identity) || signer.revoked)
			return null;
		return enrolled_note(home, signer.handle);
	} catch (e) {
		if (e instanceof Refused && e.code === CODE.NOT_ENROLLED)
			return null;
		throw e;
	}
}

const REQUEST = { 1: ['secret', 'bytes', 0], 2: ['identity', 'bytes', 16], 3: ['device_key', 'bytes', 32],
	4: ['custody', 'number'], 5: ['device_signature', 'bytes', 64], 6: ['salt', 'bytes', 0], 7: ['content', 'bytes', 0],
	8: ['endorser', 'bytes', 0], 9: ['endorsement', 'bytes', 0] };

export function request_parse(line) {
	const found = /^convene-device:([A-Za-z0-9_-]{20,1000})$/.exec(line.trim());
	if (!found)
		throw new Malformed('a request of a device');
	const r = unpack(unbase64url(found[1]), REQUEST);
	if (r.identity.length !== 16 || r.device_key.length !== 32 || r.device_signature.length !== 64 || r.custody > 1)
		throw new Malformed('a request of a device');
	return r;
}

/* Let another device in, which then speaks for the same person. */
export async function endorse(home, r) {
	const endorsement = await sign(home, endorse_signed(where_of(home), r.identity, r.device_key, r.custody));
	const answer = await ask(redeem({ ...r, secret: '', salt: '', content: '', endorser: home.public, endorsement }));
	if (!await enrol_is(where_of(home), answer.message, r.identity, r.device_key))
		throw new Malformed('an enrolment of another key');
}

/* The first 20 digits of a key, which people compare. */
export const fingerprint = (key) => hex(key.subarray(0, 10)).replace(/....(?!$)/g, '$& ');

/* Drafts are kept as `HOME WHAT`, and only while their home is here: another tab may still have a
 * text when the key is forgotten. */
export const draft_id = (home, what) => `${home.id} ${what}`;
export const draft_is_of = (home, draft) => draft.id.startsWith(`${home.id} `);

export function draft_put(home, draft) {
	return change(['homes', 'drafts'], async (homes, drafts) => {
		if (await settled(homes.get(home.id)))
			await settled(drafts.put(draft));
	});
}

/* This browser forgets the key, for good, and with it all that was written here. */
export async function forget(home) {
	await change(['homes', 'outbox', 'drafts'], async (homes, outbox, drafts) => {
		await settled(outbox.delete(IDBKeyRange.bound([home.id], [home.id, []])));
		for (const draft of await settled(drafts.getAll()))
			if (draft_is_of(home, draft))
				await settled(drafts.delete(draft.id));
		await settled(homes.delete(home.id));
	});
	changed('outbox');
}
