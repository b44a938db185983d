// RUN: kv-opt %s -split-input-file -verify-diagnostics --kv-fold-scales
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <u8, group = 64, asym, scale = f32>, value = <u8, group = 32, asym, scale = f16>,
                   layout = <paged 32, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t/4, d, t%4]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = f32, load = <rows[0, 8, 16, 24] of 32>, slice = 32>,
                         sums = <dot = f32, load = <vector[0, 8, 16, 24] of 32>, slice = 32>, team = <lanes = 8>>
func.func @scores(%b: !kv.block<32 of !cache>, %n: i64, %q: memref<2x64xf32>, %init: tensor<2x32xf32>) attributes {kv.kernel, kv.schedule = #schedule} {
  // expected-error @+1 {{expected `sums` of the rows: the codec has zeros}}
  %s = kv.product %q[%n], key f32 as values of %b contract d at %n over [%n, %n) unroll 0 init %init : memref<2x64xf32>, !kv.block<32 of !cache> -> tensor<2x32xf32>
  return
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <u8, group = 64, asym, scale = f32>, value = <u8, group = 32, asym, scale = f16>,
                   layout = <paged 32, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t/4, d, t%4]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = f32, load = <rows[0, 8, 16, 24] of 32>, slice = 32>,
                         sums = <dot = f32, load = <vector[0, 8, 16, 24] of 32>, slice = 32>, team = <lanes = 8>>
func.func @sums(%b: !kv.block<32 of !cache>, %n: i64, %p: memref<2x32xf32>, %init: tensor<2x32xf32>) attributes {kv.kernel, kv.schedule = #schedule} {
  // expected-error @+1 {{expected rows of kv.operands that takes weights of kv.weigh: the codec has zeros}}
  %s = kv.product %p[%n], value f32 as values of %b contract t at %n over [%n, %n) unroll 0 init %init : memref<2x32xf32>, !kv.block<32 of !cache> -> tensor<2x32xf32>
  return
}
