/* SPDX-License-Identifier: BSD-2-Clause */
#include "mail/message_id.h"

#include "base/encode.h"
#include "base/text.h"

bool message_id_usable(struct bytes id)
{
	for (size_t i = 0; i < id.len; i++) {
		uint8_t c = id.data[i];

		if (c <= ' ' || c == 0x7f || c == '<' || c == '>')
			return false;
		/* C1, as UTF-8 has it. */
		if (c == 0xc2 && i + 1 < id.len && id.data[i + 1] < 0xa0)
			return false;
	}
	return id.len > 0 && id.len <= MESSAGE_ID_MAX && text_is_utf8(id);
}

static bool is_hex(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool message_id_native(struct bytes id)
{
	size_t n = 0;

	while (n < id.len && is_hex(id.data[n]))
		n++;
	return n == 2 * (size_t)ID_LEN && n < id.len && id.data[n] == '@';
}

void message_id_add(struct buffer *out, const uint8_t id[static ID_LEN], struct bytes organisation,
    struct bytes imported)
{
	char hex[2 * ID_LEN + 1];

	if (message_id_usable(imported) && !message_id_native(imported)) {
		buffer_add(out, imported.data, imported.len);
		return;
	}
	hex_encode(hex, id, ID_LEN);
	buffer_add_str(out, hex);
	buffer_add_u8(out, '@');
	buffer_add(out, organisation.data, organisation.len);
}
