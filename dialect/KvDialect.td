// The kv dialect: what a KV cache is, how it is attended, and the tiles that compute it.
#ifndef KV_DIALECT_TD
#define KV_DIALECT_TD

include "mlir/IR/OpBase.td"

def Kv_Dialect : Dialect {
  let name = "kv";
  let cppNamespace = "::kv";
  let summary = "key-value caches and their kernels";
  let description = [{
    Level 0 (`kv.append`, `kv.attend`, `kv.append_attend`, `kv.merge` on `!kv.cache`) is what a `.kv` file says; the reference
    interpreter executes it literally. Levels 1 and 2 are how it is computed: tiles of registers and scratch, products, reductions.
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let extraClassDeclaration = [{
    void registerAttributes();
    void registerTypes();
  }];
}

#endif
