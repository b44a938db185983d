// How each target computes each attend, as the passes decide it: for `explain`, and to say aloud what will be slow.
#ifndef KV_DRIVER_SCHEDULES_H
#define KV_DRIVER_SCHEDULES_H

#include "compiler/driver/Driver.h"

namespace kv {

class Diagnostics;

/// The schedule of one kernel on one target.
struct ChosenSchedule {
  size_t kernel; ///< index into ModuleSpec::kernels
  const Target *target;
  /// Name and value, in the order of the table: {"query block", "8"}, {"key dot", "vpdpwssd"}. Zero unroll: as the loads suit.
  std::vector<std::pair<std::string, std::string>> fields;
};

/// What makes some targets several times slower than they could be.
struct SlowPath {
  size_t cache; ///< index into ModuleSpec::caches
  Stream stream;
  bool isOrder;     ///< the order is at fault; else the codec
  std::string text; ///< "keys are gathered one lane at a time: ..."
  std::vector<std::string> targets;

  /// "x86-64-v4, generic: keys are gathered ..."
  std::string message() const;
};

struct Schedules {
  std::vector<ChosenSchedule> chosen; ///< of attends and fused attends, target by target
  std::vector<SlowPath> slow;
};

/// Holds every schedule of a file against the target that it names, whatever is compiled: an error where there is no such target,
/// and where the target's own phase refuses what the schedule says, at most one of these a target. On the shared path: what Halide
/// cannot make is refused where it is asked to.
void checkSchedules(const CheckedFile &file, mlir::ModuleOp module, Diagnostics &diagnostics);

/// Runs the pipeline up to the phase that chooses. Mistakes in the file's schedules are said on stderr.
CompileStatus chooseSchedules(Source &source, llvm::ArrayRef<const Target *> targets, Schedules &result);

/// Why targets take no kernel of the file although schedules can be chosen: those that are launched have no room for it in the memory
/// of a team. After chooseSchedules(); lowers a good deal further than it.
std::vector<std::string> findRefusals(Source &source, llvm::ArrayRef<const Target *> targets);

/// Says on stderr, at its place in the file, everything that will be slow.
void warnSlowPaths(Source &source, const Schedules &schedules);

} // namespace kv

#endif
