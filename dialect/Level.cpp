#include "dialect/Level.h"

#include "dialect/KvOps.h"

using namespace mlir;

namespace kv {

static constexpr StringRef names[] = {"source", "online", "tiles", "machine", "none"};

StringRef levelName(Level level) { return names[int(level)]; }

std::optional<Level> findLevel(StringRef name) {
  const StringRef *found = llvm::find(names, name);
  if (found == std::end(names))
    return std::nullopt;
  return Level(found - std::begin(names));
}

template <typename... Ops> static bool isOneOf(OperationName name) { return ((name.getTypeID() == TypeID::get<Ops>()) || ...); }

Level levelOf(OperationName name) {
  if (!isa_and_nonnull<KvDialect>(name.getDialect()))
    return Level::none;
  if (isOneOf<AppendOp, AttendOp, AppendAttendOp, MergeOp>(name))
    return Level::source;
  if (isOneOf<EncodeTokenOp, StartStateOp, StartRowsOp, ForBlocksOp, AttendBlockOp, FinishOp, YieldOp, WeighOp, OperandsOp>(name))
    return Level::online;
  if (isOneOf<DotOp, LaneOp, BarrierOp, ExchangeOp, CopyOp, CommitOp, AwaitOp, ReadTransposedOp, MmaOp, WidenOp, NarrowOp, Exp2Op>(
          name))
    return Level::machine;
  return Level::tiles;
}

} // namespace kv
