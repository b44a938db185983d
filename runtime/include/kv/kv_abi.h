/* kv_abi.h: what generated kernels and their callers share.
 *
 * Plain C99, no include but <stdint.h>; every struct is made of 8-byte fields or pairs of 4-byte ones, so that it has the same
 * layout on every 64-bit ABI. Offsets are used by the compiler as constants.
 *
 * Compatibility: kernel, runtime and caller must have one KV_ABI_VERSION. Inside a version structs and enums grow at their end
 * alone. A step that is shorter than the runtime's reads as zero beyond its end, and must have the `step_bytes` that the kernel's
 * code reads; one that is longer must be zero past what the runtime knows. Rows of a kernel's tables lie as far apart as the kernel
 * says. What a kernel needs and the runtime does not know is refused.
 *
 * A field of a feature that the kernel does not have is null or 0; anything else is refused by its name.
 *
 * Words: a *sequence* owns a row of the block table; a *page* holds `tokens.page_tokens` slots of every kv head; a *step* is one
 * call of append, attend or append_attend on a batch of sequences; a *phase* is a part of a step that must be over before the next
 * begins; an *item* is the part of a phase that one kernel call does; a *row* is one (query, query head) pair of an item; a *split*
 * is a range of the tokens that a query block sees; `merge` joins the partial results of splits. A *stream* is a tensor of rows
 * that append stores: k and v, then `more`. */
#ifndef KV_ABI_H
#define KV_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KV_ABI_VERSION 2u

/* Element types of tensors, scales and codes. */
typedef enum kv_type {
  KV_TYPE_F32 = 0,
  KV_TYPE_F16 = 1,
  KV_TYPE_BF16 = 2,
  KV_TYPE_I8 = 3,
  KV_TYPE_U8 = 4,
  KV_TYPE_I4 = 5,
  KV_TYPE_U4 = 6,
  KV_TYPE_F8E4M3 = 7,
  KV_TYPE_F8E5M2 = 8,
  KV_TYPE_I3 = 9,
  KV_TYPE_U3 = 10,
  KV_TYPE_I2 = 11,
  KV_TYPE_U2 = 12,
  KV_TYPE_F4E2M1 = 13,
  KV_TYPE_F8E8M0 = 14,
  KV_TYPE_CODEBOOK = 15 /* the numbers that the file lists */
} kv_type;

/* What a kernel does. */
typedef enum kv_op {
  KV_OP_APPEND = 0,       /* k, v -> cache */
  KV_OP_ATTEND = 1,       /* q, cache -> o [, lse] */
  KV_OP_APPEND_ATTEND = 2 /* k, v -> cache; q, cache -> o [, lse] */
} kv_op;

/* The phases of a step, in order. */
typedef enum kv_phase {
  KV_PHASE_APPEND = 0, /* stores new tokens */
  KV_PHASE_SELECT = 1, /* chooses pages by their bounds */
  KV_PHASE_ATTEND = 2, /* q, cache -> o and lse, or partial results of splits */
  KV_PHASE_MERGE = 3,  /* partial results -> o and lse */
  KV_NUM_PHASES = 4
} kv_phase;

/* Processor features a variant may need: bits of kv_variant.features. A variant runs only where all of its bits are present. */
#define KV_FEATURE_X86_V3 (1ull << 0)          /* x86-64-v3: AVX2, FMA, F16C, BMI2 */
#define KV_FEATURE_X86_V4 (1ull << 1)          /* x86-64-v4: AVX-512 F, BW, CD, DQ, VL */
#define KV_FEATURE_X86_AVX512_VNNI (1ull << 2) /* vpdpbusd, vpdpwssd */
#define KV_FEATURE_X86_AVX512_BF16 (1ull << 3) /* vdpbf16ps */
#define KV_FEATURE_X86_AVX_VNNI (1ull << 4)    /* the VEX forms */
#define KV_FEATURE_X86_BF16_RATE (1ull << 5)   /* vdpbf16ps takes less than twice the time of a multiply-add: measured */
/* Armv8-A with NEON needs no bit. */
#define KV_FEATURE_ARM_DOTPROD (1ull << 16) /* sdot, udot */
#define KV_FEATURE_ARM_FP16 (1ull << 17)    /* arithmetic on halves, scalar and vector */
#define KV_FEATURE_ARM_FHM (1ull << 18)     /* fmlal, fmlsl */
#define KV_FEATURE_ARM_I8MM (1ull << 19)    /* smmla, ummla, usmmla, usdot; on SVE too where there is SVE */
#define KV_FEATURE_ARM_BF16 (1ull << 20)    /* bfdot, bfmmla, bfmlal; on SVE too where there is SVE */
#define KV_FEATURE_ARM_SVE (1ull << 21)
#define KV_FEATURE_ARM_SVE2 (1ull << 22)
#define KV_FEATURE_ARM_SVE_128 (1ull << 24) /* SVE vectors have exactly 128 bits: at most one of these is present */
#define KV_FEATURE_ARM_SVE_256 (1ull << 25)
#define KV_FEATURE_ARM_SVE_512 (1ull << 26)
/* Features of speed: a variant that is selected by itself needs them, one that is named runs without. */
#define KV_FEATURES_OF_SPEED KV_FEATURE_X86_BF16_RATE

