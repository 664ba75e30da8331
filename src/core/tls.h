/* Thread-local words that hot paths read. The initial-exec model makes the access one instruction; the space for it in a library
 * that is loaded late is small, so only a few words may use it. */
#ifndef TW_CORE_TLS_H
#define TW_CORE_TLS_H
#if defined(__linux__) && defined(__GNUC__)
#define TW_FAST_TLS __attribute__((tls_model("initial-exec")))
#else
#define TW_FAST_TLS
#endif
#endif
