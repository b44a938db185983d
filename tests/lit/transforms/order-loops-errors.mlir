// What kv-order-loops cannot place.
// RUN: kv-opt %s -split-input-file -verify-diagnostics --kv-order-loops
func.func @two() {
  %a = kv.start_state : !kv.state<2 x 64>
  // expected-error @+1 {{expected one state in a function}}
  %b = kv.start_state : !kv.state<2 x 64>
  return
}

// -----
func.func @observed() {
  // expected-error @+1 {{expected a state without observers, got 2; they are not lowered yet}}
  %a = kv.start_state : !kv.state<2 x 64, 2>
  return
}
