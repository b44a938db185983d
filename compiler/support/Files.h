// Files that appear whole or not at all, and folders for temporary ones. LLVM's own functions for both replace each `%` of a path.
#ifndef KV_SUPPORT_FILES_H
#define KV_SUPPORT_FILES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/raw_ostream.h"

#include <memory>
#include <string>

namespace kv {

/// A file that is written under a temporary name beside its place and put there by commit(). Without that it is removed, also when
/// a signal ends the program.
class PendingFile {
public:
  /// Creates missing folders. A symbolic link is followed: the file it names is the one replaced. An error where something stands
  /// in the file's place that is no regular file: a folder, a device, a pipe.
  static llvm::Expected<std::unique_ptr<PendingFile>> create(llvm::StringRef path);
  ~PendingFile();

  llvm::raw_ostream &stream() { return *out; }
  /// Writes what is left to the temporary file. An error if any of it could not be written.
  llvm::Error close();
  /// Puts the closed file in its place.
  llvm::Error commit();

private:
  PendingFile() = default;

  std::string given, place, temporary; ///< as the user wrote it, with links followed, until commit()
  std::unique_ptr<llvm::raw_fd_ostream> out;
};

/// An error where a file to be written is one that was read, by whatever name or link. `-` among `read` is standard input.
llvm::Error keepInputs(llvm::ArrayRef<std::string> written, llvm::ArrayRef<std::string> read);

/// Makes a folder that only this user can read, in the one that TMPDIR names; its name starts with `prefix`.
llvm::Expected<std::string> makeTemporaryFolder(llvm::StringRef prefix);

} // namespace kv

#endif
