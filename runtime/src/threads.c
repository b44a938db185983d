/* threads.c: the built-in thread pool. The caller and the workers claim parts of a job one by one; workers spin for a while after
 * their last part, because waking a sleeping thread costs more than a short step, and then sleep.
 *
 * `ticket` is the whole protocol: generation (32 bits) | parts (16) | next part (16). A worker reads the ticket, then the job, then
 * claims the part by compare-and-swap: when that succeeds the generation has not changed, so the job it read is this one's, and the
 * job cannot end before the claimed part is counted in `done`. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "internal.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

/* Work shorter than this is not worth waking anyone for; sleepers cost the caller a system call and come some 20 us later. */
enum { wakeFromNanoseconds = 20000 };

struct kv_pool {
  _Alignas(64) _Atomic uint64_t ticket;
  _Atomic(kv_part_fn) part;
  _Atomic(void *) argument;
  _Alignas(64) _Atomic int32_t done;
  _Alignas(64) atomic_flag busy;
  _Atomic int32_t sleeping, stop;
  int32_t threads; /* the caller included */
  int32_t started;
  uint32_t fork_generation; /* of the process that made it: the workers are there and nowhere else */
  uint64_t spinNanoseconds;
  pthread_mutex_t mutex;
  pthread_cond_t wake;
  pthread_t *handles;
};

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb" ::: "memory");
#endif
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int32_t ticketParts(uint64_t ticket) { return (int32_t)(ticket >> 16 & 0xffff); }
static int32_t ticketNext(uint64_t ticket) { return (int32_t)(ticket & 0xffff); }
static int hasWork(uint64_t ticket) { return ticketNext(ticket) < ticketParts(ticket); }

/* Runs parts until none is left to claim. Returns how many. */
static int32_t work(kv_pool *pool) {
  int32_t ran = 0;
  uint64_t ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
  while (hasWork(ticket)) {
    const kv_part_fn part = atomic_load_explicit(&pool->part, memory_order_relaxed);
    void *argument = atomic_load_explicit(&pool->argument, memory_order_relaxed);
    if (!atomic_compare_exchange_weak_explicit(&pool->ticket, &ticket, ticket + 1, memory_order_acq_rel, memory_order_acquire))
      continue;
    part(argument, ticketNext(ticket));
    atomic_fetch_add_explicit(&pool->done, 1, memory_order_release);
    ++ran;
    ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);
  }
  return ran;
}

static void sleepUntilWork(kv_pool *pool) {
  pthread_mutex_lock(&pool->mutex);
  atomic_fetch_add(&pool->sleeping, 1);
  /* Either this sees the new ticket, or the caller sees a sleeper: both are sequentially consistent. */
  while (!hasWork(atomic_load(&pool->ticket)) && !atomic_load(&pool->stop))
    pthread_cond_wait(&pool->wake, &pool->mutex);
  atomic_fetch_sub(&pool->sleeping, 1);
  pthread_mutex_unlock(&pool->mutex);
}

static void *workerMain(void *argument) {
  kv_pool *pool = argument;
  uint64_t idleSince = now();
  for (uint32_t spins = 1; !atomic_load_explicit(&pool->stop, memory_order_acquire); ++spins) {
    if (work(pool)) {
      idleSince = now();
    } else if (spins % 64 != 0) {
      relax();
    } else if (now() - idleSince > pool->spinNanoseconds) {
      sleepUntilWork(pool);
      idleSince = now();
    }
  }
  return NULL;
}

static int isInherited(const kv_pool *pool) { return pool->fork_generation != kvrt_fork_generation(); }

