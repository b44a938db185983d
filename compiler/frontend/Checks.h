// Syntax tree to checked tree: names, sizes, types, and every rule of language.md.
#ifndef KV_FRONTEND_CHECKS_H
#define KV_FRONTEND_CHECKS_H

#include "compiler/frontend/Diagnostics.h"
#include "compiler/frontend/Spec.h"

namespace kv {

/// Checks what is not broken; null when there is any error, the parser's included.
std::unique_ptr<CheckedFile> checkFile(std::unique_ptr<FileSyntax> syntax, const ParseOptions &options, Diagnostics &diagnostics);

} // namespace kv

#endif
