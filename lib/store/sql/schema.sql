-- SPDX-License-Identifier: BSD-2-Clause
-- The store, schema 2 (user_version; application_id "CONV"): what a node holds durably. The tables
-- of views.sql are derived from it.
--
-- A key is log << 40 | index: one integer, so that rows of a log lie together and new ones come at
-- its end. Random 32-byte keys would touch a page for each row.

-- Small facts by name.
CREATE TABLE meta (
	key TEXT PRIMARY KEY,
	value BLOB NOT NULL
) WITHOUT ROWID;
INSERT INTO meta VALUES ('schema', CAST('2' AS BLOB));

CREATE TABLE log (
	no INTEGER PRIMARY KEY,
	size INTEGER NOT NULL,
	root BLOB NOT NULL,             -- at size; zeros when empty
	state INTEGER NOT NULL,         -- enum log_state
	folded INTEGER NOT NULL,        -- entries below are in the views
	merged INTEGER NOT NULL,        -- blocks below are one segment each
	digest BLOB NOT NULL UNIQUE,
	name TEXT NOT NULL,
	checkpoint BLOB NOT NULL,       -- the newest note, of a size >= size
	right BLOB NOT NULL             -- n × 32: hashes right of size under that note
);

-- Entries in runs that never cross a multiple of 256; key is the first one's.
CREATE TABLE segment (
	key INTEGER PRIMARY KEY,
	count INTEGER NOT NULL,
	leaves BLOB NOT NULL            -- u16be length ‖ bytes, count times
);

-- Roots of full blocks of 256; key is log << 40 | block.
CREATE TABLE block (
	key INTEGER PRIMARY KEY,
	root BLOB NOT NULL
);

-- Which contents of a block are missing; no row: none. Key as in block.
CREATE TABLE gap (
	key INTEGER PRIMARY KEY,
	missing BLOB NOT NULL           -- 256 bits, the lowest of the first byte first
);

CREATE TABLE content (
	key INTEGER PRIMARY KEY,
	id BLOB NOT NULL,
	salt BLOB NOT NULL,
	content BLOB NOT NULL
);

-- Ids whose content was erased and may not come back.
CREATE TABLE tombstone (
	id BLOB PRIMARY KEY
) WITHOUT ROWID;

-- Accepted, not yet sealed. AUTOINCREMENT: a number is never given twice.
CREATE TABLE inbox (
	no INTEGER PRIMARY KEY AUTOINCREMENT,
	id BLOB NOT NULL UNIQUE,
	salt BLOB NOT NULL,
	message BLOB NOT NULL,
	content BLOB NOT NULL           -- empty: none
);

-- Fork proofs, kept for ever: the first of each sort for a log.
CREATE TABLE fork (
	log BLOB NOT NULL,              -- digest
	sort INTEGER NOT NULL,          -- enum fork_sort
	proof BLOB NOT NULL,
	PRIMARY KEY (log, sort)
) WITHOUT ROWID;

-- What the successor of a log says stands of it.
CREATE TABLE standing (
	log BLOB PRIMARY KEY,           -- digest
	size INTEGER NOT NULL,
	root BLOB NOT NULL,
	successor TEXT NOT NULL,        -- log name
	credential BLOB NOT NULL        -- its entry 0
) WITHOUT ROWID;

-- The highest NODE serial seen of a root key, and its message.
CREATE TABLE serial (
	root BLOB PRIMARY KEY,
	serial INTEGER NOT NULL,
	message BLOB NOT NULL
) WITHOUT ROWID;

-- The newest cosignature of a log by each organisation.
CREATE TABLE cosignature (
	log INTEGER NOT NULL,
	root BLOB NOT NULL,             -- the cosigner's root key
	size INTEGER NOT NULL,
	seconds INTEGER NOT NULL,
	note BLOB NOT NULL,
	PRIMARY KEY (log, root)
) WITHOUT ROWID;

CREATE TABLE invite (
	hash BLOB PRIMARY KEY,          -- of the secret
	expires INTEGER NOT NULL,
	used INTEGER NOT NULL,
	handle TEXT NOT NULL,
	device_key BLOB NOT NULL,
	enrol_id BLOB NOT NULL
) WITHOUT ROWID;
