/* SPDX-License-Identifier: BSD-2-Clause */
/* /write, and the first message on /join: a form whose text is kept on every pause, a preview, and a
 * message that is signed and kept here before anything is sent. */
import { content_encode, lang_typed } from './codec.js';
import { hex, utf8 } from './bytes.js';
import { Unreachable } from './gate.js';
import { PARTS_MAX, part_of, parts_show } from './attach.js';
import { draft_id, draft_put, home_here, lacking } from './keys.js';
import { change_of, erased, keep, list, place_of, send_on } from './outbox.js';
import { busy, by_id, el, field_error, fields_are_right, focus_on, foreign, page, path, say, say_count, sentence, show, size_text, time_text, trouble,
	why } from './page.js';
import { own_line, quote, untouched } from './quote.js';
import { message_link, state_text, steps, topic_page } from './state.js';
import { drop, on_change, read } from './store.js';
import { text_into } from './text.js';

const PAUSE_MS = 600;
let parts = [], quotation = '', saving = 0, writer = null, dirty = false, lang_known = false;

const nfc = (text) => text.normalize('NFC');
const topic_now = () => (page.topics ?? []).find((one) => one.id === by_id('topic')?.value) ?? page.topic ?? null;

/* ---- drafts ---- */

/* One for each place: an answer to that message, a thread in that topic, or something new; and one for
 * each message that was refused (sent.js). */
const again = /^#again-([0-9a-f]{64})$/.exec(location.hash)?.[1];
const draft_key = () => draft_id(writer, again ? `again ${again}` : page.amend ? `amend ${page.amend.id}` : page.parent ? `parent ${page.parent.id}`
	: page.topic ? `topic ${page.topic.id}` : page.opens ? 'new topic' : 'new');

/* What lists call it. */
const about_of = (subject) => subject || page.amend?.subject || (page.parent?.subject ? say('reply-in', page.parent.subject) : page.parent ? say('reply') : '');

const draft_now = () => ({ id: draft_key(), saved: Date.now(), subject: by_id('subject')?.value ?? '', text: by_id('text').value,
	lang: lang_now(), topic: by_id('topic')?.value ?? '', parts,
	path: location.pathname + location.search + (again ? location.hash : ''),
	about: about_of('') || page.topic?.title || '' });

async function draft_save() {
	clearTimeout(saving);
	if (!dirty)
		return;
	dirty = false;
	const draft = draft_now();
	try {
		if (draft.text.trim() || draft.subject.trim() || parts.length)
			await draft_put(writer, draft);
		else
			await drop('drafts', draft.id);
		by_id('draft-state').textContent = say('draft-kept', time_text(draft.saved));
	} catch (e) {
		by_id('draft-state').textContent = say('draft-not-kept', e.message);
	}
}

function draft_later() {
	dirty = true;
	clearTimeout(saving);
	saving = setTimeout(draft_save, PAUSE_MS);
	size_show();
}

async function draft_load(home) {
	writer = home;
	const draft = await read('drafts', draft_key());
	if (!draft)
		return page.amend && amend_load();
	for (const [id, value] of [['subject', draft.subject], ['text', draft.text], ['topic', draft.topic]])
		if (by_id(id) && value)
			by_id(id).value = value;
	lang_set(draft.lang);
	parts = draft.parts;
	by_id('draft-state').textContent = say('draft-found', time_text(draft.saved));
	return undefined;
}

/* What is amended is the text as it is now, with its files. */
async function amend_load() {
	for (const id of ['subject', 'text'])
		if (by_id(id))
			by_id(id).value = page.amend[id] ?? '';
	lang_set(page.amend.lang);
	parts = await Promise.all((page.amend.parts ?? []).map(async ({ n, ...part }) => {
		const response = await fetch(`/m/${page.amend.id}/part/${n}/${encodeURIComponent(part.name || 'x')}`);
		if (!response.ok)
			throw new Unreachable(`HTTP ${response.status}`);
		return { ...part, data: new Uint8Array(await response.arrayBuffer()) };
	}));
}

/* ---- what is in the form ---- */

/* One of the interface's languages, or another, by its tag. */
const lang_now = () => (by_id('lang').value === 'other' ? by_id('lang-tag').value.trim() : by_id('lang').value);

