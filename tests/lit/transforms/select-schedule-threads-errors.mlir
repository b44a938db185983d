// What a user's schedule may not say of a target whose lanes are threads.
// RUN: kv-opt %s -split-input-file -verify-diagnostics --kv-select-schedule=target=sm_90

!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x8x64xf32>) {
  // expected-error @+1 {{target `sm_90` gives a team one head: expected `heads` 1, got 2}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedules = {"sm_90" = {heads = 2 : i64}}}
       : tensor<?x8x64xf32>, !cache -> tensor<?x8x64xf32>
  return
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x8x64xf32>) {
  // expected-error @+1 {{expected a `block` of whole teams of 32 lanes, got 48}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(exact) queries(1, 8) {schedules = {"sm_90" = {block = 48 : i64}}}
       : tensor<?x8x64xf32>, !cache -> tensor<?x8x64xf32>
  return
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f32>, value = <f32>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x8x64xf32>) {
  // expected-error @+1 {{`mma` multiplies f16, bf16 and integer codes, in groups of four and more channels; neither keys nor values are such}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedules = {"sm_90" = {dot = "mma"}}}
       : tensor<?x8x64xf32>, !cache -> tensor<?x8x64xf32>
  return
}

// -----
// Runs of eight nibbles in four threads: 32 tokens, though lanes are 16.
!cache = !kv.cache<name = "c", heads = 2, keyDim = 16, valueDim = 16, key = <i4, group = 16, sym, scale = f32>,
                   value = <i4, group = 16, sym, scale = f32>, layout = <dense 256, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x8x16xf32>) {
  // expected-error @+1 {{expected a `block` of whole matrix tiles of 32 tokens, got 48}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(fast) queries(1, 8) {schedules = {"sm_90" = {block = 48 : i64}}}
       : tensor<?x8x16xf32>, !cache -> tensor<?x8x16xf32>
  return
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x8x64xf32>) {
  // expected-error @+1 {{`unroll` is of loads for one row at a time; a matrix instruction has none to choose}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedules = {"sm_90" = {unroll = 2 : i64}}}
       : tensor<?x8x64xf32>, !cache -> tensor<?x8x64xf32>
  return
}

// -----
// A default block needs no leave, however small the page.
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 8, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x8x64xf32>) {
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedules = {"sm_90" = {split = 512 : i64}}}
       : tensor<?x8x64xf32>, !cache -> tensor<?x8x64xf32>
  return
}

// -----
// Pages of 20 slots end inside a block.
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 20, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x8x64xf32>) {
  // expected-error @+1 {{target `sm_90` prefetches whole blocks of one page, or of whole pages, in runs of four bytes; these are not such: expected `prefetch` 0, got 2}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedules = {"sm_90" = {prefetch = 2 : i64}}}
       : tensor<?x8x64xf32>, !cache -> tensor<?x8x64xf32>
  return
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 128, valueDim = 128, key = <f16>, value = <f16>, layout = <dense 256, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x8x128xf32>) {
  // expected-error @+1 {{target `sm_90` has 98304 bytes for blocks of 16896, one of them at work: expected a smaller `prefetch` or `block`, got 5 and 32}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedules = {"sm_90" = {prefetch = 5 : i64}}}
       : tensor<?x8x128xf32>, !cache -> tensor<?x8x128xf32>
  return
}
