/* SPDX-License-Identifier: BSD-2-Clause */
/* Fork proofs as a file and as they stand in a frame. One that is accepted survives being made
 * anew. */
#include <string.h>

#include "base/error.h"
#include "log/fork.h"
#include "target.h"

static struct verifier verifier;

static void start(void)
{
	static const uint8_t seed[32] = "fuzz_fork";
	struct key key;

	if (verifier.type != 0)
		return;
	crypto_once();
	key_from_seed(&key, seed);
	REQUIRE(verifier_make(&verifier, bytes_str("log.example/1"), 1, key.public) == OK);
}

static void check_encoded(struct bytes in)
{
	struct buffer again = BUFFER_INIT;
	struct fork_proof f, g;
	const struct tree_hash *root;

	if (fork_proof_decode(in, &f))
		return;
	REQUIRE(fork_proof_encode(&again, &f) == OK);
	REQUIRE(again.len <= in.len); /* fields that we don't know are gone */
	REQUIRE(fork_proof_decode(buffer_bytes(&again), &g) == OK);
	REQUIRE(bytes_equal(f.smaller, g.smaller) && bytes_equal(f.larger, g.larger));
	REQUIRE(f.has_root == g.has_root && f.count == g.count);
	REQUIRE(memcmp(f.proof, g.proof, f.count * sizeof f.proof[0]) == 0);

	root = f.has_root ? &f.root : NULL;
	if (fork_proof_check(f.smaller, f.larger, root, f.proof, f.count, &verifier) == OK) {
		buffer_reset(&again);
		REQUIRE(fork_proof_make(
			    &again, f.smaller, f.larger, root, f.proof, f.count, &verifier) == OK);
		REQUIRE(fork_proof_decode(buffer_bytes(&again), &g) == OK);
		REQUIRE(fork_proof_check(g.smaller, g.larger, g.has_root ? &g.root : NULL, g.proof,
			    g.count, &verifier) == OK);
	}
	buffer_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = bytes_of(data, size);
	struct buffer encoded = BUFFER_INIT, file = BUFFER_INIT;

	start();
	check_encoded(in);
	if (fork_file_read(in, &encoded) == OK) {
		REQUIRE(fork_file_write(&file, buffer_bytes(&encoded)) == OK);
		REQUIRE(bytes_equal(buffer_bytes(&file), in));
		check_encoded(buffer_bytes(&encoded));
	}
	buffer_free(&encoded);
	buffer_free(&file);
	return 0;
}
