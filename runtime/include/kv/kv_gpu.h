/* kv_gpu.h: the runtime's C API for CUDA devices. Plain C99; C++ may include it. Link with kvrt; nothing of CUDA is needed to
 * build: `libcuda.so.1` (or the file that the environment variable KV_CUDA_LIBRARY names) is opened at the first call that needs
 * it.
 *
 *   kv_step step;                        // pointers of the device; arrays of lengths and tables too
 *   kv_step_init(&step);
 *   ...
 *   kv_gpu_launch launch;
 *   kv_gpu_launch_init(&launch);
 *   launch.stream = stream;              // a CUstream or a cudaStream_t
 *   launch.max_queries = 1;              // decode
 *   step.workspace_bytes = kv_gpu_workspace_bytes(&llama3_append_decode, &step, &launch);
 *   cudaMalloc(&step.workspace, step.workspace_bytes);
 *   if (kv_gpu_run(&llama3_append_decode, &step, &launch) != KV_OK)
 *     fprintf(stderr, "%s\n", kv_last_error());
 *
 * Context: work goes to the CUDA context that is current on the calling thread (cuCtxSetCurrent; cudaSetDevice makes one current);
 * none is ever made or retained here.
 *
 * Bounds: what a launch says of lengths sizes its grid and its workspace. Loose ones cost no correctness but blocks that find
 * nothing to do, and partial results that nobody writes.
 *
 * Graphs: kv_gpu_run() only enqueues. It reads nothing on the device, waits for nothing and, once kv_gpu_prepare() has loaded the
 * kernel, allocates nothing, so it can be captured. The grid depends on the host's numbers alone (num_seqs, the bounds of the
 * launch): lengths, tables and tensors on the device may change between replays, within those bounds.
 *
 * Results: the bits of `o`, `lse` and the cache depend on a sequence's own length and queries and on the variant, never on the
 * bounds, on the order of pages or on the other sequences of the batch.
 *
 * Errors: as kv.h says. What the driver answers is quoted: "cuModuleGetFunction: CUDA_ERROR_NOT_FOUND (500): ...".
 *
 * Threads: every function may be called from any thread at any time, except kv_gpu_close(). Steps that may run at the same time (on
 * two streams) need workspaces of their own. */
#ifndef KV_KV_GPU_H
#define KV_KV_GPU_H

#include "kv/kv.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bits of kv_gpu_launch.flags. */
#define KV_GPU_COUNTERS_READY 1u /* the workspace's counters are zero: see kv_gpu_workspace_init() */

/* How a step is launched. Null in its place: all zero. */
typedef struct kv_gpu_launch {
  uint32_t struct_size; /* sizeof(kv_gpu_launch) of the caller */
  uint32_t flags;       /* KV_GPU_* */
  void *stream;         /* null: the default stream */
  int64_t max_queries;  /* no sequence has more new tokens in the step; 0: the kernel's max_queries, for an append any number */
  int64_t max_tokens;   /* no entry of seq_lens is greater; 0: what a row of block_table, or a dense page, can hold */
  const kv_gpu_variant *variant; /* a row of the kernel; null: kv_gpu_select() */
} kv_gpu_launch;

/* All zero but the size, as kv_step_init() has it. */
void kv_gpu_launch_init(kv_gpu_launch *launch);
void kv_gpu_launch_init_as(kv_gpu_launch *launch, uint32_t struct_size);
#define kv_gpu_launch_init(launch) kv_gpu_launch_init_as(launch, (uint32_t)sizeof(kv_gpu_launch))

/* The variant to run in the current context: the first row whose capability the device has. The environment variable KV_TARGET
 * names one instead, as kv_select() has it. Null on an error; `status` may be null. Errors: those of a kernel in kv_select(),
 * NO_GPU, GPU_CONTEXT, GPU, NO_VARIANT, TARGET_UNKNOWN, TARGET_FEATURES. */
const kv_gpu_variant *kv_gpu_select(const kv_kernel *kernel, kv_status *status);

/* As kv_gpu_select() with the name given: `target` null or "" means the first row that runs, whatever KV_TARGET says. */
const kv_gpu_variant *kv_gpu_select_target(const kv_kernel *kernel, const char *target, kv_status *status);

/* Row `index` of kv_kernel.gpu_variants, as kv_variant_at() has it. */
const kv_gpu_variant *kv_gpu_variant_at(const kv_kernel *kernel, int64_t index);

/* Has the driver compile the kernel for the current context, which takes up to seconds the first time; kv_gpu_run() does the same
 * where this was not called. What is loaded is found again by the address of its text: it stays, with the context, until
 * kv_gpu_close(). Errors: those of kv_gpu_select(), STRUCT_SIZE, VARIANT, GPU_COMPILE (with the compiler's words), GPU_LIMIT. */
kv_status kv_gpu_prepare(const kv_kernel *kernel, const kv_gpu_launch *launch);

/* Bytes of workspace that serve every step of so many sequences or fewer within the launch's bounds: a counter and the partial
 * results of each split. Reads num_seqs, block_table and block_table_stride of the step; of the driver nothing where the launch
 * names a variant. May be 0: then workspace may be null. -1 on an error. */
int64_t kv_gpu_workspace_bytes(const kv_kernel *kernel, const kv_step *step, const kv_gpu_launch *launch);

/* Enqueues zeroing the counters of the step's workspace. kv_gpu_run() does that itself, unless the launch says COUNTERS_READY.
 * A caller may say so, which saves one operation a step, when the workspace was zeroed by this function, or by the caller, and has
 * since been used by steps of the same num_seqs, max_queries and max_tokens on kernels of the same heads and query_block only; they
 * leave the counters zero. */
kv_status kv_gpu_workspace_init(const kv_kernel *kernel, const kv_step *step, const kv_gpu_launch *launch);

/* Enqueues a step on the launch's stream. Pointers of the step are the device's; the struct itself is the host's, and free to
 * change when the call returns. Checked: every field of the step that is on the host, as kv_check() does, and the bounds. Not
 * checked, being on the device: the entries of query_start_loc, seq_lens, block_table and slot_mapping. Nothing outside the pages
 * they name is touched as long as they are what kv_check() would accept; where the step exceeds the launch's bounds, rows of `o`
 * stay unwritten and the counters are not zero afterwards. Errors: those of kv_gpu_prepare() and 1 .. 25, BOUNDS,
 * UNUSED. */
kv_status kv_gpu_run(const kv_kernel *kernel, const kv_step *step, const kv_gpu_launch *launch);

/* Unloads all that was loaded and lets go of the driver; a later call starts anew. To be called before a library of kernels is
 * unloaded (dlclose), or a context destroyed, after its work has ended. No other thread may be in a function of this file. */
void kv_gpu_close(void);

/* A function of the driver library by its name in the library ("cuMemAlloc_v2"), for programs that do not link it; initialised by
 * cuInit(0). Errors: NULL, NO_GPU, GPU. */
kv_status kv_gpu_symbol(const char *name, void **address);

#ifdef __cplusplus
}
#endif
#endif
