// SPDX-License-Identifier: BSD-2-Clause
// What was signed is never lost and never signed twice: without a connection, in several tabs, with
// answers that get lost, with a relay that is away, and with a browser that forgot its sequence.
import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';
import { LONG, Nodes, Person, browser_start, poll } from './lib.mjs';

let nodes, browser, bob;

before(async () => {
	[nodes, browser] = await Promise.all([Nodes.start(), browser_start()]);
});

after(async () => {
	await browser?.close();
	await nodes?.end();
});

const outbox = (page) => page.evaluate(async () => {
	const open = indexedDB.open('convene');
	await new Promise((done) => { open.onsuccess = done; });
	const all = open.result.transaction('outbox').objectStore('outbox').getAll();
	await new Promise((done) => { all.onsuccess = done; });
	return all.result.map(({ sequence, state, id, text }) => ({ sequence, state, id, text }));
});

const write = async (page, text, topic = nodes.about.topic) => {
	await page.goto(nodes.url(0, `/write?topic=${topic}`));
	await page.waitForSelector('#write:visible');
	await page.fill('#text', text);
	await page.click('#send');
	await page.waitForSelector('#result:visible');
};

const threads_at = async (node, page) => {
	const text = await page.evaluate((url) => fetch(url).then((r) => r.text()), `/topic/${nodes.about.topic}`);
	return text;
};

const shown_once = (html, text) => html.split(`>${text}<`).length - 1;

test('the answer to an invite that gets lost: the same key again, the same answer', async () => {
	const { link } = await nodes.do({ do: 'invite' });
	bob = await Person.come(browser, nodes, 0);
	bob.offline = true; // the answers that are lost here are errors to the browser
	const { page } = bob;
	let lost = 0;
	await page.route('**/gate', async (route) => {
		if (route.request().postDataBuffer()?.[0] !== 79 || lost++ > 0)
			return route.continue();
		await route.fetch(); // it got there
		return route.abort('connectionreset');
	});
	await page.goto(link);
	await page.fill('#handle', 'bob');
	await page.click('#join-button');
	await page.waitForSelector('#trouble:visible');
	assert.match(await page.locator('#trouble').innerText(), /Try again with the same invite/);
	// Even after a reload: the key is still there, and the invite nowhere but in its link.
	assert.ok(!(await page.evaluate(() => JSON.stringify([history.state, location.href]))).includes('convene:'));
	await page.reload();
	await page.waitForSelector('#invite:visible');
	await page.goto(link);
	await page.waitForSelector('#invite-here:visible');
	await page.fill('#handle', 'bob');
	await page.click('#join-button');
	await page.waitForSelector('#welcome:visible', { timeout: LONG });
	assert.equal(lost, 2);
	const { people } = await nodes.do({ do: 'people' });
	assert.equal(people.filter((one) => one.handle === 'bob').length, 1);
	await page.unroute('**/gate');
});

test('a handle that is taken is said at its field, and the invite is still good', async () => {
	const { link } = await nodes.do({ do: 'invite' });
	const carol = await Person.come(browser, nodes, 0), { page } = carol;
	await page.goto(link);
	await page.fill('#handle', 'amina');
	await page.click('#join-button');
	await poll('nothing is said', () => page.locator('#handle-error').innerText().then((text) => /^amina is taken at isoc\.example/.test(text)));
	assert.equal(await page.evaluate(() => document.activeElement.id), 'handle');
	await page.fill('#handle', 'Carol');
	assert.equal(await page.locator('#handle-shown').innerText(), 'carol@isoc.example');
	await page.click('#join-button');
	await page.waitForSelector('#welcome:visible', { timeout: LONG });
	await carol.leave();
});

