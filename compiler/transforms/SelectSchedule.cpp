// Decides how each level-0 op is computed and writes it down as a #kv.schedule; resolves `auto` orders. Every later pass reads only
// that. The one pass that looks at the target, through Capabilities.
//
// A `schedule NAME for TARGET` of the source overrides single numbers; what does not fit is an error, never rounded in silence.
#include "compiler/transforms/Passes.h"
#include "compiler/transforms/StreamAccess.h"
#include "dialect/KvOps.h"
#include "dialect/Storage.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <numeric>

using namespace mlir;

namespace kv {
namespace {

int64_t roundUp(int64_t a, int64_t b) { return (a + b - 1) / b * b; }

/// Largest power of two u <= limit with u * lanes dividing `extent`; at least 1.
int64_t vectorsPerSlice(int64_t limit, int64_t lanes, int64_t extent) {
  int64_t u = 1;
  while (u * 2 <= limit && extent % (u * 2 * lanes) == 0)
    u *= 2;
  return u;
}

/// The numbers of a schedule before they are written as an attribute.
struct Choice {
  int64_t rows = 1, block = 64, split = 2048, queryBlock = 1, heads = 1, lanes = 4, unroll = 0, prefetch = 1;
  Dot keyDot = Dot::f32, valueDot = Dot::f32;
  int64_t threads = 0;
};

struct SelectSchedule : PassWrapper<SelectSchedule, OperationPass<ModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(SelectSchedule)
  explicit SelectSchedule(const Capabilities &capabilities) : capabilities(capabilities) {}
  StringRef getArgument() const final { return "kv-select-schedule"; }
  StringRef getDescription() const final { return "choose the schedule of every op and resolve automatic orders"; }

  void runOnOperation() override {
    for (func::FuncOp func : getOperation().getOps<func::FuncOp>()) {
      resolveOrders(func);
      WalkResult result = func.walk([&](Operation *op) {
        if (auto append = dyn_cast<AppendOp>(op))
          return write(op, append.getCache().getType(), 1, 1, Accuracy::exact, DictionaryAttr());
        if (auto attend = dyn_cast<AttendOp>(op))
          return select(attend);
        if (auto fused = dyn_cast<AppendAttendOp>(op))
          return select(fused);
        return WalkResult::advance();
      });
      if (result.wasInterrupted())
        return signalPassFailure();
    }
  }

private:
  Capabilities capabilities;

  static void resolveOrders(func::FuncOp func) {
    SmallVector<Type> inputs;
    for (BlockArgument argument : func.getArguments()) {
      if (auto cache = dyn_cast<CacheType>(argument.getType()))
        argument.setType(resolveAuto(cache));
      inputs.push_back(argument.getType());
    }
    func.setFunctionType(FunctionType::get(func.getContext(), inputs, func.getResultTypes()));
  }

  template <typename OpType> WalkResult select(OpType op) {
    int64_t heads = cast<RankedTensorType>(op.getQuery().getType()).getDimSize(1);
    DictionaryAttr overrides;
    if (DictionaryAttr all = op.getSchedulesAttr())
      overrides = all.getAs<DictionaryAttr>(capabilities.name);
    return write(op, op.getCache().getType(), heads / op.getCache().getType().getHeads(), op.getMaxQueries(), op.getAccuracy(),
                 overrides);
  }