#define KV_MAX_ARGUMENTS 16
#define KV_MAX_STREAMS 4
#define KV_MAX_RANGES 4

/* Bits of kv_step.flags: only variants that are hardened may run the step. */
#define KV_STEP_HARDENED (1ull << 0)
/* Bits of kv_variant.flags and kv_gpu_variant.flags: numbers from the caller's arrays are checked when they are read; a bad one
 * hides its tokens and counts a fault. */
#define KV_VARIANT_HARDENED (1ull << 0)
/* Bits of kv_item.flags. */
#define KV_ITEM_STORE (1ll << 0)   /* attend: store the new tokens of the item's range first */
#define KV_ITEM_TAIL (1ll << 1)    /* attend: flush, then read the tail */
#define KV_ITEM_OBSERVE (1ll << 2) /* merge: end with the states */
/* Bits of kv_kernel.needs: what the runtime must do for the kernel. */
#define KV_NEEDS_TAILS (1ull << 0)   /* tail_table */
#define KV_NEEDS_EVICT (1ull << 1)   /* kept, evict */
#define KV_NEEDS_SELECT (1ull << 2)  /* a SELECT phase, selected */
#define KV_NEEDS_OBSERVE (1ull << 3) /* MERGE for every query block */
#define KV_NEEDS_LATE (1ull << 4)    /* late */
#define KV_NEEDS_APPEND                                                                                                            \
  (1ull << 5) /* APPEND before ATTEND in every step: queries may see several ranges, or not their own tokens */

/* Entries of kv_step.counters. */
typedef enum kv_counter {
  KV_COUNTER_NONFINITE = 0, /* groups that were stored as NaN */
  KV_COUNTER_SATURATED = 1, /* numbers that a static scale could not hold */
  KV_COUNTER_EVICTED = 2,   /* tokens of a head */
  KV_COUNTER_MOVED = 3,     /* tokens from one tier to the next */
  KV_COUNTER_FAULTS = 4,    /* numbers that a hardened variant refused */
  KV_NUM_COUNTERS = 5
} kv_counter;

/* The symbol of a descriptor that a generated header declares: one that no other library has. What reads declarations alone defines
 * `KV_SYMBOL(symbol)` as nothing and uses the plain name, which every library has too. */
#if !defined(KV_SYMBOL)
#define KV_SYMBOL(symbol) __asm__(symbol)
#endif

/* ---- A step ---- */

/* [tokens][heads][channels], channels contiguous; strides in elements. `data` is const for the sake of what is read; kernels write
 * through that of `o`. */
typedef struct kv_tensor {
  const void *data;
  int64_t token_stride, head_stride;
} kv_tensor;

/* An array that the file declares. Its last axis is contiguous; the strides of the others are in elements, 0 for axes it lacks. */
typedef struct kv_argument {
  const void *data;
  int64_t count; /* rows of the first axis */
  int64_t stride[2];
} kv_argument;

/* A batch of `num_seqs` sequences, the cache they live in, and the tensors of one step. The caller owns everything; kernels read
 * and write through these pointers only. `page_stride` is in bytes. Tensors are ragged: the tokens of sequence b are rows
 * query_start_loc[b] .. query_start_loc[b + 1] - 1, the last of which is at position seq_lens[b] - 1. */
