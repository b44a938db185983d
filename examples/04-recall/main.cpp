// What a codec costs, seen without any model: can attention still tell near-copies apart?
//
// 1024 keys with outlier channels; 16 of them are near-copies of one needle. A query that equals one of the copies must bring back
// that copy's value and no other's. The keys are the same for every codec; f32 recalls all of them.
#include "common/example.h"
#include "recall.h"

#include <algorithm>
#include <iterator>

namespace {

constexpr int64_t tokens = 1024, copies = 16, heads = 8, dim = 128, trials = 8;
constexpr int64_t row = heads * dim;

struct Codec {
  const char *name;
  const kv_kernel *append, *recall;
};

const Codec codecs[] = {
    {"f32", &as_f32_append, &as_f32_recall},
    {"f16", &as_f16_append, &as_f16_recall},
    {"bf16", &as_bf16_append, &as_bf16_recall},
    {"f8e4m3", &as_f8e4m3_append, &as_f8e4m3_recall},
    {"i8 group(d:*)", &i8_row_append, &i8_row_recall},
    {"u8 group(d:*) asym", &u8_row_append, &u8_row_recall},
    {"i8 group(d:32)", &i8_g32_append, &i8_g32_recall},
    {"i4 group(d:*)", &i4_row_append, &i4_row_recall},
    {"i4 group(d:32)", &i4_g32_append, &i4_g32_recall},
    {"u4 group(d:32) asym", &u4_g32_append, &u4_g32_recall},
    {"k i8, v i4 group(d:32)", &i8_i4_append, &i8_i4_recall},
};

/// One haystack: keys and values of all tokens, where the copies are, and their queries.
struct Haystack {
  std::vector<float> keys, values, queries;
  std::vector<int64_t> places; ///< token of copy n, the same for every head

  explicit Haystack(unsigned seed) : keys(tokens * row), values(tokens * row), queries(copies * row) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (float &value : values)
      value = normal(random);
    std::vector<int64_t> order(tokens);
    for (int64_t i = 0; i < tokens; ++i)
      order[static_cast<size_t>(i)] = i;
    std::shuffle(order.begin(), order.end(), random);
    places.assign(order.begin(), order.begin() + copies);

    for (int64_t head = 0; head < heads; ++head) {
      auto outlier = [&](int64_t d) { return d % 32 == (7 * head + 3) % 32 ? 8.0f : 1.0f; };
      std::vector<float> needle(dim);
      for (int64_t d = 0; d < dim; ++d)
        needle[static_cast<size_t>(d)] = normal(random) * outlier(d);
      for (int64_t t = 0; t < tokens; ++t) {
        float *key = &keys[at(t, head, 0)];
        auto place = std::find(places.begin(), places.end(), t);
        double squares = 0;
        for (int64_t d = 0; d < dim; ++d) {
          float own = normal(random) * outlier(d);
          key[d] = place == places.end() ? own : needle[static_cast<size_t>(d)] + own / 8;
          squares += static_cast<double>(key[d]) * key[d];
        }
        // All keys get one length, so that each is the best match of itself.
        auto toLength = static_cast<float>(std::sqrt(dim * 4.0 / squares));
        for (int64_t d = 0; d < dim; ++d)
          key[d] *= toLength;
        if (place != places.end())
          for (int64_t d = 0; d < dim; ++d)
            queries[at(place - places.begin(), head, d)] = key[d] * 64;
      }
    }
  }

  static size_t at(int64_t token, int64_t head, int64_t channel) { return static_cast<size_t>(token * row + head * dim + channel); }
};

/// How many (head, copy) pairs bring back their own value.
int64_t countRecalled(const Codec &codec, const Haystack &haystack) {
  const kv_kernel &append = *codec.append;
  std::vector<uint8_t> memory(static_cast<size_t>(append.page_bytes * tokens / append.tokens.page_tokens) + 64);
  std::vector<int32_t> table(static_cast<size_t>(tokens / append.tokens.page_tokens));
  for (size_t i = 0; i < table.size(); ++i)
    table[i] = static_cast<int32_t>(i);
  std::vector<float> output(copies * row);

  kv_bounds bounds = {1, tokens, tokens, tokens};
  kv_bounds recallBounds = {1, copies, copies, tokens};
  int64_t workspaceBytes =
      std::max(kv_workspace_bytes(codec.append, nullptr, &bounds, 1), kv_workspace_bytes(codec.recall, nullptr, &recallBounds, 1));
  if (workspaceBytes < 0)
    example::require(KV_ERROR_WORKSPACE, codec.name);
  std::vector<uint8_t> workspace(static_cast<size_t>(workspaceBytes) + 64);
  auto aligned = [](std::vector<uint8_t> &bytes) {
    return reinterpret_cast<void *>((reinterpret_cast<uintptr_t>(bytes.data()) + 63) / 64 * 64);
  };

  int32_t length = tokens, startLoc[2] = {0, tokens};
  kv_step step;
  kv_step_init(&step);
  step.pages = aligned(memory);
  step.page_stride = append.page_bytes;
  step.num_pages = static_cast<int64_t>(table.size());
  step.num_seqs = 1;
  step.query_start_loc = startLoc;
  step.seq_lens = &length;
  step.block_table = table.data();
  step.block_table_stride = static_cast<int64_t>(table.size());
  step.k.data = haystack.keys.data();
  step.v.data = haystack.values.data();
  step.q.data = haystack.queries.data();
  step.o.data = output.data();
  step.q.token_stride = step.k.token_stride = step.v.token_stride = step.o.token_stride = row;
  step.q.head_stride = step.k.head_stride = step.v.head_stride = step.o.head_stride = dim;
  step.workspace = aligned(workspace);
  step.workspace_bytes = static_cast<int64_t>(workspace.size()) - 64;
  example::require(kv_run(codec.append, &step, nullptr), codec.name);
  startLoc[1] = copies;
  example::require(kv_run(codec.recall, &step, nullptr), codec.name);

  int64_t recalled = 0;
  for (int64_t head = 0; head < heads; ++head)
    for (int64_t n = 0; n < copies; ++n) {
      auto distance = [&](int64_t token) {
        double sum = 0;
        for (int64_t d = 0; d < dim; ++d) {
          double difference = output[Haystack::at(n, head, d)] - haystack.values[Haystack::at(token, head, d)];
          sum += difference * difference;
        }
        return sum;
      };
      int64_t nearest = 0;
      for (int64_t t = 1; t < tokens; ++t)
        if (distance(t) < distance(nearest))
          nearest = t;
      recalled += nearest == haystack.places[static_cast<size_t>(n)];
    }
  return recalled;
}

} // namespace

int main() {
  std::printf("%d near-copies of a needle among %d keys, %d heads, %d haystacks\n\n", int(copies), int(tokens), int(heads),
              int(trials));
  std::printf("%-24s %14s %10s\n", "codec", "bytes a token", "recalled");
  std::vector<int64_t> recalled(std::size(codecs));
  for (unsigned trial = 0; trial < trials; ++trial) {
    Haystack haystack(trial + 1);
    for (size_t i = 0; i < std::size(codecs); ++i)
      recalled[i] += countRecalled(codecs[i], haystack);
  }
  for (size_t i = 0; i < std::size(codecs); ++i)
    std::printf("%-24s %14.0f %8.1f %%\n", codecs[i].name,
                static_cast<double>(codecs[i].append->page_bytes) / static_cast<double>(codecs[i].append->tokens.page_tokens),
                100.0 * static_cast<double>(recalled[i]) / static_cast<double>(trials * heads * copies));
  return recalled[0] == trials * heads * copies ? 0 : 1;
}
