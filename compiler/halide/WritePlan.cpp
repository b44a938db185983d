#include "compiler/codecs/CodecFamily.h"
#include "compiler/halide/Halide.h"
#include "compiler/schedule/Pacing.h"
#include "compiler/schedule/StreamAccess.h"
#include "kv/kv_tokens.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace kv::halide {

static Region planOf(const kv::Region &region) {
  Region plan;
  plan.bits = region.bits;
  for (const kv::Axis &axis : region.axes)
    if (axis.extent > 1) // of the others there is one digit, whatever the coordinate
      plan.axes.push_back({std::string(1, axis.digit.coordinate), axis.digit.divisor, axis.extent, axis.stride, axis.modulus});
  return plan;
}

static Stream planOf(CacheType cache, const PageMap &map, kv::Stream stream) {
  CodecAttr codec = cache.getCodec(stream);
  Stream plan;
  plan.element = stringifyElement(codec.getElement()).str();
  plan.dim = cache.getDim(stream);
  plan.codes = planOf(map.codes(stream));
  if (!codec.hasScale())
    return plan;
  plan.group = codec.getGroup();
  plan.bias = codec.storedBias();
  plan.isSigned = !isOffsetBinary(codec.getElement());
  plan.parameter = stringifyElement(codec.getScale()).str();
  plan.scale = planOf(map.at(stream, RegionRole::scale));
  if (const kv::Region *zero = map.find(stream, RegionRole::zero))
    plan.zero = planOf(*zero);
  return plan;
}

/// How a product multiplies codes; without a dot, as numbers.
static void setDot(Stream &stream, CodecAttr codec, Dot dot) {
  stream.dot = stringifyDot(dot).str();
  if (!isIntegerDot(dot))
    return;
  OperandForm form = familyOf(codec).operandForm(codec, dot);
  stream.flip = form.flip;
  stream.shift = form.shift;
  stream.factor = form.factor;
}

static Block planOf(func::FuncOp function, DictionaryAttr what) {
  auto cache = cast<CacheType>(what.getAs<TypeAttr>("cache").getValue());
  auto schedule = what.getAs<ScheduleAttr>("schedule");
  auto number = [&](StringRef name) { return what.getAs<IntegerAttr>(name).getInt(); };
  PageMap map = mapPage(cache);
  Block plan;
  plan.name = function.getName().str();
  plan.rows = number("rows");
  plan.tokens = schedule.getBlock().getTokens();
  bool whole = fitBlocks(cache, plan.tokens) == BlockFit::whole;
  kv_tokens tokens = {};
  tokens.page_tokens = map.slots;
  plan.pages = whole ? kv_entries(tokens, plan.tokens) : 1;
  plan.slots = plan.pages > 1 ? map.slots : int64_t(llvm::alignTo(map.slots, schedule.getTeam().getLanes()));
  plan.slotUnit = plan.tokens;
  plan.ragged = !whole && map.slots % plan.tokens != 0;
  plan.spread = number("spread");
  plan.factor = what.getAs<FloatAttr>("factor").getValueAsDouble();
  plan.arrays = number("arrays");
  for (Attribute each : what.getAs<ArrayAttr>("score")) {
    auto op = cast<DictionaryAttr>(each);
    ScoreOp node{op.getAs<StringAttr>("name").str(), op.getAs<DenseI64ArrayAttr>("operands").asArrayRef().vec(),
                 op.getAs<StringAttr>("type").str(), op.getAs<FloatAttr>("value").getValueAsDouble(),
                 op.getAs<IntegerAttr>("predicate").getInt()};
    plan.score.push_back(node);
  }
  plan.lanes = schedule.getTeam().getLanes();
  plan.keySlice = number("keySlice");
  plan.valueSlice = number("valueSlice");
  plan.unroll = schedule.getScores().getUnroll();
  std::optional<WholeTiles> tiles = wholeTiles(cache, plan.tokens, schedule.getScores().getLoad());
  plan.aheadBytes = schedule.getBlock().getAhead() && tiles ? tiles->bytes : 0;
  plan.key = planOf(cache, map, kv::Stream::key);
  plan.value = planOf(cache, map, kv::Stream::value);
  setDot(plan.key, cache.getKey(), schedule.getScores().getDot());
  setDot(plan.value, cache.getValue(), schedule.getSums().getDot());
  plan.rowsOfSums = number("rowsOfSums");
  return plan;
}

static Row rowOf(func::FuncOp function, DictionaryAttr what) {
  auto cache = cast<CacheType>(what.getAs<TypeAttr>("cache").getValue());
  return {function.getName().str(), what.getAs<ScheduleAttr>("schedule").getTeam().getLanes(),
          planOf(cache, mapPage(cache), what.getAs<StreamAttr>("stream").getValue())};
}

Plan writePlan(ModuleOp module, const std::string &target) {
  // Kernels bring their own checks and have no runtime of Halide's; every operation is rounded; caches may be of any size.
  Plan plan{planVersion, target + "-no_runtime-no_asserts-no_bounds_query-strict_float-large_buffers", {}, {}};
  for (func::FuncOp function : module.getOps<func::FuncOp>())
    if (auto what = function->getAttrOfType<DictionaryAttr>("kv.halide"))
      what.contains("stream") ? plan.rows.push_back(rowOf(function, what)) : plan.blocks.push_back(planOf(function, what));
  return plan;
}

} // namespace kv::halide
