#include "compiler/targets/MachineCode.h"

#include "llvm/ADT/SmallSet.h"
#include "llvm/MC/MCContext.h"
#include "llvm/MC/MCDisassembler/MCDisassembler.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/TargetSelect.h"

#include <mutex>

using namespace llvm;

namespace kv {

static Error fail(const Twine &message) { return createStringError(inconvertibleErrorCode(), message); }

Expected<std::unique_ptr<MachineDescription>> MachineDescription::create(const Target &target) {
  static std::once_flag once;
  std::call_once(once, [] {
    InitializeAllTargetInfos();
    InitializeAllTargetMCs();
    InitializeAllDisassemblers();
  });
  auto made = std::make_unique<MachineDescription>();
  made->triple = Triple(target.triple);
  std::string message;
  made->backend = TargetRegistry::lookupTarget(made->triple, message);
  if (!made->backend)
    return fail("this LLVM knows no `" + target.triple + "`: " + message);
  const llvm::Target &backend = *made->backend;
  made->registers.reset(backend.createMCRegInfo(made->triple));
  made->assembler.reset(backend.createMCAsmInfo(*made->registers, made->triple, made->options));
  made->instructions.reset(backend.createMCInstrInfo());
  made->processor.reset(backend.createMCSubtargetInfo(made->triple, target.modelledCpu(), target.cpuFeatures));
  made->analysis.reset(backend.createMCInstrAnalysis(made->instructions.get()));
  made->printer.reset(backend.createMCInstPrinter(made->triple, 0, *made->assembler, *made->instructions, *made->registers));
  if (!made->processor->getSchedModel().hasInstrSchedModel())
    return fail("this LLVM has no model of `" + target.modelledCpu() + "`");
  return made;
}

bool MachineDescription::isProduct(const MCInst &code) const {
  const char *text = printer->getMnemonic(code).first;
  StringRef mnemonic = StringRef(text ? text : "").rtrim();
  if (mnemonic.starts_with("vfmadd") || mnemonic.starts_with("vfnmadd"))
    return mnemonic.ends_with("ps");
  return any_of(ArrayRef{"vpdp", "vdpbf16ps", "vpmadd", "sdot", "udot", "usdot", "sudot", "bfdot", "fmla", "fmad", "bfmla", "smmla",
                         "ummla", "usmmla", "bfmmla"},
                [&](const char *name) { return mnemonic.starts_with(name); });
}

void MachineDescription::findSpills(MachineFunction &function) const {
  // By their names: numbers of DWARF also stand for their halves.
  auto named = [&](StringRef name) {
    unsigned reg = 1;
    while (reg < registers->getNumRegs() && name != registers->getName(reg))
      ++reg;
    return MCRegister(reg);
  };
  MCRegister stack = named(triple.isX86() ? "RSP" : "SP"), frame = named(triple.isX86() ? "RBP" : "FP");
  auto isVector = [&](MCRegister reg) {
    return any_of(registers->regclasses(),
                  [&](const MCRegisterClass &one) { return one.getSizeInBits() >= 128 && one.contains(reg); });
  };
  // Registers that point into the frame, by the last definition in the block of code: slots far from the stack pointer are reached
  // through them. The frame pointer stays one: what restores it stands before a return.
  SmallSet<MCRegister, 8> pointers;
  pointers.insert(stack);
  bool hasFrame = false;
  for (MachineInstruction &instruction : function.instructions) {
    const MCInstrDesc &kind = instructions->get(instruction.code.getOpcode());
    bool memory = kind.mayLoad() || kind.mayStore(), onStack = false, vector = false;
    unsigned defined = kind.getNumDefs();
    for (const auto &[index, operand] : enumerate(instruction.code)) {
      if (!operand.isReg() || !operand.getReg())
        continue;
      onStack |= index >= defined && pointers.contains(operand.getReg());
      vector |= memory && isVector(operand.getReg());
    }
    instruction.spill = memory && onStack && vector;
    instruction.scalarSpill = memory && onStack && !vector;
    instruction.store = kind.mayStore() && !onStack && vector;
    for (unsigned index = 0; index < defined; ++index) {
      MCRegister reg = instruction.code.getOperand(index).getReg();
      hasFrame |= reg == frame && onStack && !memory;
      if (onStack && !memory && !vector)
        pointers.insert(reg);
      else if (reg != stack && !(reg == frame && hasFrame))
        pointers.erase(reg);
    }
    if (kind.isTerminator()) {
      pointers.clear();
      pointers.insert(stack);
      if (hasFrame)
        pointers.insert(frame);
    }
  }
}

Expected<std::vector<MachineFunction>> MachineDescription::disassemble(StringRef bytes) const {
  auto object = object::ObjectFile::createELFObjectFile(MemoryBufferRef(bytes, "object"));
  if (!object)
    return object.takeError();
  MCContext context(triple, assembler.get(), registers.get(), processor.get());
  std::unique_ptr<MCDisassembler> disassembler(backend->createMCDisassembler(*processor, context));
  std::vector<MachineFunction> functions;
  for (const object::ELFSymbolRef symbol : (*object)->symbols()) {
    if (symbol.getELFType() != ELF::STT_FUNC || !symbol.getSize())
      continue;
    auto name = symbol.getName();
    auto address = symbol.getAddress();
    auto section = symbol.getSection();
    if (!name || !address || !section)
      return joinErrors(joinErrors(name.takeError(), address.takeError()), section.takeError());
    auto contents = (*section)->getContents();
    if (!contents)
      return contents.takeError();
    MachineFunction function{name->str(), *address, {}};
    ArrayRef<uint8_t> code = arrayRefFromStringRef(*contents).slice(*address - (*section)->getAddress(), symbol.getSize());
    for (uint64_t offset = 0; offset < code.size();) {
      MachineInstruction instruction;
      instruction.address = *address + offset;
      if (disassembler->getInstruction(instruction.code, instruction.size, code.slice(offset), instruction.address, nulls()) !=
          MCDisassembler::Success)
        return fail("no instruction of `" + processor->getCPU() + "` stands at byte " + Twine(offset) + " of `" + function.name +
                    "`");
      instruction.product = isProduct(instruction.code);
      // A branch whose target only the linker knows has none here yet: it jumps to itself or to the next instruction.
      uint64_t target = 0;
      if (analysis->isBranch(instruction.code) &&
          analysis->evaluateBranch(instruction.code, instruction.address, instruction.size, target) &&
          target < instruction.address && target >= *address)
        instruction.jumpsBackTo = target;
      offset += instruction.size;
      function.instructions.push_back(std::move(instruction));
    }
    findSpills(function);
    functions.push_back(std::move(function));
  }
  return functions;
}

std::vector<MachineLoop> innermostLoops(const MachineFunction &function) {
  std::vector<MachineLoop> loops;
  const auto &instructions = function.instructions;
  for (const auto &[last, instruction] : enumerate(instructions)) {
    if (!instruction.jumpsBackTo)
      continue;
    size_t first = size_t(
        partition_point(instructions, [&](const MachineInstruction &other) { return other.address < *instruction.jumpsBackTo; }) -
        instructions.begin());
    bool inside = false;
    for (size_t index = first; index < last; ++index)
      inside |= instructions[index].jumpsBackTo && *instructions[index].jumpsBackTo >= instructions[first].address;
    if (!inside)
      loops.push_back({first, last});
  }
  return loops;
}

} // namespace kv
