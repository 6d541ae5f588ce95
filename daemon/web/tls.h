/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS for browsers, with certificate files that are renewed while we run. (TLS between nodes, where
 * only keys count, is lib/net/tls.h.) Loop thread. */
#ifndef DAEMON_WEB_TLS_H
#define DAEMON_WEB_TLS_H

#include <openssl/ssl.h>

struct web_tls;

/* Read a chain and its key, PEM. ERR_IO, ERR_NOMEM: `why` is a sentence for the operator without
 * its end, which names the option of that section and what would mend it. */
#define TLS_WHY_LEN 600
int web_tls_new(struct web_tls **out, const char *section, const char *certificate, const char *key,
    char why[static TLS_WHY_LEN]);
/* Read them again; if they are of no use the old ones stay. Connections that are open keep theirs.
 */
int web_tls_reload(struct web_tls *tls, const char *section, const char *certificate,
    const char *key, char why[static TLS_WHY_LEN]);
/* The same, to look only. */
int web_tls_check(
    const char *section, const char *certificate, const char *key, char why[static TLS_WHY_LEN]);
void web_tls_free(struct web_tls *tls);
SSL *web_tls_session(struct web_tls *tls); /* NULL: no memory */

#endif
