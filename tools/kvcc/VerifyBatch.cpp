#include "tools/kvcc/VerifyBatch.h"
#include "compiler/reference/codecs/Scalar.h"
#include "kv/kv_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace kv {

/// Bytes that are NaN as f32, f16 and bf16, infinities, large codes, or anything.
static void poison(uint8_t *bytes, int64_t count, Random &random) {
  switch (random.below(4)) {
  case 0:
    std::memset(bytes, 0xff, size_t(count));
    return;
  case 1:
    for (int64_t i = 0; i < count; ++i)
      bytes[i] = i % 2 ? 0x7c : 0x00; // infinity as f16
    return;
  case 2:
    std::memset(bytes, 0x7f, size_t(count));
    return;
  default:
    for (int64_t i = 0; i < count; i += 8) {
      uint64_t bits = random.next();
      std::memcpy(bytes + i, &bits, size_t(std::min<int64_t>(8, count - i)));
    }
  }
}

//===- tensors ---------------------------------------------------------------------------------------------------------------===//

static constexpr uint8_t canary = 0xff; // NaN in every type: a stray read, and a row nobody wrote, shows

VerifyTensor::VerifyTensor(Element type, int64_t tokens, int64_t heads, int64_t dim, Random &random,
                           std::pmr::memory_resource *source)
    : type(type), tokens(tokens), heads(heads), dim(dim), width(type == Element::f32 ? 4 : 2) {
  headStride = dim + random.below(3) * 5;
  tokenStride = heads * headStride + random.below(3) * 11;
  bytes = Bytes(std::max<int64_t>(64, tokens * tokenStride * width), source);
  std::memset(bytes.data(), canary, size_t(bytes.size()));
}

void VerifyTensor::set(int64_t token, int64_t head, const float *values) {
  llvm::SmallVector<uint32_t, 256> stored(static_cast<size_t>(dim));
  encodeScalars(type, {values, stored.size()}, stored);
  for (auto [d, bits] : llvm::enumerate(stored))
    storeElement(row(token, head), int64_t(d), width * 8, bits);
}

double VerifyTensor::get(int64_t token, int64_t head, int64_t channel) const {
  return decodeScalar(type, loadElement(row(token, head), channel, width * 8));
}

bool VerifyTensor::gapsIntact() const {
  std::vector<bool> inRow(size_t(bytes.size()));
  for (int64_t token = 0; token < tokens; ++token)
    for (int64_t head = 0; head < heads; ++head) {
      auto first = inRow.begin() + (row(token, head) - bytes.data());
      std::fill(first, first + dim * width, true);
    }
  for (int64_t i = 0; i < bytes.size(); ++i)
    if (!inRow[size_t(i)] && bytes.data()[i] != canary)
      return false;
  return true;
}

bool VerifyTensor::operator==(const VerifyTensor &other) const {
  for (int64_t token = 0; token < tokens; ++token)
    for (int64_t head = 0; head < heads; ++head) {
      if (!std::memcmp(row(token, head), other.row(token, head), size_t(dim * width)))
        continue;
      for (int64_t d = 0; d < dim; ++d)
        if (!sameBits(get(token, head, d), other.get(token, head, d)))
          return false;
    }
  return true;
}

bool StepOutput::operator==(const StepOutput &other) const {
  return o == other.o && lse.size() == other.lse.size() &&
         std::equal(lse.begin(), lse.end(), other.lse.begin(), [](float x, float y) { return sameBits(x, y); });
}

//===- pages -----------------------------------------------------------------------------------------------------------------===//

VerifyBatch::VerifyBatch(Execution &execution, const CacheSpec &cache, const std::vector<SequenceData> &sequences, Random &random)
    : execution(execution), cache(cache), sequences(sequences), random(random), stride(cache.map.bytes + random.below(3) * 64),
      table(execution.memory()) {
  const int64_t count = int64_t(sequences.size());
  const bool dense = cache.type.getLayout().getKind() == LayoutKind::dense;
  int64_t needed = 0;
  auto pagesOf = [&](const SequenceData &sequence) { return dense ? 1 : kv_entries(cache.tokens, sequence.shape.length); };
  for (const SequenceData &sequence : sequences) {
    int64_t pages = pagesOf(sequence);
    needed += pages;
    tableStride = std::max(tableStride, pages);
  }
  tableStride += dense ? 0 : random.below(3);
  tableless = dense && random.chance(2);
  numPages = needed + (dense && cache.map.bytes > (1 << 22) ? 1 : 1 + random.below(4));
  std::vector<int32_t> order;
  for (int32_t page = 0; page < numPages; ++page)
    order.push_back(page);
  if (!tableless)
    random.shuffle(order);
  owned.resize(size_t(numPages));
  table.assign(size_t(count * tableStride), INT32_MIN); // entries not in use: nobody may follow them
  size_t next = 0;
  for (int64_t b = 0; b < count; ++b)
    for (int64_t page = 0; page < pagesOf(sequences[size_t(b)]); ++page) {
      owned[size_t(order[next])] = true;
      table[size_t(b * tableStride + page)] = order[next++];
    }
  pageBytes = Bytes(numPages * stride, execution.memory());
  poison(pageBytes.data(), pageBytes.size(), random);
}

