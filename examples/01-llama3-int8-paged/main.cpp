// A decode loop as an inference engine runs it: the geometry of Llama-3-8B, int8 cache, pages of 16 tokens that all layers share.
//
// Fills a prompt of 4096 tokens, takes 256 fused append+attend steps, and says what that cost in error, memory and time, beside the
// same steps on an f16 cache.
//
//   example-01 [threads = 1] [layers = 32] [steps = 256]
#include "common/example.h"
#include "llama3.h"
#include "llama3_f16.h"

#include <algorithm>
#include <memory>

namespace {

constexpr int64_t headsQ = 32, headsKv = 8, dim = 128, prompt = 4096, chunk = 512;
constexpr int64_t keyRow = headsKv * dim, queryRow = headsQ * dim;

struct PageDeleter {
  void operator()(kv_pages *pages) const { kv_pages_destroy(pages); }
};

/// One sequence in all layers of a model. A page of the pool holds 16 tokens of every layer, one layer after another: layer l of
/// page p starts at base + p * stride + l * page_bytes, which is what kv_step.page_stride is for.
class Model {
public:
  Model(const kv_kernel &append, const kv_kernel &step, int64_t layers, int64_t tokens, const kv_executor &executor)
      : append(append), decode(step), layers(layers), executor(executor) {
    int64_t count = (tokens + step.tokens.page_tokens - 1) / step.tokens.page_tokens;
    kv_pages *made = nullptr;
    example::require(kv_pages_create(step.page_bytes * layers, count, &made), "page pool");
    pages.reset(made);
    table.resize(static_cast<size_t>(count));
    example::require(kv_pages_allocate(pages.get(), count, table.data()), "pages");

    kv_bounds bounds = {1, chunk, chunk, tokens};
    int64_t bytes = std::max(kv_workspace_bytes(&append, nullptr, &bounds, executor.threads),
                             kv_workspace_bytes(&step, nullptr, &bounds, executor.threads));
    if (bytes < 0)
      example::require(KV_ERROR_WORKSPACE, "workspace");
    workspace.resize(static_cast<size_t>(bytes) + 64);
  }

  /// Stores `count` tokens in every layer.
  void store(const uint16_t *k, const uint16_t *v, int64_t count) { run(append, nullptr, k, v, nullptr, count); }

  /// Stores one token and attends from it, in every layer; `o` is left by the last one.
  void step(const uint16_t *q, const uint16_t *k, const uint16_t *v, uint16_t *o) { run(decode, q, k, v, o, 1); }

  const void *memory() const { return kv_pages_base(pages.get()); }
  size_t memoryBytes() const { return static_cast<size_t>(kv_pages_stride(pages.get()) * kv_pages_count(pages.get())); }
  int64_t length() const { return seqLen; }

private:
  void run(const kv_kernel &kernel, const uint16_t *q, const uint16_t *k, const uint16_t *v, uint16_t *o, int64_t count) {
    seqLen += static_cast<int32_t>(count);
    int32_t startLoc[2] = {0, static_cast<int32_t>(count)};
    kv_step step;
    kv_step_init(&step);
    step.page_stride = kv_pages_stride(pages.get());
    step.num_pages = kv_pages_count(pages.get());
    step.num_seqs = 1;
    step.query_start_loc = startLoc;
    step.seq_lens = &seqLen;
    step.block_table = table.data();
    step.block_table_stride = static_cast<int64_t>(table.size());
    step.q.data = q;
    step.k.data = k;
    step.v.data = v;
    step.o.data = o;
    step.q.token_stride = step.o.token_stride = queryRow;
    step.k.token_stride = step.v.token_stride = keyRow;
    step.q.head_stride = step.k.head_stride = step.v.head_stride = step.o.head_stride = dim;
    step.workspace = reinterpret_cast<void *>((reinterpret_cast<uintptr_t>(workspace.data()) + 63) / 64 * 64);
    step.workspace_bytes = static_cast<int64_t>(workspace.size()) - 64;
    for (int64_t layer = 0; layer < layers; ++layer) {
      step.pages = static_cast<uint8_t *>(kv_pages_base(pages.get())) + layer * kernel.page_bytes;
      example::require(kv_run(&kernel, &step, &executor), kernel.name);
    }
  }

  const kv_kernel &append, &decode;
  int64_t layers;
  kv_executor executor;
  std::unique_ptr<kv_pages, PageDeleter> pages;
  std::vector<int32_t> table;
  std::vector<uint8_t> workspace;
  int32_t seqLen = 0;
};

/// What the cache holds, by the definition of `i8 group(d:*)`, and attention over it in double precision.
class Reference {
public:
  void store(const uint16_t *k, const uint16_t *v, int64_t count) {
    roundTrip(k, count, keys);
    roundTrip(v, count, values);
    length += count;
  }

