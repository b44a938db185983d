// The rows of kv_bench: what is timed, in which sizes, under which names.
#ifndef KV_TESTS_BENCH_BENCHROWS_H
#define KV_TESTS_BENCH_BENCHROWS_H

#include <cstdint>
#include <string>
#include <vector>

namespace kv {

struct BenchRow {
  std::string name;       ///< "decode/int8_fast/8192/cold/threads:1"
  std::string file;       ///< of the folder, without ending: "int8"
  std::string kernel;     ///< "int8_append_step_fast"
  int64_t pageTokens = 0; ///< 0: the file's own
  int64_t context = 1, batch = 1, queries = 1;
  bool mixedLengths = false; ///< `context` is the longest sequence's
  int threads = 1;
  bool cold = false;
};

/// All rows; those that share a case, such as the cold and the hot one, lie side by side.
///
///   decode/CODEC/CONTEXT/MODE/threads:T                a step of one sequence and one query
///   prefill/CODEC/QUERIES/CONTEXT/MODE/threads:T       a step of one sequence and several queries
///   append/CODEC/TOKENS/CONTEXT/MODE/threads:T         tokens stored, none attended
///   batch/CODEC/SEQUENCES/CONTEXT/LAYOUT/MODE/threads:T   sequences of a quarter of the context to all of it, one query each
///
/// CODEC says the accuracy where a codec is timed in two: int8_fast, int8_high. Steps append what they attend, as an engine's do.
std::vector<BenchRow> benchRows();

} // namespace kv

#endif
