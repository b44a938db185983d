// The frontend's entry points: a `.kv` file to a checked tree, or to a level-0 module.
//
//   llvm::SourceMgr sources;                      // buffer 1: the file; further buffers: schedule files
//   kv::Diagnostics diagnostics(sources);
//   auto module = kv::parseFile(sources, context, options, diagnostics);
//   if (!module) diagnostics.print(llvm::errs());
#ifndef KV_FRONTEND_FRONTEND_H
#define KV_FRONTEND_FRONTEND_H

#include "compiler/frontend/Checks.h"
#include "compiler/frontend/Emit.h"
#include "compiler/frontend/Parser.h"
#include "compiler/frontend/Printer.h"

namespace kv {

/// Lexes, parses and checks. Null when there are errors. The tree refers to the text of `sources`.
inline std::unique_ptr<CheckedFile> checkSource(const llvm::SourceMgr &sources, const ParseOptions &options,
                                                Diagnostics &diagnostics) {
  return checkFile(parseSyntax(sources, diagnostics), options, diagnostics);
}

/// The same, then emits the module. Loads the dialects it needs into `context`.
inline mlir::OwningOpRef<mlir::ModuleOp> parseFile(llvm::SourceMgr &sources, mlir::MLIRContext &context,
                                                   const ParseOptions &options, Diagnostics &diagnostics) {
  std::unique_ptr<CheckedFile> file = checkSource(sources, options, diagnostics);
  return file ? emitModule(*file, sources, context) : nullptr;
}

} // namespace kv

#endif
