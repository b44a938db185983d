// Any text through the frontend: no crash, no hang; what is accepted prints, parses again and prints the same, and its level-0
// module verifies. Text after the first NUL is a schedule file.
#include "compiler/frontend/Frontend.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>

namespace {

[[noreturn]] void fail(const char *what, llvm::StringRef first, llvm::StringRef second) {
  llvm::errs() << what << "\n--- first\n" << first << "\n--- second\n" << second << "\n";
  std::abort();
}

struct Run {
  Run(llvm::StringRef text, llvm::StringRef schedule) {
    sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(text, "fuzz.kv"), llvm::SMLoc());
    if (!schedule.empty())
      sources.AddNewSourceBuffer(llvm::MemoryBuffer::getMemBufferCopy(schedule, "schedule.kv"), llvm::SMLoc());
    file = kv::checkSource(sources, {}, diagnostics);
    llvm::raw_string_ostream os(errors);
    diagnostics.print(os);
    diagnostics.printJson(os);
    if (file) {
      llvm::raw_string_ostream printedStream(printed);
      kv::printSource(*file, printedStream);
    }
  }

  llvm::SourceMgr sources;
  kv::Diagnostics diagnostics{sources};
  std::unique_ptr<kv::CheckedFile> file;
  std::string errors, printed;
};

void checkModule(const Run &run) {
  // Types and attributes live as long as their context: a fresh one now and then bounds the memory.
  static std::unique_ptr<mlir::MLIRContext> context;
  static unsigned uses = 0;
  if (!context || ++uses % 1000 == 0) {
    context = std::make_unique<mlir::MLIRContext>(mlir::MLIRContext::Threading::DISABLED);
    context->printOpOnDiagnostic(false);
  }
  if (mlir::failed(mlir::verify(*kv::emitModule(*run.file, run.sources, *context))))
    fail("the module does not verify", run.printed, "");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  auto [text, schedule] = llvm::StringRef(reinterpret_cast<const char *>(data), size).split('\0');
  Run first(text, schedule);
  if (!first.file != first.diagnostics.hasErrors())
    fail("no tree and no error, or both", text, first.errors);
  if (!first.file)
    return 0;
  checkModule(first);
  Run second(first.printed, "");
  if (!second.file || second.printed != first.printed)
    fail("printing is no fixpoint", first.printed, second.file ? second.printed : second.errors);
  return 0;
}
