#include "Helpers.h"

#include "mlir/IR/Verifier.h"
#include "llvm/Support/raw_ostream.h"

const char *const plainCache = "cache c(Hq = 8, Hkv = 4, D = 64) {\n  k, v: f16\n  layout paged(16)\n}\n";

static llvm::SourceMgr makeSources(llvm::StringRef text, llvm::StringRef schedule) {
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(text, "test.kv"), llvm::SMLoc());
  if (!schedule.empty())
    sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(schedule, "schedule.kv"), llvm::SMLoc());
  return sources;
}

Checked::Checked(llvm::StringRef text, const kv::ParseOptions &options, llvm::StringRef schedule)
    : sources(makeSources(text, schedule)), diagnostics(sources), file(kv::checkSource(sources, options, diagnostics)) {}

std::string Checked::errors() const {
  std::string text;
  llvm::raw_string_ostream os(text);
  diagnostics.print(os);
  return text;
}

std::string Checked::printed() const {
  std::string text = errors();
  llvm::raw_string_ostream os(text);
  if (file)
    kv::printSource(*file, os);
  return text;
}

std::string Checked::emitted() const {
  if (!file)
    return errors();
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  mlir::OwningOpRef<mlir::ModuleOp> module = kv::emitModule(*file, sources, context);
  std::string text;
  llvm::raw_string_ostream os(text);
  module->print(os, mlir::OpPrintingFlags().enableDebugInfo());
  return mlir::succeeded(mlir::verify(*module)) ? text : "the module does not verify\n" + text;
}
