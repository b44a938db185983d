// A pass that meets what the passes before it should have made says so.
// RUN: kv-opt %s -split-input-file -verify-diagnostics --kv-distribute-tiles
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 1, softmax = 1>, block = <tokens = 16>,
                         scores = <dot = f32, load = <vector[0] of 32>, slice = 16>,
                         sums = <dot = f32, load = <vector[0] of 32>, slice = 8>, team = <lanes = 4>>
func.func @unplaced(%step: !llvm.ptr, %item: !llvm.ptr) attributes {kv.kernel, kv.schedule = #schedule} {
  %x = arith.constant 1.0 : f32
  // expected-error @+1 {{expected a tile with an encoding, which kv-place-tiles gives it}}
  %t = kv.spread %x along 0 : f32 -> tensor<1x16xf32>
  return
}

// -----
// expected-error @+1 {{expected a `kv.schedule`, which kv-select-schedule writes}}
func.func @unscheduled(%step: !llvm.ptr, %item: !llvm.ptr) attributes {kv.kernel} {
  return
}

// -----
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 1, softmax = 1>, block = <tokens = 16>,
                         scores = <dot = f32, load = <vector[0] of 32>, slice = 16>,
                         sums = <dot = f32, load = <vector[0] of 32>, slice = 8>, team = <lanes = 4>>
// expected-error @+1 {{expected a kernel of a step and an item}}
func.func @arguments() attributes {kv.kernel, kv.schedule = #schedule} {
  return
}

// -----
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = f32, load = <vector[0] of 16>, slice = 32>, sums = <dot = f32, load = <vector[0] of 16>, slice = 32>, team = <lanes = 8>>
func.func @online(%step: !llvm.ptr, %item: !llvm.ptr, %n: i64, %m: memref<2x1xf32>, %acc: memref<2x32xf32>) attributes {kv.kernel, kv.schedule = #schedule} {
  // expected-error @+1 {{'kv.finish' op is of the level `online`, and nothing says how it is distributed}}
  kv.finish rows[%n, %n] seq %n head %n of %n query %n state %m, %m, %acc unit(0.69) group(2) as <f32, heads = 4, lse = false>
      : memref<2x1xf32>, memref<2x1xf32>, memref<2x32xf32>
  return
}
