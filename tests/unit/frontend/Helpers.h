// A `.kv` text through the frontend, for tests.
#ifndef KV_TESTS_FRONTEND_HELPERS_H
#define KV_TESTS_FRONTEND_HELPERS_H

#include "compiler/frontend/Frontend.h"
#include "mlir/IR/MLIRContext.h"

#include <memory>
#include <string>

/// Sources, errors and the checked tree of one text.
struct Checked {
  explicit Checked(llvm::StringRef text, const kv::ParseOptions &options = {}, llvm::StringRef schedule = "");

  /// The errors as kvcc prints them.
  std::string errors() const;
  /// The file with defaults spelled out; the errors when there are any.
  std::string printed() const;
  /// The module, verified; the errors when there are any.
  std::string emitted() const;

  llvm::SourceMgr sources;
  kv::Diagnostics diagnostics;
  std::unique_ptr<kv::CheckedFile> file;
};

/// The cache that most tests attend.
extern const char *const plainCache;

#endif
