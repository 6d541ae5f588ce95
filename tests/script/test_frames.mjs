// SPDX-License-Identifier: BSD-2-Clause
// Requests as the schema has them, and answers of a node that means harm.
import './global.mjs';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import test from 'node:test';
import { Malformed, concat, hex, unhex, utf8 } from '../../daemon/web/script/bytes.js';
import * as frames from '../../daemon/web/script/frames.js';
import { element, field, varint } from '../../daemon/web/script/wire.js';

const { FRAME, Refused, answer_read } = frames;
const filled = (n, byte) => new Uint8Array(n).fill(byte);
const where = { forum: filled(32, 1), log: 'a.example/00000000000000000000000000000000/1' };
const schema = new URL('../../proto/', import.meta.url).pathname;

// What protoc, another reader of the schema, finds in a payload.
function decoded(message, payload) {
	return execFileSync('protoc', ['-I', schema, `--decode=convene.${message}`, 'convene.proto'],
		{ input: payload }).toString().replace(/\s+/g, ' ').trim();
}

test('requests, as protoc reads them', () => {
	const plain = (n, byte) => `"${`\\00${byte}`.repeat(n)}"`;
	for (const [request, type, message, want] of [
		[frames.submit(where, [{ message: filled(2, 2), salt: filled(2, 3), content: filled(2, 4) }, { message: filled(1, 5), salt: filled(0), content: filled(0) }]),
			64, 'Submit', `forum: ${plain(32, 1)} log: "${where.log}" submissions { message: ${plain(2, 2)} salt: ${plain(2, 3)} content: ${plain(2, 4)} } submissions { message: ${plain(1, 5)} }`],
		[frames.redeem({ secret: filled(2, 1), identity: filled(2, 2), device_key: filled(2, 3), device_signature: filled(2, 4), salt: filled(2, 5), content: filled(2, 6) }),
			79, 'Redeem', `secret: ${plain(2, 1)} identity: ${plain(2, 2)} device_key: ${plain(2, 3)} device_signature: ${plain(2, 4)} salt: ${plain(2, 5)} content: ${plain(2, 6)}`],
		[frames.redeem({ identity: filled(1, 2), device_key: filled(1, 3), device_signature: filled(1, 4), endorser: filled(1, 5), endorsement: filled(1, 6) }),
			79, 'Redeem', 'identity: "\\002" device_key: "\\003" device_signature: "\\004" endorser: "\\005" endorsement: "\\006"'],
		[frames.signer_get(filled(2, 1), true), 81, 'SignerGet', `device_key: ${plain(2, 1)} devices: true`],
		[frames.signer_get(filled(2, 1), false), 81, 'SignerGet', `device_key: ${plain(2, 1)}`],
		[frames.proof_get(filled(2, 1)), 76, 'ProofGet', `id: ${plain(2, 1)}`],
		[frames.thread_get(filled(2, 1)), 70, 'ThreadGet', `id: ${plain(2, 1)} alone: true`],
		[frames.charter_get(), 83, 'CharterGet', '']]) {
		assert.equal(request[0], type);
		assert.equal(decoded(message, request.subarray(1)), want);
	}
});

const outcome = (id, status, text = '') => element(1, concat(field(1, id), field(2, status), field(4, 9), field(5, utf8(text))));

test('outcomes are of the messages that were sent, in order', () => {
	const ids = [filled(32, 1), filled(32, 2)];
	const read = (...outcomes) => frames.outcomes_of(answer_read(64, concat(Uint8Array.of(65), ...outcomes)), ids);
	assert.deepEqual(read(outcome(ids[0], 3), outcome(ids[1], 1, 'no\u202e\n')).map((o) => [o.status, o.text]), [[3, ''], [1, 'no  ']]);
	for (const bad of [[], [outcome(ids[0], 3)], [outcome(ids[1], 3), outcome(ids[0], 3)], [outcome(ids[0], 3), outcome(ids[1], 0)],
		[outcome(ids[0], 3), outcome(ids[1], 5)], [outcome(ids[0], 3), outcome(ids[1], 3), outcome(ids[1], 3)],
		[outcome(ids[0], 3), outcome(filled(33, 2), 3)]])
		assert.throws(() => read(...bad), Malformed);
});