test('an invite of another node, a broken one, and one that was used', async () => {
	const other = (await nodes.do({ do: 'invite', node: 1 })).invite, { link } = await nodes.do({ do: 'invite' });
	const dave = await Person.come(browser, nodes, 0), { page } = dave;
	await dave.go('/join');
	for (const [invite, said] of [[other, /another node/], ['convene://x', /not a whole invite/], ['', /Paste the invite/]]) {
		await page.fill('#invite', invite);
		await page.fill('#handle', 'dave');
		await page.click('#join-button');
		assert.match(await page.locator('#invite-error').innerText(), said);
		assert.equal(await page.evaluate(() => document.activeElement.id), 'invite');
	}
	const first = await Person.come(browser, nodes, 0);
	await first.join(link, 'erin');
	await first.leave();
	await page.fill('#invite', link);
	await page.click('#join-button');
	await page.waitForSelector('#trouble:visible');
	assert.match(await page.locator('#trouble').innerText(), /has been used.*another invite/s);
	await dave.leave();
});

test('a post made offline is signed and kept, and arrives when there is a connection', async () => {
	const { page } = bob;
	await page.goto(nodes.url(0, `/write?topic=${nodes.about.topic}`));
	await page.waitForSelector('#write:visible');
	await bob.set_offline(true);
	await page.fill('#text', 'Written on a train.');
	await page.click('#send');
	await page.waitForSelector('#result:visible');
	await poll('it does not say so', () => page.locator('#result-state').innerText().then((text) => /when there is a connection/.test(text)));
	assert.deepEqual((await outbox(page)).map((one) => one.state), ['waiting']);
	await bob.set_offline(false);
	await bob.state_is('anchored');
	await nodes.do({ do: 'settle' });
	assert.equal(shown_once(await threads_at(0, page), 'Written on a train.'), 1);
});

test('a tab that was closed before it could send: any page of the forum sends it', async () => {
	const { page } = bob;
	await page.goto(nodes.url(0, `/write?topic=${nodes.about.topic}`));
	await page.waitForSelector('#write:visible');
	await bob.set_offline(true);
	await page.fill('#text', 'Kept over night.');
	await page.click('#send');
	await page.waitForSelector('#result:visible');
	await page.close();
	bob.page = await bob.context.newPage();
	await bob.set_offline(false);
	await bob.go('/');
	await poll('it was not sent', async () => (await outbox(bob.page)).every((one) => one.state !== 'waiting'));
	await nodes.do({ do: 'settle' });
	assert.equal(shown_once(await threads_at(0, bob.page), 'Kept over night.'), 1);
	// From then on nothing that is read tells who reads.
	const before = bob.urls.length;
	await bob.go('/');
	await bob.go(`/topic/${nodes.about.topic}`);
	await bob.page.waitForLoadState('networkidle', { timeout: 3000 }).catch(() => {}); // /live stays open
	assert.deepEqual(bob.urls.slice(before).filter((url) => url.endsWith('/gate')), []);
	await bob.go('/outbox');
	await poll('it is not anchored', async () => (await outbox(bob.page)).every((one) => one.state === 'anchored'));
});

test('five tabs at once: no sequence twice, nothing refused, all arrive', async () => {
	const pages = await Promise.all([0, 1, 2, 3, 4].map(() => bob.context.newPage()));
	const before = (await outbox(bob.page)).length;
	await Promise.all(pages.map(async (page, i) => {
		for (let n = 0; n < 3; n++)
			await write(page, `Tab ${i}, message ${n}.`);
	}));
	await poll('they did not arrive', async () => {
		const all = await outbox(bob.page);
		return all.length === before + 15 && all.every((one) => one.state === 'anchored');
	});
	const sequences = (await outbox(bob.page)).map((one) => one.sequence);
	assert.equal(new Set(sequences).size, sequences.length);
	const html = await threads_at(0, bob.page);
	for (let i = 0; i < 5; i++)
		for (let n = 0; n < 3; n++)
			assert.equal(shown_once(html, `Tab ${i}, message ${n}.`), 1);
	await Promise.all(pages.map((page) => page.close()));
});

