// RUN: kv-opt %s --pass-pipeline='builtin.module(func.func(kv-distribute-tiles,canonicalize,cse))' | FileCheck %s
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 32, key = <f32>, value = <f32>,
                   layout = <paged 32, key = "[h, t/16, d, t%16]", value = "[h, t, d]">>
#schedule = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                         scores = <dot = f32, load = <vector[0] of 32>, slice = 32>,
                         sums = <dot = f32, load = <vector[0] of 32>, slice = 32>, team = <lanes = 8>>
#bytes = #kv.schedule<item = <queries = 1, heads = 1, split = 64>, rows = <one = 2, softmax = 2>, block = <tokens = 32>,
                      scores = <dot = u8s8, load = <vector[0, 8, 16, 24] of 32>, slice = 32>,
                      sums = <dot = s8u8, load = <vector[0, 8, 16, 24] of 32>, slice = 32>, team = <lanes = 8>>
!codes = !kv.cache<name = "codes", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>,
                   value = <i8, group = 64, sym, scale = f32>,
                   layout = <paged 32, tile = 32, key = "[d/4, t, d%4]", value = "[t/4, d, t%4]">>
!small = !kv.cache<name = "codes", heads = 2, keyDim = 64, valueDim = 64, key = <i8, group = 64, sym, scale = f32>,
                   value = <i8, group = 64, sym, scale = f32>,
                   layout = <paged 16, tile = 16, key = "[d/4, t, d%4]", value = "[t/4, d, t%4]">>
!large = !kv.cache<name = "large", heads = 1, keyDim = 64, valueDim = 32, key = <f32>, value = <f32>,
                   layout = <paged 1048576, key = "[h, t/16, d, t%16]", value = "[h, t, d]">>
#lanes = #kv.tile<lanes = 8, dim = 1>
#tokens = #kv.tile<lanes = 8, dim = 0>
#rows = #kv.tile<lanes = 1, dim = -1>
#tworows = #kv.tile<lanes = 2, dim = 0>

// A 2 x 16 tile of 8 lanes is four vectors; homes are addresses in the item's scratch, one after another at multiples of 64 bytes.
// CHECK-LABEL: @homes(
// CHECK-SAME: %[[STEP:.*]]: !llvm.ptr, %[[ITEM:.*]]: !llvm.ptr
// CHECK-SAME: kv.scratch_bytes = 192 : i64
// CHECK-NOT: tensor<
// CHECK: llvm.getelementptr %{{.*}}[64] : (!llvm.ptr) -> !llvm.ptr, i8
// CHECK-COUNT-4: llvm.load %{{.*}} {alignment = 4 : i64} : !llvm.ptr -> vector<8xf32>
// CHECK-COUNT-4: arith.addf %{{.*}} : vector<8xf32>
// CHECK-COUNT-4: llvm.store %{{.*}} {alignment = 4 : i64} : vector<8xf32>
// CHECK-NOT: llvm.store
// CHECK: return
func.func @homes(%step: !llvm.ptr, %item: !llvm.ptr) attributes {kv.kernel, kv.schedule = #schedule} {
  %first = kv.scratch "first" : memref<1x1xf32>
  %second = kv.scratch "second" : memref<2x16xf32>
  %zero = arith.constant 0 : i64
  %t = kv.fetch %second[%zero, %zero] : memref<2x16xf32> -> tensor<2x16xf32, #lanes>
  %u = arith.addf %t, %t : tensor<2x16xf32, #lanes>
  kv.store %u to %second[%zero, %zero] : tensor<2x16xf32, #lanes>, memref<2x16xf32>
  return
}

// A reduction adds registers, then lanes. One row is a scalar.
// CHECK-LABEL: @reduces(
// CHECK: arith.addf %{{.*}} : vector<8xf32>
// CHECK: vector.shuffle %{{.*}} [4, 5, 6, 7, 0, 1, 2, 3] : vector<8xf32>, vector<8xf32>
// CHECK: arith.addf
// CHECK: vector.shuffle %{{.*}} [2, 3, 0, 1, 6, 7, 4, 5]
// CHECK: arith.addf
// CHECK: vector.shuffle %{{.*}} [1, 0, 3, 2, 5, 4, 7, 6]
// CHECK: arith.addf
// CHECK: %[[SUM:.*]] = vector.extract
// CHECK: llvm.store %[[SUM]], %{{.*}} : f32
func.func @reduces(%step: !llvm.ptr, %item: !llvm.ptr) attributes {kv.kernel, kv.schedule = #schedule} {
  %home = kv.scratch "home" : memref<1x16xf32>
  %zero = arith.constant 0 : i64
  %t = kv.fetch %home[%zero, %zero] : memref<1x16xf32> -> tensor<1x16xf32, #lanes>
  %r = kv.reduce add %t : tensor<1x16xf32, #lanes> -> tensor<1xf32, #rows>
  %s = kv.row %r : tensor<1xf32, #rows> -> f32
  llvm.store %s, %step : f32, !llvm.ptr
  return
}

