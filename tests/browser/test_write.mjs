// SPDX-License-Identifier: BSD-2-Clause
// From an invite to a sealed message, a reply with a quotation and a file, in English and in Arabic,
// as it appears live at another node.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test, { after, before } from 'node:test';
import { LONG, Nodes, Person, browser_start, poll } from './lib.mjs';

let nodes, browser, alice, maryam;

before(async () => {
	[nodes, browser] = await Promise.all([Nodes.start(), browser_start()]);
});

after(async () => {
	await browser?.close();
	await nodes?.end();
});

const text_of = (page, selector) => page.locator(selector).first().innerText();

test('from an invite to a sealed message: at most 5 actions', async () => {
	const { link } = await nodes.do({ do: 'invite' });
	const secret = link.split('/').pop();
	alice = await Person.come(browser, nodes, 0);
	const reader = await Person.come(browser, nodes, 1);
	await reader.go(`/topic/${nodes.about.topic}`);
	const began = Date.now();
	let actions = 0;
	const did = (action) => {
		actions++;
		return action;
	};
	const { page } = alice;
	await did(page.goto(link)); // 1: follows the link
	await did(page.fill('#handle', 'alice')); // 2
	await did(page.click('#join-button')); // 3
	await page.waitForSelector('#write:visible', { timeout: LONG });
	await did(page.fill('#text', 'A first word from a browser.\n\nAnd a second paragraph.')); // 4
	await did(page.click('#send')); // 5
	await alice.state_is('sealed');
	console.log(`# ${actions} actions, ${Date.now() - began} ms from the link to a sealed message`);
	assert.ok(actions <= 5);
	assert.ok(!alice.urls.some((url) => url.includes(secret)), 'the secret stands in no address that a server sees');
	assert.ok(!page.url().includes(secret), 'nor in the address that the browser shows');
	await alice.state_is('anchored');
	assert.match(await text_of(page, '#result-state'), /ripe\.example/, 'and it says which organisation has anchored it');
	// Another node's page tells of it, without being asked.
	await reader.page.waitForSelector('.live a', { timeout: LONG });
	assert.match(await text_of(reader.page, '.live'), /1 new message/);
	await reader.page.click('.live a');
	await reader.page.waitForSelector('text=A first word from a browser.');
	await reader.leave();
});

test('the key is kept, and nobody can read it out', async () => {
	const kept = await alice.page.evaluate(async () => {
		const open = indexedDB.open('convene');
		await new Promise((done) => { open.onsuccess = done; });
		const all = open.result.transaction('homes').objectStore('homes').getAll();
		await new Promise((done) => { all.onsuccess = done; });
		const [home] = all.result, out = {};
		for (const form of ['raw', 'pkcs8', 'jwk'])
			out[form] = await crypto.subtle.exportKey(form, home.key).then(() => 'exported', (e) => e.name);
		return { count: all.result.length, extractable: home.key.extractable, ...out };
	});
	assert.deepEqual(kept, { count: 1, extractable: false, raw: 'InvalidAccessError', pkcs8: 'InvalidAccessError', jwk: 'InvalidAccessError' });
});

test('in Arabic: an invite that is pasted, and a reply with a quotation and a file', async () => {
	const { invite } = await nodes.do({ do: 'invite', node: 1, handle: 'maryam' });
	maryam = await Person.come(browser, nodes, 1, { locale: 'ar' });
	const { page } = maryam;
	await maryam.go('/ar/join');
	assert.deepEqual(await page.evaluate(() => [document.documentElement.lang, document.documentElement.dir]), ['ar', 'rtl']);
	await page.fill('#invite', invite);
	await page.fill('#handle', 'maryam');
	await page.click('#join-button');
	await page.waitForSelector('#welcome:visible', { timeout: LONG });
	await maryam.go(`/ar/write?parent=${nodes.about.thread}`);
	await page.waitForSelector('#write:visible');
	await page.click('#quote');
	const quoted = await page.inputValue('#text');
	assert.match(quoted, /amina@isoc\.example/);
	assert.match(quoted, /\n>> Who keeps the record\?\n/);
	assert.doesNotMatch(quoted, /Amina\n/, 'the signature is left out');
	const text = `${quoted}\nنعم، نحن جميعا.\n\n- أولا https://example.org/a_(b).\n- ثانيا\n`;
	await page.fill('#text', text);
	assert.equal(await page.inputValue('#lang'), 'ar', 'the language that somebody reads in, whatever they reply to');
	const pdf = Buffer.concat([Buffer.from('%PDF-1.7\n'), Buffer.alloc(70000, 7)]);
	await page.setInputFiles('#files', [{ name: 'خطة.pdf', mimeType: 'application/pdf', buffer: pdf },
		{ name: 'empty.bin', mimeType: '', buffer: Buffer.from('x') }]);
	await page.waitForSelector('#parts li:nth-child(2)');
	await page.click('#parts li:nth-child(2) button');
	await page.click('#preview-button');
	const preview = await page.locator('#preview .text').innerHTML();
	await page.click('#send');
	await maryam.state_is('sealed');
	await page.click('#result-links a');
	await page.waitForSelector('article');
	assert.equal(await page.locator('article .text').first().innerHTML().then((html) => html.trim()), preview.trim(),
		'the preview was what is shown');
	assert.equal(await page.locator('article .text').first().evaluate((element) => element.closest('[lang]').lang), 'ar');
	const [download] = await Promise.all([page.waitForEvent('download'), page.click('a[href*="/part/"]')]);
	assert.equal(download.suggestedFilename(), 'خطة.pdf');
	assert.deepEqual(readFileSync(await download.path()), pdf);
});

