/* SPDX-License-Identifier: BSD-2-Clause */
/* What became of a message, in words: kept here, accepted, sealed, anchored, or refused. */
import { CODE } from './frames.js';
import { el, foreign, page, path, say, sentence } from './page.js';

const STEPS = ['waiting', 'accepted', 'sealed', 'anchored'];

/* What to do about a refusal, by its code; '' where the node's sentence is all there is to say. */
const ADVICE = { [CODE.NOT_ENROLLED]: 'advice-enrolled', [CODE.REVOKED]: 'advice-revoked', [CODE.TOO_LARGE]: 'advice-large',
	[CODE.IN_THE_FUTURE]: 'advice-clock', [CODE.QUOTA]: 'advice-quota', [CODE.SUSPENDED]: 'advice-suspended',
	[CODE.READ_ONLY]: 'advice-later', [CODE.BUSY]: 'advice-later' };

export const advice = (code) => (ADVICE[code] ? say(ADVICE[code]) : '');

/* The names of organisations, as people list them. */
const names_text = (names) => new Intl.ListFormat(document.documentElement.lang).format(names);

function step_text(kept, step) {
	if (step === 'anchored' && kept.state === 'anchored' && kept.cosigners.length > 0)
		return sentence('step-anchored-by', foreign(names_text(kept.cosigners)));
	return [say(`step-${step}`)];
}

/* One sentence for where it is now. */
export function state_text(kept, reached = true) {
	if (kept.state === 'refused')
		return [say('state-refused', kept.text), ' ', advice(kept.code)];
	if (kept.state === 'waiting')
		return kept.code ? [say('state-later', kept.text), ' ', advice(kept.code)] : [say(reached ? 'state-waiting' : 'state-offline')];
	if (kept.state === 'anchored' && kept.cosigners.length > 0)
		return sentence('state-anchored-by', foreign(names_text(kept.cosigners)));
	return [say(`state-${kept.state}`)];
}

/* The four steps, and how far it has come. */
export function steps(kept) {
	const at = STEPS.indexOf(kept.state);
	return el('ol', { class: 'steps' }, ...STEPS.map((step, i) => el('li', { class: i <= at ? 'done' : 'open',
		'aria-current': i === at ? 'step' : undefined }, ...step_text(kept, step),
	i <= at ? el('span', { class: 'sr' }, ` ${say('step-done')}`) : null)));
}

export function message_link(kept) {
	return el('a', { href: path(`/m/${kept.id}`) }, say('see-message'));
}

/* How safe the key is here. */
export const kept_text = (persists) => (persists ? [say('key-persists')]
	: sentence('key-may-go', el('a', { href: path('/you#further-title') }, say('add-device'))));

export const topic_page = () => page.topic && el('a', { href: path(`/topic/${page.topic.id}`) }, say('see-topic'));
