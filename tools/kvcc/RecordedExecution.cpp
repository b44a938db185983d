#include "tools/kvcc/Recording.h"

#include "llvm/Support/xxhash.h"

namespace kv {
namespace {

int64_t widthOf(int32_t type) { return type == KV_TYPE_F32 ? 4 : 2; }

/// A tensor's rows, one after the other.
std::string rowsOf(const void *tensor, int64_t width, int64_t tokens, int64_t tokenStride, int64_t heads, int64_t headStride,
                   int64_t dim) {
  std::string rows;
  rows.reserve(size_t(tokens * heads * dim * width));
  for (int64_t token = 0; token < tokens; ++token)
    for (int64_t head = 0; head < heads; ++head)
      rows.append(static_cast<const char *>(tensor) + (token * tokenStride + head * headStride) * width, size_t(dim * width));
  return rows;
}

std::vector<uint64_t> hashPages(const kv_kernel &kernel, const kv_step &step) {
  std::vector<uint64_t> hashes;
  for (int64_t page = 0; page < step.num_pages; ++page)
    hashes.push_back(llvm::xxh3_64bits(
        llvm::ArrayRef(static_cast<const uint8_t *>(step.pages) + page * step.page_stride, size_t(kernel.page_bytes))));
  return hashes;
}

/// Everything that decides what the step does, and how it is driven.
uint64_t hashInputs(const kv_kernel &kernel, const kv_step &step, Drive drive, int64_t tokens) {
  std::string all;
  auto add = [&](const void *bytes, size_t count) {
    if (bytes)
      all.append(static_cast<const char *>(bytes), count);
  };
  const auto numSeqs = size_t(step.num_seqs);
  add(&drive, sizeof drive);
  add(step.query_start_loc, (numSeqs + 1) * sizeof(int32_t));
  add(step.seq_lens, numSeqs * sizeof(int32_t));
  add(step.block_table, numSeqs * size_t(step.block_table_stride) * sizeof(int32_t));
  add(step.slot_mapping, size_t(tokens) * sizeof(int64_t));
  const int64_t width = widthOf(kernel.q_type);
  if (kernel.op != KV_OP_ATTEND)
    all += rowsOf(step.k.data, width, tokens, step.k.token_stride, kernel.heads_kv, step.k.head_stride, kernel.dim_k) +
           rowsOf(step.v.data, width, tokens, step.v.token_stride, kernel.heads_kv, step.v.head_stride, kernel.dim_v);
  if (kernel.op != KV_OP_APPEND)
    all += rowsOf(step.q.data, width, tokens, step.q.token_stride, kernel.heads_q, step.q.head_stride, kernel.dim_k);
  for (int32_t i = 0; i < kernel.num_arguments; ++i)
    add(step.arguments[i].data, size_t(kernel.heads_q) * sizeof(float));
  const std::vector<uint64_t> pages = hashPages(kernel, step);
  add(pages.data(), pages.size() * sizeof(uint64_t));
  return llvm::xxh3_64bits(all);
}

} // namespace

std::string RecordedExecution::run(const Runnable &row, const kv_step &step, Drive drive) {
  const kv_kernel &kernel = *row.kernel;
  const int64_t tokens = step.query_start_loc[step.num_seqs];
  StepRecord record;
  record.kernel = kernel.name;
  record.target = row.gpuVariant ? row.gpuVariant->target : row.variant->target;
  record.inputs = hashInputs(kernel, step, drive, tokens);
  std::string problem = inner->run(row, step, drive);
  if (!problem.empty())
    return problem;
  record.pages = hashPages(kernel, step);
  if (kernel.op != KV_OP_APPEND) {
    record.o =
        rowsOf(step.o.data, widthOf(kernel.o_type), tokens, step.o.token_stride, kernel.heads_q, step.o.head_stride, kernel.dim_v);
    if (step.lse)
      record.lse = rowsOf(step.lse, sizeof(float), tokens, kernel.heads_q, kernel.heads_q, 1, 1);
  }
  return recording.add(record, row);
}

} // namespace kv
