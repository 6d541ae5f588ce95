/* SPDX-License-Identifier: BSD-2-Clause */
/* The statements of views.h, which says what each binds and gives. */
#include "store/sqlite.h"
#include "store/views.h"

/* clang-format off */
#define SIGNER_COLUMNS \
	"key, class, identity, custody, recovery, enrolled, enrol_id, revoked, sequence, last_id"

/* Of a signer g; outer joins, for rows whose author isn't known. */
#define AUTHOR \
	"l.digest, o.organisation, g.class, g.identity, g.recovery, p.handle, p.name, p.section," \
	" g.log"
#define AUTHOR_OF_SIGNER \
	" LEFT JOIN log l ON l.no = g.log LEFT JOIN origin o ON o.log = g.log" \
	" LEFT JOIN person p ON p.no = g.person "
#define AUTHOR_OF_MESSAGE " LEFT JOIN signer g ON g.no = m.signer" AUTHOR_OF_SIGNER

/* Of a message m: the AMEND in force, and the ERASE. */
#define IN_FORCE(target) \
	"(SELECT message FROM amendment WHERE target = " target " ORDER BY rank DESC LIMIT 1)"
/* The message m of the id ?1, one or none, here or only mentioned: NEWEST_FIRST ends such a
 * statement, since most ids that anybody asks for are of late. */
#define MESSAGE_BY_ID \
	" FROM generation y CROSS JOIN message m" \
	" ON ((m.key = y.key + id_key(?1) AND m.id = ?1 AND m.at IS NOT NULL)" \
	" OR (m.key = y.key + id_key(?1) AND m.id = ?1 AND m.at IS NULL))"
#define MESSAGE_HERE \
	" FROM generation y CROSS JOIN message m INDEXED BY message_key" \
	" ON m.key = y.key + id_key(?1) AND m.id = ?1 AND m.at IS NOT NULL"
#define NEWEST_FIRST " ORDER BY y.key DESC"

#define CHANGES "f.at, f.id, w.at, w.id"
#define CHANGES_OF_MESSAGE \
	" LEFT JOIN message f ON f.no = " IN_FORCE("m.no") \
	" LEFT JOIN erasure e ON e.target = m.no LEFT JOIN message w ON w.no = e.message "

/* The root r of the thread of a message; t is its row, if it has one. */
#define ROOT_OF(message, t, r) \
	" LEFT JOIN thread " t " ON " t ".no = " message ".thread" \
	" LEFT JOIN message " r " ON " r ".no = coalesce(" t ".root, " message ".thread)"

/* Of the thread ?1, as its index has it. */
#define OF_THREAD "((no = ?1 AND thread = ?1) OR (thread = ?1 AND thread <> no))"
#define OF_THREAD_M "((m.no = ?1 AND m.thread = ?1) OR (m.thread = ?1 AND m.thread <> m.no))"

/* A message that is shown, or a change of one. */
#define STANDS \
	"(topic IS NOT NULL OR EXISTS" \
	" (SELECT 1 FROM change c WHERE c.no = message.no AND c.topic IS NOT NULL))"

#define THREAD_MESSAGE \
	"SELECT m.no, m.parent, m.at, m.kind, m.signer, m.time, m.arrival, t.id, m.id, " CHANGES \
	" FROM message m LEFT JOIN message t ON t.no = m.topic" CHANGES_OF_MESSAGE "WHERE "

/* What arrived is a message m that is shown, or a change of one, x. */
#define ARRIVAL \
	"SELECT " AUTHOR ", m.at, m.kind, m.time, m.arrival, m.id, t.id, r.id," \
	" a.no IS NOT NULL AND a.topic IS NULL, " CHANGES
#define ARRIVAL_OF_MESSAGE \
	" LEFT JOIN change c ON c.no = m.no CROSS JOIN message x ON x.no = coalesce(c.target, m.no)" \
	" CROSS JOIN message t ON t.no = x.topic" ROOT_OF("x", "h", "r") \
	" LEFT JOIN message a ON a.no = m.parent" \
	CHANGES_OF_MESSAGE AUTHOR_OF_MESSAGE

