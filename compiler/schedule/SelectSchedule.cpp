// Decides how each level-0 op is computed and writes it down as a #kv.schedule; resolves `auto` orders. Every later pass reads only
// that. The one pass that looks at the target, through Capabilities.
//
// A `schedule NAME for TARGET` of the source overrides single numbers; what does not fit is an error, never rounded in silence.
#include "compiler/schedule/ChooseDot.h"
#include "compiler/schedule/Passes.h"
#include "compiler/schedule/Staging.h"
#include "compiler/schedule/StreamAccess.h"
#include "dialect/KvOps.h"
#include "dialect/Storage.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"
#include <limits>
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
          return write(op, append.getCache().getType(), 1, 1, Precision(), DictionaryAttr());
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
    Precision precision{op.getAccuracy(), getElementTypeOrSelf(op.getQuery()), getElementTypeOrSelf(op.getOutput())};
    return write(op, op.getCache().getType(), heads / op.getCache().getType().getHeads(), int64_t(op.getMaxQueries()), precision,
                 overrides);
  }

  WalkResult write(Operation *op, CacheType cache, int64_t group, int64_t maxQueries, const Precision &precision,
                   DictionaryAttr overrides) {
    Choice choice = chooseDefaults(cache, group, maxQueries, precision);
    if (overrides && failed(applyOverrides(op, cache, group, precision, overrides, choice)))
      return WalkResult::interrupt();
    choice.rows = rowTile(choice, group); // the schedule may have named an instruction
    int64_t many = manyRows(choice, group);
    Slices slices = chooseSlices(cache, precision.accuracy, choice, choice.rows, /*many=*/false), manySlices;
    if (many)
      manySlices = chooseSlices(cache, precision.accuracy, choice, many, /*many=*/true);
    // Scores of the rows that softmax works on take most of the registers. No fewer than four: where four spill, to spill was
    // measured faster than to go through scratch.
    int64_t softmaxRows = choice.threads ? 0 : std::max<int64_t>(4, capabilities.registers * choice.lanes * 3 / 4 / choice.block);
    op->setAttr("schedule", ScheduleAttr::get(op->getContext(), choice.rows, choice.block, choice.split, choice.queryBlock,
                                              choice.heads, choice.lanes, slices.key, slices.value, choice.unroll, choice.prefetch,
                                              choice.keyDot, choice.valueDot, choice.threads, many, manySlices.key,
                                              manySlices.value, softmaxRows, capabilities.halide));
    return WalkResult::advance();
  }

  /// Tokens and channels of an accumulation of so many rows.
  struct Slices {
    int64_t key = 0, value = 0;
  };
  Slices chooseSlices(CacheType cache, Accuracy accuracy, const Choice &choice, int64_t rows, bool many) const {
    bool matrix = isMatrix(choice.keyDot);
    // Codes that are summed run by run need a second set of accumulators, one inside the run.
    bool grouped = cache.getGroups(Stream::key) > 1 || (cache.getKey().hasZero() && accuracy == Accuracy::exact);
    int64_t keyVectors =
        matrix ? choice.block / choice.lanes
               : vectorsPerSlice(vectorLimit(cache, Stream::key, choice, rows, grouped ? 2 : 1, many), choice.lanes, choice.block);
    if (isIntegerDot(choice.valueDot)) // probabilities are packed in whole loads of values
      keyVectors = std::max(keyVectors, productLoad(cache, Stream::value, choice.lanes).pack / choice.lanes);
    int64_t valueVectors = vectorsPerSlice(matrix ? 128 / choice.lanes : vectorLimit(cache, Stream::value, choice, rows, 1, many),
                                           choice.lanes, cache.getRun(Stream::value));
    return {keyVectors * choice.lanes, valueVectors * choice.lanes};
  }

  /// Vectors of a slice that fit the registers: for each, an accumulator for every row of every set, what was loaded and, where a
  /// load feeds several steps of the record, the operand of one; and two registers more for a row's operand and a constant. Many
  /// rows are multiplied as f32 by codes that have been decoded.
  int64_t vectorLimit(CacheType cache, Stream stream, const Choice &choice, int64_t rows, int64_t sets, bool many) const {
    Dot dot = stream == Stream::key ? choice.keyDot : choice.valueDot;
    bool decoded = dot == Dot::f32 && many;
    int64_t own = !decoded && productLoad(cache, stream, choice.lanes).pack > dotDepth(dot) ? 2 : 1;
    return (capabilities.registers - 2) / (rows * sets + own);
  }

  bool isMatrix(Dot dot) const { return isMatrixDot(capabilities, dot); }

  /// Of a matrix tile 8 or 16. Rows multiplied one by one: at most 8 at a time, in tiles as alike as can be; by twos where a record
  /// takes two.
  int64_t rowTile(const Choice &choice, int64_t group) const {
    if (isMatrix(choice.keyDot))
      return choice.queryBlock * group <= 8 ? 8 : 16;
    int64_t rows = llvm::divideCeil(group, llvm::divideCeil(group, 8));
    return isPaired(choice.keyDot) || isPaired(choice.valueDot) ? roundUp(rows, 2) : rows;
  }

  /// Rows of a row tile of an item that has several: their sums in two vectors each, and what else a product needs, fill the
  /// registers; twelve were measured slower than eight. 0 where one row tile has all rows, or lanes are threads.
  int64_t manyRows(const Choice &choice, int64_t group) const {
    if (choice.threads || choice.queryBlock * group <= choice.rows)
      return 0;
    return capabilities.registers >= 32 ? 8 : 6;
  }

  /// Blocks that a team of threads has on their way while it works on one: as many as its share of the memory that teams have
  /// together lets it, up to two.
  static int64_t stagesAhead(CacheType cache, int64_t block) {
    constexpr int64_t share = 48 << 10;
    if (!canStage(cache, block))
      return 0;
    return std::clamp<int64_t>(share / mapPage(stagedCache(cache, block)).bytes - 1, 0, 2);
  }

  /// Blocks that are prefetched where no schedule says how many. A processor asks for at least so many bytes of a kv head ahead, or
  /// memory's answer comes too late. Measured on blocks of 4 to 32 KB: two blocks of 9 KB or less are up to 20 % faster than one;
  /// of 17 KB up to 9 % slower on Zen 5, 4 % faster on Zen 4.
  static int64_t blocksAhead(CacheType cache, const Choice &choice) {
    constexpr int64_t bytes = 12 << 10, most = 4;
    if (choice.threads)
      return stagesAhead(cache, choice.block);
    PageMap map = mapPage(cache);
    int64_t ofBlock = std::max<int64_t>(1, map.bytes / (cache.getHeads() * map.slots) * choice.block);
    return std::clamp<int64_t>((bytes + ofBlock - 1) / ofBlock, 1, most);
  }

  Choice chooseDefaults(CacheType cache, int64_t group, int64_t maxQueries, const Precision &precision) {
    Choice choice;
    choice.queryBlock = std::max<int64_t>(1, std::min(maxQueries, 128 / group));
    choice.heads = cache.getHeads();
    choice.lanes = std::gcd(capabilities.lanes, cache.getRun(Stream::value));
    choice.block = capabilities.block ? capabilities.block : 4 * capabilities.lanes;
    // Groups of one or two leave so few lanes that a block of the usual size is hundreds of numbers, each in a register of its own.
    choice.block = std::min(choice.block, std::max<int64_t>(capabilities.threads ? capabilities.lanes : 16, 16 * choice.lanes));
    int64_t page = cache.getLayout().getSlots();
    if (page < choice.block && fitBlocks(cache, choice.block) != BlockFit::whole)
      choice.block = roundUp(page, 16);
    choice.lanes = std::gcd(choice.lanes, choice.block);
    choice.split = roundUp(2048, splitUnit(cache, choice.block));
    if (capabilities.threads) { // threads by the thousand: short splits, one head each; latency is hidden by other teams
      choice.threads = capabilities.lanes;
      choice.heads = 1;
      int64_t rows = maxQueries <= 8 ? 8 : 16; // of a matrix tile: few where what is read counts, more where work does
      choice.queryBlock = std::max<int64_t>(1, std::min(maxQueries, rows / group));
      choice.split = roundUp(256, splitUnit(cache, choice.block));
    }
    DotChooser dots(capabilities, cache, precision, choice.lanes, group);
    choice.keyDot = dots.fastest(Stream::key);
    choice.valueDot = dots.fastest(Stream::value);
    if (isMatrix(choice.keyDot) != isMatrix(choice.valueDot)) // their tiles lie in other ways
      choice.keyDot = choice.valueDot = Dot::f32;
    if (isMatrix(choice.keyDot)) {
      choice.block = matrixBlock(cache);
      choice.split = roundUp(256, splitUnit(cache, choice.block));
    }
    choice.prefetch = blocksAhead(cache, choice);
    return choice;
  }

  /// An error about an entry of the schedule, at its place where the source's locations say that.
  InFlightDiagnostic wrong(Operation *op, StringRef entry) const {
    Location place = op->getLoc();
    if (auto fused = place->findInstanceOf<FusedLocWith<DictionaryAttr>>())
      if (auto entries = fused.getMetadata().getAs<DictionaryAttr>(capabilities.name))
        if (auto found = entries.getAs<LocationAttr>(entry))
          place = found;
    return emitError(place);
  }

  /// The records that an instruction named in a schedule stands for, or an error.
  LogicalResult applyDot(Operation *op, StringRef name, Accuracy accuracy, const DotChooser &dots, Choice &choice) const {
    SmallVector<Dot> named;
    for (const auto &[dot, instruction] : capabilities.dots)
      if (instruction == name)
        named.push_back(dot);
    if (named.empty()) {
      llvm::SmallSetVector<StringRef, 4> known;
      for (const auto &entry : capabilities.dots)
        known.insert(entry.second);
      return wrong(op, "dot") << "target `" << capabilities.name << "` has no dot instruction `" << name << "`"
                              << (capabilities.halide ? " on the Halide route" : "") << "; it has " << llvm::join(known, ", ");
    }
    if (named.front() == Dot::f32) {
      choice.keyDot = choice.valueDot = Dot::f32;
      return success();
    }
    if (!dots.allowsAny(named))
      return wrong(op, "dot") << "`" << name << "` rounds queries and probabilities to fewer bits than `accuracy "
                              << stringifyAccuracy(accuracy) << "` promises";
    choice.keyDot = dots.namedFor(Stream::key, named);
    choice.valueDot = dots.namedFor(Stream::value, named);
    if (isMatrix(named.front()) && (choice.keyDot == Dot::f32 || choice.valueDot == Dot::f32))
      return wrong(op, "dot") << "`" << name << "` multiplies f16, bf16 and integer codes, in groups of four and more channels;"
                              << " keys and values are not both such";
    if (choice.keyDot != Dot::f32 || choice.valueDot != Dot::f32)
      return success();
    if (named.front() == Dot::f16)
      return wrong(op, "dot") << "`" << name
                              << "` multiplies f16 whose order puts neighbouring tokens of keys, or channels of values,"
                              << " together; neither keys nor values are stored so";
    return wrong(op, "dot") << "`" << name << "` multiplies " << (plainDot(named.front()) == Dot::bf16 ? "bf16" : "integer codes")
                            << " whose order puts 32 bits of one token or channel together"
                            << (isPaired(named.front()) ? ", for two rows and more" : "")
                            << "; neither keys nor values are stored so";
  }

  /// A split is a multiple of this many tokens: whole blocks and, where blocks end with their page, whole pages.
  static int64_t splitUnit(CacheType cache, int64_t block) {
    int64_t page = cache.getLayout().getSlots();
    if (fitBlocks(cache, block) != BlockFit::cut)
      return block;
    int64_t even = std::lcm(page, int64_t(16));
    return even <= std::numeric_limits<int32_t>::max() ? even : page; // the runtime's lengths end there
  }

  LogicalResult checkBlock(Operation *op, CacheType cache, const Choice &choice) const {
    int64_t page = cache.getLayout().getSlots();
    if (choice.block % 16 || choice.block < 16 || choice.block > 256)
      return wrong(op, "block") << "expected a `block` that is a multiple of 16 from 16 to 256, got " << choice.block;
    if (choice.block > page && fitBlocks(cache, choice.block) != BlockFit::whole && choice.block != roundUp(page, 16))
      return wrong(op, "block") << "expected a `block` " << (page % 16 ? "that ends with its page" : "of whole pages") << " of "
                                << page << " slots, got " << choice.block
                                << (page % 16 ? "; at most " + std::to_string(roundUp(page, 16)) : "");
    if (choice.block % choice.lanes)
      return wrong(op, "block") << "expected a `block` of whole teams of " << choice.lanes << " lanes, got " << choice.block;
    if (int64_t runs = 4 * matrixRun(cache, Stream::value); isMatrix(choice.valueDot) && choice.block % runs)
      return wrong(op, "block") << "expected a `block` of whole matrix tiles of " << runs << " tokens, got " << choice.block;
    return success();
  }

  LogicalResult applyOverrides(Operation *op, CacheType cache, int64_t group, const Precision &precision, DictionaryAttr overrides,
                               Choice &choice) {
    auto number = [&](StringRef key, int64_t &target) {
      if (auto value = overrides.getAs<IntegerAttr>(key))
        target = value.getInt();
    };
    if (auto dot = overrides.getAs<StringAttr>("dot"))
      if (failed(applyDot(op, dot.getValue(), precision.accuracy, {capabilities, cache, precision, choice.lanes, group}, choice)))
        return failure();
    number("unroll", choice.unroll);
    number("heads", choice.heads);
    if (overrides.contains("block")) {
      number("block", choice.block);
      if (failed(checkBlock(op, cache, choice)))
        return failure();
      choice.prefetch = blocksAhead(cache, choice);
    }
    number("prefetch", choice.prefetch);
    if (isMatrix(choice.keyDot) && overrides.contains("unroll"))
      return wrong(op, "unroll") << "`unroll` is of loads for one row at a time; a matrix instruction has none to choose";
    if (choice.unroll < 0 || choice.unroll > 16)
      return wrong(op, "unroll") << "expected an `unroll` from 1 to 16, got " << choice.unroll;
    if (choice.prefetch < 0 || choice.prefetch > 8)
      return wrong(op, "prefetch") << "expected a `prefetch` from 0 to 8 blocks, got " << choice.prefetch;
    if (choice.heads < 1 || choice.heads > cache.getHeads())
      return wrong(op, "heads") << "expected `heads` from 1 to " << cache.getHeads() << ", got " << choice.heads;
    if (choice.threads && choice.heads != 1)
      return wrong(op, "heads") << "target `" << capabilities.name << "` gives a team one head: expected `heads` 1, got "
                                << choice.heads;
    if (choice.threads && choice.prefetch && !canStage(cache, choice.block))
      return wrong(op, "prefetch") << "target `" << capabilities.name
                                   << "` prefetches whole blocks of one page, or of whole pages, in runs of"
                                   << " four bytes; these are not such: expected `prefetch` 0, got " << choice.prefetch;
    if (choice.threads && choice.prefetch)
      if (int64_t bytes = mapPage(stagedCache(cache, choice.block)).bytes; (choice.prefetch + 1) * bytes > capabilities.ringBytes)
        return wrong(op, "prefetch") << "target `" << capabilities.name << "` has " << capabilities.ringBytes
                                     << " bytes for blocks of " << bytes
                                     << ", one of them at work: expected a smaller `prefetch` or `block`, got " << choice.prefetch
                                     << " and " << choice.block;
    int64_t unit = splitUnit(cache, choice.block);
    choice.split = roundUp(choice.split, unit);
    number("split", choice.split);
    if (choice.split % unit || choice.split < unit)
      return wrong(op, "split") << "expected a `split` that is a multiple of " << unit << " tokens, got " << choice.split;
    return success();
  }
};

} // namespace

std::unique_ptr<Pass> createSelectSchedulePass(const Capabilities &capabilities) {
  return std::make_unique<SelectSchedule>(capabilities);
}

} // namespace kv
