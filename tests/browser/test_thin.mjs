// SPDX-License-Identifier: BSD-2-Clause
// Over a link of 64 kbit/s and 600 ms there and back, by TLS, with nothing in the browser's cache: reading
// begins within 10 s, and a post made while the link is down arrives.
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { Nodes, Person, browser_start } from './lib.mjs';

let nodes, browser;

before(async () => {
	nodes = await Nodes.start('--thin');
	browser = nodes.about.skip ? null : await browser_start(nodes.about.enter);
});

after(async () => {
	await browser?.close();
	await nodes?.end();
});

const come = async () => {
	const person = await Person.come(browser, nodes, 0, { ignoreHTTPSErrors: true });
	person.page.setDefaultTimeout(60000);
	return person;
};

// Milliseconds until there is something of this kind to be seen.
async function seen(person, path, selector) {
	const began = Date.now();
	await Promise.all([person.page.goto(nodes.url(0, path), { waitUntil: 'commit' }), person.page.waitForSelector(selector)]);
	await person.page.evaluate(() => new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); }));
	return Date.now() - began;
}

test('the first thread is on the screen within 10 s', async (t) => {
	if (nodes.about.skip)
		return t.skip(nodes.about.skip);
	const direct = await come();
	const took = await seen(direct, `/thread/${nodes.about.thread}`, 'article .text');
	await direct.leave();
	const reader = await come();
	const front = await seen(reader, '/', 'main a[href*="/topic/"]');
	const began = Date.now();
	await reader.page.click('main a[href*="/thread/"]');
	await reader.page.waitForSelector('article .text');
	const then = Date.now() - began;
	console.log(`# a thread of 43 messages from nothing: ${took} ms; the front page: ${front} ms, and a thread from there: ${then} ms`);
	assert.ok(took < 10000 && front + then < 10000);
	return reader.leave();
});

test('a post made while the link is down arrives when it is up again', async (t) => {
	if (nodes.about.skip)
		return t.skip(nodes.about.skip);
	const { link } = await nodes.do({ do: 'invite' }), someone = await come(), { page } = someone;
	const began = Date.now();
	await page.goto(link);
	await page.waitForSelector('#join:visible');
	const joinable = Date.now() - began;
	await page.fill('#handle', 'faraway');
	await page.click('#join-button');
	await page.waitForSelector('#write:visible');
	someone.offline = true; // what the browser says of the requests that fail
	await nodes.do({ do: 'link', set: 'down' });
	await page.fill('#text', 'From far away.');
	await page.click('#send');
	await page.waitForSelector('#result:visible');
	await page.waitForTimeout(3000);
	assert.equal(await page.locator('.steps li.done').count(), 1, 'signed and kept, and no more');
	await nodes.do({ do: 'link', set: 'up' });
	const up = Date.now();
	await page.waitForFunction(() => document.querySelectorAll('.steps li.done').length >= 3, null, { timeout: 90000 });
	console.log(`# from the invite's link to its form: ${joinable} ms; sealed ${Date.now() - up} ms after the link was up again`);
	return someone.leave();
});
