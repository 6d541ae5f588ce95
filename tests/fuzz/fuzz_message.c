/* SPDX-License-Identifier: BSD-2-Clause */
/* A message is read, or refused; what was read is encoded to the same bytes, since there is one
 * encoding only. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "msg/message.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct binding binding;
	static const uint8_t forum[HASH_LEN];
	struct bytes in = bytes_of(data, size), organisation;
	struct header h;
	uint8_t id[ID_LEN], digest[DIGEST_LEN];
	uint64_t number;
	if (binding.log_name[0] == '\0' &&
	    binding_make(
		&binding, forum, bytes_str("a.example/00112233445566778899aabbccddeeff/1")) != OK)
		abort();
	message_id(id, in, &binding);
	log_name_parse(in, &organisation, digest, &number);
	if (message_parse(in, &h) != OK)
		return 0;
	struct buffer out = BUFFER_INIT;
	if (header_encode(&out, &h) != OK || out.len != size - SIG_LEN ||
	    memcmp(out.data, data, out.len) != 0)
		abort();
	buffer_free(&out);
	return 0;
}