function lang_set(tag) {
	if (!tag)
		return;
	const known = [...by_id('lang').options].some((one) => one.value === tag && tag !== 'other');
	lang_known = true;
	by_id('lang').value = known ? tag : 'other';
	by_id('lang-tag').value = known ? '' : tag;
}

function lang_fill() {
	if (!lang_known)
		lang_set(localStorage.getItem('convene-lang') || document.documentElement.lang);
	show('lang-tag-field', by_id('lang').value === 'other');
	by_id('lang').addEventListener('change', () => {
		const other = by_id('lang').value === 'other';
		show('lang-tag-field', other);
		if (other)
			by_id('lang-tag').focus();
	});
}

function content_now() {
	const typed = nfc(by_id('subject')?.value ?? '').trim(), text = nfc(by_id('text').value).replace(/\r\n?/g, '\n').trimEnd();
	/* A thread is found by its subject; who gives none is found by how they begin. */
	const subject = typed || (page.parent || page.amend ? '' : own_line(text));
	return { subject, text, parts };
}

function size_show() {
	const room = page.node.content_limit - content_encode(content_now()).length;
	by_id('room').textContent = parts.length > 0 || room < 100000 ? say(room < 0 ? 'room-over' : 'room-left', size_text(Math.abs(room))) : '';
}

function errors_of(content) {
	const errors = [], text = by_id('text');
	const titled = page.amend ? page.amend.topic : !topic_now() && !page.parent, other = by_id('lang').value === 'other';
	if (by_id('topic') && !topic_now() && !page.may_open)
		errors.push([by_id('topic'), say('topic-wanted')]);
	if (utf8(content.subject).length > 1000 || /[\u0000-\u001f]/.test(content.subject))
		errors.push([by_id('subject'), say('too-long')]);
	if (titled && !content.subject)
		errors.push([by_id('subject'), say('title-wanted')]);
	else if (!content.text.trim() && parts.length === 0 && !titled)
		errors.push([text, say('text-wanted')]);
	else if (quotation && untouched(quotation, content.text) && parts.length === 0)
		errors.push([text, say('only-quoted')]);
	if (!lang_typed(lang_now()))
		errors.push([by_id(other ? 'lang-tag' : 'lang'), say('languages-broken')]);
	if (content_encode(content).length > page.node.content_limit)
		errors.push([parts.length ? by_id('files') : text, say('too-large', size_text(page.node.content_limit))]);
	return errors;
}

async function files_take() {
	const input = by_id('files');
	for (const file of input.files) {
		if (parts.length >= PARTS_MAX || file.size > page.node.content_limit) {
			field_error(input, say('file-large', file.name, size_text(page.node.content_limit)));
			input.focus();
			continue;
		}
		field_error(input);
		parts.push(await part_of(file));
	}
	input.value = '';
	parts_changed();
}

function parts_changed() {
	parts_show(parts, (i) => {
		parts.splice(i, 1);
		parts_changed();
	});
	draft_later();
}

/* ---- quoting and preview ---- */

function quote_insert() {
	const { author, time, text } = page.parent, field = by_id('text');
	quotation = quote(text, say('wrote', `${new Date(time).toISOString().slice(0, 16).replace('T', ' ')} UTC`, author));
	const before = field.value.trim() ? field.value.trimEnd() + '\n\n' : '';
	field.value = `${before}${quotation}\n`;
	field.setSelectionRange(field.value.length, field.value.length);
	field.focus();
	draft_later();
}

function preview_show() {
	const content = content_now();
	by_id('preview').replaceChildren(content.subject ? el('h3', { dir: 'auto' }, content.subject) : '',
		text_into(el('div', { class: 'text', lang: lang_now() || undefined }), content.text,
			(n) => say_count(page.quoted, n)),
		parts.length ? el('ul', { class: 'parts' }, ...parts.map((part) => el('li', {}, foreign(part.name)))) : '');
	focus_on(show('preview-section').querySelector('h2'));
}

/* ---- sending ---- */

