// One mistake for each rule of kv.merge (KvOps.td).
// RUN: kv-opt %s -split-input-file -verify-diagnostics

// merge C1
func.func @f(%a: tensor<2x4x32xf32>, %b: tensor<2x4x64xf32>, %lse: tensor<2x4xf32>) {
  // expected-error @+1 {{expected two outputs of 'tensor<2x4x32xf32>' and two lse without its last dimension}}
  %0:2 = kv.merge (%a, %lse), (%b, %lse) : tensor<2x4x32xf32>, tensor<2x4xf32>, tensor<2x4x64xf32>, tensor<2x4xf32> -> tensor<2x4x32xf32>, tensor<2x4xf32>
  return
}

// -----
// merge C1
func.func @f(%a: tensor<2x4x32xf32>, %lse: tensor<2x2xf32>) {
  // expected-error @+1 {{expected two outputs of 'tensor<2x4x32xf32>' and two lse without its last dimension}}
  %0:2 = kv.merge (%a, %lse), (%a, %lse) : tensor<2x4x32xf32>, tensor<2x2xf32>, tensor<2x4x32xf32>, tensor<2x2xf32> -> tensor<2x4x32xf32>, tensor<2x2xf32>
  return
}
