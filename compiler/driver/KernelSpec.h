// What a level-0 module promises to callers: its caches and kernels, as plain data. Headers, manifests, descriptor tables,
// `explain`, `verify` and `bench` all read this and never walk the IR themselves.
#ifndef KV_DRIVER_KERNELSPEC_H
#define KV_DRIVER_KERNELSPEC_H

#include "dialect/KvOps.h"
#include "dialect/Storage.h"
#include "kv/kv_abi.h"
#include "mlir/IR/BuiltinOps.h"

#include <string>
#include <vector>

namespace kv {

struct CacheSpec {
  std::string name;
  CacheType type;     ///< orders resolved
  CacheType declared; ///< as written, `auto` still `auto`
  PageMap map;
  kv_tokens tokens = {}; ///< where a token is in these pages
  uint64_t layoutHash = 0;
  kv_type tokenType = KV_TYPE_F32; ///< of q, k and v
};

/// A declared array: f32 [Hq].
struct ParamSpec {
  std::string name;
  ArgumentRole role;
};

struct KernelSpec {
  std::string name; ///< of the C descriptor and of the level-0 function: "llama3_decode"
  std::string op;   ///< the part after "<cache>_": "decode", "append", "append_decode"
  size_t cache = 0; ///< index into ModuleSpec::caches
  kv_op kind = KV_OP_APPEND;
  kv_type qType = KV_TYPE_F32;
  kv_type oType = KV_TYPE_F32;
  bool hasLse = false;
  VisibleAttr visible; ///< which tokens a query sees; null of an append
  Accuracy accuracy = Accuracy::high;
  double scale = 0;
  int64_t headsQ = 0;
  int64_t minQueries = 0;
  int64_t maxQueries = 0;
  std::vector<ParamSpec> params; ///< the declared arrays, in order
  std::string mask;              ///< as in a `.kv` file
  std::string score;             ///< empty when the score is s itself

  bool has(ArgumentRole role) const {
    return llvm::any_of(params, [&](const ParamSpec &param) { return param.role == role; });
  }
};

struct ModuleSpec {
  std::vector<CacheSpec> caches;
  std::vector<KernelSpec> kernels; ///< in the module's order
};

/// Reads a checked level-0 module.
ModuleSpec readModule(mlir::ModuleOp level0);

/// xxHash64 of a text that names everything that decides which byte holds what; the cache's name is no part of it.
uint64_t hashLayout(CacheType resolved);

/// "i8 group(d:128) sym scale f32", as in a `.kv` file.
std::string codecText(CodecAttr codec);
/// "paged(16) k [h, t/16, d], v [h, t, d]".
std::string layoutText(LayoutAttr layout);
const char *typeName(kv_type type);
const char *opName(kv_op op);

} // namespace kv

#endif
