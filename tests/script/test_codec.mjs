// SPDX-License-Identifier: BSD-2-Clause
// The scripts' codec against the vectors that the library in C and the decoder in Python have too.
import './global.mjs';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createPrivateKey, sign } from 'node:crypto';
import test from 'node:test';
import { Malformed, base64, base64url, concat, hex, sha256, unbase64, unbase64url, unhex, utf8 } from '../../daemon/web/script/bytes.js';
import * as codec from '../../daemon/web/script/codec.js';
import { fields, unpack, varint } from '../../daemon/web/script/wire.js';

const vectors = JSON.parse(readFileSync(new URL('../vectors/v1.json', import.meta.url)));
const where = { forum: unhex(vectors.charter.forum), log: vectors.log.name };
const seed_of = Object.fromEntries(Object.values(vectors.keys).map((k) => [k.public, k.seed]));
const BYTES = ['signer', 'topic', 'parent', 'commitment', 'body'];

function header_of(f) {
	return Object.fromEntries(Object.entries(f).map(([name, value]) => [name, BYTES.includes(name) ? unhex(value) : value]));
}

// The seed of a vector's signer, as WebCrypto takes a private key.
function signer(public_key) {
	const key = createPrivateKey({ format: 'der', type: 'pkcs8',
		key: concat(unhex('302e020100300506032b657004220420'), unhex(seed_of[public_key])) });
	return (bytes) => new Uint8Array(sign(null, bytes, key));
}

test('bindings of all domains', () => {
	for (const [domain, bytes] of Object.entries(vectors.bindings))
		assert.equal(hex(codec.binding(domain, where)), bytes);
});

test('the forum id of the charter, and what it says', async () => {
	const charter = await codec.charter_open(utf8(vectors.charter.note));
	assert.equal(hex(charter.forum), vectors.charter.forum);
	assert.deepEqual([charter.name, charter.content_limit, charter.topics], ['Example forum', 1048576, 'participants']);
	await assert.rejects(codec.charter_open(utf8('convene charter v2\n\n')), Malformed);
});

test('the log digest, the log name and verifier keys', async () => {
	const { organisation, digest, number } = codec.log_name(vectors.log.name);
	assert.equal(hex(digest), vectors.log.digest);
	assert.equal(hex(await codec.log_digest(where.forum, unhex(vectors.keys.root.public), unhex(vectors.keys.log.public),
		number, organisation)), vectors.log.digest);
	assert.equal(hex((await codec.verifier_parse(vectors.log.verifier_key)).key), vectors.keys.log.public);
	await assert.rejects(codec.verifier_parse(vectors.log.verifier_key.replace('+33f1', '+33f2')), Malformed);
	for (const bad of ['isoc.example', 'isoc.example/B7ff72931f02e58988113a9c66333f71/1', vectors.log.name + '0x', '/../1'])
		assert.throws(() => codec.log_name(bad), Malformed);
});

for (const v of vectors.messages) {
	test(`entry ${v.index}, ${v.what}: header, signed bytes, signature, id, leaf, commitment`, async () => {
		const h = header_of(v.fields), header = codec.header_encode(h);
		assert.equal(hex(header), v.header);
		assert.deepEqual(codec.header_parse(unhex(v.header)), h);
		assert.equal(hex(codec.message_signed(where, header)), v.signed);
		const made = await codec.message_make(where, h, signer(v.fields.signer));
		assert.equal(hex(made.message), v.header + v.signature);
		assert.equal(hex(made.id), v.id);
		assert.equal(hex(await sha256(Uint8Array.of(0), made.message)), v.leaf_hash);
		assert.deepEqual(await codec.message_open(where, made.message), h);
		made.message[made.message.length - 1] ^= 1;
		await assert.rejects(codec.message_open(where, made.message), Malformed);
		await assert.rejects(codec.message_open({ ...where, log: where.log.replace(/1$/, '2') }, unhex(v.header + v.signature)), Malformed);
		if (!v.content)
			return;
		const salt = unhex(v.salt), content = unhex(v.content);
		assert.equal(hex(codec.committed(where, h.signer, salt, content)), v.committed);
		const sealed = await codec.content_seal(where, h.signer, content, salt);
		assert.equal(hex(sealed.fields.commitment), v.fields.commitment);
		assert.equal(sealed.fields.bucket, v.fields.bucket ?? 0);
	});
}

test('content: what it reads is what it wrote', () => {
	for (const v of vectors.messages.filter((m) => m.content)) {
		const c = codec.content_parse(unhex(v.content));
		if (c.mentions.length === 0)
			assert.equal(hex(codec.content_encode(c)), v.content, v.what);
	}
});

test('an ENROL is for one key and one identity', async () => {
	const v = vectors.messages.find((m) => m.fields.kind === codec.KIND.ENROL);
	const body = codec.enrol_parse(unhex(v.fields.body)), message = unhex(v.header + v.signature);
	assert.equal(hex(body.device_key), vectors.keys.device.public);
	assert.ok(await codec.verify(body.device_key, body.device_signature,
		codec.device_signed(where, body.identity, body.device_key)));
	assert.ok(await codec.enrol_is(where, message, body.identity, body.device_key));
	assert.ok(!await codec.enrol_is(where, message, body.identity, unhex(vectors.keys.root.public)));
	const post = vectors.messages.find((m) => m.fields.kind === codec.KIND.POST);
	assert.ok(!await codec.enrol_is(where, unhex(post.header + post.signature), body.identity, body.device_key));
});

