/* SPDX-License-Identifier: BSD-2-Clause */
#include "member/credential_text.h"

#include <string.h>

#include "base/encode.h"
#include "base/error.h"

#define FIRST "convene credential v1\n"

void credential_text_add(struct buffer *out, const char *log_name, struct bytes message)
{
	uint8_t *at;

	buffer_printf(out, FIRST "%s\n", log_name);
	at = buffer_reserve(out, BASE64_LEN(message.len) + 2);
	if (!at)
		return;
	out->len += base64_encode((char *)at, message.data, message.len);
	buffer_add_str(out, "\n");
}

int credential_text_parse(struct bytes in, char *log_name, struct buffer *message)
{
	const char *text = (const char *)in.data, *line, *end;
	size_t len = MESSAGE_MAX;
	uint8_t *room;
	int err;

	if (in.len < sizeof FIRST - 1 || memcmp(text, FIRST, sizeof FIRST - 1) != 0)
		return ERR_MALFORMED;
	line = text + sizeof FIRST - 1;
	end = memchr(line, '\n', in.len - (sizeof FIRST - 1));
	if (!end || end == line || end - line > VERIFIER_NAME_MAX ||
	    memchr(line, '\0', (size_t)(end - line)))
		return ERR_MALFORMED;
	memcpy(log_name, line, (size_t)(end - line));
	log_name[end - line] = '\0';
	line = end + 1;
	end = memchr(line, '\n', in.len - (size_t)(line - text));
	if (!end || end + 1 != text + in.len)
		return ERR_MALFORMED;
	room = buffer_reserve(message, len);
	if (!room)
		return ERR_NOMEM;
	err = base64_decode(room, &len, line, (size_t)(end - line));
	if (!err)
		message->len += len;
	return err;
}