  /// Adds the squared difference between `o` and exact attention of one query at the last token, and the squared norm.
  void compare(const uint16_t *q, const uint16_t *o, double &squaredError, double &squaredNorm) const {
    for (int64_t head = 0; head < headsQ; ++head) {
      int64_t kvHead = head / (headsQ / headsKv);
      std::vector<double> weights(static_cast<size_t>(length));
      double most = -INFINITY, sum = 0;
      for (int64_t j = 0; j < length; ++j) {
        double dot = 0;
        for (int64_t d = 0; d < dim; ++d)
          dot +=
              static_cast<double>(example::fromHalf(q[head * dim + d])) * keys[static_cast<size_t>(j * keyRow + kvHead * dim + d)];
        weights[static_cast<size_t>(j)] = dot / std::sqrt(static_cast<double>(dim));
        most = std::max(most, weights[static_cast<size_t>(j)]);
      }
      for (double &weight : weights)
        sum += weight = std::exp(weight - most);
      for (int64_t d = 0; d < dim; ++d) {
        double exact = 0;
        for (int64_t j = 0; j < length; ++j)
          exact += weights[static_cast<size_t>(j)] * values[static_cast<size_t>(j * keyRow + kvHead * dim + d)];
        exact /= sum;
        double difference = example::fromHalf(o[head * dim + d]) - exact;
        squaredError += difference * difference;
        squaredNorm += exact * exact;
      }
    }
  }

private:
  static void roundTrip(const uint16_t *halves, int64_t count, std::vector<float> &decoded) {
    for (int64_t group = 0; group < count * headsKv; ++group) {
      const uint16_t *x = halves + group * dim;
      float largest = 0;
      for (int64_t d = 0; d < dim; ++d)
        largest = std::max(largest, std::fabs(example::fromHalf(x[d])));
      float scale = largest / 127.0f, inverse = scale == 0 ? 0 : 1.0f / scale;
      for (int64_t d = 0; d < dim; ++d)
        decoded.push_back(std::clamp(std::nearbyint(example::fromHalf(x[d]) * inverse), -127.0f, 127.0f) * scale);
    }
  }

  std::vector<float> keys, values;
  int64_t length = 0;
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<int64_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

} // namespace

int main(int argc, char **argv) {
  auto argument = [&](int i, int fallback) { return argc > i ? std::max(1, std::atoi(argv[i])) : fallback; };
  int threads = argument(1, 1), layers = argument(2, 32), steps = argument(3, 256);

  kv_pool *pool = nullptr;
  example::require(kv_pool_create(threads, &pool), "thread pool");
  kv_executor executor = kv_pool_executor(pool);
  kv_status status = KV_OK;
  const kv_variant *variant = kv_select(&llama3_append_decode, &status);
  example::require(status, "no variant runs here");
  std::printf("llama3: %d layers, %d query heads on %d kv heads of %d channels; target %s, %d thread%s\n", layers, int(headsQ),
              int(headsKv), int(dim), variant->target, threads, threads == 1 ? "" : "s");

  // Keys with outlier channels, which is what makes them hard to quantise; the same for every layer.
  std::vector<uint16_t> k = example::randomHalves(prompt + steps, headsKv, dim, 8.0f, 1);
  std::vector<uint16_t> v = example::randomHalves(prompt + steps, headsKv, dim, 2.0f, 2);
  std::vector<uint16_t> q = example::randomHalves(steps, headsQ, dim, 1.0f, 3);
  std::vector<uint16_t> o(queryRow);

  Model int8(llama3_append, llama3_append_decode, layers, prompt + steps, executor);
  Model half(llama3_f16_append, llama3_f16_append_decode, layers, prompt + steps, executor);
  Reference reference;
  for (int64_t at = 0; at < prompt; at += chunk) {
    int8.store(&k[static_cast<size_t>(at * keyRow)], &v[static_cast<size_t>(at * keyRow)], chunk);
    half.store(&k[static_cast<size_t>(at * keyRow)], &v[static_cast<size_t>(at * keyRow)], chunk);
  }
  reference.store(k.data(), v.data(), prompt);
  std::printf("prompt:    %d tokens stored\n", int(prompt));

  // Both caches take each step in turn, so that noise of the machine meets both. The yardstick is read in between.
  std::vector<double> int8Times, halfTimes;
  double bandwidth = 0, squaredError = 0, squaredNorm = 0;
  for (int64_t i = 0; i < steps; ++i) {
    const uint16_t *key = &k[static_cast<size_t>((prompt + i) * keyRow)], *value = &v[static_cast<size_t>((prompt + i) * keyRow)];
    const uint16_t *query = &q[static_cast<size_t>(i * queryRow)];
    double start = example::seconds();
    half.step(query, key, value, o.data());
    double middle = example::seconds();
    int8.step(query, key, value, o.data());
    int8Times.push_back(example::seconds() - middle);
    halfTimes.push_back(middle - start);
    reference.store(key, value, 1);
    if (i % 64 == 0 || i == steps - 1) {
      reference.compare(query, o.data(), squaredError, squaredNorm);
      bandwidth = std::max(bandwidth, example::readBandwidth(half.memory(), half.memoryBytes(), executor, 1));
    }
  }

  auto bytesPerToken = [](const kv_kernel &kernel) {
    return static_cast<double>(kernel.page_bytes) / static_cast<double>(kernel.tokens.page_tokens);
  };
  double int8Bytes = bytesPerToken(llama3_append_decode), halfBytes = bytesPerToken(llama3_f16_append_decode);
  double int8Step = median(int8Times) / layers, halfStep = median(halfTimes) / layers;
  double rate = int8Bytes * (prompt + steps / 2.0) / int8Step;
  std::printf("steps:     %d, each stores one token and attends from it, in every layer\n", steps);
  std::printf("error:     %.1e relative RMS against float64 on the stored cache (promised: 1.0e-03 and f16's rounding)\n",
              example::relativeError(squaredError, squaredNorm));
  std::printf("memory:    %.0f bytes a token and layer, f16 %.0f: %.2f times as much\n", int8Bytes, halfBytes,
              halfBytes / int8Bytes);
  std::printf("time:      %.1f us a step and layer, f16 %.1f us: %.2f times as long\n", int8Step * 1e6, halfStep * 1e6,
              halfStep / int8Step);
  std::printf("bandwidth: %.1f GB/s of cache bytes, %.0f %% of the streaming read of %.1f GB/s\n", rate * 1e-9,
              100 * rate / bandwidth, bandwidth * 1e-9);
  kv_pool_destroy(pool);
}
