/* kv_tokens.h: where a token is. C99 inline code for the runtime and for whoever fills or reads a cache; kernels hold the same
 * arithmetic (dialect/TokenMap.h), and a test compares the two. `tokens` is kv_kernel.tokens, of a dense or paged cache without
 * tails.
 *
 * Words: the *index* of a token counts those of its sequence; an *entry* of the sequence's row of the block table names a page; a
 * *slot* counts tokens of a page; the *slot number* of slot s of page p is p * page_tokens + s, as in slot_mapping. */
#ifndef KV_TOKENS_H
#define KV_TOKENS_H

#include "kv/kv_abi.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kv_place {
  int64_t entry, slot;
} kv_place;

/* entry = index / page_tokens, slot = index % page_tokens; the index is not negative. */
static inline kv_place kv_place_of(kv_tokens tokens, int64_t index) {
  const kv_place place = {index / tokens.page_tokens, index % tokens.page_tokens};
  return place;
}

/* Entries that a sequence of `count` tokens needs: ceil(count / page_tokens). */
static inline int64_t kv_entries(kv_tokens tokens, int64_t count) {
  return count / tokens.page_tokens + (count % tokens.page_tokens != 0);
}

/* The slot number of a slot of a page, and back: `entry` is then the page itself. Slot numbers are not negative. */
static inline int64_t kv_slot_number(kv_tokens tokens, int64_t page, int64_t slot) { return page * tokens.page_tokens + slot; }
static inline kv_place kv_place_of_slot(kv_tokens tokens, int64_t number) { return kv_place_of(tokens, number); }

#ifdef __cplusplus
}
#endif

#endif
