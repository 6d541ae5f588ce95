/* SPDX-License-Identifier: BSD-2-Clause */
/* /outbox: drafts, and what this browser has signed, with what became of it. */
import { KIND, content_parse, header_parse, message_split, ref_id, target_id } from './codec.js';
import { draft_id, draft_is_of, draft_put, home_here, lacking } from './keys.js';
import { forget, list, send_on, whole } from './outbox.js';
import { by_id, el, focus_on, foreign, page, path, say, show, time_text, trouble, why } from './page.js';
import { message_link, state_text } from './state.js';
import { drop, on_change, read } from './store.js';

let home, reached = navigator.onLine;

const title_of = (about, text) => about || text.trim().split('\n')[0].slice(0, 80) || say('untitled');

/* Where it was written: the page that has the form for it. */
function place_of(h) {
	if (h.kind === KIND.AMEND)
		return `amend=${target_id(h.body)}`;
	if (h.parent)
		return `parent=${ref_id(h.parent)}`;
	return `topic=${h.kind === KIND.TOPIC ? 'new' : ref_id(h.topic)}`;
}

/* A refused one becomes a draft again, its text as it was, in the place where it was. */
async function again(kept) {
	const content = content_parse(kept.content), h = header_parse(message_split(kept.message).header);
	await draft_put(home, { id: draft_id(home, `again ${kept.id}`), saved: Date.now(), subject: content.subject, text: content.text,
		lang: h.lang ?? '', topic: h.kind === KIND.TOPIC ? 'new' : '', parts: content.parts,
		path: `${path('/write')}?${place_of(h)}#again-${kept.id}`, about: kept.about });
	await forget(kept);
}

function entry_of(kept) {
	const buttons = [];
	/* An erasure has no text. */
	if (kept.state === 'refused' && kept.content.length > 0)
		buttons.push(el('button', { type: 'button', class: 'small', onclick: () => acted(again(kept)) }, say('write-again')), ' ');
	if (kept.state === 'refused')
		buttons.push(el('button', { type: 'button', class: 'small', onclick: () => acted(forget(kept)) }, say('drop-refused')));
	return el('li', { class: kept.state, 'data-id': kept.id, 'data-state': kept.state },
		el('p', { class: 'title' }, foreign(title_of(kept.about, ''))),
		el('p', {}, time_text(kept.time), ' · ', ...state_text(kept, reached)),
		kept.state === 'waiting' || kept.state === 'refused' ? null : el('p', {}, message_link(kept)),
		buttons.length ? el('p', {}, ...buttons) : null);
}

/* A draft opens in its place. That may have gone from the node, so the text is had here as well. */
function draft_of(draft) {
	return el('li', {}, el('p', { class: 'title' }, el('a', { href: draft.path }, foreign(title_of(draft.subject || draft.about, draft.text)))),
		draft.text ? el('details', {}, el('summary', {}, say('text')), el('pre', { dir: 'auto' }, draft.text)) : null,
		el('p', {}, say('draft-kept', time_text(draft.saved)), ' ',
			el('button', { type: 'button', class: 'small', onclick: () => acted(drop('drafts', draft.id)) }, say('drop-draft'))));
}

/* The focus was on something that is gone now. */
async function acted(work) {
	try {
		await work;
	} catch (e) {
		trouble(why(e));
	}
	await draw();
	focus_on(by_id('outbox-title'));
}

async function draw() {
	const all = (await list(home)).sort((a, b) => b.time - a.time), on_way = all.filter((one) => one.state !== 'anchored');
	const safe = all.filter((one) => one.state === 'anchored'), drafts = (await read('drafts')).filter((one) => draft_is_of(home, one));
	for (const [id, entries] of [['on-way', on_way.map(entry_of)], ['safe', safe.map(entry_of)],
		['drafts', drafts.sort((a, b) => b.saved - a.saved).map(draft_of)]]) {
		by_id(`${id}-list`).replaceChildren(...entries);
		show(`${id}-section`, entries.length > 0);
	}
	show('nothing', all.length + drafts.length === 0);
	for (const kept of on_way)
		if (!await whole(kept))
			trouble(say('damaged', title_of(kept.about, '')));
}

async function start() {
	const lacks = await lacking();
	if (lacks)
		return trouble(say(lacks));
	home = await home_here(page.node);
	if (home?.state !== 'enrolled')
		return show('no-key');
	show('outbox');
	on_change(() => draw().catch((e) => trouble(why(e))));
	await draw();
	return send_on(home, (now) => {
		if (now !== reached) {
			reached = now;
			draw();
		}
	});
}

start().catch((e) => trouble(why(e)));
