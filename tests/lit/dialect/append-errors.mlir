// One mistake for each rule of kv.append (KvOps.td).
// RUN: kv-opt %s -split-input-file -verify-diagnostics

// append C1
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %k: tensor<?x2x32xf32>, %v: tensor<?x2x32xf32>) {
  // expected-error @+1 {{expected keys of [tokens, 2, 64] and values of [tokens, 2, 32], got 'tensor<?x2x32xf32>' and 'tensor<?x2x32xf32>'}}
  kv.append %k, %v to %c : tensor<?x2x32xf32>, tensor<?x2x32xf32>, !cache
  return
}

// -----
// append C1
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %k: tensor<?x2x64xf32>, %v: tensor<?x4x32xf32>) {
  // expected-error @+1 {{expected keys of [tokens, 2, 64] and values of [tokens, 2, 32]}}
  kv.append %k, %v to %c : tensor<?x2x64xf32>, tensor<?x4x32xf32>, !cache
  return
}

// -----
// append C2
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %k: tensor<?x2x64xf32>, %v: tensor<?x2x32xf16>) {
  // expected-error @+1 {{expected keys and values of one element type and number of tokens}}
  kv.append %k, %v to %c : tensor<?x2x64xf32>, tensor<?x2x32xf16>, !cache
  return
}

// -----
// append C2
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
func.func @f(%c: !cache, %k: tensor<3x2x64xf32>, %v: tensor<4x2x32xf32>) {
  // expected-error @+1 {{expected keys and values of one element type and number of tokens}}
  kv.append %k, %v to %c : tensor<3x2x64xf32>, tensor<4x2x32xf32>, !cache
  return
}
