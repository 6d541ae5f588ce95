/* SPDX-License-Identifier: BSD-2-Clause */
/* Links of packets: a tun device in each of two network namespaces, which lie in /run/netns as
 * `ip netns add` leaves them. Only neighbours reach each other; nothing is routed. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/federation/link.h"

#define TURN 64 /* packets read from a device before the others have their turn */

struct tun {
	int fd[2];
	struct link *link;
	struct flow flow[2]; /* from a, from b */
};

static struct tun *tuns;
static size_t tun_count;

static bool said(const char *what, const char *name)
{
	fprintf(stderr, "link: %s %s: %s\n", what, name, strerror(errno));
	return false;
}

static bool address_put(int s, unsigned long request, const char *device, const char *address)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct ifreq r = {.ifr_flags = 0};

	if (inet_pton(AF_INET, address, &in.sin_addr) != 1) {
		errno = EINVAL;
		return said("no IPv4 address:", address);
	}
	snprintf(r.ifr_name, sizeof r.ifr_name, "%s", device);
	memcpy(&r.ifr_addr, &in, sizeof in);
	return ioctl(s, request, &r) == 0 || said("the device takes no address", address);
}

static bool device_up(int s, const char *device)
{
	struct ifreq r = {.ifr_flags = 0};

	snprintf(r.ifr_name, sizeof r.ifr_name, "%s", device);
	if (ioctl(s, SIOCGIFFLAGS, &r) != 0)
		return said("no device", device);
	r.ifr_flags |= IFF_UP;
	return ioctl(s, SIOCSIFFLAGS, &r) == 0 || said("can't be brought up:", device);
}

/* In the namespace that we are in. */
static int device_make(const char *device, const char *address, const char *peer)
{
	struct ifreq r = {.ifr_flags = 0};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool good = fd >= 0 && s >= 0;

	if (!good)
		said("can't open", "/dev/net/tun");
	snprintf(r.ifr_name, sizeof r.ifr_name, "%s", device);
	r.ifr_flags = IFF_TUN | IFF_NO_PI;
	if (good && ioctl(fd, TUNSETIFF, &r) != 0)
		good = said("can't make the device", device);
	r.ifr_mtu = PACKET_MAX;
	if (good && ioctl(s, SIOCSIFMTU, &r) != 0)
		good = said("can't set the packet size of", device);
	good = good && address_put(s, SIOCSIFADDR, device, address) &&
	       address_put(s, SIOCSIFDSTADDR, device, peer) && device_up(s, device) &&
	       device_up(s, "lo");
	if (s >= 0)
		close(s);
	if (!good && fd >= 0)
		close(fd);
	return good ? fd : -1;
}

static int end_make(
    const char *namespace, const char *device, const char *address, const char *peer)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), there, fd = -1;
	char path[300];

	snprintf(path, sizeof path, "/run/netns/%s", namespace);
	there = open(path, O_RDONLY | O_CLOEXEC);
	if (home < 0 || there < 0 || setns(there, CLONE_NEWNET) != 0)
		said("can't enter the namespace", namespace);
	else
		fd = device_make(device, address, peer);
	if (home >= 0 && fd >= 0 && setns(home, CLONE_NEWNET) != 0)
		fd = -1;
	if (home >= 0)
		close(home);
	if (there >= 0)
		close(there);
	return fd;
}

/* "NAMESPACE,ADDRESS,NAMESPACE,ADDRESS" */
static bool tun_add(struct link *link, size_t i, char *text)
{
	struct tun *grown = realloc(tuns, (tun_count + 1) * sizeof *grown);
	char *save = NULL, *word[4], device[16];

	if (!grown)
		return said("link", text);
	tuns = grown;
	for (size_t k = 0; k < 4; k++) {
		word[k] = strtok_r(k ? NULL : text, ",", &save);
		if (!word[k]) {
			fprintf(stderr, "link: a link is NAMESPACE,ADDRESS,NAMESPACE,ADDRESS\n");
			return false;
		}
	}
	snprintf(device, sizeof device, "link%zu", i);
	tuns[tun_count] = (struct tun){.link = link};
	tuns[tun_count].fd[0] = end_make(word[0], device, word[1], word[3]);
	if (tuns[tun_count].fd[0] < 0)
		return false;
	tuns[tun_count].fd[1] = end_make(word[2], device, word[3], word[1]);
	if (tuns[tun_count].fd[1] < 0)
		return false;
	tun_count++;
	return true;
}

static size_t tun_wait(struct pollfd *fds, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < tun_count && n + 2 <= max; i++) {
		fds[n++] = (struct pollfd){.fd = tuns[i].fd[0], .events = POLLIN};
		fds[n++] = (struct pollfd){.fd = tuns[i].fd[1], .events = POLLIN};
	}
	return n;
}

static void deliver(struct flow *f, struct lane *lane, int fd, uint64_t now)
{
	struct piece *p;

	while ((p = flow_first(f)) && p->due <= now) {
		if (lane->settings.down) {
			lane->counts.cut++; /* what was on its way is gone as well */
		} else if (write(fd, p->data, p->len) == (ssize_t)p->len) {
			lane->counts.out++;
			lane->counts.out_bytes += p->len;
			if (now - p->due > lane->counts.late)
				lane->counts.late = now - p->due;
		} else {
			lane->counts.full++;
		}
		flow_shift(f);
	}
}

static uint64_t tun_ready(uint64_t now)
{
	uint8_t packet[PACKET_MAX];
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < tun_count; i++) {
		struct tun *t = &tuns[i];

		for (size_t from = 0; from < 2; from++) {
			struct lane *lane = &t->link->lane[from];
			struct piece *p;
			ssize_t n;

			for (int k = 0;
			     k < TURN && (n = read(t->fd[from], packet, sizeof packet)) > 0; k++)
				flow_enter(&t->flow[from], lane, packet, (size_t)n, now);
			deliver(&t->flow[from], lane, t->fd[!from], now);
			p = flow_first(&t->flow[from]);
			if (p && p->due < next)
				next = p->due;
		}
	}
	return next;
}

const struct wiring tun_wiring = {tun_add, tun_wait, tun_ready};
