// Depfile text, and putting files in place all together.
#include "compiler/driver/Artifacts.h"
#include "compiler/support/Files.h"

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
  std::vector<std::unique_ptr<PendingFile>> pending;
  for (const OutputFile &file : files) {
    Expected<std::unique_ptr<PendingFile>> made = PendingFile::create(file.path);
    if (!made)
      return made.takeError();
    (*made)->stream() << file.bytes;
    if (Error error = (*made)->close())
      return error;
    pending.push_back(std::move(*made));
  }
  // Beyond this point everything is on disk under temporary names; only renames are left.
  for (const std::unique_ptr<PendingFile> &file : pending)
    if (Error error = file->commit())
      return error;
  return Error::success();
}

} // namespace kv
