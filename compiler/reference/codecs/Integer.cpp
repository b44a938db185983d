// Compiled with -ffp-contract=off: a fused multiply-add would change codes (compiler/reference/CMakeLists.txt).
#include "compiler/reference/codecs/Integer.h"

#include "compiler/reference/codecs/Scalar.h"

#include <algorithm>
#include <cassert>
#include <cfloat>
#include <cmath>

namespace kv {

/// A finite number rounded to the scale's type without leaving the finite ones; never -0.
static float roundParameter(Element type, float value) {
  float largest = type == Element::f16 ? 65504.0f : FLT_MAX;
  return roundTo(type, std::clamp(value, -largest, largest)) + 0.0f;
}

static uint32_t quietNaN(Element type) { return type == Element::f16 ? 0x7e00 : 0x7fc00000; }

GroupParameters encodeGroup(const Codec &codec, llvm::ArrayRef<float> values, llvm::MutableArrayRef<uint32_t> stored) {
  assert(codec.integer && !values.empty() && values.size() == stored.size());
  float least = values[0], most = values[0], magnitude = 0;
  bool finite = true;
  for (float value : values) {
    finite &= std::isfinite(value);
    least = std::min(least, value);
    most = std::max(most, value);
    magnitude = std::max(magnitude, std::fabs(value));
  }
  uint32_t mask = codec.bits == 32 ? ~0u : (1u << codec.bits) - 1;
  auto store = [&](size_t i, float code) { stored[i] = uint32_t(int32_t(code) + int32_t(codec.bias)) & mask; };
  if (!finite) {
    for (size_t i = 0; i < values.size(); ++i)
      store(i, 0);
    return {quietNaN(codec.scale), codec.asym ? quietNaN(codec.scale) : 0};
  }

  float lowest, highest, scale, zero = 0;
  if (codec.asym) {
    lowest = 0;
    highest = float((1 << codec.bits) - 1);
    zero = roundParameter(codec.scale, least);
    float range = most - least;
    scale = roundParameter(codec.scale, range / highest);
  } else {
    highest = float((1 << (codec.bits - 1)) - 1);
    lowest = -highest;
    scale = roundParameter(codec.scale, magnitude / highest);
  }
  float inverse = 1.0f / scale;
  if (!std::isfinite(inverse))
    inverse = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    float distance = codec.asym ? values[i] - zero : values[i];
    float code = inverse == 0 ? 0.0f : std::nearbyint(distance * inverse);
    store(i, std::clamp(code, lowest, highest));
  }
  return {encodeScalar(codec.scale, scale), codec.asym ? encodeScalar(codec.scale, zero) : 0};
}

void decodeGroup(const Codec &codec, llvm::ArrayRef<uint32_t> stored, GroupParameters parameters,
                 llvm::MutableArrayRef<float> values) {
  assert(codec.integer && values.size() == stored.size());
  float scale = decodeScalar(codec.scale, parameters.scale), zero = decodeScalar(codec.scale, parameters.zero);
  bool isSigned = !isOffsetBinary(codec.element);
  for (size_t i = 0; i < values.size(); ++i) {
    int32_t bits = int32_t(stored[i]);
    if (isSigned && bits >> (codec.bits - 1))
      bits -= 1 << codec.bits;
    float product = float(bits - int32_t(codec.bias)) * scale;
    values[i] = codec.asym ? zero + product : product;
  }
}

/// Group `group` of a row.
template <typename Array> static Array groupOf(const Codec &codec, Array row, size_t group) {
  return row.slice(group * size_t(codec.group), size_t(codec.group));
}

void encodeGroups(const Codec &codec, llvm::ArrayRef<float> values, llvm::MutableArrayRef<uint32_t> stored,
                  llvm::MutableArrayRef<GroupParameters> parameters) {
  for (size_t group = 0; group < parameters.size(); ++group)
    parameters[group] = encodeGroup(codec, groupOf(codec, values, group), groupOf(codec, stored, group));
}

void decodeGroups(const Codec &codec, llvm::ArrayRef<uint32_t> stored, llvm::ArrayRef<GroupParameters> parameters,
                  llvm::MutableArrayRef<float> values) {
  for (size_t group = 0; group < parameters.size(); ++group)
    decodeGroup(codec, groupOf(codec, stored, group), parameters[group], groupOf(codec, values, group));
}

} // namespace kv
