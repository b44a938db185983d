/* kv.h: the runtime's C API. Plain C99; C++ may include it. Link with kvrt (and the kernels that kvcc made): libkvrt.a, whose
 * functions a shared library keeps to itself, so that several of them may have copies of it; or libkvrt.so, which is there for all.
 *
 * A program that lets the runtime do all of it:
 *
 *   kv_step step;
 *   kv_step_init(&step);
 *   step.pages = ...; (and the rest: kv_abi.h says what each field is)
 *   kv_executor executor = kv_pool_executor(pool);          // or null: the calling thread alone
 *   if (kv_run(&llama3_append_decode, &step, &executor) != KV_OK)
 *     fprintf(stderr, "%s\n", kv_last_error());
 *
 * An engine with threads of its own calls kv_check() once for the step and then, on each of its n threads:
 *
 *   for (int32_t phase = 0; phase < KV_NUM_PHASES; ++phase) {
 *     kv_run_part(kernel, variant, &step, phase, i, n);
 *     barrier();                                            // the engine's own; none is needed after the last phase
 *   }
 *
 * Results: the bits of `o`, `lse` and the cache depend on a sequence's own length and queries and on the variant, never on the
 * number of threads or parts, on the order of pages or on the other sequences of the batch. Kernels round to nearest and keep
 * subnormals whatever the calling thread has set (flush-to-zero, a rounding mode, traps), which it finds unchanged afterwards.
 *
 * Errors: a function that can fail returns a kv_status and leaves a sentence for kv_last_error(). Nothing prints, aborts or throws.
 * kv_check(), kv_run() and kv_run_part() never allocate.
 *
 * Threads: every function may be called from any thread at any time, except that a pool or a page pool must not be destroyed while
 * in use, and that steps running at the same time need workspaces of their own and must not write what another one touches.
 *
 * fork(): a child may use and destroy its parent's pools. None of the workers is in the child, so that a pool of the parent works
 * on the calling thread there; a pool made in the child has workers. Pages of a page pool are copied as all memory is. */
#ifndef KV_KV_H
#define KV_KV_H

#include <stdint.h>
#include <string.h> /* for programs that have it from here */

#include "kv/kv_abi.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Status ---- */