typedef struct kv_step {
  uint32_t struct_size; /* sizeof(kv_step) of the caller */
  uint32_t abi_version; /* KV_ABI_VERSION */

  /* The cache. Page p starts at pages + p * page_stride; both are multiples of 64. */
  void *pages;
  int64_t page_stride; /* bytes, >= kv_kernel.page_bytes */
  int64_t num_pages;

  /* The batch. */
  int64_t num_seqs;
  const int32_t *query_start_loc; /* [num_seqs + 1], starts at 0, ascending */
  const int32_t *seq_lens;        /* [num_seqs], tokens in the cache, the step's own included */
  const int32_t *block_table;     /* [num_seqs][block_table_stride] page numbers */
  int64_t block_table_stride;     /* entries */
  const int64_t *slot_mapping;    /* append: [tokens] page * page_tokens + slot, -1 skips; null: from seq_lens and block_table */

  /* The tensors. */
  kv_tensor q;       /* [tokens][heads_q][dim_k] of q_type */
  kv_tensor k;       /* [tokens][heads_kv][dim_k] of q_type */
  kv_tensor v;       /* [tokens][heads_kv][dim_v] of q_type */
  kv_tensor more[2]; /* [tokens][heads_kv][stream_dims[2 + i]] of q_type: streams past k and v */
  kv_tensor o;       /* [tokens][heads_q][dim_v] of o_type; written */
  float *lse;        /* [tokens][heads_q], natural logarithm, or null */

  /* Scratch of the step: kv_workspace_bytes() bytes, 64-byte aligned; contents need not be kept between steps. */
  void *workspace;
  int64_t workspace_bytes;

  kv_argument arguments[KV_MAX_ARGUMENTS]; /* what kv_kernel.arguments declares, in order */

  uint64_t flags; /* KV_STEP_* */

  /* Features of their own. No kernel of today has them. */
  const int32_t *positions;  /* [tokens] for rope, or null: those of the sequence */
  int32_t *kept;             /* [num_seqs], tokens present after the step */
  const int32_t *evict;      /* [num_seqs], tokens of each head to evict first */
  const int32_t *tail_table; /* [num_seqs][tail_table_stride] page numbers */
  int64_t tail_table_stride; /* entries, >= tail_pages */
  float *late;               /* [observers][tokens][heads_kv][late_stride]: sums that wait for their acceptance, or null */
  int64_t late_stride;       /* floats, >= kept */
  int32_t *selected;         /* [num_seqs][heads_kv][selected_stride]: entries, ascending, then -1; null: in the workspace */
  int64_t selected_stride;   /* entries, >= select_pages */
  uint64_t *counters;        /* [KV_NUM_COUNTERS], added to, or null */
} kv_step;

/* One kernel call. Tokens and queries are relative to the sequence.
 *
 * Partial results of rows * row_bytes bytes a head, and of rows * tokens * token_bytes where there are observers (tokens in whole
 * align_tokens): only kernels know their fields. They are of n = (query_end - query_begin) * (heads_q / heads_kv) rows, row =
 * query * group + head in the group. */
typedef struct kv_item {
  int64_t seq;
  int64_t head; /* kv heads [head, head + num_heads); append and merge: one */
  int64_t num_heads;
  int64_t query_begin; /* queries [query_begin, query_end) of the sequence's new tokens; append: the tokens to store */
  int64_t query_end;
  int64_t token_begin; /* attend: visible tokens [token_begin, token_end); token_begin is a multiple of the variant's split */
  int64_t token_end;
  void *partial;        /* attend: null writes o and lse; else room for a partial result of each head */
  int64_t num_partials; /* splits: so many partials of one head lie one after another, then those of the next head */
  void *scratch;        /* variant.scratch_bytes bytes, 64-byte aligned, of this thread alone */
  int64_t flags;        /* KV_ITEM_* */
} kv_item;

/* ---- A kernel ---- */

/* A kernel's code. Never allocates, locks or fails: arguments were checked before. */
typedef void (*kv_kernel_fn)(const kv_step *step, const kv_item *item);

