// Instructions are chosen for vectors and scalars.
// RUN: kv-opt %s -verify-diagnostics --kv-select-instructions=target=generic
func.func @f(%x: tensor<1x16xf32>) -> tensor<1x16xf32> {
  // expected-error @+1 {{expected vectors and scalars, which kv-distribute-tiles makes of tiles}}
  %0 = math.tanh %x : tensor<1x16xf32>
  return %0 : tensor<1x16xf32>
}
