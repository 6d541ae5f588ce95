/* SPDX-License-Identifier: BSD-2-Clause */
/* A post as a mail (RFC 5322, MIME), in an mbox (RFC 4155). */
#include "client/archive/export.h"

#include "mail/message_id.h"
#include "mail/write.h"

static void separator_write(struct buffer *out, const struct mail_post *p)
{
	char hex[2 * KEY_LEN + 1];

	buffer_add_str(out, "From ");
	local_part_add(out, mail_local_part(&p->author, p->header, hex));
	buffer_add_u8(out, '@');
	buffer_add(out, p->author.organisation.data, p->author.organisation.len);
	buffer_add_u8(out, ' ');
	asctime_add(out, p->header->time);
	buffer_add_u8(out, '\n');
}

void export_mail(struct buffer *out, const struct mail_post *p)
{
	separator_write(out, p);
	mail_people(out, p);
	if (p->content)
		field_text(out, "Subject", p->content->subject);
	mail_ids(out, p, message_id_usable);
	mail_facts(out, p);
	mail_content(out, p, MAIL_MBOX);
	buffer_add_u8(out, '\n');
}
