// The static libraries, one an architecture.
#include "compiler/driver/Artifacts.h"

#include "llvm/Object/Archive.h"
#include "llvm/Object/ArchiveWriter.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llvm;

namespace kv {

Expected<std::string> makeArchive(ArrayRef<ObjectFile> objects, StringRef architecture) {
  std::vector<NewArchiveMember> members;
  for (const ObjectFile &object : objects)
    if (object.architecture == architecture)
      members.emplace_back(MemoryBufferRef(object.bytes, object.name));
  Expected<std::unique_ptr<MemoryBuffer>> archive = writeArchiveToBuffer(
      members, SymtabWritingMode::NormalSymtab, object::Archive::K_GNU, /*Deterministic=*/true, /*Thin=*/false);
  if (!archive)
    return archive.takeError();
  return (*archive)->getBuffer().str();
}

const DeviceCode &Compiled::device(StringRef target) const {
  return *find_if(devices, [&](const DeviceCode &code) { return code.target == target; });
}

std::vector<std::string> Compiled::architectures() const {
  std::vector<std::string> found;
  for (const ObjectFile &object : objects)
    if (!is_contained(found, object.architecture))
      found.push_back(object.architecture);
  return found;
}

std::string libraryPath(const Compiled &compiled, StringRef name, StringRef architecture) {
  std::string file = ("lib" + name + ".a").str();
  return compiled.architectures().size() > 1 ? (architecture + "/" + file).str() : file;
}

} // namespace kv
