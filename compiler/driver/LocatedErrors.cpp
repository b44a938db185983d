#include "compiler/driver/LocatedErrors.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Location.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/Regex.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace kv {

SMLoc findPlace(mlir::Location location, const SourceMgr &sources) {
  auto place = location->findInstanceOf<mlir::FileLineColLoc>();
  if (!place)
    return {};
  for (unsigned id = 1; id <= sources.getNumBuffers(); ++id)
    if (sources.getMemoryBuffer(id)->getBufferIdentifier() == place.getFilename().getValue())
      return const_cast<SourceMgr &>(sources).FindLocForLineAndColumn(id, place.getLine(), place.getColumn());
  return {};
}

std::string readText(mlir::Diagnostic &diagnostic) { return Regex("^'kv\\.[a-z_]+' op ").sub("", diagnostic.str()); }

LocatedErrors::LocatedErrors(mlir::MLIRContext &context, const SourceMgr &sources)
    : ScopedDiagnosticHandler(&context), sources(sources) {
  context.printOpOnDiagnostic(false);
  setHandler([this](mlir::Diagnostic &diagnostic) { print(diagnostic); });
}

void LocatedErrors::print(mlir::Diagnostic &diagnostic) const {
  auto kindOf = [](mlir::DiagnosticSeverity severity) {
    switch (severity) {
    case mlir::DiagnosticSeverity::Error:
      return SourceMgr::DK_Error;
    case mlir::DiagnosticSeverity::Warning:
      return SourceMgr::DK_Warning;
    case mlir::DiagnosticSeverity::Note:
    case mlir::DiagnosticSeverity::Remark:
      return SourceMgr::DK_Note;
    }
    return SourceMgr::DK_Error;
  };
  sources.PrintMessage(errs(), findPlace(diagnostic.getLocation(), sources), kindOf(diagnostic.getSeverity()), readText(diagnostic),
                       {}, {}, /*ShowColors=*/false);
  for (mlir::Diagnostic &note : diagnostic.getNotes())
    print(note);
}

} // namespace kv
