// One mistake for each rule of kv.append_attend (KvOps.td).
// RUN: kv-opt %s -split-input-file -verify-diagnostics

// append_attend C6
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<2x4x64xf32>, %k: tensor<3x2x64xf32>, %v: tensor<3x2x32xf32>) {
  // expected-error @+1 {{expected as many new tokens as queries, got 'tensor<3x2x64xf32>' and 'tensor<2x4x64xf32>'}}
  %0 = kv.append_attend %q, %k, %v on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8)
       : tensor<2x4x64xf32>, tensor<3x2x64xf32>, tensor<3x2x32xf32>, !cache -> tensor<2x4x32xf32>
  return
}

// -----
// The rules of append and attend hold for append_attend.
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<2x4x64xf32>, %k: tensor<2x2x64xf32>, %v: tensor<2x2x64xf32>) {
  // expected-error @+1 {{expected keys of [tokens, 2, 64] and values of [tokens, 2, 32]}}
  %0 = kv.append_attend %q, %k, %v on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8)
       : tensor<2x4x64xf32>, tensor<2x2x64xf32>, tensor<2x2x64xf32>, !cache -> tensor<2x4x32xf32>
  return
}
