/* SPDX-License-Identifier: BSD-2-Clause */
/* The sockets that others connect to. */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "daemon/parent/parent.h"

static const char *remedy(const char *section, int why)
{
	switch (why) {
	case EADDRINUSE:
		return strcmp(section, "node") == 0
			   ? "another program listens there; `convenectl status` tells whether it "
			     "is convened, and `ss -ltnp` what else"
			   : "another program listens there (`ss -ltnp` shows which)";
	case EADDRNOTAVAIL:
		return "that is no address of this machine";
	case EACCES:
		return "ports below 1024 want root at the start, and node.user";
	default:
		return strerror(why);
	}
}

static int listen_on(const char *section, const struct conf_address *a)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
			    .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV},
			*ai = NULL;
	char port[8];
	int fd = -1, one = 1, zero = 0;

	snprintf(port, sizeof port, "%u", a->port);
	if (getaddrinfo(a->host, port, &hints, &ai) != 0) {
		log_error("%s.listen %s: not an address", section, a->text);
		return -1;
	}
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
		/* [::] takes IPv4 as well, whatever the system's default. */
		if (ai->ai_family == AF_INET6)
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
	}
	if (fd < 0 || bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 || listen(fd, 1024) != 0) {
		log_error("%s.listen %s: %s", section, a->text, remedy(section, errno));
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	freeaddrinfo(ai);
	return fd;
}

int listeners_open(
    const char *section, const struct conf_address *list, size_t count, int **fds, size_t *open)
{
	*fds = calloc(count, sizeof **fds);
	if (!*fds)
		return ERR_NOMEM;
	for (size_t i = 0; i < count; i++) {
		(*fds)[i] = listen_on(section, &list[i]);
		if ((*fds)[i] < 0)
			return ERR_IO;
		++*open;
	}
	return OK;
}

int control_open(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t old = umask(0177);

	memcpy(sun.sun_path, path, strlen(path) + 1); /* conf has checked that it fits */
	/* A file that a killed daemon left is removed; of one that runs, it would cut the operator
	 * off. */
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sun, sizeof sun) == 0) {
		log_error("%s: another convened answers here; `convenectl stop` stops it", path);
		close(fd);
		umask(old);
		return -1;
	}
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sun, sizeof sun) != 0 || listen(fd, 16) != 0) {
		log_error("%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	umask(old);
	return fd;
}
