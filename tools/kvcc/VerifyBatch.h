// A batch in memory as an engine would have it, made unpleasant: pages in random order with foreign ones between, poison wherever
// nothing was stored, padded strides, canaries around every output.
#ifndef KV_TOOLS_KVCC_VERIFYBATCH_H
#define KV_TOOLS_KVCC_VERIFYBATCH_H

#include "compiler/reference/PageImage.h"
#include "tools/kvcc/Execution.h"
#include "tools/kvcc/VerifyInputs.h"

#include <cmath>
#include <memory>
#include <memory_resource>

namespace kv {

/// Bytes aligned to 64.
class Bytes {
public:
  Bytes() = default;
  explicit Bytes(int64_t size, std::pmr::memory_resource *source = std::pmr::new_delete_resource())
      : count(size), memory(static_cast<uint8_t *>(source->allocate(room(size), 64)), Free{source, room(size)}) {}
  uint8_t *data() const { return memory.get(); }
  int64_t size() const { return count; }

private:
  static size_t room(int64_t size) { return size_t(size + 64) / 64 * 64; }
  struct Free {
    std::pmr::memory_resource *source;
    size_t room;
    void operator()(uint8_t *bytes) const { source->deallocate(bytes, room, 64); }
  };
  int64_t count = 0;
  std::unique_ptr<uint8_t[], Free> memory;
};

/// Equal to the bit, +0 and -0 apart. One NaN is as good as another: IEEE leaves sign and payload to the order of operands, which
/// two kernels compiled apart may choose differently.
inline bool sameBits(double x, double y) { return std::isnan(x) ? std::isnan(y) : x == y && std::signbit(x) == std::signbit(y); }

/// [tokens][heads][channels] of a float type with room between the rows.
class VerifyTensor {
public:
  VerifyTensor() = default;
  VerifyTensor(Element type, int64_t tokens, int64_t heads, int64_t dim, Random &random, std::pmr::memory_resource *source);

  void *data() const { return bytes.data(); }
  void set(int64_t token, int64_t head, const float *row);
  double get(int64_t token, int64_t head, int64_t channel) const;
  /// True while nothing was written between the rows.
  bool gapsIntact() const;
  bool operator==(const VerifyTensor &other) const;

  int64_t tokenStride = 0, headStride = 0; ///< elements

private:
  uint8_t *row(int64_t token, int64_t head) const { return bytes.data() + (token * tokenStride + head * headStride) * width; }

  Element type = Element::f32;
  int64_t tokens = 0, heads = 0, dim = 0, width = 4;
  Bytes bytes;
};

/// What an attend leaves.
struct StepOutput {
  VerifyTensor o;
  std::vector<float> lse;

  bool operator==(const StepOutput &other) const;
};

class VerifyBatch {
public:
  /// Pages for sequences of these lengths, where the execution's kernels reach them. Slots, foreign pages and unused entries of the
  /// table hold poison.
  VerifyBatch(Execution &execution, const CacheSpec &cache, const std::vector<SequenceData> &sequences, Random &random);

  PagedMemory memory(int64_t sequence) const;
  uint8_t *pages() const { return pageBytes.data(); }
  int64_t bytes() const { return pageBytes.size(); }
  /// A copy of all pages, and back.
  void save(Bytes &copy) const;
  void restore(const Bytes &copy);
  /// The first page that belongs to no sequence and differs from `before`, or one whose padding does.
  std::optional<std::string> foreignChange(const Bytes &before) const;

  /// Appends tokens [from[b], to[b]) of each sequence; `mapped`, by slot_mapping and shuffled. Empty when all went well.
  std::string append(const Runnable &row, const std::vector<int64_t> &from, const std::vector<int64_t> &to, Drive drive,
                     bool mapped);
  /// Attends (or appends and attends) the queries of each sequence.
  std::string attend(const Runnable &row, const std::vector<std::vector<float>> &params, Drive drive, StepOutput &output);

private:
  struct Ragged {
    explicit Ragged(std::pmr::memory_resource *source) : starts(source), lengths(source), slots(source) { starts.push_back(0); }
    std::pmr::vector<int32_t> starts, lengths;
    std::pmr::vector<int64_t> slots;
  };
  kv_step makeStep(const Ragged &ragged, bool mapped) const;
  void bindTokens(kv_step &step, const kv_kernel *kernel, const std::vector<int64_t> &from, const std::vector<int64_t> &to,
                  VerifyTensor &k, VerifyTensor &v, const std::vector<int64_t> &order); ///< rows of the tokens; empty: in turn
  std::string run(const Runnable &row, kv_step &step, Drive drive);

  Execution &execution;
  const CacheSpec &cache;
  const std::vector<SequenceData> &sequences;
  Random &random;
  Bytes pageBytes;
  int64_t stride, numPages = 0, tableStride = 1;
  std::pmr::vector<int32_t> table;
  std::vector<bool> owned;
  bool tableless = false; ///< dense: sequence b in page b, and no table
};

} // namespace kv

#endif