/* Which tokens queries [query_begin, query_end) of a sequence may see: ranges [out[i][0], out[i][1]) of indices, by their begins.
 * Two may share tokens; a query sees each in one. With begins rounded down and all ends but the last up to the variant's
 * align_tokens, those that are not empty are laid end to end: the *visible tokens*, whose pages are read and checked, and no
 * others. Reads query_start_loc and seq_lens of the step. Returns how many, 1 .. KV_MAX_RANGES; an empty one has begin = end. Any
 * thread. */
typedef int32_t (*kv_ranges_fn)(const kv_step *step, int64_t seq, int64_t query_begin, int64_t query_end,
                                int64_t out[KV_MAX_RANGES][2]);

/* One kernel compiled for one target. */
typedef struct kv_variant {
  const char *target; /* "x86-64-v4+vnni" */
  uint64_t features;  /* KV_FEATURE_*: all must be present */
  uint64_t flags;     /* KV_VARIANT_* */
  /* A function a phase, or null. APPEND stores the item's tokens of one kv head; ATTEND and MERGE are there unless the kernel only
   * appends. ATTEND of an append_attend whose item has all new tokens of the sequence stores those of its range first, as flags
   * say. */
  kv_kernel_fn run[KV_NUM_PHASES];
  int64_t split_tokens; /* tokens of a split, a multiple of every block; >= 1 */
  int64_t align_tokens; /* what ranges are rounded to; divides split_tokens */
  int64_t query_block;  /* queries of one item; >= 1 */
  int64_t item_heads; /* attend: most kv heads of an item; of one with n queries max(item_heads, query_block) / n, if less; >= 1 */
  int64_t scratch_bytes;
  int64_t row_bytes;   /* of a partial result: bytes of a row, a multiple of 4; 0 where nothing is attended */
  int64_t token_bytes; /* of a partial result: bytes of a row and token, for observers */
} kv_variant;

/* One kernel compiled for GPUs: PTX, which the driver compiles for the device at hand. Entries take (kv_step step, int64_t flag),
 * the step by value, `step_bytes` of it, with every pointer one of the device, and run in teams of `threads` threads, one a block:
 *
 *   APPEND: grid x = num_seqs * heads_kv, y >= 1, among which the new tokens of a sequence are shared out (with slot_mapping, those
 *           of the batch by their slots, where slots share bytes); sequences with at most `flag` new tokens are skipped. Of an
 *           append_attend: launched first where a sequence may have several query blocks, flag query_block.
 *   ATTEND: grid x = query blocks * num_seqs * heads_kv, y = splits, both at least what any sequence needs; with flag 1 the new
 *           tokens of sequences with one query block are appended first. The workspace holds a 32-bit counter for each x, which is
 * 0 before and after, then at the next multiple of 64, for each x and y, the bytes of a partial result of a whole query block. The
 * last team of a query block merges.
 *
 * Lengths and tables are read on the device, so a launch may be captured in a graph and run again after they have changed. */
typedef struct kv_gpu_variant {
  const char *target;                 /* "sm_90" */
  const char *ptx;                    /* text, ends in 0 */
  const char *entries[KV_NUM_PHASES]; /* the name of an entry a phase, or null */
  uint64_t flags;                     /* KV_VARIANT_* */
  int64_t capability;                 /* least compute capability: 10 * major + minor */
  int64_t threads;
  int64_t shared_bytes; /* dynamic shared memory of a block */
  int64_t split_tokens; /* tokens of a split; >= 1 */
  int64_t align_tokens; /* what ranges are rounded to; divides split_tokens */
  int64_t query_block;  /* queries of a query block; >= 1 */
  int64_t row_bytes;    /* of a partial result: bytes of a row, a multiple of 4; 0 where nothing is attended */
  int64_t token_bytes;  /* of a partial result: bytes of a row and token, for observers */
} kv_gpu_variant;

/* How a sequence lies in its pages. */
typedef enum kv_tokens_kind {
  KV_TOKENS_DENSE = 0, /* one page a sequence; block_table may be null and then sequence b uses page b */
  KV_TOKENS_PAGED = 1,
  KV_TOKENS_RING = 2, /* the first `first` slots stay, the others go round */
  KV_TOKENS_SLOTS = 3 /* one page a sequence, whose tokens are ranked */
} kv_tokens_kind;

/* The tiers of a stream: `first` tokens, then moved ones, then at least `last`, which move `flush` at a time; `spare` moved ones
 * are kept for truncation. All 0: one tier. */
