// Work driven by someone else's threads: an int4 cache is filled and attended in chunks by the program's own threads, each doing
// part i of n of every phase, with the program's own barrier. The results are the same bits for every number of threads.
//
//   example-03
#include "common/example.h"
#include "small.h"

#include <algorithm>
#include <barrier>
#include <cstring>
#include <thread>

namespace {

constexpr int64_t headsQ = 32, headsKv = 8, dim = 128, tokens = 400, chunk = 64;
constexpr int64_t keyRow = headsKv * dim, queryRow = headsQ * dim;

/// Pages in shuffled order: a page table may name any pages.
std::vector<int32_t> shuffledPages(int64_t count) {
  std::vector<int32_t> pages(static_cast<size_t>(count));
  for (size_t i = 0; i < pages.size(); ++i)
    pages[i] = static_cast<int32_t>(i);
  std::shuffle(pages.begin(), pages.end(), std::mt19937(7));
  return pages;
}

void *aligned(std::vector<uint8_t> &bytes) {
  return reinterpret_cast<void *>((reinterpret_cast<uintptr_t>(bytes.data()) + 63) / 64 * 64);
}

/// One step on `threads` threads of our own.
void runOnThreads(const kv_kernel &kernel, const kv_step &step, int32_t threads) {
  kv_status status = KV_OK;
  const kv_variant *variant = kv_select(&kernel, &status);
  example::require(status, "no variant runs here");
  example::require(kv_check(&kernel, variant, &step, threads), kernel.name);

  std::barrier barrier(threads);
  auto work = [&](int32_t part) {
    for (int32_t phase = 0; phase < KV_NUM_PHASES; ++phase) {
      if (kv_phase_items(&kernel, variant, &step, phase) == 0)
        continue; // the same for every thread
      example::require(kv_run_part(&kernel, variant, &step, phase, part, threads), kernel.name);
      barrier.arrive_and_wait();
    }
  };
  std::vector<std::thread> others;
  for (int32_t part = 1; part < threads; ++part)
    others.emplace_back(work, part);
  work(0);
  for (std::thread &other : others)
    other.join();
}

/// Sends the whole prompt through fused append+attend, `chunk` tokens at a time, and returns all outputs.
std::vector<float> runPrompt(const std::vector<float> &q, const std::vector<float> &k, const std::vector<float> &v,
                             int32_t threads) {
  const kv_kernel &kernel = small_append_chunk;
  std::vector<int32_t> table = shuffledPages((tokens + kernel.tokens.page_tokens - 1) / kernel.tokens.page_tokens);
  std::vector<uint8_t> memory(table.size() * static_cast<size_t>(kernel.page_bytes) + 64);
  kv_bounds bounds = {1, chunk, chunk, tokens};
  int64_t bytes = kv_workspace_bytes(&kernel, nullptr, &bounds, threads);
  if (bytes < 0)
    example::require(KV_ERROR_WORKSPACE, "workspace");
  std::vector<uint8_t> workspace(static_cast<size_t>(bytes) + 64);
  std::vector<float> output(q.size()), lse(static_cast<size_t>(tokens * headsQ));

  kv_step step;
  kv_step_init(&step);
  step.pages = aligned(memory);
  step.page_stride = kernel.page_bytes;
  step.num_pages = static_cast<int64_t>(table.size());
  step.num_seqs = 1;
  step.block_table = table.data();
  step.block_table_stride = static_cast<int64_t>(table.size());
  step.q.token_stride = step.o.token_stride = queryRow;
  step.k.token_stride = step.v.token_stride = keyRow;
  step.q.head_stride = step.k.head_stride = step.v.head_stride = step.o.head_stride = dim;
  step.workspace = aligned(workspace);
  step.workspace_bytes = bytes;
  for (int64_t done = 0; done < tokens; done += chunk) {
    int32_t startLoc[2] = {0, static_cast<int32_t>(std::min(chunk, tokens - done))};
    int32_t length = static_cast<int32_t>(done) + startLoc[1];
    step.query_start_loc = startLoc;
    step.seq_lens = &length;
    step.q.data = &q[static_cast<size_t>(done * queryRow)];
    step.k.data = &k[static_cast<size_t>(done * keyRow)];
    step.v.data = &v[static_cast<size_t>(done * keyRow)];
    step.o.data = &output[static_cast<size_t>(done * queryRow)];
    step.lse = &lse[static_cast<size_t>(done * headsQ)];
    runOnThreads(kernel, step, threads);
  }
  return output;
}

/// Relative error of one head's outputs against double precision on the unrounded inputs: mostly what int4 itself costs.
double errorOfHead(int64_t head, const std::vector<float> &q, const std::vector<float> &k, const std::vector<float> &v,
                   const std::vector<float> &o) {
  int64_t kvHead = head / (headsQ / headsKv);
  double squaredError = 0, squaredNorm = 0;
  for (int64_t i = 0; i < tokens; ++i) {
    std::vector<double> exact(dim), weights(static_cast<size_t>(i + 1));
    double most = -INFINITY, sum = 0;
    for (int64_t j = 0; j <= i; ++j) {
      double dot = 0;
      for (int64_t d = 0; d < dim; ++d)
        dot += static_cast<double>(q[static_cast<size_t>(i * queryRow + head * dim + d)]) *
               k[static_cast<size_t>(j * keyRow + kvHead * dim + d)];
      double score = 30 * std::tanh(dot / std::sqrt(static_cast<double>(dim)) / 30);
      weights[static_cast<size_t>(j)] = score;
      most = std::max(most, score);
    }
    for (double &weight : weights)
      sum += weight = std::exp(weight - most);
    for (int64_t d = 0; d < dim; ++d) {
      for (int64_t j = 0; j <= i; ++j)
        exact[static_cast<size_t>(d)] +=
            weights[static_cast<size_t>(j)] / sum * v[static_cast<size_t>(j * keyRow + kvHead * dim + d)];
      double difference = o[static_cast<size_t>(i * queryRow + head * dim + d)] - exact[static_cast<size_t>(d)];
      squaredError += difference * difference;
      squaredNorm += exact[static_cast<size_t>(d)] * exact[static_cast<size_t>(d)];
    }
  }
  return example::relativeError(squaredError, squaredNorm);
}

} // namespace

int main() {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  auto fill = [&](int64_t count) {
    std::vector<float> values(static_cast<size_t>(count));
    for (float &value : values)
      value = normal(random);
    return values;
  };
  std::vector<float> k = fill(tokens * keyRow), v = fill(tokens * keyRow), q = fill(tokens * queryRow);

  std::vector<float> one = runPrompt(q, k, v, 1);
  double error = errorOfHead(5, q, k, v, one);
  std::printf("%d tokens in chunks of %d, %.0f bytes a token (f16: %d)\n", int(tokens), int(chunk),
              static_cast<double>(small_append_chunk.page_bytes) / static_cast<double>(small_append_chunk.tokens.page_tokens),
              int(4 * keyRow));
  std::printf("error of int4 itself: %.2f relative RMS against attention on the unrounded inputs\n", error);
  bool same = true;
  for (int32_t threads : {2, 3, 8}) {
    std::vector<float> many = runPrompt(q, k, v, threads);
    same &= std::memcmp(one.data(), many.data(), one.size() * sizeof(float)) == 0;
  }
  std::printf("1, 2, 3 and 8 threads: %s\n", same ? "the same bits" : "different bits");
  return same && error < 0.3 ? 0 : 1;
}
