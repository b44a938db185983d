#include "tests/unit/reference/MockKernel.h"

#include "compiler/reference/Places.h"
#include "compiler/reference/codecs/Integer.h"
#include "compiler/reference/codecs/Scalar.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <limits>
#include <map>

namespace kv {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

struct Mock {
  CacheSpec cache;
  KernelSpec spec;
  Fault fault;
  int64_t token; ///< that the fault is about
  std::deque<std::string> names;
  std::deque<std::vector<kv_argument_spec>> arguments; ///< of each kernel
  std::deque<kv_variant> variants;
  std::deque<kv_kernel> kernels;
} mock;

int32_t allRanges(const kv_step *step, int64_t seq, int64_t, int64_t, int64_t out[KV_MAX_RANGES][2]) {
  out[0][0] = 0, out[0][1] = step->seq_lens[seq];
  return 1;
}

int32_t causalRanges(const kv_step *step, int64_t seq, int64_t, int64_t end, int64_t out[KV_MAX_RANGES][2]) {
  out[0][0] = 0, out[0][1] = step->seq_lens[seq] - (step->query_start_loc[seq + 1] - step->query_start_loc[seq]) + end;
  return 1;
}

float element(const void *base, Element type, int64_t index) {
  uint32_t bits = 0;
  int64_t width = type == Element::f32 ? 4 : 2;
  std::memcpy(&bits, static_cast<const char *>(base) + index * width, size_t(width));
  return decodeScalar(type, bits);
}

uint8_t *page(const kv_step &step, int64_t number) { return static_cast<uint8_t *>(step.pages) + number * step.page_stride; }

int64_t pageNumber(const kv_step &step, int64_t seq, int64_t token) {
  int64_t index = token / mock.cache.map.slots;
  return step.block_table ? step.block_table[seq * step.block_table_stride + index] : seq;
}

bool isUsed(const kv_step &step, int64_t number) {
  for (int64_t seq = 0; seq < step.num_seqs; ++seq)
    for (int64_t token = 0; token < step.seq_lens[seq]; token += mock.cache.map.slots)
      if (pageNumber(step, seq, token) == number)
        return true;
  return false;
}

void put(uint8_t *page, const Region &region, int64_t h, int64_t t, int64_t d, uint32_t bits) {
  storeElement(page + region.offset, region.element(h, t, d), region.bits, bits);
}

uint32_t get(const uint8_t *page, const Region &region, int64_t h, int64_t t, int64_t d) {
  return loadElement(page + region.offset, region.element(h, t, d), region.bits);
}

struct Stream {
  Codec codec;
  int64_t dim;
  const Region &codes;
  const Region *scale, *zero;
};

Stream streamOf(kv::Stream stream) {
  const CacheType type = mock.cache.type;
  const PageMap &map = mock.cache.map;
  return {Codec(type.getCodec(stream)), type.getDim(stream), map.codes(stream), map.find(stream, RegionRole::scale),
          map.find(stream, RegionRole::zero)};
}
Stream keyStream() { return streamOf(kv::Stream::key); }
Stream valueStream() { return streamOf(kv::Stream::value); }

/// Codes of a symmetric group, wrongly.
void encodeBadly(const Codec &codec, const std::vector<float> &group, std::vector<uint32_t> &stored) {
  float most = 0, levels = float((1 << (codec.bits - 1)) - 1);
  for (float x : group)
    most = std::max(most, std::fabs(x));
  float scale = most / levels;
  if (mock.fault == Fault::roundsHalfUp)
    scale = roundTo(codec.scale, scale);
  if (codec.asym || !(scale > 0) || !std::isfinite(scale))
    return;
  for (size_t i = 0; i < group.size(); ++i) {
    float code = group[i] * (1 / scale);
    if (std::isnan(code))
      continue;
    code = mock.fault == Fault::roundsHalfUp ? std::floor(code + 0.5f) : std::nearbyint(code);
    stored[i] = uint32_t(int32_t(std::clamp(code, -levels, levels)) + int32_t(codec.bias)) & ((1u << codec.bits) - 1);
  }
}

void storeRow(const Stream &stream, uint8_t *to, int64_t head, int64_t slot, std::vector<float> row) {
  if (mock.fault == Fault::nanHidden)
    for (float &x : row)
      x = std::isnan(x) ? 0 : x;
  if (!stream.codec.integer) {
    for (int64_t d = 0; d < stream.dim; ++d)
      put(to, stream.codes, head, slot, d, encodeScalar(stream.codec.element, row[size_t(d)]));
    return;
  }
  for (int64_t group = 0; group < stream.dim / stream.codec.group; ++group) {
    std::vector<float> values(row.begin() + group * stream.codec.group, row.begin() + (group + 1) * stream.codec.group);
    std::vector<uint32_t> stored(values.size());
    GroupParameters parameters = encodeGroup(stream.codec, values, stored);
    if (mock.fault == Fault::roundsHalfUp || mock.fault == Fault::scaleNotRounded)
      encodeBadly(stream.codec, values, stored);
    for (size_t i = 0; i < stored.size(); ++i)
      put(to, stream.codes, head, slot, group * stream.codec.group + int64_t(i), stored[i]);
    put(to, *stream.scale, head, slot, group, parameters.scale);
    if (stream.zero)
      put(to, *stream.zero, head, slot, group, parameters.zero);
  }
}

std::vector<float> loadRow(const Stream &stream, const uint8_t *from, int64_t head, int64_t slot) {
  std::vector<float> row(static_cast<size_t>(stream.dim));
  if (!stream.codec.integer) {
    for (int64_t d = 0; d < stream.dim; ++d)
      row[size_t(d)] = decodeScalar(stream.codec.element, get(from, stream.codes, head, slot, d));
    return row;
  }
  const int64_t width = stream.codec.group;
  for (int64_t group = 0; group < stream.dim / width; ++group) {
    std::vector<uint32_t> stored;
    for (int64_t i = 0; i < width; ++i)
      stored.push_back(get(from, stream.codes, head, slot, group * width + i));
    GroupParameters parameters{get(from, *stream.scale, head, slot, group),
                               stream.zero ? get(from, *stream.zero, head, slot, group) : 0};
    decodeGroup(stream.codec, stored, parameters, {&row[size_t(group * width)], size_t(width)});
  }
  return row;
}

/// Stores tokens [query_begin, query_end) of the step, relative to the sequence's new tokens, for one kv head.
void appendItem(const kv_step *step, const kv_item *item) {
  const int64_t slots = mock.cache.map.slots, start = step->query_start_loc[item->seq];
  const int64_t first = step->seq_lens[item->seq] - (step->query_start_loc[item->seq + 1] - start);
  const Element type = static_cast<Element>(mock.spec.qType);
  for (int64_t query = item->query_begin; query < item->query_end; ++query) {
    int64_t number = 0, slot = (first + query) % slots;
    if (step->slot_mapping) {
      int64_t mapped = step->slot_mapping[start + query];
      if (mapped < 0)
        continue;
      number = mapped / slots;
      slot = mapped % slots;
    } else {
      number = pageNumber(*step, item->seq, first + query);
    }
    if (mock.fault == Fault::pageOffByOne)
      number = (number + 1) % step->num_pages;
    if (mock.fault == Fault::writesForeignPage)
      for (int64_t p = 0; p < step->num_pages; ++p)
        if (!isUsed(*step, p))
          page(*step, p)[0] += 1;
    auto row = [&](const void *base, int64_t tokenStride, int64_t headStride, int64_t dim) {
      std::vector<float> values;
      for (int64_t d = 0; d < dim; ++d)
        values.push_back(element(base, type, (start + query) * tokenStride + item->head * headStride + d));
      return values;
    };
    Stream key = keyStream(), value = valueStream();
    storeRow(key, page(*step, number), item->head, slot, row(step->k.data, step->k.token_stride, step->k.head_stride, key.dim));
    storeRow(value, page(*step, number), item->head, slot, row(step->v.data, step->v.token_stride, step->v.head_stride, value.dim));
  }
}

/// A row's result: maximum in units of log2, sum and accumulator relative to it.
struct Row {
  float maximum = -infinity, sum = 0;
  std::vector<float> acc;
};

void writeRow(const kv_step *step, int64_t token, int64_t head, Row row) {
  const bool lastHead = head == mock.spec.headsQ - 1;
  if (mock.fault == Fault::zeroedRow && lastHead && token == step->query_start_loc[step->num_seqs] - 1)
    std::fill(row.acc.begin(), row.acc.end(), 0.0f);
  const Element type = static_cast<Element>(mock.spec.oType);
  const int64_t width = type == Element::f32 ? 4 : 2, dim = int64_t(row.acc.size());
  int64_t count = dim + (mock.fault == Fault::writesPastRow ? 8 : 0);
  for (int64_t d = 0; d < count; ++d) {
    uint32_t bits = encodeScalar(type, row.sum == 0 || d >= dim ? 0.0f : row.acc[size_t(d)] / row.sum);
    std::memcpy(static_cast<char *>(const_cast<void *>(step->o.data)) +
                    (token * step->o.token_stride + head * step->o.head_stride + d) * width,
                &bits, size_t(width));
  }
  float log = (row.maximum + std::log2(row.sum)) * (mock.fault == Fault::wrongLse ? 1.0f : float(M_LN2));
  if (mock.fault == Fault::lseOff && lastHead)
    log *= 1.01f;
  if (step->lse)
    step->lse[token * mock.spec.headsQ + head] = row.sum == 0 ? -infinity : log;
}

void attendItem(const kv_step *step, const kv_item *item) {
  const int64_t slots = mock.cache.map.slots, start = step->query_start_loc[item->seq], length = step->seq_lens[item->seq];
  const int64_t first = length - (step->query_start_loc[item->seq + 1] - start);
  const int64_t headsQ = mock.spec.headsQ, group = headsQ / mock.cache.type.getHeads();
  const int64_t rows = (item->query_end - item->query_begin) * group;
  const Element type = static_cast<Element>(mock.spec.qType);
  Stream key = keyStream(), value = valueStream();
  std::map<std::pair<int64_t, int64_t>, std::vector<float>> keys, values; // by head and token
  auto load = [&](auto &rows, const Stream &stream, int64_t head, int64_t token) -> const std::vector<float> & {
    std::vector<float> &row = rows[{head, token}];
    if (row.empty())
      row = loadRow(stream, page(*step, pageNumber(*step, item->seq, token)), head, token % slots);
    return row;
  };
  for (int64_t index = 0; index < rows; ++index) {
    const int64_t query = item->query_begin + index / group, i = first + query;
    int64_t head = item->head * group + index % group;
    int64_t kvHead = mock.fault == Fault::wrongHead ? head % mock.cache.type.getHeads() : item->head;
    std::vector<float> q;
    for (int64_t d = 0; d < key.dim; ++d)
      q.push_back(element(step->q.data, type, (start + query) * step->q.token_stride + head * step->q.head_stride + d));
    std::vector<double> acc(static_cast<size_t>(value.dim));
    double sum = 0;
    Row row;
    row.acc.resize(acc.size());
    std::vector<double> scores;
    for (int64_t j = item->token_begin; j < item->token_end; ++j) {
      int64_t last = mock.spec.visible.differs() ? i + (mock.fault == Fault::maskIgnored ? 1 : 0) : length - 1;
      if (mock.fault == Fault::lostThird)
        last = std::min(last, std::min(i, length - 1) * 2 / 3);
      if (j > last || (mock.fault == Fault::lostToken && j == mock.token)) {
        scores.push_back(-INFINITY);
        continue;
      }
      const std::vector<float> &k = load(keys, key, kvHead, j);
      double s = 0;
      for (size_t d = 0; d < q.size(); ++d)
        s += double(q[d]) * k[d];
      s *= mock.spec.scale * (mock.fault == Fault::wrongScale ? 1.01 : 1);
      if (!mock.spec.params.empty())
        s += static_cast<const float *>(step->arguments[0].data)[mock.fault == Fault::ignoresParameter ? 0 : head] * double(j - i);
      scores.push_back(s);
      if (!(s <= row.maximum / M_LOG2E)) // NaN too
        row.maximum = float(s * M_LOG2E);
    }
    for (int64_t j = item->token_begin; j < item->token_end; ++j) {
      double s = scores[size_t(j - item->token_begin)];
      if (s == -INFINITY)
        continue;
      double p = std::exp2(s * M_LOG2E - row.maximum);
      if (mock.fault == Fault::neighbourMatters && item->seq > 0)
        p *= 1 + 1e-6 * double(j % 2);
      if (mock.fault == Fault::doubledToken && j == mock.token)
        p *= 2;
      int64_t from = j;
      if (mock.fault == Fault::swappedValues && (j == mock.token || j == mock.token + 1))
        from = 2 * mock.token + 1 - j;
      if (mock.fault == Fault::tokenOfNextPage && j % slots == slots - 1 && j + 1 < length)
        from = j + 1;
      const std::vector<float> &v = load(values, value, kvHead, from);
      sum += p;
      for (size_t d = 0; d < acc.size(); ++d)
        acc[d] += p * v[d];
    }
    if (mock.fault == Fault::slackRead && length % slots) {
      std::vector<float> v = loadRow(value, page(*step, pageNumber(*step, item->seq, length - 1)), kvHead, slots - 1);
      for (size_t d = 0; d < acc.size(); ++d)
        acc[d] += 0.0 * v[d];
    }
    row.sum = float(sum);
    row.acc.assign(acc.begin(), acc.end());
    if (!item->partial) {
      writeRow(step, start + query, head, row);
      continue;
    }
    auto *partial = static_cast<float *>(item->partial);
    partial[index] = row.maximum;
    partial[rows + index] = row.sum;
    std::copy(row.acc.begin(), row.acc.end(), partial + 2 * rows + index * value.dim);
  }
}

void fusedItem(const kv_step *step, const kv_item *item) {
  const int64_t queries = step->query_start_loc[item->seq + 1] - step->query_start_loc[item->seq];
  const int64_t first = step->seq_lens[item->seq] - queries;
  kv_item own = *item;
  own.query_begin = std::max<int64_t>(0, item->token_begin - first);
  own.query_end = std::min(queries, item->token_end - first);
  appendItem(step, &own);
  attendItem(step, item);
  if (mock.fault == Fault::fusedDiffers && !item->partial && step->lse) {
    float &lse = step->lse[step->query_start_loc[item->seq] * mock.spec.headsQ];
    lse = std::nextafter(lse, infinity);
  }
}

void mergeItem(const kv_step *step, const kv_item *item) {
  const int64_t group = mock.spec.headsQ / mock.cache.type.getHeads(), rows = (item->query_end - item->query_begin) * group;
  const int64_t dim = mock.cache.type.getValueDim(), count = item->num_partials - (mock.fault == Fault::lostSplit ? 1 : 0);
  const int64_t repeated = mock.fault == Fault::doubledSplit ? 1 : 0;
  for (int64_t index = 0; index < rows; ++index) {
    Row row;
    row.acc.resize(size_t(dim));
    auto partial = [&](int64_t n) { return static_cast<const float *>(item->partial) + n * rows * (dim + 2); };
    for (int64_t n = 0; n < count; ++n)
      if (!(partial(n)[index] <= row.maximum))
        row.maximum = partial(n)[index];
    for (int64_t turn = -repeated; turn < count; ++turn) {
      const int64_t n = std::max<int64_t>(turn, 0);
      float weight = partial(n)[index] == -infinity ? 0 : std::exp2(partial(n)[index] - row.maximum);
      row.sum += weight * partial(n)[rows + index];
      for (int64_t d = 0; d < dim; ++d)
        row.acc[size_t(d)] += weight * partial(n)[2 * rows + index * dim + d];
    }
    writeRow(step, step->query_start_loc[item->seq] + item->query_begin + index / group, item->head * group + index % group, row);
  }
}

} // namespace

