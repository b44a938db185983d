// Errors of passes, shown as the frontend shows its own: at the place in the `.kv` file, without the IR around it.
#ifndef KV_DRIVER_LOCATEDERRORS_H
#define KV_DRIVER_LOCATEDERRORS_H

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/SourceMgr.h"

#include <string>

namespace kv {

/// The place in a buffer that an MLIR location names, or nothing.
llvm::SMLoc findPlace(mlir::Location location, const llvm::SourceMgr &sources);

/// The sentence without the op that MLIR puts before it: "'kv.attend' op expected ..." is about the attend under the caret.
std::string readText(mlir::Diagnostic &diagnostic);

/// While it lives, diagnostics of `context` go to stderr with the lines of `sources` they point into.
class LocatedErrors : public mlir::ScopedDiagnosticHandler {
public:
  LocatedErrors(mlir::MLIRContext &context, const llvm::SourceMgr &sources);

private:
  void print(mlir::Diagnostic &diagnostic) const;

  const llvm::SourceMgr &sources;
};

} // namespace kv

#endif