// Two rows share a vector from the second step on, and end as one vector of rows; a home of one column holds rows side by side.
// CHECK-LABEL: @reduces_two(
// CHECK: vector.shuffle %[[X:.*]], %[[Y:.*]] [0, 1, 2, 3, 8, 9, 10, 11]
// CHECK: vector.shuffle %[[X]], %[[Y]] [4, 5, 6, 7, 12, 13, 14, 15]
// CHECK: arith.maxui %{{.*}} : vector<8xi32>
// CHECK: vector.shuffle %{{.*}} [2, 3, 0, 1, 6, 7, 4, 5]
// CHECK: vector.shuffle %{{.*}} [1, 0, 3, 2, 5, 4, 7, 6]
// CHECK: %[[ROWS:.*]] = vector.shuffle %{{.*}} [0, 4] : vector<8xi32>, vector<8xi32>
// CHECK: llvm.store %[[ROWS]], %{{.*}} : vector<2xi32>
// CHECK: vector.shuffle %[[ROWS]], %[[ROWS]] [1, 1, 1, 1, 1, 1, 1, 1]
func.func @reduces_two(%step: !llvm.ptr, %item: !llvm.ptr) attributes {kv.kernel, kv.schedule = #schedule} {
  %home = kv.scratch "home" : memref<2x8xi32>
  %column = kv.scratch "column" : memref<2x1xi32>
  %zero = arith.constant 0 : i64
  %t = kv.fetch %home[%zero, %zero] : memref<2x8xi32> -> tensor<2x8xi32, #lanes>
  %r = kv.reduce umax %t : tensor<2x8xi32, #lanes> -> tensor<2xi32, #tworows>
  kv.store %r to %column[%zero, %zero] : tensor<2xi32, #tworows>, memref<2x1xi32>
  %s = kv.spread %r along 0 : tensor<2xi32, #tworows> -> tensor<2x8xi32, #lanes>
  kv.store %s to %home[%zero, %zero] : tensor<2x8xi32, #lanes>, memref<2x8xi32>
  return
}

// A tile carried by a loop is as many values as it has parts; f16 in memory is a neutral conversion on vectors.
// CHECK-LABEL: @carries(
// CHECK: scf.for {{.*}} iter_args(%{{.*}} = %{{.*}}, %{{.*}} = %{{.*}}) -> (vector<8xf32>, vector<8xf32>)
// CHECK:   kv.widen f16 %{{.*}} : vector<8xi16> -> vector<8xf32>
// CHECK:   kv.widen f16
// CHECK:   scf.yield %{{.*}}, %{{.*}} : vector<8xf32>, vector<8xf32>
// CHECK-COUNT-2: kv.narrow f16 %{{.*}} : vector<8xf32> -> vector<8xi16>
func.func @carries(%step: !llvm.ptr, %item: !llvm.ptr) attributes {kv.kernel, kv.schedule = #schedule} {
  %zero = arith.constant 0 : i64
  %one = arith.constant 1 : i64
  %n = llvm.load %item : !llvm.ptr -> i64
  %x = arith.constant 0.0 : f32
  %init = kv.spread %x along 0 : f32 -> tensor<1x16xf32, #lanes>
  %sum = scf.for %k = %zero to %n step %one iter_args(%t = %init) -> (tensor<1x16xf32, #lanes>) : i64 {
    %l = kv.load %step[%k] as f16 : !llvm.ptr -> tensor<1x16xf32, #lanes>
    %u = arith.addf %t, %l : tensor<1x16xf32, #lanes>
    scf.yield %u : tensor<1x16xf32, #lanes>
  }
  kv.save %sum to %step[%zero] as f16 : tensor<1x16xf32, #lanes>, !llvm.ptr
  return
}

