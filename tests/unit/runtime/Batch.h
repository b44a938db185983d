// Batch.h: a batch for the fake kernel, with everything a step points to. The workspace is exactly as large as it must be.
#ifndef KVRT_TESTS_BATCH_H
#define KVRT_TESTS_BATCH_H

#include "fake.h"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

namespace kv::test {

struct Free {
  void operator()(void *pointer) const { free(pointer); }
};
using Block = std::unique_ptr<void, Free>;

inline Block allocate(int64_t bytes) {
  void *pointer = nullptr;
  if (posix_memalign(&pointer, 64, bytes > 0 ? bytes : 1) != 0)
    abort();
  return Block(pointer);
}

struct Batch {
  // Of each sequence: tokens in the cache with the new ones, and new tokens.
  struct Sequence {
    int32_t length, queries;
  };

  Batch(std::vector<Sequence> sequences, unsigned seed = 1) : sequences(std::move(sequences)), random(seed) {
    kv_step_init(&step);
    starts.push_back(0);
    int64_t numPages = 3; // a few that nobody uses
    int64_t stride = 1;
    for (const Sequence &sequence : this->sequences) {
      starts.push_back(starts.back() + sequence.queries);
      lengths.push_back(sequence.length);
      const int64_t pages = (sequence.length + FAKE_PAGE_TOKENS - 1) / FAKE_PAGE_TOKENS;
      numPages += pages;
      stride = std::max(stride, pages);
    }
    std::vector<int32_t> order(numPages);
    for (int64_t i = 0; i < numPages; ++i)
      order[i] = i;
    std::shuffle(order.begin(), order.end(), random);
    table.assign(this->sequences.size() * stride, -1);
    int64_t next = 0;
    for (size_t b = 0; b < this->sequences.size(); ++b)
      for (int64_t i = 0; i * FAKE_PAGE_TOKENS < this->sequences[b].length; ++i)
        table[b * stride + i] = order[next++];
    pages = allocate(numPages * FAKE_PAGE_BYTES);
    float *memory = static_cast<float *>(pages.get());
    std::normal_distribution<float> normal;
    for (int64_t i = 0; i < numPages * FAKE_PAGE_BYTES / 4; ++i)
      memory[i] = normal(random);
    const int64_t tokens = starts.back();
    q = fill(tokens * FAKE_HEADS_Q * FAKE_DIM_K);
    k = fill(tokens * FAKE_HEADS_KV * FAKE_DIM_K);
    v = fill(tokens * FAKE_HEADS_KV * FAKE_DIM_V);
    o.assign(tokens * FAKE_HEADS_Q * FAKE_DIM_V, -7);
    lse.assign(tokens * FAKE_HEADS_Q, -7);

    step.pages = pages.get();
    step.page_stride = FAKE_PAGE_BYTES;
    step.num_pages = numPages;
    step.num_seqs = this->sequences.size();
    step.query_start_loc = starts.data();
    step.seq_lens = lengths.data();
    step.block_table = table.data();
    step.block_table_stride = stride;
    step.q = tensor(q, FAKE_HEADS_Q, FAKE_DIM_K);
    step.k = tensor(k, FAKE_HEADS_KV, FAKE_DIM_K);
    step.v = tensor(v, FAKE_HEADS_KV, FAKE_DIM_V);
    step.o = tensor(o, FAKE_HEADS_Q, FAKE_DIM_V);
    step.lse = lse.data();
  }

  void sizeWorkspace(const kv_kernel &kernel, int32_t threads) {
    step.workspace_bytes = kv_step_workspace_bytes(&kernel, variantOf(kernel), &step, threads);
    workspace = allocate(step.workspace_bytes);
    step.workspace = workspace.get();
  }

  static const kv_variant *variantOf(const kv_kernel &kernel) { return &kernel.variants[1]; }

  std::vector<char> cacheBytes() const {
    const char *bytes = static_cast<const char *>(pages.get());
    return std::vector<char>(bytes, bytes + step.num_pages * step.page_stride);
  }

  kv_step step;
  std::vector<Sequence> sequences;
  std::mt19937 random;
  std::vector<int32_t> starts, lengths, table;
  std::vector<float> q, k, v, o, lse;
  Block pages, workspace;

private:
  std::vector<float> fill(int64_t count) {
    std::normal_distribution<float> normal;
    std::vector<float> values(count);
    for (float &value : values)
      value = normal(random);
    return values;
  }
  static kv_tensor tensor(std::vector<float> &values, int64_t heads, int64_t dim) { return {values.data(), heads * dim, dim}; }
};

} // namespace kv::test
#endif
