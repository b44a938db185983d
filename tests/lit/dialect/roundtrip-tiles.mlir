// Operations of levels 1 and 2 print as they parse, in both forms.
// RUN: kv-opt %s | kv-opt | FileCheck %s
// RUN: kv-opt %s --mlir-print-op-generic | kv-opt | FileCheck %s
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <u8, group = 64, asym, scale = f32>, value = <f16>,
                   layout = <paged 16, key = "[h, t/16, d/4, t%16, d%4]", value = "[h, t, d]">>
#lanes = #kv.tile<lanes = 16, dim = 1>
#tokens = #kv.tile<lanes = 16, dim = 0>
#rows = #kv.tile<lanes = 2, dim = 0>

// CHECK-LABEL: @told
func.func @told(%i: i64) {
  // CHECK: kv.step pages : !llvm.ptr
  %pages = kv.step pages : !llvm.ptr
  // CHECK: kv.step seq_lens[%{{.*}}] : i64
  %length = kv.step seq_lens[%i] : i64
  // CHECK: kv.item partial : !llvm.ptr
  %partial = kv.item partial : !llvm.ptr
  // CHECK: kv.argument 2[%{{.*}}] : f32
  %slope = kv.argument 2[%i] : f32
  // CHECK: %[[OWN:.*]] = kv.new_item : !llvm.ptr
  %own = kv.new_item : !llvm.ptr
  // CHECK: kv.set_item head of %[[OWN]] = %{{.*}} : !llvm.ptr, i64
  kv.set_item head of %own = %i : !llvm.ptr, i64
  return
}

// CHECK-LABEL: @homes
func.func @homes(%base: !llvm.ptr, %n: i64) {
  // CHECK: %[[H:.*]] = kv.scratch "acc" : memref<4x64xf32>
  %h = kv.scratch "acc" : memref<4x64xf32>
  %words = kv.scratch "words" : memref<4x64xi32>
  // CHECK: %[[T:.*]] = kv.fetch %[[H]][%[[N:.*]], %[[N]]] : memref<4x64xf32> -> tensor<4x32xf32>
  %t = kv.fetch %h[%n, %n] : memref<4x64xf32> -> tensor<4x32xf32>
  // CHECK: kv.store %[[T]] to %[[H]][%[[N]], %[[N]]] : tensor<4x32xf32>, memref<4x64xf32>
  kv.store %t to %h[%n, %n] : tensor<4x32xf32>, memref<4x64xf32>
  // CHECK: kv.pack %[[T]] to %{{.*}}[%[[N]], %[[N]]] for key u8s8 of !kv.cache<{{.*}}> : tensor<4x32xf32>, memref<4x64xi32>
  kv.pack %t to %words[%n, %n] for key u8s8 of !cache : tensor<4x32xf32>, memref<4x64xi32>
  // CHECK: kv.pack {{.*}} for key u8s8 of !kv.cache<{{.*}}> {numbered} : tensor<4x32xf32>, memref<4x64xi32>
  kv.pack %t to %words[%n, %n] for key u8s8 of !cache {numbered} : tensor<4x32xf32>, memref<4x64xi32>
  // CHECK: %[[L:.*]] = kv.load %[[B:.*]][%[[N]]] as bf16 : !llvm.ptr -> tensor<1x64xf32>
  %l = kv.load %base[%n] as bf16 : !llvm.ptr -> tensor<1x64xf32>
  // CHECK: kv.save %[[L]] to %[[B]][%[[N]]] as f16 : tensor<1x64xf32>, !llvm.ptr
  kv.save %l to %base[%n] as f16 : tensor<1x64xf32>, !llvm.ptr
  // CHECK: kv.encode %[[L]] as f16 : tensor<1x64xf32> -> tensor<1x64xi32>
  %e = kv.encode %l as f16 : tensor<1x64xf32> -> tensor<1x64xi32>
  // CHECK: kv.scatter %{{.*}} to key of %[[B]] head %[[N]] slot %[[N]] in !kv.cache<{{.*}}> : memref<4x64xi32>, !llvm.ptr
  kv.scatter %words to key of %base head %n slot %n in !cache : memref<4x64xi32>, !llvm.ptr
  // CHECK: kv.parameter_address key zero of %[[B]] head %[[N]] slot %[[N]] group %[[N]] in !kv.cache<{{.*}}> : !llvm.ptr -> !llvm.ptr
  %p = kv.parameter_address key zero of %base head %n slot %n group %n in !cache : !llvm.ptr -> !llvm.ptr
  return
}