// A product is a loop over the contraction: loads of codes, a broadcast of each row's operand, one dot of the record for each.
// CHECK-LABEL: @multiplies(
// CHECK: scf.for {{.*}} -> (vector<8xf32>, vector<8xf32>)
// CHECK-COUNT-8: kv.dot f32 %{{.*}} : vector<8xf32> -> vector<8xf32>
// CHECK: scf.yield
func.func @multiplies(%step: !llvm.ptr, %item: !llvm.ptr) attributes {kv.kernel, kv.schedule = #schedule} {
  %q = kv.scratch "q" : memref<2x64xf32>
  %zero = arith.constant 0 : i64
  %end = arith.constant 64 : i64
  %n = llvm.load %item : !llvm.ptr -> i64
  %x = arith.constant 0.0 : f32
  %block = kv.acquire %step by %n, %step[%n, %n] head %n : !llvm.ptr, !llvm.ptr -> !kv.block<32 of !cache>
  %init = kv.spread %x along 0 : f32 -> tensor<1x16xf32, #lanes>
  %s = kv.product %q[%zero], key f32 of %block contract d at %zero over [%zero, %end) unroll 4 init %init
       : memref<2x64xf32>, !kv.block<32 of !cache> -> tensor<1x16xf32, #lanes>
  kv.save %s to %step[%zero] as f32 : tensor<1x16xf32, #lanes>, !llvm.ptr
  return
}

// Rows of two bytes are multiplied twice, the sums of the high bytes counting 256 times.
// CHECK-LABEL: @multiplies_bytes(
// CHECK: %[[ROWS:.*]] = llvm.getelementptr %{{.*}}[64] : (!llvm.ptr) -> !llvm.ptr, i8
// CHECK: %[[HIGH:.*]]:4 = scf.for
// CHECK-COUNT-8: kv.dot u8s8
// CHECK-NOT: kv.dot
// CHECK: scf.yield
// CHECK: arith.shli %[[HIGH]]#0, %{{.*}} : vector<8xi32>
// CHECK: scf.for
// CHECK-COUNT-8: kv.dot u8s8
// CHECK-NOT: kv.dot
// CHECK: scf.yield
func.func @multiplies_bytes(%step: !llvm.ptr, %item: !llvm.ptr) attributes {kv.kernel, kv.schedule = #bytes} {
  %other = kv.scratch "other" : memref<1x1xi32>
  %q = kv.scratch "q" : memref<1x32xi32>
  %zero = arith.constant 0 : i64
  %end = arith.constant 64 : i64
  %n = llvm.load %item : !llvm.ptr -> i64
  %x = arith.constant 0 : i32
  %block = kv.acquire %step by %n, %step[%n, %n] head %n : !llvm.ptr, !llvm.ptr -> !kv.block<32 of !codes>
  %init = kv.spread %x along 0 : i32 -> tensor<1x32xi32, #lanes>
  %s = kv.product %q[%zero], key u8s8x2 of %block contract d at %zero over [%zero, %end) unroll 2 init %init
       : memref<1x32xi32>, !kv.block<32 of !codes> -> tensor<1x32xi32, #lanes>
  %f = arith.sitofp %s : tensor<1x32xi32, #lanes> to tensor<1x32xf32, #lanes>
  kv.save %f to %step[%zero] as f32 : tensor<1x32xf32, #lanes>, !llvm.ptr
  return
}