test('an answer that gets lost: the same bytes again, and one message', async () => {
	const { page } = bob, sent = [];
	let lost = 0;
	await page.route('**/gate', async (route) => {
		const body = route.request().postDataBuffer();
		if (body?.[0] === 64)
			sent.push(body.toString('hex'));
		if (body?.[0] !== 64 || lost++ > 0)
			return route.continue();
		await route.fetch();
		return route.abort('connectionreset');
	});
	await write(page, 'Said once.');
	await bob.state_is('sealed');
	await page.unroute('**/gate');
	assert.ok(sent.length >= 2 && sent[1].startsWith(sent[0]), 'the bytes are the same');
	await nodes.do({ do: 'settle' });
	assert.equal(shown_once(await threads_at(0, page), 'Said once.'), 1);
});

test('answers of a node that means harm: the message stays', async () => {
	const { page } = bob;
	let turn = 0;
	const bad = [Buffer.alloc(0), Buffer.from([65]), Buffer.from([65, 0x0a, 0xff]), Buffer.from([80, 8, 1]), Buffer.alloc(3000000, 65),
		Buffer.concat([Buffer.from([65, 0x0a, 0x24, 0x0a, 0x20]), Buffer.alloc(32, 9), Buffer.from([0x10, 4])])];
	await page.route('**/gate', (route) => (turn < bad.length && route.request().postDataBuffer()?.[0] === 64
		? route.fulfill({ status: 200, contentType: 'application/x-convene', body: bad[turn++] }) : route.continue()));
	await write(page, 'In spite of it.');
	for (let i = 0; i < bad.length; i++) {
		await page.evaluate(() => dispatchEvent(new Event('online')));
		await poll('no other try', () => turn > i);
	}
	await page.evaluate(() => dispatchEvent(new Event('online')));
	await bob.state_is('sealed');
	await page.unroute('**/gate');
});

test('a browser that forgot its sequence learns it, and signs anew what is refused', async () => {
	const { page } = bob;
	const high = Math.max(...(await outbox(page)).map((one) => one.sequence));
	await page.evaluate(async () => {
		const open = indexedDB.open('convene');
		await new Promise((done) => { open.onsuccess = done; });
		const change = open.result.transaction(['homes', 'outbox'], 'readwrite'), homes = change.objectStore('homes');
		const all = homes.getAll();
		await new Promise((done) => { all.onsuccess = done; });
		homes.put({ ...all.result[0], sequence: 0, sure: true });
		change.objectStore('outbox').clear();
		await new Promise((done) => { change.oncomplete = done; });
	});
	await write(page, 'After a restored backup.');
	await bob.state_is('sealed');
	assert.ok((await outbox(page)).every((one) => one.sequence > high));
	await nodes.do({ do: 'settle' });
	assert.equal(shown_once(await threads_at(0, page), 'After a restored backup.'), 1);
});

test('the relay is away for a moment: what is written meanwhile arrives', async () => {
	const { page } = bob;
	await page.goto(nodes.url(0, `/write?topic=${nodes.about.topic}`));
	await page.waitForSelector('#write:visible');
	await nodes.do({ do: 'relay' });
	await page.fill('#text', 'While the relay was away.');
	await page.click('#send');
	await bob.state_is('sealed');
});

