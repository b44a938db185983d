// A `schedule NAME for TARGET` of the source overrides single choices; what does not fit is an error at its place in the source,
// never rounded in silence.
#include "compiler/schedule/Choice.h"
#include "compiler/schedule/ChooseLoad.h"
#include "compiler/schedule/Staging.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace kv {
namespace {

struct Overrides {
  Operation *op;
  const Capabilities &target;
  const Work &work;
  DictionaryAttr entries;
  Choice &choice;

  LogicalResult apply() {
    return success(succeeded(applyDot()) && succeeded(applyBlock()) && succeeded(applyUnroll()) && succeeded(applyPrefetch()) &&
                   succeeded(applyHeads()) && succeeded(checkStages()) && succeeded(applySplit()) && succeeded(applyMasks()));
  }

private:
  /// An error about an entry of the schedule, at its place where the source's locations say that.
  InFlightDiagnostic wrong(StringRef entry) const {
    Location place = op->getLoc();
    if (auto fused = place->findInstanceOf<FusedLocWith<DictionaryAttr>>())
      if (auto places = fused.getMetadata().getAs<DictionaryAttr>(target.name))
        if (auto found = places.getAs<LocationAttr>(entry))
          place = found;
    return emitError(place);
  }

  bool isMatrix(Dot dot) const { return isMatrixDot(target, dot); }
  void read(StringRef key, int64_t &number) const {
    if (auto value = entries.getAs<IntegerAttr>(key))
      number = value.getInt();
  }

