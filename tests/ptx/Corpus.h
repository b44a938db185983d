// Corpus.h: the kernels of inputs/, each with a launch whose result is known.
#ifndef KV_TESTS_PTX_CORPUS_H
#define KV_TESTS_PTX_CORPUS_H

#include "Harness.h"

namespace kv::ptx::test {

struct Outcome {
  FaultKind kind = FaultKind::none;
  std::string text; // of the fault
  bool right = false;
  Statistics statistics;
};

/// The text of inputs/`name`.ptx.
std::string inputText(const std::string &name);

/// Launches `text`, which is inputs/`name`.ptx or a change of it, twice on the same buffers (a kernel has to leave them fit for
/// that). Names: reduce, pipeline, gemm, merge, bulk.
Outcome runCorpus(const std::string &name, const std::string &text, uint64_t seed);

} // namespace kv::ptx::test
#endif
