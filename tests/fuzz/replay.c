/* SPDX-License-Identifier: BSD-2-Clause */
/* Run a fuzz target over stored inputs, without a fuzzer: each argument is a file, or a directory
 * whose files are taken in order of name, down to the last one. Exits with 1 if an input could not
 * be read or if there was none: a corpus that went missing must not look like one that passed. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long replayed, failed;

static void replay_file(const char *path, size_t size)
{
	FILE *f = fopen(path, "rb");
	/* Of exactly the input's size, so that a sanitizer sees a read beyond it. */
	uint8_t *data = malloc(size > 0 ? size : 1);
	if (f == NULL || data == NULL || fread(data, 1, size, f) != size) {
		perror(path);
		failed++;
	} else {
		LLVMFuzzerTestOneInput(data, size);
		replayed++;
	}
	free(data);
	if (f != NULL)
		fclose(f);
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void replay_path(const char *path)
{
	struct stat st;
	struct dirent **entries;
	if (stat(path, &st) != 0) {
		perror(path);
		failed++;
		return;
	}
	if (!S_ISDIR(st.st_mode)) {
		replay_file(path, (size_t)st.st_size);
		return;
	}
	int n = scandir(path, &entries, visible, alphasort);
	if (n < 0) {
		perror(path);
		failed++;
		return;
	}
	for (int i = 0; i < n; i++) {
		size_t room = strlen(path) + strlen(entries[i]->d_name) + 2;
		char *child = malloc(room);
		if (child == NULL)
			abort();
		snprintf(child, room, "%s/%s", path, entries[i]->d_name);
		replay_path(child);
		free(child);
		free(entries[i]);
	}
	free(entries);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		replay_path(argv[i]);
	printf("%lu inputs replayed\n", replayed);
	if (replayed == 0)
		fprintf(stderr, "%s: no inputs\n", argv[0]);
	return replayed == 0 || failed != 0 ? 1 : 0;
}
