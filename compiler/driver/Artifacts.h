// Files a compilation leaves behind: static library, header, manifest, depfile. All are built in memory first and put in place by
// renaming at the end, so an error never leaves half of them.
#ifndef KV_DRIVER_ARTIFACTS_H
#define KV_DRIVER_ARTIFACTS_H

#include "compiler/driver/Compiled.h"
#include "llvm/Support/Error.h"

namespace kv {

struct OutputFile {
  std::string path;
  std::string bytes;
};

/// The objects of one architecture as an `ar` archive with a symbol table and without dates or owners: the same objects give the
/// same bytes.
llvm::Expected<std::string> makeArchive(llvm::ArrayRef<ObjectFile> objects, llvm::StringRef architecture);

/// `#include "NAME.h"`: C99 and C++ declarations of the kernels, with their shapes, units, byte map and errors in comments.
std::string makeHeader(const Compiled &compiled, llvm::StringRef name, llvm::StringRef source);

/// The same facts as JSON, for build systems and other languages.
std::string makeManifest(const Compiled &compiled, llvm::StringRef name, llvm::StringRef source,
                         llvm::ArrayRef<std::pair<std::string, int64_t>> params);

/// A makefile rule `targets: sources`.
std::string makeDepfile(llvm::ArrayRef<std::string> targets, llvm::ArrayRef<std::string> sources);

/// Writes every file under a temporary name beside its place, then renames all; creates folders. On an error nothing has changed.
llvm::Error writeFiles(llvm::ArrayRef<OutputFile> files);

} // namespace kv

#endif
