/* SPDX-License-Identifier: BSD-2-Clause */
/* Protobuf by hand: the strict form of what is signed (SPEC.md 2.3), and the ordinary one of what
 * is sent. Numbers are at most 2^53-1, whatever stands there. */
import { Malformed, concat } from './bytes.js';

export const NUMBER_MAX = Number.MAX_SAFE_INTEGER;

export function varint(n) {
	if (!Number.isSafeInteger(n) || n < 0)
		throw new RangeError('a number outside 0 to 2^53-1');
	const out = [];
	while (n > 127) {
		out.push((n % 128) | 128);
		n = Math.floor(n / 128);
	}
	out.push(n);
	return Uint8Array.from(out);
}

/* A field that holds zero or no bytes is left out. */
export function field(number, value) {
	if (value === undefined || value === 0 || value === false || value.length === 0)
		return new Uint8Array(0);
	if (value instanceof Uint8Array)
		return element(number, value);
	return concat(varint(number * 8), varint(Number(value)));
}

/* One of several, which may be empty. */
export function element(number, bytes) {
	return concat(varint(number * 8 + 2), varint(bytes.length), bytes);
}

function take(bytes, at, strict) {
	let value = 0, factor = 1;
	for (let i = 0; i < 10; i++, factor *= 128) {
		if (at + i >= bytes.length)
			throw new Malformed('a number that is cut off');
		const byte = bytes[at + i];
		/* What is above 2^53-1 is not exact any more, so the sum is checked as it grows. */
		value += (byte & 127) * factor;
		if (byte < 128) {
			if (strict && i > 0 && byte === 0)
				throw new Malformed('a number that is longer than it need be');
			return [value, at + i + 1];
		}
	}
	throw new Malformed('a number of more than 10 bytes');
}

function number(bytes, at, strict) {
	const [value, next] = take(bytes, at, strict);
	if (value > NUMBER_MAX) {
		if (strict)
			throw new Malformed('a number above 2^53-1');
		return [NUMBER_MAX, next]; /* "the largest there is" */
	}
	return [value, next];
}

/* Fields in their order: [number, value]; value is a number or bytes. `strict`: 2.3. */
export function* fields(bytes, strict = false) {
	let at = 0, before = 0;
	while (at < bytes.length) {
		let tag, value;
		[tag, at] = number(bytes, at, strict);
		const which = Math.floor(tag / 8), type = tag % 8;
		if (which === 0 || tag > 0xffffffff)
			throw new Malformed('a field without a number');
		if (strict && which <= before)
			throw new Malformed('fields out of order, or one that repeats');
		before = which;
		if (type === 0) {
			[value, at] = number(bytes, at, strict);
		} else if (type === 2) {
			[value, at] = number(bytes, at, strict);
			if (value > bytes.length - at)
				throw new Malformed('a field that is cut off');
			value = bytes.subarray(at, at += value);
		} else if (!strict && (type === 1 || type === 5)) {
			at += type === 1 ? 8 : 4;
			if (at > bytes.length)
				throw new Malformed('a field that is cut off');
			continue; /* nothing of ours has such */
		} else {
			throw new Malformed('a field of a wire type that is not known');
		}
		if (strict && (value === 0 || value.length === 0))
			throw new Malformed('a field that is there and empty');
		yield [which, value];
	}
}

/* Schemas: field number -> [name, type, most, inner]; types: 'number', 'bytes', 'message', and with
 * 'many ' in front. What isn't in the schema is passed over. */
export function unpack(bytes, schema) {
	const out = {};
	for (const [name, type] of Object.values(schema))
		out[name] = type.startsWith('many ') ? [] : type === 'number' ? 0 : type === 'bytes' ? new Uint8Array(0) : null;
	for (const [which, value] of fields(bytes)) {
		if (!Object.hasOwn(schema, which))
			continue;
		const [name, type, most, inner] = schema[which];
		const many = type.startsWith('many '), plain = many ? type.slice(5) : type;
		if ((typeof value === 'number') !== (plain === 'number'))
			throw new Malformed(`${name} of another wire type`);
		if (many && out[name].length >= most)
			throw new Malformed(`more than ${most} of ${name}`);
		if (!many && plain === 'bytes' && most !== undefined && value.length > most)
			throw new Malformed(`${name} of more than ${most} bytes`);
		const taken = plain === 'message' ? unpack(value, inner) : value;
		if (many)
			out[name].push(taken);
		else
			out[name] = taken;
	}
	return out;
}
