// SPDX-License-Identifier: BSD-2-Clause
// Pictures of the main pages: screenshots.mjs FOLDER. See contrib/screenshots.
import { mkdirSync } from 'node:fs';
import { LONG, Nodes, Person, browser_start } from './lib.mjs';

const [folder] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });
const [nodes, browser] = await Promise.all([Nodes.start(), browser_start()]);

async function shoot(person, name) {
	await person.page.evaluate(() => document.fonts.ready);
	await person.page.screenshot({ path: `${folder}/${name}.png`, fullPage: true });
}

async function pages_of(person, base, name) {
	const { page } = person, { topic, thread, reply } = nodes.about;
	for (const [what, path] of [['front', '/'], ['topic', `/topic/${topic}`], ['thread', `/thread/${thread}`], ['message', `/m/${reply}`],
		['about', '/about'], ['help', '/help'], ['search', '/search?q=record']]) {
		await person.go(base + path);
		await shoot(person, `${what}-${name}`);
	}
	const { link } = await nodes.do({ do: 'invite' });
	await page.goto(link.replace('/join#', `${base}/join#`));
	await page.waitForSelector('#join:visible');
	await shoot(person, `join-${name}`);
	await page.fill('#handle', `reader-${name}`);
	await page.click('#join-button');
	await page.waitForSelector('#welcome:visible', { timeout: LONG });
	await shoot(person, `welcome-${name}`);
	await person.go(`${base}/write?parent=${thread}`);
	await page.waitForSelector('#write:visible');
	await page.click('#quote');
	await page.locator('#text').press('Control+End');
	await page.keyboard.type('I agree with all of it.');
	await page.setInputFiles('#files', [{ name: 'plan.pdf', mimeType: 'application/pdf', buffer: Buffer.alloc(81234) }]);
	await page.click('#preview-button');
	await shoot(person, `write-${name}`);
	await page.click('#send');
	await person.state_is('anchored');
	await shoot(person, `sent-${name}`);
	for (const [what, ready] of [['outbox', '#outbox:visible'], ['you', '#devices tr']]) {
		await person.go(`${base}/${what}`);
		await page.waitForSelector(ready);
		await shoot(person, `${what}-${name}`);
	}
}

for (const [language, base] of [['en', ''], ['ar', '/ar']])
	for (const colorScheme of ['light', 'dark'])
		for (const width of [1280, 390]) {
			const person = await Person.come(browser, nodes, 0, { colorScheme, viewport: { width, height: 800 } });
			await pages_of(person, base, `${language}-${colorScheme}-${width}`);
			await person.context.close();
		}
await browser.close();
await nodes.end();