// CHECK-LABEL: @tiles
func.func @tiles(%base: !llvm.ptr, %n: i64, %i: i32, %x: f32, %seen: tensor<2xi32>) {
  %q = kv.scratch "q" : memref<4x64xf32>
  // CHECK: %[[BLOCK:.*]] = kv.acquire %[[B:.*]] by %[[N:.*]], %[[B]][%[[N]], %[[N]]] head %[[N]] : !llvm.ptr, !llvm.ptr -> <32 of
  %block = kv.acquire %base by %n, %base[%n, %n] head %n : !llvm.ptr, !llvm.ptr -> !kv.block<32 of !cache>
  // CHECK: kv.acquire {{.*}} head %[[N]] ahead[%[[N]], %[[N]], %[[N]]] :
  %ahead = kv.acquire %base by %n, %base[%n, %n] head %n ahead [%n, %n, %n] : !llvm.ptr, !llvm.ptr -> !kv.block<32 of !cache>
  // CHECK: kv.decode value of %[[BLOCK]] contract t[%[[N]], %[[N]]] : <{{.*}}> -> tensor<2x32xf32
  %codes = kv.decode value of %block contract t[%n, %n] : !kv.block<32 of !cache> -> tensor<2x32xf32, #lanes>
  // CHECK: kv.read key scale of %[[BLOCK]][%[[N]]] group %[[N]] : <{{.*}}> -> tensor<32xf32, #kv.tile<lanes = 16, dim = 0>>
  %scale = kv.read key scale of %block[%n] group %n : !kv.block<32 of !cache> -> tensor<32xf32, #tokens>
  // CHECK: kv.index %{{.*}} : tensor<32xi32
  %index = kv.index %i : tensor<32xi32, #tokens>
  // CHECK: kv.rows %[[X:.*]], %[[X]] : f32, f32 -> tensor<2xf32
  %rows = kv.rows %x, %x : f32, f32 -> tensor<2xf32, #rows>
  // CHECK: kv.spread %{{.*}} along 0 : tensor<2xf32, {{.*}}> -> tensor<2x32xf32, #kv.tile<lanes = 16, dim = 1>>
  %down = kv.spread %rows along 0 : tensor<2xf32, #rows> -> tensor<2x32xf32, #lanes>
  // CHECK: kv.spread %{{.*}} along 1 : tensor<32xf32, {{.*}}> -> tensor<2x32xf32
  %across = kv.spread %scale along 1 : tensor<32xf32, #tokens> -> tensor<2x32xf32, #lanes>
  // CHECK: kv.spread %[[X]] along 0 : f32 -> tensor<2x32xf32
  %all = kv.spread %x along 0 : f32 -> tensor<2x32xf32, #lanes>
  // CHECK: kv.product %{{.*}}[%[[N]]], key f32 of %[[BLOCK]] contract d at %[[N]] over[%[[N]], %[[N]]) unroll 4 init %{{.*}} : memref<4x64xf32>, <{{.*}}> -> tensor<2x32xf32
  %s = kv.product %q[%n], key f32 of %block contract d at %n over [%n, %n) unroll 4 init %all
       : memref<4x64xf32>, !kv.block<32 of !cache> -> tensor<2x32xf32, #lanes>
  // CHECK: kv.product %{{.*}}, key f32 as values of %{{.*}} init %{{.*}} apart sums %{{.*}}[%[[N]]] : memref<4x64xf32> sums memref<4x64xf32>, <
  %ofValues = kv.product %q[%n], key f32 as values of %block contract d at %n over [%n, %n) unroll 4 init %all apart sums %q[%n]
       : memref<4x64xf32> sums memref<4x64xf32>, !kv.block<32 of !cache> -> tensor<2x32xf32, #lanes>
  // CHECK: kv.weigh %[[W:.*]], %[[W]] before %{{.*}} from %{{.*}} for value of %[[BLOCK]] group %[[N]] : tensor<2x32xf32, {{.*}}>, tensor<2x32xf32, {{.*}}> before tensor<2xi32> from tensor<2xi32> of <
  %w:2 = kv.weigh %all, %all before %seen from %seen for value of %block group %n
         : tensor<2x32xf32, #lanes>, tensor<2x32xf32, #lanes> before tensor<2xi32> from tensor<2xi32> of !kv.block<32 of !cache> -> tensor<2x32xf32, #lanes>, tensor<2x32xf32, #lanes>
  // CHECK: kv.operands %{{.*}}#0, %{{.*}}#1 to %{{.*}}[%[[N]]] for value of !kv.cache<{{.*}}> ask %[[BLOCK]] lift 2.000000e+00 : tensor
  kv.operands %w#0, %w#1 to %q[%n] for value of !cache ask %block lift 2.0 : tensor<2x32xf32, #lanes>, tensor<2x32xf32, #lanes> to memref<4x64xf32> ask !kv.block<32 of !cache>
  // CHECK: kv.product {{.*}} ask[%[[N]], %[[N]]] lines 3 :
  %asking = kv.product %q[%n], key f32 of %block contract d at %n over [%n, %n) unroll 4 init %all ask [%n, %n] lines 3
       : memref<4x64xf32>, !kv.block<32 of !cache> -> tensor<2x32xf32, #lanes>
  // CHECK: kv.product {{.*}} limits[%[[N]], %[[N]]] :
  %limited = kv.product %q[%n], value f32 of %block contract t at %n over [%n, %n) unroll 4 init %all limits [%n, %n]
      : memref<4x64xf32>, !kv.block<32 of !cache> -> tensor<2x32xf32, #lanes>
  // CHECK: kv.multiply %[[Q:.*]][%[[N]]], %[[Q]][%[[N]]] of %[[BLOCK]] contract d over[%[[N]], %[[N]]) unroll 4 init %{{.*}} ask[%[[N]], %[[N]]] lines 1 : memref<4x64xf32>, memref<4x64xf32>, <{{.*}}> -> tensor<2x32xf32
  %m = kv.multiply %q[%n], %q[%n] of %block contract d over [%n, %n) unroll 4 init %all ask [%n, %n] lines 1
       : memref<4x64xf32>, memref<4x64xf32>, !kv.block<32 of !cache> -> tensor<2x32xf32, #lanes>
  // CHECK: kv.ask %[[BLOCK]] from %[[N]] lines 2 : <32 of
  kv.ask %block from %n lines 2 : !kv.block<32 of !cache>
  // CHECK: %[[MINE:.*]] = kv.share %[[BLOCK]] row %[[N]] of %[[N]] tiles of 4 fewest 2 : <32 of
  %mine = kv.share %block row %n of %n tiles of 4 fewest 2 : !kv.block<32 of !cache>
  // CHECK: kv.ask %[[MINE]] : <32 of
  kv.ask %mine : !kv.block<32 of !cache>
  %limits = kv.scratch "limits" : memref<4x1xi32>
  %words = kv.scratch "words" : memref<4x16xi32>
  %state = kv.scratch "state" : memref<4x1xf32>
  %acc = kv.scratch "acc" : memref<4x64xf32>
  // CHECK: kv.attend_rows @f of %[[BLOCK]] rows %[[N]] count %[[N]], %[[Q]] limits %[[L:.*]] from %[[S:.*]], %[[S]] to %[[S]], %[[S]], %{{.*}} : <32 of
  kv.attend_rows @f of %block rows %n count %n, %q limits %limits from %state, %state to %state, %state, %acc
      : !kv.block<32 of !cache>, memref<4x64xf32>, memref<4x1xi32>, memref<4x1xf32>, memref<4x1xf32>, memref<4x1xf32>, memref<4x1xf32>, memref<4x64xf32>
  // CHECK: kv.attend_rows @f of {{.*}} score %[[N]], %[[L]], %[[L]] : <32 of
  kv.attend_rows @f of %block rows %n count %n, %q limits %limits from %state, %state to %state, %state, %acc score %n, %limits, %limits
      : !kv.block<32 of !cache>, memref<4x64xf32>, memref<4x1xi32>, memref<4x1xf32>, memref<4x1xf32>, memref<4x1xf32>, memref<4x1xf32>, memref<4x64xf32> score memref<4x1xi32>, memref<4x1xi32>
  // CHECK: kv.attend_rows @f of {{.*}} rounded %{{[^ ]*}} : <32 of {{.*}} rounded memref<4x1xf32>
  kv.attend_rows @f of %block rows %n count %n, %words limits %limits from %state, %state to %state, %state, %acc rounded %state
      : !kv.block<32 of !cache>, memref<4x16xi32>, memref<4x1xi32>, memref<4x1xf32>, memref<4x1xf32>, memref<4x1xf32>, memref<4x1xf32>, memref<4x64xf32> rounded memref<4x1xf32>
  %token = kv.scratch "token" : memref<1x64xf32>
  %page = llvm.mlir.zero : !llvm.ptr
  // CHECK: kv.store_token @g, %{{.*}} as key to %{{.*}} head %[[N]] slot %[[N]] in !kv.cache<{{.*}}> : memref<1x64xf32>, !llvm.ptr
  kv.store_token @g, %token as key to %page head %n slot %n in !cache : memref<1x64xf32>, !llvm.ptr
  // CHECK: kv.exp2 %{{.*}} : tensor<2x32xf32
  %p = kv.exp2 %s : tensor<2x32xf32, #lanes>
  // CHECK: kv.exp2 %{{.*}} {bits = 13 : i64} : tensor<2x32xf32
  %rough = kv.exp2 %s {bits = 13 : i64} : tensor<2x32xf32, #lanes>
  // CHECK: %[[R:.*]] = kv.reduce max %{{.*}} : tensor<2x32xf32, {{.*}}> -> tensor<2xf32
  %r = kv.reduce max %p : tensor<2x32xf32, #lanes> -> tensor<2xf32, #rows>
  // CHECK: kv.relayout %[[R]] : tensor<2xf32, #kv.tile<lanes = 2, dim = 0>> -> tensor<2xf32, #kv.tile<lanes = 1, dim = 0>>
  %moved = kv.relayout %r : tensor<2xf32, #rows> -> tensor<2xf32, #kv.tile<lanes = 1, dim = 0>>
  %one = kv.rows %x : f32 -> tensor<1xf32>
  // CHECK: kv.row %{{.*}} : tensor<1xf32> -> f32
  %value = kv.row %one : tensor<1xf32> -> f32
  return
}