test('the reply is at the other node, in its thread, and proves itself', async () => {
	const { page } = alice;
	await nodes.do({ do: 'settle' });
	await alice.go(`/thread/${nodes.about.thread}`);
	await page.waitForSelector('text=نعم، نحن جميعا.');
	const id = await page.locator('article', { hasText: 'نعم، نحن جميعا.' }).last().locator('a[href*="/m/"]').first().getAttribute('href');
	const proof = await page.evaluate((path) => fetch(path).then((r) => r.text()), id.replace(/#.*/, '') + '/proof');
	assert.match(proof, /c2sp\.org\/tlog-proof@v1|convene receipt v1/);
});

test('by keyboard alone: a new thread, from the topic\'s page', async () => {
	const { page } = alice;
	await alice.go(`/topic/${nodes.about.topic}`);
	// Tab to a link or control, as somebody without a mouse does.
	const tab_to = async (selector) => {
		for (let i = 0; i < 80; i++) {
			await page.keyboard.press('Tab');
			if (await page.evaluate((wanted) => document.activeElement?.matches(wanted), selector))
				return;
		}
		assert.fail(`${selector} can't be reached by Tab`);
	};
	await tab_to('a[href*="/write?topic="]');
	await page.keyboard.press('Enter');
	await page.waitForSelector('#write:visible');
	await tab_to('#subject');
	await page.keyboard.type('By keyboard');
	await tab_to('#text');
	await page.keyboard.type('No mouse was used.');
	await page.keyboard.press('Control+Enter');
	await alice.state_is('sealed');
	assert.equal(await page.evaluate(() => document.activeElement.id), 'result-title', 'the focus is on what came of it');
});

test('what is missing is said at its field, and the focus goes there', async () => {
	const { page } = alice;
	await alice.go(`/write?parent=${nodes.about.thread}`);
	await page.waitForSelector('#write:visible');
	await page.click('#send');
	assert.equal(await page.evaluate(() => document.activeElement.id), 'text');
	assert.equal(await page.getAttribute('#text', 'aria-invalid'), 'true');
	assert.match(await page.getAttribute('#text', 'aria-describedby'), /text-error/);
	await page.click('#quote');
	await page.click('#send');
	assert.match(await text_of(page, '#text-error'), /nothing but the quotation/);
	const file = (size) => [{ name: 'large.bin', mimeType: '', buffer: Buffer.alloc(size) }];
	await page.setInputFiles('#files', file(1100000));
	await poll('nothing is said', () => text_of(page, '#files-error').then((text) => /too large/.test(text)));
	await page.fill('#text', 'With two files');
	await page.setInputFiles('#files', file(600000));
	await page.waitForSelector('#parts li');
	await page.setInputFiles('#files', file(600000));
	await page.waitForSelector('#parts li:nth-child(2)');
	assert.match(await text_of(page, '#room'), /Too much/);
	await page.click('#send');
	assert.match(await text_of(page, '#files-error'), /at most/);
	// A language that isn't one of the interface's has a tag; what is said at the field goes when it is mended.
	await page.click('#parts button');
	await page.selectOption('#lang', 'other');
	await page.fill('#lang-tag', 'english');
	await page.click('#send');
	assert.match(await text_of(page, '#lang-tag-error'), /no language tags/);
	await page.fill('#lang-tag', 'sw');
	assert.ok(await page.locator('#lang-tag-error').isHidden());
	assert.equal(await page.getAttribute('#lang-tag', 'aria-invalid'), null);
	await page.click('#parts button');
	await page.click('#send');
	await alice.state_is('sealed');
	await page.click('#result-links a');
	assert.equal(await page.locator('article .text').first().getAttribute('lang'), 'sw');
});

test('who takes part isn\'t asked to join, and opens a topic from the front page', async () => {
	const { page } = alice;
	await alice.go('/');
	await page.waitForSelector('.lead >> text=You take part as alice@isoc.example.');
	assert.equal(await page.locator('.lead a.button').getAttribute('href'), '/write');
	await page.click('a[href="/write?topic=new"]');
	await page.waitForSelector('#write:visible');
	await page.click('#send');
	assert.match(await text_of(page, '#subject-error'), /needs a title/);
	await page.fill('#subject', 'A place to meet');
	await page.fill('#text', 'For all who come.');
	await page.click('#send');
	await alice.state_is('sealed');
	await nodes.do({ do: 'settle' });
	await alice.go('/');
	const topic = page.locator('.topics li', { hasText: 'A place to meet' });
	assert.match(await topic.innerText(), /For all who come\.\s+No messages yet/);
	const stranger = await Person.come(browser, nodes, 1);
	await stranger.go('/ar/');
	assert.equal(await stranger.page.locator('.lead a.button').getAttribute('href'), '/ar/join');
	await stranger.leave();
});

test('a draft stays through a reload, and goes when it is sent', async () => {
	const { page } = alice;
	await alice.go(`/write?parent=${nodes.about.reply}`);
	await page.waitForSelector('#write:visible');
	await page.fill('#text', 'Half a thought');
	await page.setInputFiles('#files', [{ name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('A file') }]);
	await poll('no draft', () => text_of(page, '#draft-state').then((text) => /Draft kept/.test(text)));
	await page.reload();
	await page.waitForSelector('#write:visible');
	assert.equal(await page.inputValue('#text'), 'Half a thought');
	assert.equal(await page.locator('#parts li').count(), 1);
	await alice.go('/outbox');
	await page.waitForSelector('#drafts-list li');
	const drafts = await page.locator('#drafts-list li').count();
	await page.click('#drafts-list a');
	await page.waitForSelector('#write:visible');
	await page.fill('#text', 'A whole thought');
	await page.click('#send');
	await alice.state_is('sealed');
	await alice.go('/outbox');
	await page.waitForSelector('#outbox:visible');
	assert.equal(await page.locator('#drafts-list li').count(), drafts - 1);
	assert.match(await text_of(page, '#outbox'), /Reply in: Who keeps the record\?/);
});

test('what one wrote can be amended, with its files, and erased; what others wrote can not', async () => {
	const { page } = maryam;
	await maryam.go(`/thread/${nodes.about.thread}`);
	const link = await page.locator('article', { hasText: 'نعم، نحن جميعا.' }).last().locator('header a[href*="/m/"]').first().getAttribute('href');
	await maryam.go(link);
	await page.click('a[href*="/write?amend="]');
	await page.waitForSelector('#write:visible');
	assert.match(await page.inputValue('#text'), /^.*\n> The forum goes on/);
	assert.match(await page.locator('#parts').innerText(), /خطة\.pdf/);
	await page.fill('#text', 'Amended: yes.');
	await page.click('#send');
	await maryam.state_is('sealed');
	await nodes.do({ do: 'settle' });
	await alice.go(link);
	assert.match(await alice.page.locator('article').innerText(), /Amended: yes\./);
	assert.equal(await alice.page.locator('article a[href*="/part/"]').count(), 1);
	await alice.page.click('a[href*="/write?amend="]');
	await alice.page.waitForSelector('#not-yours:visible');
	await alice.page.click('main .topic a');
	assert.match(await alice.page.locator('article').innerText(), /Amended: yes\./);
	await maryam.go(link.replace('/m/', '/write?amend='));
	await page.waitForSelector('#erase-section:visible');
	await page.click('#erase');
	await page.click('#erase-yes');
	await maryam.state_is('sealed');
	await nodes.do({ do: 'settle' });
	await alice.go(link);
	assert.match(await alice.page.locator('article').innerText(), /erased/);
	assert.doesNotMatch(await alice.page.content(), /Amended: yes|نعم، نحن جميعا/);
	await maryam.go('/outbox');
	await page.waitForSelector('#outbox:visible');
	assert.doesNotMatch(await page.evaluate(async () => {
		const open = indexedDB.open('convene');
		await new Promise((done) => { open.onsuccess = done; });
		const all = open.result.transaction('outbox').objectStore('outbox').getAll();
		await new Promise((done) => { all.onsuccess = done; });
		return all.result.map((kept) => new TextDecoder().decode(kept.content)).join();
	}), /Amended: yes|نعم، نحن جميعا/);
});

test('nothing on a console, and no request elsewhere', async () => {
	await alice.leave();
	await maryam.leave();
});
