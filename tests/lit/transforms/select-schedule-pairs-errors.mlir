// What a user's schedule may not say where an instruction takes two rows at a time, or f16 as it is stored.
// RUN: kv-opt %s -split-input-file -verify-diagnostics --kv-select-schedule=target=aarch64+dotprod+fp16+i8mm+bf16

!cache = !kv.cache<name = "c", heads = 8, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>,
                   value = <i8, group = 64, sym, scale = f32>, layout = <paged 16, key = auto, value = auto>>
func.func @alone(%c: !cache, %q: tensor<?x8x64xf32>) {
  // expected-error @+1 {{`i8mm` multiplies integer codes whose order puts 32 bits of one token or channel together, for two rows and more; neither keys nor values are stored so}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(fast) queries(1, 8) {schedules = {"aarch64+dotprod+fp16+i8mm+bf16" = {dot = "i8mm"}}}
       : tensor<?x8x64xf32>, !cache -> tensor<?x8x64xf32>
  return
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <bf16>, value = <bf16>, layout = <paged 16, key = auto, value = auto>>
func.func @class(%c: !cache, %q: tensor<?x8x64xf32>) {
  // expected-error @+1 {{`bfmmla` rounds queries and probabilities to fewer bits than `accuracy high` promises}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedules = {"aarch64+dotprod+fp16+i8mm+bf16" = {dot = "bfmmla"}}}
       : tensor<?x8x64xf32>, !cache -> tensor<?x8x64xf32>
  return
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <bf16>, value = <bf16>, layout = <paged 16, key = auto, value = auto>>
func.func @halves(%c: !cache, %q: tensor<?x8x64xf32>) {
  // expected-error @+1 {{`fmlal` multiplies f16 whose order puts neighbouring tokens of keys, or channels of values, together; neither keys nor values are stored so}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedules = {"aarch64+dotprod+fp16+i8mm+bf16" = {dot = "fmlal"}}}
       : tensor<?x8x64xf32>, !cache -> tensor<?x8x64xf32>
  return
}
