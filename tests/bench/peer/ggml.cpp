// ggml.cpp: times `ggml_flash_attn_ext` of a ggml library on the processor, in the way llama.cpp calls it: f32 queries of 32
// heads, K and V of 8 heads of 128 channels with a token's heads side by side, slots padded to 256, an f16 mask. peers.py builds it
// against the headers and the library of ggml or of a fork.
//
//   peer-ggml --type q8_0 --context 8192 [--threads 1] [--queries 1] [--mode cold,hot] [--seconds 0.5] [--tokens FILE]
//
// Prints a line of JSON for each mode. Assumes that the queries are the last tokens of the context. Before it measures anything it
// holds the first and the last query's results to float64 on the decoded cache, so that what it times is the whole work. With a
// file of tokens (f32: q [queries][32][128], then k and v [context][8][128] each) it attends those, and `error` is against float64
// on the file's own numbers, so that what the codec forgets is in it.
#include "ggml.h"
#if __has_include("ggml-cpu.h") // newer ones: the processor's part has a header of its own, and thread pools
#include "ggml-cpu.h"
#endif
#ifndef GGML_KQ_MASK_PAD // rows that the mask's queries are padded to
#define GGML_KQ_MASK_PAD 1
#endif

#include "tools/kvcc/Stopwatch.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace {

constexpr int64_t headsQ = 32, headsKv = 8, dim = 128, rowElements = headsKv * dim;
const float scale = 1.0f / std::sqrt(static_cast<float>(dim));
const std::map<std::string, ggml_type> types = {
    {"f16", GGML_TYPE_F16}, {"bf16", GGML_TYPE_BF16}, {"q8_0", GGML_TYPE_Q8_0}, {"q4_0", GGML_TYPE_Q4_0}};

[[noreturn]] void fail(const std::string &message) {
  std::fprintf(stderr, "peer-ggml: %s\n", message.c_str());
  std::exit(1);
}

/// Memory as `kvcc bench` takes it: large pieces in huge pages where the system has them, small ones side by side.
char *allocate(size_t bytes) {
  constexpr size_t hugePage = size_t(2) << 20;
  const size_t unit = bytes < hugePage / 2 ? 64 : hugePage;
  bytes = (bytes / unit + 1) * unit;
  void *memory = std::aligned_alloc(unit, bytes);
  if (!memory)
    fail("the system has no " + std::to_string(bytes) + " bytes of memory");
  if (unit == hugePage)
    madvise(memory, bytes, MADV_HUGEPAGE);
  std::memset(memory, 0, bytes);
  return static_cast<char *>(memory);
}

/// Bytes read before a cache is read again that should come from memory: four times the last-level cache, 1 GB at least.
size_t coldBytes() { return std::max(size_t(1) << 30, 4 * static_cast<size_t>(std::max(0L, sysconf(_SC_LEVEL3_CACHE_SIZE)))); }
/// No more memory than this for copies of the cache.
constexpr size_t mostBytes = size_t(3) << 30;

struct Options {
  std::string typeName;
  ggml_type type;
  int64_t context, queries;
  int threads;
  bool cold, hot; ///< what is measured
  double seconds;
  std::string tokens; ///< a file; empty: numbers of its own
};

#if __has_include("ggml-cpu.h")
/// The pool lives as long as the program: no step starts a thread.
ggml_cplan makePlan(ggml_cgraph *graph, int threads) {
  ggml_threadpool_params pool = ggml_threadpool_params_default(threads);
  return ggml_graph_plan(graph, threads, ggml_threadpool_new(&pool));
}
auto traitsOf(ggml_type type) { return *ggml_get_type_traits(type); }
#else
ggml_cplan makePlan(ggml_cgraph *graph, int threads) { return ggml_graph_plan(graph, threads); }
auto traitsOf(ggml_type type) { return ggml_internal_get_type_traits(type); }
#endif

/// One attend and copies of the cache that it can read.
class Attend {
public:
  explicit Attend(const Options &options);

