/* SPDX-License-Identifier: BSD-2-Clause */
/* The loop: keys, news and what was printed come in; the screen is drawn when all of them have been
 * taken. Nothing here waits for the node, but sending what one has just written, which is said. */
#include "client/screen/reader.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/language.h"
#include "client/screen/terminal.h"
#include "client/screen/write.h"

#define WATCH_AFTER_MS 3000 /* the first thread comes first, over a thin link */

struct reader {
	const struct invocation *in;
	struct home home;
	struct seen *seen;
	struct worker *worker;
	struct screen screen;
	struct canvas canvas;
	uint64_t began, asked; /* monotonic ms */
	bool watching, ended;
};

static volatile sig_atomic_t told_to_end;

static void on_signal(int signal)
{
	(void)signal;
	told_to_end = 1;
}

/* The terminal is left as it was found, whoever ends us. */
static void signals_take(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	const struct sigaction end = {.sa_handler = on_signal};

	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		sigaction(signals[i], &end, NULL);
}

bool reader_fit(void)
{
	return terminal_fit();
}

static void ask(void *ctx, const struct job *job)
{
	struct reader *r = ctx;

	r->asked = clock_mono_ms();
	worker_ask(r->worker, job);
}

static void size_take(struct reader *r)
{
	int rows, columns;

	terminal_size(&rows, &columns);
	screen_resize(&r->screen, rows, columns);
}

/* ---- writing ---- */

static void written_tell(struct reader *r, enum written is, struct buffer *said)
{
	struct screen *s = &r->screen;
	struct job flush = {.kind = JOB_FLUSH};

	switch (is) {
	case WRITTEN_SEALED:
		screen_say(s, "%s", _("Sent: it stands in your organisation's log."));
		break;
	case WRITTEN_WAITS:
		s->outbox = true;
		screen_say(
		    s, "%s", _("Signed and kept here; it is sent when the node can be reached."));
		worker_ask(r->worker, &flush);
		break;
	case WRITTEN_NOTHING:
		screen_say(s, "%s", _("Nothing was written, so nothing is sent."));
		break;
	case WRITTEN_REFUSED:
	case WRITTEN_FAILED:
		screen_tell(s, said->len > 0 ? buffer_str(said) : _("Nothing was sent."));
		break;
	}
}

static void write_now(struct reader *r, enum wish wish)
{
	struct screen *s = &r->screen;
	struct buffer said = BUFFER_INIT;
	enum written is;

	terminal_leave();
	is = wish == WISH_REPLY ? write_reply(r->in, s, &said) : write_thread(r->in, s, &said);
	terminal_return();
	size_take(r);
	written_tell(r, is, &said);
	buffer_free(&said);
	/* What is watched shows it by itself. */
	if (is == WRITTEN_SEALED && !s->live)
		screen_again(s);
}

/* ---- the loop ---- */

static void keys_take(struct reader *r)
{
	unsigned key;

	while (!r->ended && (key = terminal_key()) != 0) {
		enum wish wish = WISH_NONE;

		if (key == TERMINAL_SIZE)
			size_take(r);
		else
			wish = screen_key(&r->screen, key, clock_wall_ms());
		terminal_explicit_bidi(!r->screen.terminal_bidi);
		if (wish == WISH_QUIT)
			r->ended = true;
		else if (wish == WISH_REDRAW)
			terminal_redraw();
		else if (wish != WISH_NONE)
			write_now(r, wish);
	}
}

static void said_take(struct reader *r)
{
	struct news n = {.kind = NEWS_SAID};
	ssize_t got = read(terminal_said_fd(), n.trouble.text, sizeof n.trouble.text - 1);

	if (got <= 0)
		return;
	n.trouble.text[got] = '\0';
	n.trouble.text[strcspn(n.trouble.text, "\n")] = '\0';
	screen_news(&r->screen, &n);
}

static void news_take(struct reader *r)
{
	struct news *n;

	while ((n = worker_news(r->worker))) {
		screen_news(&r->screen, n);
		news_free(n);
	}
}

/* Once there is nothing more urgent for the link. */
static void watch_perhaps(struct reader *r)
{
	const struct screen *s = &r->screen;

	if (r->watching || s->waiting ||
	    (s->posts.count == 0 && clock_mono_ms() - r->began < WATCH_AFTER_MS))
		return;
	r->watching = true;
	worker_watch(r->worker);
}

static void loop(struct reader *r)
{
	while (!r->ended && !told_to_end) {
		struct pollfd fds[] = {{STDIN_FILENO, POLLIN, 0}, {worker_fd(r->worker), POLLIN, 0},
		    {terminal_said_fd(), POLLIN, 0}};
		uint64_t waited = (clock_mono_ms() - r->asked) / 1000;

		screen_draw(&r->screen, &r->canvas, r->screen.waiting ? (unsigned)waited : 0);
		if (r->canvas.cells)
			terminal_draw(&r->canvas);
		if (poll(fds, 3, r->screen.waiting || !r->watching ? 1000 : -1) < 0 &&
		    errno != EINTR)
			break;
		if (fds[0].revents & (POLLHUP | POLLERR))
			break; /* the terminal is gone */
		keys_take(r);
		if (fds[2].revents & POLLIN)
			said_take(r);
		news_take(r);
		watch_perhaps(r);
	}
}

/* Whoever waits to be enrolled may be by now; that needs the key, and so perhaps a passphrase. */
static int enrolled_look(const struct invocation *in, struct home *home, struct trouble *t)
{
	struct session s;
	int err = session_open(&s, in, false, t);

	session_close(&s);
	home_close(home);
	return err ? err : home_open(home, t);
}

int reader_run(const struct invocation *in)
{
	struct reader r = {.in = in};
	struct trouble t;
	bool offline = option_given(in, "offline");
	int err = home_open(&r.home, &t);

	if (!err && r.home.state != HOME_ENROLLED && !offline)
		err = enrolled_look(in, &r.home, &t);
	if (!err)
		err = seen_open(&r.seen, &r.home, &t);
	if (!err)
		err = worker_new(&r.worker, in, &r.home, offline, &t);
	if (err)
		return session_complain(in, &t);
	screen_init(&r.screen, r.seen, ask, &r);
	r.screen.home = &r.home;
	r.screen.offline = offline;
	r.screen.terminal_bidi = seen_choice(r.seen, "terminal_bidi", terminal_reorders()) != 0;
	r.began = clock_mono_ms();
	if (!terminal_begin(!r.screen.terminal_bidi)) {
		trouble_set(&t, ERR_IO, "this terminal can't show a screen");
		return session_complain(in, &t);
	}
	signals_take();
	size_take(&r);
	screen_begin(&r.screen);
	loop(&r);
	terminal_end();
	seen_close(r.seen);
	/* Not by exit(): a thread may wait for a dead link, and what exit() takes down is its. */
	fflush(stdout);
	_exit(EXIT_DONE);
}
