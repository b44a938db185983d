// Module.h: a parsed module. Instructions are decoded once, for warps: each holds a function that executes it for a mask of lanes.
#ifndef KV_TESTS_PTX_MODULE_H
#define KV_TESTS_PTX_MODULE_H

#include "Types.h"

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace kv::ptx {

class Warp;
struct Instruction;

constexpr unsigned warpSize = 32;
constexpr uint32_t allLanes = 0xffffffff;

/// One register of a warp: its bits, zero-extended, for every lane.
using Lanes = std::array<uint64_t, warpSize>;

/// Executes `instruction` for the lanes of `mask`; throws Fault.
using Handler = void (*)(Warp &warp, const Instruction &instruction, uint32_t mask);

/// Registers are rows of Lanes, predicates are masks of lanes. A constant or special operand is a row that nobody writes.
struct Operand {
  enum Kind : uint8_t { nothing, reg, predicate, constant, special, clock } kind = nothing;
  bool negated = false;  // of a predicate
  uint8_t bits = 0;      // of the register as declared
  uint32_t index = 0;    // of the register, predicate or special register
  const Lanes *row = {}; // constant
  int64_t offset = 0;    // added to an address
};

enum class Rounding : uint8_t { nearest, zero, down, up, nearestAway };
enum class Scope : uint8_t { cta, gpu }; // .cluster and .sys count as gpu
enum class Order : uint8_t { weak, relaxed, acquire, release, acquireRelease };

struct Instruction {
  Handler execute = nullptr;
  Operand guard;
  std::vector<Operand> operands; // vectors flattened
  Type type = Type::none;        // of the result
  Type from = Type::none;        // of the source of a conversion; second type of mixed instructions
  Space space = Space::generic;
  Rounding rounding = Rounding::nearest;
  Scope scope = Scope::gpu;
  Order order = Order::weak;
  uint8_t code = 0;   // which of a family: comparison, mode, operation
  uint8_t vector = 1; // elements of a vector access; registers of a matrix
  uint8_t combine = 0;
  bool flush = false, saturate = false, finite = false, nonCoherent = false, strong = false, relu = false;
  enum Flow : uint8_t { next, jump, leave } flow = next;
  int64_t immediate = 0;
  int32_t target = -1;     // of a branch: instruction index
  int32_t reconverge = -1; // of a branch: where both sides meet again; the number of instructions if nowhere
  unsigned line = 0;
  std::string text;
};

/// A variable of the module or of one kernel: .global, .const, .shared, .local; a parameter of a kernel.
struct Variable {
  std::string name;
  Space space = Space::global;
  int64_t bytes = 0, alignment = 1;
  bool dynamic = false;         // .extern .shared of unknown size
  std::vector<uint8_t> initial; // shorter than `bytes`: the rest is zero
  uint64_t address = 0;         // shared, local, param: in its window; global and const: when the module is loaded
  struct Use {
    Lanes *row; // a constant that holds `address` plus `addend`
    int64_t addend;
    unsigned bits;
  };
  std::vector<Use> uses;
  void place(uint64_t at); // sets `address` and all uses
};

struct Kernel {
  std::string name;
  std::vector<Instruction> code;
  std::vector<std::unique_ptr<Variable>> variables; // .local and .shared of its own
  std::vector<Variable> parameters;
  std::deque<Lanes> constants;
  unsigned registers = 0, predicates = 0;
  int64_t parameterBytes = 0, localBytes = 0;
  std::vector<std::pair<uint64_t, int64_t>> shared; // address and bytes of its static variables
  uint64_t sharedEnd = 0;                           // of the static variables
  uint64_t dynamicShared = 0;                       // where dynamic shared memory starts
  int64_t staticShared() const;
  std::array<unsigned, 3> maxThreads = {}, requiredThreads = {}; // 0: not said
};

struct Module {
  unsigned version = 0;  // 78 for 7.8
  unsigned target = 0;   // 90 for sm_90 and sm_90a
  bool specific = false; // sm_90a: for no other device
  std::vector<std::unique_ptr<Variable>> variables;
  std::map<std::string, std::unique_ptr<Kernel>, std::less<>> kernels;
  const void *owner = nullptr; // the Machine that it is loaded in

  const Kernel *find(std::string_view name) const;
};

constexpr uint64_t sharedStart = 0x400; // of a CTA's first variable in the shared space
constexpr uint64_t localStart = 0x100;
constexpr int64_t sharedGuard = 32; // bytes between two variables of shared memory that belong to neither
/// Where the spaces lie among generic addresses. No address of theirs is one of the host.
constexpr uint64_t globalWindow = 0x00d0'0000'0000'0000, sharedWindow = 0x00d8'0000'0000'0000;
constexpr uint64_t localWindow = 0x00d9'0000'0000'0000, parameterWindow = 0x00da'0000'0000'0000;
constexpr uint64_t windowSize = uint64_t(1) << 40;

struct ParseResult {
  std::unique_ptr<Module> module; // null after an error
  std::string error;              // "line 12: `foo.b32` is no instruction that this interpreter knows"
};

/// Decodes PTX text. Unknown instructions, operands of the wrong size, external functions and calls are errors.
ParseResult parseModule(std::string_view text);

} // namespace kv::ptx
#endif