  WalkResult write(Operation *op, CacheType cache, int64_t group, int64_t maxQueries, Accuracy accuracy, DictionaryAttr overrides) {
    Choice choice = chooseDefaults(cache, group, maxQueries, accuracy);
    if (overrides && failed(applyOverrides(op, cache, accuracy, overrides, choice)))
      return WalkResult::interrupt();
    if (!matrixRows(choice.keyDot)) // the schedule may have said so
      choice.rows = rowTile(group);
    CodecAttr key = cache.getKey(), value = cache.getValue();
    // Grouped codes need a second set of accumulators, one inside the group.
    bool grouped = key.isInteger() && key.getGroup() < cache.getKeyDim();
    bool matrix = matrixRows(choice.keyDot) && matrixRows(choice.valueDot);
    int64_t keyVectors =
        matrix ? choice.block / choice.lanes
               : vectorsPerSlice(vectorLimit(cache, Stream::key, choice, grouped ? 2 : 1), choice.lanes, choice.block);
    if (isIntegerDot(choice.valueDot)) // probabilities are packed in whole loads of values
      keyVectors = std::max(keyVectors, productLoad(cache, Stream::value, choice.lanes).pack / choice.lanes);
    int64_t columns = value.isInteger() ? value.getGroup() : cache.getValueDim();
    int64_t valueVectors =
        vectorsPerSlice(matrix ? 128 / choice.lanes : vectorLimit(cache, Stream::value, choice, 1), choice.lanes, columns);
    op->setAttr("schedule", ScheduleAttr::get(op->getContext(), choice.rows, choice.block, choice.split, choice.queryBlock,
                                              choice.heads, choice.lanes, keyVectors * choice.lanes, valueVectors * choice.lanes,
                                              choice.unroll, choice.prefetch, choice.keyDot, choice.valueDot, choice.threads));
    return WalkResult::advance();
  }

  /// Vectors of a slice that fit the registers: for each, an accumulator for every row of every set, what was loaded and, where a
  /// load feeds several steps of the record, the operand of one; and two registers more for a row's operand and a constant.
  int64_t vectorLimit(CacheType cache, Stream stream, const Choice &choice, int64_t sets) const {
    Dot dot = stream == Stream::key ? choice.keyDot : choice.valueDot;
    int64_t own = productLoad(cache, stream, choice.lanes).pack > dotDepth(dot) ? 2 : 1;
    return (capabilities.registers - 2) / (choice.rows * sets + own);
  }

  /// Rows multiplied one by one: at most 8 at a time, in tiles as alike as can be.
  static int64_t rowTile(int64_t group) { return llvm::divideCeil(group, llvm::divideCeil(group, 8)); }

  Choice chooseDefaults(CacheType cache, int64_t group, int64_t maxQueries, Accuracy accuracy) {
    Choice choice;
    choice.rows = rowTile(group);
    choice.queryBlock = std::max<int64_t>(1, std::min(maxQueries, 64 / group));
    choice.heads = cache.getHeads();
    int64_t columns = cache.getValue().isInteger() ? cache.getValue().getGroup() : cache.getValueDim();
    choice.lanes = std::gcd(capabilities.lanes, columns);
    choice.block = 4 * capabilities.lanes;
    int64_t page = cache.getLayout().getSlots();
    if (page < choice.block && fitBlocks(cache, choice.block) != BlockFit::whole)
      choice.block = roundUp(page, 16);
    choice.lanes = std::gcd(choice.lanes, choice.block);
    choice.split = roundUp(2048, splitUnit(cache, choice.block));
    if (capabilities.threads) { // threads by the thousand: short splits, one head each; latency is hidden by other teams
      choice.threads = capabilities.lanes;
      choice.heads = 1;
      choice.queryBlock = std::max<int64_t>(1, std::min(maxQueries, 16 / group));
      choice.split = roundUp(256, splitUnit(cache, choice.block));
      choice.prefetch = 0;
    }
    choice.keyDot = fastestDot(cache, Stream::key, accuracy, choice.lanes);
    choice.valueDot = fastestDot(cache, Stream::value, accuracy, choice.lanes);
    if (bool(matrixRows(choice.keyDot)) != bool(matrixRows(choice.valueDot))) // their tiles lie in other ways
      choice.keyDot = choice.valueDot = Dot::f32;
    if (int64_t rows = matrixRows(choice.keyDot)) {
      choice.rows = rows;
      choice.block = matrixBlock(cache);
      choice.split = roundUp(256, splitUnit(cache, choice.block));
    }
    return choice;
  }

