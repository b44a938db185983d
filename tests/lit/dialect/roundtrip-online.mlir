// Operations of the online level print as they parse, in both forms.
// RUN: kv-opt %s | kv-opt | FileCheck %s
// RUN: kv-opt %s --mlir-print-op-generic | kv-opt | FileCheck %s
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>, value = <f16>,
                   layout = <paged 32, key = "[h, t/4, d, t%4]", value = "[h, t, d]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = u8s8, load = <rows[0, 8, 16, 24] of 32>, slice = 32>, sums = <dot = f32, load = <vector[0] of 16>, slice = 64>, team = <lanes = 8>>
// CHECK-LABEL: @homes
func.func @homes(%b: !kv.block<32 of !cache>, %n: i64, %q: memref<2x16xi32>, %m: memref<2x1xf32>, %a: memref<2x64xf32>, %r: memref<2x1xi32>)
    attributes {kv.schedule = #schedule} {
  // CHECK: kv.attend_block either rows[%[[N:.*]], %[[N]], %[[N]]] of %[[Q:.*]] scales %[[M:.*]] rest %[[Q]] if %{{.*}} sums %[[M]], %{{.*}}[%[[N]], %[[N]]] head %[[N]] query %[[N]] past %[[N]] state %[[M]], %[[M]], %{{.*}} for !kv.cache<{{.*}}> group(2) least(2) scale(1.250000e-01) sees <low = [(d0) -> ()], high = [(d0) -> (d0 + 1)]>[%[[N]]] accuracy( high) score {
  kv.attend_block either rows[%n, %n, %n] of %q scales %m rest %q if %r sums %m, %b[%n, %n] head %n query %n past %n state %m, %m, %a for !cache
                  group(2) least(2) scale(0.125) sees <low = [(d0) -> ()], high = [(d0) -> (d0 + 1)]>[%n] accuracy(high) score {
  ^bb0(%s: f32, %i: i32, %j: i32, %h: index):
    kv.yield %s : f32
  } : memref<2x16xi32> scales memref<2x1xf32> rest memref<2x16xi32>, memref<2x1xi32> sums memref<2x1xf32>, !kv.block<32 of !cache>,
      memref<2x1xf32>, memref<2x1xf32>, memref<2x64xf32>
  return
}

// CHECK-LABEL: @tokens
func.func @tokens(%base: !llvm.ptr, %n: i64, %bits: memref<1x64xi32>) {
  // CHECK: kv.encode_token %[[T:.*]][%[[N:.*]]] as bf16 to key of %[[T]] head %[[N]] slot %[[N]] by %{{.*}} in !kv.cache<{{.*}}> : !llvm.ptr, !llvm.ptr, memref<1x64xi32>
  kv.encode_token %base[%n] as bf16 to key of %base head %n slot %n by %bits in !cache : !llvm.ptr, !llvm.ptr, memref<1x64xi32>
  return
}

// CHECK-LABEL: @values
func.func @values(%b: !kv.block<32 of !cache>, %n: i64, %q: memref<2x64xf32>, %m: tensor<2xf32>, %a: tensor<2x64xf32>)
    attributes {kv.schedule = #schedule} {
  // CHECK: %{{.*}}:3 = kv.attend_block one rows{{.*}} -> tensor<2xf32>, tensor<2xf32>, tensor<2x64xf32>
  %x:3 = kv.attend_block one rows[%n, %n, %n] of %q, %b[%n, %n] head %n query %n past %n state %m, %m, %a for !cache group(2) least(2) scale(0.125)
         sees <low = [(d0) -> ()], high = [(d0) -> ()]>[%n] accuracy(exact) : memref<2x64xf32>, !kv.block<32 of !cache>, tensor<2xf32>, tensor<2xf32>, tensor<2x64xf32>
         -> tensor<2xf32>, tensor<2xf32>, tensor<2x64xf32>
  return
}

