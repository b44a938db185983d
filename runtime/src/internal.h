/* internal.h: what the runtime's files share. Nothing here is exported: names start with kvrt_. */
#ifndef KVRT_INTERNAL_H
#define KVRT_INTERNAL_H

#include "kv/kv.h"
#include "kv/kv_tokens.h"

#include <stddef.h>
#include <string.h>

#if defined(__GNUC__) || defined(__clang__)
#define KVRT_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define KVRT_PRINTF(text, first)
#endif

/* status.c: records the sentence and returns the status. */
kv_status kvrt_fail(kv_status status, const char *format, ...) KVRT_PRINTF(2, 3);

/* features_x86.c, features_arm.c: KV_FEATURE_* of this processor, asked anew. */
uint64_t kvrt_detect_features(void);
/* features_arm.c: what Linux's AT_HWCAP and AT_HWCAP2 and the bits of an SVE vector (0: no SVE) mean. On any processor. */
uint64_t kvrt_arm_features(uint64_t hwcap, uint64_t hwcap2, int64_t sveBits);

/* features.c: "avx512_vnni, avx512_bf16" for a mask. */
void kvrt_feature_names(uint64_t features, char *text, size_t size);

/* dispatch.c: kv_select with everything explicit. */
const kv_variant *kvrt_select(const kv_kernel *kernel, const char *target, uint64_t features, kv_status *status);
/* dispatch.c: the value of KV_TARGET, "" without. */
const char *kvrt_target_of_environment(void);

/* check_kernel.c */
kv_status kvrt_check_kernel(const kv_kernel *kernel);
kv_status kvrt_check_variant(const kv_kernel *kernel, const kv_variant *variant);
/* check_kernel.c: what both kinds of variant have. `kernel` is a good one. */
kv_status kvrt_check_partials(const kv_kernel *kernel, const char *target, uint64_t flags, int64_t splitTokens, int64_t alignTokens,
                              int64_t rowBytes, int64_t tokenBytes);

/* check_fields.c: version and size of a step, and that it asks for nothing that the kernel does not have. */
kv_status kvrt_check_header(const kv_kernel *kernel, const kv_step *step);
/* check_fields.c: whether a variant with these KV_VARIANT_* may run the step. */
kv_status kvrt_check_flags(const kv_kernel *kernel, const char *target, uint64_t flags, const kv_step *step);
/* check_fields.c: the arrays that the attend declares. */
kv_status kvrt_check_arguments(const kv_kernel *kernel, const kv_step *step);
/* check_fields.c: the step as this runtime knows it: zero where the caller's is shorter. */
kv_step kvrt_whole_step(const kv_step *step);

/* check.c: the fields of a step, with no look at what they point to. `tokens`: new ones of the step. */
kv_status kvrt_check_pages(const kv_kernel *kernel, const kv_step *step);
kv_status kvrt_check_tensors(const kv_kernel *kernel, const kv_step *step, int64_t tokens);
kv_status kvrt_check_workspace(const kv_step *step, int64_t bytes, int32_t threads); /* threads 0: no matter of threads */

/* check_batch.c: the fields of the batch, with no look at what they point to: num_seqs, query_start_loc and seq_lens; block_table
 * and slot_mapping. */
kv_status kvrt_check_lengths(const kv_step *step);
kv_status kvrt_check_table_fields(const kv_kernel *kernel, const kv_step *step);
/* check_rows.c: the first entry of row[begin .. end), none negative, that names a page again, and `first`, which named it before;
 * or -1. */
int64_t kvrt_find_repeat(const int32_t *row, int64_t begin, int64_t end, int64_t *first);
/* check_batch.c: num_seqs, query_start_loc, seq_lens, and the kernel's limits on queries. */
kv_status kvrt_check_batch(const kv_kernel *kernel, const kv_step *step);
/* check_batch.c: block_table and slot_mapping, for a batch that passed; `align`: the variant's align_tokens. */
kv_status kvrt_check_tables(const kv_kernel *kernel, const kv_step *step, int64_t align);

/* The most splits of one query block: bounds the partial results of long sequences. */
#define KVRT_MAX_SPLITS 64

/* plan.c: how one sequence of a step is cut. Everything follows from the sequence's own numbers and the variant. */
typedef struct kvrt_sequence {
  int64_t seq;
  int64_t queries;      /* new tokens */
  int64_t length;       /* tokens, new ones included */
  int64_t blocks;       /* query blocks */
  int64_t split_tokens; /* tokens of a split, a multiple of the variant's */
  int32_t fused;        /* the attend items store the new tokens */
} kvrt_sequence;

/* One query block of a sequence: queries [begin, end) have so many visible tokens, in `splits` splits. */
typedef struct kvrt_block {
  int64_t begin, end, tokens, splits;
} kvrt_block;

kvrt_sequence kvrt_sequence_of(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, int64_t seq);
kvrt_block kvrt_block_of(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, const kvrt_sequence *sequence,
                         int64_t block);
/* Visible tokens of queries [begin, end) of a sequence. */
int64_t kvrt_visible_tokens(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, int64_t seq, int64_t begin,
                            int64_t end);
