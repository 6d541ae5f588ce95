/* SPDX-License-Identifier: BSD-2-Clause */
/* convened, the parent: reads everything that needs privileges but the keys that sign, which only
 * the signer does; drops privileges, starts the relay and starts it again when it fails. It holds
 * no connection and parses nothing from outside. The order of the phases matters where a comment
 * says so. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "crypto/keyfile.h"
#include "daemon/relay/relay.h"
#include "daemon/signer/process.h"
#include "member/credential_text.h"
#include "net/tls.h"

#define DEFAULT_CONFIG SYSCONFDIR "/convene/convened.conf"
#define EXIT_USAGE 1
#define EXIT_CONFIG 2
#define EXIT_SETUP 3
#define EXIT_RELAY 4
#define EXIT_SIGNER 5
#define RESTART_MAX_S 30
#define LOCK_WAIT_MS 10000 /* for a daemon that is about to stop */

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

/* ---- reading ---- */

static int file_read(const char *path, struct buffer *out)
{
	FILE *f = fopen(path, "re");
	char chunk[4096];
	size_t n;

	if (!f)
		return ERR_IO;
	while ((n = fread(chunk, 1, sizeof chunk, f)) > 0 && out->len < NOTE_MAX + 1)
		buffer_add(out, chunk, n);
	n = (size_t)ferror(f);
	fclose(f);
	return n || out->failed ? ERR_IO : OK;
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

static int charter_read(const struct conf *conf, struct charter **out)
{
	struct buffer note = BUFFER_INIT;
	const char *who = NULL;
	unsigned line = 0;
	int err = file_read(conf->node.charter, &note);

	if (err)
		log_error("%s: %s%s", conf->node.charter, strerror(errno),
		    errno == ENOENT
			? "; `convenectl charter` makes one, `convenectl peer BLOCK` takes a peer's"
			: "");
	else if ((err = charter_open(out, buffer_bytes(&note), &line, &who)) == ERR_NOT_COMPLETE)
		log_error("%s: the charter lacks the signature of %s; a charter counts when every "
			  "founder has signed it",
		    conf->node.charter, who);
	else if (err == ERR_SIGNATURE)
		log_error("%s: the signature of %s does not verify", conf->node.charter, who);
	else if (err && line)
		log_error("%s:%u: not a charter: %s", conf->node.charter, line, error_text(err));
	else if (err)
		log_error("%s: not a charter: %s", conf->node.charter, error_text(err));
	buffer_free(&note);
	return err;
}

/* The passphrase of the node's key files, where the operator has put one. */
static char *passphrase_read(void)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY"),
		   *file = getenv("CONVENE_PASSPHRASE_FILE");
	struct buffer b = BUFFER_INIT;
	char path[4096], *text = NULL;

	if (!file && dir) {
		snprintf(path, sizeof path, "%s/passphrase", dir);
		file = path;
	}
	if (file && file_read(file, &b) == OK) {
		text = strdup(buffer_str(&b));
		if (text)
			text[strcspn(text, "\r\n")] = '\0';
	}
	buffer_wipe(&b);
	return text;
}

static int credential_read(
    const struct conf *conf, const struct charter *charter, struct credential *out)
{
	struct buffer text = BUFFER_INIT, message = BUFFER_INIT;
	char path[4096], log_name[VERIFIER_NAME_MAX + 1];
	int err;

	snprintf(path, sizeof path, "%s/credential", conf->node.keys);
	err = file_read(path, &text);
	if (err) {
		log_error("%s: %s%s", path, strerror(errno),
		    errno == ENOENT ? "; `convenectl credential` makes it with the root key" : "");
	} else {
		err = credential_text_parse(buffer_bytes(&text), log_name, &message);
		if (!err)
			err = credential_open(
			    out, charter->forum, bytes_str(log_name), buffer_bytes(&message));
		if (!err && strcmp(out->organisation, conf->node.name) != 0)
			err = ERR_KEY;
		if (err == ERR_OTHER_FORUM)
			log_error("%s: made for another forum than the charter %s; `convenectl "
				  "credential` makes a new one",
			    path, conf->node.charter);
		else if (err)
			log_error("%s: not a credential of %s: %s", path, conf->node.name,
			    error_text(err));
	}
	buffer_free(&text);
	buffer_free(&message);
	return err;
}

static int tls_key_read(struct relay_setup *setup)
{
	char path[4096], *passphrase = passphrase_read();
	uint8_t pin[HASH_LEN];
	bool named = false;
	int err;

	snprintf(path, sizeof path, "%s/tls.key", setup->conf->node.keys);
	err = keyfile_load(path, "tls", &setup->tls_key, passphrase);
	for (size_t i = 0; !err && !named && i < setup->credential->node.tls_pin_count; i++) {
		tls_pin_of(pin, setup->tls_key.public);
		named = memcmp(pin, setup->credential->node.tls_pins[i], HASH_LEN) == 0;
	}
	if (err)
		log_error("%s: %s", path,
		    err == ERR_REFUSED ? "others can read it; chmod 600" : error_text(err));
	else if (!named)
		log_error("%s: not a TLS key that the credential names, so nobody will talk to "
			  "this node; after a change of keys, `convenectl credential --renew`",
		    path);
	if (passphrase) {
		secret_wipe(passphrase, strlen(passphrase));
		free(passphrase);
	}
	return err;
}

