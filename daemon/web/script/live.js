/* SPDX-License-Identifier: BSD-2-Clause */
/* On pages that are read: what has come since, as a line that one may follow. Nothing that is being
 * read moves. While the page is hidden nothing is asked for: browsers open few connections to a
 * server, and a reader may have many tabs. */
import { el, foreign, pieces, say_count } from './page.js';

const place = document.querySelector('[data-live]');
const CLOSE_MS = 30000;

function live(place) {
	const { live: scope, liveAfter, liveForms, liveMuch } = place.dataset, forms = JSON.parse(liveForms);
	const seen = new Set();
	let source = null, after = liveAfter ?? '', closing = 0, much = false;

	/* One that came is shown where it stands; of several the page itself, as it is now. */
	function draw(latest) {
		const link = el('a', { href: latest?.href ?? location.pathname + location.search }, much ? liveMuch : say_count(forms, seen.size));
		if (!latest)
			link.addEventListener('click', (event) => {
				event.preventDefault();
				location.reload();
			});
		place.replaceChildren(el('p', {}, link));
	}

	function open() {
		clearTimeout(closing);
		if (source)
			return;
		source = new EventSource(`/live?${scope}${after ? `${scope ? '&' : ''}after=${after}` : ''}`);
		source.addEventListener('at', (event) => { after ||= String(JSON.parse(event.data).arrival); });
		source.addEventListener('item', (event) => {
			after = event.lastEventId || after;
			const item = JSON.parse(event.data);
			/* Only topics (5) and posts (6): what is amended or erased is not new. */
			if (![5, 6].includes(item.kind ?? 6) || !/^[0-9a-f]{64}$/.test(item.id) || document.getElementById(`m-${item.id.slice(0, 16)}`) || seen.has(item.id))
				return;
			seen.add(item.id);
			draw(seen.size === 1 && !much ? { href: `${place.dataset.liveBase ?? ''}/m/${item.id}` } : null);
		});
		/* More has been missed than is told one by one. */
		source.addEventListener('reload', (event) => {
			after = event.lastEventId || after;
			much = true;
			draw(null);
		});
	}

	function close() {
		source?.close();
		source = null;
	}

	document.addEventListener('visibilitychange', () => {
		clearTimeout(closing);
		if (document.visibilityState === 'visible')
			open();
		else
			closing = setTimeout(close, CLOSE_MS);
	});
	/* A page in the browser's back-forward cache may hold no connection. */
	addEventListener('pagehide', close);
	addEventListener('pageshow', open);
	open();
}

if (place)
	live(place);

/* Somebody who takes part from this browser isn't asked to join. */
function known(place, who) {
	place.querySelector('.button').replaceWith(el('a', { class: 'button', href: place.dataset.path }, place.dataset.write));
	place.before(el('p', { class: 'meta' }, ...pieces(place.dataset.as, foreign(who))));
}

const who = localStorage.getItem('convene'), join = document.querySelector('[data-as]');
if (join && who?.includes('@'))
	known(join, who);

/* Somebody who writes from this browser: what could not be sent goes on its way from any page. */
if (who)
	import('./carry.js');
