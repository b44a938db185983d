#include "tests/oracle/FaultyExecution.h"

#include "compiler/reference/PageImage.h"

#include <cstring>

namespace kv {

const std::vector<std::string> &plantedFaults() {
  static const std::vector<std::string> names = {"token", "values", "third", "row", "lse", "nan"};
  return names;
}

/// Adds token `from` of a stream to another.
static void copyToken(const StoredStream &source, int64_t from, StoredStream &target) {
  std::vector<uint32_t> codes;
  std::vector<GroupParameters> parameters;
  for (int64_t head = 0; head < source.heads; ++head) {
    for (int64_t d = 0; d < source.dim; ++d)
      codes.push_back(source.code(from, head, d));
    for (int64_t group = 0; group < source.groups; ++group)
      parameters.push_back(source.parameters(from, head, group));
  }
  target.appendStored(codes, parameters);
}

/// Stores the tokens of each sequence as the kernels shall see them.
void FaultyExecution::moveTokens(const kv_step &step, const CacheSpec &cache) const {
  const PageImage image(cache.type);
  for (int64_t b = 0; b < step.num_seqs; ++b) {
    const int64_t length = step.seq_lens[b], middle = (length - 1) / 2;
    if (length < 2)
      continue;
    std::vector<int32_t> own = {int32_t(b)};
    PagedMemory memory{static_cast<uint8_t *>(step.pages), step.page_stride, own};
    if (step.block_table)
      memory.table = {step.block_table + b * step.block_table_stride, size_t(step.block_table_stride)};
    const Reference right = image.read(length, memory);
    Reference wrong(cache.type);
    for (int64_t token = 0; token < length; ++token) {
      int64_t other = token == middle ? middle + 1 : token;
      copyToken(right.key, fault == PlantedFault::token ? other : token, wrong.key);
      if (fault == PlantedFault::values && token == middle + 1)
        other = middle;
      copyToken(right.value, other, wrong.value);
    }
    image.write(wrong, 0, length, memory);
  }
}

void FaultyExecution::spoilOutput(const kv_step &step, const kv_kernel &kernel) const {
  if (fault == PlantedFault::nan)
    return hideNan(step, kernel);
  const int64_t tokens = step.query_start_loc[step.num_seqs], last = kernel.heads_q - 1;
  const int64_t width = kernel.o_type == KV_TYPE_F32 ? 4 : 2;
  if (fault == PlantedFault::row && tokens > 0)
    std::memset(static_cast<char *>(const_cast<void *>(step.o.data)) +
                    ((tokens - 1) * step.o.token_stride + last * step.o.head_stride) * width,
                0, size_t(kernel.dim_v * width));
  if (fault == PlantedFault::lse && step.lse)
    for (int64_t token = 0; token < tokens; ++token)
      step.lse[token * kernel.heads_q + last] *= 1.01f;
}

void FaultyExecution::hideNan(const kv_step &step, const kv_kernel &kernel) const {
  const auto type = static_cast<kv_type>(kernel.o_type);
  const int64_t width = type == KV_TYPE_F32 ? 4 : 2;
  const uint32_t magnitude = type == KV_TYPE_F32 ? 0x7fffffff : 0x7fff;
  const uint32_t infinity = type == KV_TYPE_F32 ? 0x7f800000 : type == KV_TYPE_F16 ? 0x7c00 : 0x7f80;
  for (int64_t token = 0; token < step.query_start_loc[step.num_seqs]; ++token)
    for (int64_t head = 0; head < kernel.heads_q; ++head)
      for (int64_t d = 0; d < kernel.dim_v; ++d) {
        char *element = static_cast<char *>(const_cast<void *>(step.o.data)) +
                        (token * step.o.token_stride + head * step.o.head_stride + d) * width;
        uint32_t bits = 0;
        std::memcpy(&bits, element, size_t(width));
        if ((bits & magnitude) > infinity)
          std::memset(element, 0, size_t(width));
      }
}

std::string FaultyExecution::run(const Runnable &row, const kv_step &step, Drive drive) {
  const kv_kernel &kernel = *row.kernel;
  const CacheSpec *cache = nullptr;
  for (const CacheSpec &one : module.caches)
    if (one.name == kernel.cache)
      cache = &one;
  const bool spoils = fault == PlantedFault::row || fault == PlantedFault::lse ||
                      fault == PlantedFault::nan; // append_attend too, or the two differ
  if (fault == PlantedFault::none || !cache || kernel.op == KV_OP_APPEND || (kernel.op == KV_OP_APPEND_ATTEND && !spoils))
    return inner->run(row, step, drive);
  kv_step changed = step;
  std::pmr::vector<int32_t> lengths(step.seq_lens, step.seq_lens + step.num_seqs, memory());
  if (fault == PlantedFault::third)
    for (int64_t b = 0; b < step.num_seqs; ++b)
      lengths[size_t(b)] = std::max(lengths[size_t(b)] * 2 / 3, step.query_start_loc[b + 1] - step.query_start_loc[b]);
  changed.seq_lens = lengths.data();
  const bool moves = fault == PlantedFault::token || fault == PlantedFault::values;
  std::vector<uint8_t> pages;
  auto *first = static_cast<uint8_t *>(step.pages);
  if (moves) {
    pages.assign(first, first + step.num_pages * step.page_stride);
    moveTokens(step, *cache);
  }
  std::string problem = inner->run(row, changed, drive);
  if (moves)
    std::memcpy(first, pages.data(), pages.size());
  if (problem.empty())
    spoilOutput(step, kernel);
  return problem;
}

} // namespace kv
