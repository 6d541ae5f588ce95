/* SPDX-License-Identifier: BSD-2-Clause */
/* A copy of the store, for the day on which the disk is lost. */
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/error.h"
#include "client/ctl.h"
#include "client/new_file.h"
#include "store/backup.h"

static bool path_is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static int backup_make(const struct ctl *c, struct new_file *f, uint64_t *bytes, struct trouble *t)
{
	char store[PATH_LEN], why[200];
	struct stat st;
	int err = path_join(store, c->conf->node.data, "convene.db", t);

	/* What stands there may be a good backup, the store itself, or a key. */
	if (!err && path_is_there(c->in->operands[0])) {
		trouble_set(t, ERR_EXISTS, "%.300s is there already", c->in->operands[0]);
		trouble_hint(t, "Name another file: a backup replaces none.");
		return t->err;
	}
	if (!err)
		err = new_file_open(f, c->in->operands[0], t);
	if (err)
		return err;
	/* What nobody but members may read in a forum is in it, and unused invites. */
	if (fchmod(fileno(f->to), 0600) != 0)
		return trouble_errno(t, "%.300s can't be written", f->path);
	err = store_backup(store, f->temporary, why);
	if (err == ERR_NOTFOUND) {
		trouble_set(t, err, "there is no store at %.300s", store);
		trouble_hint(t, "The daemon makes it when it is started first.");
	} else if (err) {
		trouble_set(t, err, "the store %.200s can't be copied: %s%s%.150s", store,
		    error_text(err), why[0] ? ": " : "", why);
		if (err == ERR_STORE || err == ERR_SCHEMA)
			trouble_hint(t, "If it is damaged, see RECOVERY in convenectl(8).");
	} else {
		err = new_file_close(f, t);
	}
	if (err)
		return err;
	*bytes = stat(f->path, &st) == 0 ? (uint64_t)st.st_size : 0;
	return OK;
}

int ctl_backup(const struct invocation *in)
{
	struct new_file f = {NULL, "", ""};
	uint64_t bytes = 0;
	char size[16];
	struct trouble t;
	struct ctl c;
	int code = ctl_open(&c, in), err;

	if (code)
		return code;
	err = backup_make(&c, &f, &bytes, &t);
	if (!err && in->json)
		json_print(json_pack("{s:o, s:I}", "file", json_bytes(bytes_str(in->operands[0])),
		    "bytes", (json_int_t)bytes));
	else if (!err)
		print_sentence(0,
		    "The store is copied, %s. After it was put back, say `convenectl recover "
		    "restored` before the daemon is started; RECOVERY in convenectl(8) tells how.",
		    size_text(size, bytes));
	new_file_drop(&f);
	return ctl_close(&c, err ? ctl_fail(in, &t) : EXIT_DONE);
}