  LogicalResult applyDot();
  LogicalResult applyBlock();
  LogicalResult applyUnroll();
  LogicalResult applyPrefetch();
  LogicalResult applyHeads();
  LogicalResult checkStages() const;
  LogicalResult applySplit();
  LogicalResult applyMasks();
};

/// The records that an instruction named in a schedule stands for.
LogicalResult Overrides::applyDot() {
  auto entry = entries.getAs<StringAttr>("dot");
  if (!entry)
    return success();
  StringRef name = entry.getValue();
  SmallVector<Dot> named;
  for (const auto &[dot, instruction] : target.dots)
    if (instruction == name)
      named.push_back(dot);
  if (named.empty()) {
    llvm::SmallSetVector<StringRef, 4> known;
    for (const auto &record : target.dots)
      known.insert(record.second);
    return wrong("dot") << "target `" << target.name << "` has no dot instruction `" << name << "`"
                        << (target.halide ? " on the Halide route" : "") << "; it has " << llvm::join(known, ", ");
  }
  Dot &ofKeys = choice.scores.dot, &ofValues = choice.sums.dot;
  if (named.front() == Dot::f32) {
    ofKeys = ofValues = Dot::f32;
    return success();
  }
  DotChooser dots(target, work.cache, work.precision, choice.team.lanes, work.group);
  if (!dots.allowsAny(named))
    return wrong("dot") << "`" << name << "` rounds queries and probabilities to fewer bits than `accuracy "
                        << stringifyAccuracy(work.precision.accuracy) << "` promises";
  ofKeys = dots.namedFor(Stream::key, named);
  ofValues = dots.namedFor(Stream::value, named);
  if (isMatrix(ofKeys) || isMatrix(ofValues)) {
    choice.block.tokens = matrixBlock(work.cache);
    chooseAhead(work, choice);
  }
  if (ofKeys != Dot::f32 || ofValues != Dot::f32)
    return success();
  if (isMatrix(named.front()))
    return wrong("dot") << "`" << name << "` multiplies f16, bf16 and integer codes, in groups of four and more channels;"
                        << " neither keys nor values are such";
  if (named.front() == Dot::f16)
    return wrong("dot") << "`" << name << "` multiplies f16 whose order puts neighbouring tokens of keys, or channels of values,"
                        << " together; neither keys nor values are stored so";
  return wrong("dot") << "`" << name << "` multiplies " << (plainDot(named.front()) == Dot::bf16 ? "bf16" : "integer codes")
                      << " whose order puts 32 bits of one token or channel together"
                      << (isPaired(named.front()) ? ", for two rows and more" : "") << "; neither keys nor values are stored so";
}

/// Another block has other blocks ahead.
LogicalResult Overrides::applyBlock() {
  if (!entries.contains("block"))
    return success();
  read("block", choice.block.tokens);
  int64_t tokens = choice.block.tokens, page = work.cache.getLayout().getSlots(), inPage = int64_t(llvm::alignTo(page, 16));
  if (tokens % 16 || tokens < 16 || tokens > 256)
    return wrong("block") << "expected a `block` that is a multiple of 16 from 16 to 256, got " << tokens;
  if (tokens > page && fitBlocks(work.cache, tokens) != BlockFit::whole && tokens != inPage)
    return wrong("block") << "expected a `block` " << (page % 16 ? "that ends with its page" : "of whole pages") << " of " << page
                          << " slots, got " << tokens << (page % 16 ? "; at most " + std::to_string(inPage) : "");
  if (tokens % choice.team.lanes)
    return wrong("block") << "expected a `block` of whole teams of " << choice.team.lanes << " lanes, got " << tokens;
  if (int64_t runs = 4 * matrixRun(productLoad(work.cache, Stream::value, /*lanes=*/1)); isMatrix(choice.sums.dot) && tokens % runs)
    return wrong("block") << "expected a `block` of whole matrix tiles of " << runs << " tokens, got " << tokens;
  chooseAhead(work, choice);
  return success();
}

LogicalResult Overrides::applyUnroll() {
  if (!entries.contains("unroll"))
    return success();
  if (isMatrix(choice.scores.dot) || isMatrix(choice.sums.dot))
    return wrong("unroll") << "`unroll` is of loads for one row at a time; a matrix instruction has none to choose";
  int64_t unroll = 0;
  read("unroll", unroll);
  if (unroll < 0 || unroll > 16)
    return wrong("unroll") << "expected an `unroll` from 1 to 16, got " << unroll;
  choice.scores.unroll = choice.sums.unroll = unroll;
  return success();
}

LogicalResult Overrides::applyPrefetch() {
  int64_t &ahead = choice.prefetch();
  read("prefetch", ahead);
  if (ahead < 0 || ahead > 8)
    return wrong("prefetch") << "expected a `prefetch` from 0 to 8 blocks, got " << ahead;
  return success();
}

LogicalResult Overrides::applyHeads() {
  int64_t &heads = choice.item.heads;
  read("heads", heads);
  if (heads < 1 || heads > work.cache.getHeads())
    return wrong("heads") << "expected `heads` from 1 to " << work.cache.getHeads() << ", got " << heads;
  if (choice.team.threads && heads != 1)
    return wrong("heads") << "target `" << target.name << "` gives a team one head: expected `heads` 1, got " << heads;
  return success();
}

/// Threads copy what they prefetch.
LogicalResult Overrides::checkStages() const {
  int64_t ahead = choice.block.stages, tokens = choice.block.tokens;
  if (!ahead)
    return success();
  if (!canStage(work.cache, tokens))
    return wrong("prefetch") << "target `" << target.name << "` prefetches whole blocks of one page, or of whole pages, in runs of"
                             << " four bytes; these are not such: expected `prefetch` 0, got " << ahead;
  if (int64_t bytes = mapPage(stagedCache(work.cache, tokens)).bytes; (ahead + 1) * bytes > target.ringBytes)
    return wrong("prefetch") << "target `" << target.name << "` has " << target.ringBytes << " bytes for blocks of " << bytes
                             << ", one of them at work: expected a smaller `prefetch` or `block`, got " << ahead << " and "
                             << tokens;
  return success();
}

LogicalResult Overrides::applySplit() {
  int64_t &split = choice.item.split, unit = splitUnit(work.cache, choice.block.tokens);
  split = int64_t(llvm::alignTo(split, unit));
  read("split", split);
  if (split % unit || split < unit)
    return wrong("split") << "expected a `split` that is a multiple of " << unit << " tokens, got " << split;
  return success();
}

LogicalResult Overrides::applyMasks() {
  auto entry = entries.getAs<StringAttr>("masks");
  if (!entry)
    return success();
  choice.block.masks = *symbolizeMasks(entry.getValue());
  if (target.halide && choice.block.masks == Masks::classes)
    return wrong("masks") << "the Halide route computes every block with its mask: expected `masks always`";
  return success();
}

} // namespace

LogicalResult applyOverrides(Operation *op, const Capabilities &target, const Work &work, DictionaryAttr overrides,
                             Choice &choice) {
  return Overrides{op, target, work, overrides, choice}.apply();
}

} // namespace kv