PagedMemory VerifyBatch::memory(int64_t sequence) const {
  return {pageBytes.data(), stride, llvm::ArrayRef<int32_t>(table).slice(size_t(sequence * tableStride), size_t(tableStride))};
}

void VerifyBatch::save(Bytes &copy) const {
  if (copy.size() != pageBytes.size())
    copy = Bytes(pageBytes.size());
  std::memcpy(copy.data(), pageBytes.data(), size_t(pageBytes.size()));
}

void VerifyBatch::restore(const Bytes &copy) { std::memcpy(pageBytes.data(), copy.data(), size_t(copy.size())); }

std::optional<std::string> VerifyBatch::foreignChange(const Bytes &before) const {
  for (int64_t page = 0; page < numPages; ++page) {
    int64_t first = owned[size_t(page)] ? cache.map.bytes : 0;
    if (std::memcmp(pageBytes.data() + page * stride + first, before.data() + page * stride + first, size_t(stride - first)))
      return owned[size_t(page)] ? fmt::format("bytes after page {} were written", page)
                                 : fmt::format("page {} belongs to no sequence and was written", page);
  }
  return std::nullopt;
}

//===- steps -----------------------------------------------------------------------------------------------------------------===//

kv_step VerifyBatch::makeStep(const Ragged &ragged, bool mapped) const {
  kv_step step;
  kv_step_init(&step);
  step.pages = pageBytes.data();
  step.page_stride = stride;
  step.num_pages = numPages;
  step.num_seqs = int64_t(sequences.size());
  step.query_start_loc = ragged.starts.data();
  step.seq_lens = ragged.lengths.data();
  if (!tableless) {
    step.block_table = table.data();
    step.block_table_stride = tableStride;
  }
  if (mapped)
    step.slot_mapping = ragged.slots.data();
  return step;
}

void VerifyBatch::bindTokens(kv_step &step, const kv_kernel *kernel, const std::vector<int64_t> &from,
                             const std::vector<int64_t> &to, VerifyTensor &k, VerifyTensor &v, const std::vector<int64_t> &order) {
  const int64_t heads = cache.type.getHeads(), dimK = cache.type.getKeyDim(), dimV = cache.type.getValueDim();
  int64_t total = 0;
  for (size_t b = 0; b < sequences.size(); ++b)
    total += to[b] - from[b];
  Element type = elementOf(kv_type(kernel->q_type));
  k = VerifyTensor(type, total, heads, dimK, random, execution.memory());
  v = VerifyTensor(type, total, heads, dimV, random, execution.memory());
  int64_t index = 0;
  for (size_t b = 0; b < sequences.size(); ++b)
    for (int64_t token = from[b]; token < to[b]; ++token, ++index)
      for (int64_t head = 0, row = order.empty() ? index : order[size_t(index)]; head < heads; ++head) {
        k.set(row, head, &sequences[b].k[size_t((token * heads + head) * dimK)]);
        v.set(row, head, &sequences[b].v[size_t((token * heads + head) * dimV)]);
      }
  step.k.data = k.data();
  step.k.token_stride = k.tokenStride;
  step.k.head_stride = k.headStride;
  step.v.data = v.data();
  step.v.token_stride = v.tokenStride;
  step.v.head_stride = v.headStride;
}

std::string VerifyBatch::run(const Runnable &row, kv_step &step, Drive drive) {
  std::string problem;
  int64_t bytes = execution.workspaceBytes(row, step, drive, problem);
  if (bytes < 0)
    return fmt::format("bytes of workspace: {}", problem);
  Bytes workspace(std::max<int64_t>(bytes, 64), execution.memory());
  poison(workspace.data(), workspace.size(), random);
  step.workspace = workspace.data();
  step.workspace_bytes = bytes;
  return execution.run(row, step, drive);
}

