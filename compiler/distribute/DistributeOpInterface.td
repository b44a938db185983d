// How an op on tiles becomes an op on vectors or scalars.
#ifndef KV_DISTRIBUTE_OP_INTERFACE_TD
#define KV_DISTRIBUTE_OP_INTERFACE_TD

include "mlir/IR/OpBase.td"

def DistributeOpInterface : OpInterface<"DistributeOpInterface"> {
  let cppNamespace = "::kv";
  let description = [{
    An op of a kernel's tiles. Every op of the level `tiles` has a model of it in this folder; an op of another dialect needs one
    only where it is neither elementwise on tiles nor without any.
  }];
  let methods = [
    InterfaceMethod<"Builds what the op becomes, and tells the Distributor what its results have become.",
                    "void", "distribute", (ins "::kv::Distributor &":$d)>,
    InterfaceMethod<"What the op does to memory that the threads of a team share; kv-place-barriers reads it.",
                    "::kv::TeamMemory", "teamMemory">,
  ];
}

#endif
