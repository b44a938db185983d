// Scene.h: one step of a compiled cache, from nothing: allocate, fill the prefixes by append, run the step, collect what it made.
//
// A test is then two scenes that must agree. Every value comes from the sequence's id, the token's position, the head and the
// channel, so a sequence has the same inputs in any batch.
#ifndef KV_TESTS_E2E_SCENE_H
#define KV_TESTS_E2E_SCENE_H

#include "Memory.h"
#include "kv/kv.h"

#include <string>
#include <vector>

namespace kv::e2e {

/// The kernels of one cache and one of its attends.
struct Kernels {
  const char *name;
  const kv_kernel *append, *attend, *fused;
  bool ends; // the best variant that runs here and the last one, instead of all
};

/// Every compiled cache of this program; made by CMake.
const std::vector<Kernels> &allKernels();

struct Sequence {
  uint64_t id;
  int32_t length;  // in the end
  int32_t queries; // of the step
  int32_t whole = 0; // its length in the end, of a part of it
};

enum class Prefix { atOnce, tokenByToken, skipped, none }; // how a cache is filled; with the last two that is all

struct Options {
  const char *target = "generic";
  bool fused = true;              // or append, then attend
  Prefix prefix = Prefix::atOnce; // skipped: appended, with -1 for every slot
  bool noTable = false;           // dense: block_table null, sequence b in page b
  bool slotMapping = false;       // append through slot_mapping
  bool spacedTensors = false;     // strides larger than they must be, heads outermost
  bool guarded = false;           // each page between guards, free pages not accessible, inputs read only
  Side side = Side::right;
  Poison poison = Poison::zero; // cache, o, lse and workspace beforehand
  unsigned pageOrder = 1;
  int64_t pageSpread = 1;  // page numbers are multiples of this
  int64_t extraStride = 0; // bytes between pages
  const kv_executor *executor = nullptr;
  bool dead = false;   // pages that no query of the step sees are gone before it: closed if guarded, and no entry names them
  int32_t nanAt = 0;   // keys and values of the token so far from the end are NaN; 0: none
  bool sparse = false; // pages may be larger than memory: they start as the system gives them, zeros, and are not collected
};

struct Outcome {
  kv_status status = KV_OK;
  std::string error; // of a status that is not KV_OK, or of a fault
  struct OfSequence {
    std::vector<uint8_t> o, lse;
    std::vector<uint8_t> pages; // in the order of the sequence
  };
  std::vector<OfSequence> sequences;
};

/// Whether query `query` of the sequence's step sees token `token`, as the kernel's `ranges` says.
bool isSeen(const kv_kernel &kernel, const Sequence &sequence, int32_t query, int32_t token);

Outcome play(const Kernels &kernels, const std::vector<Sequence> &sequences, const Options &options);

/// Lengths around the page, the split and the query block, from nothing to the longest that is reasonable.
std::vector<Sequence> typicalSequences(const Kernels &kernels, const char *target);

/// The tensors of a step for some tokens of each sequence, and the step that points to them; `play` uses two of these.
class StepTensors {
public:
  StepTensors(const Kernels &kernels, const std::vector<Sequence> &tokens, const Options &options);
  void attach(kv_step &step) const;
  int64_t rows() const { return total; }
  std::vector<uint8_t> outputOf(size_t sequence, bool lse) const;

private:
  void fillInput(const Buffer &buffer, const std::vector<Sequence> &tokens, int64_t heads, int64_t dim, uint64_t salt) const;
  void strides(int64_t heads, int64_t dim, int64_t &token, int64_t &head) const;

  const kv_kernel &kernel;
  bool spaced;
  int32_t nanAt;
  int64_t total = 0;
  std::vector<int64_t> starts;
  Buffer q, k, v, o, lse, params, startLoc, lengths;
};

} // namespace kv::e2e
#endif
