#include "tests/bench/BenchRows.h"

#include <fmt/format.h>

namespace kv {
namespace {

struct Variation {
  const char *name, *file, *cache, *accuracy;
};

const Variation f16 = {"f16", "f16", "half", "high"}, bf16 = {"bf16", "bf16", "brain", "high"},
                f8Fast = {"f8e4m3_fast", "f8e4m3", "f8", "fast"}, f8High = {"f8e4m3_high", "f8e4m3", "f8", "high"},
                int8Fast = {"int8_fast", "int8", "int8", "fast"}, int8High = {"int8_high", "int8", "int8", "high"},
                int4Fast = {"int4_fast", "int4", "int4", "fast"}, int4High = {"int4_high", "int4", "int4", "high"};

class Rows {
public:
  std::vector<BenchRow> rows;

  void decode(const Variation &codec, int64_t context, int threads) {
    BenchRow row = step(codec, "", "step", threads);
    row.context = context;
    both(row, fmt::format("decode/{}/{}", codec.name, context));
  }

  void prefill(const Variation &codec, int64_t queries, int64_t context, int threads) {
    BenchRow row = step(codec, "", queries <= 8 ? "step" : "prompt", threads);
    row.context = context;
    row.queries = queries;
    add(row, fmt::format("prefill/{}/{}/{}", codec.name, queries, context), true);
  }

  void append(const Variation &codec, const char *name, int64_t tokens, int threads) {
    BenchRow row = step(codec, "", "", threads);
    row.kernel = fmt::format("{}_append", codec.cache);
    row.context = 1024;
    row.queries = tokens;
    both(row, fmt::format("append/{}/{}/{}", name, tokens, row.context));
  }

  /// `pageTokens` 0: dense.
  void batch(const Variation &codec, int64_t sequences, int64_t pageTokens, int threads) {
    BenchRow row = step(codec, pageTokens ? "" : "_dense", "step", threads);
    row.pageTokens = pageTokens;
    row.context = 2048;
    row.batch = sequences;
    row.mixedLengths = true;
    std::string layout = pageTokens ? fmt::format("paged({})", pageTokens) : "dense";
    add(row, fmt::format("batch/{}/{}/{}/{}", codec.name, sequences, row.context, layout), true);
  }

private:
  static BenchRow step(const Variation &codec, const char *layout, const char *attend, int threads) {
    BenchRow row;
    row.file = codec.file;
    row.kernel = fmt::format("{}{}_append_{}_{}", codec.cache, layout, attend, codec.accuracy);
    row.threads = threads;
    return row;
  }

  void add(BenchRow row, const std::string &name, bool cold) {
    row.cold = cold;
    row.name = fmt::format("{}/{}/threads:{}", name, cold ? "cold" : "hot", row.threads);
    rows.push_back(std::move(row));
  }

  void both(const BenchRow &row, const std::string &name) {
    add(row, name, true);
    add(row, name, false);
  }
};

} // namespace

std::vector<BenchRow> benchRows() {
  Rows all;
  // A number of threads has memory of its own to measure the bandwidth with: one after the other.
  for (int threads : {1, 2}) {
    for (const Variation &codec : {f16, bf16, f8Fast, f8High, int8Fast, int8High, int4Fast, int4High})
      for (int64_t context : {128, 512, 1024, 8192, 32768})
        all.decode(codec, context, threads);
    for (const Variation &codec : {f16, bf16, f8Fast, f8High, int8Fast, int8High, int4Fast, int4High}) {
      for (int64_t queries : {2, 4, 8, 16})
        all.prefill(codec, queries, 8192, threads);
      all.prefill(codec, 512, 4096, threads);
    }
    for (const auto &[codec, name] :
         {std::pair(f16, "f16"), {bf16, "bf16"}, {f8Fast, "f8e4m3"}, {int8Fast, "int8"}, {int4Fast, "int4"}})
      for (int64_t tokens : {1, 512})
        all.append(codec, name, tokens, threads);
    for (const Variation &codec : {f16, int8Fast, int4Fast})
      for (int64_t sequences : {1, 4, 16, 64})
        for (int64_t pageTokens : {0, 16, 64})
          all.batch(codec, sequences, pageTokens, threads);
  }
  return std::move(all.rows);
}

} // namespace kv
