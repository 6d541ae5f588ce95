/* SPDX-License-Identifier: BSD-2-Clause */
/* A message's text as the server shows it, for the preview: text_html.c, whose comment has the rules,
 * in another language. tests/vectors/text.json holds both to the same. Here it is built by a builder
 * { open(name, attributes), text(text), close(name) }: of elements, or of HTML for the tests. */

const FILL = 64, LONG = 100, QUOTE_LINES = 6, QUOTE_DEPTH = 8, SIGNATURE_LINES = 15, RULE = /^_{30,}$/;

/* ---- lines ---- */

function line_of(text) {
	let at = 0, depth = 0;
	while (text[at] === '>') {
		depth++;
		at++;
		if (text[at] === ' ' && text[at + 1] === '>')
			at++;
	}
	if (depth > 0 && text[at] === ' ')
		at++;
	return { depth: Math.min(depth, QUOTE_DEPTH), text: text.slice(at).replace(/[ \t]+$/, '') };
}

const characters = (text) => [...text].length;
const first_word = (text) => /^[^ \t]*/.exec(text)[0];
const is_link = (text) => /^https?:\/\//.test(text);
const is_item = (text) => /^(?:[-*+•] |[0-9]{1,3}[.)] )/.test(text);
const is_laid_out = (text) => /^(?:\t| {2})|[^ \t].*(?:\t| {3})/.test(text);
const has_wide = (text) => /[\u3000-\ud7ff]/.test(text);

/* Whether a mail program broke the paragraph here. */
function is_folded(line, next) {
	const word = first_word(next), length = characters(line);
	return length <= LONG && length + 1 + characters(word) > FILL && word !== '' && !is_item(next) &&
		!(is_link(word) && is_link(line)) && !has_wide(line) && !has_wide(word);
}

/* ---- links ---- */

function link_end(url) {
	let open = url.split('(').length, shut = url.split(')').length, n = url.length;
	while (n > 0) {
		const last = url[n - 1];
		if (last === ')' && shut > open)
			shut--;
		else if (!'.,;:!?]*_'.includes(last))
			break;
		n--;
	}
	return url.slice(0, n);
}

function linked(b, text) {
	let start = 0;
	for (const found of text.matchAll(/(?<![A-Za-z0-9])https?:\/\/[A-Za-z0-9][!#$%&()*+,\-./0-9:;=?@A-Z[\]_a-z~]*/g)) {
		const url = link_end(found[0]);
		if (!/^https?:\/\/./.test(url))
			continue;
		b.text(text.slice(start, found.index));
		b.open('a', { rel: 'nofollow noopener', dir: 'ltr', href: url });
		b.text(url);
		b.close('a');
		start = found.index + url.length;
	}
	b.text(text.slice(start));
}

/* ---- blocks ---- */

function paragraph(b, lines) {
	const pre = lines.filter((line) => is_laid_out(line.text)).length * 2 >= lines.length;
	const name = pre ? 'pre' : 'p';
	const indent = pre ? Math.min(...lines.map((line) => / */.exec(line.text)[0].length)) : 0;
	b.open(name, { dir: 'auto' });
	for (const [i, line] of lines.entries()) {
		linked(b, line.text.slice(indent));
		const next = lines[i + 1];
		if (next && pre) {
			b.text('\n');
		} else if (next && is_folded(line.text, next.text) && !/^[ \t]/.test(next.text)) {
			b.text(' ');
		} else if (next) {
			b.open('br');
			b.text('\n');
		}
	}
	b.close(name);
	b.text('\n');
}

function blocks(b, lines, quoted) {
	let depth = 0, folded = false;
	const quote_to = (want, at) => {
		if (depth === 0 && want > 0) {
			let end = at;
			while (end < lines.length && (lines[end].depth > 0 || lines[end].text === ''))
				end++;
			const count = lines.slice(at, end).filter((line) => line.text !== '').length;
			folded = count > QUOTE_LINES;
			if (folded) {
				b.open('details');
				b.open('summary');
				b.text(quoted(count));
				b.close('summary');
				b.text('\n');
			}
		}
		for (; depth < want; depth++) {
			b.open('blockquote');
			b.text('\n');
		}
		for (; depth > want; depth--) {
			b.close('blockquote');
			b.text('\n');
		}
		if (depth === 0 && folded) {
			b.close('details');
			b.text('\n');
			folded = false;
		}
	};
	for (let i = 0; i < lines.length;) {
		if (lines[i].text === '') {
			i++;
			continue;
		}
		let end = i + 1;
		while (end < lines.length && lines[end].text !== '' && lines[end].depth === lines[i].depth)
			end++;
		quote_to(lines[i].depth, i);
		paragraph(b, lines.slice(i, end));
		i = end;
	}
	quote_to(0, lines.length);
}

/* The number of lines before what stands below a message. */
function signature_at(lines) {
	let found = lines.length;
	for (let at = lines.length - 1, n = 0; at >= 0 && n <= SIGNATURE_LINES; at--, n++)
		if (lines[at] === '-- ' || RULE.test(lines[at]))
			found = at;
	return found;
}

/* `quoted`: what is told of a folded quotation of so many lines. */
export function text_build(b, text, quoted) {
	const clean = text.replace(/\r\n/g, '\n').replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '');
	const lines = clean.replace(/\n$/, '').split('\n'), signature = signature_at(lines);
	blocks(b, lines.slice(0, signature).map(line_of), quoted);
	if (signature < lines.length) {
		b.open('div', { class: 'sig' });
		b.text('\n');
		blocks(b, lines.slice(signature).map(line_of), quoted);
		b.close('div');
		b.text('\n');
	}
}

/* Into an element, which it empties. */
export function text_into(element, text, quoted) {
	const open = [element];
	element.replaceChildren();
	text_build({
		open(name, attributes = {}) {
			const child = document.createElement(name);
			for (const [key, value] of Object.entries(attributes))
				child.setAttribute(key, value);
			open.at(-1).append(child);
			if (name !== 'br')
				open.push(child);
		},
		text: (text) => open.at(-1).append(text),
		close: () => open.pop(),
	}, text, quoted);
	return element;
}
