// Parameters and codecs of a cache.
#include "compiler/frontend/ChecksImpl.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSwitch.h"

#include <numeric>

using namespace llvm;

namespace kv {

static constexpr int64_t maxHeads = 4096, maxChannels = 576; ///< heads: what the runtime takes (runtime/src/check_kernel.c)
static constexpr size_t maxParameters = 256;                 ///< each is looked up by its name among those before it

std::optional<int64_t> evaluateSize(const Expr &expr, ArrayRef<CheckedParameter> parameters, StringRef what, int64_t least,
                                    int64_t most, Diagnostics &diagnostics) {
  std::optional<int64_t> value = evaluateInteger(expr, parameters, diagnostics);
  if (!value || (*value >= least && *value <= most))
    return value;
  DiagKind kind = *value < least ? DiagKind::not_positive : DiagKind::too_large;
  diagnostics.error(kind, expr.range, {what.str(), std::to_string(*value), std::to_string(*value < least ? least : most)});
  return std::nullopt;
}

//===- parameters ------------------------------------------------------------------------------------------------------------===//

static std::optional<int64_t> overrideOf(const ParseOptions &options, StringRef name) {
  for (const auto &[key, value] : options.params)
    if (key == name)
      return value;
  return std::nullopt;
}

static bool checkParameters(const CacheSyntax &syntax, const ParseOptions &options, CheckedCache &cache, Diagnostics &diagnostics) {
  bool good = true;
  if (syntax.parameters.size() > maxParameters) {
    diagnostics.error(DiagKind::too_many_parameters, syntax.parameters[maxParameters].name.range, {std::to_string(maxParameters)});
    return false;
  }
  for (const ParameterSyntax &parameter : syntax.parameters) {
    good &= checkIdentifier(parameter.name, "a parameter", diagnostics);
    const CheckedParameter *earlier = nullptr;
    for (const CheckedParameter &other : cache.parameters)
      if (other.name.text == parameter.name.text)
        earlier = &other;
    if (earlier) {
      diagnostics.error(DiagKind::duplicate_name, parameter.name.range, {parameter.name.text.str(), "parameter"})
          .note(earlier->name.range, "first declared here");
      good = false;
      continue;
    }
    CheckedParameter result;
    result.name = parameter.name;
    // The default is evaluated even when it is replaced: a file is right or wrong for every `-p`.
    std::optional<int64_t> value = evaluateInteger(*parameter.value, cache.parameters, diagnostics);
    good &= value.has_value();
    result.value = value.value_or(8);
    result.syntax = parameter.value.get();
    if (std::optional<int64_t> override = overrideOf(options, parameter.name.text)) {
      result.value = *override;
      result.syntax = nullptr;
      result.overridden = true;
    }
    cache.parameters.push_back(result);
  }
  return good;
}

/// The value of one of the conventional parameters.
static std::optional<int64_t> conventional(const CheckedCache &cache, StringRef name, Diagnostics &diagnostics) {
  const CheckedParameter *parameter = findParameter(cache.parameters, name);
  if (!parameter) {
    if (!cache.syntax->partial) // streams that are refused have sizes of their own
      diagnostics.error(DiagKind::missing_parameter, cache.syntax->name.range, {cache.name().str(), name.str()});
    return std::nullopt;
  }
  std::string given = std::to_string(parameter->value);
  auto report = [&](DiagKind kind, std::initializer_list<std::string> args) {
    Diagnostic &error = diagnostics.error(kind, parameter->syntax ? parameter->syntax->range : parameter->name.range, args);
    if (parameter->overridden)
      error.note(parameter->name.range, "set by `-p " + name.str() + "=" + given + "`");
    return std::nullopt;
  };
  bool isDimension = name == "D" || name == "Dv";
  if (parameter->value < 1)
    return report(DiagKind::not_positive, {quoted(name), given, "1"});
  if (isDimension && (parameter->value % 8 || parameter->value > maxChannels))
    return report(DiagKind::head_dimension, {name.str(), given});
  if (!isDimension && parameter->value > maxHeads)
    return report(DiagKind::too_large, {quoted(name), given, std::to_string(maxHeads)});
  return parameter->value;
}

static bool checkGeometry(const ParseOptions &options, CheckedCache &cache, Diagnostics &diagnostics) {
  std::optional<int64_t> queryHeads = conventional(cache, "Hq", diagnostics), heads = conventional(cache, "Hkv", diagnostics),
                         keyDim = conventional(cache, "D", diagnostics);
  if (none_of(cache.parameters, [](const CheckedParameter &parameter) { return parameter.name.text == "Dv"; })) {
    CheckedParameter valueDim;
    std::optional<int64_t> override = overrideOf(options, "Dv");
    valueDim.name = {"Dv", cache.syntax->name.range};
    valueDim.value = override.value_or(keyDim.value_or(8));
    valueDim.overridden = override.has_value();
    cache.parameters.push_back(valueDim);
  }
  std::optional<int64_t> valueDim = conventional(cache, "Dv", diagnostics);
  if (!queryHeads || !heads || !keyDim || !valueDim)
    return false;
  cache.queryHeads = *queryHeads;
  cache.heads = *heads;
  cache.keyDim = *keyDim;
  cache.valueDim = *valueDim;
  if (*queryHeads % *heads == 0)
    return true;
  const CheckedParameter *parameter = findParameter(cache.parameters, "Hq"), *other = findParameter(cache.parameters, "Hkv");
  diagnostics.error(DiagKind::head_ratio, parameter->name.range, {std::to_string(*queryHeads), std::to_string(*heads)})
      .note(other->name.range, "`Hkv` set here");
  return false;
}

void checkParametersUsed(const CheckedCache &cache, Diagnostics &diagnostics) {
  static const StringRef conventions[] = {"Hq", "Hkv", "D", "Dv"};
  for (const CheckedParameter &parameter : cache.parameters)
    if (!parameter.used)
      diagnostics.error(DiagKind::unused_parameter, parameter.name.range, {parameter.name.text.take_front(40).str()})
          .hint(didYouMean(parameter.name.text, conventions));
}

//===- codecs ----------------------------------------------------------------------------------------------------------------===//

static bool checkCodec(const CodecSyntax &syntax, StringRef dimName, int64_t dim, CheckedCache &cache, CheckedCodec &codec,
                       Diagnostics &diagnostics) {
  codec.syntax = &syntax;
  codec.element = *symbolizeElement(syntax.type.text);
  if (!codec.isInteger())
    return true;
  bool isByte = codec.bits() == 8;
  codec.zero = syntax.zero                     ? *symbolizeZeroPoint(syntax.zero.text)
               : isOffsetBinary(codec.element) ? ZeroPoint::asym
                                               : ZeroPoint::sym;
  codec.scale = syntax.scale ? *symbolizeElement(syntax.scale.text) : isByte ? Element::f32 : Element::f16;
  SMRange range = syntax.type.range;
  if (syntax.groupSize) {
    std::optional<int64_t> size = evaluateSize(*syntax.groupSize, cache.parameters, "a group", 1, INT64_MAX, diagnostics);
    if (!size)
      return false;
    codec.group = *size;
    range = syntax.groupSize->range;
  } else {
    codec.group = syntax.group || isByte ? dim : 32;
  }
  if (dim % codec.group == 0)
    return true;
  int64_t near = std::gcd(dim, codec.group); // most often the largest divisor below
  for (int64_t size = std::min(codec.group, dim); size > near; --size)
    if (dim % size == 0)
      near = size;
  diagnostics.error(DiagKind::group_divides, range, {std::to_string(codec.group), std::to_string(dim), dimName.str()})
      .hint("use `group(d:" + std::to_string(near) + ")` or `group(d:*)`");
  return false;
}

bool checkCache(const CacheSyntax &syntax, const ParseOptions &options, CheckedCache &cache, Diagnostics &diagnostics) {
  cache.syntax = &syntax;
  bool good = checkParameters(syntax, options, cache, diagnostics);
  const bool geometry = good = good && checkGeometry(options, cache, diagnostics);
  const CodecSyntax *key = syntax.key ? &*syntax.key : nullptr, *value = syntax.valueCodec();
  auto missing = [&](StringRef clause) {
    diagnostics.error(DiagKind::missing_clause, syntax.name.range, {"cache " + quoted(syntax.name.text), clause.str()})
        .hint(clause == "layout" ? "add `layout paged(16)` or `layout dense(8192)`" : "add `" + clause.str() + ": f16`");
    return false;
  };
  if (!syntax.partial) {
    if (!key)
      good = missing("k");
    if (!value)
      good = missing("v");
    if (!syntax.layout.kind)
      good = missing("layout");
  }
  if (!geometry)
    return false;
  bool codecs = !key || checkCodec(*key, "D", cache.keyDim, cache, cache.key, diagnostics);
  if (value && (codecs || !syntax.sharedCodec)) // one error for a codec that is written once
    codecs &= checkCodec(*value, "Dv", cache.valueDim, cache, cache.value, diagnostics);
  if (codecs && syntax.layout.kind && !syntax.layout.broken)
    checkLayout(syntax.layout, cache, diagnostics);
  return true;
}

} // namespace kv
