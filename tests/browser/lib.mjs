// SPDX-License-Identifier: BSD-2-Clause
// Real nodes, a real browser, and what every page must keep to: no error on its console, no request to
// another origin, nothing that axe-core finds serious.
//
// $CONVENE_NPM is a folder in which playwright-core and axe-core are installed; $CHROMIUM the browser
// (/usr/bin/chromium).
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

const require = createRequire(`${process.env.CONVENE_NPM ?? '.'}/`);
const { chromium } = require('playwright-core');
const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

export const LONG = 20000; // ms: for what other processes do
export const wait = (ms) => new Promise((done) => setTimeout(done, ms));

export async function poll(what, check, ms = LONG) {
	const end = Date.now() + ms;
	for (;;) {
		const found = await check();
		if (found)
			return found;
		assert.ok(Date.now() < end, `after ${ms} ms: ${what}`);
		await wait(100);
	}
}

export class Nodes {
	static async start(...options) {
		const nodes = new Nodes();
		nodes.process = spawn('/usr/bin/python3', [new URL('nodes.py', import.meta.url).pathname, ...options],
			{ stdio: ['pipe', 'pipe', 'inherit'] });
		nodes.lines = createInterface({ input: nodes.process.stdout })[Symbol.asyncIterator]();
		nodes.about = await nodes.answer();
		return nodes;
	}

	async answer() {
		for (;;) {
			const { value, done } = await this.lines.next();
			assert.ok(!done, 'the nodes have ended');
			if (value.startsWith('{'))
				return JSON.parse(value);
			console.log(value);
		}
	}

	url(node, path = '/') { return this.about.nodes[node].url + path; }

	async do(words) {
		this.process.stdin.write(JSON.stringify(words) + '\n');
		const answer = await this.answer();
		assert.ok(!answer.failed, answer.failed);
		return answer;
	}

	end() {
		this.process.stdin.end();
		return new Promise((done) => this.process.on('exit', done));
	}
}

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium', FLAGS = ['--no-sandbox', '--disable-gpu'];

// `enter`: words before its command.
export function browser_start(enter = []) {
	if (enter.length === 0)
		return chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
	const script = join(mkdtempSync(join(tmpdir(), 'convene-browser-')), 'chromium');
	writeFileSync(script, `#!/bin/sh\nexec ${enter.map((word) => `'${word}'`).join(' ')} '${CHROMIUM}' "$@"\n`, { mode: 0o700 });
	return chromium.launch({ executablePath: script, args: FLAGS }).finally(() => rmSync(dirname(script), { recursive: true }));
}

// Somebody's browser profile, at one node. What its pages do wrong is in `faults`.
export class Person {
	static async come(browser, nodes, node, options = {}) {
		const person = new Person();
		Object.assign(person, { nodes, node, faults: [], urls: [], offline: false, origin: new URL(nodes.url(node)).origin });
		person.context = await browser.newContext({ locale: 'en', acceptDownloads: true, ...options });
		person.context.on('page', (page) => person.watch(page));
		person.context.on('request', (request) => {
			person.urls.push(request.url());
			if (!/^(data|blob):/.test(request.url()) && new URL(request.url()).origin !== person.origin)
				person.faults.push(`a request to ${request.url()}`);
		});
		person.page = await person.context.newPage();
		return person;
	}

	watch(page) {
		page.on('console', (message) => {
			// What a browser itself says of requests without a connection, or that a test answered so, is no error of the page.
			if (['error', 'warning'].includes(message.type()) && !(this.offline && /net::ERR|Failed to load resource/.test(message.text())))
				this.faults.push(`${message.type()} on ${page.url()}: ${message.text()}`);
		});
		page.on('pageerror', (error) => this.faults.push(`on ${page.url()}: ${error.stack}`));
	}

	async set_offline(offline) {
		if (offline)
			this.offline = true;
		await this.context.setOffline(offline);
	}

	go(path) { return this.page.goto(this.nodes.url(this.node, path)); }

	// By a link of an invite: returns how many things the person did.
	async join(link, handle, page = this.page) {
		await page.goto(link);
		if (!await page.inputValue('#handle'))
			await page.fill('#handle', handle);
		await page.click('#join-button');
		await page.waitForSelector('#welcome:visible', { timeout: LONG });
	}

	// The state of the message on the page: "waiting" to "anchored", or "refused".
	async state_is(state, page = this.page) {
		const order = ['waiting', 'accepted', 'sealed', 'anchored'];
		await poll(`the message is not ${state}`, async () => (await page.locator('.steps li.done').count()) > order.indexOf(state));
	}

	// Violations that axe-core calls serious or critical, as text.
	async axe(page = this.page) {
		await page.evaluate(AXE);
		const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
		return violations.filter((one) => ['serious', 'critical'].includes(one.impact))
			.map((one) => `${page.url()}: ${one.id} (${one.impact}): ${one.nodes.map((node) => node.html.slice(0, 160)).join(' | ')}`);
	}

	async leave() {
		await this.context.close();
		assert.deepEqual(this.faults, []);
	}
}
