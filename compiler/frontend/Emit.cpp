// Checked tree to level 0.
#include "compiler/frontend/Emit.h"

#include "compiler/frontend/EmitScore.h"
#include "dialect/KvOps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace kv {

namespace {
class Emitter {
public:
  Emitter(const CheckedFile &file, const llvm::SourceMgr &sources, MLIRContext &context)
      : file(file), sources(sources), b(&context), context(context) {}

  OwningOpRef<ModuleOp> run() {
    OwningOpRef<ModuleOp> module = ModuleOp::create(b, locate(file.caches.front().syntax->name.range));
    b.setInsertionPointToEnd(module->getBody());
    for (auto [index, cache] : llvm::enumerate(file.caches)) {
      emitAppend(cache);
      for (const CheckedAttend &attend : file.attends)
        if (attend.cache == index) {
          emitAttend(cache, attend, false);
          emitAttend(cache, attend, true);
        }
    }
    return module;
  }

private:
  Location locate(SMRange range) {
    unsigned buffer = sources.FindBufferContainingLoc(range.Start);
    auto [line, column] = sources.getLineAndColumn(range.Start, buffer);
    return FileLineColLoc::get(&context, sources.getMemoryBuffer(buffer)->getBufferIdentifier(), line, column);
  }

  //===- types ---------------------------------------------------------------------------------------------------------------===//

  Type typeOf(Element element) {
    return element == Element::f16 ? Type(b.getF16Type()) : element == Element::bf16 ? Type(b.getBF16Type()) : b.getF32Type();
  }

  RankedTensorType rows(std::initializer_list<int64_t> shape, Type element) {
    SmallVector<int64_t> dims = {ShapedType::kDynamic};
    dims.append(shape);
    return RankedTensorType::get(dims, element);
  }

  CodecAttr codecOf(const CheckedCodec &codec) {
    return CodecAttr::get(&context, codec.element, codec.group, codec.zero, codec.scale);
  }

  CacheType typeOf(const CheckedCache &cache) {
    auto layout = LayoutAttr::get(&context, cache.layout, cache.slots, cache.tile, OrderAttr::get(&context, cache.keyOrder),
                                  OrderAttr::get(&context, cache.valueOrder));
    return CacheType::get(&context, b.getStringAttr(cache.name()), cache.heads, cache.keyDim, cache.valueDim, codecOf(cache.key),
                          codecOf(cache.value), layout);
  }

  //===- functions -----------------------------------------------------------------------------------------------------------===//

  /// A function with an entry block, arguments named as the file names them; the builder stands in its body.
  func::FuncOp beginFunction(const Twine &name, Location loc, ArrayRef<std::pair<StringRef, Type>> arguments, TypeRange results) {
    SmallVector<Type> types(llvm::make_second_range(arguments));
    auto function = func::FuncOp::create(b, loc, name.str(), b.getFunctionType(types, results));
    Block *entry = function.addEntryBlock();
    for (auto [argument, named] : llvm::zip(entry->getArguments(), arguments))
      argument.setLoc(NameLoc::get(b.getStringAttr(named.first), loc));
    b.setInsertionPointToStart(entry);
    return function;
  }

  void emitAppend(const CheckedCache &cache) {
    OpBuilder::InsertionGuard guard(b);
    Location loc = locate(cache.syntax->name.range);
    Type type = typeOf(cache.tokenType);
    std::pair<StringRef, Type> arguments[] = {
        {"cache", typeOf(cache)}, {"k", rows({cache.heads, cache.keyDim}, type)}, {"v", rows({cache.heads, cache.valueDim}, type)}};
    func::FuncOp function = beginFunction(cache.name() + "_append", loc, arguments, {});
    AppendOp::create(b, loc, function.getArgument(1), function.getArgument(2), function.getArgument(0));
    func::ReturnOp::create(b, loc);
  }

  void emitAttend(const CheckedCache &cache, const CheckedAttend &attend, bool withAppend) {
    OpBuilder::InsertionGuard guard(b);
    Location loc = locate(attend.syntax->name.range), placed = withPlacesOf(attend, loc);
    Type queryType = typeOf(attend.queryType);
    SmallVector<std::pair<StringRef, Type>> arguments = {{"cache", typeOf(cache)}};
    arguments.push_back({"q", rows({cache.queryHeads, cache.keyDim}, queryType)});
    if (withAppend) {
      arguments.push_back({"k", rows({cache.heads, cache.keyDim}, queryType)});
      arguments.push_back({"v", rows({cache.heads, cache.valueDim}, queryType)});
    }
    size_t firstArray = arguments.size();
    for (const ArraySyntax &array : attend.syntax->arrays)
      arguments.push_back({array.name.text, RankedTensorType::get({cache.queryHeads}, b.getF32Type())});
    Type output = rows({cache.queryHeads, cache.valueDim}, typeOf(attend.outputType));
    Type lse = attend.hasLse() ? Type(rows({cache.queryHeads}, b.getF32Type())) : Type();
    SmallVector<Type> results = {output};
    if (lse)
      results.push_back(lse);

    Twine middle = withAppend ? "_append_" : "_";
    func::FuncOp function = beginFunction((cache.name() + middle + attend.name()).str(), loc, arguments, results);
    Value cacheValue = function.getArgument(0);
    if (withAppend)
      AppendOp::create(b, loc, function.getArgument(2), function.getArgument(3), cacheValue);
    Value sinks = attend.sinks ? function.getArgument(unsigned(firstArray + *attend.sinks)) : BlockArgument();
    auto op = AttendOp::create(b, placed, output, lse, function.getArgument(1), cacheValue, sinks, b.getF64FloatAttr(attend.scale),
                               AccuracyAttr::get(&context, attend.accuracy), b.getI64IntegerAttr(attend.least),
                               b.getI64IntegerAttr(attend.most), schedulesOf(attend), VisibleAttr());
    emitMaskRegion(op, cache, attend);
    if (attend.score)
      emitScoreRegion(op, cache, attend, function.getArguments().drop_front(firstArray));
    func::ReturnOp::create(b, loc, op->getResults());
  }

