// Depfile text, and putting files in place all together.
#include "compiler/driver/Artifacts.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace kv {

/// Make's escapes: blanks and `#` by a backslash, `$` doubled.
static std::string escapeForMake(StringRef path) {
  std::string text;
  for (char c : path) {
    if (c == ' ' || c == '#')
      text += '\\';
    if (c == '$')
      text += '$';
    text += c;
  }
  return text;
}

std::string makeDepfile(ArrayRef<std::string> targets, ArrayRef<std::string> sources) {
  std::string text;
  for (const std::string &target : targets)
    text += (text.empty() ? "" : " ") + escapeForMake(target);
  text += ":";
  for (const std::string &source : sources)
    text += " \\\n  " + escapeForMake(source);
  return text + "\n";
}

Error writeFiles(ArrayRef<OutputFile> files) {
  SmallVector<SmallString<128>> temporaries;
  scope_exit removeLeftovers([&] {
    for (const auto &path : temporaries)
      if (!path.empty())
        sys::fs::remove(path);
  });

  for (const OutputFile &file : files) {
    StringRef folder = sys::path::parent_path(file.path);
    if (!folder.empty())
      if (std::error_code error = sys::fs::create_directories(folder))
        return createStringError(error, "cannot create folder `%s`: %s", folder.str().c_str(), error.message().c_str());
    int descriptor = -1;
    SmallString<128> path;
    if (std::error_code error = sys::fs::createUniqueFile(file.path + ".%%%%%%%%.tmp", descriptor, path, sys::fs::OF_None, 0644))
      return createStringError(error, "cannot write `%s`: %s", file.path.c_str(), error.message().c_str());
    temporaries.push_back(path);
    raw_fd_ostream stream(descriptor, /*shouldClose=*/true);
    stream << file.bytes;
    stream.close();
    if (std::error_code error = stream.error()) {
      stream.clear_error();
      return createStringError(error, "cannot write `%s`: %s", file.path.c_str(), error.message().c_str());
    }
  }

  // Beyond this point everything is on disk under temporary names; only renames are left.
  for (auto [file, temporary] : zip_equal(files, temporaries)) {
    if (std::error_code error = sys::fs::rename(temporary, file.path))
      return createStringError(error, "cannot write `%s`: %s", file.path.c_str(), error.message().c_str());
    temporary.clear();
  }
  return Error::success();
}

} // namespace kv
