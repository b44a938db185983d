// Errors of passes, shown as the frontend shows its own: at the place in the `.kv` file, without the IR around it.
#ifndef KV_DRIVER_LOCATEDERRORS_H
#define KV_DRIVER_LOCATEDERRORS_H

#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/SourceMgr.h"

namespace kv {

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
