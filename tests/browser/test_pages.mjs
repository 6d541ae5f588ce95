// SPDX-License-Identifier: BSD-2-Clause
// Every type of page, in English and Arabic, light and dark, for readers and for somebody with a key:
// nothing that axe-core calls serious or critical, no error on the console, nothing from elsewhere, no
// width of its own at 320 px; and all of it can be read with scripts off.
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { LONG, Nodes, Person, browser_start, poll } from './lib.mjs';

let nodes, browser, author;

before(async () => {
	[nodes, browser] = await Promise.all([Nodes.start(), browser_start()]);
});

after(async () => {
	await browser?.close();
	await nodes?.end();
});

const reading = () => {
	const { topic, thread, reply } = nodes.about;
	return ['/', `/topic/${topic}`, `/thread/${thread}`, `/m/${thread}`, `/m/${reply}`, author, '/search?q=record', '/search',
		'/since/2026-01-01', '/about', '/help'];
};

const writing = () => ['/join', '/write', `/write?topic=${nodes.about.topic}`, `/write?parent=${nodes.about.thread}`, `/write?amend=${nodes.about.thread}`,
	'/outbox', '/you'];

test('with scripts off everything can be read, and it is said what needs them', async () => {
	const reader = await Person.come(browser, nodes, 1, { javaScriptEnabled: false }), { page } = reader;
	await reader.go('/');
	await page.click('main a[href*="/topic/"]:has-text("Between the meetings")');
	await page.click('main a[href*="/thread/"]:has-text("Who keeps the record?")');
	assert.equal(await page.locator('article').count(), 3, 'an erased one has its place');
	assert.match(await page.locator('main').innerText(), /نحن جميعا/);
	author = await page.locator('main a[href*="/by/"]').first().getAttribute('href');
	for (const path of reading())
		assert.equal((await reader.go(path)).status(), 200, path);
	for (const path of writing()) {
		assert.equal((await reader.go(path)).status(), 200, path);
		assert.match(await page.locator('noscript').innerText(), /scripts/);
		assert.ok(!await page.locator('main input:visible, main textarea:visible, main button:visible').count(),
			`${path}: no field that does nothing`);
	}
	await reader.leave();
});

test('axe-core finds what is wrong', async () => {
	const reader = await Person.come(browser, nodes, 0);
	await reader.go('/');
	await reader.page.evaluate(() => document.querySelector('main').append(document.createElement('select'), document.createElement('button')));
	assert.deepEqual((await reader.axe()).map((one) => /: ([a-z-]+) \(critical\)/.exec(one)?.[1]).sort(), ['button-name', 'select-name']);
	await reader.leave();
});

for (const [language, base] of [['en', ''], ['ar', '/ar']]) {
	for (const scheme of ['light', 'dark']) {
		test(`a reader's pages in ${language}, ${scheme}: axe-core has nothing serious`, async () => {
			const reader = await Person.come(browser, nodes, 0, { colorScheme: scheme }), found = [];
			for (const path of [...reading(), ...writing()]) {
				await reader.go(base + path);
				if (await reader.page.locator('#page-data').count())
					await reader.page.waitForSelector('#no-key:visible, #join:visible');
				assert.equal(await reader.page.evaluate(() => document.documentElement.lang), language);
				found.push(...await reader.axe());
			}
			reader.offline = true; // the browser itself tells of the 404
			assert.equal((await reader.go(`${base}/m/${'0'.repeat(64)}`)).status(), 404);
			found.push(...await reader.axe());
			assert.deepEqual(found, []);
			await reader.leave();
		});

		test(`a participant's pages in ${language}, ${scheme}: axe-core has nothing serious`, async () => {
			const someone = await Person.come(browser, nodes, 0, { colorScheme: scheme }), { page } = someone, found = [];
			const look = async () => found.push(...await someone.axe());
			const { link } = await nodes.do({ do: 'invite' });
			await page.goto(link.replace('/join#', `${base}/join#`));
			await page.waitForSelector('#join:visible');
			await page.click('#join summary');
			await page.click('#join-button'); // an error at its field
			await look();
			await page.fill('#handle', `reader-${language}-${scheme}`);
			await page.click('#join-button');
			await page.waitForSelector('#welcome:visible', { timeout: LONG });
			await look();
			await someone.go(`${base}/write?parent=${nodes.about.thread}`);
			await page.waitForSelector('#write:visible');
			await page.click('#quote');
			await page.setInputFiles('#files', [{ name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('A') }]);
			await page.click('#send'); // nothing but the quotation, and a file: that goes
			await page.waitForSelector('#result:visible');
			await someone.state_is('sealed');
			await look();
			await someone.go(`${base}/write?topic=${nodes.about.topic}`);
			await page.waitForSelector('#write:visible');
			await page.click('#send');
			await look();
			await page.fill('#text', '> quoted\n\nhttps://example.org');
			await page.click('#preview-button');
			await look();
			await someone.go(`${base}/outbox`);
			await page.waitForSelector('#outbox:visible');
			await look();
			await someone.go(`${base}/you`);
			await page.waitForSelector('#devices tr');
			await look();
			await page.click('#leave');
			await look();
			assert.deepEqual(found, []);
			await someone.leave();
		});
	}
}

test('no page is wider than a screen of 320 px, in either direction of writing', async () => {
	const reader = await Person.come(browser, nodes, 0, { viewport: { width: 320, height: 640 } }), wide = [];
	for (const base of ['', '/ar'])
		for (const path of [...reading(), ...writing()]) {
			await reader.go(base + path);
			const [has, may] = await reader.page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
			if (has > may)
				wide.push(`${base}${path}: ${has}`);
		}
	assert.deepEqual(wide, []);
	await reader.leave();
});

test('who has missed more than is told one by one is told that, and loads the page again', async () => {
	const reader = await Person.come(browser, nodes, 0), { page } = reader;
	const afters = [];
	await page.route(/\/live\?/, (route) => {
		afters.push(new URL(route.request().url()).searchParams.get('after'));
		return route.fulfill({ status: 200, contentType: 'text/event-stream',
			body: 'retry: 100\nid: 7\nevent: at\ndata: {"arrival":9000}\n\nid: 9000\nevent: reload\ndata: {"arrival":9000}\n\n' });
	});
	await reader.go('/');
	await page.waitForSelector('.live a:has-text("Much has come since")');
	await poll('it goes on from there', () => afters.length > 1);
	await page.evaluate(() => { window.stays = true; });
	await Promise.all([page.waitForEvent('load'), page.click('.live a')]);
	assert.equal(await page.evaluate(() => window.stays), undefined);
	await page.unroute(/\/live\?/);
	await reader.leave();
});

test('nothing inline, nothing from elsewhere, no cookie', async () => {
	const reader = await Person.come(browser, nodes, 0), { page } = reader;
	for (const path of [...reading(), ...writing()]) {
		const response = await reader.go(path), headers = response.headers();
		assert.match(headers['content-security-policy'], /default-src 'none'/);
		assert.doesNotMatch(headers['content-security-policy'], /unsafe|http:|\*/);
		assert.equal(headers['x-content-type-options'], 'nosniff');
		assert.equal(headers['set-cookie'], undefined);
		assert.deepEqual(await page.evaluate(() => [...document.querySelectorAll('[style], style, script:not([src]):not([type="application/json"])')]
			.map((element) => element.outerHTML.slice(0, 100))), [], path);
	}
	assert.deepEqual(await reader.context.cookies(), []);
	await reader.leave();
});