std::string VerifyBatch::append(const Runnable &row, const std::vector<int64_t> &from, const std::vector<int64_t> &to, Drive drive,
                                bool mapped) {
  Ragged ragged(execution.memory());
  const kv_tokens &tokens = cache.tokens;
  for (size_t b = 0; b < sequences.size(); ++b) {
    ragged.starts.push_back(ragged.starts.back() + int32_t(to[b] - from[b]));
    ragged.lengths.push_back(int32_t(to[b]));
    PagedMemory paged = memory(int64_t(b));
    for (int64_t token = from[b]; token < to[b]; ++token) {
      const kv_place place = kv_place_of(tokens, token);
      ragged.slots.push_back(kv_slot_number(tokens, paged.table[size_t(place.entry)], place.slot));
    }
  }
  // Slots say where tokens go, so that the step may have them in any order: neighbours in memory are anywhere in the batch.
  std::vector<int64_t> order;
  if (mapped) {
    auto inOrder = ragged.slots;
    order.resize(inOrder.size());
    for (size_t i = 0; i < order.size(); ++i) {
      const auto other = size_t(random.below(int64_t(i) + 1));
      order[i] = order[other];
      order[other] = int64_t(i);
    }
    for (size_t i = 0; i < order.size(); ++i)
      ragged.slots[size_t(order[i])] = inOrder[i];
  }
  kv_step step = makeStep(ragged, mapped);
  VerifyTensor k, v;
  bindTokens(step, row.kernel, from, to, k, v, order);
  return run(row, step, drive);
}

std::string VerifyBatch::attend(const Runnable &kernelRow, const std::vector<std::vector<float>> &params, Drive drive,
                                StepOutput &output) {
  const kv_kernel *kernel = kernelRow.kernel;
  Ragged ragged(execution.memory());
  std::vector<int64_t> from, to;
  for (const SequenceData &sequence : sequences) {
    ragged.starts.push_back(ragged.starts.back() + int32_t(sequence.shape.queries));
    ragged.lengths.push_back(int32_t(sequence.shape.length));
    from.push_back(sequence.shape.length - sequence.shape.queries);
    to.push_back(sequence.shape.length);
  }
  const int64_t total = ragged.starts.back(), heads = kernel->heads_q, dim = cache.type.getKeyDim();
  kv_step step = makeStep(ragged, false);
  VerifyTensor q(elementOf(kv_type(kernel->q_type)), total, heads, dim, random, execution.memory()), k, v;
  int64_t row = 0;
  for (const SequenceData &sequence : sequences)
    for (int64_t query = 0; query < sequence.shape.queries; ++query, ++row)
      for (int64_t head = 0; head < heads; ++head)
        q.set(row, head, &sequence.q[size_t((query * heads + head) * dim)]);
  step.q.data = q.data();
  step.q.token_stride = q.tokenStride;
  step.q.head_stride = q.headStride;
  if (kernel->op == KV_OP_APPEND_ATTEND)
    bindTokens(step, kernel, from, to, k, v, {});
  output.o = VerifyTensor(elementOf(kv_type(kernel->o_type)), total, heads, cache.type.getValueDim(), random, execution.memory());
  step.o.data = output.o.data();
  step.o.token_stride = output.o.tokenStride;
  step.o.head_stride = output.o.headStride;
  const size_t rows = size_t(total * heads), guard = 16;
  std::pmr::vector<float> lse(rows + guard, -12345.0f, execution.memory());
  step.lse = kernel->has_lse ? lse.data() : nullptr;
  std::vector<std::pmr::vector<float>> arrays;
  for (const std::vector<float> &values : params)
    arrays.emplace_back(values.begin(), values.end(), execution.memory());
  for (size_t i = 0; i < arrays.size(); ++i)
    step.arguments[i] = {arrays[i].data(), int64_t(arrays[i].size()), {0, 0}};
  std::string error = run(kernelRow, step, drive);
  if (!error.empty())
    return error;
  if (!output.o.gapsIntact())
    return "o: bytes between the rows were written";
  for (size_t i = kernel->has_lse ? rows : 0; i < lse.size(); ++i)
    if (lse[i] != -12345.0f)
      return "lse: floats after the last row were written";
  output.lse.assign(lse.begin(), lse.begin() + (kernel->has_lse ? ptrdiff_t(rows) : 0));
  return {};
}

} // namespace kv
