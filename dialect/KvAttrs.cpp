// Syntax and rules of the kv attributes. Each check names the rule of KvAttrs.td that it enforces.
#include "dialect/KvAttrs.h"
#include "dialect/Visible.h"

#include "kv/kv_abi.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/TypeSwitch.h"

#define GET_ATTRDEF_CLASSES
#include "dialect/KvAttrs.cpp.inc"

using namespace mlir;

namespace kv {

void KvDialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialect/KvAttrs.cpp.inc"
      >();
}

template <typename Enum>
static FailureOr<Enum> parseEnum(AsmParser &parser, std::optional<Enum> (*symbolize)(StringRef), StringRef what) {
  StringRef word;
  SMLoc loc = parser.getCurrentLocation();
  if (failed(parser.parseKeyword(&word)))
    return failure();
  if (std::optional<Enum> value = symbolize(word))
    return *value;
  return parser.emitError(loc) << "expected " << what << ", got `" << word << "`", failure();
}

//===- codec -----------------------------------------------------------------------------------------------------------------===//

namespace {
enum class Numbers { floating, twosComplement, offsetBinary };

struct ElementFacts {
  Element element;
  kv_type type; ///< the same, as kernels and the runtime call it
  int64_t bits;
  Numbers numbers;
};
} // namespace

static constexpr ElementFacts elements[] = {
    {Element::f32, KV_TYPE_F32, 32, Numbers::floating},    //
    {Element::f16, KV_TYPE_F16, 16, Numbers::floating},    //
    {Element::bf16, KV_TYPE_BF16, 16, Numbers::floating},  //
    {Element::i8, KV_TYPE_I8, 8, Numbers::twosComplement}, //
    {Element::u8, KV_TYPE_U8, 8, Numbers::offsetBinary},   //
    {Element::i4, KV_TYPE_I4, 4, Numbers::twosComplement}, //
    {Element::u4, KV_TYPE_U4, 4, Numbers::offsetBinary},   //
    {Element::f8e4m3, KV_TYPE_F8E4M3, 8, Numbers::floating},
};

/// One row for each element, in their order, which is that of kv_type.
static constexpr bool isInOrder() {
  for (size_t i = 0; i < std::size(elements); ++i)
    if (size_t(elements[i].element) != i || size_t(elements[i].type) != i)
      return false;
  return std::size(elements) == getMaxEnumValForElement() + 1;
}
static_assert(isInOrder());

// The same roles, as kernels and the runtime call them.
static_assert(int(ArgumentRole::sinks) == KV_ROLE_SINKS && int(ArgumentRole::mask) == KV_ROLE_MASK &&
              int(ArgumentRole::scales) == KV_ROLE_SCALES && int(ArgumentRole::rope) == KV_ROLE_ROPE);

static const ElementFacts &factsOf(Element element) { return elements[size_t(element)]; }

int64_t bitsOf(Element element) { return factsOf(element).bits; }
bool isCode(Element element) { return factsOf(element).numbers != Numbers::floating; }
bool isOffsetBinary(Element element) { return factsOf(element).numbers == Numbers::offsetBinary; }

ArrayRef<StringRef> elementNames() {
  static const SmallVector<StringRef> names = [] {
    SmallVector<StringRef> all;
    for (uint32_t i = 0; i <= getMaxEnumValForElement(); ++i)
      all.push_back(stringifyElement(static_cast<Element>(i)));
    return all;
  }();
  return names;
}

int64_t CodecAttr::bits() const { return bitsOf(getElement()); }

int64_t CodecAttr::storedBias() const {
  if (!isInteger())
    return 0;
  int64_t half = int64_t(1) << (bits() - 1);
  if (hasZero())
    return isOffsetBinary(getElement()) ? 0 : -half;
  return isOffsetBinary(getElement()) ? half : 0;
}

LogicalResult CodecAttr::verify(function_ref<InFlightDiagnostic()> emitError, Element element, int64_t group, ZeroPoint,
                                Element scale) {
  if (isCode(element) ? group <= 0 : group != 0) // C1
    return emitError() << "expected " << (isCode(element) ? "a positive group for an integer codec" : "no group for a scalar codec")
                       << ", got " << group;
  if (scale != Element::f32 && scale != Element::f16) // C2
    return emitError() << "expected a scale of f32 or f16, got " << stringifyElement(scale);
  return success();
}

