/* SPDX-License-Identifier: BSD-2-Clause */
/* The shells of /join, /write, /outbox and /you: all words and fields are in the page, where only
 * scripts see them, and these show what applies. Who has none reads what they are for, and what to
 * do instead. */
#ifndef DAEMON_WEB_SHELL_H
#define DAEMON_WEB_SHELL_H

#include "daemon/web/pages.h"
#include "daemon/web/write.h"

/* Heading, what is told without scripts (`why` they are needed), and the place for what goes wrong.
 */
void shell_begin(
    struct html h, struct request *q, const char *title, const char *title_id, const char *why);
/* A field: label, hint (NULL: none), place for its error, and the control with `more` attributes.
 */
void shell_label_add(struct html h, const char *id, const char *text, const char *hint);
void shell_described(struct html h, const char *id, bool hint);
void shell_input_add(
    struct html h, const char *id, const char *text, const char *hint, const char *more);
void shell_area_add(
    struct html h, const char *id, const char *text, const char *hint, const char *more);
/* Between these stands what is nothing without scripts: as the text of an element that no browser
 * shows, also none that doesn't know of `hidden`; page.js makes markup of it. */
void shell_open(struct html h);
void shell_close(struct html h);
/* What is shown while this browser has no key; and whom to ask for an invite. */
void shell_no_key(struct request *q, struct html h);
void shell_ask(struct request *q, struct html h);
/* A button that copies what stands in a field. */
void shell_copy(struct html h, const char *field);

/* What scripts must know: takes `more` (NULL: nothing of its own) over. */
void shell_data_add(struct html h, struct request *q, const char *page, json_t *more);
json_t *shell_hex_json(const uint8_t *bytes, size_t len);
json_t *shell_bytes_json(struct bytes text);
/* A message's place, as references to it have it. */
json_t *shell_place_json(const uint8_t *log, const uint8_t *id, uint64_t index);

/* Whether the charter lets participants open topics. */
bool shell_may_open(const struct request *q);
/* The form that writes (write_form.c): into `data` goes what write.js needs. ERR_STORE, ERR_NOMEM.
 */
enum shell_form {
	FORM_CHOOSE, /* in a topic that is chosen there */
	FORM_TOPIC,  /* a new topic */
	FORM_THREAD,
	FORM_REPLY, /* without a subject of its own */
};
int shell_form_add(struct html h, struct request *q, json_t *data, enum shell_form form);

#endif
