// Rules of the kv types (KvTypes.td).
#include "dialect/KvTypes.h"

#include "dialect/Storage.h"

#include "llvm/ADT/TypeSwitch.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"

#define GET_TYPEDEF_CLASSES
#include "dialect/KvTypes.cpp.inc"

using namespace mlir;

namespace kv {

void KvDialect::registerTypes() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialect/KvTypes.cpp.inc"
      >();
}

LogicalResult CacheType::verify(function_ref<InFlightDiagnostic()> emitError, StringAttr, int64_t heads, int64_t keyDim,
                                int64_t valueDim, CodecAttr key, CodecAttr value, LayoutAttr layout) {
  if (heads < 1) // C1
    return emitError() << "expected at least one head, got " << heads;
  auto checkStream = [&](StringRef name, int64_t dim, CodecAttr codec, OrderAttr order) -> LogicalResult {
    if (dim < 8 || dim > 576 || dim % 8) // C1
      return emitError() << "expected a " << name << " dimension that is a multiple of 8 from 8 to 576, got " << dim;
    if (codec.hasScale() && dim % codec.getGroup()) // C2
      return emitError() << "expected a " << name << " group that divides " << dim << ", got " << codec.getGroup();
    if (codec.bits() < 8 && !order.isAuto()) { // C3
      Digit last = order.getDigits().back();
      int64_t tokens = layout.getTile() ? layout.getTile() : layout.getSlots();
      int64_t whole = last.coordinate == 'h' ? heads : last.coordinate == 'd' ? dim : tokens;
      int64_t extent = last.extent ? last.extent : (whole + last.divisor - 1) / last.divisor;
      if (extent % 2)
        return emitError() << "expected an even fastest digit for 4-bit " << name << " codes, got an extent of " << extent;
      if (!keepsBytesApart(last)) // C4
        return emitError() << "expected both 4-bit " << name << " codes of a byte to be of one head and one run of " << storedRun
                           << " tokens, got `" << last.coordinate << "` with divisor " << last.divisor << " as the fastest digit";
    }
    return success();
  };
  if (failed(checkStream("key", keyDim, key, layout.getKey())))
    return failure();
  return checkStream("value", valueDim, value, layout.getValue());
}

LogicalResult StateType::verify(function_ref<InFlightDiagnostic()> emitError, int64_t rows, int64_t channels, int64_t observers) {
  if (rows < 1 || channels < 1) // C1
    return emitError() << "expected at least one row and one channel, got " << rows << " x " << channels;
  if (observers < 0) // C1
    return emitError() << "expected observers that are not negative, got " << observers;
  return success();
}

} // namespace kv