  /// Seconds of a step, over `count` steps.
  kv::Sample run(int count, bool cold);
  /// Relative RMS error of the first and the last query against float64 on the decoded cache.
  double error();
  /// The same against float64 on the numbers that were stored.
  double errorOfTokens() { return errorAgainst(keysGiven, valuesGiven); }
  double bytesPerStep() const { return 2.0 * static_cast<double>(options.context) * static_cast<double>(rowBytes); }
  /// Of both products, over the pairs that the mask leaves.
  double operations() const {
    double pairs = 0;
    for (int64_t i = 0; i < options.queries; ++i)
      pairs += static_cast<double>(visible(i));
    return 4.0 * pairs * headsQ * dim;
  }

private:
  /// Tokens that a query sees: those up to its own.
  int64_t visible(int64_t query) const { return options.context - options.queries + query + 1; }
  std::vector<double> expected(const std::vector<float> &keys, const std::vector<float> &values, int64_t query, int64_t head) const;
  ggml_tensor *makeHeads(ggml_type type, int64_t tokens, int64_t heads);
  void fillCaches();
  void makeNumbers();
  double errorAgainst(const std::vector<float> &keys, const std::vector<float> &values) const;

  Options options;
  int64_t slots = 0, copies = 1, next = 0;
  size_t rowBytes = 0, halfBytes = 0; ///< of a token's K; of all slots' K
  char *caches = nullptr;
  std::vector<float> keysGiven, valuesGiven; ///< [context][8][128]
  ggml_context *context = nullptr;
  ggml_tensor *q = nullptr, *k = nullptr, *v = nullptr, *o = nullptr;
  ggml_cgraph *graph = nullptr;
  ggml_cplan plan = {};
};

Attend::Attend(const Options &options) : options(options) {
  slots = GGML_PAD(options.context, 256);
  rowBytes = ggml_row_size(options.type, rowElements);
  halfBytes = static_cast<size_t>(slots) * rowBytes;
  context = ggml_init({/*mem_size=*/size_t(1) << 20, /*mem_buffer=*/nullptr, /*no_alloc=*/true});
  q = makeHeads(GGML_TYPE_F32, options.queries, headsQ);
  k = makeHeads(options.type, slots, headsKv);
  v = makeHeads(options.type, slots, headsKv);
  ggml_tensor *mask = ggml_new_tensor_2d(context, GGML_TYPE_F16, slots, GGML_PAD(options.queries, GGML_KQ_MASK_PAD));
  mask->data = allocate(ggml_nbytes(mask));
  for (int64_t i = 0; i < mask->ne[1]; ++i) { // rows that pad it are as long as the last query's
    auto *row = static_cast<ggml_fp16_t *>(mask->data) + i * slots;
    std::fill(row + visible(std::min(i, options.queries - 1)), row + slots, ggml_fp32_to_fp16(-INFINITY));
  }
  o = ggml_flash_attn_ext(context, q, k, v, mask, scale, 0.0f, 0.0f);
  ggml_flash_attn_ext_set_prec(o, GGML_PREC_F32);
  o->data = allocate(ggml_nbytes(o));
  q->data = allocate(ggml_nbytes(q));
  makeNumbers();
  fillCaches();
  graph = ggml_new_graph_custom(context, 16, false);
  ggml_build_forward_expand(graph, o);
  plan = makePlan(graph, options.threads);
  plan.work_data = reinterpret_cast<uint8_t *>(allocate(plan.work_size));
}

/// [dim, tokens, heads] as flash attention takes it, of rows that hold a token's heads side by side.
ggml_tensor *Attend::makeHeads(ggml_type type, int64_t tokens, int64_t heads) {
  ggml_tensor *tensor = ggml_new_tensor_3d(context, type, dim, tokens, heads);
  tensor->nb[1] = ggml_row_size(type, dim * heads);
  tensor->nb[2] = ggml_row_size(type, dim);
  tensor->nb[3] = tensor->nb[1] * static_cast<size_t>(tokens);
  return tensor;
}