// <f16>  or  <i8, group = 128, sym, scale = f32>
Attribute CodecAttr::parse(AsmParser &parser, Type) {
  int64_t group = 0;
  FailureOr<ZeroPoint> zero = ZeroPoint::sym;
  FailureOr<Element> scale = Element::f32;
  if (parser.parseLess())
    return {};
  FailureOr<Element> element = parseEnum(parser, symbolizeElement, "an element type");
  if (failed(element))
    return {};
  if (succeeded(parser.parseOptionalComma())) {
    if (parser.parseKeyword("group") || parser.parseEqual() || parser.parseInteger(group) || parser.parseComma())
      return {};
    zero = parseEnum(parser, symbolizeZeroPoint, "`sym` or `asym`");
    if (failed(zero) || parser.parseComma() || parser.parseKeyword("scale") || parser.parseEqual())
      return {};
    scale = parseEnum(parser, symbolizeElement, "a scale type");
    if (failed(scale))
      return {};
  }
  if (parser.parseGreater())
    return {};
  return getChecked([&] { return parser.emitError(parser.getNameLoc()); }, parser.getContext(), *element, group, *zero, *scale);
}

void CodecAttr::print(AsmPrinter &printer) const {
  printer << "<" << stringifyElement(getElement());
  if (hasScale())
    printer << ", group = " << getGroup() << ", " << stringifyZeroPoint(getZero()) << ", scale = " << stringifyElement(getScale());
  printer << ">";
}

//===- order -----------------------------------------------------------------------------------------------------------------===//

std::string checkDigits(ArrayRef<Digit> digits) {
  if (digits.empty())
    return "";
  for (char coordinate : {'h', 't', 'd'}) {
    SmallVector<Digit> own;
    for (const Digit &digit : digits)
      if (digit.coordinate == coordinate)
        own.push_back(digit);
    if (own.empty() && coordinate == 'h')
      continue;
    if (own.empty())
      return std::string("coordinate `") + coordinate + "` is missing";
    llvm::sort(own, [](const Digit &a, const Digit &b) { return a.divisor < b.divisor; });
    int64_t covered = 1;
    for (const Digit &digit : own) {
      if (covered == 0 || digit.divisor != covered)
        return std::string("coordinate `") + coordinate + "` is not covered exactly once";
      covered = digit.extent == 0 ? 0 : covered * digit.extent;
    }
    if (covered != 0)
      return std::string("coordinate `") + coordinate + "` has no outermost digit without `%`";
  }
  return "";
}

LogicalResult OrderAttr::verify(function_ref<InFlightDiagnostic()> emitError, ArrayRef<Digit> digits) {
  for (const Digit &digit : digits)
    if (!StringRef("htd").contains(digit.coordinate) || digit.divisor < 1 || digit.extent < 0)
      return emitError() << "expected digits of `h`, `t` and `d` with positive divisors, got `" << digit.coordinate << "`";
  std::string fault = checkDigits(digits); // C1
  if (!fault.empty())
    return emitError() << "expected each coordinate once, but " << fault;
  return success();
}

std::string OrderAttr::str() const {
  if (isAuto())
    return "auto";
  std::string text = "[";
  for (const Digit &digit : getDigits()) {
    if (text.size() > 1)
      text += ", ";
    text += digit.coordinate;
    if (digit.divisor != 1)
      text += "/" + std::to_string(digit.divisor);
    if (digit.extent != 0)
      text += "%" + std::to_string(digit.extent);
  }
  return text + "]";
}

// MLIR's lexer has no `/` or `%16`, so an order is written as a string.
static FailureOr<OrderAttr> parseOrder(AsmParser &parser) {
  std::string text;
  SMLoc loc = parser.getCurrentLocation();
  if (succeeded(parser.parseOptionalKeyword("auto")))
    return OrderAttr::get(parser.getContext(), {});
  if (parser.parseString(&text))
    return failure();
  SmallVector<Digit> digits;
  StringRef rest = StringRef(text).trim();
  bool good = rest.consume_front("[") && rest.consume_back("]");
  SmallVector<StringRef> parts;
  rest.split(parts, ',');
  for (StringRef part : parts) {
    part = part.trim();
    Digit digit{part.empty() ? '?' : part.front(), 1, 0};
    part = part.drop_front(part.empty() ? 0 : 1);
    if (part.consume_front("/"))
      good &= !part.consumeInteger(10, digit.divisor);
    if (part.consume_front("%"))
      good &= !part.consumeInteger(10, digit.extent) && digit.extent > 0;
    good &= part.empty();
    digits.push_back(digit);
  }
  if (!good)
    return parser.emitError(loc) << "expected an order such as \"[h, t/16, d, t%16]\", got \"" << text << "\"", failure();
  OrderAttr order = OrderAttr::getChecked([&] { return parser.emitError(loc); }, parser.getContext(), digits);
  if (!order)
    return failure();
  return order;
}

