// RUN: kv-opt %s -split-input-file -verify-diagnostics --kv-quantize-operands
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <bf16>, layout = <paged 32, key = "[h, t, d]", value = "[h, t, d]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = f32, load = <vector[0] of 16>, slice = 32>, sums = <dot = f32, load = <vector[0] of 16>, slice = 32>, team = <lanes = 8>>
func.func @values(%b: !kv.block<32 of !cache>, %n: i64, %home: memref<2x32xf32>, %acc: tensor<2x32xf32>) attributes {kv.kernel, kv.schedule = #schedule} {
  // expected-error @+1 {{expected a product of numbers, as kv-fold-scales leaves it}}
  %t = kv.product %home[%n], value f32 as values of %b contract t at %n over [%n, %n) unroll 0 init %acc : memref<2x32xf32>, !kv.block<32 of !cache> -> tensor<2x32xf32>
  return
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 32, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t, d]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = u8s8, load = <rows[0, 8, 16, 24] of 32>, slice = 32>, sums = <dot = f32, load = <vector[0] of 16>, slice = 32>, team = <lanes = 8>>
func.func @shifted(%b: !kv.block<32 of !cache>, %n: i64, %q: memref<2x16xi32>, %init: tensor<2x32xf32>) attributes {kv.kernel, kv.schedule = #schedule} {
  // expected-error @+1 {{expected `sums` of the rows, or rows of kv.operands: the record's codes are shifted}}
  %s = kv.product %q[%n], key u8u8 as numbers of %b contract d at %n over [%n, %n) unroll 0 init %init : memref<2x16xi32>, !kv.block<32 of !cache> -> tensor<2x32xf32>
  return
}
