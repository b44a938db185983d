#include "compiler/halide/Halide.h"
#include "compiler/support/Files.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

#include <cstdlib>
#include <fstream>

using namespace llvm;

namespace kv::halide {

static Error fail(const Twine &message) { return createStringError(inconvertibleErrorCode(), message); }

static Expected<std::string> findProgram() {
  SmallString<256> path;
  if (const char *named = std::getenv("KVCC_HALIDE")) {
    path = named;
  } else {
    path = sys::path::parent_path(sys::fs::getMainExecutable(nullptr, nullptr));
    sys::path::append(path, "kvcc-halide");
  }
  if (!sys::fs::can_execute(path))
    return fail("the Halide route needs `" + path +
                "`, which is not there; tools/setup brings Halide, and a build with it makes it");
  return path.str().str();
}

static Expected<std::string> readFile(const Twine &path) {
  auto file = MemoryBuffer::getFile(path);
  if (!file)
    return fail("cannot read `" + path + "`: " + file.getError().message());
  return (*file)->getBuffer().str();
}

Expected<Functions> buildFunctions(const Plan &plan) {
  Functions functions;
  if (plan.blocks.empty() && plan.rows.empty())
    return functions;
  Expected<std::string> program = findProgram();
  if (!program)
    return program.takeError();
  Expected<std::string> folder = makeTemporaryFolder("kvcc-halide");
  if (!folder)
    return folder.takeError();
  scope_exit remove([&] { sys::fs::remove_directories(*folder); });
  auto in = [&](const Twine &name) { return (*folder + "/" + name).str(); };
  std::ofstream(in("plan.json")) << nlohmann::json(plan);
  std::string input = in("plan.json"), errors = in("errors"), message;
  std::optional<StringRef> redirects[] = {StringRef(input), std::nullopt, StringRef(errors)};
  if (sys::ExecuteAndWait(*program, {*program, *folder}, std::nullopt, redirects, 0, 0, &message)) {
    Expected<std::string> said = readFile(errors);
    consumeError(said.takeError());
    return fail("the Halide route: " + (said && !said->empty() ? StringRef(*said).rtrim() : StringRef(message)));
  }
  for (const Block &block : plan.blocks)
    functions.push_back({block.name, block, ""});
  for (const Row &row : plan.rows)
    functions.push_back({row.name, std::nullopt, ""});
  for (Made &made : functions) {
    Expected<std::string> bitcode = readFile(in(made.name + ".bc"));
    if (!bitcode)
      return bitcode.takeError();
    made.bitcode = std::move(*bitcode);
  }
  return functions;
}

} // namespace kv::halide
