// Layouts: orders cover each coordinate exactly once, rows of 4-bit codes fill whole bytes that no two threads share, a page fits
// the address space.
#include "compiler/frontend/ChecksImpl.h"

#include "dialect/Storage.h"

#include "llvm/ADT/STLExtras.h"

#include <cmath>

using namespace llvm;

namespace kv {

/// Lengths and slots are int32 in the ABI.
static constexpr int64_t maxSlots = INT32_MAX;
static constexpr double maxPageBytes = double(int64_t(1) << 47);
/// Room for codes over what the codes of a page need. Twice is rounding, this is a mistake.
static constexpr double maxPadding = 1024;

static std::string spelling(const DigitSyntax &digit) {
  return StringRef(digit.range.Start.getPointer(), digit.range.End.getPointer() - digit.range.Start.getPointer()).str();
}

static bool checkDigit(const DigitSyntax &syntax, const CheckedCache &cache, Digit &digit, Diagnostics &diagnostics) {
  digit = {syntax.letter.text.front(), 1, 0};
  auto evaluate = [&](const ExprPtr &expr, int64_t least, StringRef what, int64_t &value) {
    if (!expr)
      return true;
    std::optional<int64_t> result = evaluateInteger(*expr, cache.parameters, diagnostics);
    if (!result)
      return false;
    value = *result;
    if (value > maxSlots)
      diagnostics.error(DiagKind::too_large, expr->range,
                        {what.str() + " of a digit", std::to_string(value), std::to_string(maxSlots)});
    else if (value < least)
      diagnostics.error(DiagKind::order_digit, expr->range, {what.str(), std::to_string(value), std::to_string(least)});
    return value >= least && value <= maxSlots;
  };
  bool good = evaluate(syntax.divisor, 1, "the divisor", digit.divisor);
  return evaluate(syntax.extent, 2, "the extent", digit.extent) && good;
}

/// The digits of one coordinate, from the fastest, must meet end to end; only the last one has no `%`.
static bool checkCoverage(const OrderSyntax &syntax, ArrayRef<Digit> digits, char coordinate, bool inTile,
                          Diagnostics &diagnostics) {
  SmallVector<size_t> own;
  for (auto [i, digit] : enumerate(digits))
    if (digit.coordinate == coordinate)
      own.push_back(i);
  std::string letter(1, coordinate);
  if (own.empty()) {
    diagnostics.error(inTile ? DiagKind::order_missing_in_tile : DiagKind::order_missing, syntax.range, {letter});
    return false;
  }
  sort(own, [&](size_t a, size_t b) { return std::pair(digits[a].divisor, a) < std::pair(digits[b].divisor, b); });
  int64_t covered = 1; // 0: up to the end
  const DigitSyntax *previous = nullptr;
  for (size_t i : own) {
    const DigitSyntax &digit = syntax.digits[i];
    if (covered == 0 || digits[i].divisor < covered) {
      Diagnostic &error = diagnostics.error(DiagKind::order_overlap, digit.range, {spelling(digit), letter});
      if (previous)
        error.note(previous->range, "the other digit");
      return false;
    }
    if (digits[i].divisor > covered) {
      Diagnostic &error = diagnostics.error(DiagKind::order_gap, digit.range,
                                            {spelling(digit), std::to_string(digits[i].divisor), std::to_string(covered)});
      error.hint(covered == 1 ? "add a digit " + quoted(letter + "%" + std::to_string(digits[i].divisor))
                              : "use " + quoted(letter + "/" + std::to_string(covered)));
      if (previous)
        error.note(previous->range, "the digit below it");
      return false;
    }
    covered = digits[i].extent == 0 ? 0 : covered * digits[i].extent;
    previous = &digit;
    if (covered > maxSlots) {
      diagnostics.error(DiagKind::too_large, digit.range,
                        {"the reach of a digit", std::to_string(covered), std::to_string(maxSlots)});
      return false;
    }
  }
  if (covered == 0)
    return true;
  diagnostics.error(DiagKind::order_outermost, previous->range, {letter})
      .hint("add a digit " + quoted(letter + "/" + std::to_string(covered)));
  return false;
}

static int64_t extentOf(const Digit &digit, const CheckedCache &cache, int64_t dim) {
  int64_t tokens = cache.tile ? cache.tile : cache.slots;
  int64_t whole = digit.coordinate == 'h' ? cache.heads : digit.coordinate == 't' ? tokens : dim;
  return digit.extent ? digit.extent : (whole + digit.divisor - 1) / digit.divisor;
}

/// Elements that a page has room for over those that it has.
static double paddingOf(ArrayRef<Digit> digits, const CheckedCache &cache, int64_t dim) {
  double room = cache.tile ? double(cache.heads) * std::ceil(double(cache.slots) / double(cache.tile)) : 1;
  for (const Digit &digit : digits)
    room *= double(extentOf(digit, cache, dim));
  return room / (double(cache.heads) * double(cache.slots) * double(dim));
}

static bool checkPadding(SMRange range, std::string what, double padding, const CheckedCache &cache, Diagnostics &diagnostics) {
  if (padding <= maxPadding)
    return true;
  std::string times = padding < 9e18 ? std::to_string(int64_t(padding)) : "more than 2^62";
  diagnostics.error(DiagKind::page_padding, range,
                    {std::move(what), times, std::to_string(cache.slots), std::to_string(int64_t(maxPadding))});
  return false;
}

static bool checkOrder(const OrderSyntax &syntax, StringRef stream, int64_t dim, const CheckedCodec &codec, CheckedCache &cache,
                       std::vector<Digit> &digits, Diagnostics &diagnostics) {
  bool good = true;
  for (const DigitSyntax &digit : syntax.digits)
    good &= checkDigit(digit, cache, digits.emplace_back(), diagnostics);
  if (!good || digits.empty())
    return good;
  for (auto [i, digit] : enumerate(digits))
    if (cache.tile && digit.coordinate == 'h') {
      diagnostics.error(DiagKind::order_head_in_tile, syntax.digits[i].range).note(cache.syntax->layout.tile->range, "the tile");
      return false;
    }
  for (char coordinate : StringRef(cache.tile ? "td" : "htd"))
    good &= checkCoverage(syntax, digits, coordinate, /*inTile=*/cache.tile, diagnostics);
  if (!good)
    return false;
  if (!checkPadding(syntax.range, "the order of " + stream.str(), paddingOf(digits, cache, dim), cache, diagnostics))
    return false;
  if (codec.bits() != 4)
    return true;
  int64_t extent = extentOf(digits.back(), cache, dim);
  if (extent % 2 == 0) {
    if (keepsBytesApart(digits.back()))
      return true;
    std::string apart = std::to_string(digits.back().divisor), sharers = "tokens " + apart + " apart";
    if (digits.back().coordinate == 'h')
      sharers = "two heads";
    diagnostics.error(DiagKind::shared_byte, syntax.digits.back().range, {stream.str(), sharers})
        .note(codec.syntax->type.range, quoted(codec.syntax->type.text) + " set here");
    return false;
  }
  Diagnostic &error = diagnostics.error(DiagKind::odd_nibbles, syntax.digits.back().range, {stream.str(), std::to_string(extent)});
  error.note(codec.syntax->type.range, quoted(codec.syntax->type.text) + " set here");
  bool isPage = digits.back().coordinate == 't' && digits.back().extent == 0 && digits.back().divisor == 1;
  int64_t even = extent < maxSlots ? extent + 1 : extent - 1;
  error.hint(isPage ? "use " + quoted(cache.syntax->layout.kind.text.str() + "(" + std::to_string(even) + ")")
                    : "let a digit of `d` come last");
  return false;
}

/// Bytes of the codes and scales of a page, not exact (`auto` pads a little), in floating point: it may be far too large.
static double estimateBytes(const CheckedCache &cache) {
  auto stream = [&](const CheckedCodec &codec, ArrayRef<Digit> digits, int64_t dim) {
    double slots = cache.tile ? std::ceil(double(cache.slots) / double(cache.tile)) * double(cache.tile) : double(cache.slots);
    double elements = digits.empty() ? double(cache.heads) * slots * double(dim) : 1;
    if (cache.tile && !digits.empty())
      elements = double(cache.heads) * slots / double(cache.tile);
    for (const Digit &digit : digits)
      elements *= double(extentOf(digit, cache, dim));
    double scaleBits = codec.scale == Element::f32 ? 32 : 16, perGroup = codec.zero == ZeroPoint::asym ? 2 : 1;
    return elements / 8 * (double(codec.bits()) + (codec.isInteger() ? scaleBits * perGroup / double(codec.group) : 0));
  };
  return stream(cache.key, cache.keyOrder, cache.keyDim) + stream(cache.value, cache.valueOrder, cache.valueDim);
}

bool checkLayout(const LayoutSyntax &syntax, CheckedCache &cache, Diagnostics &diagnostics) {
  cache.layout = *symbolizeLayoutKind(syntax.kind.text);
  std::optional<int64_t> slots = evaluateSize(*syntax.slots, cache.parameters, quoted(syntax.kind.text), 1, maxSlots, diagnostics);
  if (!slots)
    return false;
  cache.slots = *slots;
  if (syntax.tile) {
    std::optional<int64_t> tile = evaluateSize(*syntax.tile, cache.parameters, "`tile`", 16, maxSlots, diagnostics);
    if (!tile)
      return false;
    cache.tile = *tile;
    if (cache.tile % 16) {
      diagnostics.error(DiagKind::tile_multiple, syntax.tile->range, {std::to_string(cache.tile)});
      return false;
    }
    double padding = std::ceil(double(cache.slots) / double(cache.tile)) * double(cache.tile) / double(cache.slots);
    if (!checkPadding(syntax.tile->range, "a tile of " + std::to_string(cache.tile), padding, cache, diagnostics))
      return false;
  }
  const OrderSyntax *key = syntax.key ? &*syntax.key : nullptr;
  const OrderSyntax *value = !syntax.separate ? key : syntax.value ? &*syntax.value : nullptr;
  bool good = !key || checkOrder(*key, "keys", cache.keyDim, cache.key, cache, cache.keyOrder, diagnostics);
  if (value && (good || syntax.separate)) // one error for an order that is written once
    good &= checkOrder(*value, "values", cache.valueDim, cache.value, cache, cache.valueOrder, diagnostics);
  if (!good)
    return false;
  double bytes = estimateBytes(cache);
  if (bytes <= maxPageBytes)
    return true;
  std::string size = bytes < 9e18 ? std::to_string(int64_t(bytes)) : "more than 2^62";
  diagnostics.error(DiagKind::page_too_large, syntax.slots->range,
                    {quoted(syntax.kind.text.str() + "(" + std::to_string(*slots) + ")"), size});
  return false;
}

} // namespace kv
