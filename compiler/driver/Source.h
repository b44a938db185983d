// A `.kv` file as the tools see it: text in, level 0 out, with everything its locations point into kept alive.
#ifndef KV_DRIVER_SOURCE_H
#define KV_DRIVER_SOURCE_H

#include "compiler/driver/KernelSpec.h"
#include "compiler/frontend/Spec.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"

#include <string>
#include <vector>

namespace kv {

struct SourceOptions {
  std::string file;
  std::vector<std::pair<std::string, int64_t>> params; ///< values for the cache's parameters
  std::string schedule;                                ///< a second file with schedules, or empty
};

class Source {
public:
  explicit Source(SourceOptions options);
  ~Source();

  /// Reads and checks. On an error `module()` is empty and the errors are printed, as text or as a JSON array.
  bool read(llvm::raw_ostream &errors, bool json = false);

  /// The checked syntax, for printing.
  const CheckedFile &checked() const { return *checkedFile; }
  mlir::ModuleOp module() const { return *level0; }
  /// The module as data, with the names of arrays and the text of scores as the file has them.
  ModuleSpec spec() const;
  mlir::MLIRContext &context() { return mlirContext; }
  llvm::SourceMgr &sources() { return sourceManager; }
  const SourceOptions &options() const { return given; }
  /// The files read, for a depfile; standard input is `-`.
  std::vector<std::string> files() const;
  /// The file's name without folder and ending: the default name of what is made of it.
  std::string stem() const;

private:
  SourceOptions given;
  llvm::SourceMgr sourceManager;
  mlir::MLIRContext mlirContext;
  std::unique_ptr<CheckedFile> checkedFile;
  mlir::OwningOpRef<mlir::ModuleOp> level0;
};

/// Prints an error that has no place in a file: `kvcc: error: ...`, or the JSON array that errors of files come in, with this one.
void printPlainError(llvm::raw_ostream &os, llvm::StringRef kind, llvm::StringRef message, bool json);

/// Reads "Hq=64", a decimal number as in a file. False when the text is not NAME=INTEGER.
bool parseParam(llvm::StringRef text, std::pair<std::string, int64_t> &param);

} // namespace kv

#endif
