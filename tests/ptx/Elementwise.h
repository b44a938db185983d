// Elementwise.h: instructions that compute each lane from the same lane of their sources, from functions on C++ values.
#ifndef KV_TESTS_PTX_ELEMENTWISE_H
#define KV_TESTS_PTX_ELEMENTWISE_H

#include "Decoder.h"
#include "Warp.h"

#include <bit>
#include <type_traits>

namespace kv::ptx {

template <class T> T fromBits(uint64_t bits) {
  if constexpr (std::is_same_v<T, float>)
    return std::bit_cast<float>(uint32_t(bits));
  else if constexpr (std::is_same_v<T, double>)
    return std::bit_cast<double>(bits);
  else
    return T(bits);
}

template <class T> uint64_t toBits(T value) {
  if constexpr (std::is_same_v<T, float>)
    return std::bit_cast<uint32_t>(value);
  else if constexpr (std::is_same_v<T, double>)
    return std::bit_cast<uint64_t>(value);
  else
    return uint64_t(std::make_unsigned_t<T>(value));
}

/// destination, then as many sources as F takes after the instruction; F: R f(const Instruction &, A, B, C).
template <auto F, class R, class... A> void elementwise(Warp &warp, const Instruction &in, uint32_t mask) {
  static_assert(sizeof...(A) >= 1 && sizeof...(A) <= 3);
  const Lanes *sources[3];
  for (size_t i = 0; i < sizeof...(A); ++i)
    sources[i] = &warp.read(in.operands[i + 1], mask);
  Lanes &to = warp.write(in.operands[0], mask);
  forLanes(mask, [&](unsigned lane) {
    [&]<size_t... I>(std::index_sequence<I...>) {
      to[lane] = toBits<R>(F(in, fromBits<A>((*sources[I])[lane])...));
    }(std::index_sequence_for<A...>());
  });
}

template <auto F, class R, class... A> constexpr Handler handlerOf(R (*)(const Instruction &, A...)) {
  return elementwise<F, R, A...>;
}
/// The handler for a plain function.
template <auto F> constexpr Handler handler() { return handlerOf<F>(F); }

/// Operands of one type: destination and `sources` sources.
inline void sameType(Decoder &decoder, size_t sources, Type type) {
  decoder.count(sources + 1);
  decoder.in.type = type;
  decoder.write(0, type);
  for (size_t i = 1; i <= sources; ++i)
    decoder.read(i, type);
}

/// A row's builder for a family F<T> over integer types; `Sources` operands of the type.
template <template <class> class F, size_t Sources> Handler buildInteger(Decoder &decoder) {
  const Type type = decoder.type();
  sameType(decoder, Sources, type);
  switch (type) {
  case Type::u16:
  case Type::b16:
    return handler<F<uint16_t>::apply>();
  case Type::s16:
    return handler<F<int16_t>::apply>();
  case Type::u32:
  case Type::b32:
    return handler<F<uint32_t>::apply>();
  case Type::s32:
    return handler<F<int32_t>::apply>();
  case Type::u64:
  case Type::b64:
    return handler<F<uint64_t>::apply>();
  case Type::s64:
    return handler<F<int64_t>::apply>();
  default:
    return nullptr;
  }
}

} // namespace kv::ptx
#endif
