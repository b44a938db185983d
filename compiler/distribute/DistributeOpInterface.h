// DistributeOpInterface and the models that give it to ops.
#ifndef KV_DISTRIBUTE_OP_INTERFACE_H
#define KV_DISTRIBUTE_OP_INTERFACE_H

#include "mlir/IR/OpDefinition.h"

namespace kv {

class Distributor;

/// What an op does to memory that the threads of a team share: scratch, above all.
struct TeamMemory {
  bool reads = false;
  bool writes = false;
  bool waits = false; ///< the op waits for all threads itself, after what it writes and before what it reads
};

} // namespace kv

#include "compiler/distribute/DistributeOpInterface.h.inc"

namespace kv {

template <typename Op> TeamMemory touchesNone(Op) { return {}; }
template <typename Op> TeamMemory readsTeam(Op) { return {.reads = true}; }
template <typename Op> TeamMemory writesTeam(Op) { return {.writes = true}; }

/// The interface of `Op` as two functions.
template <typename Op, void (*build)(Distributor &, Op), TeamMemory (*memory)(Op)>
struct DistributeModel : DistributeOpInterface::ExternalModel<DistributeModel<Op, build, memory>, Op> {
  void distribute(mlir::Operation *op, Distributor &d) const { build(d, mlir::cast<Op>(op)); }
  TeamMemory teamMemory(mlir::Operation *op) const { return memory(mlir::cast<Op>(op)); }
};

template <typename Op, void (*build)(Distributor &, Op), TeamMemory (*memory)(Op) = touchesNone<Op>>
void attachModel(mlir::MLIRContext *context) {
  Op::template attachInterface<DistributeModel<Op, build, memory>>(*context);
}

/// The models of a file each.
void attachControlFlowModels(mlir::MLIRContext *context);
void attachElementwiseModels(mlir::MLIRContext *context);
void attachMemoryModels(mlir::MLIRContext *context);
void attachCacheModels(mlir::MLIRContext *context);
void attachProductModels(mlir::MLIRContext *context);
void attachDecodeModels(mlir::MLIRContext *context);
void attachRelayoutModels(mlir::MLIRContext *context);
void attachStageModels(mlir::MLIRContext *context);

/// All of them, with the dialects that they build ops of.
void registerDistributeModels(mlir::DialectRegistry &registry);

} // namespace kv

#endif