static void printOrder(AsmPrinter &printer, OrderAttr order) {
  if (order.isAuto())
    printer << "auto";
  else
    printer << '"' << order.str() << '"';
}

Attribute OrderAttr::parse(AsmParser &parser, Type) {
  if (parser.parseLess())
    return {};
  FailureOr<OrderAttr> order = parseOrder(parser);
  if (failed(order) || parser.parseGreater())
    return {};
  return *order;
}

void OrderAttr::print(AsmPrinter &printer) const {
  printer << "<";
  printOrder(printer, *this);
  printer << ">";
}

//===- layout ----------------------------------------------------------------------------------------------------------------===//

LogicalResult LayoutAttr::verify(function_ref<InFlightDiagnostic()> emitError, LayoutKind, int64_t slots, int64_t tile,
                                 OrderAttr key, OrderAttr value) {
  if (slots < 1) // C1
    return emitError() << "expected a page of at least one slot, got " << slots;
  if (tile < 0 || tile % 16) // C2
    return emitError() << "expected a tile of a multiple of 16 tokens, got " << tile;
  for (OrderAttr order : {key, value})
    if (!order.isAuto() && llvm::any_of(order.getDigits(), [](Digit digit) { return digit.coordinate == 'h'; }) != (tile == 0))
      return emitError() << (tile ? "a tile is of one head: expected an order without `h`, got "
                                  : "expected an order with `h`, got ")
                         << order.str();
  return success();
}

// <paged 16, tile = 16, key = auto, value = "[t, d]">, the tile where there is one
Attribute LayoutAttr::parse(AsmParser &parser, Type) {
  int64_t slots = 0;
  if (parser.parseLess())
    return {};
  FailureOr<LayoutKind> kind = parseEnum(parser, symbolizeLayoutKind, "`dense` or `paged`");
  if (failed(kind) || parser.parseInteger(slots) || parser.parseComma())
    return {};
  int64_t tile = 0;
  if (succeeded(parser.parseOptionalKeyword("tile")) && (parser.parseEqual() || parser.parseInteger(tile) || parser.parseComma()))
    return {};
  if (parser.parseKeyword("key") || parser.parseEqual())
    return {};
  FailureOr<OrderAttr> key = parseOrder(parser);
  if (failed(key) || parser.parseComma() || parser.parseKeyword("value") || parser.parseEqual())
    return {};
  FailureOr<OrderAttr> value = parseOrder(parser);
  if (failed(value) || parser.parseGreater())
    return {};
  return getChecked([&] { return parser.emitError(parser.getNameLoc()); }, parser.getContext(), *kind, slots, tile, *key, *value);
}

void LayoutAttr::print(AsmPrinter &printer) const {
  printer << "<" << stringifyLayoutKind(getKind()) << " " << getSlots();
  if (getTile())
    printer << ", tile = " << getTile();
  printer << ", key = ";
  printOrder(printer, getKey());
  printer << ", value = ";
  printOrder(printer, getValue());
  printer << ">";
}

//===- visible ---------------------------------------------------------------------------------------------------------------===//

static bool isBound(AffineExpr expr) {
  if (isa<AffineConstantExpr, AffineDimExpr>(expr))
    return true;
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary || !isBound(binary.getLHS()))
    return false;
  if (expr.getKind() == AffineExprKind::Add)
    return isBound(binary.getRHS());
  auto constant = dyn_cast<AffineConstantExpr>(binary.getRHS());
  return constant && ((expr.getKind() == AffineExprKind::Mul && constant.getValue() >= 0) ||
                      (expr.getKind() == AffineExprKind::FloorDiv && constant.getValue() > 0));
}

LogicalResult OutputAttr::verify(function_ref<InFlightDiagnostic()> emitError, Type type, int64_t heads, bool,
                                 ArrayRef<ArgumentRole>) {
  if (!isTensorElement(type) || heads < 1) // output C1
    return emitError() << "expected f32, f16 or bf16 and at least one head, got " << type << " and " << heads;
  return success();
}

