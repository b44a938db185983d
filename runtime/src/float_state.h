/* float_state.h: how a thread rounds. What kernels store is defined by IEEE 754's default: to nearest even, subnormals kept, no
 * traps. A caller may have set something else (-ffast-math's start-up code does, for the whole process), and threads inherit it.
 * Writing the register waits for all arithmetic before it, so that is left where nothing would change. */
#ifndef KVRT_FLOAT_STATE_H
#define KVRT_FLOAT_STATE_H

#include <stdint.h>

#if defined(__x86_64__)
#include <immintrin.h>
enum { kvrtFloatDefault = 0x1f80, kvrtFloatFlags = 0x3f }; /* MXCSR: all exceptions masked; what has happened so far */
static inline uint64_t kvrt_read_float_state(void) { return _mm_getcsr(); }
static inline void kvrt_write_float_state(uint64_t state) { _mm_setcsr((unsigned)state); }
#elif defined(__aarch64__)
enum { kvrtFloatDefault = 0, kvrtFloatFlags = 0 }; /* FPCR */
static inline uint64_t kvrt_read_float_state(void) {
  uint64_t state;
  __asm__ volatile("mrs %0, fpcr" : "=r"(state)::"memory");
  return state;
}
static inline void kvrt_write_float_state(uint64_t state) { __asm__ volatile("msr fpcr, %0" ::"r"(state) : "memory"); }
#else
enum { kvrtFloatDefault = 0, kvrtFloatFlags = 0 };
static inline uint64_t kvrt_read_float_state(void) { return 0; }
static inline void kvrt_write_float_state(uint64_t state) { (void)state; }
#endif

static inline int kvrt_is_float_default(uint64_t state) { return (state & ~(uint64_t)kvrtFloatFlags) == kvrtFloatDefault; }

/* Sets the default, and returns what kvrt_leave_float_default() restores. */
static inline uint64_t kvrt_enter_float_default(void) {
  const uint64_t state = kvrt_read_float_state();
  if (!kvrt_is_float_default(state))
    kvrt_write_float_state(kvrtFloatDefault);
  return state;
}
static inline void kvrt_leave_float_default(uint64_t state) {
  if (!kvrt_is_float_default(state))
    kvrt_write_float_state(state);
}

#endif
