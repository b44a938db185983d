// The machine code of an object, read back: instructions and innermost loops, for reports of what a target's code costs.
#ifndef KV_TARGETS_MACHINECODE_H
#define KV_TARGETS_MACHINECODE_H

#include "compiler/targets/Target.h"
#include "llvm/MC/MCAsmInfo.h"
#include "llvm/MC/MCInst.h"
#include "llvm/MC/MCInstPrinter.h"
#include "llvm/MC/MCInstrAnalysis.h"
#include "llvm/MC/MCInstrInfo.h"
#include "llvm/MC/MCRegisterInfo.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/Support/Error.h"

namespace llvm {
class Target;
}

namespace kv {

struct MachineInstruction {
  llvm::MCInst code;
  uint64_t address = 0, size = 0;      ///< bytes; the address is in its section
  bool product = false;                ///< multiplies vectors and accumulates
  bool spill = false;                  ///< loads or stores a vector of 16 bytes or more in the function's stack frame
  bool scalarSpill = false;            ///< the same of anything smaller
  bool store = false;                  ///< stores a vector elsewhere
  std::optional<uint64_t> jumpsBackTo; ///< an address; of backward branches
};

struct MachineFunction {
  std::string name;
  uint64_t address = 0;
  std::vector<MachineInstruction> instructions; ///< in order of addresses
};

/// Instructions `first` to `last`, both inclusive, of a function: what a backward branch jumps over, itself included, when no other
/// backward branch lies inside. Blocks that run on some rounds only are in it, those that were placed elsewhere are not.
struct MachineLoop {
  size_t first, last;
};
std::vector<MachineLoop> innermostLoops(const MachineFunction &function);

/// LLVM's description of the instructions of a target, as executed by the processor that Target::modelledCpu() names.
class MachineDescription {
public:
  static llvm::Expected<std::unique_ptr<MachineDescription>> create(const Target &target);

  /// All functions of an object, in its order. An error where the bytes are no instructions.
  llvm::Expected<std::vector<MachineFunction>> disassemble(llvm::StringRef object) const;

  llvm::Triple triple;
  llvm::MCTargetOptions options;
  std::unique_ptr<llvm::MCRegisterInfo> registers;
  std::unique_ptr<llvm::MCAsmInfo> assembler;
  std::unique_ptr<llvm::MCInstrInfo> instructions;
  std::unique_ptr<llvm::MCSubtargetInfo> processor;
  std::unique_ptr<llvm::MCInstrAnalysis> analysis;
  std::unique_ptr<llvm::MCInstPrinter> printer;

private:
  const llvm::Target *backend = nullptr;

  bool isProduct(const llvm::MCInst &code) const;
  void findSpills(MachineFunction &function) const;
};

} // namespace kv

#endif