std::optional<int64_t> OutputAttr::find(ArgumentRole role) const {
  const auto *found = llvm::find(getArguments(), role);
  return found == getArguments().end() ? std::nullopt : std::optional<int64_t>(found - getArguments().begin());
}

LogicalResult VisibleAttr::verify(function_ref<InFlightDiagnostic()> emitError, ArrayRef<AffineMap> low, ArrayRef<AffineMap> high) {
  if (low.empty() || low.size() > maxRuns || low.size() != high.size() ||
      llvm::any_of(high.drop_back(), [](AffineMap map) { return map.getNumResults() == 0; })) // C1
    return emitError() << "expected one to " << maxRuns << " runs of a low and a high map each, all but the last with an end";
  for (ArrayRef<AffineMap> maps : {low, high})
    for (AffineMap map : maps)
      if (map.getNumDims() != 1 || map.getNumSymbols() || !llvm::all_of(map.getResults(), isBound)) // C2
        return emitError() << "expected bounds that never fall as the one dimension grows, got " << AffineMapAttr::get(map);
  return success();
}

bool VisibleAttr::hasLow() const {
  return getRuns() > 1 || llvm::any_of(getLow(), [](AffineMap map) { return map.getNumResults() != 0; });
}

bool VisibleAttr::differs() const {
  auto depends = [](AffineMap map) {
    return llvm::any_of(map.getResults(), [](AffineExpr bound) { return bound.isFunctionOfDim(0); });
  };
  return llvm::any_of(getLow(), depends) || llvm::any_of(getHigh(), depends);
}

bool VisibleAttr::seesItself() const {
  AffineExpr own = getAffineDimExpr(0, getContext());
  return getRuns() == 1 && llvm::all_of(getLow()[0].getResults(), [&](AffineExpr low) { return isNeverBelow(own, low); }) &&
         llvm::all_of(getHigh()[0].getResults(), [&](AffineExpr high) { return isNeverBelow(high, own + 1); });
}

bool isNeverBelow(AffineExpr a, AffineExpr b) {
  std::optional<int64_t> least =
      getBoundForAffineExpr(simplifyAffineExpr(a - b, 1, 0), 1, 0, {int64_t(0)}, {int64_t(INT32_MAX)}, /*isUpper=*/false);
  return least && *least >= 0;
}

int64_t mostVisible(VisibleAttr visible, int64_t queries) {
  int64_t sum = 0;
  for (auto [low, high] : llvm::zip(visible.getLow(), visible.getHigh())) {
    std::optional<int64_t> most;
    AffineExpr first = getAffineDimExpr(0, visible.getContext()), last = first + (queries - 1);
    SmallVector<AffineExpr> lows(low.getResults());
    lows.push_back(getAffineConstantExpr(0, visible.getContext()));
    for (AffineExpr begin : lows)
      for (AffineExpr end : high.getResults()) {
        AffineExpr tokens = simplifyAffineExpr(end.replace(first, last) - begin, 1, 0);
        std::optional<int64_t> bound = getBoundForAffineExpr(tokens, 1, 0, {int64_t(0)}, {std::nullopt}, /*isUpper=*/true);
        if (bound && (!most || *bound < *most))
          most = std::max<int64_t>(*bound, 0);
      }
    if (!most)
      return 0;
    sum += *most;
  }
  return std::max<int64_t>(sum, 1);
}

//===- tile and map ----------------------------------------------------------------------------------------------------------===//

LogicalResult TileAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t lanes, int64_t dim) {
  bool placed = dim == -1 ? lanes == 1 : (dim == 0 || dim == 1) && lanes >= 1; // C1
  if (!placed)
    return emitError() << "expected lanes along dimension 0 or 1, or one lane and dimension -1, got " << lanes << " along " << dim;
  return success();
}

LogicalResult MapAttr::verify(function_ref<InFlightDiagnostic()> emitError, ArrayRef<DenseI64ArrayAttr> dims) {
  SmallVector<int64_t> seen;
  for (DenseI64ArrayAttr dim : dims)
    for (int64_t bit : dim.asArrayRef()) {
      if (bit >= 0 && llvm::is_contained(seen, bit)) // C1
        return emitError() << "expected every bit of a thread's number at most once, got bit " << bit << " twice";
      seen.push_back(bit);
    }
  return success();
}

} // namespace kv
