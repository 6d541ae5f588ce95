-- SPDX-License-Identifier: BSD-2-Clause
-- What schema 3 has beyond schema 2 (schema.sql): both are run for a new store, this one alone when
-- a store of schema 2 is opened by who may write. Rows that are in `content` stay there.

-- Contents that came together, of one block of 256 entries: at most 16 KiB of them, or a single
-- one. A content is here or in `content`. Runs of one block may lie between each other.
CREATE TABLE run (
	key INTEGER PRIMARY KEY,        -- log << 40 | index of the first
	held BLOB NOT NULL,             -- which of their block, 256 bits as in gap
	directory BLOB NOT NULL,        -- for each, ascending: id (32), salt (32), u32be where it ends
	contents BLOB NOT NULL          -- one behind the other
);
UPDATE meta SET value = CAST('3' AS BLOB) WHERE key = 'schema';
