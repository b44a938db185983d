// RUN: kv-opt %s --pass-pipeline='builtin.module(func.func(kv-walk-pointers,canonicalize,cse))' | FileCheck %s

// Addresses a fixed distance apart are one pointer; what is divided exactly grows as evenly as the rest.
// CHECK-LABEL: @walks
// CHECK-SAME:  %[[BASE:.*]]: !llvm.ptr, %[[OTHER:.*]]: !llvm.ptr, %[[STEP:.*]]: i64, %[[END:.*]]: i64
// CHECK:       scf.for %{{.*}} = %{{.*}} to %[[END]] step %{{.*}} iter_args(%[[P:.*]] = %[[BASE]], %[[Q:.*]] = %[[OTHER]])
// CHECK-DAG:     llvm.load %[[P]]
// CHECK-DAG:     %[[NEXT:.*]] = llvm.getelementptr %[[P]][64]
// CHECK-DAG:     llvm.load %[[NEXT]]
// CHECK-DAG:     llvm.store %{{.*}}, %[[Q]]
// CHECK-DAG:     %[[P1:.*]] = llvm.getelementptr %[[P]][512]
// CHECK-DAG:     %[[Q1:.*]] = llvm.getelementptr %[[Q]][%[[STEP]]]
// CHECK:         scf.yield %[[P1]], %[[Q1]]
func.func @walks(%base: !llvm.ptr, %other: !llvm.ptr, %step: i64, %end: i64) {
  %c0 = arith.constant 0 : i64
  %c1 = arith.constant 1 : i64
  %c8 = arith.constant 8 : i64
  %c64 = arith.constant 64 : i64
  scf.for %z = %c0 to %end step %c8 : i64 {
    %bytes = arith.muli %z, %c64 : i64
    %p = llvm.getelementptr %base[%bytes] : (!llvm.ptr, i64) -> !llvm.ptr, i8
    %x = llvm.load %p : !llvm.ptr -> i32
    %z1 = arith.addi %z, %c1 : i64
    %bytes1 = arith.muli %z1, %c64 : i64
    %p1 = llvm.getelementptr %base[%bytes1] : (!llvm.ptr, i64) -> !llvm.ptr, i8
    %y = llvm.load %p1 : !llvm.ptr -> i32
    %sum = arith.addi %x, %y : i32
    %iteration = arith.divui %z, %c8 : i64
    %walked = arith.muli %iteration, %step : i64
    %q = llvm.getelementptr %other[%walked] : (!llvm.ptr, i64) -> !llvm.ptr, i8
    llvm.store %sum, %q : i32, !llvm.ptr
  }
  return
}

// What is rounded down, or read from memory, does not grow evenly.
// CHECK-LABEL: @stays
// CHECK:       scf.for
// CHECK-NOT:   iter_args
// CHECK:       llvm.getelementptr %{{.*}}[%{{.*}}]
func.func @stays(%base: !llvm.ptr, %begin: i64, %end: i64) {
  %c1 = arith.constant 1 : i64
  %c8 = arith.constant 8 : i64
  scf.for %z = %begin to %end step %c1 : i64 {
    %down = arith.divui %z, %c8 : i64
    %p = llvm.getelementptr %base[%down] : (!llvm.ptr, i64) -> !llvm.ptr, i8
    %there = llvm.load %p : !llvm.ptr -> !llvm.ptr
    %q = llvm.getelementptr %there[%z] : (!llvm.ptr, i64) -> !llvm.ptr, i8
    llvm.store %begin, %q : i64, !llvm.ptr
  }
  return
}

// A loop around another computes its addresses.
// CHECK-LABEL: @outer
// CHECK:       scf.for
// CHECK-NOT:   iter_args
// CHECK:       scf.for
// CHECK-SAME:  iter_args
func.func @outer(%base: !llvm.ptr, %end: i64) {
  %c0 = arith.constant 0 : i64
  %c8 = arith.constant 8 : i64
  scf.for %i = %c0 to %end step %c8 : i64 {
    %p = llvm.getelementptr %base[%i] : (!llvm.ptr, i64) -> !llvm.ptr, i8
    llvm.store %i, %p : i64, !llvm.ptr
    scf.for %j = %c0 to %end step %c8 : i64 {
      %q = llvm.getelementptr %p[%j] : (!llvm.ptr, i64) -> !llvm.ptr, i8
      llvm.store %j, %q : i64, !llvm.ptr
    }
  }
  return
}