typedef enum kv_status {
  KV_OK = 0,
  KV_ERROR_NULL = 1,             /* an argument is a null pointer */
  KV_ERROR_ABI_VERSION = 2,      /* step or kernel was built against another kv_abi.h */
  KV_ERROR_STRUCT_SIZE = 3,      /* step or kernel is shorter than it must be */
  KV_ERROR_RESERVED = 4,         /* something is not zero that this runtime does not know */
  KV_ERROR_KERNEL = 5,           /* the kernel's descriptor contradicts itself */
  KV_ERROR_VARIANT = 6,          /* the variant's row contradicts itself or its kernel */
  KV_ERROR_NO_VARIANT = 7,       /* no variant of the kernel runs on this processor */
  KV_ERROR_TARGET_UNKNOWN = 8,   /* the kernel has no variant of the name asked for (KV_TARGET) */
  KV_ERROR_TARGET_FEATURES = 9,  /* the variant needs features that this processor lacks */
  KV_ERROR_PAGES = 10,           /* pages: null, not a multiple of 64, or past the address space */
  KV_ERROR_PAGE_STRIDE = 11,     /* page_stride: less than a page, or not a multiple of 64 */
  KV_ERROR_NUM_PAGES = 12,       /* num_pages: negative, or too few for a dense cache */
  KV_ERROR_NUM_SEQS = 13,        /* num_seqs: negative */
  KV_ERROR_QUERY_START_LOC = 14, /* query_start_loc: null, does not start at 0, or descends */
  KV_ERROR_SEQ_LENS = 15,        /* seq_lens: null, less than the sequence's new tokens, or more than its pages hold */
  KV_ERROR_QUERIES = 16,         /* a sequence has more or fewer queries than the kernel was compiled for */
  KV_ERROR_BLOCK_TABLE = 17,     /* block_table: null, a stride out of range, or rows too short for a sequence's length */
  KV_ERROR_PAGE_NUMBER = 18,     /* block_table: an entry in use is not a page */
  KV_ERROR_SLOT_MAPPING = 19,    /* slot_mapping: not a slot, or (append_attend) not the slot that block_table gives */
  KV_ERROR_TENSOR = 20,          /* q, k, v or o: null */
  KV_ERROR_TENSOR_STRIDE = 21,   /* q, k, v or o: rows would overlap, or leave the address space */
  KV_ERROR_ALIGNMENT = 22,       /* an array is not aligned to its element */
  KV_ERROR_LSE = 23,             /* lse is given and the kernel has none */
  KV_ERROR_ARGUMENTS = 24,       /* arguments: one that the attend declares is null or too short, or one more is given */
  KV_ERROR_WORKSPACE = 25,       /* workspace: null, not a multiple of 64, or too small */
  KV_ERROR_THREADS = 26,         /* a number of threads or parts outside 1 .. KV_MAX_THREADS */
  KV_ERROR_PART = 27,            /* a part outside 0 .. parts - 1 */
  KV_ERROR_PHASE = 28,           /* a phase outside 0 .. KV_NUM_PHASES - 1 */
  KV_ERROR_BOUNDS = 29,          /* kv_bounds or kv_gpu_launch: negative, or past 2^31 - 1 */
  KV_ERROR_SIZE = 30,            /* page pool: a size or count out of range */
  KV_ERROR_OUT_OF_PAGES = 31,    /* page pool: fewer pages are free than asked for */
  KV_ERROR_PAGE_STATE = 32,      /* page pool: freed twice, or never allocated */
  KV_ERROR_MEMORY = 33,          /* the system has no memory */
  KV_ERROR_SYSTEM = 34,          /* the system refused (threads) */
  KV_ERROR_NO_GPU = 35,          /* no CUDA driver, or it finds no device */
  KV_ERROR_GPU_CONTEXT = 36,     /* no CUDA context is current on the thread */
  KV_ERROR_GPU = 37,             /* the CUDA driver refused; the sentence quotes it */
  KV_ERROR_GPU_COMPILE = 38,     /* the CUDA driver cannot compile the kernel for the device */
  KV_ERROR_GPU_LIMIT = 39,       /* a step needs a larger grid, or more shared memory, than the device has */
  KV_ERROR_PAGE_REPEATED = 40,   /* block_table: two entries in use of one row are the same page */
  KV_ERROR_UNUSED = 41,          /* a field is given of a feature that the kernel does not have */
  KV_NUM_STATUS = 42
} kv_status;

/* A few words for a status; never null. */
const char *kv_status_text(kv_status status);

/* What the calling thread's last failed call had to say: what was seen, then the rule. Never null; "" before the first failure. It
 * stays until the thread's next failure. */
const char *kv_last_error(void);

/* ---- Variants ---- */

/* KV_FEATURE_* of this processor, as far as the operating system has enabled them. */
uint64_t kv_cpu_features(void);

/* The variant to run: the first row all of whose features are present. The environment variable KV_TARGET names one instead (it is
 * read once, at the first call); asking so for a variant that does not exist, or that cannot run here, is an error and not another
 * variant. Returns null on an error; `status` may be null.
 * Errors: NULL, ABI_VERSION, STRUCT_SIZE, RESERVED, KERNEL, NO_VARIANT, TARGET_UNKNOWN, TARGET_FEATURES. */
const kv_variant *kv_select(const kv_kernel *kernel, kv_status *status);

/* As kv_select() with the name given: `target` null or "" means the first row that runs, whatever KV_TARGET says. */
const kv_variant *kv_select_target(const kv_kernel *kernel, const char *target, kv_status *status);

