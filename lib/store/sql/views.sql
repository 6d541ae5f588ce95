-- SPDX-License-Identifier: BSD-2-Clause
-- The views: what lib/forum makes of the entries and contents held, and could make again at any
-- time.
--
-- A message's 32 bytes of id stand here once; everything else refers to it by its number. All
-- statements may be run again on a store that has these tables. Whoever changes a table, or what the
-- fold writes, raises VIEWS_VERSION (views.h): an older store's views are then made anew.

-- Every valid message, and every id that a shown one mentions as its topic or parent.
--
-- An id is found by its key: the generation of its number (views.h), then its first 40 bits. New
-- ones so come into one part of the index, whose pages each take in many of a transaction, wherever
-- in the store random ids would fall; who looks for an id tries every generation.
--
-- The arrival number is the row's own, except where the row was there before: mentioned, or kept
-- when everything else was made anew.
CREATE TABLE IF NOT EXISTS message (
	no INTEGER PRIMARY KEY,
	key INTEGER NOT NULL,           -- no >> 16 << 40 | the first 40 bits of the id
	id BLOB NOT NULL,
	at INTEGER,                     -- log << 40 | index; NULL: only mentioned so far
	kind INTEGER,
	signer INTEGER,                 -- signer.no
	time INTEGER,
	lang BLOB,                      -- NULL: none
	topic INTEGER,                  -- that it stands in; of a TOPIC itself; NULL: not shown
	parent INTEGER,                 -- a message
	thread INTEGER,                 -- the number of one: of the message that began it
	arrival INTEGER,                -- given once, and kept when everything else is made anew
	-- What readers see in a listing, of topics, and of posts that begin a thread; NULL: nothing.
	subject BLOB,
	text BLOB                       -- of a topic: its description; of a post that was imported: its
	                                -- author, as the archive has it
);
-- The id of a message that is here is a hash, and few begin alike. Ids that are only mentioned are
-- anybody's choice, also all with one beginning: theirs stand behind the key.
CREATE INDEX IF NOT EXISTS message_key ON message (key) WHERE at IS NOT NULL;
CREATE INDEX IF NOT EXISTS message_awaited ON message (key, id) WHERE at IS NULL;
-- Of a thread, but for the one that it has its number from.
CREATE INDEX IF NOT EXISTS message_thread ON message (thread) WHERE thread <> no;
CREATE INDEX IF NOT EXISTS message_topic ON message (topic, arrival) WHERE topic IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS message_late ON message (arrival) WHERE arrival <> no;

-- The generations that there are, as the highest bits of keys.
CREATE TABLE IF NOT EXISTS generation (
	key INTEGER PRIMARY KEY
);

-- AMEND and ERASE messages that have an effect, and what they are about in the end: a TOPIC, a POST,
-- or the ENROL that began an identity. Of the latter nothing is shown.
CREATE TABLE IF NOT EXISTS change (
	no INTEGER PRIMARY KEY,         -- a message
	target INTEGER NOT NULL,        -- a message
	topic INTEGER,                  -- that the target stands in; NULL: nothing is shown
	arrival INTEGER                 -- as in message
);
CREATE INDEX IF NOT EXISTS change_target ON change (target);
CREATE INDEX IF NOT EXISTS change_topic ON change (topic, arrival) WHERE topic IS NOT NULL;

-- Of those the AMENDs that aren't erased: the one that ranks highest is in force.
CREATE TABLE IF NOT EXISTS amendment (
	target INTEGER NOT NULL,        -- a message
	rank INTEGER NOT NULL,          -- log's N << 40 | index
	message INTEGER NOT NULL,
	PRIMARY KEY (target, rank)
) WITHOUT ROWID;

-- Messages whose content was erased.
CREATE TABLE IF NOT EXISTS erasure (
	target INTEGER PRIMARY KEY,     -- a message
	message INTEGER NOT NULL        -- the ERASE: of that, or of what the AMEND was about
);

-- Posts that hang together. Numbered after the message that began it, which stands in it for ever;
-- a row only where that did not stay the root, the topmost message, here or missing.
CREATE TABLE IF NOT EXISTS thread (
	no INTEGER PRIMARY KEY,
	root INTEGER NOT NULL
);

-- Where threads stand: one row for a thread whose root is here, else one for each topic that its
-- posts name.
CREATE TABLE IF NOT EXISTS place (
	thread INTEGER NOT NULL,
	topic INTEGER NOT NULL,
	posts INTEGER NOT NULL,
	latest INTEGER NOT NULL,        -- the newest advisory time
	newest INTEGER NOT NULL,        -- first 8 bytes of that post's id: orders equal times
	PRIMARY KEY (thread, topic)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS place_topic ON place (topic, latest, newest);

CREATE TABLE IF NOT EXISTS topic (
	no INTEGER PRIMARY KEY,         -- a message
	here INTEGER NOT NULL,          -- 0: only mentioned
	threads INTEGER NOT NULL,
	posts INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS topic_here ON topic (here) WHERE here = 1;

-- Logs of which at least entry 0 is folded.
CREATE TABLE IF NOT EXISTS origin (
	log INTEGER PRIMARY KEY,
	organisation BLOB NOT NULL,
	root_key BLOB NOT NULL,
	number INTEGER NOT NULL,
	previous INTEGER,               -- the log that it succeeds
	previous_size INTEGER NOT NULL  --   and where that one ends
);

-- NODE messages that took effect. The first is the credential; the last names the keys in force.
CREATE TABLE IF NOT EXISTS node (
	log INTEGER NOT NULL,
	position INTEGER NOT NULL,      -- the entry's index
	message BLOB NOT NULL,
	PRIMARY KEY (log, position)
) WITHOUT ROWID;

-- The rosters: struct signer of member/roster.h.
CREATE TABLE IF NOT EXISTS signer (
	no INTEGER PRIMARY KEY,
	log INTEGER NOT NULL,
	key BLOB NOT NULL,
	class INTEGER NOT NULL,
	identity BLOB NOT NULL,
	person INTEGER,                 -- of a device
	custody INTEGER NOT NULL,
	recovery INTEGER NOT NULL,
	enrolled INTEGER NOT NULL,
	enrol_id BLOB NOT NULL,
	revoked INTEGER NOT NULL,
	sequence INTEGER NOT NULL,
	last_id BLOB NOT NULL,
	UNIQUE (log, key)
);
CREATE INDEX IF NOT EXISTS signer_enrol ON signer (enrol_id);

-- Identities, numbered after the message that enrolled them first.
CREATE TABLE IF NOT EXISTS person (
	no INTEGER PRIMARY KEY,
	log INTEGER NOT NULL,
	identity BLOB NOT NULL,
	handle BLOB NOT NULL,           -- empty: none that may be shown
	skeleton BLOB NOT NULL,         -- of the handle, by the ICU of the last start
	name BLOB NOT NULL,
	section BLOB NOT NULL,          -- stakeholder group
	region BLOB NOT NULL,
	languages BLOB NOT NULL,        -- tags with commas between
	UNIQUE (log, identity)
);
CREATE INDEX IF NOT EXISTS person_skeleton ON person (log, skeleton) WHERE skeleton <> x'';

CREATE TABLE IF NOT EXISTS admission (
	log INTEGER NOT NULL,           -- in which it was made
	name BLOB NOT NULL,
	root_key BLOB NOT NULL,
	at INTEGER NOT NULL,            -- log << 40 | index of the first ADMIT
	PRIMARY KEY (log, name, root_key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS admission_whom ON admission (root_key, name);
