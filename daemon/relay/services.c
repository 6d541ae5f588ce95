/* SPDX-License-Identifier: BSD-2-Clause */
/* What the processes that readers connect to have told (daemon/parent/told.h), for the operator. */
#include "base/text.h"
#include "conf/schema.h"
#include "daemon/parent/parent.h"
#include "daemon/relay/report.h"

/* Whatever stands there, as a line. */
static json_t *line_of(const char *text)
{
	struct buffer line = BUFFER_INIT;
	json_t *value;

	text_line(&line, bytes_str(text));
	value = line.failed ? json_null() : report_text(buffer_str(&line));
	buffer_free(&line);
	return value;
}

static json_t *service_report(const struct relay *r, const struct service *s, const struct told *t)
{
	json_t *o = json_object(), *addresses = json_array();
	struct told_sum sum;
	size_t count;
	const struct conf_address *list = service_listen(s, r->conf, &count);
	bool web = s->section == SECTION_WEB;

	told_sum(t, &sum);
	for (size_t i = 0; i < count; i++)
		json_array_append_new(addresses, json_string(list[i].text));
	json_object_set_new(o, "listen", addresses);
	json_object_set_new(o, "tls",
	    json_boolean(
		web ? r->conf->web.certificate != NULL : r->conf->nntp.certificate != NULL));
	if (web)
		json_object_set_new(o, "url", report_text(r->conf->web.url));
	json_object_set_new(o, "processes", json_integer(service_processes(s, r->conf)));
	json_object_set_new(o, "serving", json_integer(sum.serving));
	json_object_set_new(o, "read", json_integer(sum.read));
	json_object_set_new(o, "trouble", line_of(sum.trouble));
	return o;
}

void services_report(const struct relay *r, json_t *o)
{
	for (size_t i = 0; service_table[i].name; i++)
		json_object_set_new(o, service_table[i].name,
		    r->told && r->told[i] ? service_report(r, &service_table[i], r->told[i])
					  : json_null());
}
