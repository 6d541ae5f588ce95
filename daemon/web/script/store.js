/* SPDX-License-Identifier: BSD-2-Clause */
/* What this browser keeps (IndexedDB "convene"): homes (a key, who it speaks for, its sequence), the
 * outbox (signed messages, as bytes) and drafts. A change is on the disk before its promise is kept:
 * so a sequence is never used twice, and what was sent is never lost (as in client/outbox.h). */

let opened = null;

export function database() {
	opened ??= new Promise((done, fail) => {
		const request = indexedDB.open('convene', 1);
		request.onupgradeneeded = () => {
			request.result.createObjectStore('homes', { keyPath: 'id' });
			request.result.createObjectStore('outbox', { keyPath: ['home', 'log', 'sequence'] });
			request.result.createObjectStore('drafts', { keyPath: 'id' });
		};
		request.onsuccess = () => {
			/* Another tab of a later version waits for this one. */
			request.result.onversionchange = () => request.result.close();
			done(request.result);
		};
		request.onerror = () => fail(request.error);
		request.onblocked = () => fail(new Error('the database of another version is open in another tab'));
	});
	opened.catch(() => { opened = null; });
	return opened;
}

export const settled = (request) => new Promise((done, fail) => {
	request.onsuccess = () => done(request.result);
	request.onerror = () => fail(request.error);
});

/* Run `work(...stores)` in one transaction; nothing but requests may be awaited in it. */
export async function change(names, work) {
	const transaction = (await database()).transaction(names, 'readwrite', { durability: 'strict' });
	const end = new Promise((done, fail) => {
		transaction.oncomplete = done;
		transaction.onabort = () => fail(transaction.error ?? new Error('nothing was kept'));
	});
	try {
		const result = await work(...names.map((name) => transaction.objectStore(name)));
		await end;
		return result;
	} catch (e) {
		end.catch(() => {});
		try {
			transaction.abort();
		} catch { /* it has ended */ }
		throw e;
	}
}

export async function read(name, key) {
	const store = (await database()).transaction(name).objectStore(name);
	return settled(key === undefined ? store.getAll() : store.get(key));
}

export const put = (name, value) => change([name], (store) => settled(store.put(value)));
export const drop = (name, key) => change([name], (store) => settled(store.delete(key)));

/* One tab at a time, across all tabs of this browser. */
export const locked = (name, work) => navigator.locks.request(`convene:${name}`, work);

/* What has changed here is told to the other tabs, and to whoever listens in this one. */
const listeners = new Set();
let channel = null;

function channel_open() {
	if (!channel && typeof BroadcastChannel === 'function') {
		channel = new BroadcastChannel('convene');
		channel.onmessage = (event) => tell(event.data);
	}
}

function tell(what) {
	for (const listener of listeners)
		listener(what);
}

export function changed(what) {
	channel_open();
	channel?.postMessage(what);
	tell(what);
}

export function on_change(listener) {
	channel_open();
	listeners.add(listener);
}
