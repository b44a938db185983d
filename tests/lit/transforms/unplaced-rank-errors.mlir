// RUN: kv-opt %s -verify-diagnostics --pass-pipeline='builtin.module(func.func(kv-place-tiles))'
#schedule = #kv.schedule<rows = 1, block = 16, split = 64, queryBlock = 1, heads = 1, lanes = 4, keySlice = 16, valueSlice = 8, unroll = 0,
                         prefetch = 0, keyDot = f32, valueDot = f32>
func.func @rank() attributes {kv.kernel, kv.schedule = #schedule} {
  // expected-error @+1 {{expected a tile of one or two dimensions, got 'tensor<f32>'}}
  %t = arith.constant dense<0.0> : tensor<f32>
  return
}
