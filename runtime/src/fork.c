/* fork.c: what fork() takes from a child. It has one thread: no worker of the parent's pools is in it, and a lock that another
 * thread held at that moment would never be opened. */
#include "internal.h"

#include <pthread.h>
#include <stdatomic.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int watchError;
static _Atomic uint32_t generation;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void beforeFork(void) { pthread_mutex_lock(&lock); }
static void inParent(void) { pthread_mutex_unlock(&lock); }
static void inChild(void) {
  atomic_fetch_add_explicit(&generation, 1, memory_order_relaxed);
  pthread_mutex_unlock(&lock);
}

static void watch(void) { watchError = pthread_atfork(beforeFork, inParent, inChild); }

kv_status kvrt_watch_forks(void) {
  pthread_once(&once, watch);
  return watchError ? kvrt_fail(KV_ERROR_SYSTEM, "fork() cannot be watched: error %d", watchError) : KV_OK;
}

uint32_t kvrt_fork_generation(void) { return atomic_load_explicit(&generation, memory_order_relaxed); }

void kvrt_lock_across_fork(void) { pthread_mutex_lock(&lock); }
void kvrt_unlock_across_fork(void) { pthread_mutex_unlock(&lock); }
