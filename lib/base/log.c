/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"

enum target { TO_STDERR, TO_JOURNAL, TO_SYSLOG, TO_FILE };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int level_max = LOG_LEVEL_INFO;
/* Under `lock`. */
static enum target target = TO_STDERR;
static int fd = STDERR_FILENO;
static char *ident; /* openlog() keeps the pointer, so it lives until the next log_open() */
static char *path;

static const char *const level_names[] = {"error", "warning", "info", "debug"};
static const int level_priorities[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};

/* The journal names in JOURNAL_STREAM the device and inode that it gave us as stderr. */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;
	unsigned long long device, inode;
	return stream != NULL && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static int open_file(const char *name)
{
	return open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
}

/* Under `lock`: back to the state before the first log_open(). */
static void close_target(void)
{
	if (target == TO_FILE)
		close(fd);
	else if (target == TO_SYSLOG)
		closelog();
	free(ident);
	free(path);
	ident = path = NULL;
	target = TO_STDERR;
	fd = STDERR_FILENO;
}

int log_open(const char *new_ident, const char *where, enum log_level level)
{
	enum target kind = TO_FILE;
	if (strcmp(where, "stderr") == 0)
		kind = stderr_is_journal() ? TO_JOURNAL : TO_STDERR;
	else if (strcmp(where, "syslog") == 0)
		kind = TO_SYSLOG;

	/* Everything that can fail comes before anything that is visible. */
	int new_fd = kind == TO_FILE ? open_file(where) : STDERR_FILENO;
	if (new_fd < 0)
		return ERR_IO;
	char *ident_copy = strdup(new_ident), *path_copy = strdup(where);
	if (ident_copy == NULL || path_copy == NULL) {
		free(ident_copy);
		free(path_copy);
		if (kind == TO_FILE)
			close(new_fd);
		errno = ENOMEM;
		return ERR_NOMEM;
	}

	pthread_mutex_lock(&lock);
	close_target();
	target = kind;
	fd = new_fd;
	ident = ident_copy;
	path = path_copy;
	if (kind == TO_SYSLOG)
		openlog(ident, LOG_PID | LOG_NDELAY, LOG_DAEMON);
	pthread_mutex_unlock(&lock);
	log_set_level(level);
	return OK;
}

void log_set_level(enum log_level level)
{
	atomic_store(&level_max, (int)level);
}

int log_reopen(void)
{
	int rc = OK;
	pthread_mutex_lock(&lock);
	if (target == TO_FILE) {
		int new_fd = open_file(path);
		if (new_fd < 0) {
			rc = ERR_IO;
		} else {
			close(fd);
			fd = new_fd;
		}
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

void log_close(void)
{
	pthread_mutex_lock(&lock);
	close_target();
	pthread_mutex_unlock(&lock);
}

/* Nothing can be reported about a log that cannot be written; the line is lost. */
static void write_all(int to, struct bytes line)
{
	while (line.len > 0) {
		ssize_t n = write(to, line.data, line.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		line = bytes_of(line.data + n, line.len - (size_t)n);
	}
}

static void add_prefix(struct buffer *line, enum log_level level)
{
	char stamp[32] = "-";
	struct tm tm;
	time_t now = time(NULL);
	if (target == TO_JOURNAL) {
		buffer_printf(line, "<%d>", level_priorities[level]);
		return;
	}
	if (gmtime_r(&now, &tm) != NULL)
		strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%SZ", &tm);
	buffer_printf(line, "%s %s[%ld] %s: ", stamp, ident != NULL ? ident : "-", (long)getpid(),
	    level_names[level]);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	if ((int)level > atomic_load(&level_max))
		return;
	int saved = errno;
	struct buffer raw = BUFFER_INIT, text = BUFFER_INIT, line = BUFFER_INIT;
	va_list ap;
	va_start(ap, fmt);
	buffer_vprintf(&raw, fmt, ap);
	va_end(ap);
	text_line(&text, buffer_bytes(&raw));
	/* Better to say that something was said than to keep quiet. */
	struct bytes said = buffer_bytes(&text);
	if (raw.failed || text.failed)
		said = bytes_str("(a message was lost: out of memory, or a bad format)");

	pthread_mutex_lock(&lock);
	if (target == TO_SYSLOG) {
		syslog(level_priorities[level], "%.*s", (int)said.len, (const char *)said.data);
	} else {
		/* One write for each line, so that lines of several processes do not mix. */
		add_prefix(&line, level);
		buffer_add(&line, said.data, said.len);
		buffer_add_u8(&line, '\n');
		write_all(fd, buffer_bytes(&line));
	}
	pthread_mutex_unlock(&lock);
	buffer_free(&raw);
	buffer_free(&text);
	buffer_free(&line);
	errno = saved;
}