test('bodies of an AMEND and an ERASE', () => {
	const [post, reply] = vectors.messages.filter((m) => m.fields.kind === codec.KIND.POST);
	const body_of = (kind) => vectors.messages.find((m) => m.fields.kind === kind).fields.body;
	const log = unhex(vectors.log.digest);
	assert.equal(hex(codec.target_body(log, unhex(post.id))), body_of(codec.KIND.AMEND));
	assert.equal(hex(codec.target_body(log, unhex(reply.id), 1)), body_of(codec.KIND.ERASE));
});

test('headers that must be refused', () => {
	codec.header_parse(unhex(vectors.well_formed_header));
	for (const { why, header } of vectors.malformed_headers)
		assert.throws(() => codec.header_parse(unhex(header)), Malformed, why);
	// Whatever else is read has one encoding: cut off or changed, it is another header or none.
	let none = 0;
	for (let at = 0; at < vectors.well_formed_header.length / 2; at++) {
		const header = unhex(vectors.well_formed_header), changed = header.slice();
		changed[at] ^= 0x81;
		for (const bytes of [header.slice(0, at), changed]) {
			try {
				assert.equal(hex(codec.header_encode(codec.header_parse(bytes))), hex(bytes));
			} catch (e) {
				assert.ok(e instanceof Malformed, e);
				none++;
			}
		}
	}
	assert.ok(none > 40, `${none}`);
});

test('headers that can not be made', () => {
	const good = header_of(vectors.messages.find((m) => m.fields.kind === codec.KIND.POST).fields);
	codec.header_encode(good);
	for (const bad of [{ sequence: 0 }, { sequence: 2 ** 53 }, { kind: 0 }, { time: 0 }, { time: codec.TIME_MAX + 1 },
		{ lang: 'de_AT' }, { lang: 'x'.repeat(36) }, { commitment: undefined }, { bucket: 25 }, { topic: undefined },
		{ signer: new Uint8Array(31) }, { body: new Uint8Array(1537) }, { version: 2 }, { topic_index: 1.5 }])
		assert.throws(() => codec.header_encode({ ...good, ...bad }), RangeError, JSON.stringify(bad));
});

test('numbers have one encoding', () => {
	for (const n of [0, 1, 127, 128, 2 ** 31, 2 ** 32, 2 ** 53 - 1])
		assert.deepEqual([...fields(concat(varint(8), varint(n)))], [[1, n]]);
	assert.throws(() => varint(2 ** 53), RangeError);
	assert.throws(() => varint(-1), RangeError);
	for (const bad of ['8001', '08', '0880', '088100', '08ffffffffffffffffffff01', '0801' + '0801', '0b00', '0d', '00', '0001'])
		assert.throws(() => [...fields(unhex(bad), true)], Malformed, bad);
	// 2^53 and more: too large where it is signed, the largest there is elsewhere.
	assert.throws(() => [...fields(unhex('088080808080808010'), true)], Malformed);
	assert.deepEqual([...fields(unhex('08ffffffffffffffffff01'))], [[1, 2 ** 53 - 1]]);
});

test('content that nobody can show', () => {
	for (const bad of ['', '0a', '0a05616263', '0a02c328', '120180', '0801', '22020a', '320332', '13'])
		assert.throws(() => codec.content_parse(unhex(bad)), Malformed, bad);
	assert.throws(() => codec.content_parse(new Uint8Array(2097153)), Malformed);
	const part = unhex('2200');
	assert.throws(() => codec.content_parse(concat(...Array(257).fill(part))), Malformed);
	assert.equal(codec.content_parse(concat(...Array(256).fill(part))).parts.length, 256);
	assert.equal(codec.content_parse(unhex('0a01617a0162')).subject, 'a', 'fields that are not known are passed over');
});

test('a schema with names of everyday objects', () => {
	assert.deepEqual(unpack(unhex('0a0161'), {}), {});
});

test('buckets', () => {
	assert.deepEqual([1, 2, 3, 4, 5, 64, 65, 1048576].map(codec.bucket_of), [0, 1, 2, 2, 3, 6, 7, 20]);
});

test('base64 and hexadecimal have one form', () => {
	const all = Uint8Array.from({ length: 256 }, (_, i) => i);
	for (let n = 0; n < 40; n++) {
		assert.deepEqual(unbase64(base64(all.subarray(0, n))), all.subarray(0, n));
		assert.deepEqual(unbase64url(base64url(all.subarray(200, 200 + n))), all.subarray(200, 200 + n));
	}
	for (const bad of ['QQ', 'QQ=', 'QR==', 'Q Q=', 'QQ==\n', '===='])
		assert.throws(() => unbase64(bad), Malformed, bad);
	for (const bad of ['QR', 'Q', 'QQ==', 'Q+', 'Q/'])
		assert.throws(() => unbase64url(bad), Malformed, bad);
	for (const bad of ['0', '0G', 'AA', null])
		assert.throws(() => unhex(bad), Malformed);
});

test('what an amendment is about, and what a reply replies to, can be told from the bytes', () => {
	const log = new Uint8Array(16).fill(1), id = new Uint8Array(32).fill(171);
	assert.equal(codec.target_id(codec.target_body(log, id)), 'ab'.repeat(32));
	assert.equal(codec.target_id(codec.target_body(log, id, 1)), 'ab'.repeat(32));
	assert.equal(codec.ref_id(concat(log, id)), 'ab'.repeat(32));
});
