#include "tools/kvcc/Report.h"

#include "compiler/support/Json.h"
#include "compiler/targets/LoopModel.h"
#include "tools/kvcc/Output.h"
#include "tools/kvcc/Ptxas.h"

using nlohmann::json;

namespace kv {
namespace {

int64_t sharedBytes(const Compiled &compiled, const std::string &target, const std::string &entry) {
  int64_t shared = 0;
  for (const DeviceVariant &variant : compiled.deviceVariants)
    if (variant.target == target && llvm::is_contained(variant.entries, entry))
      shared = std::max(shared, variant.sharedBytes);
  return shared;
}

/// Where the ratio of a product loop is worst; null without such loops.
const LoopCost *worstProducts(const std::vector<LoopCost> &loops) {
  const LoopCost *worst = nullptr;
  for (const LoopCost &loop : loops)
    if (loop.isProduct() && loop.unmodelled.empty() && (!worst || loop.ratio() > worst->ratio()))
      worst = &loop;
  return worst;
}

void printLoops(const Target &target, const std::vector<LoopCost> &loops) {
  const LoopCost *worst = worstProducts(loops);
  printOut("{:<56} {:>7} {:>12} {:>8} {:>6} {:>6} {:>6} {:>6} {:>6} {:>5}\n", target.name() + " on " + target.modelledCpu(), "at",
           "instructions", "products", "spills", "scalar", "block", "bound", "cycles", "ratio");
  for (const LoopCost &loop : loops) {
    printOut("{:<56} {:>7} {:>12} {:>8} {:>6} {:>6} ", loop.function, fmt::format("+{:#x}", loop.offset), loop.instructions,
             loop.products, loop.spills, loop.scalarSpills);
    if (loop.unmodelled.empty())
      printOut("{:>6.1f} {:>6.1f} {:>6.1f} {:>5.2f}{}\n", loop.blockBound, loop.bound, loop.cycles, loop.ratio(),
               &loop == worst ? " worst" : "");
    else
      printOut("not modelled: {}\n", loop.unmodelled);
  }
}

json loopRow(const Target &target, const LoopCost &loop) {
  json row = {{"target", target.name()},
              {"model", target.modelledCpu()},
              {"function", loop.function},
              {"offset", loop.offset},
              {"products", loop.products},
              {"spills", loop.spills},
              {"scalar_spills", loop.scalarSpills},
              {"stores", loop.stores},
              {"instructions", loop.instructions}};
  if (loop.unmodelled.empty())
    row.update({{"block_bound", loop.blockBound}, {"bound", loop.bound}, {"cycles", loop.cycles}, {"ratio", loop.ratio()}});
  else
    row["unmodelled"] = loop.unmodelled;
  return row;
}

bool reportLoops(const Compiled &compiled, bool text, json &rows) {
  bool good = true;
  for (const ObjectFile &object : compiled.objects)
    for (const std::string &name : object.targets) {
      const Target &target = *findTarget(name);
      if (target.modelledCpu().empty()) {
        if (text)
          printOut("{}: stands for no processor: its loops are not modelled\n", target.name());
        continue;
      }
      auto loops = modelLoops(object.bytes, target);
      if (!loops) {
        llvm::errs() << "kvcc: error: cannot read `" << object.name << "` back: " << llvm::toString(loops.takeError()) << "\n";
        good = false;
        continue;
      }
      if (text)
        printLoops(target, *loops);
      for (const LoopCost &loop : *loops)
        rows.push_back(loopRow(target, loop));
    }
  return good;
}

bool reportEntries(const Compiled &compiled, bool text, json &rows) {
  bool good = true;
  for (const DeviceCode &code : compiled.devices) {
    std::string problem;
    std::optional<std::vector<EntryReport>> entries = assemble(code, problem);
    if (!entries) {
      (text ? llvm::outs() : llvm::errs()) << code.target
                                           << ": no ptxas in PATH or CUDA_HOME: registers and spills are not known\n";
      continue;
    }
    if (!problem.empty()) {
      llvm::errs() << "kvcc: error: ptxas refuses `" << code.name << "`\n" << problem << "\n";
      good = false;
      continue;
    }
    if (text)
      printOut("{:<56} {:>9} {:>7} {:>7} {:>12}\n", code.target, "registers", "stack", "spills", "shared bytes");
    for (const EntryReport &entry : *entries) {
      int64_t shared = sharedBytes(compiled, code.target, entry.entry);
      if (text)
        printOut("{:<56} {:>9} {:>7} {:>7} {:>12}\n", entry.entry, entry.registers, entry.stackBytes, entry.spillBytes, shared);
      rows.push_back({{"target", code.target},
                      {"entry", entry.entry},
                      {"registers", entry.registers},
                      {"stack_bytes", entry.stackBytes},
                      {"spill_bytes", entry.spillBytes},
                      {"shared_bytes", shared}});
    }
  }
  return good;
}

} // namespace

bool printReport(const Compiled &compiled, bool asJson) {
  json loops = json::array(), entries = json::array();
  bool good = reportLoops(compiled, !asJson, loops);
  good &= reportEntries(compiled, !asJson, entries);
  if (asJson)
    llvm::outs() << jsonText({{"loops", loops}, {"entries", entries}});
  return good;
}

} // namespace kv
