// The parts of the checks, one file each: CheckNames.cpp, CheckCache.cpp, CheckLayout.cpp, CheckAttend.cpp; Checks.cpp calls them.
// A function that returns bool says whether all was well; it has reported what was not.
#ifndef KV_FRONTEND_CHECKSIMPL_H
#define KV_FRONTEND_CHECKSIMPL_H

#include "compiler/frontend/Evaluate.h"

namespace kv {

/// What an identifier names, for errors: "a cache", "a parameter".
bool checkIdentifier(const Word &name, llvm::StringRef what, Diagnostics &diagnostics);
/// Identifier rules of a cache's or an attend's name: it becomes part of symbols.
bool checkSymbolPart(const Word &name, llvm::StringRef what, Diagnostics &diagnostics);
/// The symbols of all kernels differ and are no keywords.
void checkSymbols(const FileSyntax &file, Diagnostics &diagnostics);
/// Each pair of `-p` names a parameter of some cache, once.
void checkOverrides(const FileSyntax &file, const ParseOptions &options, Diagnostics &diagnostics);

/// True when the parameters are good, so that attends can be checked; there may be other errors.
bool checkCache(const CacheSyntax &syntax, const ParseOptions &options, CheckedCache &cache, Diagnostics &diagnostics);
bool checkLayout(const LayoutSyntax &syntax, CheckedCache &cache, Diagnostics &diagnostics);
bool checkAttend(AttendSyntax &syntax, CheckedCache &cache, CheckedAttend &attend, Diagnostics &diagnostics);
/// Parameters that nothing reads; to be called when all expressions over them have been evaluated.
void checkParametersUsed(const CheckedCache &cache, Diagnostics &diagnostics);

/// Evaluates a size and checks that it is from `least` to `most`.
std::optional<int64_t> evaluateSize(const Expr &expr, llvm::ArrayRef<CheckedParameter> parameters, llvm::StringRef what,
                                    int64_t least, int64_t most, Diagnostics &diagnostics);

} // namespace kv

#endif
