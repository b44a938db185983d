// Names that the generated header gives to what is no kernel.
#ifndef KV_FRONTEND_HEADERNAMES_H
#define KV_FRONTEND_HEADERNAMES_H

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringRef.h"

#include <string>

namespace kv {

/// What the macros of a cache end with, after macroPrefix() and `_`.
inline constexpr const char *cacheMacros[] = {"HEADS_KV", "DIM_K", "DIM_V", "PAGE_TOKENS", "PAGE_BYTES", "LAYOUT_HASH"};

/// What the macros of a cache start with; differs for names that differ in case alone. No cache is named `kv_..` in any case.
inline std::string macroPrefix(llvm::StringRef cache) {
  if (llvm::none_of(cache, llvm::isUpper))
    return cache.upper();
  return (llvm::any_of(cache, llvm::isLower) ? cache : "KV_" + cache).str();
}

} // namespace kv

#endif
