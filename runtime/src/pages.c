/* pages.c: an optional pool of cache pages. Free pages always hold zeros: fresh ones from the system, used ones because free zeroes
 * them, so that one conversation's tokens are never in another's memory. */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif
#include "internal.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { pageFree = 0, pageUsed = 1, pageZeroing = 2 };

struct kv_pages {
  char *base;
  int64_t pageBytes, count;
  /* What follows is behind one lock for all pools, which is held for some nanoseconds a page. */
  int32_t *freeList; /* a stack: the next page to give is the last */
  int64_t available;
  uint8_t *state; /* of each page */
};

kv_status kv_pages_create(int64_t pageBytes, int64_t count, kv_pages **result) {
  if (!result)
    return kvrt_fail(KV_ERROR_NULL, "pool is null");
  *result = NULL;
  if (pageBytes < 64 || pageBytes % 64)
    return kvrt_fail(KV_ERROR_SIZE, "page_bytes is %lld; expected a positive multiple of 64", (long long)pageBytes);
  int64_t bytes;
  if (count < 1 || count > INT32_MAX || __builtin_mul_overflow(pageBytes, count, &bytes) || (uint64_t)bytes > SIZE_MAX / 2)
    return kvrt_fail(KV_ERROR_SIZE, "num_pages is %lld of %lld bytes; expected 1 .. 2^31 - 1, within the address space",
                     (long long)count, (long long)pageBytes);
  const kv_status watched = kvrt_watch_forks();
  if (watched != KV_OK)
    return watched;
  kv_pages *pool = calloc(1, sizeof *pool);
  int32_t *list = malloc((size_t)count * sizeof *list);
  uint8_t *state = calloc((size_t)count, 1);
  void *base = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (!pool || !list || !state || base == MAP_FAILED) {
    if (base != MAP_FAILED)
      munmap(base, (size_t)bytes);
    free(state);
    free(list);
    free(pool);
    return kvrt_fail(KV_ERROR_MEMORY, "no memory for %lld pages of %lld bytes", (long long)count, (long long)pageBytes);
  }
#if defined(MADV_HUGEPAGE)
  madvise(base, (size_t)bytes, MADV_HUGEPAGE); /* worth 2 to 9 % of a decode step; advice only */
#endif
  pool->base = base;
  pool->pageBytes = pageBytes;
  pool->count = count;
  pool->freeList = list;
  pool->state = state;
  pool->available = count;
  for (int64_t i = 0; i < count; ++i)
    list[i] = (int32_t)(count - 1 - i);
  *result = pool;
  return KV_OK;
}

void kv_pages_destroy(kv_pages *pool) {
  if (!pool)
    return;
  munmap(pool->base, (size_t)(pool->pageBytes * pool->count));
  free(pool->state);
  free(pool->freeList);
  free(pool);
}

void *kv_pages_base(const kv_pages *pool) { return pool ? pool->base : NULL; }
int64_t kv_pages_stride(const kv_pages *pool) { return pool ? pool->pageBytes : 0; }
int64_t kv_pages_count(const kv_pages *pool) { return pool ? pool->count : 0; }

int64_t kv_pages_available(kv_pages *pool) {
  if (!pool)
    return 0;
  kvrt_lock_across_fork();
  const int64_t available = pool->available;
  kvrt_unlock_across_fork();
  return available;
}

kv_status kv_pages_allocate(kv_pages *pool, int64_t count, int32_t *pages) {
  if (!pool || (!pages && count != 0))
    return kvrt_fail(KV_ERROR_NULL, "%s is null", !pool ? "pool" : "pages");
  if (count < 0)
    return kvrt_fail(KV_ERROR_SIZE, "count is %lld; expected at least 0", (long long)count);
  kvrt_lock_across_fork();
  const int64_t available = pool->available;
  if (count <= available) {
    for (int64_t i = 0; i < count; ++i) {
      pages[i] = pool->freeList[available - 1 - i];
      pool->state[pages[i]] = pageUsed;
    }
    pool->available = available - count;
  }
  kvrt_unlock_across_fork();
  if (count > available)
    return kvrt_fail(KV_ERROR_OUT_OF_PAGES, "%lld pages asked for; %lld of %lld are free", (long long)count, (long long)available,
                     (long long)pool->count);
  return KV_OK;
}

/* Marks pages as leaving; on a bad one, marks them back. Under the lock. */
static kv_status takeBack(kv_pages *pool, int64_t count, const int32_t *pages) {
  for (int64_t i = 0; i < count; ++i) {
    const int inside = pages[i] >= 0 && pages[i] < pool->count;
    if (inside && pool->state[pages[i]] == pageUsed) {
      pool->state[pages[i]] = pageZeroing;
      continue;
    }
    for (int64_t j = 0; j < i; ++j)
      pool->state[pages[j]] = pageUsed;
    if (!inside)
      return kvrt_fail(KV_ERROR_PAGE_NUMBER, "pages[%lld] is %d; expected 0 .. %lld", (long long)i, pages[i],
                       (long long)pool->count - 1);
    return kvrt_fail(KV_ERROR_PAGE_STATE, "pages[%lld] is %d, which is not allocated", (long long)i, pages[i]);
  }
  return KV_OK;
}

kv_status kv_pages_free(kv_pages *pool, int64_t count, const int32_t *pages) {
  if (!pool || (!pages && count != 0))
    return kvrt_fail(KV_ERROR_NULL, "%s is null", !pool ? "pool" : "pages");
  if (count < 0)
    return kvrt_fail(KV_ERROR_SIZE, "count is %lld; expected at least 0", (long long)count);
  kvrt_lock_across_fork();
  const kv_status status = takeBack(pool, count, pages);
  kvrt_unlock_across_fork();
  if (status != KV_OK)
    return status;
  for (int64_t i = 0; i < count; ++i)
    memset(pool->base + pages[i] * pool->pageBytes, 0, (size_t)pool->pageBytes);
  kvrt_lock_across_fork();
  for (int64_t i = 0; i < count; ++i) {
    pool->state[pages[i]] = pageFree;
    pool->freeList[pool->available++] = pages[i];
  }
  kvrt_unlock_across_fork();
  return KV_OK;
}
