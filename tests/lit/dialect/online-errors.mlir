// One mistake for each rule of the operations of the online level (KvOnlineOps.td).
// RUN: kv-opt %s -split-input-file -verify-diagnostics
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 32, key = "[h, t, d]", value = "[h, t, d]">>
#schedule = #kv.schedule<rows = 2, block = 32, split = 64, queryBlock = 1, heads = 1, lanes = 8, keySlice = 32, valueSlice = 64, unroll = 0,
                         prefetch = 0, keyDot = f32, valueDot = f32>
// attend_block C1
func.func @f(%b: !kv.block<32 of !cache>, %n: i64, %q: memref<2x64xf32>, %m: memref<2x1xf32>) attributes {kv.schedule = #schedule} {
  // expected-error @+1 {{expected a state of three homes, or of one row tile as many tiles, three or more, as results of their types}}
  kv.attend_block one rows[%n, %n, %n] of %q, %b[%n, %n] head %n query %n past %n state %m, %m group(2) least(2) scale(0.125) mask(causal)
                  accuracy(high) : memref<2x64xf32>, !kv.block<32 of !cache>, memref<2x1xf32>, memref<2x1xf32>
  return
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 32, key = "[h, t, d]", value = "[h, t, d]">>
#schedule = #kv.schedule<rows = 2, block = 32, split = 64, queryBlock = 1, heads = 1, lanes = 8, keySlice = 32, valueSlice = 64, unroll = 0,
                         prefetch = 0, keyDot = f32, valueDot = f32>
// attend_block C1
func.func @f(%b: !kv.block<32 of !cache>, %n: i64, %q: memref<2x64xf32>, %m: tensor<2xf32>, %a: tensor<2x64xf32>) attributes {kv.schedule = #schedule} {
  // expected-error @+1 {{of one row tile as many tiles}}
  %x:3 = kv.attend_block many rows[%n, %n, %n] of %q, %b[%n, %n] head %n query %n past %n state %m, %m, %a group(2) least(2) scale(0.125)
         mask(causal) accuracy(high) : memref<2x64xf32>, !kv.block<32 of !cache>, tensor<2xf32>, tensor<2xf32>, tensor<2x64xf32>
         -> tensor<2xf32>, tensor<2xf32>, tensor<2x64xf32>
  return
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 32, key = "[h, t, d]", value = "[h, t, d]">>
#schedule = #kv.schedule<rows = 2, block = 32, split = 64, queryBlock = 1, heads = 1, lanes = 8, keySlice = 32, valueSlice = 64, unroll = 0,
                         prefetch = 0, keyDot = f32, valueDot = f32>
// attend_block C2
func.func @f(%b: !kv.block<32 of !cache>, %n: i64, %q: memref<2x64xf32>, %m: memref<2x1xf32>, %a: memref<2x64xf32>) attributes {kv.schedule = #schedule} {
  // expected-error @+1 {{expected a positive finite scale, and `group` and `least` of at least 1}}
  kv.attend_block one rows[%n, %n, %n] of %q, %b[%n, %n] head %n query %n past %n state %m, %m, %a group(2) least(2) scale(-0.125)
                  mask(causal) accuracy(high) : memref<2x64xf32>, !kv.block<32 of !cache>, memref<2x1xf32>, memref<2x1xf32>, memref<2x64xf32>
  return
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 32, key = "[h, t, d]", value = "[h, t, d]">>
#schedule = #kv.schedule<rows = 2, block = 32, split = 64, queryBlock = 1, heads = 1, lanes = 8, keySlice = 32, valueSlice = 64, unroll = 0,
                         prefetch = 0, keyDot = f32, valueDot = f32>
// attend_block C3
func.func @f(%b: !kv.block<32 of !cache>, %n: i64, %q: memref<2x64xf32>, %m: memref<2x1xf32>, %a: memref<2x64xf32>) attributes {kv.schedule = #schedule} {
  // expected-error @+1 {{expected a score region of (f32, i32, i32, index) that ends in kv.yield}}
  kv.attend_block one rows[%n, %n, %n] of %q, %b[%n, %n] head %n query %n past %n state %m, %m, %a group(2) least(2) scale(0.125)
                  mask(causal) accuracy(high) score {
  ^bb0(%s: f32, %i: i32):
    kv.yield %s : f32
  } : memref<2x64xf32>, !kv.block<32 of !cache>, memref<2x1xf32>, memref<2x1xf32>, memref<2x64xf32>
  return
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 32, key = "[h, t, d]", value = "[h, t, d]">>
// attend_block C4
func.func @f(%b: !kv.block<32 of !cache>, %n: i64, %q: memref<2x64xf32>, %m: memref<2x1xf32>, %a: memref<2x64xf32>) {
  // expected-error @+1 {{expected a function with a `kv.schedule`}}
  kv.attend_block one rows[%n, %n, %n] of %q, %b[%n, %n] head %n query %n past %n state %m, %m, %a group(2) least(2) scale(0.125)
                  mask(causal) accuracy(high) : memref<2x64xf32>, !kv.block<32 of !cache>, memref<2x1xf32>, memref<2x1xf32>, memref<2x64xf32>
  return
}
