/* SPDX-License-Identifier: BSD-2-Clause */
/* /join: from an invite to a key that speaks for somebody. The invite stands behind the "#" of the
 * link, which browsers don't send; it is taken out of the address at once, so that nobody sends it on
 * with the page's address. */
import { content_encode, lang_typed } from './codec.js';
import { CODE } from './frames.js';
import { fingerprint, home_here, invite_is_here, invite_parse, join, keep, lacking, request_look, request_make } from './keys.js';
import { utf8 } from './bytes.js';
import { busy, by_id, copy_buttons, el, fields_are_right, focus_on, foreign, page, path, say, sentence, show, trouble, why } from './page.js';
import { kept_text } from './state.js';
import { write_start } from './write.js';

const nfc = (text) => text.normalize('NFC').trim();

/* As RFC 8265 prepares it, as far as that goes here: width, case, NFC. The registrar judges. */
export const handle_prepare = (typed) => typed.trim().replace(/^@|@.*$/g, '')
	.replace(/[\uff01-\uff5e]/g, (wide) => String.fromCharCode(wide.charCodeAt(0) - 0xfee0)).toLowerCase().normalize('NFC');

/* The line in the address. It is kept in this page alone: browsers write what a tab's history holds to
 * the disk. After a reload the link is followed again. */
function line_take() {
	const line = location.hash.startsWith('#convene:') ? location.hash.slice(1) : '';
	history.replaceState(null, '', location.pathname + location.search);
	return line;
}

function invite_read(line) {
	if (!line.trim())
		return { error: say('invite-wanted') };
	let invite;
	try {
		/* A web link is as good as what it holds. */
		invite = invite_parse(line.slice(line.indexOf('#') + 1));
	} catch {
		return { error: say('invite-broken') };
	}
	return invite_is_here(invite, page.node) ? { invite } : { error: say('invite-elsewhere', invite.organisation, page.node.organisation) };
}

function invite_shown(invite) {
	const known = invite?.secret !== undefined;
	show('invite-field', !invite);
	show('no-invite', !invite);
	show('invite-here', known);
	show('handle-field', !invite?.identity);
	show('more', !invite?.identity);
	if (invite?.handle && !by_id('handle').value)
		by_id('handle').value = invite.handle;
}

function profile_read() {
	const value = (id) => nfc(by_id(id).value);
	return { handle: handle_prepare(by_id('handle').value), name: value('name'), group: value('group'), region: value('region'),
		languages: value('languages').split(/[\s,;]+/).filter(Boolean) };
}

function profile_errors(profile, invite) {
	const errors = [], bytes = utf8(profile.handle).length;
	if (invite?.handle && profile.handle !== handle_prepare(invite.handle))
		errors.push([by_id('handle'), say('invite-of', handle_prepare(invite.handle))]);
	else if (bytes === 0 || bytes > 64 || /[\s/@:\u0000-\u001f]/.test(profile.handle))
		errors.push([by_id('handle'), say(bytes === 0 ? 'handle-wanted' : 'handle-broken')]);
	for (const id of ['name', 'group', 'region'])
		if (utf8(profile[id]).length > 256)
			errors.push([by_id(id), say('too-long')]);
	if (profile.languages.length > 32 || !profile.languages.every(lang_typed))
		errors.push([by_id('languages'), say('languages-broken')]);
	return errors;
}

async function welcome(home) {
	show('join', false);
	show('request', false);
	show('again', false);
	by_id('welcome-who').replaceChildren(...sentence('welcome', foreign(`${home.handle}@${home.organisation}`)));
	show('welcome');
	by_id('kept').replaceChildren(...kept_text(await keep()));
	focus_on(by_id('welcome-title'));
	await write_start(home);
}

async function submit(given) {
	const { invite, error } = given ? { invite: given } : invite_read(by_id('invite').value);
	if (invite?.identity)
		return request_show(invite);
	const profile = profile_read(), errors = profile_errors(profile, invite);
	if (error)
		errors.unshift([by_id('invite'), error]);
	if (!fields_are_right(by_id('join'), errors))
		return undefined;
	try {
		return await welcome(await join(page.node, invite, content_encode({ profile })));
	} catch (e) {
		if (e.code === CODE.HANDLE)
			return fields_are_right(by_id('join'), [[by_id('handle'), say('handle-taken', profile.handle, page.node.organisation)]]);
		if (e.code === CODE.INVITE)
			trouble(say('invite-used'));
		else
			trouble(why(e), ' ', e.name === 'Unreachable' ? say('join-again') : '');
		return by_id('join-button').focus();
	}
}

/* As a further device: the request goes to another device, or to the organisation. */
async function request_show(invite) {
	const { home, line } = await request_make(page.node, invite.identity);
	if (home.state === 'enrolled')
		return known_show(home);
	show('join', false);
	show('again', false);
	by_id('request-line').value = line;
	copy_buttons();
	by_id('request-digits').textContent = fingerprint(home.public);
	focus_on(show('request').querySelector('h2'));
	return wait_for(home);
}

function wait_for(home) {
	return new Promise((done) => {
		let pause = 2000;
		const look = async () => {
			try {
				const now = await request_look(home);
				if (now)
					return done(welcome(now));
			} catch { /* asked again */ }
			pause = Math.min(pause * 1.3, 30000);
			return setTimeout(look, pause);
		};
		look();
	});
}

function known_show(home) {
	show('join', false);
	show('again', false);
	const place = by_id('known');
	place.replaceChildren(el('p', {}, ...sentence('known-here', foreign(`${home.handle}@${home.organisation}`))),
		el('p', {}, el('a', { href: path('/') }, say('read-on')), ' · ', el('a', { href: path('/you') }, say('you'))));
	show(place);
}

async function start() {
	const lacks = await lacking();
	if (lacks)
		return trouble(say(lacks));
	const line = line_take(), home = await home_here(page.node);
	if (home?.state === 'enrolled')
		return known_show(home);
	if (home?.state === 'requested' && !line)
		return request_show({ identity: home.identity });
	const { invite, error } = line ? invite_read(line) : {};
	if (invite?.identity)
		return request_show(invite);
	show('join');
	show('again');
	invite_shown(invite);
	if (error) {
		by_id('invite').value = line;
		fields_are_right(by_id('join'), [[by_id('invite'), error]]);
	}
	by_id('handle').addEventListener('input', () => {
		const handle = handle_prepare(by_id('handle').value);
		by_id('handle-shown').textContent = handle ? `${handle}@${page.node.organisation}` : '';
	});
	by_id('handle').dispatchEvent(new Event('input'));
	by_id('join').addEventListener('submit', (event) => {
		event.preventDefault();
		busy(by_id('join-button'), () => {
			trouble();
			return submit(invite);
		}).catch((e) => trouble(why(e)));
	});
	return undefined;
}

/* The link again, in the tab in which this page is: browsers don't load it anew for that. */
addEventListener('hashchange', () => location.hash.startsWith('#convene:') && location.reload());

if (page.page === 'join')
	start().catch((e) => trouble(why(e)));