// CHECK-LABEL: @around
func.func @around(%b: !kv.block<32 of !cache>, %n: i64, %q: memref<2x16xi32>, %m: memref<2x1xf32>, %a: memref<2x64xf32>, %r: memref<2x1xi32>,
                  %table: !llvm.ptr) attributes {kv.schedule = #schedule} {
  // CHECK: kv.start_rows rows[%[[N:.*]], %[[N]], %[[N]]] of f16 seq %[[N]] head %[[N]] query %[[N]] to %[[Q:.*]] scales %[[M:.*]] rest %[[Q]] if %{{.*}} sums %[[M]] state %[[M]], %[[M]], %{{.*}} for {{.*}} factor(1.250000e-01) group(2) accuracy( fast)
  kv.start_rows rows[%n, %n, %n] of f16 seq %n head %n query %n to %q scales %m rest %q if %r sums %m state %m, %m, %a for !cache
      factor(0.125) group(2) accuracy(fast)
      : memref<2x16xi32> scales memref<2x1xf32> rest memref<2x16xi32>, memref<2x1xi32> sums memref<2x1xf32>
        state memref<2x1xf32>, memref<2x1xf32>, memref<2x64xf32>
  // CHECK: %[[NONE:.*]] = kv.start_state : <2 x 64>
  %none = kv.start_state : !kv.state<2 x 64>
  // CHECK: %[[END:.*]] = kv.for_blocks[%[[N]], %[[N]]) of %{{.*}} heads[%[[N]], %[[N]]] rows %[[N]] init %[[NONE]] {
  // CHECK-NEXT: ^bb0(%{{.*}}: i64, %{{.*}}: i64, %{{.*}}: !kv.block<32 of {{.*}}>, %{{.*}}: i64, %{{.*}}: i64, %{{.*}}: !kv.state<2 x 64>):
  %end = kv.for_blocks [%n, %n) of %table heads [%n, %n] rows %n init %none {
  ^bb0(%head: i64, %first: i64, %block: !kv.block<32 of !cache>, %token: i64, %count: i64, %state: !kv.state<2 x 64>):
    // CHECK-NEXT: kv.attend_block any
    %next = kv.attend_block any rows[%first, %n, %n] of %q scales %m rest %q if %r sums %m, %block[%token, %count] head %head query %n past %n
                    state %state for !cache group(2) least(2) scale(0.125) sees <low = [(d0) -> ()], high = [(d0) -> ()]>[%n] accuracy(fast)
        : memref<2x16xi32> scales memref<2x1xf32> rest memref<2x16xi32>, memref<2x1xi32> sums memref<2x1xf32>, !kv.block<32 of !cache>,
          !kv.state<2 x 64> -> !kv.state<2 x 64>
    // CHECK: kv.yield %{{.*}} : !kv.state<2 x 64>
    kv.yield %next : !kv.state<2 x 64>
  } : !llvm.ptr -> !kv.state<2 x 64>
  // CHECK: kv.finish rows{{.*}} state %[[END]] unit({{.*}}) group(2) as <f16, heads = 4, lse = false, arguments = [array, sinks]> :
  kv.finish rows[%n, %n] seq %n head %n of %n query %n state %end unit(1.0) group(2) as <f16, heads = 4, lse = false, arguments = [array, sinks]> : !kv.state<2 x 64>
  // CHECK: kv.finish rows[%[[N]], %[[N]]] seq %[[N]] head %[[N]] of %[[N]] query %[[N]] scales %[[M]] state %[[M]], %[[M]], %{{.*}} unit(1.000000e+00) group(2) as <bf16, heads = 4, lse = true>
  kv.finish rows[%n, %n] seq %n head %n of %n query %n scales %m state %m, %m, %a unit(1.0) group(2) as <bf16, heads = 4, lse = true>
      : scales memref<2x1xf32>, memref<2x1xf32>, memref<2x1xf32>, memref<2x64xf32>
  return
}
