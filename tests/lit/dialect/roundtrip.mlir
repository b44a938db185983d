// Types, attributes and level 0 print as they parse, in both forms.
// RUN: kv-opt %s | kv-opt | FileCheck %s
// RUN: kv-opt %s --mlir-print-op-generic | kv-opt | FileCheck %s

// Every element type, zero point and scale; both kinds of layout; written and automatic orders, nibbles included.
// CHECK: #kv.codec<f32>, #kv.codec<f16>, #kv.codec<bf16>
// CHECK-SAME: #kv.codec<i8, group = 128, sym, scale = f32>, #kv.codec<u8, group = 32, asym, scale = f16>
// CHECK-SAME: #kv.codec<i4, group = 32, asym, scale = f32>, #kv.codec<u4, group = 64, sym, scale = f16>
// CHECK-SAME: #kv.order<auto>, #kv.order<"[h, t/16, d/8, t%16, d%4, d/4%2]">
// CHECK-SAME: #kv.layout<dense 4096, key = auto, value = auto>
// CHECK-SAME: #kv.layout<paged 16, key = "[t, h, d]", value = "[h, t/4, d, t%4]">
func.func private @attributes() attributes {
  codecs = [#kv.codec<f32>, #kv.codec<f16>, #kv.codec<bf16>, #kv.codec<i8, group = 128, sym, scale = f32>,
            #kv.codec<u8, group = 32, asym, scale = f16>, #kv.codec<i4, group = 32, asym, scale = f32>,
            #kv.codec<u4, group = 64, sym, scale = f16>],
  orders = [#kv.order<auto>, #kv.order<"[h, t/16, d/8, t%16, d%4, d/4%2]">],
  pages = [#kv.layout<dense 4096, key = auto, value = auto>, #kv.layout<paged 16, key = "[t, h, d]", value = "[h, t/4, d, t%4]">]}

// CHECK: #kv<accuracy exact>, #kv<accuracy high>, #kv<accuracy fast>, #kv<dot f32>, #kv<dot u8s8>, #kv<dot s8u8>, #kv<dot s16>
// CHECK-SAME: #kv<element i4>, #kv<parameter scale>, #kv<parameter zero>
// CHECK-SAME: #kv<reduction add>, #kv<reduction max>, #kv<reduction min>, #kv<stream key>, #kv<stream value>
// CHECK-SAME: #kv.schedule<item = <queries = 8, heads = 1, split = 2048>, rows = <one = 4, softmax = 4>, block = <tokens = 64, ahead = 1>,
// CHECK-SAME: scores = <dot = u8s8, load = <vector[0, 8, 16, 24] of 32>, slice = 64>, sums = <dot = s16, load = <rows[0, 16] of 32>,
// CHECK-SAME: slice = 32>, team = <lanes = 16>>
// CHECK-SAME: #kv.tile<lanes = 16, dim = 1>, #kv.tile<lanes = 1, dim = -1>
// CHECK-SAME: #kv.visible<low = [(d0) -> (), (d0) -> (d0 - 7)], high = [(d0) -> (d0 + 1, 4), (d0) -> ((d0 floordiv 8) * 8)]>
func.func private @enums() attributes {
  a_words = [#kv<accuracy exact>, #kv<accuracy high>, #kv<accuracy fast>, #kv<dot f32>, #kv<dot u8s8>, #kv<dot s8u8>, #kv<dot s16>,
             #kv<element i4>, #kv<parameter scale>, #kv<parameter zero>, #kv<reduction add>,
             #kv<reduction max>, #kv<reduction min>, #kv<stream key>, #kv<stream value>],
  b_schedule = #kv.schedule<item = <queries = 8, heads = 1, split = 2048>, rows = <one = 4, softmax = 4>, block = <tokens = 64, ahead = 1>,
                            scores = <dot = u8s8, load = <vector[0, 8, 16, 24] of 32>, slice = 64>,
                            sums = <dot = s16, load = <rows[0, 16] of 32>, slice = 32>, team = <lanes = 16>>,
  c_tiles = [#kv.tile<lanes = 16, dim = 1>, #kv.tile<lanes = 1, dim = -1>],
  d_visible = #kv.visible<low = [(i) -> (), (i) -> (i - 7)], high = [(i) -> (i + 1, 4), (i) -> (i floordiv 8 * 8)]>}

!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 128, key = <f16>, value = <i8, group = 32, sym, scale = f32>,
                   layout = <paged 16, key = auto, value = "[h, t, d]">>
// CHECK: !kv.block<64 of <name = "c", heads = 2, keyDim = 64, valueDim = 128, key = <f16>,
// CHECK-SAME: value = <i8, group = 32, sym, scale = f32>, layout = <paged 16, key = auto, value = "[h, t, d]">>>
func.func private @block(!kv.block<64 of !cache>)

// CHECK-LABEL: @level0
// CHECK: kv.append %{{.*}}, %{{.*}} to %{{.*}} : tensor<?x2x64xf16>, tensor<?x2x128xf16>, <name = "c"
// CHECK: kv.attend %{{.*}} on %{{.*}} scale(1.250000e-01) mask {
// CHECK: } accuracy( high) queries(1, 8) {schedules = {generic = {block = 32 : i64}}} :
// CHECK-SAME: tensor<?x4x64xf16>, <{{.*}}> -> tensor<?x4x128xf16>
// CHECK: kv.attend {{.*}} accuracy( exact) queries(1, 1) score {
// CHECK-NEXT: ^bb0(%[[S:.*]]: f32, %[[I:.*]]: i32, %[[J:.*]]: i32, %[[H:.*]]: index):
// CHECK:   kv.yield %{{.*}} : f32
// CHECK: } : tensor<?x4x64xf16>, <{{.*}}> -> tensor<?x4x128xbf16>, tensor<?x4xf32>
// CHECK: kv.append_attend %{{.*}}, %{{.*}}, %{{.*}} on %{{.*}} scale({{.*}}) mask {
// CHECK: } accuracy( fast) queries(2, 2) :
// CHECK: kv.merge(%{{.*}}, %{{.*}}), (%{{.*}}, %{{.*}}) : tensor<?x4x128xbf16>, tensor<?x4xf32>, tensor<?x4x128xbf16>, tensor<?x4xf32> ->
func.func @level0(%c: !cache, %q: tensor<?x4x64xf16>, %k: tensor<?x2x64xf16>, %v: tensor<?x2x128xf16>, %slope: tensor<4xf32>) {
  kv.append %k, %v to %c : tensor<?x2x64xf16>, tensor<?x2x128xf16>, !cache
  %0 = kv.attend %q on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(high) queries(1, 8) {schedules = {generic = {block = 32 : i64}}}
       : tensor<?x4x64xf16>, !cache -> tensor<?x4x128xf16>
  %o, %lse = kv.attend %q on %c scale(0.125) accuracy(exact) queries(1, 1) score {
  ^bb0(%s: f32, %i: i32, %j: i32, %h: index):
    %a = tensor.extract %slope[%h] : tensor<4xf32>
    %b = arith.mulf %s, %a : f32
    kv.yield %b : f32
  } : tensor<?x4x64xf16>, !cache -> tensor<?x4x128xbf16>, tensor<?x4xf32>
  %p = kv.append_attend %q, %k, %v on %c scale(0.125) mask {^bb0(%i: i32, %j: i32, %h: index): %seen = arith.cmpi sle, %j, %i : i32 kv.yield %seen : i1} accuracy(fast) queries(2, 2)
       : tensor<?x4x64xf16>, tensor<?x2x64xf16>, tensor<?x2x128xf16>, !cache -> tensor<?x4x128xf32>
  %m, %n = kv.merge (%o, %lse), (%o, %lse) : tensor<?x4x128xbf16>, tensor<?x4xf32>, tensor<?x4x128xbf16>, tensor<?x4xf32>
       -> tensor<?x4x128xbf16>, tensor<?x4xf32>
  return
}