async function send(home) {
	const content = content_now();
	if (!fields_are_right(by_id('write'), errors_of(content)))
		return;
	if (page.amend)
		return change(home, content_encode(content), about_of(content.subject));
	const topic = page.parent ? page.parent.topic : topic_now(), lang = lang_now();
	localStorage.setItem('convene-lang', lang);
	const kept = await keep(home.id, place_of(topic, page.parent, lang), content_encode(content), about_of(content.subject));
	return sent(home, kept);
}

async function sent(home, kept) {
	dirty = false;
	clearTimeout(saving);
	await drop('drafts', draft_key());
	result_show(home, kept);
}

/* Amend it, or, without a content, erase it. */
async function change(home, content, about) {
	return sent(home, await keep(home.id, change_of(page.amend, !content, lang_now()), content, about));
}

function erase_ask(home) {
	const dialog = by_id('erase-dialog');
	show('erase-section');
	by_id('erase').addEventListener('click', () => dialog.showModal());
	by_id('erase-no').addEventListener('click', () => dialog.close());
	by_id('erase-yes').addEventListener('click', () => {
		dialog.close();
		change(home, null, about_of('')).then(() => erased(home, page.amend)).catch((e) => trouble(why(e)));
	});
}

/* The message's way, as it goes on; spoken when it changes. */
function result_show(home, kept) {
	const place = by_id('result-state'), bar = by_id('result-steps');
	let reached = navigator.onLine, before = '';
	const draw = async () => {
		/* One that was signed again has another id. */
		const all = await list(home), now = all.find((one) => one.id === kept.id) ?? all.find((one) => one.time >= kept.time) ?? kept;
		const key = `${now.id} ${now.state} ${now.text} ${reached}`;
		if (key === before)
			return;
		before = key;
		bar.replaceChildren(now.state === 'refused' ? '' : steps(now));
		place.replaceChildren(...state_text(now, reached));
		by_id('result-links').replaceChildren(...[now.state === 'waiting' || now.state === 'refused' ? null
			: message_link(page.amend ?? now),
			page.parent && el('a', { href: path(`/thread/${page.parent.thread}`) }, say('see-thread')),
			page.parent ? null : topic_page(), el('a', { href: path('/outbox') }, say('see-outbox'))].filter(Boolean)
			.map((link) => el('li', {}, link)));
	};
	for (const id of ['write', 'welcome', 'erase-section'])
		show(id, false);
	show('preview-section', false);
	focus_on(show('result').querySelector('h2'));
	on_change(draw);
	draw();
	send_on(home, (now) => {
		reached = now;
		draw();
	});
}

/* ---- the page ---- */

function form_fill() {
	lang_fill();
	if (page.parent?.text) {
		show('quote');
		by_id('quote').addEventListener('click', quote_insert);
	}
	parts_changed();
	dirty = false;
	clearTimeout(saving);
}

export async function write_start(home) {
	await draft_load(home);
	form_fill();
	by_id('as').replaceChildren(...sentence('writing-as', foreign(`${home.handle}@${home.organisation}`)));
	show('write');
	const form = by_id('write');
	form.addEventListener('input', draft_later);
	addEventListener('pagehide', draft_save);
	document.addEventListener('visibilitychange', draft_save);
	by_id('files').addEventListener('change', () => files_take().catch((e) => trouble(why(e))));
	by_id('preview-button').addEventListener('click', preview_show);
	/* Ctrl or Command with Enter sends, as in mail programs. */
	by_id('text').addEventListener('keydown', (event) => {
		if (event.key === 'Enter' && (event.ctrlKey || event.metaKey))
			form.requestSubmit();
	});
	form.addEventListener('submit', (event) => {
		event.preventDefault();
		busy(by_id('send'), () => {
			trouble();
			return send(home);
		}).catch((e) => trouble(why(e), ' ', say('text-is-kept')));
	});
}

async function start() {
	const lacks = await lacking();
	if (lacks)
		return trouble(say(lacks));
	const home = await home_here(page.node);
	if (home?.state !== 'enrolled')
		return show('no-key');
	if (page.amend && (page.amend.identity !== hex(home.identity) || page.amend.organisation !== home.organisation))
		return show('not-yours');
	await write_start(home);
	if (page.amend)
		erase_ask(home);
	/* What is still on its way from before goes on from here. */
	return send_on(home);
}

if (page.page === 'write')
	start().catch((e) => trouble(why(e)));
