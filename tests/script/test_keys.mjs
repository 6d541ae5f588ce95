// SPDX-License-Identifier: BSD-2-Clause
// Invites and device lines as the library in C reads them, requests of devices, and what people compare.
import './global.mjs';
import assert from 'node:assert/strict';
import test from 'node:test';
import { Malformed, base64url, concat, hex } from '../../daemon/web/script/bytes.js';
import { redeem_payload } from '../../daemon/web/script/frames.js';
import { device_line, draft_id, draft_is_of, fingerprint, home_id, invite_is_here, invite_parse, request_parse } from '../../daemon/web/script/keys.js';
import { unanswered } from '../../daemon/web/script/outbox.js';
import { field } from '../../daemon/web/script/wire.js';

const filled = (n, byte) => new Uint8Array(n).fill(byte);
const place = `convene://relay.isoc.example:7654/isoc.example/${base64url(filled(32, 1))}/${base64url(filled(32, 2))}`;
const node = { forum: hex(filled(32, 2)), organisation: 'isoc.example', root: hex(filled(32, 1)), address: 'relay.isoc.example:7654',
	log: 'isoc.example/b7ff72931f02e58988113a9c66333f71/1' };
const secret = base64url(filled(16, 3));

test('an invite', () => {
	const invite = invite_parse(`  ${place}/${secret}\n`);
	assert.deepEqual([invite.organisation, invite.root, invite.forum, hex(invite.secret), invite.handle],
		['isoc.example', node.root, node.forum, hex(filled(16, 3)), undefined]);
	assert.ok(invite_is_here(invite, node));
	for (const other of [{ forum: hex(filled(32, 9)) }, { root: hex(filled(32, 9)) }, { organisation: 'ripe.example' }])
		assert.ok(!invite_is_here(invite, { ...node, ...other }));
	assert.equal(invite_parse(`${place}/${secret};handle=%E7%88%B1`).handle, '\u7231');
	assert.equal(invite_parse(place.replace('relay.isoc.example', '[2001:db8::1]') + '/' + secret).address, '[2001:db8::1]:7654');
});

test('what is no invite', () => {
	for (const bad of ['', 'convene://', place, `${place}/`, `${place}/${secret}A`, `${place}/${secret.slice(1)}`, `${place}/${secret}/`,
		`https://a.example/${place}/${secret}`, `${place}/${secret}`.replace('7654', '7654 '), `${place}/${secret}`.replace('isoc.example/', 'Isoc.example/'),
		`${place}/${secret.slice(0, -1)}B`, `${place}/${secret};handle=%`, `${place}/b7ff72931f02e58988113a9c66333f71/1`,
		`${place}/b7ff72931f02e58988113a9c66333f71/0/${secret}`, `${place}/../1/${secret}`])
		assert.throws(() => invite_parse(bad), (e) => e instanceof Malformed || e instanceof URIError, bad);
});

test('a device line goes to another browser and back', () => {
	const home = { organisation: node.organisation, root: node.root, forum: node.forum, log: node.log, identity: filled(16, 7) };
	const line = device_line(home, node);
	assert.equal(line, `${place}/b7ff72931f02e58988113a9c66333f71/1/${base64url(filled(16, 7))}`);
	const read = invite_parse(line);
	assert.deepEqual([read.log, hex(read.identity), read.secret], [node.log, hex(filled(16, 7)), undefined]);
});

test('a request of a device', () => {
	const whole = { identity: filled(16, 1), device_key: filled(32, 2), device_signature: filled(64, 3) };
	const line = (r) => `convene-device:${base64url(redeem_payload(r))}`;
	const r = request_parse(` ${line(whole)} `);
	assert.deepEqual([hex(r.identity), hex(r.device_key), r.custody], [hex(filled(16, 1)), hex(filled(32, 2)), 0]);
	for (const bad of [{ secret: filled(16, 1) }, { salt: filled(32, 1) }, { content: filled(1, 1) }, { endorser: filled(32, 1) },
		{ endorsement: filled(64, 1) }, { custody: 2 }, { identity: filled(15, 1) }, { device_key: filled(33, 1) }, { device_signature: filled(63, 1) }])
		assert.throws(() => request_parse(line({ ...whole, ...bad })), Malformed, JSON.stringify(bad));
	for (const bad of ['', 'convene-device:', `convene-enrol:${line(whole).slice(15)}`, `${line(whole)}=`, `${line(whole)} x`,
		`convene-device:${base64url(concat(redeem_payload(whole), field(2, filled(17, 1))))}`])
		assert.throws(() => request_parse(bad), Malformed, bad);
});

test('twenty digits that people compare', () => {
	assert.equal(fingerprint(Uint8Array.from({ length: 32 }, (_, i) => i * 8 + 7)), '070f 171f 272f 373f 474f');
});

test('whoever has the next key here gets nothing of the one before', () => {
	const [a, b] = [4, 5].map((byte) => ({ id: home_id(node, filled(32, byte)) }));
	assert.notEqual(a.id, b.id);
	assert.ok(a.id.startsWith(node.forum), 'outbox.js reads the forum from it');
	const draft = { id: draft_id(a, 'new') };
	assert.ok(draft_is_of(a, draft) && !draft_is_of(b, draft));
});

test('pages that are read send what was never answered, and nothing else', () => {
	const waiting = { state: 'waiting', code: 0 }, later = { state: 'waiting', code: 7 };
	assert.deepEqual(unanswered([{ state: 'accepted', code: 0 }, { state: 'sealed', code: 0 }, { state: 'anchored', code: 0 },
		{ state: 'refused', code: 9 }]), []);
	assert.deepEqual(unanswered([{ state: 'sealed', code: 0 }, waiting]), [waiting]);
	assert.deepEqual(unanswered([later, waiting]), [], 'not before the one that the node will have again');
});