void mockKernels(const ModuleSpec &module, Fault fault, int64_t splitTokens, int64_t queryBlock, int64_t token) {
  mock = {};
  mock.token = token;
  mock.cache = module.caches.front();
  mock.fault = fault;
  for (const KernelSpec &spec : module.kernels)
    if (spec.kind == KV_OP_ATTEND || mock.spec.name.empty())
      mock.spec = spec;
  for (const KernelSpec &spec : module.kernels) {
    mock.names.push_back(spec.name);
    bool appends = spec.kind != KV_OP_ATTEND, attends = spec.kind != KV_OP_APPEND;
    kv_variant variant{};
    variant.target = "mock";
    variant.run[KV_PHASE_APPEND] = appends ? appendItem : nullptr;
    variant.run[KV_PHASE_ATTEND] = !attends ? nullptr : appends ? fusedItem : attendItem;
    variant.run[KV_PHASE_MERGE] = attends ? mergeItem : nullptr;
    variant.split_tokens = splitTokens;
    variant.align_tokens = 1;
    variant.query_block = queryBlock;
    variant.item_heads = 1;
    variant.scratch_bytes = 64;
    variant.row_bytes = attends ? (mock.cache.type.getValueDim() + 2) * 4 : 0;
    mock.variants.push_back(variant);
    kv_kernel kernel{};
    kernel.struct_size = sizeof kernel;
    kernel.abi_version = KV_ABI_VERSION;
    kernel.name = mock.names.back().c_str();
    kernel.cache = mock.cache.name.c_str();
    kernel.op = spec.kind;
    kernel.q_type = spec.qType;
    kernel.o_type = spec.oType;
    kernel.has_lse = spec.hasLse;
    kernel.heads_q = spec.headsQ;
    kernel.heads_kv = mock.cache.type.getHeads();
    kernel.dim_k = mock.cache.type.getKeyDim();
    kernel.dim_v = mock.cache.type.getValueDim();
    kernel.num_streams = 2;
    kernel.stream_dims[0] = kernel.dim_k;
    kernel.stream_dims[1] = kernel.dim_v;
    kernel.tokens = mock.cache.tokens;
    kernel.page_bytes = mock.cache.map.bytes;
    kernel.min_queries = spec.minQueries;
    kernel.max_queries = spec.maxQueries;
    kernel.ranges = spec.visible && spec.visible.differs() ? causalRanges : allRanges;
    kernel.step_bytes = sizeof(kv_step);
    mock.arguments.emplace_back();
    for (const auto &[name, role] : spec.params)
      mock.arguments.back().push_back({mock.names.emplace_back(name).c_str(), KV_ARGUMENT_F32, int32_t(role), {KV_AXIS_HEADS_Q}});
    kernel.num_arguments = int64_t(spec.params.size());
    kernel.argument_size = sizeof(kv_argument_spec);
    kernel.arguments = mock.arguments.back().data();
    kernel.num_variants = 1;
    kernel.variant_size = sizeof(kv_variant);
    kernel.variants = &mock.variants.back();
    mock.kernels.push_back(kernel);
  }
}

const kv_kernel *mockKernel(llvm::StringRef name) {
  for (const kv_kernel &kernel : mock.kernels)
    if (name == kernel.name)
      return &kernel;
  return nullptr;
}

} // namespace kv
