// SPDX-License-Identifier: BSD-2-Clause
// Quoting, subjects of texts without one, names and types of files, and that the scripts' strings are there.
import './global.mjs';
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import test from 'node:test';

globalThis.document = { getElementById: () => null, documentElement: { lang: 'ar' } };
const { own_line, quote, untouched } = await import('../../daemon/web/script/quote.js');
const { text_build } = await import('../../daemon/web/script/text.js');
const { media_type, part_name } = await import('../../daemon/web/script/attach.js');
const { format, say_count } = await import('../../daemon/web/script/page.js');
const web = new URL('../../daemon/web/', import.meta.url);

// As the library's html_format() escapes.
const escape = (text) => text.replace(/[&<>"']/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&#34;', "'": '&#39;' })[c]);

function html_of(text) {
	let out = '';
	text_build({
		open: (name, attributes = {}) => { out += `<${name}${Object.entries(attributes).map(([key, value]) => ` ${key}="${escape(value)}"`).join('')}>`; },
		text: (text) => { out += escape(text); },
		close: (name) => { out += `</${name}>`; },
	}, text, (n) => (n === 1 ? '1 line quoted' : `${n} lines quoted`));
	return out;
}

test('a text as the server shows it', () => {
	const cases = JSON.parse(readFileSync(new URL('../vectors/text.json', import.meta.url)));
	assert.ok(cases.length >= 20);
	for (const { why, text, html } of cases)
		assert.equal(html_of(text), html, why);
});

test('a quotation is one level deeper, without the signature', () => {
	assert.equal(quote('\n> from before\n> > deeper\n>>> no room\nA line  \n\nlast\n-- \nAlice\n', 'alice wrote:'),
		'alice wrote:\n>> from before\n>>> deeper\n>>>> no room\n> A line\n>\n> last\n');
	assert.equal(quote('\n \n-- \nAlice', 'alice wrote:'), '');
	assert.equal(quote('a\u2028b\r\nc', 'x:'), 'x:\n> a\n> b\n> c\n', 'whatever an editor shows as a line');
	assert.equal(quote('>'.repeat(50) + ' x', 'x:'), `x:\n${'>'.repeat(31)} x\n`);
});

test('nothing but the quotation', () => {
	const quotation = quote('one\ntwo', 'alice wrote:');
	assert.ok(untouched(quotation, quotation + '\n\n'));
	assert.ok(untouched(quotation, '> two \n'));
	assert.ok(!untouched(quotation, quotation + 'I agree.'));
});

test('a subject for who gives none', () => {
	assert.equal(own_line('alice wrote:\n> one\n\nI agree.\nWith all.'), 'I agree.');
	assert.equal(own_line('word '.repeat(30)), 'word '.repeat(14).trim() + '…');
	assert.equal(own_line('\u8bb0'.repeat(100)).length, 70);
	assert.equal(own_line('> only'), '');
});

test('names and types of files', () => {
	assert.equal(part_name('../../.bashrc'), '_.._.bashrc');
	assert.equal(part_name('a\u202efdp.exe'), 'a_fdp.exe');
	assert.equal(part_name('...'), 'attachment');
	assert.equal(media_type('plan.PDF', ''), 'application/pdf');
	assert.equal(media_type('x.constructor', ''), 'application/octet-stream');
	assert.equal(media_type('x', 'text/html; charset=utf-8'), 'text/html; charset=utf-8');
	assert.equal(media_type('x', 'text/html\r\nx: y'), 'application/octet-stream');
});

test('sentences with values, in any order, and plural forms', () => {
	assert.equal(format('%2$s before %1$s, 100%%', 'a', 'b'), 'b before a, 100%');
	assert.equal(format('%s and %d', 'a', 3), 'a and 3');
	const forms = { 0: 'zero %d', 1: 'one', 2: 'two', 3: 'few %d', 5: 'few %d', 11: 'many %d', 100: 'other %d' };
	assert.deepEqual([0, 1, 2, 4, 50, 100, 102].map((n) => say_count(forms, n, 'ar').split(' ')[0]),
		['zero', 'one', 'two', 'few', 'many', 'other', 'other']);
	assert.equal(say_count({ 1: '%d new', 100: '%d news' }, 7, 'en').split(' ')[1], 'news');
	assert.equal(say_count({ 1: 'one', 2: 'few', 5: 'many', 100: 'many' }, 21, 'ru'), 'one');
});

test('every string that a script says is in the table, and every one there is said', () => {
	const table = readFileSync(new URL('script_strings.c', web), 'utf8');
	const keys = new Set([...table.matchAll(/\{"([a-z0-9-]+)",/g)].map((found) => found[1]));
	const scripts = readdirSync(new URL('script/', web)).map((name) => readFileSync(new URL(`script/${name}`, web), 'utf8')).join('\n');
	const said = new Set([...scripts.matchAll(/(?:say|sentence)\(\s*'([a-z0-9-]+)'/g)].map((found) => found[1]));
	assert.ok(keys.size > 60 && said.size > 40);
	assert.deepEqual([...said].filter((key) => !keys.has(key)), []);
	// Others are put together (`step-${step}`) or chosen; all stand in quotes somewhere.
	const made = ['waiting', 'accepted', 'sealed', 'anchored'].flatMap((state) => [`step-${state}`, `state-${state}`]);
	assert.deepEqual([...keys].filter((key) => !scripts.includes(`'${key}'`) && !made.includes(key)), []);
});
