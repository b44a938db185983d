// Fields of the step and its item become loads at their places in kv_abi.h.
// RUN: kv-opt %s --kv-lower-entry --canonicalize | FileCheck %s

// CHECK-LABEL: @read(
// CHECK-SAME: %[[STEP:[a-z0-9]+]]: !llvm.ptr, %[[ITEM:[a-z0-9]+]]: !llvm.ptr,
// The item's sequence is its first field; lengths are i32.
// CHECK: %[[SEQ:.*]] = llvm.load %[[ITEM]] : !llvm.ptr -> i64
// CHECK: %[[LENGTHS:.*]] = llvm.getelementptr %[[STEP]][48]
// CHECK: %[[ARRAY:.*]] = llvm.load %[[LENGTHS]] : !llvm.ptr -> !llvm.ptr
// CHECK: %[[OFFSET:.*]] = arith.muli %[[SEQ]], %c4_i64 : i64
// CHECK: %[[ENTRY:.*]] = llvm.getelementptr %[[ARRAY]][%[[OFFSET]]]
// CHECK: %[[LENGTH:.*]] = llvm.load %[[ENTRY]] : !llvm.ptr -> i32
// CHECK: arith.extsi %[[LENGTH]] : i32 to i64
func.func @read(%step: !llvm.ptr, %item: !llvm.ptr, %to: !llvm.ptr) attributes {kv.kernel} {
  %seq = kv.item seq : i64
  %length = kv.step seq_lens[%seq] : i64
  llvm.store %length, %to : i64, !llvm.ptr
  // Slots of a mapping are i64.
  // CHECK: llvm.getelementptr %[[STEP]][72]
  // CHECK: arith.muli %[[SEQ]], %c8_i64
  // CHECK: llvm.load {{.*}} -> i64
  %slot = kv.step slot_mapping[%seq] : i64
  llvm.store %slot, %to : i64, !llvm.ptr
  // An array itself is a pointer.
  // CHECK: %[[TABLE:.*]] = llvm.getelementptr %[[STEP]][56]
  // CHECK: llvm.load %[[TABLE]] : !llvm.ptr -> !llvm.ptr
  %table = kv.step block_table : !llvm.ptr
  llvm.store %table, %to : !llvm.ptr, !llvm.ptr
  // Declared arrays follow the workspace, 32 bytes each, of f32.
  // CHECK: llvm.getelementptr %[[STEP]][312]
  // CHECK: llvm.load {{.*}} -> f32
  %slope = kv.argument 2[%seq] : f32
  llvm.store %slope, %to : f32, !llvm.ptr
  return
}

// CHECK-LABEL: @call(
// CHECK: %[[OWN:.*]] = llvm.alloca %{{.*}} x i64
// CHECK: %[[END:.*]] = llvm.getelementptr %[[OWN]][32]
// CHECK: llvm.store %{{.*}}, %[[END]] : i64
// CHECK: call @other(%{{.*}}, %[[OWN]])
func.func private @other(!llvm.ptr, !llvm.ptr)
func.func @call(%step: !llvm.ptr, %item: !llvm.ptr) attributes {kv.kernel} {
  %own = kv.new_item : !llvm.ptr
  %end = kv.item query_end : i64
  kv.set_item query_end of %own = %end : !llvm.ptr, i64
  func.call @other(%step, %own) : (!llvm.ptr, !llvm.ptr) -> ()
  return
}

// A function that is no kernel is left alone.
// CHECK-LABEL: @none(
// CHECK: kv.item seq
func.func @none(%step: !llvm.ptr, %item: !llvm.ptr) -> i64 {
  %seq = kv.item seq : i64
  return %seq : i64
}
