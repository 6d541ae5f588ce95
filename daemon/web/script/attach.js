/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that go along: chosen, listed with name, type and size, and taken off again. */
import { by_id, el, foreign, say, size_text } from './page.js';

/* By the name's ending, as in client/attach.c, where the browser doesn't know better. */
const TYPES = { pdf: 'application/pdf', txt: 'text/plain', md: 'text/markdown', csv: 'text/csv', png: 'image/png',
	jpg: 'image/jpeg', jpeg: 'image/jpeg', gif: 'image/gif', webp: 'image/webp', json: 'application/json', zip: 'application/zip',
	odt: 'application/vnd.oasis.opendocument.text', ods: 'application/vnd.oasis.opendocument.spreadsheet',
	docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document', ics: 'text/calendar' };

export const PARTS_MAX = 256;

export function media_type(name, given) {
	const ending = name.slice(name.lastIndexOf('.') + 1).toLowerCase();
	const type = given || (Object.hasOwn(TYPES, ending) ? TYPES[ending] : '');
	return /^[A-Za-z0-9!#$&^_.+-]+\/[A-Za-z0-9!#$&^_.+-]+(;[\x20-\x7e]*)?$/.test(type) && type.length <= 200 ? type
		: 'application/octet-stream';
}

/* A name, never a path; nothing that would turn what is shown around. */
export function part_name(name) {
	return name.normalize('NFC').replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069/\\:]/g, '_')
		.replace(/^[.-]+/, '') || 'attachment';
}

export async function part_of(file) {
	const name = part_name(file.name);
	return { name, media_type: media_type(name, file.type), data: new Uint8Array(await file.arrayBuffer()) };
}

/* `parts` as a list in #parts; `removed` is called with the position of one that is taken off. */
export function parts_show(parts, removed) {
	by_id('parts').replaceChildren(...parts.map((part, i) => el('li', {}, foreign(part.name), ' ',
		el('span', { class: 'fine' }, `${part.media_type}, ${size_text(part.data.length)}`), ' ',
		el('button', { type: 'button', class: 'small', 'aria-label': say('remove-part', part.name), onclick: () => {
			removed(i);
			(by_id('parts').querySelectorAll('button')[Math.max(0, i - 1)] ?? by_id('files')).focus();
		} }, say('remove')))));
}