/// The file's, or normal values, every 37th channel of K eight times as large.
void Attend::makeNumbers() {
  auto *queries = static_cast<float *>(q->data);
  const int64_t queryElements = options.queries * headsQ * dim;
  for (std::vector<float> *numbers : {&keysGiven, &valuesGiven})
    numbers->resize(static_cast<size_t>(options.context * rowElements));
  if (!options.tokens.empty()) {
    std::ifstream file(options.tokens, std::ios::binary);
    auto read = [&](float *to, size_t count) {
      file.read(reinterpret_cast<char *>(to), static_cast<std::streamsize>(count * sizeof(float)));
    };
    read(queries, static_cast<size_t>(queryElements));
    read(keysGiven.data(), keysGiven.size());
    read(valuesGiven.data(), valuesGiven.size());
    if (!file)
      fail("`" + options.tokens + "` does not hold so many tokens");
    return;
  }
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::generate_n(queries, queryElements, [&] { return normal(random); });
  for (std::vector<float> *numbers : {&keysGiven, &valuesGiven})
    for (int64_t token = 0; token < options.context; ++token)
      for (int64_t c = 0; c < rowElements; ++c)
        (*numbers)[static_cast<size_t>(token * rowElements + c)] =
            normal(random) * (numbers == &keysGiven && c % 37 == 0 ? 8.0f : 1.0f);
}

/// All copies hold the same.
void Attend::fillCaches() {
  size_t bytes = 2 * halfBytes;
  if (options.cold)
    copies = std::max<int64_t>(2, static_cast<int64_t>(std::min(coldBytes() / bytes + 1, mostBytes / bytes)));
  caches = allocate(bytes * static_cast<size_t>(copies));
  for (bool isKey : {true, false})
    for (int64_t token = 0; token < options.context; ++token) {
      const float *row = (isKey ? keysGiven : valuesGiven).data() + token * rowElements;
      char *there = caches + (isKey ? 0 : halfBytes) + static_cast<size_t>(token) * rowBytes;
      traitsOf(options.type).from_float_ref(row, there, rowElements);
    }
  for (int64_t copy = 1; copy < copies; ++copy)
    std::memcpy(caches + static_cast<size_t>(copy) * bytes, caches, bytes);
}

kv::Sample Attend::run(int count, bool cold) {
  kv::Stopwatch watch(options.threads);
  for (int i = 0; i < count; ++i) {
    k->data = caches + static_cast<size_t>(cold ? next : 0) * 2 * halfBytes;
    v->data = static_cast<char *>(k->data) + halfBytes;
    next = cold ? (next + 1) % copies : next;
    if (ggml_graph_compute(graph, &plan) != GGML_STATUS_SUCCESS)
      fail("`ggml_graph_compute` does not succeed");
  }
  return watch.stop();
}

/// The row of `o` of one query's head.
std::vector<double> Attend::expected(const std::vector<float> &keys, const std::vector<float> &values, int64_t query,
                                     int64_t head) const {
  const float *here = static_cast<float *>(q->data) + (query * headsQ + head) * dim;
  const int64_t first = head / (headsQ / headsKv) * dim;
  std::vector<double> weights(static_cast<size_t>(visible(query))), result(dim);
  for (size_t token = 0; token < weights.size(); ++token) {
    const float *key = keys.data() + static_cast<int64_t>(token) * rowElements + first;
    for (int64_t d = 0; d < dim; ++d)
      weights[token] += static_cast<double>(here[d]) * key[d];
    weights[token] *= scale;
  }
  double largest = *std::max_element(weights.begin(), weights.end()), sum = 0;
  for (double &weight : weights)
    sum += weight = std::exp(weight - largest);
  for (size_t token = 0; token < weights.size(); ++token) {
    const float *value = values.data() + static_cast<int64_t>(token) * rowElements + first;
    for (int64_t d = 0; d < dim; ++d)
      result[static_cast<size_t>(d)] += weights[token] / sum * value[d];
  }
  return result;
}

