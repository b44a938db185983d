#include "compiler/support/Files.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Signals.h"

#include <filesystem>

using namespace llvm;

namespace kv {

static Error cannot(const char *what, StringRef path, const Twine &why) {
  return createStringError(Twine("cannot ") + what + " `" + path + "`: " + why);
}

/// What a chain of symbolic links ends in, whether that exists or not.
static std::string followLinks(std::string path) {
  std::error_code error;
  for (int links = 0; links < 40 && std::filesystem::is_symlink(path, error); ++links) {
    std::filesystem::path next = std::filesystem::read_symlink(path, error);
    if (error)
      break;
    path = (std::filesystem::path(path).parent_path() / next).string(); // an absolute `next` stands alone
  }
  return path;
}

Expected<std::unique_ptr<PendingFile>> PendingFile::create(StringRef path) {
  std::unique_ptr<PendingFile> file(new PendingFile);
  file->given = path.str();
  file->place = followLinks(path.str());
  sys::fs::file_status status;
  if (!sys::fs::status(file->place, status) && status.type() != sys::fs::file_type::regular_file)
    return cannot("write", path, status.type() == sys::fs::file_type::directory_file ? "it is a folder" : "it is no regular file");
  StringRef folder = sys::path::parent_path(file->place);
  if (!folder.empty())
    if (std::error_code error = sys::fs::create_directories(folder, /*IgnoreExisting=*/true, sys::fs::all_all))
      return cannot("create folder", folder, error.message());
  int descriptor = -1;
  std::error_code error;
  do { // the name is short: the file's own may be as long as the file system lets it
    SmallString<128> temporary(folder);
    sys::path::append(temporary, ".kvcc-" + utohexstr(sys::Process::GetRandomNumber(), /*LowerCase=*/true, 8) + ".tmp");
    error = sys::fs::openFileForWrite(temporary, descriptor, sys::fs::CD_CreateNew, sys::fs::OF_None, 0666);
    file->temporary = temporary.str().str();
  } while (error == std::errc::file_exists);
  if (error) {
    file->temporary.clear();
    return cannot("write", path, error.message());
  }
  sys::RemoveFileOnSignal(file->temporary);
  file->out = std::make_unique<raw_fd_ostream>(descriptor, /*shouldClose=*/true);
  return std::move(file);
}

PendingFile::~PendingFile() {
  consumeError(close());
  if (temporary.empty())
    return;
  sys::fs::remove(temporary);
  sys::DontRemoveFileOnSignal(temporary);
}

Error PendingFile::close() {
  if (!out)
    return Error::success();
  out->close();
  std::error_code error = out->error();
  out->clear_error();
  out.reset();
  return error ? cannot("write", given, error.message()) : Error::success();
}

Error PendingFile::commit() {
  if (Error error = close())
    return error;
  if (std::error_code error = sys::fs::rename(temporary, place))
    return cannot("write", given, error.message());
  sys::DontRemoveFileOnSignal(temporary);
  temporary.clear();
  return Error::success();
}

Error keepInputs(ArrayRef<std::string> written, ArrayRef<std::string> read) {
  for (const std::string &output : written) {
    sys::fs::file_status place, source;
    if (sys::fs::status(output, place)) // there is none yet
      continue;
    for (const std::string &input : read) {
      std::error_code error = input == "-" ? sys::fs::status(0, source) : sys::fs::status(input, source);
      if (!error && sys::fs::equivalent(place, source))
        return cannot("write", output, "it is the file that was read as `" + input + "`");
    }
  }
  return Error::success();
}

Expected<std::string> makeTemporaryFolder(StringRef prefix) {
  SmallString<128> temporary;
  sys::path::system_temp_directory(/*ErasedOnReboot=*/true, temporary);
  std::error_code error;
  for (int attempt = 0; attempt < 100; ++attempt) {
    SmallString<128> folder(temporary);
    sys::path::append(folder, prefix + "-" + utohexstr(sys::Process::GetRandomNumber(), /*LowerCase=*/true, 8));
    error = sys::fs::create_directory(folder, /*IgnoreExisting=*/false, sys::fs::owner_all);
    if (!error)
      return folder.str().str();
    if (error != std::errc::file_exists)
      break;
  }
  return cannot("make a folder in", temporary, error.message());
}

} // namespace kv
