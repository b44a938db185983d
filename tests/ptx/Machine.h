// Machine.h: device memory, and launches of kernels that stop at the first broken rule.
#ifndef KV_TESTS_PTX_MACHINE_H
#define KV_TESTS_PTX_MACHINE_H

#include "Fault.h"
#include "Module.h"

#include <optional>
#include <span>

namespace kv::ptx {

class DeviceMemory;

struct Dim3 {
  unsigned x = 1, y = 1, z = 1;
  unsigned count() const { return x * y * z; }
};

/// How mma adds. The hardware's order is not documented; kernels must not depend on it, and tests may vary it.
enum class MmaOrder : uint8_t {
  exact,      // all products and the accumulator in float64 by increasing k, rounded once to the accumulator's type
  sequential, // float32: accumulator first, one rounding after each product, by increasing k
  reversed,   // the same by decreasing k
};

struct Options {
  MmaOrder mmaOrder = MmaOrder::exact;
  uint64_t instructionLimit = 50'000'000; // warp instructions of a launch, spinning included
  int64_t sharedLimit = 227 * 1024;       // bytes of shared memory a CTA may have
  bool races = true;                      // find data races
  bool copyUndefined = false;             // mov and selp may copy a register that nobody wrote; only using it is a fault
};

struct Statistics {
  uint64_t instructions = 0; // warp instructions
  uint64_t warps = 0;
  uint64_t divergentBranches = 0;
  uint64_t bankConflicts = 0;   // extra cycles of ld.shared, st.shared, ldmatrix and stmatrix
  uint64_t sharedAccesses = 0;  // such instructions
  uint64_t globalLoadBytes = 0; // ld.global and the sources of asynchronous copies, by lane
  uint64_t globalStoreBytes = 0;
};

/// One device. Not for several threads at once.
class Machine {
public:
  explicit Machine(Options options = {});
  ~Machine();
  Machine(const Machine &) = delete;
  Machine &operator=(const Machine &) = delete;

  /// A device address, a multiple of `alignment`; no neighbour is within a megabyte. The bytes are uninitialised.
  uint64_t allocate(int64_t bytes, int64_t alignment = 256);
  bool free(uint64_t address);
  /// False where the range is not inside one allocation. copyOut also reads bytes that nobody wrote (they are 0xcd).
  bool copyIn(uint64_t to, const void *from, int64_t bytes);
  bool copyOut(void *to, uint64_t from, int64_t bytes) const;
  bool copy(uint64_t to, uint64_t from, int64_t bytes);
  bool fill(uint64_t to, uint8_t byte, int64_t bytes);
  /// Whether every byte of the range is in one allocation and was written.
  bool initialised(uint64_t from, int64_t bytes) const;

  /// Allocates and initialises the module's global and constant variables; the first launch does it too.
  void load(Module &module);
  void unload(Module &module);

  /// Runs a grid to its end. `parameters` are the kernel's parameters in order, each in as many bytes as declared. The seed chooses
  /// the order of warps and CTAs, how long each runs, and which side of a divergent branch goes first; seed 0 is the plain order.
  std::optional<Fault> launch(Module &module, std::string_view kernel, Dim3 grid, Dim3 block, int64_t sharedBytes,
                              const std::vector<std::vector<uint8_t>> &parameters, uint64_t seed = 0);

  const Statistics &statistics() const { return stats; } // of the last launch
  DeviceMemory &memory() { return *device; }
  Options options;

private:
  std::unique_ptr<DeviceMemory> device;
  Statistics stats;
  uint32_t launches = 0;
};

/// A parameter's bytes.
template <class T> std::vector<uint8_t> parameter(const T &value) {
  const auto *bytes = reinterpret_cast<const uint8_t *>(&value);
  return {bytes, bytes + sizeof(T)};
}

} // namespace kv::ptx
#endif