// CHECK-LABEL: @vectors
func.func @vectors(%i: vector<16xi32>, %bits: i16) {
  // CHECK: kv.dot s8u8 %{{.*}}, %{{.*}}, %{{.*}} : vector<16xi32> -> vector<16xi32>
  %d = kv.dot s8u8 %i, %i, %i : vector<16xi32> -> vector<16xi32>
  // CHECK: kv.widen f16 %{{.*}} : i16 -> f32
  %f = kv.widen f16 %bits : i16 -> f32
  // CHECK: kv.narrow f16 %{{.*}} : f32 -> i16
  %h = kv.narrow f16 %f : f32 -> i16
  // CHECK: kv.narrow f8e4m3 %{{.*}} : f32 -> i8
  %byte = kv.narrow f8e4m3 %f : f32 -> i8
  // CHECK: kv.widen f8e4m3 %{{.*}} : i8 -> f16
  %half = kv.widen f8e4m3 %byte : i8 -> f16
  // CHECK: kv.widen f8e4m3 %{{.*}} at 16 : vector<16xi32> -> vector<16xf32>
  %third = kv.widen f8e4m3 %i at 16 : vector<16xi32> -> vector<16xf32>
  // CHECK: kv.exp2 %{{.*}} : f32
  %e = kv.exp2 %f : f32
  return
}