  /// None where every query sees every token.
  void emitMaskRegion(AttendOp op, const CheckedCache &cache, const CheckedAttend &attend) {
    if (attend.mask && attend.mask->kind == ExprKind::boolean)
      return;
    OpBuilder::InsertionGuard guard(b);
    Location loc = attend.mask ? locate(attend.mask->range) : op.getLoc();
    Type types[] = {b.getI32Type(), b.getI32Type(), b.getIndexType()};
    Block *block = b.createBlock(&op.getMask(), {}, types, {loc, loc, loc});
    Value i = block->getArgument(0), j = block->getArgument(1);
    auto locateMask = [&](SMRange range) { return locate(range); };
    ScoreNames names{{}, i, j, block->getArgument(2), {}, cache.parameters, locateMask};
    Value sees =
        attend.mask ? emitMask(*attend.mask, names, b) : arith::CmpIOp::create(b, loc, arith::CmpIPredicate::sle, j, i).getResult();
    YieldOp::create(b, loc, sees);
  }

  void emitScoreRegion(AttendOp op, const CheckedCache &cache, const CheckedAttend &attend, ValueRange arrays) {
    OpBuilder::InsertionGuard guard(b);
    Location loc = locate(attend.score->range);
    Type types[] = {b.getF32Type(), b.getI32Type(), b.getI32Type(), b.getIndexType()};
    Block *block = b.createBlock(&op.getScore(), {}, types, {loc, loc, loc, loc});
    auto locateScore = [&](SMRange range) { return locate(range); };
    ScoreNames names{block->getArgument(0),
                     block->getArgument(1),
                     block->getArgument(2),
                     block->getArgument(3),
                     {},
                     cache.parameters,
                     locateScore};
    for (auto [array, value] : llvm::zip(attend.syntax->arrays, arrays))
      names.arrays[array.name.text] = value;
    YieldOp::create(b, loc, emitScore(*attend.score, names, b));
  }

  /// `loc` that also says where each entry of each schedule stands, by target and entry, for errors about them.
  Location withPlacesOf(const CheckedAttend &attend, Location loc) {
    SmallVector<NamedAttribute> schedules;
    for (const CheckedSchedule &schedule : attend.schedules) {
      SmallVector<NamedAttribute> entries;
      for (const ScheduleSyntax::Entry &entry : schedule.syntax->entries)
        entries.push_back(
            b.getNamedAttr(entry.key.text, LocationAttr(locate(entry.value ? entry.value->range : entry.word.range))));
      schedules.push_back(b.getNamedAttr(schedule.syntax->target.text, b.getDictionaryAttr(entries)));
    }
    return schedules.empty() ? loc : FusedLoc::get(&context, {loc}, b.getDictionaryAttr(schedules));
  }

  DictionaryAttr schedulesOf(const CheckedAttend &attend) {
    SmallVector<NamedAttribute> schedules;
    for (const CheckedSchedule &schedule : attend.schedules) {
      SmallVector<NamedAttribute> entries;
      for (const CheckedSchedule::Entry &entry : schedule.entries)
        entries.push_back(b.getNamedAttr(entry.key, entry.word.empty() ? Attribute(b.getI64IntegerAttr(entry.value))
                                                                       : b.getStringAttr(entry.word)));
      schedules.push_back(b.getNamedAttr(schedule.syntax->target.text, b.getDictionaryAttr(entries)));
    }
    return schedules.empty() ? DictionaryAttr() : b.getDictionaryAttr(schedules);
  }

  const CheckedFile &file;
  const llvm::SourceMgr &sources;
  OpBuilder b;
  MLIRContext &context;
};
} // namespace

OwningOpRef<ModuleOp> emitModule(const CheckedFile &file, const llvm::SourceMgr &sources, MLIRContext &context) {
  context.loadDialect<KvDialect, arith::ArithDialect, func::FuncDialect, math::MathDialect, tensor::TensorDialect>();
  return Emitter(file, sources, context).run();
}

} // namespace kv