// Quotients and remainders of what grows by multiples of the divisor: one grows evenly, the other stays as it is.
// CHECK-LABEL: @divides
// CHECK-SAME:  %[[BASE:.*]]: !llvm.ptr, %[[LANE:.*]]: i64, %[[END:.*]]: i64
// CHECK:       %[[FIRST:.*]] = llvm.getelementptr %[[BASE]][%{{.*}}]
// CHECK:       scf.for %{{.*}} = %{{.*}} to %[[END]] step %{{.*}} iter_args(%[[P:.*]] = %[[FIRST]])
// CHECK-NEXT:    llvm.store %{{.*}}, %[[P]]
// CHECK-NEXT:    %[[NEXT:.*]] = llvm.getelementptr %[[P]][64]
// CHECK-NEXT:    scf.yield %[[NEXT]]
func.func @divides(%base: !llvm.ptr, %lane: i64, %end: i64) {
  %c0 = arith.constant 0 : i64
  %c4 = arith.constant 4 : i64
  %c16 = arith.constant 16 : i64
  scf.for %z = %c0 to %end step %c16 : i64 {
    %own = arith.addi %z, %lane : i64
    %row = arith.divui %own, %c4 : i64
    %bytes = arith.muli %row, %c16 : i64
    %column = arith.remui %own, %c4 : i64
    %sum = arith.addi %bytes, %column : i64
    %p = llvm.getelementptr %base[%sum] : (!llvm.ptr, i64) -> !llvm.ptr, i8
    llvm.store %end, %p : i64, !llvm.ptr
  }
  return
}

// Two regions of a page far apart: a pointer each. A distance that GEP's constants of 29 bits cannot hold is a value of its own.
// CHECK-LABEL: @far
// CHECK-SAME:  %[[BASE:.*]]: !llvm.ptr, %[[END:.*]]: i64
// CHECK-DAG:   %[[APART:.*]] = arith.constant 268435456 : i64
// CHECK-DAG:   %[[OTHER:.*]] = llvm.getelementptr %[[BASE]][%[[APART]]]
// CHECK:       scf.for %{{.*}} iter_args(%[[P:.*]] = %[[BASE]], %[[Q:.*]] = %[[OTHER]])
// CHECK-DAG:     llvm.store %{{.*}}, %[[P]]
// CHECK-DAG:     llvm.store %{{.*}}, %[[Q]]
func.func @far(%base: !llvm.ptr, %end: i64) {
  %c0 = arith.constant 0 : i64
  %c8 = arith.constant 8 : i64
  %apart = arith.constant 268435456 : i64
  scf.for %z = %c0 to %end step %c8 : i64 {
    %p = llvm.getelementptr %base[%z] : (!llvm.ptr, i64) -> !llvm.ptr, i8
    llvm.store %z, %p : i64, !llvm.ptr
    %q = llvm.getelementptr %p[%apart] : (!llvm.ptr, i64) -> !llvm.ptr, i8
    llvm.store %z, %q : i64, !llvm.ptr
  }
  return
}

// Offsets on both sides of the first: each is near enough to it, but not the two to one another.
// CHECK-LABEL: @around
// CHECK:       scf.for {{.*}} iter_args(%{{.*}} = %{{.*}}, %{{.*}} = %{{.*}}, %{{.*}} = %{{.*}}) -> (!llvm.ptr, !llvm.ptr, !llvm.ptr)
func.func @around(%base: !llvm.ptr, %end: i64) {
  %c0 = arith.constant 0 : i64
  %c8 = arith.constant 8 : i64
  %below = arith.constant -150000000 : i64
  %above = arith.constant 150000000 : i64
  scf.for %z = %c0 to %end step %c8 : i64 {
    %p = llvm.getelementptr %base[%z] : (!llvm.ptr, i64) -> !llvm.ptr, i8
    llvm.store %z, %p : i64, !llvm.ptr
    %q = llvm.getelementptr %p[%below] : (!llvm.ptr, i64) -> !llvm.ptr, i8
    llvm.store %z, %q : i64, !llvm.ptr
    %r = llvm.getelementptr %p[%above] : (!llvm.ptr, i64) -> !llvm.ptr, i8
    llvm.store %z, %r : i64, !llvm.ptr
  }
  return
}