typedef struct kv_tiers {
  int64_t first, last, flush, spare;
} kv_tiers;

/* Where tokens are: kv_tokens.h computes with it. */
typedef struct kv_tokens {
  int64_t kind;        /* kv_tokens_kind */
  int64_t page_tokens; /* slots of a page; at least 1. A sequence of a dense cache is no longer than its one page. */
  int64_t first;       /* of a ring: slots that stay */
  int64_t tail_pages;  /* of a sequence, in tail_table; 0: there is no tail */
  int64_t tail_tokens; /* slots of a tail page */
  int64_t tail_first;  /* slots of the tail that stay */
  int64_t tail_ring;   /* slots of the tail that go round */
  kv_tiers streams[KV_MAX_STREAMS];
} kv_tokens;

/* What an argument is. */
typedef enum kv_argument_type { KV_ARGUMENT_F32 = 0, KV_ARGUMENT_I32 = 1, KV_ARGUMENT_U64 = 2 } kv_argument_type;
typedef enum kv_argument_role {
  KV_ROLE_ARRAY = 0, /* of a score or mask expression */
  KV_ROLE_SINKS = 1,
  KV_ROLE_MASK = 2, /* bits */
  KV_ROLE_SCALES = 3,
  KV_ROLE_ROPE = 4
} kv_argument_role;
typedef enum kv_axis {
  KV_AXIS_NONE = 0, /* past the last one */
  KV_AXIS_HEADS_Q = 1,
  KV_AXIS_HEADS_KV = 2,
  KV_AXIS_SEQS = 3,
  KV_AXIS_QUERIES = 4,
  KV_AXIS_TOKENS = 5,
  KV_AXIS_GROUPS = 6,
  KV_AXIS_POSITIONS = 7,
  KV_AXIS_PAIRS = 8
} kv_axis;
typedef struct kv_argument_spec {
  const char *name; /* in the file */
  int32_t type;     /* kv_argument_type */
  int32_t role;     /* kv_argument_role */
  int32_t axes[4];  /* kv_axis, slowest first */
} kv_argument_spec;

/* A kernel: what it expects, and its variants in order of preference. The last row needs no feature of its machine's baseline. */
typedef struct kv_kernel {
  uint32_t struct_size; /* sizeof(kv_kernel) of the compiler */
  uint32_t abi_version;
  const char *name;     /* "llama3_decode" */
  const char *cache;    /* "llama3" */
  uint64_t layout_hash; /* of codecs, dimensions and byte map: caches with equal hashes hold interchangeable pages */
  uint64_t needs;       /* KV_NEEDS_* */
  int32_t op;           /* kv_op */
  int32_t q_type;       /* kv_type of q and of every stream */
  int32_t o_type;       /* kv_type of o */
  int32_t has_lse;
  int64_t heads_q; /* 0 for append */
  int64_t heads_kv;
  int64_t dim_k; /* channels of a key and of a value, as attend sees them */
  int64_t dim_v;
  int64_t num_streams;                 /* 2: k and v */
  int64_t stream_dims[KV_MAX_STREAMS]; /* channels of each */
  int64_t page_bytes;                  /* bytes of a page, a multiple of 64 */
  kv_tokens tokens;
  int64_t min_queries; /* of each sequence in a step; 0 for append */
  int64_t max_queries;
  kv_ranges_fn ranges;    /* null for append */
  int64_t visible_tokens; /* the most tokens that `ranges` gives; 0: no bound */
  int64_t step_bytes;     /* of kv_step, that its code reads */

  /* keep: tokens present after an eviction, the first and last that stay, tokens between evictions; 1: heads share ranks. */
  int64_t keep_budget, keep_first, keep_last, keep_every, keep_layer;
  int64_t num_states;    /* f32 of each token and kv head */
  int64_t num_observers; /* sums of an attend that the states take */
  int64_t select_pages;  /* most pages that an attend reads; 0: all */

  /* The tables; sizes are bytes from one row to the next. */
  int64_t num_arguments, argument_size;
  const kv_argument_spec *arguments;
  int64_t num_variants, variant_size;
  const kv_variant *variants;
  int64_t num_gpu_variants, gpu_variant_size;
  const kv_gpu_variant *gpu_variants; /* most capable first */
} kv_kernel;

#ifdef __cplusplus
}
#endif
#endif
