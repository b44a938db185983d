// Tiling needs what kv-select-schedule has decided.
// RUN: kv-opt %s -split-input-file -verify-diagnostics --kv-analyze-mask --kv-tile-append --kv-convert-to-online
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @c_append(%c: !cache, %k: tensor<?x2x64xf32>) {
  // expected-error @+1 {{expected a `schedule`, which kv-select-schedule writes}}
  kv.append %k, %k to %c : tensor<?x2x64xf32>, tensor<?x2x64xf32>, !cache
  return
}

// -----
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @c_a(%c: !cache, %q: tensor<?x4x64xf32>) -> tensor<?x4x64xf32> {
  // expected-error @+1 {{expected a `schedule`, which kv-select-schedule writes}}
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) : tensor<?x4x64xf32>, !cache -> tensor<?x4x64xf32>
  return %0 : tensor<?x4x64xf32>
}
