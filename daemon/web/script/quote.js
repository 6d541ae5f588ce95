/* SPDX-License-Identifier: BSD-2-Clause */
/* The post that is answered, quoted as the terminal client does it (client/quote.c): "> " before every
 * line, one level deeper for what is quoted there, without the signature behind "-- ". A browser
 * folds what it shows, so lines are not folded here. */

const LEVELS_MAX = 30;

/* What is said, without empty lines around it and what follows the last "-- ". */
function substance(text) {
	const lines = text.split(/\r\n|\n|\u2028|\u2029/), cut = lines.lastIndexOf('-- ');
	const kept = (cut < 0 ? lines : lines.slice(0, cut)).map((line) => line.trimEnd());
	while (kept.length && kept[0] === '')
		kept.shift();
	while (kept.length && kept[kept.length - 1] === '')
		kept.pop();
	return kept;
}

/* `said`: the line above it, as "alice@isoc.example wrote:". Empty when there is nothing to quote. */
export function quote(text, said) {
	const lines = substance(text);
	if (lines.length === 0)
		return '';
	return said + '\n' + lines.map((line) => {
		const marks = /^(?:> ?)*/.exec(line)[0];
		const levels = Math.min(marks.replace(/ /g, '').length, LEVELS_MAX);
		const rest = line.slice(marks.length);
		return '>'.repeat(levels + 1) + (rest ? ' ' + rest : '');
	}).join('\n') + '\n';
}

/* Whether nothing was added to the quotation. */
export function untouched(quotation, written) {
	const known = new Set(quotation.split('\n').map((line) => line.trimEnd()));
	return written.split('\n').every((line) => line.trim() === '' || known.has(line.trimEnd()));
}

/* The beginning of what somebody wrote themselves, for a subject that was left empty. */
export function own_line(text, most = 70) {
	const line = text.split('\n').find((each, i, all) => each.trim() && !each.startsWith('>') && !all[i + 1]?.startsWith('>')) ?? '';
	if (line.length <= most)
		return line.trim();
	const cut = line.slice(0, most), space = cut.lastIndexOf(' ');
	return (space > most / 2 ? cut.slice(0, space) : [...cut].slice(0, -1).join('')).trim() + '…';
}