/* Bytes of a partial result of one head. */
int64_t kvrt_partial_bytes(const kv_kernel *kernel, int64_t rowBytes, int64_t queries);

/* Reading a token costs about 4, each query on it 1 (a step of eight queries takes some 2.5 times that of one); a call costs about
 * as much as 16 tokens. */
static inline uint64_t kvrt_attend_cost(int64_t tokens, int64_t queries) {
  return (uint64_t)(tokens + 16) * (uint64_t)(queries + 4);
}

/* Sums over a phase of a step. */
typedef struct kvrt_totals {
  int64_t items;
  uint64_t cost;         /* a measure of time: comparable inside one phase only */
  int64_t partial_bytes; /* attend and merge: of the whole step */
} kvrt_totals;
kvrt_totals kvrt_plan_phase(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, int32_t phase);

/* Calls kernels for the items of a phase whose place in the phase's cost lies in [low, high). */
void kvrt_plan_run(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, int32_t phase, uint64_t low,
                   uint64_t high, void *scratch);

/* A walk over the items of a phase. Everything it holds is a running sum. */
typedef struct kvrt_walk {
  const kv_kernel *kernel;
  const kv_variant *variant;
  const kv_step *step;
  kv_kernel_fn run;   /* the phase's */
  uint64_t low, high; /* the part's range of places */
  uint64_t place;     /* of the next item */
  int64_t partial;    /* of the next block with more than one split: bytes from the workspace's start */
  void *scratch;
} kvrt_walk;
static inline int kvrt_in_range(const kvrt_walk *w) { return w->place >= w->low && w->place < w->high; }
static inline kv_item kvrt_item_of(const kvrt_walk *w, int64_t seq, int64_t head, int64_t begin, int64_t end) {
  kv_item item;
  memset(&item, 0, sizeof item);
  item.seq = seq;
  item.head = head;
  item.num_heads = 1;
  item.query_begin = begin;
  item.query_end = end;
  item.scratch = w->scratch;
  return item;
}

/* plan_append.c, plan_attend.c: the items of a sequence in a phase: how many, and running those in range. */
kvrt_totals kvrt_append_totals(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step,
                               const kvrt_sequence *sequence);
void kvrt_append_run(kvrt_walk *w, const kvrt_sequence *sequence);
kvrt_totals kvrt_attend_totals(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step,
                               const kvrt_sequence *sequence);
void kvrt_attend_run(kvrt_walk *w, const kvrt_sequence *sequence);
kvrt_totals kvrt_merge_totals(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step,
                              const kvrt_sequence *sequence);
void kvrt_merge_run(kvrt_walk *w, const kvrt_sequence *sequence);
/* plan_append.c: whether an append's items follow slots; then all of them. */
int kvrt_goes_by_slot(const kv_kernel *kernel, const kv_step *step);
kvrt_totals kvrt_slot_totals(const kv_kernel *kernel, const kv_step *step);
void kvrt_slot_run(kvrt_walk *w);

/* workspace.c */
int64_t kvrt_scratch_stride(const kv_variant *variant);
int64_t kvrt_scratch_offset(int64_t partialBytes);

/* fork.c: has the runtime learn of every fork() from now on; the number of forks between the process that called first and this
 * one; and a lock that a child finds open, whoever held it. */
kv_status kvrt_watch_forks(void);
uint32_t kvrt_fork_generation(void);
void kvrt_lock_across_fork(void);
void kvrt_unlock_across_fork(void);

/* processors.c: processors that this process may use; whole processors of its control group's quota by the files below `root` (""
 * but in tests), 0 where it has none. */
int64_t kvrt_processors(void);
int64_t kvrt_processor_quota(const char *root);

/* threads.c: kv_executor.run of the built-in pool, which may leave sleeping workers asleep when `nanoseconds` of work are few. */
void kvrt_pool_run(kv_pool *pool, int32_t parts, kv_part_fn part, void *argument, uint64_t nanoseconds);
int kvrt_is_pool(const kv_executor *executor);

static inline int kvrt_appends(const kv_kernel *kernel) { return kernel->op != KV_OP_ATTEND; }
static inline int kvrt_attends(const kv_kernel *kernel) { return kernel->op != KV_OP_APPEND; }
static inline int kvrt_aligned(const void *pointer, uintptr_t bytes) { return (uintptr_t)pointer % bytes == 0; }
static inline const kv_argument_spec *kvrt_argument_at(const kv_kernel *kernel, int64_t index) {
  return (const kv_argument_spec *)(const void *)((const char *)kernel->arguments + index * kernel->argument_size);
}
static inline int64_t kvrt_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t kvrt_max(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t kvrt_ceil_div(int64_t a, int64_t b) { return a / b + (a % b != 0); }
/* Whether memory can hold so many elements from `data` on. No processor gives a program more than 2^56 bytes. */
static inline int kvrt_fits_in_memory(const void *data, uint64_t count, uint64_t bytes) {
  const uint64_t most = UINT64_MAX >> 8, room = UINTPTR_MAX - (uintptr_t)data;
  return count <= (most < room ? most : room) / bytes;
}
static inline int64_t kvrt_round_up(int64_t a, int64_t b) { return kvrt_ceil_div(a, b) * b; }

#endif