  /// The records of less than f32 that an accuracy class allows for a stream: row operands of 8 bits, bf16's among them, for
  /// `fast`, of 11 and more for `high`. Queries are signed, probabilities are not.
  static bool allows(Accuracy accuracy, Stream stream, Dot dot) {
    if (!roundsRows(dot) || accuracy == Accuracy::exact)
      return false;
    if (dot == Dot::f16)
      return true;
    if (dot == Dot::bf16)
      return accuracy == Accuracy::fast;
    return accuracy == Accuracy::high ? dot == Dot::s16 : dotDepth(dot) == 4 && hasSignedRows(dot) == (stream == Stream::key);
  }

  /// Tokens of a block of matrix tiles: what a page of 16 tokens or more fits.
  static int64_t matrixBlock(CacheType cache) {
    int64_t page = cache.getLayout().getSlots();
    return page >= 64 || fitBlocks(cache, 64) == BlockFit::whole ? 64 : roundUp(page, 32);
  }

  /// A matrix instruction takes f16: codes and f16 itself, in runs of four elements or of a load, and eight columns at a time.
  static bool fitsMatrix(CacheType cache, Stream stream) {
    bool isKey = stream == Stream::key;
    CodecAttr codec = isKey ? cache.getKey() : cache.getValue();
    if (!codec.isInteger() && codec.getElement() != Element::f16)
      return false;
    int64_t run = matrixRun(cache, stream);
    if (isKey)
      return (codec.isInteger() ? codec.getGroup() : cache.getKeyDim()) % run == 0;
    return matrixBlock(cache) % (4 * run) == 0 && (!codec.isInteger() || codec.getGroup() % 8 == 0);
  }

  static bool fits(CacheType cache, Stream stream, Dot dot, int64_t lanes) {
    if (matrixRows(dot))
      return fitsMatrix(cache, stream);
    LoadRecord load = productLoad(cache, stream, lanes);
    return load.pack <= 2 * lanes && fitsPackedDot(load, stream == Stream::key ? cache.getKey() : cache.getValue(), dot);
  }

  Dot fastestDot(CacheType cache, Stream stream, Accuracy accuracy, int64_t lanes) const {
    for (const auto &[dot, instruction] : capabilities.dots)
      if (dot == Dot::f32 || (allows(accuracy, stream, dot) && fits(cache, stream, dot, lanes)))
        return dot;
    return Dot::f32;
  }

  /// The records that an instruction named in a schedule stands for, or an error.
  LogicalResult applyDot(Operation *op, CacheType cache, StringRef name, Accuracy accuracy, Choice &choice) {
    SmallVector<Dot> named;
    for (const auto &[dot, instruction] : capabilities.dots)
      if (instruction == name)
        named.push_back(dot);
    if (named.empty())
      return op->emitOpError() << "target `" << capabilities.name << "` has no dot instruction `" << name << "`";
    if (named.front() == Dot::f32) {
      choice.keyDot = choice.valueDot = Dot::f32;
      return success();
    }
    if (accuracy == Accuracy::exact || (accuracy == Accuracy::high && !allows(accuracy, Stream::key, named.front())))
      return op->emitOpError() << "`" << name << "` rounds queries and probabilities to fewer bits than `accuracy "
                               << stringifyAccuracy(accuracy) << "` promises";
    auto choose = [&](Stream stream) {
      for (Dot dot : named)
        if ((dot == Dot::s16 || dot == Dot::f16 || allows(Accuracy::fast, stream, dot)) && fits(cache, stream, dot, choice.lanes))
          return dot;
      return Dot::f32;
    };
    choice.keyDot = choose(Stream::key);
    choice.valueDot = choose(Stream::value);
    if (matrixRows(named.front()) && (choice.keyDot == Dot::f32 || choice.valueDot == Dot::f32))
      return op->emitOpError() << "`" << name << "` multiplies f16 and integer codes, in groups of four and more channels;"
                               << " keys and values are not both such";
    if (choice.keyDot == Dot::f32 && choice.valueDot == Dot::f32)
      return op->emitOpError() << "`" << name << "` multiplies " << (named.front() == Dot::bf16 ? "bf16" : "integer codes")
                               << " whose order puts 32 bits of one token or channel together;"
                               << " neither keys nor values are stored so";
    return success();
  }