// A block ahead is asked for from its first line to its last: by q . k, by softmax between the parts of a tile, by p . v.
// CHECK-LABEL: @paces(
// CHECK: scf.for
// CHECK: "llvm.intr.prefetch"(%{{.*}}) <{{{.*}}hint = 2
// CHECK: scf.yield
// CHECK: "llvm.intr.prefetch"(%{{.*}}) <{{{.*}}hint = 2
// CHECK: kv.exp2 %{{.*}} : vector<8xf32>
// CHECK: "llvm.intr.prefetch"(%{{.*}}) <{{{.*}}hint = 2
// CHECK: kv.exp2 %{{.*}} : vector<8xf32>
func.func @paces(%step: !llvm.ptr, %item: !llvm.ptr) attributes {kv.kernel, kv.schedule = #bytes} {
  %q = kv.scratch "q" : memref<1x16xi32>
  %zero = arith.constant 0 : i64
  %end = arith.constant 64 : i64
  %step64 = arith.constant 64 : i64
  %n = llvm.load %item : !llvm.ptr -> i64
  %x = arith.constant 0 : i32
  %block = kv.acquire %step by %n, %step[%n, %n] head %n ahead [%n, %n, %n] : !llvm.ptr, !llvm.ptr -> !kv.block<32 of !codes>
  %init = kv.spread %x along 0 : i32 -> tensor<1x32xi32, #lanes>
  %s = kv.product %q[%zero], key u8s8 of %block contract d at %zero over [%zero, %end) unroll 2 init %init ask [%n, %step64] lines 1
       : memref<1x16xi32>, !kv.block<32 of !codes> -> tensor<1x32xi32, #lanes>
  %f = arith.sitofp %s : tensor<1x32xi32, #lanes> to tensor<1x32xf32, #lanes>
  kv.ask %block from %n lines 2 : !kv.block<32 of !codes>
  %p = kv.exp2 %f : tensor<1x32xf32, #lanes>
  kv.save %p to %step[%zero] as f32 : tensor<1x32xf32, #lanes>, !llvm.ptr
  return
}

// Codes as numbers into scratch; from there a loop over the contraction, and one for what is left of it.
// CHECK-LABEL: @decodes(
// CHECK: %[[RAW:.*]] = llvm.load {{.*}} -> vector<8xi32>
// CHECK: arith.shli %[[RAW]]
// CHECK: arith.shrsi
// CHECK: %[[CODE:.*]] = arith.sitofp {{.*}} : vector<8xi32> to vector<8xf32>
// CHECK: llvm.store %[[CODE]]
// CHECK: %[[SUMS:.*]]:4 = scf.for
// CHECK-COUNT-16: kv.dot f32
// CHECK-NOT: kv.dot
// CHECK: scf.yield
// CHECK: scf.for {{.*}} iter_args({{.*}} = %[[SUMS]]#0,
// CHECK-COUNT-4: kv.dot f32
// CHECK-NOT: kv.dot
// CHECK: scf.yield
func.func @decodes(%step: !llvm.ptr, %item: !llvm.ptr) attributes {kv.kernel, kv.schedule = #bytes} {
  %q = kv.scratch "q" : memref<2x64xf32>
  %keys = kv.scratch "keys" : memref<128x16xf32>
  %zero = arith.constant 0 : i64
  %n = llvm.load %item : !llvm.ptr -> i64
  %x = arith.constant 0.0 : f32
  %block = kv.acquire %step by %n, %step[%n, %n] head %n ahead [%n, %n, %n] : !llvm.ptr, !llvm.ptr -> !kv.block<32 of !codes>
  %codes = kv.decode key of %block contract d[%n, %zero] : !kv.block<32 of !codes> -> tensor<4x16xf32, #lanes>
  kv.store %codes to %keys[%n, %zero] : tensor<4x16xf32, #lanes>, memref<128x16xf32>
  %init = kv.spread %x along 0 : f32 -> tensor<2x16xf32, #lanes>
  %s = kv.multiply %q[%zero], %keys[%zero] of %block contract d over [%zero, %n) unroll 4 init %init
       : memref<2x64xf32>, memref<128x16xf32>, !kv.block<32 of !codes> -> tensor<2x16xf32, #lanes>
  kv.store %s to %q[%zero, %zero] : tensor<2x16xf32, #lanes>, memref<2x64xf32>
  return
}