test('another browser is let in, and writes under the same name; its request only after the digits', async () => {
	const { page } = bob, laptop = await Person.come(browser, nodes, 0);
	await bob.go('/you');
	await page.waitForSelector('#you:visible');
	await laptop.page.goto(await page.inputValue('#device-link'));
	await laptop.page.waitForSelector('#request:visible');
	const request = await laptop.page.inputValue('#request-line'), digits = await laptop.page.locator('#request-digits').innerText();
	// The page may be closed and come back: the request stays the same.
	await laptop.go('/join');
	await laptop.page.waitForSelector('#request:visible');
	assert.equal(await laptop.page.inputValue('#request-line'), request);
	await page.fill('#device-request', 'convene-device:AAAA');
	await page.click('#device-in');
	assert.match(await page.locator('#device-request-error').innerText(), /no device's request/);
	await page.fill('#device-request', request);
	assert.equal(await page.locator('#device-digits').innerText(), digits);
	await page.click('#device-in');
	assert.match(await page.locator('#device-same-error').innerText(), /Compare the digits/);
	await page.check('#device-same');
	await page.click('#device-in');
	await page.waitForSelector('#device-done:visible', { timeout: LONG });
	await laptop.page.waitForSelector('#welcome:visible', { timeout: LONG });
	assert.match(await laptop.page.locator('#welcome-who').innerText(), /bob@isoc\.example/);
	await poll('two devices', () => page.locator('#devices tr').count().then((n) => n === 2));
	await write(laptop.page, 'From the other browser.');
	await laptop.state_is('sealed');
	await laptop.leave();
});

test('a browser that lost its key is recovered by the organisation', async () => {
	const { link } = await nodes.do({ do: 'identity', handle: 'bob' }), fresh = await Person.come(browser, nodes, 0);
	await fresh.page.goto(link);
	await fresh.page.waitForSelector('#request:visible');
	const request = await fresh.page.inputValue('#request-line');
	await nodes.do({ do: 'recover', handle: 'bob', request });
	await fresh.page.waitForSelector('#welcome:visible', { timeout: LONG });
	await write(fresh.page, 'After the recovery.');
	await fresh.state_is('sealed');
	await fresh.leave();
});

test('a key that was revoked: refused, with what to do, and the text can be had back', async () => {
	const { page } = bob;
	await nodes.do({ do: 'revoke', handle: 'bob' });
	await write(page, 'Too late.');
	await poll('it is not refused', () => page.locator('#result-state').innerText().then((text) => /refused it.*revoked/s.test(text)));
	await bob.go('/outbox');
	await page.click('li.refused button');
	await page.waitForSelector('#drafts-list li:has-text("Too late.")');
	// The place that it opens in may be gone.
	assert.equal(await page.locator('#drafts-list li:has-text("Too late.") details pre').textContent(), 'Too late.');
	await page.click('#drafts-list li:has-text("Too late.") a');
	await page.waitForURL(`**/write?topic=${nodes.about.topic}#again-*`);
	await poll('its text is not in the form', () => page.locator('#text').inputValue().then((text) => text === 'Too late.'));
});

test('the key is deleted for good when that is wished twice, and all that was written with it', async () => {
	const { page } = bob;
	const left = () => page.evaluate(async () => {
		const open = indexedDB.open('convene');
		await new Promise((done) => { open.onsuccess = done; });
		const read = open.result.transaction(['homes', 'outbox', 'drafts']), all = ['homes', 'outbox', 'drafts'].map((name) => read.objectStore(name).getAll());
		await new Promise((done) => { read.oncomplete = done; });
		return [...all.map((one) => one.result.length), localStorage.length];
	});
	assert.ok((await left()).slice(0, 3).every((n) => n > 0), 'a key, an outbox and a draft are here');
	await bob.go('/you');
	await page.click('#leave');
	await page.waitForSelector('#leave-dialog[open]');
	await page.keyboard.press('Escape');
	await page.click('#leave');
	await page.click('#leave-yes');
	await page.waitForURL(nodes.url(0, '/'));
	await bob.go('/write');
	await page.waitForSelector('#no-key:visible');
	assert.deepEqual(await left(), [0, 0, 0, 0]);
	// Whoever has this computer next sees nothing of it, and can write.
	await bob.join((await nodes.do({ do: 'invite' })).link, 'next');
	await bob.go('/outbox');
	await page.waitForSelector('#nothing:visible');
	await write(page, 'By somebody else.');
	await bob.state_is('sealed');
	await bob.leave();
});
