/* Sleeping until a word changes: the one file that knows how the platform does it. */
#ifndef TW_CORE_WAIT_H
#define TW_CORE_WAIT_H
#include <stdatomic.h>
#include <stdint.h>

/* Sleeps while *word == seen; may also return without reason. */
void tw_wait(_Atomic uint32_t *word, uint32_t seen);
/* Wakes so many of those who sleep on the word. */
void tw_wake(_Atomic uint32_t *word, int most);
static inline void tw_relax(void) { /* a breath inside a spin loop */
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}
#endif