test('an ERROR is a refusal, with its code and a harmless sentence', () => {
	assert.throws(() => answer_read(79, concat(Uint8Array.of(2), field(1, 25), field(2, utf8('<b>\u0007taken')))),
		(e) => e instanceof Refused && e.code === 25 && e.message === '<b> taken');
	assert.throws(() => answer_read(79, concat(Uint8Array.of(2), field(1, 25), field(2, unhex('ff')))), Refused);
});

test('answers to something else, cut off, or too large', () => {
	for (const bad of ['', '41', '5008', '500a05', '500aff', '5010ffffffffffffffffffffff', '5012', '500b', '5000', '500900'])
		assert.throws(() => answer_read(79, unhex(bad)), Malformed, bad);
	assert.throws(() => answer_read(79, new Uint8Array(2162689).fill(80)), Malformed);
	assert.throws(() => answer_read(79, concat(Uint8Array.of(80), field(1, filled(2049, 1)))), Malformed);
	assert.throws(() => answer_read(79, concat(Uint8Array.of(80), varint(8), varint(1))), Malformed, 'a number where bytes stand');
	const device = element(8, field(1, filled(32, 1)));
	assert.equal(answer_read(81, concat(Uint8Array.of(82), ...Array(256).fill(device))).devices.length, 256);
	assert.throws(() => answer_read(81, concat(Uint8Array.of(82), ...Array(257).fill(device))), Malformed);
	// Fields that are not known are passed over.
	assert.equal(answer_read(79, unhex('50aa0601ff1803')).status, 3);
});

test('a hundred thousand answers of chance: refused or read, never anything else', () => {
	let seed = 1, read = 0;
	const chance = (n) => (seed = (seed * 48271) % 2147483647) % n;
	const samples = [[64, concat(Uint8Array.of(65), outcome(filled(32, 1), 3))],
		[81, concat(Uint8Array.of(82), field(1, filled(16, 1)), field(2, utf8('alice')), element(8, field(1, filled(32, 2))))],
		[70, concat(Uint8Array.of(71), element(1, concat(field(1, utf8(where.log)), field(3, filled(100, 3)))), field(2, 1))],
		[76, concat(Uint8Array.of(77), field(1, utf8(where.log)), field(4, 4), field(5, utf8('x')))]];
	for (let i = 0; i < 100000; i++) {
		const [type, sample] = samples[chance(samples.length)];
		const bytes = sample.slice(0, chance(10) ? sample.length : chance(sample.length));
		for (let n = chance(4); n > 0 && bytes.length > 1; n--)
			bytes[1 + chance(bytes.length - 1)] = chance(256);
		try {
			answer_read(type, bytes);
			read++;
		} catch (e) {
			assert.ok(e instanceof Malformed || e instanceof Refused, `${hex(bytes)}: ${e.stack}`);
		}
	}
	assert.ok(read > 20000 && read < 95000, `${read}`);
});

test('cosigners of a receipt, as names', () => {
	const receipt = utf8('convene receipt v1\n\nproof 9\n\u2014 a.example/00/1 QUJD\n\u2014 c.example/cosigner QUJD\n' +
		'\u2014 b.example/cosigner QUJD\n\u2014 c.example/cosigner QUJD\n\u2014 a.example/cosigner QUJD\n\u2014 <b>/cosigner QUJD\n');
	assert.deepEqual(frames.receipt_cosigners(receipt, where.log), ['b.example', 'c.example']);
	assert.throws(() => frames.receipt_cosigners(unhex('ff'), where.log), Malformed);
});