void kvrt_pool_run(kv_pool *pool, int32_t parts, kv_part_fn part, void *argument, uint64_t nanoseconds) {
  /* Without workers, or with someone else's step on the pool, perhaps the one that this call is part of: do it all here. */
  if (!pool || parts == 1 || parts > UINT16_MAX || pool->threads == 1 || isInherited(pool) ||
      atomic_flag_test_and_set_explicit(&pool->busy, memory_order_acquire)) {
    for (int32_t i = 0; i < parts; ++i)
      part(argument, i);
    return;
  }
  atomic_store_explicit(&pool->part, part, memory_order_relaxed);
  atomic_store_explicit(&pool->argument, argument, memory_order_relaxed);
  atomic_store_explicit(&pool->done, 0, memory_order_relaxed);
  const uint64_t generation = (atomic_load_explicit(&pool->ticket, memory_order_relaxed) >> 32) + 1;
  atomic_store(&pool->ticket, generation << 32 | (uint64_t)parts << 16);
  if (nanoseconds >= wakeFromNanoseconds && atomic_load(&pool->sleeping) > 0) {
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
  }
  work(pool);
  for (uint32_t spins = 1; atomic_load_explicit(&pool->done, memory_order_acquire) != parts; ++spins) {
    relax();
    if (spins % 4096 == 0) /* the worker may have been preempted: let it have this processor */
      sched_yield();
  }
  atomic_flag_clear_explicit(&pool->busy, memory_order_release);
}

static void runUnhinted(void *context, int32_t parts, kv_part_fn part, void *argument) {
  kvrt_pool_run(context, parts, part, argument, UINT64_MAX);
}

int kvrt_is_pool(const kv_executor *executor) { return executor->run == runUnhinted; }

kv_executor kv_pool_executor(kv_pool *pool) {
  kv_executor executor = {runUnhinted, pool, pool ? pool->threads : 0, 0};
  return executor;
}

static uint64_t spinOfEnvironment(void) {
  const char *text = getenv("KV_SPIN");
  char *end;
  if (!text || !*text)
    return 100 * 1000;
  const unsigned long microseconds = strtoul(text, &end, 10);
  return *end || microseconds > 1000000 ? 100 * 1000 : microseconds * 1000;
}

kv_status kv_pool_create(int32_t threads, kv_pool **result) {
  if (!result)
    return kvrt_fail(KV_ERROR_NULL, "pool is null");
  *result = NULL;
  if (threads == 0)
    threads = (int32_t)kvrt_min(kvrt_processors(), KV_MAX_THREADS);
  if (threads < 1 || threads > KV_MAX_THREADS)
    return kvrt_fail(KV_ERROR_THREADS, "threads is %d; expected 0 .. %d", threads, KV_MAX_THREADS);
  const kv_status watched = kvrt_watch_forks();
  if (watched != KV_OK)
    return watched;
  kv_pool *pool = NULL;
  if (posix_memalign((void **)&pool, 64, sizeof *pool) != 0)
    return kvrt_fail(KV_ERROR_MEMORY, "no memory for a pool of %d threads", threads);
  memset(pool, 0, sizeof *pool);
  atomic_flag_clear(&pool->busy);
  pool->threads = threads;
  pool->fork_generation = kvrt_fork_generation();
  pool->spinNanoseconds = spinOfEnvironment();
  pool->handles = calloc((size_t)threads, sizeof *pool->handles);
  if (!pool->handles) {
    free(pool);
    return kvrt_fail(KV_ERROR_MEMORY, "no memory for a pool of %d threads", threads);
  }
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_cond_init(&pool->wake, NULL);
  for (; pool->started < threads - 1; ++pool->started) {
    const int error = pthread_create(&pool->handles[pool->started], NULL, workerMain, pool);
    if (error) {
      const int32_t started = pool->started;
      kv_pool_destroy(pool);
      return kvrt_fail(KV_ERROR_SYSTEM, "thread %d of %d could not be started: error %d", started + 1, threads - 1, error);
    }
  }
  *result = pool;
  return KV_OK;
}

void kv_pool_destroy(kv_pool *pool) {
  if (!pool)
    return;
  if (!isInherited(pool)) { /* else there is nobody to join, and another thread may have held the mutex */
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->stop, 1);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
    for (int32_t i = 0; i < pool->started; ++i)
      pthread_join(pool->handles[i], NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->mutex);
  }
  free(pool->handles);
  free(pool);
}
