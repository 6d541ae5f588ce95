/* SPDX-License-Identifier: BSD-2-Clause */
/* A message's text as the server shows it (text_html.c), for the preview: paragraphs, quotations by
 * their ">", links. tests/vectors/text.json holds both to the same. */
import { el } from './page.js';

const MARKS = /^(?:> ?)+/;
const LINK = /\b(?:https?:\/\/|mailto:)[^\s<>"\u0000-\u001f\u00a0\u2028\u2029]+/gi;

function depth(line) {
	return (MARKS.exec(line)?.[0] ?? '').replace(/ /g, '').length;
}

/* What ends a sentence does not end a link; a bracket belongs to it if it was opened in it. */
function link_end(url) {
	for (;;) {
		const last = url.at(-1);
		if (/[.,;:!?'"*_]/.test(last))
			url = url.slice(0, -1);
		else if (last === ')' && url.split(')').length > url.split('(').length)
			url = url.slice(0, -1);
		else
			return url;
	}
}

function line_nodes(line) {
	const out = [];
	let at = 0;
	for (const found of line.matchAll(LINK)) {
		const url = link_end(found[0]);
		out.push(line.slice(at, found.index), el('a', { href: url, rel: 'nofollow noopener' }, url));
		at = found.index + url.length;
	}
	out.push(line.slice(at));
	return out.filter((node) => node !== '');
}

function paragraph(lines) {
	return el('p', { dir: 'auto' }, ...lines.flatMap((line, i) => (i ? [el('br'), ...line_nodes(line)] : line_nodes(line))));
}

function blocks(lines, level) {
	const out = [];
	let run = [];
	const flush = () => {
		if (run.length)
			out.push(paragraph(run));
		run = [];
	};
	for (let i = 0; i < lines.length; i++) {
		if (depth(lines[i]) > level) {
			let end = i;
			while (end < lines.length && depth(lines[end]) > level)
				end++;
			flush();
			out.push(el('blockquote', {}, ...blocks(lines.slice(i, end), level + 1)));
			i = end - 1;
		} else {
			const line = level ? lines[i].replace(MARKS, '') : lines[i];
			if (line.trim() === '')
				flush();
			else
				run.push(line);
		}
	}
	flush();
	return out;
}

export const text_nodes = (text) => blocks(text.split(/\r\n|\r|\n/), 0);