/* Row `index` of kv_kernel.variants, whose rows lie variant_size bytes apart; null where there is none of that index, or kernel is
 * null. */
const kv_variant *kv_variant_at(const kv_kernel *kernel, int64_t index);

/* ---- Steps ---- */

/* All zero but the two version fields, which the macro takes from the caller's own headers. (No function stands in a header: tools
 * that read declarations, such as cffi, read these.) */
void kv_step_init(kv_step *step);
void kv_step_init_as(kv_step *step, uint32_t struct_size, uint32_t abi_version);
#define kv_step_init(step) kv_step_init_as(step, (uint32_t)sizeof(kv_step), KV_ABI_VERSION)

#define KV_MAX_THREADS 1024

/* The largest batch that a workspace must be good for: each a bound of its own, so that `max_queries` may be the kernel's whatever
 * the others are. */
typedef struct kv_bounds {
  int64_t num_seqs;    /* sequences of a step */
  int64_t num_tokens;  /* new tokens of a step, of all sequences together */
  int64_t max_queries; /* new tokens of one sequence */
  int64_t max_seq_len; /* tokens of one sequence, the new ones included */
} kv_bounds;

/* Bytes of workspace that serve every step within `bounds` on up to `threads` threads: partial results of split sequences, then
 * scratch for each thread. `variant` null means kv_select(). May be 0: then workspace may be null. -1 on an error.
 * Errors: those of kv_select(), VARIANT, BOUNDS, THREADS. */
int64_t kv_workspace_bytes(const kv_kernel *kernel, const kv_variant *variant, const kv_bounds *bounds, int32_t threads);

/* The same for exactly this step; at most what kv_workspace_bytes() says for bounds that it keeps. Reads num_seqs, query_start_loc
 * and seq_lens, which it checks. -1 on an error. */
int64_t kv_step_workspace_bytes(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, int32_t threads);

/* Checks everything about a step that can be checked: each field, each entry in use of query_start_loc, seq_lens, block_table and
 * slot_mapping, and the workspace for `threads` threads. Costs about a nanosecond for each page in use. Fields that the kernel's
 * op does not use are ignored (so one step may serve append and then attend): k, v, slot_mapping by attend; q, o, lse, arguments by
 * append. Fields of features that the kernel does not have (kv_step says which) are refused unless they are null or 0. A sequence
 * may have no new tokens: its entries of query_start_loc and seq_lens are checked, the latter for 0 or more, and nothing else of it
 * is read, neither its row of block_table nor its pages. Sequences may share pages that none of them writes to: that these are the
 * only ones is not checked, nor that the arrays are as long as they should be. Errors: any of 1 .. 26, PAGE_REPEATED, UNUSED. */
kv_status kv_check(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, int32_t threads);

/* Runs part(argument, i) for each i of 0 .. parts - 1 exactly once, on any threads in any order (one after another will do), and
 * returns when all are done. */
typedef void (*kv_part_fn)(void *argument, int32_t part);
typedef struct kv_executor {
  void (*run)(void *context, int32_t parts, kv_part_fn part, void *argument);
  void *context;
  int32_t threads; /* how many parts it can run at the same time; 1 .. KV_MAX_THREADS */
  int32_t reserved;
} kv_executor;

/* Selects, checks and runs a step. `executor` null: on the calling thread.
 * Errors: those of kv_select() and kv_check(); nothing has been read or written then. */
kv_status kv_run(const kv_kernel *kernel, const kv_step *step, const kv_executor *executor);

/* The same with a variant chosen by the caller. */
kv_status kv_run_variant(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, const kv_executor *executor);

/* The number of items of one kv head in a phase, which kernel calls join where neighbours fall to one part: the same on every
 * thread and for any number of parts. Where it is 0, the phase and its barrier may be left out; for a
 * decode step of append_attend, that is so for the append (done inside attend) and, for short sequences, the merge; SELECT has none
 * without kv_kernel.select_pages. The step must have passed kv_check(); -1 on an error (NULL, PHASE). */
