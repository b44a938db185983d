// halide_buffer_t of HalideRuntime.h, as far as kernels and what they call know it.
#ifndef KV_HALIDE_BUFFER_H
#define KV_HALIDE_BUFFER_H

#include <cstdint>

namespace kv {

constexpr int64_t halideBufferBytes = 56, halideHostOffset = 16; ///< host: where the data are

} // namespace kv

#endif
