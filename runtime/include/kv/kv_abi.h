/* kv_abi.h: what generated kernels and their callers share.
 *
 * Plain C99, no include but <stdint.h>; every struct is made of 8-byte fields or pairs of 4-byte ones, so that it has the same
 * layout on every 64-bit ABI. Offsets are used by the compiler as constants: append fields at the end only, never reorder.
 *
 * Words: a *sequence* owns a row of the block table; a *page* holds `page_tokens` slots of every kv head; a *step* is one call of
 * append, attend or append_attend on a batch of sequences; an *item* is the part of a step that one kernel call does; a *row* is
 * one (query, query head) pair of an item; a *split* is a range of tokens of one sequence; `merge` joins the partial results of
 * splits.
 */
#ifndef KV_ABI_H
#define KV_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KV_ABI_VERSION 1u

/* Element types of tensors, scales and codes. */
typedef enum kv_type {
  KV_TYPE_F32 = 0,
  KV_TYPE_F16 = 1,
  KV_TYPE_BF16 = 2,
  KV_TYPE_I8 = 3,
  KV_TYPE_U8 = 4,
  KV_TYPE_I4 = 5,
  KV_TYPE_U4 = 6
} kv_type;

/* What a kernel does. */
typedef enum kv_op {
  KV_OP_APPEND = 0,       /* k, v -> cache */
  KV_OP_ATTEND = 1,       /* q, cache -> o [, lse] */
  KV_OP_APPEND_ATTEND = 2 /* k, v -> cache; q, cache -> o [, lse] */
} kv_op;

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

#define KV_MAX_PARAMS 8

/* The symbol of a descriptor that a generated header declares: one that no other library has. What reads declarations alone defines
 * `KV_SYMBOL(symbol)` as nothing and uses the plain name, which every library has too. */
#if !defined(KV_SYMBOL)
#define KV_SYMBOL(symbol) __asm__(symbol)
#endif

/* A batch of `num_seqs` sequences, the cache they live in, and the tensors of one step. The caller owns everything; kernels read
 * and write through these pointers only. Strides of tensors are in elements; `page_stride` is in bytes. Tensors are ragged: the
 * tokens of sequence b are rows query_start_loc[b] .. query_start_loc[b + 1] - 1, the last of which is at position seq_lens[b] - 1.
 */
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

  /* The tensors: [tokens][heads][channels], channels contiguous. */
  const void *q; /* [tokens][heads_q][dim_k] of q_type */
  int64_t q_token_stride, q_head_stride;
  const void *k; /* [tokens][heads_kv][dim_k] of q_type */
  int64_t k_token_stride, k_head_stride;
  const void *v; /* [tokens][heads_kv][dim_v] of q_type */
  int64_t v_token_stride, v_head_stride;
  void *o; /* [tokens][heads_q][dim_v] of o_type */
  int64_t o_token_stride, o_head_stride;
  float *lse;                         /* [tokens][heads_q], natural logarithm, or null */
  const float *params[KV_MAX_PARAMS]; /* the attend's declared arrays, in order: [heads_q] each */

  /* Scratch of the step: kv_workspace_bytes() bytes, 64-byte aligned; contents need not be kept between steps. */
  void *workspace;
  int64_t workspace_bytes;

  uint64_t reserved[8]; /* zero */
} kv_step;

/* One kernel call. Tokens and queries are relative to the sequence. */
typedef struct kv_item {
  int64_t seq;
  int64_t head; /* kv heads [head, head + num_heads); append and merge: one */
  int64_t num_heads;
  int64_t query_begin; /* queries [query_begin, query_end) of the sequence's new tokens; append: the tokens to store */
  int64_t query_end;
  int64_t token_begin; /* attend: keys [token_begin, token_end); token_begin is a multiple of the variant's split */
  int64_t token_end;
  float *partial;       /* attend: null writes o and lse; else rows * (dim_v + 2) floats for each head (below) */
  int64_t num_partials; /* splits: so many partials of one head lie one after another, then those of the next head */
  void *scratch;        /* variant.scratch_bytes bytes, 64-byte aligned, of this thread alone */
} kv_item;

