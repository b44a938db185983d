// What no instruction of the target does is done by plainer ones.
// RUN: kv-opt %s --kv-select-instructions=target=generic | FileCheck %s

// Two rows by two columns: the first word of each by the plain record, then the second.
// CHECK-LABEL: @pair(
// CHECK: vector.shuffle %[[CACHE:.*]], %[[CACHE]] [0, 2, 0, 2] :
// CHECK: vector.shuffle %[[ROW:.*]], %[[ROW]] [0, 0, 2, 2] :
// CHECK-COUNT-4: arith.muli
// CHECK: vector.shuffle %[[CACHE]], %[[CACHE]] [1, 3, 1, 3] :
// CHECK: vector.shuffle %[[ROW]], %[[ROW]] [1, 1, 3, 3] :
// CHECK-COUNT-4: arith.muli
// CHECK-NOT: arith.muli
// CHECK: return
func.func @pair(%acc: vector<4xi32>, %cache: vector<4xi32>, %row: vector<4xi32>) -> vector<4xi32> {
  %0 = kv.dot s8s8mm %acc, %cache, %row : vector<4xi32> -> vector<4xi32>
  return %0 : vector<4xi32>
}

// CHECK-LABEL: @halves(
// CHECK: arith.mulf
// CHECK: arith.addf
// CHECK-NOT: kv.
// CHECK: return
func.func @halves(%acc: vector<4xf32>, %cache: vector<4xi16>, %row: vector<4xi16>) -> vector<4xf32> {
  %0 = kv.dot f16 %acc, %cache, %row : vector<4xi16> -> vector<4xf32>
  return %0 : vector<4xf32>
}

// No call of floorf.
// CHECK-LABEL: @floor(
// CHECK: arith.addf
// CHECK-NOT: math.floor
// CHECK: return
func.func @floor(%x: vector<4xf32>) -> vector<4xf32> {
  %0 = math.floor %x : vector<4xf32>
  return %0 : vector<4xf32>
}
