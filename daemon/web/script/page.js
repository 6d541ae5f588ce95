/* SPDX-License-Identifier: BSD-2-Clause */
/* What the pages that are filled by scripts share: what the server says in the page (node, strings in
 * the reader's language), elements, fields and their errors, and what is told aloud. */

export const page = JSON.parse(document.getElementById('page-data')?.textContent || '{}');

/* What needs scripts stands in the page as text (shell.c), for browsers that know neither scripts nor
 * what is hidden. It is markup of the server's, as the page is. */
const shell = document.getElementById('shell');
if (shell) {
	const room = document.createElement('template');
	room.innerHTML = shell.textContent;
	shell.replaceWith(room.content);
}

/* "%s", "%d", or "%1$s" where the order differs. */
export function format(text, ...values) {
	let next = 0;
	return text.replace(/%(?:(\d)\$)?l?[sdu]|%%/g, (found, at) => (found === '%%' ? '%' : String(values[at ? at - 1 : next++] ?? '')));
}

/* A string by its key; the table is in script_strings.c. */
export const say = (key, ...values) => format(page.strings?.[key] ?? key, ...values);

/* One that depends on a number. The server has sent it for some numbers; that of the same plural
 * category is right, as CLDR has it. */
export function say_count(forms, n, language = document.documentElement.lang) {
	const rules = new Intl.PluralRules(language), like = rules.select(n);
	const found = Object.hasOwn(forms, n) ? n : Object.keys(forms).find((each) => rules.select(Number(each)) === like) ?? 100;
	return format(forms[found], number_format(n));
}

/* Days before months, 24 hours, and digits as the server's pages have them. */
const locale = () => `${document.documentElement.lang === 'en' ? 'en-GB' : document.documentElement.lang}-u-nu-latn`;
const number_format = (n) => n.toLocaleString(locale());

/* A path of ours, in the language that was chosen. */
export const path = (to) => `${page.base ?? ''}${to}`;

export const by_id = (id) => document.getElementById(id);

/* el('a', { href, class… }, 'text', child…); texts are never markup. */
export function el(name, attributes = {}, ...children) {
	const out = document.createElement(name);
	for (const [key, value] of Object.entries(attributes)) {
		if (key.startsWith('on'))
			out.addEventListener(key.slice(2), value);
		else if (value !== undefined && value !== null && value !== false)
			out.setAttribute(key, value === true ? '' : value);
	}
	out.append(...children.filter((child) => child !== null && child !== undefined && child !== ''));
	return out;
}

/* What others wrote stands alone, whatever its direction. */
export const foreign = (text) => el('bdi', {}, text);

/* A sentence with elements in the place of "%s". */
export const sentence = (key, ...values) => pieces(page.strings?.[key] ?? key, ...values);

export function pieces(text, ...values) {
	const out = [];
	let at = 0, next = 0;
	for (const found of text.matchAll(/%(?:(\d)\$)?[sd]/g)) {
		out.push(text.slice(at, found.index), values[found[1] ? found[1] - 1 : next++]);
		at = found.index + found[0].length;
	}
	out.push(text.slice(at));
	return out;
}

/* UTC, as everywhere on these pages. */
export function time_text(ms) {
	return new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short', hourCycle: 'h23', timeZone: 'UTC' }).format(ms);
}

export function size_text(bytes) {
	const [n, unit] = bytes < 1000 ? [bytes, 'byte'] : bytes < 1000000 ? [bytes / 1000, 'kilobyte'] : [bytes / 1000000, 'megabyte'];
	return new Intl.NumberFormat(locale(), { style: 'unit', unit, maximumFractionDigits: 1 }).format(n);
}

export function show(id, shown = true) {
	const element = typeof id === 'string' ? by_id(id) : id;
	if (element)
		element.hidden = !shown;
	return element;
}

/* ---- fields ---- */

/* What is typed as it stands isn't turned around where one writes from the right. */
const prose = (text) => text.split(/(convene(?:-device:|:\/\/))/).map((piece, i) => (i % 2 ? el('code', { dir: 'ltr' }, piece) : piece));

/* The error of a field stands in #FIELD-error, which describes it, until something is changed there. */
export function field_error(field, text) {
	const place = by_id(`${field.id}-error`);
	place.replaceChildren(...prose(text ?? ''));
	place.hidden = !text;
	if (text)
		field.setAttribute('aria-invalid', 'true');
	else
		field.removeAttribute('aria-invalid');
}

/* Errors of a form, as [field, text]; the first has the focus. True: there are none. */
export function fields_are_right(form, errors) {
	for (const field of form.querySelectorAll('[aria-invalid]'))
		field_error(field);
	for (const [field, text] of errors) {
		field_error(field, text);
		field.addEventListener('input', () => field_error(field), { once: true });
	}
	errors[0]?.[0].focus();
	return errors.length === 0;
}

/* While something is done, its button can't be used again, and says so. */
export async function busy(button, work) {
	if (button.getAttribute('aria-disabled') === 'true')
		return undefined;
	button.setAttribute('aria-disabled', 'true');
	try {
		return await work();
	} finally {
		button.removeAttribute('aria-disabled');
	}
}

/* Buttons that copy a field; where the browser doesn't let them, the field is marked for it. */
export function copy_buttons() {
	for (const button of document.querySelectorAll('[data-copy]'))
		button.addEventListener('click', async () => {
			const field = by_id(button.dataset.copy), told = by_id(`${field.id}-copied`);
			try {
				await navigator.clipboard.writeText(field.value);
				told.textContent = say('copied');
			} catch {
				field.select();
				told.textContent = say('copy-failed');
			}
		});
}

/* What went wrong, where the page keeps room for it; spoken at once. */
export function trouble(...children) {
	const place = by_id('trouble');
	place.replaceChildren(...(children.length ? [el('p', {}, ...children)] : []));
	place.hidden = children.length === 0;
}

/* To a heading that has just appeared. */
export function focus_on(element) {
	element.setAttribute('tabindex', '-1');
	element.focus();
}

/* Why something failed, in words: the node's own sentence where it gave one. */
export function why(error) {
	if (error.name === 'Refused')
		return say('refused', error.message);
	if (error.name === 'Unreachable')
		return say('unreachable');
	console.warn(error);
	return say('failed', error.message);
}