#define MESSAGE_ROW "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
#define MESSAGE_ROW_4 MESSAGE_ROW "," MESSAGE_ROW "," MESSAGE_ROW "," MESSAGE_ROW

const char *const view_statements[VIEW_COUNT] = {
	[VIEW_FOLDED] = "SELECT sum(folded) FROM log",
	[VIEW_LAST_NUMBERS] =
	    "SELECT (SELECT max(no) FROM message),"
	    " (SELECT max(arrival) FROM message WHERE arrival <> no)",
	[VIEW_AWAITED] = "SELECT key FROM message WHERE at IS NULL",
	[VIEW_AWAITED_IN] =
	    "SELECT m.no, m.thread, m.topic, m.arrival FROM message m INDEXED BY message_awaited"
	    " WHERE m.key = ?2 + id_key(?1) AND m.id = ?1 AND m.at IS NULL",
	[VIEW_AWAITED_FIND] =
	    "SELECT m.no, m.thread, m.topic, m.arrival FROM generation y"
	    " CROSS JOIN message m INDEXED BY message_awaited"
	    " ON m.key = y.key + id_key(?1) AND m.id = ?1 AND m.at IS NULL" NEWEST_FIRST,
	[VIEW_MESSAGE_FIND] =
	    "SELECT m.no, m.at, m.thread, m.topic, m.arrival" MESSAGE_BY_ID NEWEST_FIRST,
	[VIEW_PARENT_FIND] =
	    "SELECT m.no, m.thread, m.topic, r.topic" MESSAGE_BY_ID ROOT_OF("m", "t", "r")
	    NEWEST_FIRST,
	[VIEW_PLACES] = "SELECT topic, posts, latest, newest FROM place WHERE thread = ?1",
	[VIEW_THREAD_GET] = "SELECT root FROM thread WHERE no = ?1",
	[VIEW_ORIGINS] =
	    "SELECT o.log, o.organisation, o.root_key, o.number, o.previous, o.previous_size,"
	    " l.name, l.folded FROM origin o JOIN log l ON l.no = o.log ORDER BY o.log",
	[VIEW_SIGNERS] =
	    "SELECT no, person, " SIGNER_COLUMNS " FROM signer WHERE log = ?1 ORDER BY no",
	[VIEW_NODE_FIRST] = "SELECT message FROM node WHERE log = ?1 AND position = 0",
	[VIEW_NODE_LAST] =
	    "SELECT message FROM node WHERE log = ?1 ORDER BY position DESC LIMIT 1",
	[VIEW_ADMISSIONS] =
	    "SELECT o.organisation, o.root_key, a.name, a.root_key FROM admission a"
	    " JOIN origin o ON o.log = a.log",
	[VIEW_PERSON_FIND] = "SELECT no FROM person WHERE log = ?1 AND identity = ?2",
	[VIEW_HANDLES] = "SELECT no, handle, skeleton FROM person WHERE handle <> x''",
	[VIEW_TARGET] =
	    "SELECT m.no, m.at, m.kind, m.topic, l.digest, e.message, c.target, CASE"
	    " WHEN m.kind = ?2 THEN (SELECT identity FROM signer WHERE enrol_id = m.id LIMIT 1)"
	    " WHEN g.class = ?3 THEN g.identity END,"
	    " EXISTS (SELECT 1 FROM person WHERE no = m.no),"
	    " (SELECT kind FROM message WHERE no = c.target)"
	    MESSAGE_HERE " CROSS JOIN log l ON l.no = m.at >> 40"
	    " LEFT JOIN signer g ON g.no = m.signer"
	    " LEFT JOIN erasure e ON e.target = m.no LEFT JOIN change c ON c.no = m.no"
	    NEWEST_FIRST,
	[VIEW_TEXT] =
	    "SELECT m.kind, m.parent, coalesce(f.no, m.no), coalesce(f.at, m.at),"
	    " coalesce(f.id, m.id), f.no IS NULL AND e.target IS NOT NULL FROM message m"
	    " LEFT JOIN message f ON f.no = " IN_FORCE("m.no")
	    " LEFT JOIN erasure e ON e.target = m.no WHERE m.no = ?1",
	[VIEW_MESSAGE_TOPIC] = "SELECT topic FROM message WHERE no = ?1",
	[VIEW_AMENDMENTS] =
	    "SELECT m.no, m.at, m.id FROM amendment a JOIN message m ON m.no = a.message"
	    " WHERE a.target = ?1",

	[VIEW_MESSAGE_ADD] = "INSERT INTO message VALUES " MESSAGE_ROW,
	/* Whoever writes rolls back after an error; OR FAIL saves the copies of pages that SQLite
	 * would make to undo one statement of several rows. */
	[VIEW_MESSAGES_ADD] =
	    "INSERT OR FAIL INTO message VALUES " MESSAGE_ROW_4 "," MESSAGE_ROW_4 "," MESSAGE_ROW_4
	    "," MESSAGE_ROW_4,
	[VIEW_MESSAGE_SET] =
	    "UPDATE message SET at = ?2, kind = ?3, signer = ?4, time = ?5, lang = ?6,"
	    " topic = ?7, parent = ?8, thread = ?9, arrival = ?10 WHERE no = ?1",
	[VIEW_MENTION_ADD] = "INSERT INTO message (no, key, id, thread) VALUES (?1, ?2, ?3, ?4)",
	[VIEW_MENTION_THREAD] = "UPDATE message SET thread = ?2 WHERE no = ?1",
	[VIEW_THREAD_SET] = "INSERT OR REPLACE INTO thread VALUES (?1, ?2)",
	[VIEW_THREAD_DROP] = "DELETE FROM thread WHERE no = ?1",
	[VIEW_THREAD_MOVE] = "UPDATE message SET thread = ?2 WHERE " OF_THREAD,
	[VIEW_THREAD_TOPIC] = "UPDATE message SET topic = ?2 WHERE topic <> ?2 AND " OF_THREAD,
	[VIEW_PLACE_COUNT] =
	    "UPDATE place SET posts = posts + ?3, latest = max(latest, ?4), newest ="
	    " CASE WHEN ?4 > latest OR (?4 = latest AND ?5 > newest) THEN ?5 ELSE newest END"
	    " WHERE thread = ?1 AND topic = ?2",
	[VIEW_PLACE_ADD] = "INSERT INTO place VALUES (?1, ?2, ?3, ?4, ?5)",
	[VIEW_PLACE_DROP] = "DELETE FROM place WHERE thread = ?1",
	[VIEW_TOPIC_COUNT] =
	    "INSERT INTO topic VALUES (?1, 0, ?2, ?3) ON CONFLICT (no) DO UPDATE"
	    " SET threads = threads + ?2, posts = posts + ?3",
	[VIEW_TOPIC_HERE] =
	    "INSERT INTO topic VALUES (?1, 1, 0, 0) ON CONFLICT (no) DO UPDATE SET here = 1",
	[VIEW_TITLE_SET] =
	    "UPDATE message SET subject = ?2, text = ?3 WHERE no = ?1 AND topic IS NOT NULL",
	[VIEW_TITLE_DROP] = "UPDATE message SET subject = NULL, text = NULL WHERE no = ?1",
	[VIEW_CHANGE_ADD] = "INSERT INTO change VALUES (?1, ?2, ?3, ?4)",
	[VIEW_CHANGE_TOPIC] =
	    "UPDATE change SET topic = ?2 WHERE topic <> ?2"
	    " AND target IN (SELECT no FROM message WHERE " OF_THREAD ")",
	/* Two successors of one log are a fork; whichever came first must do until it is settled. */
	[VIEW_AMENDMENT_ADD] = "INSERT OR IGNORE INTO amendment VALUES (?1, ?2, ?3)",
	[VIEW_AMENDMENT_DROP] = "DELETE FROM amendment WHERE target = ?1 AND message = ?2",
	[VIEW_AMENDMENTS_DROP] = "DELETE FROM amendment WHERE target = ?1",
	[VIEW_ERASURE_ADD] = "INSERT OR IGNORE INTO erasure VALUES (?1, ?2)",
	[VIEW_GENERATION_ADD] = "INSERT OR IGNORE INTO generation VALUES (?1)",
	[VIEW_FOLDED_SET] = "UPDATE log SET folded = ?2 WHERE no = ?1",
	[VIEW_ORIGIN_ADD] = "INSERT INTO origin VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[VIEW_NODE_ADD] = "INSERT INTO node VALUES (?1, ?2, ?3)",
	[VIEW_SIGNER_ADD] =
	    "INSERT INTO signer (log, person, " SIGNER_COLUMNS ")"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
	[VIEW_SIGNER_SET] =
	    "UPDATE signer SET person = ?2, key = ?3, class = ?4, identity = ?5, custody = ?6,"
	    " recovery = ?7, enrolled = ?8, enrol_id = ?9, revoked = ?10, sequence = ?11, last_id"
	    " = ?12 WHERE no = ?1",
	[VIEW_SIGNER_SEEN] =
	    "UPDATE signer SET revoked = ?2, sequence = ?3, last_id = ?4 WHERE no = ?1",
	[VIEW_PERSON_ADD] =
	    "INSERT INTO person VALUES (?1, ?2, ?3, x'', x'', x'', x'', x'', x'')",
	[VIEW_PROFILE_SET] =
	    "UPDATE person SET handle = ?2, skeleton = ?3, name = ?4, section = ?5, region = ?6,"
	    " languages = ?7 WHERE no = ?1",
	[VIEW_SKELETON_SET] = "UPDATE person SET skeleton = ?2 WHERE no = ?1",
	[VIEW_ADMISSION_ADD] = "INSERT OR IGNORE INTO admission VALUES (?1, ?2, ?3, ?4)",

	/* The limit bounds what a stranger's made-up mentions can cost. */
	[VIEW_RESOLVE] =
	    "SELECT m.id, m.topic IS NOT NULL, m.thread IS NOT NULL FROM generation y"
	    " CROSS JOIN message m ON (m.key BETWEEN y.key + id_key(?1) AND y.key + id_key(?2)"
	    "  AND m.id BETWEEN ?1 AND ?2 AND m.at IS NOT NULL)"
	    " OR ((m.key, m.id) BETWEEN (y.key + id_key(?1), ?1) AND (y.key + id_key(?2), ?2)"
	    "  AND m.at IS NULL) LIMIT ?3",
	[VIEW_MESSAGE_AT] = "SELECT m.at" MESSAGE_HERE NEWEST_FIRST,
	[VIEW_AUTHOR] = "SELECT " AUTHOR " FROM signer g" AUTHOR_OF_SIGNER "WHERE g.no = ?1",
	[VIEW_TOPICS] =
	    "SELECT " AUTHOR ", m.id, m.at, m.subject, m.text, t.threads, t.posts,"
	    " (SELECT max(latest) FROM place WHERE topic = m.no) FROM topic t"
	    " CROSS JOIN message m ON m.no = t.no "
	    AUTHOR_OF_MESSAGE "WHERE t.here = 1 ORDER BY coalesce(m.subject, x''), m.id",
	[VIEW_TOPIC] =
	    "SELECT " AUTHOR ", m.id, m.at, m.subject, m.text, t.threads, t.posts,"
	    " (SELECT max(latest) FROM place WHERE topic = m.no)" MESSAGE_HERE
	    " CROSS JOIN topic t ON t.no = m.no "
	    AUTHOR_OF_MESSAGE "WHERE t.here = 1" NEWEST_FIRST,
	[VIEW_TOPIC_FIND] =
	    "SELECT m.no" MESSAGE_BY_ID " WHERE m.topic = m.no"
	    " OR EXISTS (SELECT 1 FROM place WHERE topic = m.no)" NEWEST_FIRST,
	/* Page first, then look up what the page needs. */
	[VIEW_THREADS] =
	    "SELECT " AUTHOR
	    ", m.id, m.at, m.topic IS NOT NULL, m.lang, m.time, n.posts, c.latest, m.subject, m.text FROM"
	    " (SELECT thread, latest, newest FROM place WHERE topic = ?1"
	    " ORDER BY latest DESC, newest DESC LIMIT ?2 OFFSET ?3) c"
	    " CROSS JOIN place n ON n.thread = c.thread AND n.topic = ?1"
	    " LEFT JOIN thread t ON t.no = c.thread"
	    " CROSS JOIN message m ON m.no = coalesce(t.root, c.thread)"
	    AUTHOR_OF_MESSAGE
	    "ORDER BY c.latest DESC, c.newest DESC",
	[VIEW_THREAD_FIND] = "SELECT m.no, m.thread, m.topic" MESSAGE_BY_ID NEWEST_FIRST,
	[VIEW_THREAD_MESSAGES] = THREAD_MESSAGE OF_THREAD_M,
	[VIEW_SINGLE] = THREAD_MESSAGE "m.no = ?1",
	/* What was cut, or is not folded again yet, has a number still, and must not fill the page. */
	[VIEW_ARRIVALS] =
	    ARRIVAL " FROM (SELECT no, no AS arrival FROM message WHERE no > ?1 AND arrival = no"
	    " AND " STANDS " UNION ALL SELECT no, arrival FROM message WHERE arrival > ?1"
	    " AND arrival <> no AND " STANDS " ORDER BY arrival LIMIT ?2) n CROSS JOIN message m ON m.no = n.no" ARRIVAL_OF_MESSAGE
	    "ORDER BY n.arrival",
	[VIEW_ARRIVALS_TOPIC] =
	    ARRIVAL " FROM (SELECT no, arrival FROM message WHERE topic = ?3 AND arrival > ?1"
	    " UNION ALL SELECT no, arrival FROM change WHERE topic = ?3 AND arrival > ?1"
	    " ORDER BY arrival LIMIT ?2) n CROSS JOIN message m ON m.no = n.no" ARRIVAL_OF_MESSAGE
	    "ORDER BY n.arrival",
	[VIEW_LATEST] =
	    ARRIVAL " FROM (SELECT no, no AS arrival FROM message WHERE no < ?1 AND arrival = no"
	    " AND " STANDS " UNION ALL SELECT no, arrival FROM message WHERE arrival < ?1"
	    " AND arrival <> no AND " STANDS " ORDER BY arrival DESC LIMIT ?2) n"
	    " CROSS JOIN message m ON m.no = n.no" ARRIVAL_OF_MESSAGE "ORDER BY n.arrival DESC",
	[VIEW_LATEST_TOPIC] =
	    ARRIVAL " FROM (SELECT no, arrival FROM message WHERE topic = ?3 AND arrival < ?1"
	    " UNION ALL SELECT no, arrival FROM change WHERE topic = ?3 AND arrival < ?1"
	    " ORDER BY arrival DESC LIMIT ?2) n CROSS JOIN message m ON m.no = n.no" ARRIVAL_OF_MESSAGE
	    "ORDER BY n.arrival DESC",
	[VIEW_ITEM] =
	    ARRIVAL " FROM (SELECT m.no" MESSAGE_HERE NEWEST_FIRST
	    " LIMIT 1) n CROSS JOIN message m ON m.no = n.no" ARRIVAL_OF_MESSAGE,
	/* By number, so that it ends where the span does. */
	[VIEW_BY_AUTHOR] =
	    ARRIVAL ", m.no FROM (SELECT no FROM message WHERE no < ?1 AND no >= ?2"
	    " AND topic IS NOT NULL AND signer IN (SELECT i.no FROM signer i JOIN origin o"
	    " ON o.log = i.log WHERE o.organisation = ?4 AND i.identity = ?5)"
	    " ORDER BY no DESC LIMIT ?3) n CROSS JOIN message m ON m.no = n.no" ARRIVAL_OF_MESSAGE
	    "ORDER BY n.no DESC",
	[VIEW_SHOWN_CHANGES] =
	    "SELECT n.arrival, m.id,"
	    " CASE WHEN m.topic IS NOT NULL THEN m.arrival WHEN x.topic IS NOT NULL THEN x.arrival END"
	    " FROM (SELECT no, no AS arrival FROM message WHERE no > ?1 AND arrival = no"
	    " UNION ALL SELECT no, arrival FROM message WHERE arrival > ?1 AND arrival <> no"
	    " ORDER BY arrival LIMIT ?2) n CROSS JOIN message m ON m.no = n.no"
	    " LEFT JOIN change c ON c.no = m.no LEFT JOIN message x ON x.no = c.target"
	    " ORDER BY n.arrival",
	[VIEW_SHOWN_AT] =
	    ARRIVAL ", m.lang FROM (SELECT no FROM message WHERE no = ?1 AND arrival = no"
	    " UNION ALL SELECT no FROM message WHERE arrival = ?1 AND arrival <> no) n"
	    " CROSS JOIN message m ON m.no = n.no AND m.topic IS NOT NULL" ARRIVAL_OF_MESSAGE,
	[VIEW_SHOWN_ERASED] =
	    "SELECT x.arrival FROM erasure e CROSS JOIN message w ON w.no = e.message"
	    " LEFT JOIN change c ON c.no = e.target"
	    " CROSS JOIN message x ON x.no = coalesce(c.target, e.target)"
	    " WHERE x.arrival IS NOT NULL AND (w.arrival IS NULL OR w.arrival > ?1)",
	[VIEW_ARRIVAL_ID] =
	    "SELECT id FROM message WHERE no = ?1 AND arrival = no"
	    " UNION ALL SELECT id FROM message WHERE arrival = ?1 AND arrival <> no",
	[VIEW_PLACED] =
	    "SELECT n.arrival, m.at, m.id, t.id, f.at, e.target IS NOT NULL,"
	    " m.no <> n.arrival FROM"
	    " (SELECT no, no AS arrival FROM message WHERE no > ?1 AND arrival = no"
	    " AND topic IS NOT NULL UNION ALL SELECT no, arrival FROM message WHERE arrival > ?1"
	    " AND arrival <> no AND topic IS NOT NULL ORDER BY arrival LIMIT ?2) n"
	    " CROSS JOIN message m ON m.no = n.no CROSS JOIN message t ON t.no = m.topic"
	    " LEFT JOIN message f ON f.no = " IN_FORCE("m.no")
	    " LEFT JOIN erasure e ON e.target = m.no ORDER BY n.arrival",
	[VIEW_SIGNER_FIND] =
	    "SELECT " AUTHOR ", g.key, g.class, g.identity, g.custody, g.recovery, g.enrolled,"
	    " g.enrol_id, g.revoked, g.sequence, g.last_id FROM signer g" AUTHOR_OF_SIGNER
	    "WHERE g.log = ?1 AND g.key = ?2",
	[VIEW_PEOPLE] =
	    "SELECT " AUTHOR ", g.key, g.class, g.identity, g.custody, g.recovery, g.enrolled,"
	    " g.enrol_id, g.revoked, g.sequence, g.last_id FROM signer g" AUTHOR_OF_SIGNER
	    "WHERE g.log = ?1 AND g.class = ?2"
	    " ORDER BY p.handle = x'', p.handle, g.identity, g.enrolled, g.key",
	[VIEW_SKELETON_FIND] =
	    "SELECT identity, handle FROM person"
	    " WHERE log = ?1 AND skeleton = ?2 AND skeleton <> x'' ORDER BY +identity LIMIT 1",
	[VIEW_RESTORED] =
	    "SELECT x.no, x.at, x.id, m.kind FROM change c JOIN message m ON m.no = c.target"
	    " JOIN message x ON x.no = coalesce((SELECT message FROM amendment"
	    "  WHERE target = m.no AND message <> c.no ORDER BY rank DESC LIMIT 1), m.no)"
	    " WHERE c.no = (SELECT m.no" MESSAGE_HERE NEWEST_FIRST ") AND c.no = " IN_FORCE("c.target"),
	[VIEW_ERASURES] =
	    "SELECT max(x.at) FROM erasure e JOIN message x ON x.no = e.message"
	    " GROUP BY x.at >> 40",
	[VIEW_ERASURE_OF] =
	    "SELECT x.at, x.id" MESSAGE_HERE " CROSS JOIN erasure e ON e.target = m.no"
	    " CROSS JOIN message x ON x.no = e.message" NEWEST_FIRST,
	[VIEW_NODES] = "SELECT log, position, message FROM node WHERE ?1 = 0 OR log = ?1"
		       " ORDER BY log, position",
	[VIEW_ADMITS] = "SELECT at FROM admission WHERE root_key = ?2 AND name = ?1 ORDER BY at",
	[VIEW_PREVIOUS] = "SELECT previous FROM origin WHERE log = ?1",

	[VIEW_DUMP_LOGS] =
	    "SELECT l.no, l.name, l.folded, o.organisation FROM log l"
	    " JOIN origin o ON o.log = l.no ORDER BY l.name",
	[VIEW_DUMP_SIGNERS] = "SELECT " SIGNER_COLUMNS " FROM signer WHERE log = ?1 ORDER BY key",
	[VIEW_DUMP_PEOPLE] =
	    "SELECT identity, handle, name, section, region, languages FROM person WHERE log = ?1"
	    " ORDER BY identity",
	[VIEW_DUMP_ADMISSIONS] =
	    "SELECT name, root_key FROM admission WHERE log = ?1 ORDER BY name, root_key",
	[VIEW_DUMP_MESSAGES] =
	    "SELECT m.id, m.at, m.kind, l.name FROM message m JOIN log l ON l.no = m.at >> 40"
	    " ORDER BY m.id",
	[VIEW_DUMP_TOPICS] =
	    "SELECT id FROM message m WHERE topic = no OR EXISTS (SELECT 1 FROM place"
	    " WHERE topic = m.no) ORDER BY id",
	[VIEW_DUMP_THREADS] =
	    "SELECT r.id FROM message m" ROOT_OF("m", "t", "r")
	    " WHERE m.thread = m.no ORDER BY r.id",
	[VIEW_DUMP_ITEM] =
	    "SELECT m.lang, m.subject, m.text, a.id" MESSAGE_BY_ID
	    " LEFT JOIN message a ON a.no = m.parent"
	    NEWEST_FIRST,
	[VIEW_DUMP_CHANGES] =
	    "SELECT m.id, x.id, t.id, c.arrival IS NOT NULL FROM change c"
	    " JOIN message m ON m.no = c.no JOIN message x ON x.no = c.target"
	    " LEFT JOIN message t ON t.no = c.topic ORDER BY m.id",
	[VIEW_DUMP_AMENDMENTS] =
	    "SELECT x.id, a.rank, m.id FROM amendment a JOIN message m ON m.no = a.message"
	    " JOIN message x ON x.no = a.target ORDER BY x.id, a.rank",
	[VIEW_DUMP_ERASURES] =
	    "SELECT x.id, m.id FROM erasure e JOIN message m ON m.no = e.message"
	    " JOIN message x ON x.no = e.target ORDER BY x.id",
};
/* clang-format on */
