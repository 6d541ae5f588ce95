-- SPDX-License-Identifier: BSD-2-Clause
-- What schema 4 has beyond schema 3: run for a new store, and when one of schema 2 or 3 is opened by
-- who may write. Accepted messages wait in the journal beside the store (intake.h), behind those in
-- `inbox`; who does not know of it would not see them.
INSERT INTO meta VALUES
	('inbox_key', randomblob(32)),  -- of its checksums
	('inbox_taken', zeroblob(8));   -- u64be number of the last message that the store has
UPDATE meta SET value = CAST('4' AS BLOB) WHERE key = 'schema';
