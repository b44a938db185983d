// kv-verify-level passes where only ops of a level and of those below are left, and names the first that is not.
// RUN: kv-opt %s --kv-verify-level=level=source
// RUN: kv-opt %s --kv-verify-level=level=online
// RUN: not kv-opt %s --kv-verify-level=level=tiles 2>&1 | FileCheck %s --check-prefix=TILES
// TILES: error: 'kv.finish' op is of the level `online`; expected ops of `tiles` and below alone
// RUN: kv-opt %s --kv-lower-finish --kv-verify-level=level=tiles
// RUN: not kv-opt %s --kv-lower-finish --kv-verify-level=level=machine 2>&1 | FileCheck %s --check-prefix=MACHINE
// MACHINE: is of the level `tiles`; expected ops of `machine` and below alone
// RUN: not kv-opt %s --kv-verify-level=level=high 2>&1 | FileCheck %s --check-prefix=NAME
// NAME: there is no level `high`; levels are source, online, tiles, machine, none
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = f32, load = <vector[0] of 16>, slice = 32>, sums = <dot = f32, load = <vector[0] of 16>, slice = 32>, team = <lanes = 8>>
func.func @finish(%step: !llvm.ptr, %item: !llvm.ptr, %n: i64, %m: memref<2x1xf32>, %acc: memref<2x32xf32>) attributes {kv.kernel, kv.schedule = #schedule} {
  kv.finish rows[%n, %n] seq %n head %n of %n query %n state %m, %m, %acc unit(0.69) group(2) as <f32, heads = 4, lse = false>
      : memref<2x1xf32>, memref<2x1xf32>, memref<2x32xf32>
  return
}
