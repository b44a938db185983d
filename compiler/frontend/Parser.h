// Tokens to the syntax tree, by recursive descent. After an error it goes on at the next clause or declaration.
#ifndef KV_FRONTEND_PARSER_H
#define KV_FRONTEND_PARSER_H

#include "compiler/frontend/Ast.h"
#include "compiler/frontend/Diagnostics.h"

namespace kv {

/// Parses every buffer of `sources`: the first is the file, further ones are schedule files. Never null; what had an error is
/// marked broken.
std::unique_ptr<FileSyntax> parseSyntax(const llvm::SourceMgr &sources, Diagnostics &diagnostics);

} // namespace kv

#endif
