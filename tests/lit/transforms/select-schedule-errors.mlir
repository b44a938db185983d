// What a user's schedule may not say: an error at the attend.
// RUN: kv-opt %s -split-input-file -verify-diagnostics --kv-select-schedule=target=x86-64-v4+vnni

// A block is of whole tiles of scales.
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x8x64xf32>) {
  // expected-error @+1 {{expected a `block` that is a multiple of 16 from 16 to 256, got 40}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedules = {"x86-64-v4+vnni" = {block = 40 : i64}}}
       : tensor<?x8x64xf32>, !cache -> tensor<?x8x64xf32>
  return
}

// -----
// A block is not without end.
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x8x64xf32>) {
  // expected-error @+1 {{expected a `block` that is a multiple of 16 from 16 to 256, got 512}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedules = {"x86-64-v4+vnni" = {block = 512 : i64}}}
       : tensor<?x8x64xf32>, !cache -> tensor<?x8x64xf32>
  return
}

// -----
// A block that holds several pages holds them whole.
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 48, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x8x64xf32>) {
  // expected-error @+1 {{expected a `block` of whole pages of 48 slots, got 64}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedules = {"x86-64-v4+vnni" = {block = 64 : i64}}}
       : tensor<?x8x64xf32>, !cache -> tensor<?x8x64xf32>
  return
}

// -----
// Unroll.
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x8x64xf32>) {
  // expected-error @+1 {{expected an `unroll` from 1 to 16, got 32}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedules = {"x86-64-v4+vnni" = {unroll = 32 : i64}}}
       : tensor<?x8x64xf32>, !cache -> tensor<?x8x64xf32>
  return
}

// -----
// Prefetch.
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x8x64xf32>) {
  // expected-error @+1 {{expected a `prefetch` from 0 to 8 blocks, got 9}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedules = {"x86-64-v4+vnni" = {prefetch = 9 : i64}}}
       : tensor<?x8x64xf32>, !cache -> tensor<?x8x64xf32>
  return
}

// -----
// Heads.
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x8x64xf32>) {
  // expected-error @+1 {{expected `heads` from 1 to 2, got 3}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedules = {"x86-64-v4+vnni" = {heads = 3 : i64}}}
       : tensor<?x8x64xf32>, !cache -> tensor<?x8x64xf32>
  return
}

// -----
// A split is of whole blocks.
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x8x64xf32>) {
  // expected-error @+1 {{expected a `split` that is a multiple of 64 tokens, got 96}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedules = {"x86-64-v4+vnni" = {block = 64 : i64, split = 96 : i64}}}
       : tensor<?x8x64xf32>, !cache -> tensor<?x8x64xf32>
  return
}

// -----
// A split is of whole pages where blocks end with them.
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 48, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x8x64xf32>) {
  // expected-error @+1 {{expected a `split` that is a multiple of 48 tokens, got 64}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedules = {"x86-64-v4+vnni" = {block = 32 : i64, split = 64 : i64}}}
       : tensor<?x8x64xf32>, !cache -> tensor<?x8x64xf32>
  return
}

// -----
// An instruction that the target lacks.
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <i8, group = 64, sym, scale = f32>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x8x64xf32>) {
  // expected-error @+1 {{target `x86-64-v4+vnni` has no dot instruction `sdot`; it has vpdpbusd, vpdpwssd, fma}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(fast) queries(1, 8) {schedules = {"x86-64-v4+vnni" = {dot = "sdot"}}}
       : tensor<?x8x64xf32>, !cache -> tensor<?x8x64xf32>
  return
}

// -----
// An instruction that is less exact than what the attend promises.
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <i8, group = 64, sym, scale = f32>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x8x64xf32>) {
  // expected-error @+1 {{`vpdpwssd` rounds queries and probabilities to fewer bits than `accuracy exact` promises}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(exact) queries(1, 8) {schedules = {"x86-64-v4+vnni" = {dot = "vpdpwssd"}}}
       : tensor<?x8x64xf32>, !cache -> tensor<?x8x64xf32>
  return
}

// -----
// Integer instructions on floats.
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %q: tensor<?x8x64xf32>) {
  // expected-error @+1 {{`vpdpbusd` multiplies integer codes whose order puts 32 bits of one token or channel together; neither keys nor values are stored so}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(fast) queries(1, 8) {schedules = {"x86-64-v4+vnni" = {dot = "vpdpbusd"}}}
       : tensor<?x8x64xf32>, !cache -> tensor<?x8x64xf32>
  return
}