!halves = !kv.cache<name = "h", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>,
                    layout = <paged 16, key = "[h, t/16, d, t%16]", value = "[h, t, d]">>
!staged = !kv.cache<name = "h", heads = 1, keyDim = 64, valueDim = 72, key = <f16>, value = <f16>,
                    layout = <dense 16, key = "[h, t/16, d, t%16]", value = "[h, t, d]">>

// CHECK-LABEL: @threads
func.func @threads(%base: !llvm.ptr, %n: i64, %x: f32, %w: i32) {
  %ring = kv.scratch "ring" : memref<3x4352xi8>
  %block = kv.acquire %base by %n, %base[%n, %n] head %n : !llvm.ptr, !llvm.ptr -> !kv.block<16 of !halves>
  // CHECK: kv.stage %{{.*}} to %[[RING:.*]][%[[N:.*]]] : <16 of {{.*}}>, memref<3x4352xi8>
  kv.stage %block to %ring[%n] : !kv.block<16 of !halves>, memref<3x4352xi8>
  // CHECK: kv.commit
  kv.commit
  // CHECK: kv.staged %[[RING]][%[[N]]] pending 2 : memref<3x4352xi8> -> <16 of
  %staged = kv.staged %ring[%n] pending 2 : memref<3x4352xi8> -> !kv.block<16 of !staged>
  // CHECK: kv.copy 16 from %[[B:.*]] to %[[B]] : !llvm.ptr, !llvm.ptr
  kv.copy 16 from %base to %base : !llvm.ptr, !llvm.ptr
  // CHECK: kv.await 1
  kv.await 1
  // CHECK: kv.barrier
  kv.barrier
  // CHECK: kv.lane
  %lane = kv.lane
  // CHECK: kv.exchange %[[X:.*]] with 4 : f32
  %other = kv.exchange %x with 4 : f32
  // CHECK: kv.read_transposed %[[B]] : !llvm.ptr
  %t:4 = kv.read_transposed %base : !llvm.ptr
  // CHECK: kv.mma bf16(%[[X]], %[[X]], %[[X]], %[[X]]), (%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}), (%[[W:.*]], %[[W]])
  %sums:4 = kv.mma bf16 (%x, %x, %x, %x), (%t#0, %t#1, %t#2, %t#3), (%w, %w)
  return
}
