// The runs of tokens that a mask lets pass: bounds that say nothing new are left out, runs are in order.
// RUN: kv-opt %s --pass-pipeline='builtin.module(func.func(kv-analyze-mask))' | FileCheck %s
!cache = !kv.cache<name = "c", heads = 2, keyDim = 64, valueDim = 64, key = <f16>, value = <f16>, layout = <paged 16, key = auto, value = auto>>
!rows = tensor<?x4x64xf32>

// CHECK-LABEL: @all(
// CHECK: visible = #kv.visible<low = [(d0) -> ()], high = [(d0) -> ()]>
func.func @all(%c: !cache, %q: !rows) -> !rows {
  %o = kv.attend %q on %c scale(0.125) accuracy(high) queries(1, 8) : !rows, !cache -> !rows
  return %o : !rows
}

// i >= j && i - j < 4096, where j >= -1 says nothing
// CHECK-LABEL: @window(
// CHECK: visible = #kv.visible<low = [(d0) -> (d0 - 4095)], high = [(d0) -> (d0 + 1)]>
func.func @window(%c: !cache, %q: !rows) -> !rows {
  %o = kv.attend %q on %c scale(0.125) mask { ^bb0(%i: i32, %j: i32, %h: index):
    %size = arith.constant 4096 : i32
    %least = arith.constant -1 : i32
    %distance = arith.subi %i, %j : i32
    %near = arith.cmpi slt, %distance, %size : i32
    %past = arith.cmpi sge, %i, %j : i32
    %always = arith.cmpi sge, %j, %least : i32
    %both = arith.andi %near, %past : i1
    %seen = arith.andi %both, %always : i1
    kv.yield %seen : i1
  } accuracy(high) queries(1, 8) : !rows, !cache -> !rows
  return %o : !rows
}

// j <= i && (i - j < 2044 || j < 4): two runs, the first tokens first
// CHECK-LABEL: @first_and_window(
// CHECK: visible = #kv.visible<low = [(d0) -> (), (d0) -> (d0 - 2043)], high = [(d0) -> (d0 + 1, 4), (d0) -> (d0 + 1)]>
func.func @first_and_window(%c: !cache, %q: !rows) -> !rows {
  %o = kv.attend %q on %c scale(0.125) mask { ^bb0(%i: i32, %j: i32, %h: index):
    %size = arith.constant 2044 : i32
    %four = arith.constant 4 : i32
    %distance = arith.subi %i, %j : i32
    %near = arith.cmpi slt, %distance, %size : i32
    %early = arith.cmpi slt, %j, %four : i32
    %either = arith.ori %near, %early : i1
    %past = arith.cmpi sle, %j, %i : i32
    %seen = arith.andi %past, %either : i1
    kv.yield %seen : i1
  } accuracy(high) queries(1, 8) : !rows, !cache -> !rows
  return %o : !rows
}

// !(j > i || j == 7)
// CHECK-LABEL: @negated(
// CHECK: visible = #kv.visible<low = [(d0) -> (), (d0) -> (8)], high = [(d0) -> (d0 + 1, 7), (d0) -> (d0 + 1)]>
func.func @negated(%c: !cache, %q: !rows) -> !rows {
  %o = kv.attend %q on %c scale(0.125) mask { ^bb0(%i: i32, %j: i32, %h: index):
    %seven = arith.constant 7 : i32
    %true = arith.constant true
    %later = arith.cmpi sgt, %j, %i : i32
    %seventh = arith.cmpi eq, %j, %seven : i32
    %hidden = arith.ori %later, %seventh : i1
    %seen = arith.xori %hidden, %true : i1
    kv.yield %seen : i1
  } accuracy(high) queries(1, 8) : !rows, !cache -> !rows
  return %o : !rows
}
