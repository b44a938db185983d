// A pass that meets what the passes before it should have made says so.
// RUN: kv-opt %s -split-input-file -verify-diagnostics --kv-distribute-tiles
#schedule = #kv.schedule<rows = 1, block = 16, split = 64, queryBlock = 1, heads = 1, lanes = 4, keySlice = 16, valueSlice = 8, unroll = 0,
                         prefetch = 0, keyDot = f32, valueDot = f32>
func.func @unplaced(%step: !llvm.ptr, %item: !llvm.ptr) attributes {kv.kernel, kv.schedule = #schedule} {
  %x = arith.constant 1.0 : f32
  // expected-error @+1 {{expected a tile with an encoding, which kv-place-tiles gives it}}
  %t = kv.spread %x along 0 : f32 -> tensor<1x16xf32>
  return
}

// -----
// expected-error @+1 {{expected a `kv.schedule`, which kv-select-schedule writes}}
func.func @unscheduled(%step: !llvm.ptr, %item: !llvm.ptr) attributes {kv.kernel} {
  return
}

// -----
#schedule = #kv.schedule<rows = 1, block = 16, split = 64, queryBlock = 1, heads = 1, lanes = 4, keySlice = 16, valueSlice = 8, unroll = 0,
                         prefetch = 0, keyDot = f32, valueDot = f32>
// expected-error @+1 {{expected a kernel of a step and an item}}
func.func @arguments() attributes {kv.kernel, kv.schedule = #schedule} {
  return
}
