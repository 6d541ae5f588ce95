/* SPDX-License-Identifier: BSD-2-Clause */
/* convened: the thin main of the parent, see parent/parent.h. The order of the phases matters where
 * a comment says so. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "daemon/parent/parent.h"

#define DEFAULT_CONFIG SYSCONFDIR "/convene/convened.conf"

static void usage(FILE *to)
{
	fputs("usage: convened [-c FILE] [-n [-v]] [-V]\n"
	      "  -c FILE  the config file (default " DEFAULT_CONFIG ")\n"
	      "  -n       check the config and say all that is wrong with it\n"
	      "  -nv      check it, and print it with every value in force\n"
	      "  -V       print the version\n"
	      "It stays in the foreground. SIGHUP reads the config again, SIGTERM stops. See "
	      "convened(8).\n",
	    to);
}

static struct conf *config_read(const char *path)
{
	struct conf_errors errors = CONF_ERRORS_INIT;
	struct conf *conf = NULL;

	if (conf_load(&conf, path, &errors) != OK) {
		conf_errors_print(stderr, &errors);
		fprintf(stderr, "convened: %s is refused; nothing was started\n", path);
		if (access(path, F_OK) != 0)
			fputs("`convenectl init NAME` makes a node; -c names the file of one that "
			      "is elsewhere\n",
			    stderr);
	}
	conf_errors_free(&errors);
	return conf;
}

int main(int argc, char **argv)
{
	const char *config = DEFAULT_CONFIG;
	static const struct option longs[] = {{"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}};
	bool check = false, print = false;
	struct credential credential;
	struct relay_setup setup = {.control = -1, .signer = -1};
	struct signer_process signer = {-1, -1, false};
	struct keepers keepers = {.count = 0};
	int opt, status = EXIT_SETUP;

	memset(&credential, 0, sizeof credential);
	while ((opt = getopt_long(argc, argv, "c:nvVh", longs, NULL)) != -1) {
		switch (opt) {
		case 'c':
			config = optarg;
			break;
		case 'n':
			check = true;
			break;
		case 'v':
			print = true;
			break;
		case 'V':
			puts("convened " PACKAGE_VERSION);
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc || (print && !check)) {
		usage(stderr);
		return EXIT_USAGE;
	}
	umask(027);
	if (crypto_start() != OK) {
		fputs("convened: no source of randomness\n", stderr);
		return EXIT_SETUP;
	}

	setup.conf = config_read(config);
	if (!setup.conf)
		return EXIT_CONFIG;
	if (check) {
		if (print)
			conf_print(stdout, setup.conf);
		else
			printf("%s: ok\n", config);
		fflush(stdout);
		here_look(stderr, setup.conf);
		conf_free(setup.conf);
		return 0;
	}
	if (log_open("convened", setup.conf->log.target, setup.conf->log.level) != OK) {
		fprintf(stderr, "convened: log target %s: %s\n", setup.conf->log.target,
		    strerror(errno));
		return EXIT_SETUP;
	}
	limits_raise();
	setup.credential = &credential;
	if (geteuid() == 0 && !setup.conf->node.user)
		log_warning(
		    "running as root: name a user in the node block of %s", setup.conf->file);
	/* Ports and keys while we may, privileges next, and only then anything that is written. The
	 * signer and the keepers are made before there is another key in memory, and drop their
	 * privileges themselves. */
	if (users_check(setup.conf) == OK && charter_read(setup.conf, &setup.charter) == OK &&
	    credential_read(setup.conf, setup.charter, &credential) == OK &&
	    listeners_open("node", setup.conf->node.listen, setup.conf->node.listen_count,
		&setup.listeners, &setup.listener_count) == OK &&
	    data_prepare(setup.conf) == OK && signer_begin(&setup, &signer) == OK &&
	    keepers_begin(&keepers, &setup) == OK && tls_key_read(&setup) == OK &&
	    privileges_drop(setup.conf->node.user) == OK) {
		setup.control = control_open(setup.conf->node.control);
		if (setup.control >= 0) {
			status = supervise(&setup, &signer, &keepers);
			unlink(setup.conf->node.control);
		}
	}
	keepers_end(&keepers);
	/* At the end of its socket it ends; whatever moment that is, its files are whole. */
	if (setup.signer >= 0)
		close(setup.signer);
	if (signer.pid > 0)
		waitpid(signer.pid, NULL, 0);
	key_wipe(&setup.tls_key);
	credential_clear(&credential);
	charter_free(setup.charter);
	for (size_t i = 0; i < setup.listener_count; i++)
		close(setup.listeners[i]);
	free(setup.listeners);
	conf_free(setup.conf);
	log_close();
	return status;
}