/* ---- sockets ---- */

static int listen_on(const struct conf_address *a)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
			    .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV},
			*ai = NULL;
	char port[8];
	int fd = -1, one = 1, zero = 0;

	snprintf(port, sizeof port, "%u", a->port);
	if (getaddrinfo(a->host, port, &hints, &ai) != 0) {
		log_error("listen on %s: not an address", a->text);
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
		log_error("listen on %s: %s%s", a->text, strerror(errno),
		    errno == EADDRINUSE ? "; is convened running already? `convenectl status` tells"
		    : errno == EADDRNOTAVAIL ? "; it is no address of this machine"
		    : errno == EACCES ? "; ports below 1024 want root at the start, and node.user"
				      : "");
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	freeaddrinfo(ai);
	return fd;
}

static int listeners_open(struct relay_setup *setup)
{
	setup->listeners = calloc(setup->conf->node.listen_count, sizeof *setup->listeners);
	if (!setup->listeners)
		return ERR_NOMEM;
	for (size_t i = 0; i < setup->conf->node.listen_count; i++) {
		setup->listeners[i] = listen_on(&setup->conf->node.listen[i]);
		if (setup->listeners[i] < 0)
			return ERR_IO;
		setup->listener_count++;
	}
	return OK;
}

/* Only the daemon's own user may command it: the socket is made with mode 0600 and never wider. */
static int control_open(const char *path)
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

/* ---- privileges ---- */

static int folder_make(const char *path, mode_t mode, const char *user)
{
	struct passwd *pw = user && geteuid() == 0 ? getpwnam(user) : NULL;

	/* Not through a link, which the user of an earlier start may have put there. */
	if ((mkdir(path, mode) != 0 && errno != EEXIST) ||
	    (pw && lchown(path, pw->pw_uid, pw->pw_gid) != 0)) {
		log_error("%s: %s", path, strerror(errno));
		return ERR_IO;
	}
	return OK;
}

static const char *signer_user(const struct conf *conf)
{
	return conf->node.signer_user ? conf->node.signer_user : conf->node.user;
}

static int data_prepare(const struct conf *conf)
{
	int err = folder_make(conf->node.data, 0750, conf->node.user);

	if (!err && strcmp(conf->node.signer_data, conf->node.data) != 0)
		err = folder_make(conf->node.signer_data, 0700, signer_user(conf));
	return err;
}

/* `user` is a name, or NULL: stay. */
static int privileges_drop(const void *user)
{
	struct passwd *pw;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (geteuid() != 0 || !user)
		return OK;
	pw = getpwnam(user);
	if (!pw) {
		log_error("there is no user %s", (const char *)user);
		return ERR_NOTFOUND;
	}
	/* Groups first: afterwards the right to change them is gone. */
	if (initgroups(pw->pw_name, pw->pw_gid) != 0 || setgid(pw->pw_gid) != 0 ||
	    setuid(pw->pw_uid) != 0 || setuid(0) == 0) {
		log_error("can't become %s: %s", (const char *)user, strerror(errno));
		return ERR_IO;
	}
	return OK;
}

/* ---- the signer ---- */

static int signer_begin(struct relay_setup *setup, struct signer_process *signer)
{
	const struct conf *conf = setup->conf;
	char lock[4096], cosigned[4096], why[512];
	struct signer_start start = {
	    .setup = {.charter = buffer_bytes(&setup->charter->note),
		.log_name = setup->credential->binding.log_name,
		.credential = buffer_bytes(&setup->credential->message),
		.keys = conf->node.keys},
	    .passphrase = passphrase_read,
	    .drop = privileges_drop,
	    .ctx = signer_user(conf),
	    .lock = lock,
	    .cosigned = cosigned,
	    .wait_ms = LOCK_WAIT_MS,
	};
	bool pinned;
	int err;

	snprintf(lock, sizeof lock, "%s/signer.lock", conf->node.signer_data);
	snprintf(cosigned, sizeof cosigned, "%s/signer.cosigned", conf->node.signer_data);
	err = signer_process_start(signer, &start, &pinned, why);
	if (err && why[0])
		log_error("%s", why);
	else if (!err && !pinned)
		log_warning("keys may be written to swap space: the limit of locked memory is "
			    "too low (ulimit -l)");
	setup->signer = signer->fd;
	return err;
}

/* Every connection is a descriptor. */
static void limits_raise(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}

/* ---- the relay, watched over ---- */

static volatile sig_atomic_t stop_wanted, reload_wanted;

static void on_signal(int signum)
{
	if (signum == SIGHUP)
		reload_wanted = 1;
	else if (signum != SIGCHLD)
		stop_wanted = 1;
}

