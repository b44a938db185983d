#include "tools/kvcc/Ptxas.h"

#include "compiler/support/Files.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/Regex.h"

#include <fstream>

using namespace llvm;

namespace kv {

static std::optional<std::string> findAssembler() {
  const char *home = std::getenv("CUDA_HOME");
  SmallString<128> folder(home ? home : "/usr/local/cuda");
  sys::path::append(folder, "bin");
  auto in = [](ArrayRef<StringRef> folders) -> std::optional<std::string> {
    auto found = sys::findProgramByName("ptxas", folders);
    return found ? std::optional(*found) : std::nullopt;
  };
  if (home)
    if (auto found = in({folder.str()}))
      return found;
  auto found = in({});
  return found ? found : in({folder.str()});
}

static int64_t numberBefore(StringRef line, StringRef words) {
  SmallVector<StringRef> found;
  int64_t number = 0;
  if (Regex(("([0-9]+) " + words).str()).match(line, &found))
    found[1].getAsInteger(10, number);
  return number;
}

std::optional<std::vector<EntryReport>> assemble(const DeviceCode &code, std::string &problem) {
  std::optional<std::string> assembler = findAssembler();
  if (!assembler)
    return std::nullopt;
  Expected<std::string> folder = makeTemporaryFolder("kvcc-ptxas");
  if (!folder) {
    problem = toString(folder.takeError());
    return std::vector<EntryReport>();
  }
  scope_exit removeAll([&] { sys::fs::remove_directories(*folder); });
  std::string source = *folder + "/code.ptx", output = *folder + "/code.cubin", log = *folder + "/log";
  std::ofstream(source) << code.text;
  std::string arch = "-arch=" + code.target;
  std::optional<StringRef> redirects[] = {std::nullopt, StringRef(log), StringRef(log)};
  int status = sys::ExecuteAndWait(*assembler, {*assembler, arch, "-v", source, "-o", output}, std::nullopt, redirects);
  auto text = MemoryBuffer::getFile(log);
  if (status != 0 || !text) {
    problem = text ? (*text)->getBuffer().trim().str() : "ptxas wrote nothing";
    return std::vector<EntryReport>();
  }
  std::vector<EntryReport> entries;
  for (StringRef line : split((*text)->getBuffer(), '\n')) {
    if (line.contains("Compiling entry function"))
      entries.push_back({line.split('\'').second.split('\'').first.str()});
    if (entries.empty())
      continue;
    entries.back().stackBytes += numberBefore(line, "bytes stack frame");
    entries.back().spillBytes += numberBefore(line, "bytes spill stores") + numberBefore(line, "bytes spill loads");
    entries.back().registers += numberBefore(line, "registers");
  }
  return entries;
}

} // namespace kv
