// RUN: kv-opt %s -verify-diagnostics --pass-pipeline='builtin.module(func.func(kv-place-tiles))'
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 1, softmax = 1>, block = <tokens = 16>,
                         scores = <dot = f32, load = <vector[0] of 32>, slice = 16>,
                         sums = <dot = f32, load = <vector[0] of 32>, slice = 8>, team = <lanes = 4>>
func.func @rank() attributes {kv.kernel, kv.schedule = #schedule} {
  // expected-error @+1 {{expected a tile of one or two dimensions, got 'tensor<f32>'}}
  %t = arith.constant dense<0.0> : tensor<f32>
  return
}