static void signals_set(void (*handler)(int))
{
	static const int list[] = {SIGHUP, SIGTERM, SIGINT, SIGCHLD};
	struct sigaction sa = {.sa_handler = handler};

	for (size_t i = 0; i < sizeof list / sizeof *list; i++)
		sigaction(list[i], &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static pid_t relay_start_child(struct relay_setup *setup, const sigset_t *unblocked)
{
	pid_t parent = getpid(), pid = fork();

	if (pid != 0)
		return pid;
	/* If the parent is killed, nobody is left to restart or stop us. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXIT_RELAY);
	signals_set(SIG_DFL);
	sigprocmask(SIG_SETMASK, unblocked, NULL);
	prctl(PR_SET_NAME, "convened-relay");
	exit(relay_run(setup) == 0 ? 0 : EXIT_RELAY);
}

/* The file may have been changed and taken over by the relay since we read it. */
static void config_refresh(struct relay_setup *setup)
{
	struct conf_errors errors = CONF_ERRORS_INIT;
	struct conf *fresh = NULL;

	if (conf_load(&fresh, setup->conf->file, &errors) == OK &&
	    conf_reloadable(setup->conf, fresh, NULL)) {
		conf_free(setup->conf);
		setup->conf = fresh;
	} else {
		conf_free(fresh);
	}
	conf_errors_free(&errors);
}

static void died_say(const char *who, int status, const char *next)
{
	if (WIFSIGNALED(status))
		log_error("the %s ended by signal %d (%s); %s", who, WTERMSIG(status),
		    strsignal(WTERMSIG(status)), next);
	else
		log_error("the %s ended with status %d; %s", who, WEXITSTATUS(status), next);
}

/* Without a signer nothing can be sealed, and only a new start may read the keys. The relay ends
 * in order: what it has accepted stays in the inbox. */
static int signer_died(int status, pid_t relay)
{
	died_say("signer", status, "convened stops, and has to be started again");
	if (relay > 0) {
		kill(relay, SIGTERM);
		while (waitpid(relay, NULL, 0) < 0 && errno == EINTR)
			;
	}
	return EXIT_SIGNER;
}

static int supervise(struct relay_setup *setup, const struct signer_process *signer)
{
	sigset_t all, unblocked;
	unsigned wait_s = 1;
	pid_t pid = -1;
	time_t started = 0;
	int status = 0, signer_status = 0;

	/* Signals are taken only in sigsuspend(), so that none is lost between a look and a wait.
	 */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &unblocked);
	signals_set(on_signal);
	for (;;) {
		if (waitpid(signer->pid, &signer_status, WNOHANG) != 0)
			return signer_died(signer_status, pid);
		if (pid < 0) {
			pid = relay_start_child(setup, &unblocked);
			started = time(NULL);
			if (pid < 0) {
				log_error("fork: %s", strerror(errno));
				return EXIT_SETUP;
			}
		}
		if (waitpid(pid, &status, WNOHANG) == 0) {
			sigsuspend(&unblocked);
			if (stop_wanted)
				kill(pid, SIGTERM);
			else if (reload_wanted)
				kill(pid, SIGHUP);
			reload_wanted = 0;
			continue;
		}
		pid = -1;
		if (stop_wanted || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
			return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : EXIT_RELAY;
		died_say("relay", status, "it is started again");
		/* One that can't even start tells so quickly: don't spin, and give up when nothing
		 * helps. */
		if (time(NULL) - started > RESTART_MAX_S)
			wait_s = 1;
		else if (wait_s > RESTART_MAX_S)
			return EXIT_RELAY;
		struct timespec ts = {wait_s, 0};
		int signum = sigtimedwait(&all, NULL, &ts);
		if (signum > 0)
			on_signal(signum); /* it is taken by this, and would be lost */
		if (stop_wanted)
			return EXIT_RELAY;
		wait_s *= 2;
		config_refresh(setup);
	}
}

int main(int argc, char **argv)
{
	const char *config = DEFAULT_CONFIG;
	static const struct option longs[] = {{"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'}, {NULL, 0, NULL, 0}};
	bool check = false, print = false;
	struct credential credential;
	struct relay_setup setup = {.control = -1, .signer = -1};
	struct signer_process signer = {-1, -1};
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
	 * signer is made before there is another key in memory, and drops its privileges itself. */
	if (charter_read(setup.conf, &setup.charter) == OK &&
	    credential_read(setup.conf, setup.charter, &credential) == OK &&
	    listeners_open(&setup) == OK && data_prepare(setup.conf) == OK &&
	    signer_begin(&setup, &signer) == OK && tls_key_read(&setup) == OK &&
	    privileges_drop(setup.conf->node.user) == OK) {
		setup.control = control_open(setup.conf->node.control);
		if (setup.control >= 0) {
			status = supervise(&setup, &signer);
			unlink(setup.conf->node.control);
		}
	}
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