// A block that several row tiles read asks for the block ahead in parts: the products and softmax say from which byte on.
// CHECK-LABEL: @asks(
// CHECK: %[[FROM:.*]] = llvm.load %arg1 : !llvm.ptr -> i64
// CHECK: scf.for
// CHECK: %[[DONE:.*]] = arith.muli %{{.*}}, %[[FROM]] : i64
// CHECK: arith.addi %[[FROM]], %[[DONE]] : i64
// CHECK-COUNT-2: "llvm.intr.prefetch"(%{{.*}}) <{{{.*}}hint = 2
// CHECK-NOT: prefetch
// CHECK: scf.yield
// CHECK: "llvm.intr.prefetch"(%{{.*}}) <{{{.*}}hint = 2
// CHECK: kv.exp2
func.func @asks(%step: !llvm.ptr, %item: !llvm.ptr) attributes {kv.kernel, kv.schedule = #bytes} {
  %q = kv.scratch "q" : memref<1x16xi32>
  %zero = arith.constant 0 : i64
  %end = arith.constant 64 : i64
  %n = llvm.load %item : !llvm.ptr -> i64
  %x = arith.constant 0 : i32
  %block = kv.acquire %step by %n, %step[%n, %n] head %n ahead [%n, %n, %n] : !llvm.ptr, !llvm.ptr -> !kv.block<32 of !codes>
  %init = kv.spread %x along 0 : i32 -> tensor<1x32xi32, #lanes>
  %s = kv.product %q[%zero], key u8s8 of %block contract d at %zero over [%zero, %end) unroll 2 init %init ask [%n, %n] lines 2
       : memref<1x16xi32>, !kv.block<32 of !codes> -> tensor<1x32xi32, #lanes>
  %f = arith.sitofp %s : tensor<1x32xi32, #lanes> to tensor<1x32xf32, #lanes>
  kv.ask %block from %n lines 1 : !kv.block<32 of !codes>
  %p = kv.exp2 %f : tensor<1x32xf32, #lanes>
  kv.save %p to %step[%zero] as f32 : tensor<1x32xf32, #lanes>, !llvm.ptr
  return
}

// On several pages the second of two lines is one of the next page where the first page's tile ends before it: 16 tokens are 2176 bytes.
// CHECK-LABEL: @crosses(
// CHECK: %[[OFFSET:.*]] = arith.remui %{{.*}}, %c2176
// CHECK: %[[HERE:.*]] = llvm.getelementptr
// CHECK: %[[NEXT:.*]] = llvm.getelementptr %{{.*}}[-2176]
// CHECK: %[[PAST:.*]] = arith.cmpi sge, %[[OFFSET]], %c2112
// CHECK: %[[TILE:.*]] = arith.select %[[PAST]], %[[NEXT]], %[[HERE]]
// CHECK: llvm.getelementptr %[[TILE]][%[[OFFSET]]]
// CHECK-COUNT-2: llvm.intr.prefetch
func.func @crosses(%step: !llvm.ptr, %item: !llvm.ptr) attributes {kv.kernel, kv.schedule = #bytes} {
  %q = kv.scratch "q" : memref<1x16xi32>
  %zero = arith.constant 0 : i64
  %n = llvm.load %item : !llvm.ptr -> i64
  %x = arith.constant 0.0 : f32
  %block = kv.acquire %step by %n, %step[%n, %n] head %n ahead [%n, %n, %n] : !llvm.ptr, !llvm.ptr -> !kv.block<32 of !small>
  %f = kv.spread %x along 0 : f32 -> tensor<1x32xf32, #lanes>
  kv.ask %block from %n lines 2 : !kv.block<32 of !small>
  %p = kv.exp2 %f : tensor<1x32xf32, #lanes>
  kv.save %p to %step[%zero] as f32 : tensor<1x32xf32, #lanes>, !llvm.ptr
  return
}

// Values that lie 2^28 bytes into a page: constants of GEP have 29 bits with their sign.
// CHECK-LABEL: @large(
// CHECK: %[[KEYS:.*]] = arith.constant 268435456 : i64
// CHECK: llvm.getelementptr %{{.*}}[%[[KEYS]]]
func.func @large(%step: !llvm.ptr, %item: !llvm.ptr, %n: i64) attributes {kv.kernel, kv.schedule = #schedule} {
  %p = kv.scratch "p" : memref<1x32xf32>
  %zero = arith.constant 0 : i64
  %x = arith.constant 0.0 : f32
  %block = kv.acquire %step by %n, %step[%n, %n] head %zero : !llvm.ptr, !llvm.ptr -> !kv.block<32 of !large>
  %init = kv.spread %x along 0 : f32 -> tensor<1x8xf32, #lanes>
  %s = kv.product %p[%zero], value f32 of %block contract t at %zero over [%zero, %n) unroll 4 init %init
       : memref<1x32xf32>, !kv.block<32 of !large> -> tensor<1x8xf32, #lanes>
  kv.store %s to %p[%zero, %zero] : tensor<1x8xf32, #lanes>, memref<1x32xf32>
  return
}
