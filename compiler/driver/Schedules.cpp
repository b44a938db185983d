#include "compiler/driver/Schedules.h"
#include "compiler/driver/Compile.h"

#include "compiler/driver/LocatedErrors.h"
#include "compiler/driver/Pipeline.h"
#include "compiler/frontend/Diagnostics.h"
#include "compiler/schedule/Choice.h"
#include "compiler/schedule/ChooseLoad.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"

#include <fmt/format.h>

using namespace llvm;

namespace kv {

/// The instruction of a record on a target; `2*` where row operands are two bytes, one after the other.
static std::string instructionOf(const Target &target, Dot dot) {
  std::string name = target.capabilities.instructionOf(dot).str();
  return name.empty() ? stringifyDot(dot).str() : isTwoBytes(dot) ? "2*" + name : name;
}

/// Numbers that few schedules have are left out where they are 0. Threads are not shown: as many as lanes, or none, they are a fact
/// of the target.
static std::vector<std::pair<std::string, std::string>> readFields(ScheduleAttr schedule, const Target &target) {
  ItemAttr item = schedule.getItem();
  RowTilesAttr rows = schedule.getRows();
  BlockPlanAttr block = schedule.getBlock();
  ProductPlanAttr scores = schedule.getScores(), sums = schedule.getSums();
  int64_t lanes = schedule.getTeam().getLanes();
  std::vector<std::pair<std::string, std::string>> fields;
  auto add = [&](const char *name, int64_t number) { fields.emplace_back(name, std::to_string(number)); };
  auto addUnlessZero = [&](const char *name, int64_t number) {
    if (number)
      add(name, number);
  };
  add("rows", rows.getOne());
  add("block", block.getTokens());
  add("split", item.getSplit());
  add("query block", item.getQueries());
  add("heads", item.getHeads());
  add("lanes", lanes);
  add("key slice", scores.getSlice());
  add("value slice", sums.getSlice());
  add("unroll", scores.getUnroll());
  add("prefetch", block.getAhead() + block.getStages());
  fields.emplace_back("key dot", instructionOf(target, scores.getDot()));
  fields.emplace_back("value dot", instructionOf(target, sums.getDot()));
  addUnlessZero("many rows", rows.getMany());
  addUnlessZero("many key slice", scores.getManySlice());
  addUnlessZero("many value slice", sums.getManySlice());
  if (block.getMasks() == Masks::classes)
    fields.emplace_back("masks", stringifyMasks(block.getMasks()).str());
  addUnlessZero("softmax rows", mostSoftmaxRows(target.capabilities, lanes, block.getTokens()));
  return fields;
}

//===- what is slow ----------------------------------------------------------------------------------------------------------===//

static void findSlowPaths(size_t index, CacheType cache, ScheduleAttr schedule, const Target &target, std::vector<SlowPath> &slow) {
  auto add = [&](Stream stream, bool isOrder, std::string text) {
    auto known = find_if(slow, [&](const SlowPath &path) { return path.cache == index && path.text == text; });
    if (known == slow.end())
      known = slow.insert(slow.end(), {index, stream, isOrder, std::move(text), {}});
    if (!is_contained(known->targets, target.name()))
      known->targets.push_back(target.name());
  };
  int64_t lanes = schedule.getTeam().getLanes();
  for (Stream stream : allStreams) {
    if (!gathers(schedule, StreamRef(stream).contract))
      continue;
    const char *name = stream == Stream::key ? "keys" : "values";
    CodecAttr codec = stream == Stream::key ? cache.getKey() : cache.getValue();
    if (!gathersInAutoOrder(cache, stream, lanes))
      add(stream, true, fmt::format("{} are gathered one lane at a time: several times slower than `auto`", name));
    else
      add(stream, false,
          fmt::format(
              "{} are gathered one lane at a time, several times slower than vectors: a group of {} is less than `auto` puts "
              "into a lane",
              name, codec.getGroup()));
  }
  // Half a team is what some dimensions leave.
  if (int64_t all = target.capabilities.lanes; lanes * 4 <= all)
    add(Stream::value, false,
        fmt::format("value groups of {} leave {} of {} lanes at work: several times slower than groups of {}",
                    cache.getValue().getGroup(), lanes, all, all));
}

std::string SlowPath::message() const { return join(targets, ", ") + ": " + text; }

void warnSlowPaths(Source &source, const Schedules &schedules) {
  ModuleSpec spec = source.spec();
  for (const SlowPath &path : schedules.slow) {
    auto cache = find_if(source.checked().caches,
                         [&](const CheckedCache &checked) { return checked.name() == spec.caches[path.cache].name; });
    const CheckedCodec &codec = path.stream == Stream::key ? cache->key : cache->value;
    const LayoutSyntax &layout = cache->syntax->layout;
    const std::optional<OrderSyntax> &order = path.stream == Stream::value && layout.separate ? layout.value : layout.key;
    SMRange range = path.isOrder && order ? order->range : codec.syntax->range;
    source.sources().PrintMessage(errs(), range.Start, SourceMgr::DK_Warning, path.message(), range, {}, /*ShowColors=*/false);
  }
}

//===- checking --------------------------------------------------------------------------------------------------------------===//

void checkSchedules(const CheckedFile &file, mlir::ModuleOp module, Diagnostics &diagnostics) {
  SetVector<const Target *> named;
  SetVector<const char *> unknown; // a schedule of several attends is one mistake
  for (const CheckedAttend &attend : file.attends)
    for (const CheckedSchedule &schedule : attend.schedules) {
      const Word &word = schedule.syntax->target;
      if (const Target *target = findTarget(word.text))
        named.insert(target);
      else if (unknown.insert(word.range.Start.getPointer()))
        diagnostics.error(DiagKind::unknown_target, word.range, {word.text.take_front(40).str()})
            .hint("targets are " + targetNames());
    }
  if (named.empty())
    return;
  mlir::MLIRContext &context = *module.getContext();
  mlir::DialectRegistry registry;
  registerDialects(registry);
  context.appendDialectRegistry(registry);
  context.printOpOnDiagnostic(false);
  mlir::ScopedDiagnosticHandler handler(&context, [&](mlir::Diagnostic &refusal) {
    SMLoc place = findPlace(refusal.getLocation(), diagnostics.sourceManager());
    diagnostics.error(DiagKind::schedule_refused, {place, place}, {readText(refusal)});
  });
  LowerOptions options;
  options.until = "schedule";
  for (const Target *target : named)
    (void)lowerForTarget(cast<mlir::ModuleOp>(module->clone()), *target, options); // the handler has heard of a failure
}

//===- choosing --------------------------------------------------------------------------------------------------------------===//

CompileStatus chooseSchedules(Source &source, ArrayRef<const Target *> targets, Schedules &result) {
  mlir::DialectRegistry registry;
  registerDialects(registry);
  source.context().appendDialectRegistry(registry);
  LocatedErrors diagnostics(source.context(), source.sources());

  ModuleSpec spec = source.spec();
  LowerOptions options;
  options.until = "schedule";
  for (const Target *target : targets) {
    auto lowered = lowerForTarget(cast<mlir::ModuleOp>(source.module()->clone()), *target, options);
    if (mlir::failed(lowered))
      return CompileStatus::userError;
    for (auto [index, kernel] : enumerate(spec.kernels)) {
      auto function = lowered->module->lookupSymbol<mlir::func::FuncOp>(kernel.name);
      if (!function)
        continue;
      function.walk([&](mlir::Operation *op) {
        auto schedule = op->getAttrOfType<ScheduleAttr>("schedule");
        if (!schedule || !isa<AttendOp, AppendAttendOp>(op))
          return;
        result.chosen.push_back({index, target, readFields(schedule, *target)});
        findSlowPaths(kernel.cache, spec.caches[kernel.cache].type, schedule, *target, result.slow);
      });
    }
  }
  return CompileStatus::ok;
}

std::vector<std::string> findRefusals(Source &source, ArrayRef<const Target *> targets) {
  std::vector<std::string> refusals;
  mlir::ScopedDiagnosticHandler handler(&source.context(),
                                        [&](mlir::Diagnostic &refusal) { refusals.push_back(readText(refusal)); });
  LowerOptions options;
  options.until = "distribute";
  for (const Target *target : targets) {
    if (!target->isLaunched())
      continue;
    auto lowered = lowerForTarget(cast<mlir::ModuleOp>(source.module()->clone()), *target, options);
    if (mlir::succeeded(lowered))
      (void)checkTeamMemory(*lowered); // the handler has heard of it
  }
  return refusals;
}

} // namespace kv
