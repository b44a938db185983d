// Fault.h: what ends a launch that broke a rule.
#ifndef KV_TESTS_PTX_FAULT_H
#define KV_TESTS_PTX_FAULT_H

#include <array>
#include <cstdint>
#include <string>

namespace kv::ptx {

enum class FaultKind : uint8_t {
  none,
  badLaunch,     // unknown kernel, too many threads, parameters of the wrong size
  outOfBounds,   // no allocation holds all bytes of the access
  misaligned,    // the address is no multiple of the access
  uninitialised, // a register or a byte that nobody wrote
  race,          // two accesses without order, one of them a write
  asyncHazard,   // an access to what an asynchronous copy is reading or writing
  divergence,    // an instruction that needs the whole warp, or its named lanes, without them
  deadlock,      // nobody can go on, or the launch ran too long
  barrier,       // misuse of a barrier or an mbarrier
  trap,          // the kernel said so
};

struct Fault {
  FaultKind kind = FaultKind::none;
  std::string message; // what happened, without the place
  unsigned line = 0;   // in the PTX text; 0: no instruction
  std::string instruction, kernel;
  std::array<unsigned, 3> cta = {}, thread = {};
  bool hasAddress = false;
  uint64_t address = 0;

  /// "kernel `f` line 12, cta (0,0,0) thread (3,0,0): race: ... in `st.shared.f32 [%r1], %f2;`"
  std::string text() const;
};

const char *nameOf(FaultKind kind);

} // namespace kv::ptx
#endif