  /// A split is a multiple of this many tokens: whole blocks and, where blocks end with their page, whole pages.
  static int64_t splitUnit(CacheType cache, int64_t block) {
    int64_t page = cache.getLayout().getSlots();
    if (fitBlocks(cache, block) != BlockFit::cut)
      return block;
    return std::lcm(page, int64_t(16));
  }

  LogicalResult checkBlock(Operation *op, CacheType cache, const Choice &choice) const {
    int64_t page = cache.getLayout().getSlots();
    if (choice.block % 16 || choice.block < 16 || choice.block > 256)
      return op->emitOpError() << "expected a `block` that is a multiple of 16 from 16 to 256, got " << choice.block;
    if (choice.block > page && fitBlocks(cache, choice.block) != BlockFit::whole && choice.block != roundUp(page, 16))
      return op->emitOpError() << "expected a `block` of whole pages of " << page << " slots, got " << choice.block;
    if (choice.block % choice.lanes)
      return op->emitOpError() << "expected a `block` of whole teams of " << choice.lanes << " lanes, got " << choice.block;
    if (int64_t runs = 4 * matrixRun(cache, Stream::value); matrixRows(choice.valueDot) && choice.block % runs)
      return op->emitOpError() << "expected a `block` of whole matrix tiles of " << runs << " tokens, got " << choice.block;
    return success();
  }

  LogicalResult applyOverrides(Operation *op, CacheType cache, Accuracy accuracy, DictionaryAttr overrides, Choice &choice) {
    auto number = [&](StringRef key, int64_t &target) {
      if (auto value = overrides.getAs<IntegerAttr>(key))
        target = value.getInt();
    };
    if (auto dot = overrides.getAs<StringAttr>("dot"))
      if (failed(applyDot(op, cache, dot.getValue(), accuracy, choice)))
        return failure();
    number("unroll", choice.unroll);
    number("prefetch", choice.prefetch);
    number("heads", choice.heads);
    if (overrides.contains("block")) {
      number("block", choice.block);
      if (failed(checkBlock(op, cache, choice)))
        return failure();
    }
    if (matrixRows(choice.keyDot) && overrides.contains("unroll"))
      return op->emitOpError() << "`unroll` is of loads for one row at a time; a matrix instruction has none to choose";
    if (choice.unroll < 0 || choice.unroll > 16)
      return op->emitOpError() << "expected an `unroll` from 1 to 16, got " << choice.unroll;
    if (choice.prefetch < 0 || choice.prefetch > 8)
      return op->emitOpError() << "expected a `prefetch` from 0 to 8 blocks, got " << choice.prefetch;
    if (choice.heads < 1 || choice.heads > cache.getHeads())
      return op->emitOpError() << "expected `heads` from 1 to " << cache.getHeads() << ", got " << choice.heads;
    if (choice.threads && (choice.heads != 1 || choice.prefetch != 0))
      return op->emitOpError() << "target `" << capabilities.name
                               << "` hides latency by many teams of one head each: expected `heads` 1"
                               << " and `prefetch` 0, got " << choice.heads << " and " << choice.prefetch;
    int64_t unit = splitUnit(cache, choice.block);
    choice.split = roundUp(choice.split, unit);
    number("split", choice.split);
    if (choice.split % unit || choice.split < unit)
      return op->emitOpError() << "expected a `split` that is a multiple of " << unit << " tokens, got " << choice.split;
    return success();
  }
};

} // namespace

std::unique_ptr<Pass> createSelectSchedulePass(const Capabilities &capabilities) {
  return std::make_unique<SelectSchedule>(capabilities);
}

} // namespace kv
