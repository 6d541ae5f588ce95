/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes and texts, and what fails. What came from outside and can't be read is a Malformed. */

export class Malformed extends Error {
	constructor(what) {
		super(what);
		this.name = 'Malformed';
	}
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export const utf8 = (text) => encoder.encode(text);

export function text(bytes) {
	try {
		return decoder.decode(bytes);
	} catch {
		throw new Malformed('text that is not UTF-8');
	}
}

export function concat(...pieces) {
	const out = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
	let at = 0;
	for (const piece of pieces) {
		out.set(piece, at);
		at += piece.length;
	}
	return out;
}

export function equal(a, b) {
	return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

export function unhex(digits) {
	if (typeof digits !== 'string' || digits.length % 2 || /[^0-9a-f]/.test(digits))
		throw new Malformed('hexadecimal digits');
	return Uint8Array.from({ length: digits.length / 2 }, (_, i) => parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}

/* RFC 4648 section 4, with padding; atob() would take white space and stray bits. */
export function base64(bytes) {
	let binary = '';
	for (let at = 0; at < bytes.length; at += 8192)
		binary += String.fromCharCode(...bytes.subarray(at, at + 8192));
	return btoa(binary);
}

export function unbase64(letters) {
	if (letters.length % 4 || !/^[A-Za-z0-9+/]*={0,2}$/.test(letters))
		throw new Malformed('base64');
	const bytes = Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0));
	if (base64(bytes) !== letters)
		throw new Malformed('base64 with stray bits');
	return bytes;
}

/* The same for links: "-" and "_", and no padding. */
export function base64url(bytes) {
	return base64(bytes).replace(/=+$/, '').replace(/\+/g, '-').replace(/\//g, '_');
}

export function unbase64url(letters) {
	if (!/^[A-Za-z0-9_-]*$/.test(letters))
		throw new Malformed('base64url');
	return unbase64(letters.replace(/-/g, '+').replace(/_/g, '/').padEnd(Math.ceil(letters.length / 4) * 4, '='));
}

export function u16be(n) {
	return Uint8Array.of(n >> 8, n & 255);
}

export function u64be(n) {
	const out = new Uint8Array(8);
	new DataView(out.buffer).setBigUint64(0, BigInt(n));
	return out;
}

export async function sha256(...pieces) {
	return new Uint8Array(await crypto.subtle.digest('SHA-256', concat(...pieces)));
}

export const random = (length) => crypto.getRandomValues(new Uint8Array(length));
