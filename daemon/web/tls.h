/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS for browsers, with certificate files that are renewed while we run. (TLS between nodes, where
 * only keys count, is lib/net/tls.h.) Loop thread. */
#ifndef DAEMON_WEB_TLS_H
#define DAEMON_WEB_TLS_H

#include <openssl/ssl.h>

struct web_tls;

/* Read a chain and its key, PEM. `why` takes 300 characters. ERR_IO (said in `why`), ERR_NOMEM. */
int web_tls_new(struct web_tls **out, const char *certificate, const char *key, char *why);
/* Read them again; if they are of no use the old ones stay. Connections that are open keep theirs.
 */
int web_tls_reload(struct web_tls *tls, const char *certificate, const char *key, char *why);
void web_tls_free(struct web_tls *tls);
SSL *web_tls_session(struct web_tls *tls); /* NULL: no memory */

#endif
