/* SPDX-License-Identifier: BSD-2-Clause */
/* /you: for whom this browser signs, their devices, letting another one in, and letting go. */
import { equal } from './bytes.js';
import { CODE, Refused, signer_get } from './frames.js';
import { ask } from './gate.js';
import { device_line, endorse, fingerprint, forget, home_here, keep, lacking, request_parse } from './keys.js';
import { list } from './outbox.js';
import { busy, by_id, copy_buttons, el, field_error, fields_are_right, focus_on, foreign, page, path, say, sentence, show, time_text, trouble, why } from './page.js';
import { kept_text } from './state.js';

function device_way(device) {
	return say(device.recovered ? 'way-recovered' : device.endorser.length === 32 ? 'way-device' : 'way-invite');
}

async function devices_show(home) {
	const signer = await ask(signer_get(home.public, true));
	by_id('devices').replaceChildren(...signer.devices.filter((one) => one.key.length === 32).map((one) => el('tr', {},
		el('th', { scope: 'row' }, el('code', { dir: 'ltr' }, fingerprint(one.key)), equal(one.key, home.public) ? ` (${say('this-browser')})` : ''),
		el('td', {}, one.time ? time_text(one.time) : ''), el('td', {}, device_way(one)),
		el('td', {}, say(one.revoked ? 'revoked' : 'in-force')))));
	if (signer.revoked)
		trouble(say('advice-revoked'));
}

/* ---- another device ---- */

function request_read(home) {
	try {
		const r = request_parse(by_id('device-request').value);
		if (!equal(r.identity, home.identity))
			return { error: say('request-of-another') };
		return equal(r.device_key, home.public) ? { error: say('request-of-this') } : { r };
	} catch {
		return { error: say('request-broken') };
	}
}

function request_shown(home) {
	const { r } = request_read(home);
	by_id('device-digits').textContent = r ? fingerprint(r.device_key) : '';
	show('device-compare', Boolean(r));
	by_id('device-same').checked = false;
	field_error(by_id('device-request'));
}

async function let_in(home) {
	const { r, error } = request_read(home), errors = error ? [[by_id('device-request'), error]] : [];
	if (!error && !by_id('device-same').checked)
		errors.push([by_id('device-same'), say('compare-wanted')]);
	if (!fields_are_right(by_id('device-form'), errors))
		return;
	trouble();
	try {
		await endorse(home, r);
	} catch (e) {
		trouble(why(e));
		return;
	}
	by_id('device-request').value = '';
	show('device-compare', false);
	focus_on(show('device-done'));
	await devices_show(home);
}

/* ---- letting go ---- */

function leave_ask(home) {
	const dialog = by_id('leave-dialog');
	by_id('leave').addEventListener('click', async () => {
		const left = (await list(home)).filter((one) => one.state !== 'anchored' && one.state !== 'refused').length;
		show('leave-left', left > 0);
		dialog.showModal();
	});
	by_id('leave-no').addEventListener('click', () => dialog.close());
	by_id('leave-yes').addEventListener('click', async () => {
		await forget(home);
		for (const name of ['convene', 'convene-lang'])
			localStorage.removeItem(name);
		location.assign(path('/'));
	});
}

async function start() {
	const lacks = await lacking();
	if (lacks)
		return trouble(say(lacks));
	const home = await home_here(page.node);
	if (home?.state !== 'enrolled')
		return show('no-key');
	by_id('who').replaceChildren(...sentence('speaks-for', foreign(`${home.handle}@${home.organisation}`)));
	by_id('digits').textContent = fingerprint(home.public);
	by_id('persists').replaceChildren(...kept_text(await keep()));
	const line = device_line(home, page.node);
	by_id('device-link').value = `${location.origin}${path('/join')}#${line}`;
	by_id('device-line').value = `convene join ${line}`;
	by_id('device-request').addEventListener('input', () => request_shown(home));
	by_id('device-form').addEventListener('submit', (event) => {
		event.preventDefault();
		busy(by_id('device-in'), () => let_in(home)).catch((e) => trouble(why(e)));
	});
	leave_ask(home);
	copy_buttons();
	show('you');
	return devices_show(home).catch((e) => {
		by_id('devices-error').textContent = e instanceof Refused && e.code === CODE.NOT_ENROLLED ? say('advice-enrolled') : why(e);
	});
}

start().catch((e) => trouble(why(e)));
