#include "compiler/targets/LoopModel.h"

#include "compiler/targets/MachineCode.h"
#include "llvm/MCA/Context.h"
#include "llvm/MCA/CustomBehaviour.h"
#include "llvm/MCA/HWEventListener.h"
#include "llvm/MCA/InstrBuilder.h"
#include "llvm/MCA/Pipeline.h"
#include "llvm/MCA/Support.h"

#include <map>
#include <set>

using namespace llvm;

namespace kv {
namespace {

/// The iterations before the ones that count have this many instructions, several times what a processor holds in flight: the
/// steady state has neither a start nor an end.
constexpr size_t warmInstructions = 2000;
constexpr unsigned countedIterations = 100;

using Lowered = SmallVector<std::unique_ptr<mca::Instruction>>;

/// Notes the cycle in which the last instruction of the last warm and of the last counted iteration retired.
class SteadyState : public mca::HWEventListener {
public:
  explicit SteadyState(size_t instructions)
      : instructions(instructions), warmIterations(unsigned(divideCeil(warmInstructions, instructions))) {}

  unsigned iterations() const { return warmIterations + countedIterations; }
  double cycles() const { return double(end - begin) / countedIterations; }

  void onCycleEnd() override { ++cycle; }
  void onEvent(const mca::HWInstructionEvent &event) override {
    if (event.Type != mca::HWInstructionEvent::Retired)
      return;
    if (event.IR.getSourceIndex() + 1 == instructions * warmIterations)
      begin = cycle;
    if (event.IR.getSourceIndex() + 1 == instructions * iterations())
      end = cycle;
  }

private:
  size_t instructions;
  unsigned warmIterations;
  uint64_t cycle = 0, begin = 0, end = 0;
};

/// Sets the two bounds of cycles an iteration from what the instructions take of the model's units.
void setBounds(ArrayRef<std::unique_ptr<mca::Instruction>> loop, const MCSchedModel &model, LoopCost &cost) {
  SmallVector<uint64_t> masks(model.getNumProcResourceKinds());
  mca::computeProcResourceMasks(model, masks);
  SmallVector<unsigned> busy(masks.size());
  unsigned microOps = 0;
  for (const auto &instruction : loop) {
    microOps += instruction->getDesc().NumMicroOps;
    for (const auto &[mask, usage] : instruction->getDesc().Resources)
      busy[size_t(find(masks, mask) - masks.begin())] += usage.size();
  }
  cost.blockBound = mca::computeBlockRThroughput(model, model.IssueWidth, microOps, busy);

  // What can run on the units of a set alone takes at least its cycles over their number. The sets that matter are the unions of
  // the groups that some instruction chooses from. A group's mask has the bits of its units and, highest, one of its own.
  std::map<uint64_t, unsigned> demands;
  std::set<uint64_t> sets;
  for (size_t kind = 1; kind < masks.size(); ++kind)
    if (busy[kind])
      demands[model.getProcResource(kind)->SubUnitsIdxBegin ? masks[kind] ^ bit_floor(masks[kind]) : masks[kind]] += busy[kind];
  for (const auto &[units, cycles] : demands) {
    std::set<uint64_t> larger = {units};
    for (uint64_t other : sets)
      larger.insert(other | units);
    sets.merge(larger);
  }
  cost.bound = cost.blockBound;
  for (uint64_t set : sets) {
    unsigned work = 0, units = 0;
    for (const auto &[mask, cycles] : demands)
      work += (mask & ~set) ? 0 : cycles;
    for (size_t kind = 1; kind < masks.size(); ++kind)
      units += (masks[kind] & ~set) ? 0 : model.getProcResource(kind)->NumUnits;
    cost.bound = std::max(cost.bound, double(work) / units);
  }
}

Error simulate(ArrayRef<std::unique_ptr<mca::Instruction>> loop, const MachineDescription &machine, LoopCost &cost) {
  mca::Context context(*machine.registers, *machine.processor);
  SteadyState steady(loop.size());
  mca::CircularSourceMgr source(loop, steady.iterations());
  mca::CustomBehaviour behaviour(*machine.processor, source, *machine.instructions);
  // Zeros: as the model says. No alias: a loop stores to other memory than it loads.
  mca::PipelineOptions options(0, 0, 0, 0, 0, 0, /*NoAlias=*/true);
  std::unique_ptr<mca::Pipeline> pipeline = context.createDefaultPipeline(options, source, behaviour);
  pipeline->addEventListener(&steady);
  Expected<unsigned> cycles = pipeline->run();
  if (!cycles)
    return cycles.takeError();
  setBounds(loop, machine.processor->getSchedModel(), cost);
  cost.cycles = steady.cycles();
  return Error::success();
}

/// Counts the loop's instructions and models them. Leaves the cycles out, and says why, where the model cannot have them.
void model(ArrayRef<MachineInstruction> loop, const MachineDescription &machine, LoopCost &cost) {
  cost.instructions = loop.size();
  for (const MachineInstruction &instruction : loop) {
    cost.products += instruction.product;
    cost.spills += instruction.spill;
    cost.stores += instruction.store;
    cost.scalarSpills += instruction.scalarSpill;
    if (machine.analysis->isCall(instruction.code))
      cost.unmodelled = "holds a call";
    if (machine.analysis->isReturn(instruction.code))
      cost.unmodelled = "holds a return";
  }
  if (!cost.unmodelled.empty())
    return;
  mca::InstrumentManager noInstruments(*machine.processor, *machine.instructions, /*EnableInstruments=*/false);
  mca::InstrBuilder builder(*machine.processor, *machine.instructions, *machine.registers, machine.analysis.get(), noInstruments,
                            /*CallLatency=*/0);
  Lowered lowered;
  for (const MachineInstruction &instruction : loop) {
    auto made = builder.createInstruction(instruction.code, {});
    if (!made) {
      consumeError(made.takeError());
      cost.unmodelled = "no model of " + StringRef(machine.printer->getMnemonic(instruction.code).first).trim().str();
      return;
    }
    lowered.push_back(std::move(*made));
  }
  if (Error error = simulate(lowered, machine, cost))
    cost.unmodelled = toString(std::move(error));
}

} // namespace

Expected<std::vector<LoopCost>> modelLoops(StringRef object, const Target &target) {
  auto machine = MachineDescription::create(target);
  if (!machine)
    return machine.takeError();
  auto functions = (*machine)->disassemble(object);
  if (!functions)
    return functions.takeError();
  std::vector<LoopCost> costs;
  for (const MachineFunction &function : *functions)
    for (const MachineLoop &loop : innermostLoops(function)) {
      LoopCost &cost = costs.emplace_back();
      cost.function = function.name;
      cost.offset = function.instructions[loop.first].address - function.address;
      model(ArrayRef(function.instructions).slice(loop.first, loop.last - loop.first + 1), **machine, cost);
    }
  llvm::sort(costs, [](const LoopCost &a, const LoopCost &b) {
    return std::tuple(!a.isProduct(), b.instructions, StringRef(a.function), a.offset) <
           std::tuple(!b.isProduct(), a.instructions, StringRef(b.function), b.offset);
  });
  return costs;
}

} // namespace kv