/* A partial result of n = (query_end - query_begin) * (heads_q / heads_kv) rows, row = query * group + head in the group:
 *   float max[n];           running maximum of the scores; -inf where nothing was seen
 *   float sum[n];           sum of exp(score - max)
 *   float acc[n][dim_v];    sum of exp(score - max) * value
 * o = acc / sum, lse = max + log(sum). Rows that see no key have o = 0 and lse = -inf. */

/* A kernel's code. Never allocates, locks or fails: arguments were checked before. */
typedef void (*kv_kernel_fn)(const kv_step *step, const kv_item *item);

/* One kernel compiled for one target. */
typedef struct kv_variant {
  const char *target;   /* "x86-64-v4+vnni" */
  uint64_t features;    /* KV_FEATURE_*: all must be present */
  kv_kernel_fn append;  /* stores the item's tokens of one kv head; null for KV_OP_ATTEND */
  kv_kernel_fn attend;  /* null for KV_OP_APPEND. KV_OP_APPEND_ATTEND with one query block: stores the item's new tokens first */
  kv_kernel_fn merge;   /* joins partials into o and lse; null for KV_OP_APPEND */
  int64_t split_tokens; /* tokens of a split, a multiple of every block; >= 1 */
  int64_t query_block;  /* queries of one item; >= 1 */
  int64_t item_heads; /* attend: most kv heads of an item; of one with n queries max(item_heads, query_block) / n, if less; >= 1 */
  int64_t scratch_bytes;
} kv_variant;

/* One kernel compiled for GPUs: PTX, which the driver compiles for the device at hand. Entries take (kv_step step, int64_t flag), the
 * step by value with every pointer one of the device, and run in teams of `threads` threads, one a block:
 *
 *   append: grid x = num_seqs * heads_kv, y >= 1, among which the new tokens of a sequence are shared out (with slot_mapping, those
 *           of the batch by their slots, where slots share bytes); sequences with at most `flag` new tokens are skipped.
 *   attend: grid x = query blocks * num_seqs * heads_kv, y = splits, both at least what any sequence needs; with flag 1 the new
 *           tokens of sequences with one query block are appended first. The workspace holds a 32-bit counter for each x, which is 0
 *           before and after, then at the next multiple of 64 partial_bytes for each x and y.
 *
 * Lengths and tables are read on the device, so a launch may be captured in a graph and run again after they have changed. */
typedef struct kv_gpu_variant {
  const char *target;       /* "sm_90" */
  const char *ptx;          /* text, ends in 0 */
  const char *entry;        /* the append's for KV_OP_APPEND, else the attend's */
  const char *append_entry; /* KV_OP_APPEND_ATTEND: launched first where a sequence may have several query blocks, flag query_block */
  int64_t capability;       /* least compute capability: 10 * major + minor */
  int64_t threads;
  int64_t shared_bytes; /* dynamic shared memory of a block */
  int64_t split_tokens; /* tokens of a split; >= 1 */
  int64_t query_block;  /* queries of a query block; >= 1 */
  int64_t partial_bytes;
} kv_gpu_variant;

/* A kernel: what it expects, and its variants in order of preference. The last row needs no feature of its machine's baseline. */
typedef struct kv_kernel {
  uint32_t struct_size;
  uint32_t abi_version;
  const char *name;     /* "llama3_decode" */
  const char *cache;    /* "llama3" */
  uint64_t layout_hash; /* of codecs, dimensions and byte map: caches with equal hashes hold interchangeable pages */
  int32_t op;           /* kv_op */
  int32_t q_type;       /* kv_type of q, k and v */
  int32_t o_type;       /* kv_type of o */
  int32_t has_lse;
  int64_t heads_q; /* 0 for append */
  int64_t heads_kv;
  int64_t dim_k;
  int64_t dim_v;
  int64_t page_tokens; /* slots of a page; dense(N): N, one page a sequence */
  int64_t page_bytes;  /* bytes of a page, a multiple of 64 */
  int64_t min_queries; /* of each sequence in a step; 0 for append */
  int64_t max_queries;
  int32_t dense;  /* 1: a sequence is one page, block_table may be null and then sequence b uses page b */
  int32_t causal; /* 1: keys after the query are masked */
  int32_t num_params;
  int32_t num_variants;
  const kv_variant *variants;
  int64_t num_gpu_variants;
  const kv_gpu_variant *gpu_variants; /* most capable first */
} kv_kernel;

#ifdef __cplusplus
}
#endif
#endif
