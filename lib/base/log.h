/* SPDX-License-Identifier: BSD-2-Clause */
/* Logging for the programs. Libraries below daemon/ and client/ do not call it.
 *
 * Everything printed passes text_line(), so that nothing received can write
 * control bytes into a terminal or a journal. Any thread. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Choose where lines go: "stderr", "syslog" or a file's path. Returns OK, or ERR_IO or ERR_NOMEM
 * with errno set; then lines go where they went before. Until the first call and after log_close()
 * they go to stderr; the level before the first call is LOG_LEVEL_INFO. A line is
 * "2026-11-21 18:24:03Z ident[pid] warning: text", or "<4>text" on stderr if that is the journal.
 */
int log_open(const char *ident, const char *target, enum log_level level);
void log_set_level(enum log_level level);
/* Open a file target anew, after rotation. OK for other targets; ERR_IO keeps the old file. */
int log_reopen(void);
void log_close(void);

/* Keeps errno. The text is one line without a newline. */
void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