double Attend::error() {
  run(1, false);
  const int64_t elements = options.context * rowElements;
  std::vector<float> keys(static_cast<size_t>(elements)), values(keys);
  traitsOf(options.type).to_float(caches, keys.data(), elements);
  traitsOf(options.type).to_float(caches + halfBytes, values.data(), elements);
  return errorAgainst(keys, values);
}

double Attend::errorAgainst(const std::vector<float> &keys, const std::vector<float> &values) const {
  double wrong = 0, all = 0;
  for (int64_t query : {int64_t(0), options.queries - 1})
    for (int64_t head = 0; head < headsQ; ++head) {
      const float *got = static_cast<float *>(o->data) + (query * headsQ + head) * dim;
      for (double right : expected(keys, values, query, head)) {
        wrong += (*got - right) * (*got - right);
        all += right * right;
        ++got;
      }
    }
  return std::sqrt(wrong / all);
}

Options parse(int argc, char **argv) {
  std::map<std::string, std::string> given = {{"--type", ""},         {"--context", "0"},   {"--threads", "1"}, {"--queries", "1"},
                                              {"--mode", "cold,hot"}, {"--seconds", "0.5"}, {"--tokens", ""}};
  for (int i = 1; i < argc; i += 2) {
    if (!given.count(argv[i]) || i + 1 == argc)
      fail("expected pairs of an option and its value, got `" + std::string(argv[i]) + "`");
    given[argv[i]] = argv[i + 1];
  }
  auto type = types.find(given["--type"]);
  if (type == types.end())
    fail("expected `--type` f16, bf16, q8_0 or q4_0, got `" + given["--type"] + "`");
  auto measures = [&](const char *mode) { return given["--mode"].find(mode) != std::string::npos; };
  Options options = {type->first,
                     type->second,
                     std::atoll(given["--context"].c_str()),
                     std::atoll(given["--queries"].c_str()),
                     std::atoi(given["--threads"].c_str()),
                     measures("cold"),
                     measures("hot"),
                     std::atof(given["--seconds"].c_str()),
                     given["--tokens"]};
  if (options.queries < 1 || options.context < options.queries || options.threads < 1)
    fail("expected `--threads` of 1 or more and a `--context` that holds 1 or more `--queries`");
  return options;
}

/// Seconds of a step as `kvcc bench` takes them: samples of a millisecond or of a step, whichever is longer; preempted ones again.
kv::Samples measure(Attend &attend, bool cold, double seconds) {
  auto take = [&](int count) {
    kv::Sample sample = kv::undisturbed([&] { return attend.run(count, cold); });
    sample.seconds /= count;
    return sample;
  };
  int count = static_cast<int>(std::clamp(1e-3 / take(3).seconds, 1.0, 10000.0));
  kv::Samples samples;
  double end = kv::now() + seconds;
  while (samples.size() < 7 || kv::now() < end)
    samples.add(take(count));
  return samples;
}

} // namespace

int main(int argc, char **argv) {
  const Options options = parse(argc, argv);
  Attend attend(options);
  double error = attend.error();
  if (!(error < 0.1))
    fail("the result is wrong: relative RMS error " + std::to_string(error));
  if (!options.tokens.empty())
    error = attend.errorOfTokens();
  for (bool cold : {true, false}) {
    if (!(cold ? options.cold : options.hot))
      continue;
    kv::Samples samples = measure(attend, cold, options.seconds);
    double seconds = samples.median();
    std::printf("{\"type\": \"%s\", \"context\": %lld, \"threads\": %d, \"queries\": %lld, \"mode\": \"%s\", ",
                options.typeName.c_str(), static_cast<long long>(options.context), options.threads,
                static_cast<long long>(options.queries), cold ? "cold" : "hot");
    std::printf("\"us\": %.3f, \"spread\": %.3f, \"preempted\": %d, \"bytes\": %.0f, \"gflops\": %.1f, \"error\": %.2e}\n",
                seconds * 1e6, samples.spread(), samples.preempted(), attend.bytesPerStep(), attend.operations() / seconds * 1e-9,
                error);
  }
  return 0;
}