int64_t kv_phase_items(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, int32_t phase);

/* Part `part` of `parts` of a phase. Parts get equal shares of the bytes to read, not of sequences; `parts` must be the same in all
 * calls of a step, and at most the threads the workspace was sized for. The step must have passed kv_check(): it is not checked
 * again. Errors: NULL, PHASE, PART, THREADS. */
kv_status kv_run_part(const kv_kernel *kernel, const kv_variant *variant, const kv_step *step, int32_t phase, int32_t part,
                      int32_t parts);

/* ---- States ---- */

/* Joins what attends over disjoint sets of keys gave (caches of several machines, a shared prefix and a suffix, two kernels), each
 * with `o: f32` and `lse`, for rows of `dim` channels:
 *
 *   M = max lse[i],  w[i] = exp(lse[i] - M),  merged = sum of w[i] o[i] / sum of w[i],  merged_lse = M + log(sum of w[i])
 *
 * o[i] is [rows][dim] and lse[i] [rows], i = 0 .. n - 1, both dense. States are added in their order, in double precision: the bits
 * are the same on every machine. A row that a state has not seen (lse -infinity) adds nothing, whatever its o; one that none has
 * seen, or of no states, is 0 and -infinity. An lse of +infinity or NaN makes its row NaN. Give sinks to one of the states alone.
 * The result may lie where one of the states does, or merged_lse be null; otherwise arrays must not overlap. Any thread; none is
 * made. Errors: NULL, SIZE, ALIGNMENT; nothing has been written then. */
kv_status kv_merge_states(int64_t rows, int64_t dim, int64_t n, const float *const *o, const float *const *lse, float *merged,
                          float *merged_lse);

/* ---- Thread pool ---- */

typedef struct kv_pool kv_pool;

/* `threads` threads, the caller of kv_run() being one of them; 0: one for each processor this process may use, by its affinity and
 * the quota of its control group (of 2.5 processors two, at least one). Workers spin for KV_SPIN microseconds (environment; default
 * 100) after their last work, then sleep. Errors: NULL, THREADS, MEMORY, SYSTEM. */
kv_status kv_pool_create(int32_t threads, kv_pool **pool);
void kv_pool_destroy(kv_pool *pool); /* null is fine */

/* The pool as an executor; of a null pool, one of 0 threads, which kv_run() refuses. When two threads run steps on one pool at the
 * same time, one of them works without helpers. */
kv_executor kv_pool_executor(kv_pool *pool);

/* ---- Page pool, for those who want one ---- */

typedef struct kv_pages kv_pages;

/* `num_pages` pages of `page_bytes` bytes (a multiple of 64; kv_kernel.page_bytes, or the sum over layers when all layers of a
 * model share a page), zero. Memory is reserved now and taken from the system as pages are first written. Errors: NULL, SIZE,
 * MEMORY, SYSTEM. */
kv_status kv_pages_create(int64_t page_bytes, int64_t num_pages, kv_pages **pool);
void kv_pages_destroy(kv_pages *pool); /* null is fine */

/* What kv_step wants. The stride is `page_bytes`. */
void *kv_pages_base(const kv_pages *pool);
int64_t kv_pages_stride(const kv_pages *pool);
int64_t kv_pages_count(const kv_pages *pool);

/* Pages that are free now. */
int64_t kv_pages_available(kv_pages *pool);

/* Takes `count` pages, all of zero bytes, or none. Errors: NULL, SIZE, OUT_OF_PAGES. */
kv_status kv_pages_allocate(kv_pages *pool, int64_t count, int32_t *pages);

/* Gives pages back and zeroes them; all of them or, on an error, none. Errors: NULL, SIZE, PAGE_NUMBER, PAGE_STATE. */
kv_status kv_pages_free(kv_pages *pool, int64_t count, const int32_t *pages);

#ifdef __cplusplus
}
#endif
#endif
